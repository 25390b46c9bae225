"""Seeded traders that keep the markets alive: makers around a hidden fair value, noise takers, and informed takers.

Each market has a hidden fair value that wanders in small steps, is drawn back to where it began, and jumps
now and then.
    makers    three per market, each with a width and a size of its own; they look at the fair value every few
    seconds noise     small orders at random times and sides, priced a few cents through the touch informed
    hit a quote that the fair value has left behind; some of their orders rest on for a while

A customer who quotes at or inside the makers' spread is filled by the noise and picked off by the informed,
as on the real exchange. All of it runs off one heap of due times, so that a quiet market costs nothing; the
whole of the default catalogue takes a few per cent of a core.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Final

import attrs

from kalshi.simulator.accounts import Account
from kalshi.simulator.engine import EngineRefusal
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Order, Reason
from kalshi.simulator.price_grid import ceil_to_grid, floor_to_grid, step_at
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import SelfTradePrevention, Side, TimeInForce

# After a stall the traders go on from now instead of making good what they missed; this bounds one tick all
# the same.
STEPS_PER_TICK_MAX: Final = 400

_FAIR_LOW_E4: Final = 300
_FAIR_HIGH_E4: Final = DOLLAR_E4 - _FAIR_LOW_E4
_FAIR_STEP_MS: Final = 1_000
_DRIFT_E4: Final = 9.0
_PULL: Final = 0.002
_JUMP_CHANCE: Final = 0.0006
_INFORMED_SHARE: Final = 0.2
_INFORMED_EDGE_E4: Final = 80
_REST_S: Final = 6


@attrs.frozen
class _Motion:
    """How a hidden value moves: step size, pull back to where it began, drift per step, chance of a jump."""

    step_e4: float = _DRIFT_E4
    pull: float = _PULL
    drift_e4: float = 0.0
    jump_chance: float = _JUMP_CHANCE


_USUAL: Final = _Motion()
_REGIMES: Final = {
    "wandering": _Motion(pull=0.0),
    "mean_reverting": _Motion(pull=0.02),
    "trending": _Motion(pull=0.0, drift_e4=3.0),
    "chaotic": _Motion(step_e4=25.0, jump_chance=0.01),
    "quiet": _Motion(step_e4=1.0, jump_chance=0.0),
}


@attrs.frozen(kw_only=True)
class _MakerStyle:
    """Width as a multiple of the market's half spread, contracts per level, levels per side, seconds between looks."""

    name: str
    width: float
    size: tuple[int, int]
    levels: int
    look_s: tuple[float, float]


_STYLES: Final = (
    _MakerStyle(name="maker-near", width=1.0, size=(10, 60), levels=1, look_s=(1.0, 3.0)),
    _MakerStyle(name="maker-middle", width=1.7, size=(40, 200), levels=2, look_s=(1.5, 4.0)),
    _MakerStyle(name="maker-far", width=3.0, size=(150, 600), levels=3, look_s=(4.0, 9.0)),
)


@attrs.define(kw_only=True, eq=False)
class _Maker:
    """One maker in one market and the orders that it has there, by side and level."""

    account: Account
    style: _MakerStyle
    quotes: dict[tuple[Side, int], Order] = attrs.field(factory=dict)


class _MarketFlow:
    """The traders of one market."""

    def __init__(
        self, core: ExchangeCore, market: MarketState, rng: random.Random, accounts: dict[str, Account]
    ) -> None:
        self._core = core
        self.market = market
        self._rng = rng
        self._takers = (accounts["noise"], accounts["informed"])
        self._fair_e4 = float(market.listing.fair_e4)
        self.motion = _USUAL
        self.makers = [_Maker(account=accounts[style.name], style=style) for style in _STYLES]

    def move_fair(self) -> None:
        """Moves the hidden value one step: wander, pull, and rarely a jump."""
        price, motion = self._fair_e4 / DOLLAR_E4, self.motion
        spread = 4 * price * (1 - price)
        moved_e4 = self._fair_e4 + (self._rng.gauss(0, motion.step_e4) + motion.drift_e4) * spread
        moved_e4 += (self.market.listing.fair_e4 - self._fair_e4) * motion.pull
        if self._rng.random() < motion.jump_chance:
            moved_e4 += self._rng.choice((-1, 1)) * self._rng.uniform(200, 500)
        self.set_fair(moved_e4)

    def jump(self, by_e4: float) -> None:
        """Moves the hidden value by news."""
        self.set_fair(self._fair_e4 + by_e4)

    def set_fair(self, fair_e4: float) -> None:
        self._fair_e4 = min(max(fair_e4, _FAIR_LOW_E4), _FAIR_HIGH_E4)
        self.market.fair_e4 = round(self._fair_e4)

    def refresh(self, maker: _Maker) -> None:
        """Lets a maker look again: moves what is off its price, posts what is missing."""
        half_e4 = self.market.listing.half_spread_e4 * maker.style.width
        belief_e4 = self._fair_e4 + self._rng.gauss(0, half_e4 * 0.1)
        ranges = self.market.listing.price_ranges
        gap_e4 = max(step_at(ranges, round(belief_e4)), round(half_e4 * 0.8))
        for level in range(maker.style.levels):
            away_e4 = half_e4 + gap_e4 * level
            bid_e4 = floor_to_grid(ranges, round(belief_e4 - away_e4))
            ask_e4 = ceil_to_grid(ranges, round(belief_e4 + away_e4))
            self._keep_quote(maker, Side.BID, level, bid_e4)
            self._keep_quote(maker, Side.ASK, level, ask_e4)

    def _keep_quote(self, maker: _Maker, side: Side, level: int, price_e4: int) -> None:
        now_ms = self._core.now_ms()
        present = maker.quotes.get((side, level))
        if present is not None and present.is_open:
            # A maker lets a quote stand that is nearly right: its place in the queue is worth something.
            tolerance_e4 = max(step_at(self.market.listing.price_ranges, price_e4), 40) // 2
            if abs(present.price_e4 - price_e4) <= tolerance_e4 and self._rng.random() < 0.97:
                return
            self._core.cancel(present, Reason.NONE, now_ms)
        count_e2 = self._rng.randint(*maker.style.size) * 100
        order = self._order(maker.account, side, price_e4, count_e2, now_ms, post_only=True)
        if self._submit(order, now_ms):
            maker.quotes[side, level] = order

    def take(self) -> None:
        """Lets a taker come: informed if the price invites it, else noise."""
        quote = self.market.quote()
        if self._rng.random() < _INFORMED_SHARE:
            if quote.ask_e2 and quote.ask_e4 < self._fair_e4 - _INFORMED_EDGE_E4:
                self._take_informed(Side.BID)
            elif quote.bid_e2 and quote.bid_e4 > self._fair_e4 + _INFORMED_EDGE_E4:
                self._take_informed(Side.ASK)
            return
        side = Side.BID if self._rng.random() < 0.5 else Side.ASK
        touch_e4 = quote.ask_e4 if side is Side.BID else quote.bid_e4
        if 0 < touch_e4 < DOLLAR_E4:
            count_e2 = max(1, min(40, round(self._rng.lognormvariate(1.9, 0.9)))) * 100
            if self._rng.random() < 0.1:
                count_e2 += self._rng.randrange(1, 100)
            self._cross(self._takers[0], side, touch_e4 + side.sign * 200, count_e2)

    def _take_informed(self, side: Side) -> None:
        limit_e4 = round(self._fair_e4) - side.sign * _INFORMED_EDGE_E4 // 2
        count_e2 = self._rng.randint(5, 40) * 100
        self._cross(self._takers[1], side, limit_e4, count_e2, rests=self._rng.random() < 0.5)

    def _cross(self, account: Account, side: Side, limit_e4: int, count_e2: int, *, rests: bool = False) -> None:
        ranges, now_ms = self.market.listing.price_ranges, self._core.now_ms()
        price_e4 = floor_to_grid(ranges, limit_e4) if side is Side.BID else ceil_to_grid(ranges, limit_e4)
        order = self._order(account, side, price_e4, count_e2, now_ms, post_only=False)
        if rests:
            order.expiration_ts_s = now_ms // 1000 + _REST_S
        else:
            order.time_in_force = TimeInForce.IMMEDIATE_OR_CANCEL
        self._submit(order, now_ms)
        if order.is_open and order.remaining_e2:
            self._core.watch_expiry(order)

    def _order(
        self, account: Account, side: Side, price_e4: int, count_e2: int, now_ms: int, *, post_only: bool
    ) -> Order:
        return Order(
            order_id=self._core.new_id(),
            account_id=account.account_id,
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
        try:
            self.market.engine.submit(order, now_ms)
        except EngineRefusal:
            # Post-only in the way of somebody better: the maker looks again soon.
            return False
        self._core.drain(self.market, now_ms)
        return True


class OrderFlow:
    """All traders of the exchange, woken by due time."""

    def __init__(self, core: ExchangeCore, rng: random.Random) -> None:
        self._core = core
        self._rng = rng
        self._rate = core.settings.flow_rate
        names = (*(style.name for style in _STYLES), "noise", "informed")
        accounts = {name: core.add_house_account(name) for name in names}
        self._flows = [_MarketFlow(core, market, rng, accounts) for market in core.markets.values()]
        self._by_ticker = {flow.market.ticker: flow for flow in self._flows}
        self._due: list[tuple[int, int, _MarketFlow, Callable[[], None], Callable[[], float]]] = []
        self._number = 0

    def open_books(self) -> None:
        """Posts the first quotes and sets every trader's alarm."""
        for flow in self._flows:
            for maker in flow.makers:
                flow.refresh(maker)
                self._schedule(flow, self._refresher(flow, maker), self._looks(maker))
            self._schedule(flow, flow.move_fair, lambda: _FAIR_STEP_MS)
            self._schedule(flow, flow.take, self._arrivals(flow))

    def set_regime(self, ticker: str, regime: str) -> None:
        """Changes how the market's hidden value moves. Raises KeyError for an unknown word."""
        self._by_ticker[ticker].motion = _REGIMES[regime]

    def news(self, ticker: str, jump_e4: int) -> None:
        """Moves the market's hidden value at once."""
        self._by_ticker[ticker].jump(jump_e4)

    def tick(self) -> None:
        """Wakes the traders that are due; those of a closed market are let go."""
        now_ms = self._core.now_ms()
        steps = 0
        while self._due and self._due[0][0] <= now_ms and steps < STEPS_PER_TICK_MAX:
            _, _, flow, act, gap_ms = heapq.heappop(self._due)
            steps += 1
            if now_ms >= flow.market.close_ms:
                continue
            if self._core.trading_active and flow.market.is_tradable(now_ms):
                act()
            self._schedule(flow, act, gap_ms)

    def _schedule(self, flow: _MarketFlow, act: Callable[[], None], gap_ms: Callable[[], float]) -> None:
        self._number += 1
        due_ms = self._core.now_ms() + max(1, round(gap_ms() / self._rate))
        heapq.heappush(self._due, (due_ms, self._number, flow, act, gap_ms))

    def _arrivals(self, flow: _MarketFlow) -> Callable[[], float]:
        mean_ms = 60_000 / flow.market.listing.trades_per_minute
        return lambda: self._rng.expovariate(1 / mean_ms)

    def _looks(self, maker: _Maker) -> Callable[[], float]:
        low_s, high_s = maker.style.look_s
        return lambda: self._rng.uniform(low_s, high_s) * 1000

    @staticmethod
    def _refresher(flow: _MarketFlow, maker: _Maker) -> Callable[[], None]:
        return lambda: flow.refresh(maker)
