"""FillReconciler: every fill of the account reaches the Ledger, by the socket or by REST, whichever is first.

The socket is fast and may drop; REST is slow and complete. Rules:
1. Socket fills go to the Ledger at once. Every `poll_s` REST is read back to `overlap_s` before the mark.
2. The mark is the exchange time up to which REST has been worked in completely, not the newest fill: a fill that the
   socket lost while REST did not answer may be much older than the newest one that it brought. The Ledger keeps the
   mark, so a restart goes on where the last boot was, be it hours later; without a mark everything is read once.
3. `FillsComplete` announces the mark: the `as_of_time` that was read before the pages, once all of them are with the
   Ledger. Orders are closed only past it.
4. Only what the Ledger has acknowledged counts as seen. That spares repeats; the Ledger would refuse them anyway.
5. A fill of an order that is not ours is booked like any other and told of once: the account's position is what it is.
   Listed fills name no client order id, so their orders are asked for, a few with each poll.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from actors.fill_pages import EndlessPages, FillPages
from actors.messages.lifecycle import Alert, Heartbeat
from actors.messages.money import (
    CutoffRead,
    FillMark,
    FillPage,
    FillsComplete,
    FillsRecorded,
    JoinFills,
    OrderRead,
    PrivateFillSeen,
    ReadCutoff,
    ReadFillMark,
    ReadFills,
    ReadOrder,
    RecordFills,
)
from actors.messages.orders import ReadFailed
from actors.runtime.asking import ask_until_answered, ask_wire
from actors.runtime.supervisor import ChildContext
from kalshi.types import Fill
from quant.bounded import keep_newest
from quant.fill_owners import FillOwners

SEEN_MAX: Final = 8_192  # keys remembered
ORDERS_ASKED_PER_POLL: Final = 4
# The cut-off of the historical list is months away, so only a mark this old makes us ask where it is.
OLD_MARK_S: Final = 600.0


@attrs.frozen(kw_only=True)
class FillParameters:
    """How often REST is read, and how far back behind the mark."""

    poll_s: float = 0.75  # three times within the five seconds after which the permit asks for us
    overlap_s: float = 60.0  # fills can appear late in the list; numbering refuses repeats, so reading back is free


@attrs.define
class FillReconciler:
    """The actor; see the module. `ours_prefix` begins the client order ids of all boots of this bot."""

    context: ChildContext
    parameters: FillParameters
    ours_prefix: str = ""
    _owners: FillOwners = attrs.field(init=False)
    _seen: dict[tuple[str, str], None] = attrs.field(factory=dict, init=False)
    _mark_ms: int = attrs.field(default=0, init=False)
    _polls: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._owners = FillOwners(self.ours_prefix)

    async def run(self, started: Callable[[], None]) -> None:
        """Feeds the Ledger until cancelled."""
        started()
        await self._recall()
        now = self.context.seams.now
        next_poll_s = now()
        while True:
            batch = await self.context.mailbox.receive(timeout_s=max(0.0, next_poll_s - now()))
            await self._hand_over(tuple(m.fill for m in batch if isinstance(m, PrivateFillSeen)), "socket")
            if now() >= next_poll_s:
                await self._poll()
                next_poll_s = now() + self.parameters.poll_s

    async def _recall(self) -> None:
        mark = await ask_until_answered(self.context, lambda slot: ReadFillMark(reply=slot))
        assert isinstance(mark, FillMark)
        self._mark_ms = mark.complete_to_ms
        self._seen = dict.fromkeys(mark.seen)
        keep_newest(self._seen, SEEN_MAX)

    # -- REST --

    async def _poll(self) -> None:
        """Reads back to the overlap; moves and announces the mark only when all of it was read."""
        min_ts_s = max(0, int(self._mark_ms / 1000 - self.parameters.overlap_s)) if self._mark_ms else None
        with_history = await self._reaches_history(min_ts_s)
        if with_history is None:
            return
        pages = FillPages(self._read_page, lambda fills: self._hand_over(fills, "rest"))
        try:
            complete_to_ms = await pages.run(min_ts_s, with_history=with_history)
        except EndlessPages as endless:
            self._alert("fills_endless", "error", str(endless))
            return
        if complete_to_ms is None:
            return
        self._mark_ms = max(self._mark_ms, complete_to_ms)
        self._polls += 1
        self.context.outbox.publish(FillsComplete(complete_to_ms=self._mark_ms, polls=self._polls))
        self.context.outbox.publish(
            Heartbeat(actor="fill_reconciler", incarnation=self.context.incarnation, at_s=self.context.seams.now())
        )
        await self._ask_for_orders()

    async def _reaches_history(self, min_ts_s: int | None) -> bool | None:
        """Returns whether some of what is read may have left the live list; None where that cannot be known now."""
        if min_ts_s is None:
            return True
        if self.context.seams.wall_ms() / 1000 - min_ts_s < OLD_MARK_S:
            return False
        cutoff = await self._ask(ReadCutoff())
        return None if cutoff is None else isinstance(cutoff, CutoffRead) and min_ts_s * 1000 < cutoff.fills_ms

    async def _read_page(self, request: ReadFills) -> FillPage | None:
        page = await self._ask(request)
        assert page is None or isinstance(page, FillPage)
        return page

    async def _ask(self, read: object) -> object | None:
        """Returns the answer of the exchange; None where there was none."""
        answer = await ask_wire(self.context, read)
        if isinstance(answer, ReadFailed):
            self.context.log.warning(f"fills could not be read: {answer.reason}")
            return None
        return answer

    # -- to the Ledger --

    async def _hand_over(self, fills: tuple[Fill, ...], source: str) -> None:
        new = tuple(fill for fill in fills if (fill.order_id, fill.fill_id) not in self._seen)
        if not new:
            return
        # Only what the Ledger has acknowledged counts as seen.
        recorded = await ask_until_answered(
            self.context, lambda slot: RecordFills(fills=new, source=source, reply=slot)
        )
        assert isinstance(recorded, FillsRecorded)
        if source == "rest" and recorded.new and self._polls:
            self.context.log.info(f"{recorded.new} fills came by REST before the socket told of them")
        for fill in new:
            self._seen[(fill.order_id, fill.fill_id)] = None
            # The account's history before our first mark is booked, and no news. How many of them the Ledger calls new
            # says nothing here: asked twice it has stored them at the first time.
            if self._mark_ms and self._owners.take(fill):
                self._tell_foreign(fill, "an order that is not ours")
        keep_newest(self._seen, SEEN_MAX)

    # -- whose orders --

    async def _ask_for_orders(self) -> None:
        for fill in self._owners.questions(ORDERS_ASKED_PER_POLL):
            answer = await self._ask(ReadOrder(order_id=fill.order_id))
            if not isinstance(answer, OrderRead):
                return
            if answer.order is None:
                self._owners.give_up(fill.order_id)
                self._tell_foreign(fill, "an order that the exchange no longer lists")
                continue
            client_order_id = answer.order.client_order_id
            if not self._owners.answer(fill.order_id, client_order_id):
                self._tell_foreign(fill, "an order that is not ours")
            await self.context.outbox.send(
                JoinFills(ticker=fill.ticker, order_id=fill.order_id, client_order_id=client_order_id)
            )

    def _tell_foreign(self, fill: Fill, whose: str) -> None:
        self._alert("foreign_fill", "warning", f"{fill.ticker}: a fill of {whose} ({fill.order_id}) was booked")

    def _alert(self, code: str, severity: str, text: str) -> None:
        self.context.log.warning(text)
        at_ms = self.context.seams.wall_ms()
        self.context.outbox.publish(
            Alert(code=code, severity=severity, actor="fill_reconciler", text=text, at_ms=at_ms)
        )
