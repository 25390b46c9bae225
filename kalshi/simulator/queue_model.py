"""Where our orders would stand in a real book in which they are not: one market, without input or output.

Our orders are virtual: the real book, its trades and everybody else go on as if we were not there. What can be
known of our place in the queue is what stood at the price when we came, and how that level shrank since. A trade
takes from the front. A cancel takes from somewhere, and there the models differ:

    front           nobody is ever ahead of us. The best that can be; no fill is missed.
    risk_averse     every cancel came from behind us, until the level is smaller than what was ahead.
    probabilistic   a cancel came from ahead or behind by their lengths: with f(x) = x**3, the expected share
                    from behind is f(behind) / (f(behind) + f(ahead)). Longer parts give more than their share.

Rules:
1. An order joins the queue `latency_ms` after it was placed, behind what rests there then; before that nothing
   touches it. Times are those at which we *heard* of things (`at_ms`, one clock for all): only what is heard a
   round trip after we spoke can have met our order.
2. One match is told twice, as a trade and as a decrease, in any order, on two channels. They are matched by side,
   price and `ts_ms`. A decrease that no trade has explained after SETTLE_MS is a cancel, and only then moves the
   queue; a trade whose decrease is still to come is remembered, so that the decrease is not taken for a cancel.
3. A trade fills us with at most its own size: first our orders at better prices, which it would have met first,
   then what is left of it behind those ahead of us at its own price. Nothing else fills a resting order.
4. What we take from the visible book is gone for us until the level itself is gone: a level that shrinks is first
   somebody else's loss. So the same liquidity cannot be eaten twice.
5. On one stream of events, front fills at least as much as probabilistic, and that at least as much as
   risk_averse: by induction the same holds, the other way round, for what each believes to be ahead.

Deliberately not here: what our orders would have done to the others (no market impact), and a fill only because
the real book now crosses our price without a trade: that maker would perhaps not have come. Rejected: random draws
instead of expectations; a replay would then need many runs to say anything.

Prices in 1/10,000 dollar on the YES leg, counts in 1/100 contract, times in ms.

Source: Rigtorp, "Estimating order queue position" (2013), for the function of both lengths; hftbacktest, "Queue
Models" (RiskAdverseQueueModel, PowerProbQueueModel), for the names and for counting a trade once.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from typing import Final, assert_never

import attrs

from kalshi.types import Side

# How long a decrease waits for its trade. Trades come within milliseconds; a conflated ticker, the only trace of a
# trade in some recordings, within a second, mostly.
SETTLE_MS: Final = 1_500
# The exponent n of f(x) = x**n: 1 is proportional, and the higher it is, the more the longer part gives.
POWER: Final = 3


class QueueModel(enum.StrEnum):
    """What is assumed of cancels; the module's docstring says what each means."""

    FRONT = "front"
    RISK_AVERSE = "risk_averse"
    PROBABILISTIC = "probabilistic"


@attrs.frozen(kw_only=True)
class BookReplaced:
    """A snapshot of the real book; price to size."""

    bids: Mapping[int, int]
    asks: Mapping[int, int]
    at_ms: int


@attrs.frozen(kw_only=True)
class LevelMoved:
    """The real size at one price changed."""

    side: Side
    price_e4: int
    delta_e2: int
    ts_ms: int
    at_ms: int


@attrs.frozen(kw_only=True)
class PublicTrade:
    """A real trade at the price of the resting side; `ts_ms` None where only a later print tells of it."""

    taker_side: Side
    price_e4: int
    count_e2: int
    ts_ms: int | None
    at_ms: int


@attrs.frozen(kw_only=True)
class OwnPlaced:
    """An order of ours went to the back of its price."""

    order_id: str
    side: Side
    price_e4: int
    count_e2: int
    at_ms: int


@attrs.frozen(kw_only=True)
class OwnReduced:
    """An order of ours shrank in place; by all of it, it is gone."""

    order_id: str
    by_e2: int
    at_ms: int


@attrs.frozen(kw_only=True)
class OwnTook:
    """An order of ours took visible liquidity; `side` is the resting side."""

    side: Side
    price_e4: int
    count_e2: int
    at_ms: int


@attrs.frozen(kw_only=True)
class ClockMoved:
    """Time went on without news."""

    at_ms: int


QueueEvent = BookReplaced | LevelMoved | PublicTrade | OwnPlaced | OwnReduced | OwnTook | ClockMoved


@attrs.frozen(kw_only=True)
class OwnFilled:
    """A resting order of ours was met by a real trade, at its own price."""

    order_id: str
    price_e4: int
    count_e2: int
    at_ms: int


@attrs.define(kw_only=True, eq=False)
class OwnOrder:
    """One virtual order; `ahead_e2` is None until it has joined the queue."""

    order_id: str
    side: Side
    price_e4: int
    remaining_e2: int
    joins_ms: int
    ahead_e2: int | None = None


@attrs.define(eq=False)
class _Heard:
    """One half of a match whose other half has not come: `count_e2` of it is still unexplained."""

    ts_ms: int
    at_ms: int
    count_e2: int


_Place = tuple[Side, int]


class QueueBook:
    """The real book of one market, as far as it was told, and our virtual orders in it."""

    def __init__(self, model: QueueModel, latency_ms: int = 0) -> None:
        self.model = model
        self.latency_ms = latency_ms
        self.levels: dict[Side, dict[int, int]] = {Side.BID: {}, Side.ASK: {}}
        self.orders: dict[str, OwnOrder] = {}  # in the order they were placed
        self.traded_e2 = 0
        self._waiting: dict[str, OwnOrder] = {}  # placed, not yet joined
        self._taken: dict[_Place, int] = {}
        self._drops: dict[_Place, list[_Heard]] = {}
        self._drops_by_age: deque[tuple[_Place, _Heard]] = deque()
        self._trades: dict[_Place, list[_Heard]] = {}
        self._trades_by_age: deque[tuple[_Place, _Heard]] = deque()

    def apply(self, event: QueueEvent) -> list[OwnFilled]:
        """Takes one event in and returns the fills that it means for us."""
        self._pass_time(event.at_ms)
        match event:
            case LevelMoved():
                self._move_level(event)
            case PublicTrade():
                return self._trade(event)
            case OwnPlaced():
                self._place(event)
            case OwnReduced():
                self._reduce(event)
            case OwnTook():
                place = (event.side, event.price_e4)
                self._taken[place] = self._taken.get(place, 0) + event.count_e2
            case BookReplaced():
                self._replace(event)
            case ClockMoved():
                pass
            case _:
                assert_never(event)
        return []

    def available(self, side: Side) -> list[tuple[int, int]]:
        """Returns what we could still take from one side as (price, size), best first (rule 4)."""
        left = ((price_e4, size_e2 - self._taken.get((side, price_e4), 0)) for price_e4, size_e2 in self.real(side))
        return [(price_e4, size_e2) for price_e4, size_e2 in left if size_e2 > 0]

    def real(self, side: Side) -> list[tuple[int, int]]:
        """Returns one side of the real book as (price, size), best first."""
        return sorted(self.levels[side].items(), reverse=side is Side.BID)

    def ahead_e2(self, order_id: str) -> int:
        """Returns what is believed to trade before an order of ours at its price. Raises KeyError."""
        order = self.orders[order_id]
        return self._standing((order.side, order.price_e4)) if order.ahead_e2 is None else order.ahead_e2

    @property
    def waits_for_time(self) -> bool:
        """Whether time alone would change anything: an order that joins, or half a match that is let go."""
        return bool(self._waiting or self._drops_by_age or self._trades_by_age)

    def unexplained_e2(self, side: Side, price_e4: int) -> int:
        """Returns what lately left a price without a trade that explains it."""
        return sum(drop.count_e2 for drop in self._drops.get((side, price_e4), ()))

    # -- time --

    def _pass_time(self, at_ms: int) -> None:
        while self._drops_by_age and self._drops_by_age[0][1].at_ms + SETTLE_MS <= at_ms:
            place, drop = self._drops_by_age.popleft()
            # Nothing heard since can have met an order that was not there yet.
            self._join(drop.at_ms)
            self._forget(self._drops, place, drop)
            if drop.count_e2:
                self._cancelled(place, drop)
        while self._trades_by_age and self._trades_by_age[0][1].at_ms + SETTLE_MS <= at_ms:
            place, trade = self._trades_by_age.popleft()
            self._forget(self._trades, place, trade)
        self._join(at_ms)

    def _join(self, at_ms: int) -> None:
        for order in [one for one in self._waiting.values() if one.joins_ms <= at_ms]:
            del self._waiting[order.order_id]
            is_first = self.model is QueueModel.FRONT
            order.ahead_e2 = 0 if is_first else self._standing((order.side, order.price_e4))

    def _standing(self, place: _Place) -> int:
        """What really rests at a price: the level, less what was traded there and is not yet taken off it."""
        side, price_e4 = place
        traded_e2 = sum(trade.count_e2 for trade in self._trades.get(place, ()))
        return max(0, self.levels[side].get(price_e4, 0) - traded_e2)

    @staticmethod
    def _forget(index: dict[_Place, list[_Heard]], place: _Place, heard: _Heard) -> None:
        rows = index[place]
        rows.remove(heard)
        if not rows:
            del index[place]

    # -- the real book --

    def _move_level(self, event: LevelMoved) -> None:
        place, levels = (event.side, event.price_e4), self.levels[event.side]
        size_e2 = max(0, levels.get(event.price_e4, 0) + event.delta_e2)
        if size_e2:
            levels[event.price_e4] = size_e2
        else:
            levels.pop(event.price_e4, None)
        if event.delta_e2 < 0:
            self._keep_taken(place, size_e2)
            left_e2 = self._explain_drop(place, event.ts_ms, -event.delta_e2)
            if left_e2:
                drop = _Heard(event.ts_ms, event.at_ms, left_e2)
                self._drops.setdefault(place, []).append(drop)
                self._drops_by_age.append((place, drop))

    def _explain_drop(self, place: _Place, ts_ms: int, count_e2: int) -> int:
        for trade in self._trades.get(place, ()):
            if trade.ts_ms == ts_ms:
                explained_e2 = min(trade.count_e2, count_e2)
                trade.count_e2 -= explained_e2
                count_e2 -= explained_e2
        return count_e2

    def _keep_taken(self, place: _Place, size_e2: int) -> None:
        if place in self._taken:
            self._taken[place] = min(self._taken[place], size_e2)
            if not self._taken[place]:
                del self._taken[place]

    def _replace(self, event: BookReplaced) -> None:
        self.levels = {Side.BID: dict(event.bids), Side.ASK: dict(event.asks)}
        for index in (self._drops, self._trades):
            index.clear()
        self._drops_by_age.clear()
        self._trades_by_age.clear()
        for side, price_e4 in tuple(self._taken):
            self._keep_taken((side, price_e4), self.levels[side].get(price_e4, 0))
        for order in self.orders.values():
            if order.ahead_e2 is not None:
                order.ahead_e2 = min(order.ahead_e2, self.levels[order.side].get(order.price_e4, 0))

    def _cancelled(self, place: _Place, drop: _Heard) -> None:
        """Takes a cancel out of the queue, from ahead of us or from behind, as the model has it."""
        side, price_e4 = place
        ours = self._at(side, price_e4)
        if not ours:
            return
        # Decreases that are not judged yet still stand somewhere in the queue.
        after_e2 = self._standing(place) + sum(one.count_e2 for one in self._drops.get(place, ()))
        for order in ours:
            if order.ahead_e2 is None or order.joins_ms > drop.at_ms:
                continue
            if self.model is QueueModel.PROBABILISTIC:
                behind_e2 = max(0, after_e2 + drop.count_e2 - order.ahead_e2)
                order.ahead_e2 -= _from_ahead_e2(order.ahead_e2, behind_e2, drop.count_e2)
            order.ahead_e2 = min(order.ahead_e2, after_e2)

    # -- trades --

    def _trade(self, event: PublicTrade) -> list[OwnFilled]:
        self.traded_e2 += event.count_e2
        side, fills, used_e2 = event.taker_side.opposite, list[OwnFilled](), 0
        parts = self._explain_trade((side, event.price_e4), event)
        front_e2 = 0
        for order in self._met_by(side, event.price_e4):
            if order.ahead_e2 is None:
                continue
            # What left the book before we joined has moved nobody ahead of us.
            met_e2 = sum(count_e2 for heard_ms, count_e2 in parts if heard_ms >= order.joins_ms)
            is_through = order.price_e4 != event.price_e4
            if is_through and met_e2:
                order.ahead_e2 = 0
            # A younger order of ours can know of a shorter queue; it still stands behind the older one.
            front_e2 = max(front_e2, order.ahead_e2)
            count_e2 = min(order.remaining_e2, max(0, met_e2 - front_e2 - used_e2))
            if not is_through:
                order.ahead_e2 = max(0, order.ahead_e2 - met_e2)
            if count_e2:
                used_e2 += count_e2
                self._shrink(order, count_e2)
                fills.append(
                    OwnFilled(order_id=order.order_id, price_e4=order.price_e4, count_e2=count_e2, at_ms=event.at_ms)
                )
        return fills

    def _explain_trade(self, place: _Place, event: PublicTrade) -> list[tuple[int, int]]:
        """Returns the trade's parts as (heard at, count), matched with the decreases that are its other half."""
        left_e2, parts = event.count_e2, list[tuple[int, int]]()
        for drop in self._drops.get(place, ()):
            if drop.count_e2 and left_e2 and event.ts_ms in (None, drop.ts_ms):
                explained_e2 = min(drop.count_e2, left_e2)
                drop.count_e2 -= explained_e2
                left_e2 -= explained_e2
                parts.append((drop.at_ms, explained_e2))
        if left_e2:
            parts.append((event.at_ms, left_e2))
        if left_e2 and event.ts_ms is not None:
            trade = _Heard(event.ts_ms, event.at_ms, left_e2)
            self._trades.setdefault(place, []).append(trade)
            self._trades_by_age.append((place, trade))
        return parts

    # -- our orders --

    def _place(self, event: OwnPlaced) -> None:
        order = OwnOrder(
            order_id=event.order_id,
            side=event.side,
            price_e4=event.price_e4,
            remaining_e2=event.count_e2,
            joins_ms=event.at_ms + self.latency_ms,
        )
        self.orders[order.order_id] = self._waiting[order.order_id] = order
        self._join(event.at_ms)

    def _reduce(self, event: OwnReduced) -> None:
        order = self.orders.get(event.order_id)
        if order is not None:
            self._shrink(order, event.by_e2)

    def _shrink(self, order: OwnOrder, by_e2: int) -> None:
        order.remaining_e2 -= by_e2
        if order.remaining_e2 <= 0:
            del self.orders[order.order_id]
            self._waiting.pop(order.order_id, None)

    def _at(self, side: Side, price_e4: int) -> list[OwnOrder]:
        return [order for order in self.orders.values() if order.side is side and order.price_e4 == price_e4]

    def _met_by(self, side: Side, price_e4: int) -> list[OwnOrder]:
        """Returns our orders that a trade at this price meets or went through, best price and oldest first."""
        met = [
            order
            for order in self.orders.values()
            if order.side is side and (order.price_e4 - price_e4) * side.sign >= 0
        ]
        return sorted(met, key=lambda order: -order.price_e4 * side.sign)


def _from_ahead_e2(ahead_e2: int, behind_e2: int, count_e2: int) -> int:
    """Returns how much of a cancel is expected to have stood ahead of us, in whole hundredths, rounded down."""
    ahead, behind = ahead_e2**POWER, behind_e2**POWER
    if not ahead:
        return 0
    return min(ahead_e2, count_e2 * ahead // (ahead + behind))
