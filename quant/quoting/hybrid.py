"""Hybrid quoting: a fixed spread with a linear skew, and two brakes for inventory that does not go away.

1. The total spread is `base_spread`, and the reservation price falls by `skew_at_limit` at the full long position,
   in proportion to the position. No volatility is asked, so none can be wrong. The frame of every model does the
   rest (quant.quoting.frame).
2. Duration-weighted limit. Contracts times the minutes that they have been open (first in, first out) say how stuck
   the inventory is: few contracts for long count as many for short. From the limit on, the side that adds is not
   quoted, and the side that works off stands first in its queue.
3. MAE failsafe. From an adverse excursion of `mae_failsafe` dollars per contract on, the worst since the position
   was flat, the side that adds is not quoted, and the side that works off stands as near to the opposite touch as a
   resting order may. As the worst cannot get better, this lasts until the position is flat.
4. Neither brake works off more than is held, and neither crosses the spread: exits that take are the stop loss's.

What the brakes look at is kept by quant.quoting.holding. Sources: the design documents' hybrid policy and its
numbers; the definitions are the project's strategy reference, section 6, as no published one exists.
"""

from __future__ import annotations

import enum
import functools
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.frame import FrameParameters, ModelView, fullness, quotable_touch, quote_around, sized
from quant.quoting.placement import inside_ask, inside_bid, place_ask, place_bid

_positive = attrs.validators.gt(0.0)

# A bid for a dollar and an ask for nothing: as far as placement lets them.
_EAGER_BID: Final = 1.0
_EAGER_ASK: Final = 0.0


class Brake(enum.StrEnum):
    """What lets a position only be worked off, see rules 2 and 3."""

    DURATION = "the inventory has been held too long"
    EXCURSION = "the position has gone too far against us"


@attrs.frozen(kw_only=True)
class HybridParameters(FrameParameters):
    """The strategy's constants in dollars, and the two brakes."""

    base_spread: float = attrs.field(default=0.01, validator=_positive)  # in total; the documents' number
    # Two cents at the limit: with a spread of one, the adding side then stands behind the touch.
    skew_at_limit: float = attrs.field(default=0.02, validator=attrs.validators.ge(0.0))
    # The documents' number: their order of ten contracts for 50 minutes, or a hundred contracts for five.
    duration_limit_contract_min: float = attrs.field(default=500.0, validator=_positive)
    mae_failsafe: float = attrs.field(default=0.08, validator=_positive)  # dollars per contract; the documents' number


def quote(inputs: QuoteInputs, parameters: HybridParameters, grid: PriceGrid) -> QuoteDecision:
    """Returns the two orders that should rest now, on `grid`, or why a side or both should not."""
    brake = _brake(inputs, parameters)
    if brake is None:
        return quote_around(inputs, parameters, grid, functools.partial(_view, parameters), needs_volatility=False)
    return _working_off(inputs, brake, parameters, grid)


def _brake(inputs: QuoteInputs, parameters: HybridParameters) -> Brake | None:
    """Returns which brake holds, the failsafe before the other; a measure that is no number brakes too."""
    if inputs.position_e2 == 0:
        return None
    if not inputs.adverse_excursion < parameters.mae_failsafe:
        return Brake.EXCURSION
    return None if inputs.held_contract_min < parameters.duration_limit_contract_min else Brake.DURATION


def _working_off(inputs: QuoteInputs, brake: Brake, parameters: HybridParameters, grid: PriceGrid) -> QuoteDecision:
    touch = quotable_touch(inputs, parameters)
    if isinstance(touch, str):
        return QuoteDecision.nothing(touch)
    best_bid, best_ask = touch.best_bid, touch.best_ask
    if brake is Brake.EXCURSION:
        bid, ask = inside_bid(_EAGER_BID, best_ask, grid), inside_ask(_EAGER_ASK, best_bid, grid)
    else:
        bid = place_bid(_EAGER_BID, best_bid, best_ask, grid, parameters.placement)
        ask = place_ask(_EAGER_ASK, best_bid, best_ask, grid, parameters.placement)
    # Where nothing may be held, the sizes leave room for what is held and for no more.
    no_room = attrs.evolve(inputs, max_long_e2=CountE2(0), max_short_e2=CountE2(0))
    decision = sized(no_room, touch, bid, ask, parameters)
    return attrs.evolve(decision, reasons=(brake.value, *decision.reasons))


def _view(parameters: HybridParameters, inputs: QuoteInputs, fair: float) -> ModelView:
    share = fullness(inputs)
    skew = parameters.skew_at_limit * (share if inputs.position_e2 > 0 else -share)
    return ModelView(reservation=fair - skew, total_spread=parameters.base_spread)
