"""All traders of the exchange and the hidden values that they trade on, woken by due time.

Rules:
1. Everything runs off one heap of due times, so that a quiet market costs nothing; the whole of the default
   world takes a few per cent of a core.
2. Each market's traders draw from a stream of their own, each event's value too: what happens to one market
   changes no other, except through the event or the coin that they share.
3. Markets come and go: a market's traders begin when it becomes active and are let go when it closes; a value
   goes on for as long as one of its event's markets trades.
4. Nights in New York are quiet, except for coins and games, which are not bound to an office.

The rate of the settings stretches the traders' waiting, never the values' time.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Final

import attrs

from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fair_values import FairValues
from kalshi.simulator.listings import EventListing
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.regimes import Regime
from kalshi.simulator.seed_books import BookShape
from kalshi.simulator.timestamps import new_york
from kalshi.simulator.traders import HOUSE_NAMES, STYLES, HouseDesk, Maker, Takers, Tally

# After a stall the traders go on from now instead of making good what they missed; this bounds one tick all
# the same.
STEPS_PER_TICK_MAX: Final = 2_000
_CATCH_UP_MS: Final = 2_000
_NIGHT_HOURS: Final = range(7)
_NIGHT_ACTIVITY: Final = 0.4
_SLEEPLESS: Final = frozenset({"Crypto", "Sports"})
_HOUR_MS: Final = 3_600_000

Waiting = tuple[int, int, "_Alarm"]


@attrs.define(eq=False)
class _Alarm:
    """Something that happens again and again: `act` at the due time, then `gap_ms` until the next."""

    act: Callable[[int], None]
    gap_ms: Callable[[], float]
    is_over: Callable[[], bool]


class OrderFlow:
    """The simulated public of one exchange."""

    def __init__(self, core: ExchangeCore, fairs: FairValues, shapes: tuple[BookShape, ...] = ()) -> None:
        self._core = core
        self._fairs = fairs
        self._shapes = shapes
        self._accounts = {name: core.add_house_account(name) for name in HOUSE_NAMES}
        self.tally = Tally()
        self._due: list[Waiting] = []
        self._number = 0
        self._hour = -1
        self._is_night = False
        self._watched: dict[str, None] = {}
        self._trading: dict[str, object] = {}  # a token for each life of a market: those of an earlier one have gone

    def open_books(self) -> None:
        """Lets the traders of every active market begin."""
        for market in self._core.markets.values():
            self._begin(market)

    def take_change(self, market: MarketState, kind: str) -> None:
        """Hears of a market's life: its traders begin when it opens and go when it closes."""
        match kind:
            case "opened":
                self._begin(market)
            case "closed":
                self._trading.pop(market.ticker, None)
            case _:
                pass

    def tick(self) -> None:
        """Wakes everybody who is due."""
        now_ms = self._core.now_ms()
        if now_ms // _HOUR_MS != self._hour:
            self._hour = now_ms // _HOUR_MS
            self._is_night = new_york(now_ms).hour in _NIGHT_HOURS
        due, steps = self._due, 0
        while due and due[0][0] <= now_ms and steps < STEPS_PER_TICK_MAX:
            due_ms, _, alarm = heapq.heappop(due)
            steps += 1
            if alarm.is_over():
                continue
            alarm.act(now_ms)
            self._schedule(alarm, max(due_ms, now_ms - _CATCH_UP_MS))

    def set_regime(self, ticker: str, regime: Regime | str) -> None:
        """Sets how the market's value moves and how many come to trade, with all of its event's markets, and with all
        on its coin. Raises KeyError for an unknown ticker, ValueError for an unknown word.
        """
        market = self._core.markets[ticker]
        self._fairs.events[market.event.ticker].drive.regime = Regime(regime)

    def regime(self, ticker: str) -> Regime:
        """Returns the market's present regime. Raises KeyError for an unknown ticker."""
        return self._fairs.events[self._core.markets[ticker].event.ticker].drive.regime

    def news(self, ticker: str, jump_e4: float) -> None:
        """Moves the market's hidden value at once, and its event with it. Raises KeyError for an unknown ticker."""
        market = self._core.markets[ticker]
        fair = self._fairs.events[market.event.ticker]
        fair.shift(self._index(market), jump_e4, self._core.now_ms())

    def fair_e4(self, ticker: str) -> float:
        """Returns what the market is worth already. Raises KeyError for an unknown ticker."""
        market = self._core.markets[ticker]
        return self._fairs.events[market.event.ticker].ahead_e4(self._index(market))

    @staticmethod
    def _index(market: MarketState) -> int:
        return next(i for i, one in enumerate(market.event.markets) if one.ticker == market.ticker)

    def _watch(self, event: EventListing) -> None:
        """Lets the event's hidden value live while one of its markets trades, and its coin's for ever."""
        if event.ticker in self._watched:
            return
        now_ms, trading = self._core.now_ms(), self._trading
        if event.coin and (name := f"coin:{event.coin}") not in self._watched:
            self._watched[name] = None
            coin = self._fairs.coin(event.coin)
            # First the coin, so that the events see its new price within the same millisecond.
            self._schedule(_Alarm(lambda at_ms: coin.step(), lambda: coin.step_ms, lambda: False), now_ms)
        fair = self._fairs.events[event.ticker]
        tickers = [market.ticker for market in event.markets]

        def is_over() -> bool:
            if any(ticker in trading for ticker in tickers):
                return False
            self._watched.pop(event.ticker, None)
            return True

        self._watched[event.ticker] = None
        self._schedule(_Alarm(fair.step, lambda: fair.step_ms, is_over), now_ms)

    def _begin(self, market: MarketState) -> None:
        """Posts the market's first quotes and sets its traders' alarms."""
        ticker, now_ms = market.ticker, self._core.now_ms()
        if ticker in self._trading or not market.is_tradable(now_ms):
            return
        self._trading[ticker] = object()
        self._watch(market.event)
        rng = random.Random(f"{self._core.seed}:{ticker}:traders")
        fair, index = self._fairs.events[market.event.ticker], self._index(market)
        desk = HouseDesk(self._core, market, self._accounts, self.tally)
        if self._shapes:
            rng.choice(self._shapes).lay_down(desk, fair.public_e4(index), now_ms)
        for style in STYLES:
            maker = Maker(desk, fair, index, style, rng)
            maker.act(now_ms)
            self._schedule(self._alarm(market, maker), now_ms)
        self._schedule(self._alarm(market, Takers(desk, fair, index, rng)), now_ms)

    def _alarm(self, market: MarketState, trader: Maker | Takers) -> _Alarm:
        core, drive = self._core, self._fairs.events[market.event.ticker].drive
        sleeps = market.event.category not in _SLEEPLESS
        rate = core.settings.flow_rate
        ticker, life = market.ticker, self._trading[market.ticker]

        def act(now_ms: int) -> None:
            if core.trading_active and market.is_tradable(now_ms):
                trader.act(now_ms)

        def gap_ms() -> float:
            night = _NIGHT_ACTIVITY if sleeps and self._is_night else 1.0
            return trader.gap_ms() / (rate * night * drive.activity)

        return _Alarm(act, gap_ms, lambda: self._trading.get(ticker) is not life)

    def _schedule(self, alarm: _Alarm, from_ms: int) -> None:
        self._number += 1
        heapq.heappush(self._due, (from_ms + max(1, round(alarm.gap_ms())), self._number, alarm))
