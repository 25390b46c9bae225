"""One watched market: what was seen of it lately, and what the signals make of that.

It owns the rolling state (signals, mids, last trade) of one market; `volatility_events` judges it.

1. Only a two-sided, uncrossed book is an observation. An empty one says nothing; it ages the regime.
2. A quiet market on a live connection is seen again as it was: the same touch at a later time. Whoever knows that the
   connection lives says so by `seen_again`.
3. The depth is the size of the thinner touch: more than the ticker channel tells costs whole books.
4. A trade is known from the trade channel or from a traded volume that has grown. Of a market in which none was seen
   it is only known that there was none since it is watched.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.quoting.own_orders import OwnOrder, others_levels
from quant.selection.volatility_tracking import Listing
from quant.signals import mid_history, price_signals, two_scale
from quant.signals.mid_history import HistoryParameters, Mids
from quant.signals.price_signals import BookObservation, PriceSignalParameters, PriceSignals

CENT_E4: Final = 100
# A mid that wanders 1.2 cents per square root of a minute: what the generic market does before it was watched.
PRIOR_VARIANCE_PER_S: Final = 0.00155**2


@attrs.frozen(kw_only=True)
class Touch:
    """The best prices of one book without own orders; None where that side is empty.

    `depth_e2` is the size of the thinner side at the touch, `levels` how many levels the shorter side has at least.
    """

    bid_e4: PriceE4 | None
    ask_e4: PriceE4 | None
    depth_e2: int
    levels: int

    @property
    def is_two_sided(self) -> bool:
        return self.bid_e4 is not None and self.ask_e4 is not None and self.bid_e4 < self.ask_e4

    @property
    def spread_e4(self) -> int:
        return (self.ask_e4 or 0) - (self.bid_e4 or 0)

    @property
    def mid_e4(self) -> float:
        return ((self.ask_e4 or 0) + (self.bid_e4 or 0)) / 2


@attrs.frozen(kw_only=True)
class MarketParameters:
    """How one market is watched; the signals are those of its category's profile."""

    signals: PriceSignalParameters = attrs.field(factory=PriceSignalParameters)
    history: HistoryParameters = attrs.field(factory=HistoryParameters)


@attrs.frozen(kw_only=True)
class WatchedMarket:
    """The state of one watched market; times are monotonic seconds."""

    listing: Listing
    parameters: MarketParameters
    grid: PriceGrid
    watched_since_s: float
    signals: PriceSignals
    mids: Mids = ()
    touch: Touch | None = None
    observed_at_s: float | None = None  # when a two-sided book was last known
    is_changed: bool = False  # since it was judged
    last_trade_at_s: float | None = None
    traded_volume_e2: CountE2 | None = None
    is_active: bool = True


def begin(listing: Listing, now_s: float, parameters: MarketParameters) -> WatchedMarket:
    """Returns a market that is watched from now on. Raises GridError where its price ranges make no sense."""
    return WatchedMarket(
        listing=listing,
        parameters=parameters,
        grid=PriceGrid(listing.price_ranges),
        watched_since_s=now_s,
        signals=price_signals.initial(PRIOR_VARIANCE_PER_S, parameters.signals),
    )


def touch_of(bids: tuple[Level, ...], asks: tuple[Level, ...], own: tuple[OwnOrder, ...]) -> Touch:
    """Returns the touch of a book's top levels, best first, after own orders were taken out."""
    bids, asks = others_levels(bids, own, Side.BID), others_levels(asks, own, Side.ASK)
    return Touch(
        bid_e4=bids[0].price_e4 if bids else None,
        ask_e4=asks[0].price_e4 if asks else None,
        depth_e2=min(bids[0].count_e2, asks[0].count_e2) if bids and asks else 0,
        levels=min(len(bids), len(asks)),
    )


def seen(market: WatchedMarket, touch: Touch, time_s: float) -> WatchedMarket:
    """Returns the market after its book was seen like this at `time_s`."""
    changed = attrs.evolve(market, touch=touch, is_changed=market.is_changed or touch != market.touch)
    return _observed(changed, touch, time_s) if touch.is_two_sided else changed


def seen_again(market: WatchedMarket, time_s: float) -> WatchedMarket:
    """Returns the market after it was learned that its book is at `time_s` as it was (rule 2)."""
    touch = market.touch
    return market if touch is None or not touch.is_two_sided else _observed(market, touch, time_s)


def traded(market: WatchedMarket, time_s: float) -> WatchedMarket:
    """Returns the market after a public trade."""
    return attrs.evolve(market, last_trade_at_s=time_s, is_changed=True)


def volume_seen(market: WatchedMarket, volume_e2: CountE2, time_s: float) -> WatchedMarket:
    """Returns the market after its whole traded volume was told (rule 4)."""
    before_e2 = market.traded_volume_e2
    told = attrs.evolve(market, traded_volume_e2=volume_e2)
    return traded(told, time_s) if before_e2 is not None and volume_e2 > before_e2 else told


def activity_changed(market: WatchedMarket, *, is_active: bool) -> WatchedMarket:
    """Returns the market after the exchange closed it or opened it again."""
    return attrs.evolve(market, is_active=is_active, is_changed=True)


def last_trade_age_s(market: WatchedMarket, now_s: float) -> float:
    """Returns for how long there was no trade, at least."""
    return now_s - max(market.watched_since_s, market.last_trade_at_s or -math.inf)


def sigma(market: WatchedMarket) -> float:
    """Returns the volatility of the mid without its bounce, in dollars per sqrt(s).

    There is no cap of a binary's remaining variance: that holds for a price that is a martingale, and one that
    comes back may swing as often as it likes.
    """
    return math.sqrt(two_scale.variance_per_s(market.signals.two_scale, market.parameters.signals.two_scale))


def _observed(market: WatchedMarket, touch: Touch, time_s: float) -> WatchedMarket:
    mid_e4, parameters = touch.mid_e4, market.parameters
    observation = BookObservation(
        time_s=time_s,
        mid=mid_e4 / 10_000,
        step_e4=_step_e4(market.grid, touch),
        spread_e4=touch.spread_e4,
        depth_e2=touch.depth_e2,
    )
    return attrs.evolve(
        market,
        signals=price_signals.observe(market.signals, observation, parameters.signals),
        mids=mid_history.add(market.mids, time_s, mid_e4, parameters.history),
        observed_at_s=time_s if market.observed_at_s is None else max(market.observed_at_s, time_s),
    )


def _step_e4(grid: PriceGrid, touch: Touch) -> int:
    bid_e4 = touch.bid_e4 or 0
    above = grid.step_above(bid_e4)
    return CENT_E4 if above is None else above - bid_e4
