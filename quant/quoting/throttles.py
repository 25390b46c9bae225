"""Throttles: when a market is quoted wider, on one side, or not at all, whatever its strategy says.

1. A book that is wide or thin, and fills of which most went wrong, make quotes stand some ticks farther away. A
   spread shock and one-sided flow are dangers of the moment: the first freezes, the second takes away the side that
   would be run over.
2. Hysteresis: a condition acts after `trigger_checks` bad checks in a row and rests after `recovery_checks` good ones.
   A check is made at most every `check_every_s`; what happened between two checks is not lost, the worst of it counts.
   A shock alone acts at once.
3. The ticks of all acting conditions add up, as far as the total spread stays within `widened_spread_max`; a quote
   that is wider by itself is left as it is.
4. The side that works a position off is never widened and never taken away: a throttle must not keep us in.

Source: the design documents' throttling and its numbers; feature D5.
"""

from __future__ import annotations

import enum
import math
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.quoting.decision import QuoteDecision, QuoteTarget
from quant.values import passing_value

_at_least_one = attrs.validators.ge(1)
_not_negative = attrs.validators.ge(0)
_not_negative_s = attrs.validators.ge(0.0)


class Condition(enum.Enum):
    """What a throttle watches."""

    WIDE_SPREAD = "the spread is wide"
    THIN_BOOK = "the book is thin"
    ADVERSE_SELECTION = "most recent fills went against us"
    SPREAD_SHOCK = "the spread has jumped"
    BUYING = "everybody is buying"
    SELLING = "everybody is selling"


@attrs.frozen(kw_only=True)
class ThrottleParameters:
    """Limits, ticks and counts. Prices and spreads in 1/10,000 dollar, sizes in 1/100 contract."""

    is_enabled: bool = True
    trigger_checks: int = attrs.field(default=3, validator=_at_least_one)  # the documents' numbers, here and below
    recovery_checks: int = attrs.field(default=5, validator=_at_least_one)
    check_every_s: float = attrs.field(default=1.0, validator=_not_negative_s)
    # The documents' 20 cents lie beyond the shock of 15 that freezes, and would never be heard of.
    wide_spread_e4: PriceE4 = PriceE4(1_000)
    wide_ticks: int = attrs.field(default=5, validator=_not_negative)
    thin_depth_e2: CountE2 = CountE2(10_000)  # of the thinner side, over the levels that are seen
    thin_ticks: int = attrs.field(default=3, validator=_not_negative)
    wrong_share: float = 0.7
    adverse_ticks: int = attrs.field(default=3, validator=_not_negative)
    shock_spread_e4: PriceE4 = PriceE4(1_500)  # at once, see rule 2
    # A z of 4 is rare in quiet flow and usual while a book is swept; None: flow takes no side away.
    one_sided_flow_z: float | None = 4.0
    widened_spread_max_e4: PriceE4 = PriceE4(1_500)


@passing_value(kw_only=True)
class Observation:
    """What one look shows; sides without own orders. None where too little is known to say."""

    time_s: float  # monotonic
    spread_e4: int
    depth_e2: int
    wrong_share: float | None = None
    flow_z: float | None = None


@attrs.frozen
class Watch:
    """One condition: whether it acts, how many checks in a row spoke against that, and what came since the last."""

    is_acting: bool = False
    run: int = 0
    was_bad: bool = False


@attrs.frozen(kw_only=True)
class ThrottleState:
    """The watches in the order of `Condition`, when the last check was made, and which conditions act."""

    watches: tuple[Watch, ...] = (Watch(),) * len(Condition)
    checked_s: float = -math.inf
    acting: tuple[Condition, ...] = ()


_CONDITIONS: Final = tuple(Condition)


def observe(state: ThrottleState, seen: Observation, parameters: ThrottleParameters) -> ThrottleState:
    """Returns the state after one look at the market (rules 1 and 2)."""
    bad = _bad(seen, parameters)
    is_check = seen.time_s - state.checked_s >= parameters.check_every_s
    is_shock = bad[3] and Condition.SPREAD_SHOCK not in state.acting
    if not (is_check or is_shock):
        if not any(bad) or all(watch.was_bad or not now for watch, now in zip(state.watches, bad, strict=True)):
            return state  # nearly always: a look between two checks that shows nothing new
        watches = tuple(
            Watch(watch.is_acting, watch.run, watch.was_bad or now)
            for watch, now in zip(state.watches, bad, strict=True)
        )
        return ThrottleState(watches=watches, checked_s=state.checked_s, acting=state.acting)
    watches = tuple(
        _checked(watch, watch.was_bad or now, condition, parameters)
        for condition, watch, now in zip(_CONDITIONS, state.watches, bad, strict=True)
    )
    acting = tuple(condition for condition, watch in zip(_CONDITIONS, watches, strict=True) if watch.is_acting)
    return ThrottleState(watches=watches, checked_s=seen.time_s, acting=acting)


def _bad(seen: Observation, parameters: ThrottleParameters) -> tuple[bool, ...]:
    z, limit = seen.flow_z, parameters.one_sided_flow_z
    if limit is None or z is None:
        z, limit = 0.0, 1.0
    return (
        seen.spread_e4 > parameters.wide_spread_e4,
        seen.depth_e2 < parameters.thin_depth_e2,
        seen.wrong_share is not None and seen.wrong_share >= parameters.wrong_share,
        seen.spread_e4 > parameters.shock_spread_e4,
        z >= limit,
        -z >= limit,
    )


def _checked(watch: Watch, is_bad: bool, condition: Condition, parameters: ThrottleParameters) -> Watch:
    if is_bad is watch.is_acting:
        return Watch(watch.is_acting)
    needed = parameters.recovery_checks if watch.is_acting else parameters.trigger_checks
    if condition is Condition.SPREAD_SHOCK and is_bad:
        needed = 1
    return Watch(is_bad) if watch.run + 1 >= needed else Watch(watch.is_acting, watch.run + 1)


def throttled(
    state: ThrottleState, wanted: QuoteDecision, position_e2: int, grid: PriceGrid, parameters: ThrottleParameters
) -> QuoteDecision:
    """Returns what may rest of a strategy's decision while the state's conditions act, and says which they are."""
    acting = state.acting
    if not acting or not parameters.is_enabled or (wanted.bid is None and wanted.ask is None):
        return wanted
    reasons = wanted.reasons + tuple(f"throttled: {condition.value}" for condition in acting)
    keeps_bid, keeps_ask = position_e2 < 0, position_e2 > 0
    bid, ask = wanted.bid, wanted.ask
    if Condition.SPREAD_SHOCK in acting:
        return attrs.evolve(wanted, bid=None, ask=None, reasons=reasons)
    if Condition.SELLING in acting and not keeps_bid:
        bid = None
    if Condition.BUYING in acting and not keeps_ask:
        ask = None
    for _ in range(_ticks(acting, parameters)):
        farther_bid = bid if bid is None or keeps_bid else _farther(Side.BID, bid, grid)
        farther_ask = ask if ask is None or keeps_ask else _farther(Side.ASK, ask, grid)
        if _is_too_wide(farther_bid, farther_ask, parameters):
            break
        bid, ask = farther_bid, farther_ask
    return attrs.evolve(wanted, bid=bid, ask=ask, reasons=reasons)


def _ticks(acting: tuple[Condition, ...], parameters: ThrottleParameters) -> int:
    ticks = parameters.wide_ticks if Condition.WIDE_SPREAD in acting else 0
    ticks += parameters.thin_ticks if Condition.THIN_BOOK in acting else 0
    return ticks + (parameters.adverse_ticks if Condition.ADVERSE_SELECTION in acting else 0)


def _farther(side: Side, quote: QuoteTarget, grid: PriceGrid) -> QuoteTarget | None:
    """Returns the quote a tick farther from the other side; None where the grid ends."""
    price_e4 = grid.step_below(quote.price_e4) if side is Side.BID else grid.step_above(quote.price_e4)
    return None if price_e4 is None else QuoteTarget(price_e4=price_e4, count_e2=quote.count_e2)


def _is_too_wide(bid: QuoteTarget | None, ask: QuoteTarget | None, parameters: ThrottleParameters) -> bool:
    return bid is not None and ask is not None and ask.price_e4 - bid.price_e4 > parameters.widened_spread_max_e4
