"""When a watched market is worth a session, and when no longer: rules over the evidence of one moment.

An event begins where all of these hold, and each that does not is named:

1. Warm-up: enough mids were seen.
2. The category is not excluded, the market is active, and closes neither too soon nor too late.
3. The book has two sides of enough levels and a spread that is not too wide; there was a trade not too long ago; the
   volume of 24 hours is enough.
4. The regime is one of those allowed.
5. A jump (the greatest move within the jump window) or sigma is large enough.
6. The price comes back: the tests of `quant.signals.mean_reversion` say so, and the mid is near its mean of the last
   minutes. The second, the documents' only test, is passed by a jump that stays: three minutes later the mean is where
   the price is. The first alone does not see a price that has just left.
7. No event of the market runs, and the last one is over for long enough.

It ends when sigma and jump are both below their thresholds, when the market is inactive, watched no more, or was not
seen for so long that its windows begin anew.

The documents' sigma of 0.02 has no unit. Here it is dollars per square root of a minute, the unit of their limit to
QUIET (0.01): twice what counts as quiet. Per observation of three seconds it would use up the whole variance of a
binary within half an hour, and nothing would ever trigger.

Source: the design documents' volatility scanner section; the project's strategy reference, section 5; features C6, C7.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

from quant.selection import volatility_market
from quant.selection.volatility_market import WatchedMarket
from quant.selection.volatility_tracking import TrackingParameters, close_refusals, is_excluded
from quant.signals import mid_history, price_signals
from quant.signals.mean_reversion import is_mean_reverting
from quant.signals.mid_history import HistoryParameters, Mids
from quant.signals.regime import SECONDS_PER_MINUTE, Regime, Verdict

DOES_NOT_MOVE: Final = "neither a jump nor enough volatility"
DOES_NOT_RETURN: Final = "its price does not come back"
FAR_FROM_MEAN: Final = "its price is far from its mean"
FELL: Final = "volatility fell and there was no jump"
INACTIVE: Final = "the market is inactive"
UNSEEN: Final = "the market was not seen for too long"
UNTRACKED: Final = "the market is watched no more"


@attrs.frozen(kw_only=True)
class EventParameters:
    """The thresholds of events; prices in 1/10,000 dollar."""

    jump_min_e4: int = 1_200
    jump_window_s: float = 300.0
    sigma_min_per_minute: float = 0.02  # dollars per sqrt(60 s)
    mean_window_s: float = 180.0
    mean_tolerance_e4: int = 600
    direction_min_e4: int = 500  # a net move greater than this has a direction
    warmup_mids: int = 3
    allowed_regimes: frozenset[Regime] = frozenset({Regime.MEAN_REVERTING, Regime.QUIET})
    rest_s: float = 60.0  # between two events of a market, so that one at the threshold does not flicker
    unseen_max_s: float = 60.0  # the gap at which the signals begin anew


@attrs.frozen(kw_only=True)
class Evidence:
    """What is known of one market at one moment; prices in 1/10,000 dollar, ages in seconds."""

    mids: int
    category_is_excluded: bool
    is_active: bool
    to_close_s: float
    is_two_sided: bool
    levels: int
    spread_e4: int
    last_trade_age_s: float
    volume_24h_e2: int
    regime: Verdict
    move_e4: float  # the greatest within the jump window, signed
    net_move_e4: float
    sigma_per_minute: float  # dollars per sqrt(60 s)
    returns_to_mean: bool  # by the statistics of its window
    from_mean_e4: float  # distance of the mid from the mean of the last minutes
    unseen_s: float


def history_of(parameters: EventParameters) -> HistoryParameters:
    """Returns how much must be kept of a market's mids."""
    return HistoryParameters(window_s=max(parameters.jump_window_s, parameters.mean_window_s))


def evidence_of(
    market: WatchedMarket,
    now_s: float,
    now_ms: int,
    tracking: TrackingParameters,
    parameters: EventParameters,
) -> Evidence:
    """Returns the evidence at `now_s` (monotonic) and exchange time `now_ms`."""
    touch, statistics, signals = market.touch, market.signals.statistics, market.parameters.signals
    sides = None if touch is None else touch.two_sides
    recent = mid_history.since(market.mids, now_s - parameters.jump_window_s)
    observed_at_s = market.observed_at_s
    return Evidence(
        mids=len(market.mids),
        category_is_excluded=is_excluded(market.listing.category, tracking),
        is_active=market.is_active and market.listing.close_time_ms > now_ms,
        to_close_s=(market.listing.close_time_ms - now_ms) / 1000,
        is_two_sided=sides is not None,
        levels=0 if touch is None else touch.levels,
        spread_e4=0 if sides is None else sides.ask.price_e4 - sides.bid.price_e4,
        last_trade_age_s=volatility_market.last_trade_age_s(market, now_s),
        volume_24h_e2=market.listing.volume_24h_e2,
        regime=price_signals.regime(market.signals, now_s, signals),
        move_e4=mid_history.largest_move_e4(recent),
        net_move_e4=mid_history.net_move_e4(recent),
        sigma_per_minute=volatility_market.sigma(market) * math.sqrt(SECONDS_PER_MINUTE),
        returns_to_mean=statistics is not None and is_mean_reverting(statistics, signals.regime.mean_reversion),
        from_mean_e4=_from_mean_e4(market.mids, now_s - parameters.mean_window_s),
        unseen_s=now_s - (market.watched_since_s if observed_at_s is None else observed_at_s),
    )


def refusals(seen: Evidence, tracking: TrackingParameters, parameters: EventParameters) -> tuple[str, ...]:
    """Returns every rule that keeps an event from beginning, in words; empty where one begins."""
    return (
        *_market_refusals(seen, tracking, parameters),
        *_book_refusals(seen, tracking),
        *_price_refusals(seen, parameters),
    )


def ending(seen: Evidence, parameters: EventParameters) -> str | None:
    """Returns why a running event ends, None while it lasts."""
    if not seen.is_active:
        return INACTIVE
    if seen.unseen_s > parameters.unseen_max_s:
        return UNSEEN
    return None if has_jumped(seen, parameters) or is_volatile(seen, parameters) else FELL


def has_jumped(seen: Evidence, parameters: EventParameters) -> bool:
    """Says whether the market moved as far as a jump within the window."""
    return abs(seen.move_e4) >= parameters.jump_min_e4


def is_volatile(seen: Evidence, parameters: EventParameters) -> bool:
    """Says whether sigma alone is enough."""
    return seen.sigma_per_minute >= parameters.sigma_min_per_minute


def strength(seen: Evidence, parameters: EventParameters) -> float:
    """Returns how strong the signal is, 0 to 1: half from the jump and half from sigma, full at twice the threshold."""
    jump = min(1.0, abs(seen.move_e4) / (2 * parameters.jump_min_e4))
    volatility = min(1.0, seen.sigma_per_minute / (2 * parameters.sigma_min_per_minute))
    return 0.5 * jump + 0.5 * volatility


def direction(seen: Evidence, parameters: EventParameters) -> int:
    """Returns which way the market went over the jump window, first mid to last: 1 up, -1 down, 0 not far enough."""
    if abs(seen.net_move_e4) <= parameters.direction_min_e4:
        return 0
    return 1 if seen.net_move_e4 > 0 else -1


def why(seen: Evidence, parameters: EventParameters) -> str:
    """Returns what speaks for the event, in words."""
    found = []
    if has_jumped(seen, parameters):
        found.append(f"moved {seen.move_e4 / 100:+g}¢ within {parameters.jump_window_s:g} s")
    if is_volatile(seen, parameters):
        found.append(f"sigma is {100 * seen.sigma_per_minute:.1f}¢ per root minute")
    return f"{' and '.join(found)}, and comes back"


def _market_refusals(seen: Evidence, tracking: TrackingParameters, parameters: EventParameters) -> tuple[str, ...]:
    reasons = []
    if seen.mids < parameters.warmup_mids:
        reasons.append("warming up")
    if seen.category_is_excluded:
        reasons.append("category is excluded")
    if not seen.is_active:
        reasons.append(INACTIVE)
    if seen.unseen_s > parameters.unseen_max_s:
        reasons.append(UNSEEN)
    if seen.volume_24h_e2 < tracking.volume_24h_min_e2:
        reasons.append("volume of 24 hours is too low")
    if seen.last_trade_age_s > tracking.no_trades_max_s:
        reasons.append("no trade for too long")
    return (*reasons, *close_refusals(seen.to_close_s, tracking))


def _book_refusals(seen: Evidence, tracking: TrackingParameters) -> tuple[str, ...]:
    if not seen.is_two_sided:
        return ("the book is one-sided, empty or crossed",)
    reasons = []
    if seen.levels < tracking.levels_min:
        reasons.append("the book has too few levels")
    if seen.spread_e4 > tracking.spread_max_e4:
        reasons.append("spread is too wide")
    return tuple(reasons)


def _price_refusals(seen: Evidence, parameters: EventParameters) -> tuple[str, ...]:
    reasons = []
    if seen.regime.regime not in parameters.allowed_regimes:
        reasons.append(f"regime is {seen.regime.regime}: {seen.regime.reason}")
    if not has_jumped(seen, parameters) and not is_volatile(seen, parameters):
        reasons.append(DOES_NOT_MOVE)
    if not seen.returns_to_mean:
        reasons.append(DOES_NOT_RETURN)
    if abs(seen.from_mean_e4) > parameters.mean_tolerance_e4:
        reasons.append(FAR_FROM_MEAN)
    return tuple(reasons)


def _from_mean_e4(mids: Mids, since_s: float) -> float:
    mean = mid_history.mean_e4(mid_history.since(mids, since_s))
    return 0.0 if mean is None else mids[-1].mid_e4 - mean
