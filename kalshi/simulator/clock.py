"""The exchange's clock: the wall's, moved to where a scenario begins, run faster, and skewed by a fault.

Rules:
1. Exchange time = start + (wall - wall at start) x speed. With speed 1 and no other start it is the wall's time.
2. Time inside the exchange (matching, expiry, `ts_ms`) never goes back. A skew into the past makes it stand still
   until the clock has caught up with it. Rate limits count by `steady_ms`, which no skew moves: a server measures
   rates with a clock that nobody sets.
3. What the exchange says and checks about the present (`Date`, the window of a signature) follows the skew at
   once, in both directions: this is what a client with a clock of its own must notice.
All times are milliseconds since the epoch; `elapsed_s` is seconds of exchange time, without the skew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SPEED_MAX: Final = 1_000.0


class ExchangeClock:
    """Calling it gives the exchange's time in ms, skew included."""

    def __init__(self, wall_ms: Callable[[], int], *, speed: float = 1.0, starts_at_ms: int | None = None) -> None:
        if not 0 < speed <= SPEED_MAX:
            raise ValueError(f"speed must be above 0 and at most {SPEED_MAX:g}")
        self._wall_ms = wall_ms
        self._wall_start_ms = wall_ms()
        self._start_ms = self._wall_start_ms if starts_at_ms is None else starts_at_ms
        self.speed = speed
        self.skew_ms = 0

    def __call__(self) -> int:
        return self.steady_ms() + self.skew_ms

    @property
    def elapsed_s(self) -> float:
        return (self.steady_ms() - self._start_ms) / 1000

    def accepted_ms(self) -> tuple[int, ...]:
        """Returns the times around which a client's signature is taken for fresh.

        A client that is right by its own clock cannot follow one that runs faster or began elsewhere, so then the
        wall's time is good as well.
        """
        now_ms = self()
        is_wall = self.speed == 1.0 and self._start_ms == self._wall_start_ms
        return (now_ms,) if is_wall else (now_ms, self._wall_ms() + self.skew_ms)

    def steady_ms(self) -> int:
        """Returns exchange time without the skew."""
        passed_ms = self._wall_ms() - self._wall_start_ms
        return self._start_ms + (passed_ms if self.speed == 1.0 else round(passed_ms * self.speed))
