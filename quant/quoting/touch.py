"""Touch quoting: resting where the best orders of others rest, and working inventory off by the reactive ask rule.

1. A side that opens joins the best price of its side: it pays nothing for being filled, and earns what incentive
   programs give to orders at the touch.
2. The ask that sells inventory reacts to the spread: beyond `wide_spread` it improves on the best ask by
   `wide_improvement`, beyond `middle_spread` by `middle_improvement`, else it joins. The thresholds belong to the
   calmer side.
3. YES and NO are one book: selling NO contracts is bidding for YES. So by default the same rule holds for the bid that
   works off a short position, and flat both sides join (ReactiveSide.REDUCING). ReactiveSide.ASK is the documents'
   rule to the letter: the ask always reacts and the bid never does.
4. At most one replacement per market in `replace_interval_s` (`paced`). Withdrawing and shrinking wait for nothing.
5. No volatility and no skew are asked. The guards, the close-time window, price bands, limits and sizes are those of
   every strategy (quant.quoting.frame).

Source: the design documents' reactive quoting.
"""

from __future__ import annotations

import enum

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import ONE_DOLLAR_E4, PriceE4
from kalshi.types import Side
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.frame import GuardParameters, Touch, quotable_touch, sized
from quant.quoting.placement import inside_ask, inside_bid

_not_negative = attrs.validators.ge(0.0)


class ReactiveSide(enum.Enum):
    """Which orders follow the reactive rule, see rule 3."""

    REDUCING = "reducing"
    ASK = "ask"


@attrs.frozen(kw_only=True)
class TouchParameters(GuardParameters):
    """The reactive rule's steps in dollars (the documents' numbers), and the pace of replacements."""

    wide_spread: float = attrs.field(default=0.07, validator=_not_negative)
    wide_improvement: float = attrs.field(default=0.02, validator=_not_negative)
    middle_spread: float = attrs.field(default=0.03, validator=_not_negative)
    middle_improvement: float = attrs.field(default=0.01, validator=_not_negative)
    reactive_side: ReactiveSide = ReactiveSide.REDUCING
    replace_interval_s: float = attrs.field(default=0.5, validator=_not_negative)


def improvement(spread_e4: int, parameters: TouchParameters) -> float:
    """Returns by how many dollars a reacting order improves on its side's best in a spread of `spread_e4`."""
    if spread_e4 > round(parameters.wide_spread * ONE_DOLLAR_E4):
        return parameters.wide_improvement
    return parameters.middle_improvement if spread_e4 > round(parameters.middle_spread * ONE_DOLLAR_E4) else 0.0


def quote(inputs: QuoteInputs, parameters: TouchParameters, grid: PriceGrid) -> QuoteDecision:
    """Returns the two orders that should rest now, on `grid`, or why a side or both should not."""
    touch = quotable_touch(inputs, parameters)
    if isinstance(touch, str):
        return QuoteDecision.nothing(touch)
    bid, ask = _prices(inputs.position_e2, touch, parameters, grid)
    return sized(inputs, touch, bid, ask, parameters)


def _prices(
    position_e2: int, touch: Touch, parameters: TouchParameters, grid: PriceGrid
) -> tuple[PriceE4 | None, PriceE4 | None]:
    bid, ask = touch.best_bid.price_e4 / ONE_DOLLAR_E4, touch.best_ask.price_e4 / ONE_DOLLAR_E4
    step = improvement(touch.best_ask.price_e4 - touch.best_bid.price_e4, parameters)
    if parameters.reactive_side is ReactiveSide.ASK or position_e2 > 0:
        ask -= step
    elif position_e2 < 0:
        bid += step
    return inside_bid(bid, touch.best_ask, grid), inside_ask(ask, touch.best_bid, grid)


@attrs.frozen(kw_only=True)
class Pace:
    """What was last let through to one market, and when a price in it last changed."""

    bid: QuoteTarget | None = None
    ask: QuoteTarget | None = None
    replaced_s: float | None = None


def paced(
    pace: Pace, wanted: QuoteDecision, inputs: QuoteInputs, now_s: float, parameters: TouchParameters
) -> tuple[Pace, QuoteDecision]:
    """Returns the decision that may be acted on at `now_s` (monotonic), and the pace after it.

    A change of price, or a larger or a new order, within the interval since the last one waits: what rests stays,
    unless it is not wanted any more, is wanted smaller, or would cross the touch that there is now.
    """
    if not _grows_or_moves(pace, wanted):
        return attrs.evolve(pace, bid=wanted.bid, ask=wanted.ask), wanted
    if pace.replaced_s is None or now_s - pace.replaced_s >= parameters.replace_interval_s:
        return Pace(bid=wanted.bid, ask=wanted.ask, replaced_s=now_s), wanted
    bid, ask = _kept(Side.BID, pace.bid, wanted.bid, inputs), _kept(Side.ASK, pace.ask, wanted.ask, inputs)
    held_back = f"a replacement waits for {parameters.replace_interval_s:g} s since the last one"
    decision = attrs.evolve(wanted, bid=bid, ask=ask, reasons=(*wanted.reasons, held_back))
    return attrs.evolve(pace, bid=bid, ask=ask), decision


def _grows_or_moves(pace: Pace, wanted: QuoteDecision) -> bool:
    return any(
        new is not None and (old is None or new.price_e4 != old.price_e4 or new.count_e2 > old.count_e2)
        for old, new in ((pace.bid, wanted.bid), (pace.ask, wanted.ask))
    )


def _kept(
    side: Side, resting: QuoteTarget | None, wanted: QuoteTarget | None, inputs: QuoteInputs
) -> QuoteTarget | None:
    """Returns what may go on resting on one side while a replacement waits."""
    if resting is None or wanted is None:
        return None
    opposite = inputs.best_ask if side is Side.BID else inputs.best_bid
    if opposite is None or side.sign * (opposite.price_e4 - resting.price_e4) <= 0:
        return None
    return attrs.evolve(resting, count_e2=min(resting.count_e2, wanted.count_e2))
