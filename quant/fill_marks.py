"""Where the mid of a market stood when we were filled, and 1, 5, 10 and 60 seconds later: facts for the records.

1. Mids are kept by the exchange's time, without our own orders in them, in twice their value: bid + ask, an integer.
2. The mid of a fill is the last one before its moment; the mid of a horizon the last one up to that moment. A book that
   is not live has no mid, and neither has a moment before the first one kept: None, which is not measured.
3. What is due is looked up when time passes, so the mids kept need to reach back one look and a fill's lateness, not
   over the longest horizon.
4. A second mid at one moment replaces the first: our orders leave the book a message before or after we know it.

`quant.signals.markouts` measures the same for the throttles, by our own clock and forgetting; this one is for reports.
One state belongs to one market. Source: the project's strategy reference, section 2.2.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Final

import attrs

HORIZONS_MS: Final = (1_000, 5_000, 10_000, 60_000)
MIDS_MAX: Final = 512  # of a market that changes twenty times a second, half a minute
PENDING_MAX: Final = 256


@attrs.frozen(kw_only=True)
class FillMarks:
    """What is known of one fill: twice the mid at it and after each horizon, in 1/10,000 dollar."""

    fill_seq: int
    mid2_e4: int | None
    later_mid2_e4: tuple[int | None, ...]  # one a horizon, in their order


@attrs.define
class _Pending:
    fill_seq: int
    at_ms: int
    mid2_e4: int | None
    later: list[int | None] = attrs.field(factory=list)


class FillMarker:
    """See the module."""

    def __init__(self) -> None:
        self._times_ms: deque[int] = deque(maxlen=MIDS_MAX)
        self._mids: deque[int | None] = deque(maxlen=MIDS_MAX)
        self._pending: deque[_Pending] = deque()

    def seen(self, at_ms: int, mid2_e4: int | None) -> None:
        """Keeps the mid of a moment; moments do not go back."""
        if self._times_ms and at_ms <= self._times_ms[-1]:
            self._mids[-1] = mid2_e4
        elif not self._mids or self._mids[-1] != mid2_e4:
            self._times_ms.append(at_ms)
            self._mids.append(mid2_e4)

    def filled(self, fill_seq: int, at_ms: int) -> tuple[FillMarks, ...]:
        """Takes in a fill; returns what no longer has room, unfinished."""
        self._pending.append(_Pending(fill_seq, at_ms, self._mid(at_ms, includes_now=False)))
        return (self._ended(self._pending.popleft()),) if len(self._pending) > PENDING_MAX else ()

    @property
    def is_waiting(self) -> bool:
        """Whether a fill is not measured to its end."""
        return bool(self._pending)

    def passed(self, now_ms: int) -> tuple[FillMarks, ...]:
        """Looks up what is due by the exchange's time `now_ms`; returns the fills that are measured to the end."""
        ended = []
        for pending in self._pending:
            while len(pending.later) < len(HORIZONS_MS):
                due_ms = pending.at_ms + HORIZONS_MS[len(pending.later)]
                if due_ms >= now_ms:
                    break
                pending.later.append(self._mid(due_ms, includes_now=True))
        while self._pending and len(self._pending[0].later) == len(HORIZONS_MS):
            ended.append(self._ended(self._pending.popleft()))
        return tuple(ended)

    def rest(self) -> tuple[FillMarks, ...]:
        """Returns what is still unfinished, and forgets it: the market is not watched any more."""
        left = tuple(self._ended(pending) for pending in self._pending)
        self._pending.clear()
        return left

    def _mid(self, at_ms: int, *, includes_now: bool) -> int | None:
        place = (bisect_right if includes_now else bisect_left)(self._times_ms, at_ms)
        return self._mids[place - 1] if place else None

    @staticmethod
    def _ended(pending: _Pending) -> FillMarks:
        missing = (None,) * (len(HORIZONS_MS) - len(pending.later))
        return FillMarks(fill_seq=pending.fill_seq, mid2_e4=pending.mid2_e4, later_mid2_e4=(*pending.later, *missing))
