"""Price-time matching for one market, without any input or output.

Rules (kalshi-rest.md §7.5; KalshiEX rulebook 5.3, 5.9, 5.10):
1. Better price first, then older; a trade happens at the resting order's price.
2. Post-only that would cross is refused; fill-or-kill that cannot fill in full is refused, counting every
   resting order.
3. Self trade: `taker_at_cross` ends the incoming order at the cross and earlier fills stand; `maker` ends the
   resting order and goes on. That also holds inside fill-or-kill.
4. Decrease, and amend to a smaller size at the same price, keep the place; any other amend goes to the back,
   and may trade.
5. Funds are checked again at the match: an order whose owner cannot pay ends before the trade.

What happened is in `outbox`, in order; the caller drains it after each operation. Money is not here: a
`Clearing` does it.
"""

from __future__ import annotations

from typing import Protocol

import attrs

from kalshi.simulator.orders import Fill, Order, Reason, Trade
from kalshi.simulator.side_book import SideBook
from kalshi.types import OrderStatus, SelfTradePrevention, Side, TimeInForce


class EngineRefusal(Exception):
    """The engine will not take the order as it stands; nothing changed. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@attrs.frozen(kw_only=True)
class LevelChanged:
    """What rests at a price changed by `delta_e2` because of `order`."""

    side: Side
    price_e4: int
    delta_e2: int
    order: Order


@attrs.frozen(kw_only=True)
class Executed:
    """A trade and what it did to both owners."""

    trade: Trade
    maker: Order
    taker: Order
    fills: tuple[Fill, Fill]


EngineEvent = LevelChanged | Executed


class Clearing(Protocol):
    """Who can pay, and the bookkeeping of a trade."""

    def affords(self, order: Order, price_e4: int, count_e2: int, *, is_taker: bool) -> bool:
        """Says whether the owner could pay for this execution now."""
        ...

    def execute(self, maker: Order, taker: Order, count_e2: int, now_ms: int) -> Executed:
        """Books the trade at the maker's price: cash, positions, fees, and the orders' own cost and fee sums."""
        ...


class MatchingEngine:
    """The book of one market and the rules above."""

    def __init__(self, clearing: Clearing) -> None:
        self._clearing = clearing
        self.bids = SideBook(Side.BID)
        self.asks = SideBook(Side.ASK)
        self.outbox: list[EngineEvent] = []
        self.touched: dict[str, Order] = {}

    def book(self, side: Side) -> SideBook:
        return self.bids if side is Side.BID else self.asks

    def crosses(self, side: Side, price_e4: int) -> bool:
        """Says whether an order of this side and limit would meet a resting one."""
        best_e4 = self.book(side.opposite).best_price_e4()
        return best_e4 is not None and (price_e4 - best_e4) * side.sign >= 0

    def submit(self, order: Order, now_ms: int) -> None:
        """Matches a new order and rests what is left, if it may rest. Raises EngineRefusal (rule 2)."""
        if order.post_only and self.crosses(order.side, order.price_e4):
            raise EngineRefusal("post_only_cross")
        if order.time_in_force is TimeInForce.FILL_OR_KILL:
            available_e2 = self.book(order.side.opposite).volume_at_or_better_e2(order.price_e4)
            if available_e2 < order.remaining_e2:
                raise EngineRefusal("fill_or_kill")
        self._match(order, now_ms)
        if order.is_open and order.remaining_e2:
            if order.time_in_force is TimeInForce.GOOD_TILL_CANCELED:
                self._rest(order)
            else:
                self._end(order, Reason.NONE, now_ms)

    def cancel(self, order: Order, reason: Reason, now_ms: int) -> int:
        """Takes a resting order out and returns how much that removed."""
        removed_e2 = order.remaining_e2
        self._reduce(order, removed_e2)
        self._end(order, reason, now_ms)
        return removed_e2

    def decrease(self, order: Order, by_e2: int, now_ms: int) -> None:
        """Shrinks a resting order in place; by its whole size or more, it is cancelled."""
        if by_e2 >= order.remaining_e2:
            self.cancel(order, Reason.DECREASE, now_ms)
            return
        self._reduce(order, by_e2)
        self._mark(order, Reason.DECREASE, now_ms)

    def amend(self, order: Order, price_e4: int, total_e2: int, now_ms: int) -> None:
        """Moves or resizes a resting order to `total_e2`, filled part included. Raises EngineRefusal below it."""
        wanted_e2 = total_e2 - order.filled_e2
        if wanted_e2 < 0:
            raise EngineRefusal("amend_below_filled")
        if wanted_e2 == 0:
            self.cancel(order, Reason.AMEND, now_ms)
            return
        order.initial_e2 = total_e2
        if price_e4 == order.price_e4 and wanted_e2 <= order.remaining_e2:
            if wanted_e2 < order.remaining_e2:
                self._reduce(order, order.remaining_e2 - wanted_e2)
            self._mark(order, Reason.AMEND, now_ms)
            return
        self._reduce(order, order.remaining_e2)
        order.price_e4, order.remaining_e2 = price_e4, wanted_e2
        self._mark(order, Reason.AMEND, now_ms)
        self._match(order, now_ms)
        if order.is_open and order.remaining_e2:
            self._rest(order)

    def _match(self, taker: Order, now_ms: int) -> None:
        book = self.book(taker.side.opposite)
        while taker.is_open and taker.remaining_e2 and self.crosses(taker.side, taker.price_e4):
            price_e4 = book.best_price_e4()
            if price_e4 is None:
                return
            maker = book.front(price_e4)
            if maker.account_id == taker.account_id:
                self._prevent_self_trade(maker, taker, now_ms)
                continue
            count_e2 = min(maker.remaining_e2, taker.remaining_e2)
            if not self._clearing.affords(maker, price_e4, count_e2, is_taker=False):
                self.cancel(maker, Reason.NONE, now_ms)
            elif not self._clearing.affords(taker, price_e4, count_e2, is_taker=True):
                self._end(taker, Reason.NONE, now_ms)
            else:
                self._trade(maker, taker, count_e2, now_ms)

    def _prevent_self_trade(self, maker: Order, taker: Order, now_ms: int) -> None:
        if taker.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS:
            self._end(taker, Reason.SELF_TRADE, now_ms)
        else:
            self.cancel(maker, Reason.SELF_TRADE, now_ms)

    def _trade(self, maker: Order, taker: Order, count_e2: int, now_ms: int) -> None:
        self._reduce(maker, count_e2)
        taker.remaining_e2 -= count_e2
        maker.filled_e2 += count_e2
        taker.filled_e2 += count_e2
        self.outbox.append(self._clearing.execute(maker, taker, count_e2, now_ms))
        for order in (maker, taker):
            if order.remaining_e2 == 0:
                order.status = OrderStatus.EXECUTED
            self._mark(order, Reason.TRADE, now_ms)

    def _rest(self, order: Order) -> None:
        self.book(order.side).add(order)
        self._level_changed(order, order.remaining_e2)
        self.touched[order.order_id] = order

    def _reduce(self, order: Order, by_e2: int) -> None:
        self.book(order.side).reduce(order, by_e2)
        self._level_changed(order, -by_e2)

    def _level_changed(self, order: Order, delta_e2: int) -> None:
        self.outbox.append(LevelChanged(side=order.side, price_e4=order.price_e4, delta_e2=delta_e2, order=order))

    def _end(self, order: Order, reason: Reason, now_ms: int) -> None:
        order.remaining_e2 = 0
        order.status = OrderStatus.CANCELED
        self._mark(order, reason, now_ms)

    def _mark(self, order: Order, reason: Reason, now_ms: int) -> None:
        order.reason = reason
        order.updated_ms = now_ms
        self.touched[order.order_id] = order
