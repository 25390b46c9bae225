"""FillReconciler: every fill of the account reaches the Ledger, by the socket or by REST, whichever is first.

The socket is fast and may drop; REST is slow and complete. So socket fills go to the Ledger at once, and every `poll_s`
the
newest pages are read back to a little before the newest fill that is already known. The Ledger keeps each fill once.

`FillsComplete` tells up to which exchange time nothing can be missing any more: the `as_of_time` that was read before
the
pages. Orders are closed only past it.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from actors.messages.lifecycle import Heartbeat
from actors.messages.money import (
    FillPage,
    FillsComplete,
    FillsRecorded,
    FillTape,
    PrivateFillSeen,
    ReadFills,
    RecordFills,
)
from actors.messages.orders import ReadFailed
from actors.runtime.asking import ask_until_answered, ask_wire
from actors.runtime.supervisor import ChildContext
from kalshi.types import Fill
from quant.bounded import keep_newest

SEEN_MAX = 8_192  # keys remembered to spare the Ledger repeats; it would refuse them anyway
PAGES_MAX = 200  # of 200 fills, per poll


@attrs.frozen(kw_only=True)
class FillParameters:
    """How often REST is read, and how far back behind the newest known fill."""

    poll_s: float = 0.75  # three times within the five seconds after which the permit asks for us
    overlap_s: float = 60.0  # fills can appear late in the list; numbering refuses repeats, so reading back is free


@attrs.define
class FillReconciler:
    """The actor; see the module."""

    context: ChildContext
    parameters: FillParameters
    _seen: dict[tuple[str, str], None] = attrs.field(factory=dict, init=False)
    _newest_ms: int | None = attrs.field(default=None, init=False)
    _polls: int = attrs.field(default=0, init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Feeds the Ledger until cancelled."""
        started()
        now = self.context.seams.now
        next_poll_s = now()
        while True:
            batch = await self.context.mailbox.receive(timeout_s=max(0.0, next_poll_s - now()))
            await self._take(batch)
            if now() >= next_poll_s:
                await self._poll()
                next_poll_s = now() + self.parameters.poll_s

    async def _take(self, batch: tuple[object, ...]) -> None:
        from_socket = []
        for message in batch:
            match message:
                case PrivateFillSeen(fill=fill):
                    from_socket.append(fill)
                case FillTape(fills=fills):
                    known_ms = [numbered.fill.ts_ms for numbered in fills]
                    self._newest_ms = max([self._newest_ms or 0, *known_ms]) or None
                case _:
                    pass
        if from_socket:
            await self._hand_over(tuple(from_socket), "socket")

    async def _poll(self) -> None:
        """Reads from the newest page back to the overlap; announces completeness only when all of it was read."""
        min_ts_s = None
        if self._newest_ms is not None:
            min_ts_s = max(0, int(self._newest_ms / 1000 - self.parameters.overlap_s))
        cursor, first_as_of_ms, pages = "", None, []
        for _ in range(PAGES_MAX):
            page = await ask_wire(self.context, ReadFills(cursor=cursor, min_ts_s=min_ts_s))
            if isinstance(page, ReadFailed):
                self.context.log.warning(f"fills could not be read: {page.reason}")
                return
            assert isinstance(page, FillPage)
            first_as_of_ms = page.as_of_ms if first_as_of_ms is None else first_as_of_ms
            pages.append(page.fills)
            if not page.cursor or page.cursor == cursor:
                break
            cursor = page.cursor
        fills = tuple(fill for page_fills in reversed(pages) for fill in reversed(page_fills))
        await self._hand_over(fills, "rest")
        self._polls += 1
        self.context.outbox.publish(FillsComplete(complete_to_ms=first_as_of_ms or 0, polls=self._polls))
        self.context.outbox.publish(
            Heartbeat(actor="fill_reconciler", incarnation=self.context.incarnation, at_s=self.context.seams.now())
        )

    async def _hand_over(self, fills: tuple[Fill, ...], source: str) -> None:
        new = tuple(fill for fill in fills if (fill.order_id, fill.fill_id) not in self._seen)
        if not new:
            return
        # Only what the Ledger has acknowledged counts as seen.
        recorded = await ask_until_answered(
            self.context, lambda slot: RecordFills(fills=new, source=source, reply=slot)
        )
        if source == "rest" and isinstance(recorded, FillsRecorded) and recorded.new and self._polls:
            self.context.log.info(f"{recorded.new} fills came by REST before the socket told of them")
        for fill in new:
            self._seen[(fill.order_id, fill.fill_id)] = None
            self._newest_ms = max(self._newest_ms or 0, fill.ts_ms)
        keep_newest(self._seen, SEEN_MAX)
