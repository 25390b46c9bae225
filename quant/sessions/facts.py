"""What sessions are decided on: one moment's facts, gathered by the actor from what others publish."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from quant.signals.markouts import MarkedFill
from quant.signals.regime import Regime


@attrs.frozen(kw_only=True)
class EventSeen:
    """A volatility event as it was said last; `over_because` is empty while it lasts."""

    event_id: str
    said_at_s: float
    strength: float
    sigma: float  # dollars per sqrt(s)
    close_time_ms: int
    over_because: str = ""


@attrs.frozen(kw_only=True)
class RegimeSeen:
    """The scanner's last word on how a market moves; times are monotonic seconds."""

    regime: Regime
    is_stable: bool
    sigma: float  # dollars per sqrt(s)
    mid_e4: PriceE4
    last_trade_at_s: float | None
    judged_at_s: float


@attrs.frozen(kw_only=True)
class MarketSeen:
    """One market at one moment. What is not known yet has its default."""

    event: EventSeen | None = None
    regime: RegimeSeen | None = None
    position_e2: CountE2 = CountE2(0)
    touch_e4: PriceE4 | None = None  # at which the position would be closed now
    pnl_e6: MoneyE6 = MoneyE6(0)  # of all that was ever traded there, open position included
    grid: PriceGrid | None = None
    owner: str | None = None  # the program that has the market
    is_tradable: bool = True
    has_ended: bool = False
    has_orders: bool = False  # something of ours rests there, or may
    fills: tuple[MarkedFill, ...] = ()  # own ones that are new at this moment


@attrs.frozen(kw_only=True)
class Moment:
    """Everything at one moment."""

    now_s: float
    now_ms: int
    program: str
    is_on: bool = True  # the program, as people and the configuration have it
    is_killed: bool = False
    paused: frozenset[str] = frozenset()  # markets; "*" means all
    objection: str = ""  # why risk lets nobody quote; empty where it does
    balance_e6: MoneyE6 | None = None
    resting_value_e6: MoneyE6 = MoneyE6(0)
    are_positions_known: bool = True
    markets: Mapping[str, MarketSeen] = attrs.field(factory=dict)

    def market(self, ticker: str) -> MarketSeen:
        """Returns what is known of a market, which may be nothing."""
        return self.markets.get(ticker, _UNSEEN)

    def is_paused(self, ticker: str) -> bool:
        return "*" in self.paused or ticker in self.paused


_UNSEEN = MarketSeen()
