"""Markets driven from outside: a real or recorded book decides whether our orders trade, not traders of our own.

    frames of a real feed --> ReplayMarkets --> QueueBook --> fills --> ReplayEngine --> the exchange's listeners
    orders of the customer --> OrderEntry --> ReplayEngine --> QueueBook

A `ReplayEngine` is the matching engine of a market whose book holds the customers' orders alone. For the length
of one order the visible real book is lent to it as house orders, so post-only, immediate-or-cancel, fill-or-kill,
self trade, reduce-only, funds and fees are those of every other market; what was taken of it stays taken. Whether
a resting order is met is the queue model's word (`queue_model`), and then a house taker trades with it.

Rules:
1. Nothing of this reaches market data: lent orders change no level, and who reads books gets the source's own.
2. Trades with the house pass through the same clearing, so cash is conserved here as well.
3. Frames are read here anew and tolerantly: one that cannot be read is counted, and the next snapshot mends it.
4. A source without a trade channel (a recorded run has tickers only) tells of trades by its tickers: the last
   print, when the volume has grown. Its taker is read off the book: where the print's price lost size, or which
   side of the market it lies on. Prints between two tickers are not known, so fills are understated there.
5. Prices in the no side of the frames are NO prices (`use_yes_price` false, as our client asks for).

One engine per market, so nothing here waits or locks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from kalshi.simulator.clearing import MarketClearing
from kalshi.simulator.engine import MatchingEngine
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.orders import Order, Reason
from kalshi.simulator.queue_model import (
    BookReplaced,
    ClockMoved,
    LevelMoved,
    OwnFilled,
    OwnPlaced,
    OwnReduced,
    OwnTook,
    PublicTrade,
    QueueBook,
    QueueEvent,
    QueueModel,
)
from kalshi.simulator.side_book import SideBook
from kalshi.simulator.wire_numbers import DOLLAR_E4, read_decimal
from kalshi.types import SelfTradePrevention, Side, TimeInForce

HOUSE: Final = "replay"
Frame = Mapping[str, Any]
# What may be wrong with a frame of somebody else's making.
_UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError)


class _OwnSide(SideBook):
    """One side of our own orders; their place in the queue is the model's."""

    def __init__(self, side: Side, queue: QueueBook) -> None:
        super().__init__(side)
        self._queue = queue

    def ahead_of_e2(self, order: Order) -> int:
        """Returns the contracts that trade before `order`: better real levels, then those ahead at its price."""
        better_e2 = sum(
            size_e2
            for price_e4, size_e2 in self._queue.levels[self.side].items()
            if (price_e4 - order.price_e4) * self.side.sign > 0
        )
        return better_e2 + (self._queue.ahead_e2(order.order_id) if order.order_id in self._queue.orders else 0)


class ReplayEngine(MatchingEngine):
    """The engine of one market that is driven from outside; `market_ms` is the clock on which news are heard."""

    def __init__(
        self,
        clearing: MarketClearing,
        queue: QueueBook,
        *,
        new_house_order: Callable[[Side, int, int], Order],
        market_ms: Callable[[], int],
    ) -> None:
        super().__init__(clearing)
        self._funds = clearing
        self.queue = queue
        self.bids, self.asks = _OwnSide(Side.BID, queue), _OwnSide(Side.ASK, queue)
        self._new_house_order = new_house_order
        self._market_ms = market_ms
        self._resting: dict[str, Order] = {}
        self._is_lending = False

    def crosses(self, side: Side, price_e4: int) -> bool:
        """Says whether an order would meet what is visible, or one of ours."""
        if self._is_lending:
            return super().crosses(side, price_e4)  # what is visible and not yet taken lies in the book itself
        best = next(iter(self.queue.available(side.opposite)), None)
        is_met = best is not None and (price_e4 - best[0]) * side.sign >= 0
        return is_met or super().crosses(side, price_e4)

    def submit(self, order: Order, now_ms: int) -> None:
        """Matches a new order with the visible book and rests what is left. Raises EngineRefusal."""
        lent = self._lend(order.side.opposite, order.price_e4)
        try:
            super().submit(order, now_ms)
        finally:
            self._take_back(lent)
        self._follow()

    def amend(self, order: Order, price_e4: int, total_e2: int, now_ms: int) -> None:
        """Moves or resizes a resting order; it may meet the visible book. Raises EngineRefusal."""
        lent = self._lend(order.side.opposite, price_e4)
        try:
            super().amend(order, price_e4, total_e2, now_ms)
        finally:
            self._take_back(lent)
        self._follow()

    def decrease(self, order: Order, by_e2: int, now_ms: int) -> None:
        """Shrinks a resting order in place."""
        super().decrease(order, by_e2, now_ms)
        self._follow()

    def cancel(self, order: Order, reason: Reason, now_ms: int) -> int:
        """Takes a resting order out and returns how much that removed."""
        removed_e2 = super().cancel(order, reason, now_ms)
        self._follow()
        return removed_e2

    def hear(self, event: QueueEvent, now_ms: int) -> list[int]:
        """Takes news of the real market in and carries out what they mean for us; returns the sizes of our fills."""
        return [self._carry_out(fill, now_ms) for fill in self.queue.apply(event)]

    def _carry_out(self, fill: OwnFilled, now_ms: int) -> int:
        order = self._resting[fill.order_id]
        if not self._funds.affords(order, fill.price_e4, fill.count_e2, is_taker=False):
            self.cancel(order, Reason.NONE, now_ms)
            return 0
        taker = self._new_house_order(order.side.opposite, fill.price_e4, fill.count_e2)
        self._trade(order, taker, fill.count_e2, now_ms)
        self._follow()
        return fill.count_e2

    # -- the visible book, for the length of one order --

    def _lend(self, side: Side, limit_e4: int) -> list[Order]:
        lent: list[Order] = []
        for price_e4, size_e2 in self.queue.available(side):
            if (price_e4 - limit_e4) * side.sign < 0:
                break
            lent.append(self._new_house_order(side, price_e4, size_e2))
            # Straight into the book, behind ours: nothing is published of what is not there (rule 1).
            self._line_up(lent[-1], self.book(side))
        self._is_lending = True
        return lent

    def _take_back(self, lent: list[Order]) -> None:
        self._is_lending = False
        for order in lent:
            if order.remaining_e2:
                self.book(order.side).reduce(order, order.remaining_e2)
            if order.filled_e2:
                took = OwnTook(
                    side=order.side, price_e4=order.price_e4, count_e2=order.filled_e2, at_ms=self._market_ms()
                )
                self.queue.apply(took)

    # -- our orders, as the queue model knows them --

    def _follow(self) -> None:
        """Tells the queue model what became of every order that was touched."""
        for order in self.touched:
            if order.is_house:
                continue
            held = self.queue.orders.get(order.order_id)
            if held is not None and (held.price_e4 != order.price_e4 or held.remaining_e2 != order.remaining_e2):
                keeps_place = held.price_e4 == order.price_e4 and order.remaining_e2 < held.remaining_e2
                by_e2 = held.remaining_e2 - order.remaining_e2 if keeps_place else held.remaining_e2
                self.queue.apply(OwnReduced(order_id=order.order_id, by_e2=by_e2, at_ms=self._market_ms()))
                held = self.queue.orders.get(order.order_id)
            if order.is_open and order.remaining_e2:
                self._resting[order.order_id] = order
                if held is None:
                    self._enter_queue(order)
            else:
                self._resting.pop(order.order_id, None)

    def _enter_queue(self, order: Order) -> None:
        self.queue.apply(
            OwnPlaced(
                order_id=order.order_id,
                side=order.side,
                price_e4=order.price_e4,
                count_e2=order.remaining_e2,
                at_ms=self._market_ms(),
            )
        )


@attrs.define
class ReplayCounters:
    """What came from the source, and what it did to us."""

    deltas: int = 0
    trades: int = 0
    prints: int = 0  # trades that only a ticker told of
    unplaced: int = 0  # prints of which no side could be told
    unreadable: int = 0
    fills: int = 0
    filled_e2: int = 0


@attrs.define
class _Tape:
    """What the tickers of one market have told so far, and where its book lately lost size."""

    volume_e2: int | None = None
    has_trades: bool = False


class ReplayMarkets:
    """Drives markets of an exchange by the frames of a source; `take_frame` never raises for what a source sends."""

    def __init__(
        self, core: ExchangeCore, model: QueueModel, *, latency_ms: int = 0, market_ms: Callable[[], int] | None = None
    ) -> None:
        self._core = core
        self._house = core.add_house_account(HOUSE)
        self._latency_ms = latency_ms
        self._market_ms = market_ms if market_ms is not None else core.now_ms
        self._engines: dict[str, ReplayEngine] = {}
        self._tapes: dict[str, _Tape] = {}
        self.model = model
        self.counters = ReplayCounters()

    def drive(self, ticker: str) -> None:
        """Gives a listed market to the source; it must have no orders yet. Raises KeyError for an unknown ticker."""
        market = self._core.markets[ticker]

        def new_house_order(side: Side, price_e4: int, count_e2: int) -> Order:
            now_ms = self._core.now_ms()
            return Order(
                order_id=self._core.new_id(),
                account_id=self._house.account_id,
                client_order_id="",
                ticker=ticker,
                side=side,
                price_e4=price_e4,
                initial_e2=count_e2,
                remaining_e2=count_e2,
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
                self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
                exchange_index=market.exchange_index,
                created_ms=now_ms,
                updated_ms=now_ms,
                is_house=True,
            )

        engine = ReplayEngine(
            market.clearing,
            QueueBook(self.model, self._latency_ms),
            new_house_order=new_house_order,
            market_ms=self._market_ms,
        )
        market.engine = self._engines[ticker] = engine
        self._tapes[ticker] = _Tape()

    @property
    def tickers(self) -> tuple[str, ...]:
        """The driven markets, in the order they came."""
        return tuple(self._engines)

    def queue(self, ticker: str) -> QueueBook:
        """Returns the queue model of a driven market. Raises KeyError."""
        return self._engines[ticker].queue

    def take_frame(self, frame: Frame) -> None:
        """Takes one decoded frame of the source; kinds and markets that it does not know pass by."""
        try:
            msg, kind = frame.get("msg"), frame.get("type")
            if not isinstance(msg, Mapping) or msg.get("market_ticker") not in self._engines:
                return
            ticker = msg["market_ticker"]
            match kind:
                case "orderbook_delta":
                    self.counters.deltas += 1
                    self._hear(ticker, self._delta(msg))
                case "orderbook_snapshot":
                    self._hear(ticker, self._snapshot(msg))
                case "trade":
                    self._take_trade(ticker, msg)
                case "ticker":
                    self._take_ticker(ticker, msg)
        except _UNREADABLE:
            self.counters.unreadable += 1

    def tick(self) -> None:
        """Lets time pass in every market, so that decreases which no trade explained are judged."""
        event = ClockMoved(at_ms=self._market_ms())
        for ticker, engine in self._engines.items():
            if engine.queue.waits_for_time:
                self._hear(ticker, event)

    def _hear(self, ticker: str, event: QueueEvent) -> None:
        now_ms = self._core.now_ms()
        for filled_e2 in self._engines[ticker].hear(event, now_ms):
            self.counters.fills += filled_e2 > 0
            self.counters.filled_e2 += filled_e2
        self._core.drain(self._core.markets[ticker], now_ms)

    # -- frames --

    def _delta(self, msg: Frame) -> LevelMoved:
        side, price_e4 = Side.BID, read_decimal(msg["price_dollars"], 4)
        if msg["side"] != "yes":
            side, price_e4 = Side.ASK, DOLLAR_E4 - price_e4
        return LevelMoved(
            side=side,
            price_e4=price_e4,
            delta_e2=read_decimal(msg["delta_fp"], 2),
            ts_ms=int(msg["ts_ms"]),
            at_ms=self._market_ms(),
        )

    def _snapshot(self, msg: Frame) -> BookReplaced:
        bids, asks = (
            {read_decimal(price, 4): read_decimal(size, 2) for price, size in msg.get(key) or ()}
            for key in ("yes_dollars_fp", "no_dollars_fp")
        )
        return BookReplaced(
            bids=bids, asks={DOLLAR_E4 - price: size for price, size in asks.items()}, at_ms=self._market_ms()
        )

    def _take_trade(self, ticker: str, msg: Frame) -> None:
        self._tapes[ticker].has_trades = True
        if msg.get("is_block_trade"):
            return  # agreed outside the book: it met nobody's order
        outcome = msg.get("taker_outcome_side") or msg["taker_side"]
        self.counters.trades += 1
        self._hear(
            ticker,
            PublicTrade(
                taker_side=Side.BID if outcome == "yes" else Side.ASK,
                price_e4=read_decimal(msg["yes_price_dollars"], 4),
                count_e2=read_decimal(msg["count_fp"], 2),
                ts_ms=int(msg["ts_ms"]),
                at_ms=self._market_ms(),
            ),
        )

    def _take_ticker(self, ticker: str, msg: Frame) -> None:
        tape, volume_e2 = self._tapes[ticker], read_decimal(msg["volume_fp"], 2)
        before_e2, tape.volume_e2 = tape.volume_e2, volume_e2
        if tape.has_trades or before_e2 is None or volume_e2 <= before_e2:
            return
        price_e4 = read_decimal(msg["price_dollars"], 4)
        count_e2 = min(read_decimal(msg["last_trade_size_fp"], 2), volume_e2 - before_e2)
        taker_side = self._taker_of_print(self._engines[ticker].queue, price_e4)
        if taker_side is None or count_e2 <= 0:
            self.counters.unplaced += 1
            return
        self.counters.prints += 1
        self._hear(
            ticker,
            PublicTrade(
                taker_side=taker_side, price_e4=price_e4, count_e2=count_e2, ts_ms=None, at_ms=self._market_ms()
            ),
        )

    @staticmethod
    def _taker_of_print(queue: QueueBook, price_e4: int) -> Side | None:
        """Returns who took in a print: the side opposite to where its price lately lost size, else by the market."""
        lost_e2 = {side: queue.unexplained_e2(side, price_e4) for side in Side}
        if lost_e2[Side.BID] != lost_e2[Side.ASK]:
            return Side.ASK if lost_e2[Side.BID] > lost_e2[Side.ASK] else Side.BID
        best_bid_e4, best_ask_e4 = (
            max(queue.levels[Side.BID], default=0),
            min(queue.levels[Side.ASK], default=DOLLAR_E4),
        )
        if price_e4 <= best_bid_e4:
            return Side.ASK
        return Side.BID if price_e4 >= best_ask_e4 else None
