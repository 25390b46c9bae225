"""Price-time matching for one market, without any input or output.

Rules (kalshi-rest.md §7.5; KalshiEX rulebook 5.3, 5.9, 5.10):
1. Better price first, then older; a trade happens at the resting order's price.
2. Post-only that would cross is refused; fill-or-kill that cannot fill in full is refused, counting every
   resting order.
3. Self trade: `taker_at_cross` ends the incoming order at the cross and earlier fills stand; `maker` ends the
   resting order and goes on. That also holds inside fill-or-kill, and between the subaccounts of one user.
4. Decrease, and amend to a smaller size at the same price, keep the place; any other amend goes to the back,
   and may trade.
5. Funds are checked again at the match: an order whose owner cannot pay ends before the trade.

What happened is in `outbox`, in order, and the orders that changed in `touched`, each once; the caller takes both after
each operation. Money is not here: a `Clearing` does it.

Two invariants are checked at every step (see `invariants`): nothing comes to rest that meets the other side, and who
trades has the best price and the lowest place in its queue. The checks are comparisons of what the book says with the
numbers that orders get when they come to rest, so that a book that loses its order is found at the next trade.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from kalshi.simulator.events import BookDelta
from kalshi.simulator.invariants import InvariantBroken
from kalshi.simulator.orders import Fill, Order, Reason, Trade
from kalshi.simulator.side_book import SideBook
from kalshi.types import OrderStatus, SelfTradePrevention, Side, TimeInForce

# Members looked up on their class cost several times a global, and the engine looks at them at every step.
_BID: Final = Side.BID
_CANCELED: Final = OrderStatus.CANCELED
_EXECUTED: Final = OrderStatus.EXECUTED
_RESTING: Final = OrderStatus.RESTING
_GTC: Final = TimeInForce.GOOD_TILL_CANCELED
_FOK: Final = TimeInForce.FILL_OR_KILL
_AT_CROSS: Final = SelfTradePrevention.TAKER_AT_CROSS
_NO_REASON: Final = Reason.NONE
_TRADE: Final = Reason.TRADE
_tuple_new: Final = tuple.__new__


class EngineRefusal(Exception):
    """The engine will not take the order as it stands; nothing changed. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Executed(NamedTuple):
    """A trade and what it did to both owners."""

    trade: Trade
    maker: Order
    taker: Order
    fills: tuple[Fill, Fill]


EngineEvent = BookDelta | Executed


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

    __slots__ = ("_clearing", "_queue_number", "asks", "bids", "outbox", "touched")

    def __init__(self, clearing: Clearing) -> None:
        self._clearing = clearing
        self._queue_number = 0
        self.bids = SideBook(Side.BID)
        self.asks = SideBook(Side.ASK)
        self.outbox: list[EngineEvent] = []
        self.touched: list[Order] = []

    def book(self, side: Side) -> SideBook:
        return self.bids if side is _BID else self.asks

    def crosses(self, side: Side, price_e4: int) -> bool:
        """Says whether an order of this side and limit would meet a resting one."""
        if side is _BID:
            keys = self.asks.keys
            return bool(keys) and price_e4 + keys[-1] >= 0
        keys = self.bids.keys
        return bool(keys) and keys[-1] >= price_e4

    def submit(self, order: Order, now_ms: int) -> None:
        """Matches a new order and rests what is left, if it may rest. Raises EngineRefusal (rule 2)."""
        if order.side is _BID:
            others = self.asks.keys
            meets = others and order.price_e4 + others[-1] >= 0
        else:
            others = self.bids.keys
            meets = others and others[-1] >= order.price_e4
        if meets:
            self._take(order, now_ms)
        elif order.time_in_force is _GTC:
            self._rest(order, now_ms)
        elif order.time_in_force is _FOK:
            raise EngineRefusal("fill_or_kill")
        else:
            self._end(order, _NO_REASON, now_ms)
        self.touched.append(order)

    def cancel(self, order: Order, reason: Reason, now_ms: int) -> int:
        """Takes a resting order out and returns how much that removed."""
        removed_e2 = order.remaining_e2
        (self.bids if order.side is _BID else self.asks).reduce(order, removed_e2)
        self.outbox.append(_delta(order, -removed_e2, now_ms))
        order.status = _CANCELED
        order.reason = reason
        order.updated_ms = now_ms
        self.touched.append(order)
        return removed_e2

    def decrease(self, order: Order, by_e2: int, now_ms: int) -> None:
        """Shrinks a resting order in place; by its whole size or more, it is cancelled."""
        if by_e2 >= order.remaining_e2:
            self.cancel(order, Reason.DECREASE, now_ms)
            return
        self._reduce(order, by_e2, now_ms)
        self._mark(order, Reason.DECREASE, now_ms)
        self.touched.append(order)

    def amend(self, order: Order, price_e4: int, total_e2: int, now_ms: int) -> None:
        """Moves or resizes a resting order to `total_e2`, filled part included. Raises EngineRefusal below it."""
        wanted_e2 = total_e2 - order.filled_e2
        if wanted_e2 < 0:
            raise EngineRefusal("amend_below_filled")
        if wanted_e2 == 0:
            self.cancel(order, Reason.AMEND, now_ms)
            return
        order.initial_e2 = total_e2
        self.touched.append(order)
        if price_e4 == order.price_e4 and wanted_e2 <= order.remaining_e2:
            if wanted_e2 < order.remaining_e2:
                self._reduce(order, order.remaining_e2 - wanted_e2, now_ms)
            self._mark(order, Reason.AMEND, now_ms)
            return
        self._reduce(order, order.remaining_e2, now_ms)
        order.price_e4, order.remaining_e2 = price_e4, wanted_e2
        self._mark(order, Reason.AMEND, now_ms)
        self._match(order, now_ms)
        if order.remaining_e2:
            self._rest(order, now_ms)

    def _take(self, order: Order, now_ms: int) -> None:
        if order.post_only:
            raise EngineRefusal("post_only_cross")
        if order.time_in_force is _FOK:
            book = self.asks if order.side is _BID else self.bids
            if book.volume_at_or_better_e2(order.price_e4) < order.remaining_e2:
                raise EngineRefusal("fill_or_kill")
        self._match(order, now_ms)
        if order.remaining_e2:
            if order.time_in_force is _GTC:
                self._rest(order, now_ms)
            else:
                self._end(order, _NO_REASON, now_ms)

    def _match(self, taker: Order, now_ms: int) -> None:
        """Trades until the taker is gone or meets nobody; its `remaining_e2` is what may rest."""
        clearing = self._clearing
        if taker.side is _BID:
            book, worst_key = self.asks, -taker.price_e4
        else:
            book, worst_key = self.bids, taker.price_e4
        keys = book.keys
        while taker.remaining_e2 and keys and keys[-1] >= worst_key:
            price_e4 = abs(keys[-1])
            level = book.level(price_e4)
            maker = level.front()
            if maker.account_id == taker.account_id or _is_same_user(maker.account_id, taker.account_id):
                self._prevent_self_trade(maker, taker, now_ms)
                continue
            count_e2 = min(maker.remaining_e2, taker.remaining_e2)
            if not clearing.affords(maker, price_e4, count_e2, is_taker=False):
                self.cancel(maker, _NO_REASON, now_ms)
            elif not clearing.affords(taker, price_e4, count_e2, is_taker=True):
                self._end(taker, _NO_REASON, now_ms)
            else:
                if maker.price_e4 != price_e4 or maker.queue_number < level.traded_number:
                    raise InvariantBroken("queue", f"{maker.order_id} trades at {price_e4} out of its turn")
                level.traded_number = maker.queue_number
                self._trade(maker, taker, count_e2, now_ms)

    def _prevent_self_trade(self, maker: Order, taker: Order, now_ms: int) -> None:
        if taker.self_trade_prevention is _AT_CROSS:
            self._end(taker, Reason.SELF_TRADE, now_ms)
        else:
            self.cancel(maker, Reason.SELF_TRADE, now_ms)

    def _trade(self, maker: Order, taker: Order, count_e2: int, now_ms: int) -> None:
        self._reduce(maker, count_e2, now_ms)
        taker.remaining_e2 -= count_e2
        maker.filled_e2 += count_e2
        taker.filled_e2 += count_e2
        self.outbox.append(self._clearing.execute(maker, taker, count_e2, now_ms))
        if maker.remaining_e2 == 0:
            maker.status = _EXECUTED
        if taker.remaining_e2 == 0:
            taker.status = _EXECUTED
        maker.reason = taker.reason = _TRADE
        maker.updated_ms = taker.updated_ms = now_ms
        self.touched.append(maker)

    def _rest(self, order: Order, now_ms: int) -> None:
        price_e4 = order.price_e4
        if order.side is _BID:
            book, others, key = self.bids, self.asks.keys, price_e4
        else:
            book, others, key = self.asks, self.bids.keys, -price_e4
        if others and key + others[-1] >= 0:
            raise InvariantBroken("uncrossed", f"{order.order_id} would rest at {price_e4} across {others[-1]}")
        self._line_up(order, book)
        self.outbox.append(_delta(order, order.remaining_e2, now_ms))

    def _line_up(self, order: Order, book: SideBook) -> None:
        self._queue_number = order.queue_number = self._queue_number + 1
        book.add(order)

    def _reduce(self, order: Order, by_e2: int, now_ms: int) -> None:
        (self.bids if order.side is _BID else self.asks).reduce(order, by_e2)
        self.outbox.append(_delta(order, -by_e2, now_ms))

    def _end(self, order: Order, reason: Reason, now_ms: int) -> None:
        order.remaining_e2 = 0
        order.status = _CANCELED
        order.reason = reason
        order.updated_ms = now_ms

    def _mark(self, order: Order, reason: Reason, now_ms: int) -> None:
        order.reason = reason
        order.updated_ms = now_ms


def _is_same_user(first_id: str, second_id: str) -> bool:
    """Says whether two accounts belong to one user: a subaccount's id is its parent's with a number behind a slash."""
    if "/" not in first_id and "/" not in second_id:
        return first_id == second_id
    return first_id.partition("/")[0] == second_id.partition("/")[0]


def _delta(order: Order, delta_e2: int, now_ms: int) -> BookDelta:
    # One of these is made at every operation; this way costs a third of the class's own call.
    account_id: str | None = None
    client_order_id: str | None = None
    if not order.is_house:
        account_id, client_order_id = order.account_id, order.client_order_id
    values = (order.ticker, order.side, order.price_e4, delta_e2, now_ms, account_id, client_order_id)
    return _tuple_new(BookDelta, values)
