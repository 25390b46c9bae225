"""The traders of one market: makers around its hidden value, noise, momentum, and informed takers.

    makers    three per market, each with a width and a size of its own; they look at the public value every few
              seconds, move what is off its price and post what is missing
    noise     orders at random times and sides, priced a few cents through the touch
    momentum  follow what the price has done lately
    informed  know the value before the public does (fair_values.py, rule 1) and hit each quote that it has left
              behind; some of their orders rest on for a while

A customer who quotes at or inside the makers' spread is filled by the noise and picked off by the informed,
as on the real exchange. Everything is drawn from the market's own stream.
"""

from __future__ import annotations

import random
from typing import Final

import attrs

from kalshi.simulator.accounts import Account
from kalshi.simulator.engine import EngineRefusal
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fair_values import EventFair
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Order, Reason
from kalshi.simulator.price_grid import ceil_to_grid, floor_to_grid, step_at
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import SelfTradePrevention, Side, TimeInForce

_INFORMED_SHARE: Final = 0.40
_MOMENTUM_SHARE: Final = 0.12
# What an informed trader wants beyond the quote, in 1/10,000 dollar; a taker's fee at 50 cents is 175.
_INFORMED_EDGE_E4: Final = 30
# One informed trader in five comes because of something new, whose size is measured in half spreads: what a quoter
# earns from the noise is what the informed take.
_NEWS_SHARE: Final = 0.2
_NEWS_WIDTHS: Final = 1.6
# News leads back to where the market began rather than away: so far away by one in a hundred more, up to the most.
_HOMING_E4: Final = 5_000
_HOMING_MAX: Final = 0.3
_REST_S: Final = 6
_NOISE_SIZE_LOG: Final = (1.9, 0.9)  # of the lognormal: a median of 7 contracts, a mean of 10
_NOISE_SIZE_MAX: Final = 60
_FRACTIONAL_SHARE: Final = 0.14  # of the recorded sizes are no whole contracts
_MOMENTUM_WEIGHT: Final = 0.15
_MOMENTUM_MOVE_E4: Final = 60
_HALF_MIN_E4: Final = 2.0
_JOINS_SHARE: Final = 0.97  # of the looks at a quote that is nearly right leave it alone


@attrs.frozen(kw_only=True)
class MakerStyle:
    """Width as a multiple of the market's half spread, contracts per level, levels per side, seconds between looks."""

    name: str
    width: float
    size: tuple[int, int]
    levels: int
    look_s: tuple[float, float]


STYLES: Final = (
    MakerStyle(name="maker-near", width=1.0, size=(10, 60), levels=1, look_s=(1.0, 3.0)),
    MakerStyle(name="maker-middle", width=1.7, size=(40, 200), levels=2, look_s=(1.5, 4.0)),
    MakerStyle(name="maker-far", width=3.0, size=(150, 600), levels=3, look_s=(4.0, 9.0)),
)
HOUSE_NAMES: Final = (*(style.name for style in STYLES), "noise", "momentum", "informed", "depth")


@attrs.define
class Tally:
    """How many operations the house has sent to the engines."""

    operations: int = 0


class HouseDesk:
    """Sends the orders of the exchange's own traders to one market."""

    def __init__(self, core: ExchangeCore, market: MarketState, accounts: dict[str, Account], tally: Tally) -> None:
        self.core = core
        self.market = market
        self.accounts = accounts
        self._tally = tally

    def post(self, name: str, side: Side, price_e4: int, count_e2: int, now_ms: int) -> Order | None:
        """Rests a post-only order and returns it; None where it would have crossed."""
        order = self._order(name, side, price_e4, count_e2, now_ms, post_only=True)
        return order if self._submit(order, now_ms) and order.is_open else None

    def cross(self, name: str, side: Side, limit_e4: int, count_e2: int, now_ms: int, *, rests: bool = False) -> None:
        """Takes what is there up to the limit; what is left ends, or rests for some seconds."""
        ranges = self.market.listing.price_ranges
        price_e4 = floor_to_grid(ranges, limit_e4) if side is Side.BID else ceil_to_grid(ranges, limit_e4)
        order = self._order(name, side, price_e4, count_e2, now_ms, post_only=False)
        if rests:
            order.expiration_ts_s = now_ms // 1000 + _REST_S
        else:
            order.time_in_force = TimeInForce.IMMEDIATE_OR_CANCEL
        self._submit(order, now_ms)
        if order.is_open and order.remaining_e2:
            self.core.watch_expiry(order)

    def withdraw(self, order: Order, now_ms: int) -> None:
        self._tally.operations += 1
        self.core.cancel(order, Reason.NONE, now_ms)

    def _order(self, name: str, side: Side, price_e4: int, count_e2: int, now_ms: int, *, post_only: bool) -> Order:
        return Order(
            order_id=self.core.new_id(),
            account_id=self.accounts[name].account_id,
            client_order_id="",
            ticker=self.market.ticker,
            side=side,
            price_e4=price_e4,
            initial_e2=count_e2,
            remaining_e2=count_e2,
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            exchange_index=self.market.exchange_index,
            created_ms=now_ms,
            updated_ms=now_ms,
            post_only=post_only,
            is_house=True,
        )

    def _submit(self, order: Order, now_ms: int) -> bool:
        self._tally.operations += 1
        try:
            self.market.engine.submit(order, now_ms)
        except EngineRefusal:
            # Post-only in the way of somebody better: the maker looks again soon.
            return False
        self.core.drain(self.market, now_ms)
        return True


class Maker:
    """One maker in one market and the orders that it has there, by side and level."""

    def __init__(self, desk: HouseDesk, fair: EventFair, index: int, style: MakerStyle, rng: random.Random) -> None:
        self._desk = desk
        self._fair = fair
        self._index = index
        self._style = style
        self._rng = rng
        self._quotes: dict[tuple[Side, int], Order] = {}

    def gap_ms(self) -> float:
        low_s, high_s = self._style.look_s
        return self._rng.uniform(low_s, high_s) * 1000 * self._desk.market.listing.look_scale

    def act(self, now_ms: int) -> None:
        """Looks again: moves what is off its price, posts what is missing."""
        market, style = self._desk.market, self._style
        listing = market.listing
        fair_e4 = self._fair.public_e4(self._index)
        market.fair_e4 = round(fair_e4)
        ranges = listing.price_ranges
        step_e4 = step_at(ranges, round(fair_e4))
        # Rounding away from the middle adds a step to the spread.
        half_e4 = max(_HALF_MIN_E4, listing.half_spread_e4 * style.width - step_e4 / 2)
        belief_e4 = fair_e4 + self._rng.gauss(0, half_e4 * 0.1)
        gap_e4 = max(step_e4, round(half_e4 * 0.8))
        # A place in the queue is worth something, so a quote that is nearly right stands; on a fine grid that
        # means fewer ticks.
        tolerance_e4 = min(max(step_e4, 40) // 2, listing.half_spread_e4 // 2)
        low_e4, high_e4 = ranges[0].step_e4, DOLLAR_E4 - ranges[-1].step_e4
        for level in range(style.levels):
            away_e4 = half_e4 + gap_e4 * level
            bid_e4, ask_e4 = int(belief_e4 - away_e4), int(belief_e4 + away_e4) + 1
            # What would lie outside the scale is not quoted: at the ends a book has one side.
            bid = floor_to_grid(ranges, bid_e4) if bid_e4 >= low_e4 else None
            ask = ceil_to_grid(ranges, ask_e4) if ask_e4 <= high_e4 else None
            self._keep_quote((Side.BID, level), bid, tolerance_e4, now_ms)
            self._keep_quote((Side.ASK, level), ask, tolerance_e4, now_ms)

    def _keep_quote(self, place: tuple[Side, int], price_e4: int | None, tolerance_e4: int, now_ms: int) -> None:
        present = self._quotes.pop(place, None)
        if present is not None and present.is_open:
            is_near = price_e4 is not None and abs(present.price_e4 - price_e4) <= tolerance_e4
            if is_near and self._rng.random() < _JOINS_SHARE:
                self._quotes[place] = present
                return
            self._desk.withdraw(present, now_ms)
        if price_e4 is not None:
            low, high = self._style.size
            count_e2 = int(self._rng.randint(low, high) * self._desk.market.listing.maker_size) * 100
            order = self._desk.post(self._style.name, place[0], self._behind(place[0], price_e4), count_e2, now_ms)
            if order is not None:
                self._quotes[place] = order

    def _behind(self, side: Side, price_e4: int) -> int:
        """Returns the price, or a step behind the other side's best where that is already there."""
        market = self._desk.market
        best_e4 = market.engine.book(side.opposite).best_price_e4()
        if best_e4 is None or (best_e4 - price_e4) * side.sign > 0:
            return price_e4
        ranges = market.listing.price_ranges
        return floor_to_grid(ranges, best_e4 - 1) if side is Side.BID else ceil_to_grid(ranges, best_e4 + 1)


class Takers:
    """Everybody who takes in one market, one order at a time."""

    def __init__(self, desk: HouseDesk, fair: EventFair, index: int, rng: random.Random) -> None:
        self._desk = desk
        self._fair = fair
        self._index = index
        self._rng = rng
        self._slow_e4 = fair.public_e4(index)

    def gap_ms(self) -> float:
        return self._rng.expovariate(self._desk.market.listing.trades_per_minute / 60_000)

    def act(self, now_ms: int) -> None:
        """Lets one taker come: informed, with the trend, or for reasons of its own."""
        market = self._desk.market
        bid_e4, ask_e4 = market.engine.bids.best_price_e4(), market.engine.asks.best_price_e4()
        last_e4 = market.last_price_e4
        moved_e4 = last_e4 - self._slow_e4
        self._slow_e4 += moved_e4 * _MOMENTUM_WEIGHT
        draw = self._rng.random()
        if draw < _INFORMED_SHARE:
            self._take_informed(bid_e4, ask_e4, now_ms)
        elif draw < _INFORMED_SHARE + _MOMENTUM_SHARE:
            if abs(moved_e4) >= _MOMENTUM_MOVE_E4:
                side = Side.BID if moved_e4 > 0 else Side.ASK
                self._take("momentum", side, ask_e4 if side is Side.BID else bid_e4, 100, now_ms)
        else:
            side = Side.BID if self._rng.random() < 0.5 else Side.ASK
            self._take("noise", side, ask_e4 if side is Side.BID else bid_e4, 200, now_ms)

    def _take(self, name: str, side: Side, touch_e4: int | None, through_e4: int, now_ms: int) -> None:
        if touch_e4 is not None:
            # Far from 50 cents a cent is a lot: nobody goes as far through the touch there.
            room_e4 = min(through_e4, 10 + min(touch_e4, DOLLAR_E4 - touch_e4) // 5)
            self._desk.cross(name, side, touch_e4 + side.sign * room_e4, self._size_e2(), now_ms)

    def _size_e2(self) -> int:
        size = min(self._rng.lognormvariate(*_NOISE_SIZE_LOG), _NOISE_SIZE_MAX) * self._desk.market.listing.taker_size
        count_e2 = max(1, round(size)) * 100
        if self._rng.random() < _FRACTIONAL_SHARE:
            count_e2 += self._rng.randrange(1, 100)
        return count_e2

    def _learn(self, now_ms: int) -> None:
        """Lets the informed hear something that the public will hear a lead later; a coin's price hides nothing."""
        listing, drive = self._desk.market.listing, self._fair.drive
        if self._fair.event.coin or self._rng.random() >= _NEWS_SHARE:
            return
        value_e4 = self._fair.ahead_e4(self._index)
        away_e4 = value_e4 - listing.fair_e4
        chance_up = 0.5 - max(-_HOMING_MAX, min(_HOMING_MAX, away_e4 / _HOMING_E4))
        size_e4 = abs(self._rng.gauss(0, _NEWS_WIDTHS * listing.half_spread_e4 * drive.scale))
        # Near 0 and 1 dollar nothing is worth as much as in the middle.
        size_e4 *= 4 * value_e4 * (DOLLAR_E4 - value_e4) / DOLLAR_E4**2
        self._fair.shift(self._index, size_e4 if self._rng.random() < chance_up else -size_e4, now_ms)

    def _take_informed(self, bid_e4: int | None, ask_e4: int | None, now_ms: int) -> None:
        self._learn(now_ms)
        true_e4 = self._fair.ahead_e4(self._index)
        if ask_e4 is not None and ask_e4 < true_e4 - _INFORMED_EDGE_E4:
            side = Side.BID
        elif bid_e4 is not None and bid_e4 > true_e4 + _INFORMED_EDGE_E4:
            side = Side.ASK
        else:
            return
        limit_e4 = int(true_e4) - side.sign * _INFORMED_EDGE_E4 // 2
        count_e2 = max(1, round(self._rng.randint(5, 40) * self._desk.market.listing.taker_size)) * 100
        self._desk.cross("informed", side, limit_e4, count_e2, now_ms, rests=self._rng.random() < 0.3)
