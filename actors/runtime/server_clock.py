"""The exchange's time, as well as our own clock and its `Date` headers can tell.

A `Date` header has whole seconds, so an answer bounds the offset between the two clocks to an interval of one second;
the
offset is kept inside every interval seen. The estimate starts at zero (our own clock) and moves only as far as it must.

Rules:
1. Past OFFSET_MAX_MS the clock is not sane: signatures would be refused and leases would be wrong, so nothing is
quoted.
2. A step of the wall clock against the monotonic one beyond STEP_MAX_MS is distrusted until the offset has been
measured
   anew by FRESH_ANSWERS answers (I21).

Source: RFC 9110 §6.6.1 for the header; the exchange accepts signatures within about 10 s (recorded June 2026).
"""

from __future__ import annotations

from collections.abc import Callable

OFFSET_MAX_MS = 3_000
STEP_MAX_MS = 1_000
DATE_RESOLUTION_MS = 1_000
FRESH_ANSWERS = 3


class ServerClock:
    """Our wall clock, corrected by what the exchange's answers say."""

    def __init__(self, *, now: Callable[[], float], wall_ms: Callable[[], int]) -> None:
        self._now = now
        self._wall_ms = wall_ms
        self._offset_ms = 0
        self._anchor_ms = self._wall_minus_monotonic_ms()
        self._answers_since_step = FRESH_ANSWERS

    def _wall_minus_monotonic_ms(self) -> float:
        return self._wall_ms() - self._now() * 1000

    def now_ms(self) -> int:
        """Returns the exchange's present time, estimated."""
        return self._wall_ms() + self._offset_ms

    def now_s(self) -> float:
        return self.now_ms() / 1000

    @property
    def offset_ms(self) -> int:
        return self._offset_ms

    def observe_date(self, date_ms: int, wall_at_receive_ms: int) -> None:
        """Takes in a `Date` header: the exchange's clock read between that second and the next one."""
        self._check_step()
        low = date_ms - wall_at_receive_ms
        high = low + DATE_RESOLUTION_MS
        self._offset_ms = min(max(self._offset_ms, low), high)
        self._answers_since_step += 1

    def _check_step(self) -> None:
        drift_ms = self._wall_minus_monotonic_ms() - self._anchor_ms
        if abs(drift_ms) > STEP_MAX_MS:
            self._anchor_ms += drift_ms
            self._offset_ms = 0
            self._answers_since_step = 0

    def is_sane(self) -> bool:
        """Returns whether signatures, leases and windows may be trusted now."""
        self._check_step()
        return abs(self._offset_ms) <= OFFSET_MAX_MS and self._answers_since_step >= FRESH_ANSWERS
