"""One watched market: what was seen of it lately, and what the signals make of that.

It owns the rolling state (signals, mids, last trade) of one market; `volatility_events` judges it.

1. Only a two-sided, uncrossed book is an observation. An empty one says nothing; it ages the regime.
2. A quiet market on a live connection is seen again as it was: the same touch at a later time. Whoever knows that the
   connection lives says so by `seen_again`.
3. The depth is the size of the thinner touch, and the order flow that of the touch: more than the ticker channel
   tells costs whole books.
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
from quant.signals import mid_history, order_flow, price_signals, two_scale
from quant.signals.mid_history import HistoryParameters, Mids
from quant.signals.order_flow import OrderFlowParameters, OrderFlowState
from quant.signals.order_flow import Touch as TwoSides
from quant.signals.price_signals import BookObservation, PriceSignalParameters, PriceSignals

CENT_E4: Final = 100
# A mid that wanders 1.2 cents per square root of a minute: what the generic market does before it was watched.
PRIOR_VARIANCE_PER_S: Final = 0.00155**2


@attrs.frozen(kw_only=True)
class Touch:
    """The best levels of one book without own orders; None where that side is empty.

    `levels` is how many levels the shorter side has at least.
    """

    bid: Level | None
    ask: Level | None
    levels: int

    @property
    def two_sides(self) -> TwoSides | None:
        """The touch where it is one to observe (rule 1)."""
        if self.bid is None or self.ask is None or self.bid.price_e4 >= self.ask.price_e4:
            return None
        return TwoSides(bid=self.bid, ask=self.ask)


@attrs.frozen(kw_only=True)
class MarketParameters:
    """How one market is watched; the signals are those of its category's profile."""

    signals: PriceSignalParameters = attrs.field(factory=PriceSignalParameters)
    history: HistoryParameters = attrs.field(factory=HistoryParameters)
    order_flow: OrderFlowParameters = attrs.field(factory=OrderFlowParameters)


@attrs.frozen(kw_only=True)
class WatchedMarket:
    """The state of one watched market; times are monotonic seconds."""

    listing: Listing
    parameters: MarketParameters
    grid: PriceGrid
    watched_since_s: float
    signals: PriceSignals
    order_flow: OrderFlowState = attrs.field(factory=OrderFlowState)
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
        bid=bids[0] if bids else None,
        ask=asks[0] if asks else None,
        levels=min(len(bids), len(asks)),
    )


def seen(market: WatchedMarket, touch: Touch, time_s: float) -> WatchedMarket:
    """Returns the market after its book was seen like this at `time_s`."""
    changed = attrs.evolve(market, touch=touch, is_changed=market.is_changed or touch != market.touch)
    sides = touch.two_sides
    return changed if sides is None else _observed(changed, sides, time_s)


def seen_again(market: WatchedMarket, time_s: float) -> WatchedMarket:
    """Returns the market after it was learned that its book is at `time_s` as it was (rule 2)."""
    sides = None if market.touch is None else market.touch.two_sides
    return market if sides is None else _observed(market, sides, time_s)


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


def mid_e4_of(sides: TwoSides) -> float:
    """Returns the middle in 1/10,000 dollar, which may be a half."""
    return (sides.bid.price_e4 + sides.ask.price_e4) / 2


def _observed(market: WatchedMarket, sides: TwoSides, time_s: float) -> WatchedMarket:
    mid_e4, parameters = mid_e4_of(sides), market.parameters
    flow = order_flow.observe(market.order_flow, time_s, sides, parameters.order_flow)
    observation = BookObservation(
        time_s=time_s,
        mid=mid_e4 / 10_000,
        step_e4=_step_e4(market.grid, sides.bid.price_e4),
        spread_e4=sides.ask.price_e4 - sides.bid.price_e4,
        depth_e2=min(sides.bid.count_e2, sides.ask.count_e2),
        order_flow_z=order_flow.z(flow, time_s, parameters.order_flow),
    )
    return attrs.evolve(
        market,
        signals=price_signals.observe(market.signals, observation, parameters.signals),
        order_flow=flow,
        mids=mid_history.add(market.mids, time_s, mid_e4, parameters.history),
        observed_at_s=time_s if market.observed_at_s is None else max(market.observed_at_s, time_s),
    )


def _step_e4(grid: PriceGrid, bid_e4: PriceE4) -> int:
    above = grid.step_above(bid_e4)
    return CENT_E4 if above is None else above - bid_e4
