"""Incentive quoting: sizes and places by what the liquidity program pays for them.

The program is a constraint layer: it chooses distance and size, and is never an input to a fair value.

1. Nothing is quoted without a running program, on a one-sided, crossed or very wide book, or near the close.
2. Per side every price from the best that placement allows down to `depth_steps_max` steps behind it is a candidate.
   Each is tried with the whole room that limits leave, with halves of it down to an eighth, and with what the side
   lacks to reach the target.
3. The candidate with the greatest net expectation is taken: reward after the haircut less adverse selection
   (quant.rewards.expectation). Among equals it is the one farther from the touch, then the smaller. Where none nets
   more than `net_per_hour_min_e6` the side is not quoted.
4. By the program's own terms both sides together must still bring `projected_payout_min_e6` by the end, with what has
   accrued: under the least payout everything is forfeited, so that breadth beats depth. First each side must bring
   its half; where one cannot, the other must bring it all.
5. A snapshot counts only if both sides reach the target. Where a side reaches it neither with others alone nor with
   what we would rest, there is no reward.
6. Inventory: the side that adds starts up to `skew_steps_max` steps farther from the touch, in proportion to the
   position, and ends at `adding_fullness_max` of the limit. The side that reduces comes nearer to the touch as much;
   where no reward pays for it, it still rests there, with no more than the position.
7. Nobody adds to a side whose own price is under `adding_price_min_e4`: bids on the cheap side are bought longshots.

Sizes and rooms are quant.quoting.sizing's, places quant.quoting.placement's.
"""

from __future__ import annotations

import functools
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.frame import GuardParameters, Touch, fullness, quotable_touch
from quant.quoting.placement import PlacementParameters, place_ask, place_bid
from quant.quoting.sizing import sizes
from quant.rewards.candidates import SideCandidates
from quant.rewards.expectation import HOUR_S, ExpectationParameters, countable, shortfall_e2
from quant.rewards.terms import LiquidityTerms

_ROOM_PARTS: Final = (1, 2, 4, 8)  # an eighth earns about an eighth: less is hardly worth a place
# From one decision to the next, room and shortfall rarely change.
_COUNTS_CACHED: Final = 1_024
_not_negative = attrs.validators.ge(0)


@attrs.frozen(kw_only=True)
class IncentiveParameters(GuardParameters):
    """How far, how much, and for how little."""

    depth_steps_max: int = attrs.field(default=3, validator=_not_negative)  # at a half per tick little is left behind
    projected_payout_min_e6: int = 2_000_000  # two dollars: the least payout of one, with room for a poor forecast
    net_per_hour_min_e6: float = 0.0
    skew_steps_max: int = attrs.field(default=2, validator=_not_negative)  # at the full position
    adding_fullness_max: float = 0.5  # rewards are for resting: half the limit is left for what must be worked off
    ask_every_s: float = 0.5  # how often at most all of this is weighed anew; the documents' pace of replacements
    adding_price_min_e4: int = 500  # under five cents bought contracts have hardly ever paid
    expectation: ExpectationParameters = attrs.field(factory=ExpectationParameters)
    # Joining earns the same weight as improving and is filled less; the scorer decides where one step is allowed.
    placement: PlacementParameters = attrs.field(factory=lambda: PlacementParameters(improve_steps_max=0))


@attrs.frozen(kw_only=True)
class IncentiveFacts:
    """What the program and the depth of the book add to the inputs: levels of others, best first, and exchange time.

    `accrued_e6` is the shadow accrual of all the programs so far.
    """

    programs: tuple[LiquidityTerms, ...]
    now_ms: int
    other_bids: tuple[Level, ...]
    other_asks: tuple[Level, ...]
    accrued_e6: float = 0.0


@attrs.frozen(kw_only=True)
class _SideView:
    """One side: what would score, what the order may be, and where it may stand (YES prices)."""

    side: Side
    shortfall_e2: CountE2  # what others lack to reach the least target
    candidates: SideCandidates
    room_e2: CountE2
    is_adding: bool
    prices: tuple[PriceE4, ...]  # best first


@attrs.frozen(kw_only=True)
class _Plan:
    """What a side would rest for the reward, what that earns by the terms, and why not more."""

    target: QuoteTarget | None
    reaches_target: bool
    nominal_per_hour_e6: float = 0.0
    reasons: tuple[str, ...] = ()


def quote(
    inputs: QuoteInputs, facts: IncentiveFacts, parameters: IncentiveParameters, grid: PriceGrid
) -> QuoteDecision:
    """Returns the two orders that should rest for the running programs, or why a side or both should not."""
    programs = tuple(terms for terms in facts.programs if terms.is_running(facts.now_ms))
    if not programs and inputs.best_bid is not None and inputs.best_ask is not None:
        return QuoteDecision.nothing("no liquidity program is running")
    touch = quotable_touch(inputs, parameters)
    if isinstance(touch, str):
        return QuoteDecision.nothing(touch)
    amount = sizes(inputs, touch.fair, parameters.sizing)
    views = (
        _side_view(Side.BID, facts.other_bids, amount.bid_e2, programs, inputs, touch, parameters, grid),
        _side_view(Side.ASK, facts.other_asks, amount.ask_e2, programs, inputs, touch, parameters, grid),
    )
    bid, ask, reasons = _planned(views, _needed_per_hour_e6(programs, facts, parameters), inputs, parameters)
    bid, bid_reasons = (bid, ()) if bid is not None else _reducing(views[0], inputs, parameters)
    ask, ask_reasons = (ask, ()) if ask is not None else _reducing(views[1], inputs, parameters)
    bid, ask = _apart(bid, ask, touch)
    return QuoteDecision(
        bid=bid, ask=ask, reasons=amount.reasons + reasons + bid_reasons + ask_reasons, fair_value=touch.fair
    )


def _needed_per_hour_e6(
    programs: tuple[LiquidityTerms, ...], facts: IncentiveFacts, parameters: IncentiveParameters
) -> float:
    """Returns what must be earned per hour until the first of the programs ends, in 1/1,000,000 dollar."""
    left_h = min(terms.end_ms - facts.now_ms for terms in programs) / 1000 / HOUR_S
    return max(0.0, parameters.projected_payout_min_e6 - facts.accrued_e6) / left_h


def _side_view(
    side: Side,
    levels: tuple[Level, ...],
    room_e2: CountE2,
    programs: tuple[LiquidityTerms, ...],
    inputs: QuoteInputs,
    touch: Touch,
    parameters: IncentiveParameters,
    grid: PriceGrid,
) -> _SideView:
    is_adding = inputs.position_e2 >= 0 if side is Side.BID else inputs.position_e2 <= 0
    skew = round(parameters.skew_steps_max * fullness(inputs))
    behind, nearer = (skew, 0) if is_adding else (0, skew)
    depth = behind + max(0, parameters.depth_steps_max - nearer)
    levels = countable(levels, programs)
    return _SideView(
        side=side,
        shortfall_e2=shortfall_e2(levels, programs),
        candidates=SideCandidates(levels, side, programs, parameters.expectation),
        room_e2=room_e2,
        is_adding=is_adding,
        prices=_ladder(side, depth, touch, parameters, grid)[behind:],
    )


def _ladder(
    side: Side, depth: int, touch: Touch, parameters: IncentiveParameters, grid: PriceGrid
) -> tuple[PriceE4, ...]:
    """Returns the best allowed place and `depth` steps away from the touch, best first."""
    place = place_bid if side is Side.BID else place_ask
    most_aggressive = 1.0 if side is Side.BID else 0.0
    best = place(most_aggressive, touch.best_bid, touch.best_ask, grid, parameters.placement)
    return () if best is None else grid.ladder(best, depth, side)


def _planned(
    views: tuple[_SideView, _SideView],
    needed_per_hour_e6: float,
    inputs: QuoteInputs,
    parameters: IncentiveParameters,
) -> tuple[QuoteTarget | None, QuoteTarget | None, tuple[str, ...]]:
    """Returns what both sides rest for the reward under rules 4 and 5."""
    reasons: tuple[str, ...] = ()
    for part in (0.5, 1.0):
        bid, ask = (_plan(view, needed_per_hour_e6 * part, inputs, parameters) for view in views)
        reasons = bid.reasons + ask.reasons
        if not (bid.reaches_target and ask.reaches_target):
            return None, None, (*reasons, "a side does not reach the program's target size")
        if bid.target is None and ask.target is None:
            return None, None, reasons
        if bid.nominal_per_hour_e6 + ask.nominal_per_hour_e6 >= needed_per_hour_e6:
            return bid.target, ask.target, reasons
    return None, None, (*reasons, "the least payout is out of reach")


def _plan(view: _SideView, needed_per_hour_e6: float, inputs: QuoteInputs, parameters: IncentiveParameters) -> _Plan:
    """Returns the best of the side's candidates (rules 2, 3, 6 and 7)."""
    shortfall = view.shortfall_e2
    prices = view.prices
    if view.room_e2 == 0:  # the sizing has said why
        return _Plan(target=None, reaches_target=shortfall == 0)
    if not prices:
        return _no_plan(view, "no valid price on the grid inside the touch")
    if view.is_adding and inputs.position_e2 != 0 and fullness(inputs) >= parameters.adding_fullness_max:
        return _no_plan(view, "the position is too full to add for rewards")
    if view.is_adding and view.side.outcome_price(prices[-1]) < parameters.adding_price_min_e4:
        prices = tuple(price for price in prices if view.side.outcome_price(price) >= parameters.adding_price_min_e4)
    if not prices:
        return _no_plan(view, "too cheap a side to add to")
    counts = _counts(view.room_e2, shortfall, parameters.sizing.size_step_e2, parameters.sizing.order_min_e2)
    net_above_e6 = parameters.net_per_hour_min_e6
    best = view.candidates.best(prices, counts, needed_per_hour_e6, net_above_e6) if counts else None
    if best is None:
        return _no_plan(view, "the reward does not pay for the risk")
    return _Plan(
        target=QuoteTarget(price_e4=best.price_e4, count_e2=best.count_e2),
        nominal_per_hour_e6=best.nominal_per_hour_e6,
        reaches_target=best.count_e2 >= shortfall,
    )


def _no_plan(view: _SideView, reason: str) -> _Plan:
    return _Plan(target=None, reaches_target=view.shortfall_e2 == 0, reasons=(f"{view.side}: {reason}",))


@functools.lru_cache(maxsize=_COUNTS_CACHED)
def _counts(room_e2: CountE2, shortfall: CountE2, step_e2: int, least_e2: int) -> tuple[CountE2, ...]:
    """Returns the sizes worth trying, smallest first, in whole steps and within the room."""
    tried = {room_e2 // part // step_e2 * step_e2 for part in _ROOM_PARTS}
    tried.add(-(-shortfall // step_e2) * step_e2)
    return tuple(CountE2(count) for count in sorted(tried) if least_e2 <= count <= room_e2)


def _reducing(
    view: _SideView, inputs: QuoteInputs, parameters: IncentiveParameters
) -> tuple[QuoteTarget | None, tuple[str, ...]]:
    """Returns an order at the touch for the part of the position that this side can work off, reward or not."""
    step = parameters.sizing.size_step_e2
    count_e2 = min(view.room_e2, abs(inputs.position_e2)) // step * step
    if view.is_adding or count_e2 < parameters.sizing.order_min_e2 or not view.prices:
        return None, ()
    target = QuoteTarget(price_e4=view.prices[0], count_e2=CountE2(count_e2))
    return target, (f"{view.side}: works off the position without a reward",)


def _apart(
    bid: QuoteTarget | None, ask: QuoteTarget | None, touch: Touch
) -> tuple[QuoteTarget | None, QuoteTarget | None]:
    """Returns the two orders so that they do not meet: where both improved into one gap, both join instead."""
    if bid is None or ask is None or bid.price_e4 < ask.price_e4:
        return bid, ask
    return (
        attrs.evolve(bid, price_e4=min(bid.price_e4, touch.best_bid.price_e4)),
        attrs.evolve(ask, price_e4=max(ask.price_e4, touch.best_ask.price_e4)),
    )
