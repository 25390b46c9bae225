"""The exchange's time, as well as our own clock and its `Date` headers can tell.

A `Date` header has whole seconds, so an answer says: the exchange's clock has reached that second, and had not
yet reached the next one when it wrote the header. The first half bounds the offset between the two clocks from
below for certain; the second half bounds it from above only as well as the answer was fast. So the fastest of
the last ANSWERS_KEPT answers, the one with the highest lower bound, gives an interval of one second, and the
estimate is kept inside it. It starts at zero (our own clock) and moves only as far as it must.

Rules:
1. Past OFFSET_MAX_MS the clock is not sane: signatures would be refused and leases would be wrong, so nothing
   is quoted.
2. A step of the wall clock against the monotonic one beyond STEP_MAX_MS is distrusted until the offset has been
   measured anew by FRESH_ANSWERS answers (I21).

Rejected: following each answer by itself. One that took three seconds would pull the estimate three seconds
back and withdraw every quote.

Source: RFC 9110 §6.6.1 for the header; the exchange accepts signatures within about 10 s (recorded June 2026).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

OFFSET_MAX_MS = 3_000
STEP_MAX_MS = 1_000
DATE_RESOLUTION_MS = 1_000
FRESH_ANSWERS = 3
# Of so many answers in a row one is fast; at a few answers a second they are seconds old at most.
ANSWERS_KEPT = 8
# How far the estimate can be behind: the second that a Date leaves open, and half of one for a slow line.
LATEST_MARGIN_MS = DATE_RESOLUTION_MS + 500


class ServerClock:
    """Our wall clock, corrected by what the exchange's answers say."""

    def __init__(self, *, now: Callable[[], float], wall_ms: Callable[[], int]) -> None:
        self._now = now
        self._wall_ms = wall_ms
        self._offset_ms = 0
        self._lows_ms: deque[int] = deque(maxlen=ANSWERS_KEPT)
        self._anchor_ms = self._wall_minus_monotonic_ms()
        self._answers_since_step = FRESH_ANSWERS

    def _wall_minus_monotonic_ms(self) -> float:
        return self._wall_ms() - self._now() * 1000

    def now_ms(self) -> int:
        """Returns the exchange's present time, estimated."""
        return self._wall_ms() + self._offset_ms

    def now_s(self) -> float:
        return self.now_ms() / 1000

    def latest_ms(self) -> int:
        """Returns what the exchange's clock reads now at the latest."""
        return self.now_ms() + LATEST_MARGIN_MS

    @property
    def offset_ms(self) -> int:
        return self._offset_ms

    def observe_date(self, date_ms: int, wall_at_receive_ms: int) -> None:
        """Takes in a `Date` header and our own, uncorrected wall time at which it came."""
        self._check_step()
        self._lows_ms.append(date_ms - wall_at_receive_ms)
        low = max(self._lows_ms)
        self._offset_ms = min(max(self._offset_ms, low), low + DATE_RESOLUTION_MS)
        self._answers_since_step += 1

    def _check_step(self) -> None:
        drift_ms = self._wall_minus_monotonic_ms() - self._anchor_ms
        if abs(drift_ms) > STEP_MAX_MS:
            self._anchor_ms += drift_ms
            self._offset_ms = 0
            self._lows_ms.clear()
            self._answers_since_step = 0

    def is_sane(self) -> bool:
        """Returns whether signatures, leases and windows may be trusted now."""
        self._check_step()
        return abs(self._offset_ms) <= OFFSET_MAX_MS and self._answers_since_step >= FRESH_ANSWERS
