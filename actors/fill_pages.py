"""Reading fills back: from the newest page to a given time, and handed over from the oldest page to the newest.

The exchange lists fills newest first, in pages, and those older than its cut-off in a second, historical list. After an
outage of hours that is more than anyone should hold at once. Rules:
1. First every page is read to the end, and only PAGES_KEPT of them are held; of the others the cursor is remembered.
   Then all are handed over, the oldest first, and those that were let go are read again by their cursors.
2. The first page of a list is always held: its place is not a cursor but "the newest", which another read moves.
3. The live list is read before the historical one: a fill that leaves the first meanwhile is found in the second.
4. A read that fails, a cursor that repeats, or more than PAGES_MAX pages end it unfinished: nothing then is complete.

Rejected: handing over each page as it is read. Numbers would run against time, and first in, first out with them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs

from actors.messages.money import FillPage, ReadFills
from kalshi.types import Fill

PAGES_KEPT: Final = 50  # of 200 fills each: about ten megabytes
PAGES_MAX: Final = 20_000  # four million fills

ReadPage = Callable[[ReadFills], Awaitable[FillPage | None]]
HandOver = Callable[[tuple[Fill, ...]], Awaitable[None]]


class EndlessPages(Exception):
    """The list of fills does not come to an end: a cursor repeats, or there are too many pages."""


@attrs.define
class FillPages:
    """One way back and forth; `read` answers None where the exchange did not."""

    read: ReadPage
    hand_over: HandOver
    _asked: list[ReadFills] = attrs.field(factory=list, init=False)
    _held: dict[int, tuple[Fill, ...]] = attrs.field(factory=dict, init=False)
    _as_of_ms: int | None = attrs.field(default=None, init=False)

    async def run(self, min_ts_s: int | None, *, with_history: bool) -> int | None:
        """Returns up to when (Unix milliseconds) nothing is missing any more; None where a read failed.

        Raises EndlessPages.
        """
        for is_historical in (False, True) if with_history else (False,):
            if not await self._read_list(ReadFills(min_ts_s=min_ts_s, is_historical=is_historical)):
                return None
        for place in reversed(range(len(self._asked))):
            fills = self._held.pop(place, None)
            if fills is None:
                page = await self.read(self._asked[place])
                if page is None:
                    return None
                fills = page.fills
            await self.hand_over(fills[::-1])
        return self._as_of_ms

    async def _read_list(self, request: ReadFills) -> bool:
        """Reads one list to its end; returns whether every page was answered."""
        while True:
            page = await self.read(request)
            if page is None:
                return False
            if self._as_of_ms is None:
                self._as_of_ms = page.as_of_ms
            self._hold(request, page.fills)
            if not page.cursor:
                return True
            if page.cursor == request.cursor or len(self._asked) >= PAGES_MAX:
                raise EndlessPages(f"the list of fills does not end: page {len(self._asked)}, cursor {page.cursor!r}")
            request = attrs.evolve(request, cursor=page.cursor)

    def _hold(self, request: ReadFills, fills: tuple[Fill, ...]) -> None:
        place = len(self._asked)
        self._asked.append(request)
        self._held[place] = fills
        let_go = place - PAGES_KEPT
        if let_go >= 0 and self._asked[let_go].cursor:
            del self._held[let_go]
