"""The frame around every model: when to quote at all, what the model is asked, and how its answer becomes orders.

A model only says where its reservation price lies and how wide it would quote. All the rest is the same for each,
in this order:

1. Nothing is quoted on a one-sided, crossed or suddenly very wide book, or within `stop_before_close_s` of the
   close: fills of the last minutes lose most. Models that need a volatility refuse without a finite one.
2. Fair value is the guarded microprice, not the mid (quant.signals.fair_value).
3. The settlement skew takes over from the model's own near the close (quant.quoting.settlement_skew).
4. The total spread stays between its minimum (plus the fees of both sides, if any) and its maximum; the side
   that adds to the inventory is then widened further, up to `asymmetric_widening` of its half at the full
   position.
5. Placement and size are quant.quoting.placement and quant.quoting.sizing.

The parameters are a base class, so that a model's settings stay one flat list.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import ASK, BID, Level, Side
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.placement import PlacementParameters, place_ask, place_bid
from quant.quoting.settlement_skew import SettlementSkewParameters, with_settlement
from quant.quoting.sizing import SizingParameters, sizes
from quant.signals.fair_value import FairValueParameters, fair_value
from quant.signals.volatility import structural_cap
from quant.values import passing_value

_positive = attrs.validators.gt(0.0)
_not_negative = attrs.validators.ge(0.0)


@attrs.frozen(kw_only=True)
class GuardParameters:
    """When nothing is quoted, and how fair value and sizes are found: what even a strategy without a model needs."""

    spread_shock: float = attrs.field(default=0.15, validator=_positive)  # a book this wide has just been swept
    stop_before_close_s: float = attrs.field(default=180.0, validator=_not_negative)  # last fills lose most
    fair_value: FairValueParameters = attrs.field(factory=FairValueParameters)
    sizing: SizingParameters = attrs.field(factory=SizingParameters)


@attrs.frozen(kw_only=True)
class FrameParameters(GuardParameters):
    """The bounds around a model, in dollars and seconds."""

    # One tick of the usual cent grid. Below the smallest unit of price bid and ask could meet.
    min_total_spread: float = attrs.field(default=0.01, validator=attrs.validators.ge(0.0001))
    max_total_spread: float = attrs.field(default=0.10, validator=_positive)  # wider quotes are never filled
    # At the full position the adding side stands half as far again from the reservation price.
    asymmetric_widening: float = attrs.field(default=0.5, validator=_not_negative)
    is_fee_floor: bool = True  # quoting for less than both fees loses by construction
    settlement: SettlementSkewParameters = attrs.field(factory=SettlementSkewParameters)
    placement: PlacementParameters = attrs.field(factory=PlacementParameters)


@passing_value(kw_only=True)
class ModelView:
    """A model's opinion in dollars and seconds, before the frame, the grid and the touch have their say.

    `trade_out_s` is how long working a position off takes here, zero where the model does not know.
    """

    reservation: float
    total_spread: float
    trade_out_s: float = 0.0
    sigma: float | None = None
    horizon_s: float | None = None
    reasons: tuple[str, ...] = ()


@passing_value(kw_only=True)
class Touch:
    """A book that may be quoted on: both sides of others, and the fair value between them."""

    best_bid: Level
    best_ask: Level
    fair: float


@passing_value(kw_only=True)
class CappedVolatility:
    """A volatility that the contract can have, over the horizon that it was capped for."""

    sigma: float
    horizon_s: float
    reasons: tuple[str, ...]


Model = Callable[[QuoteInputs, float], ModelView]


def quote_around(
    inputs: QuoteInputs, parameters: FrameParameters, grid: PriceGrid, model: Model, *, needs_volatility: bool
) -> QuoteDecision:
    """Returns the two orders that should rest now on `grid` by `model`, or why a side or both should not."""
    touch = quotable_touch(inputs, parameters)
    if isinstance(touch, str):
        return QuoteDecision.nothing(touch)
    if needs_volatility and not _is_volatility(inputs.sigma_dollars_per_sqrt_s):
        return QuoteDecision.nothing("the volatility is not known")
    view = model(inputs, touch.fair)
    reservation = with_settlement(
        view.reservation,
        touch.fair,
        inputs.position_e2 / 100,
        seconds_to_close=inputs.seconds_to_close,
        trade_out_s=view.trade_out_s,
        parameters=parameters.settlement,
    )
    total = _bounded_spread(view.total_spread, inputs.maker_fee_per_contract, parameters)
    widened = total / 2 * (1 + parameters.asymmetric_widening * fullness(inputs))
    bid = reservation - (widened if inputs.position_e2 > 0 else total / 2)
    ask = reservation + (widened if inputs.position_e2 < 0 else total / 2)
    placement = parameters.placement
    bid_quote, ask_quote, reasons = _sides(
        inputs,
        touch,
        place_bid(bid, touch.best_bid, touch.best_ask, grid, placement),
        place_ask(ask, touch.best_bid, touch.best_ask, grid, placement),
        parameters,
    )
    return QuoteDecision(
        bid=bid_quote,
        ask=ask_quote,
        reasons=view.reasons + reasons,
        fair_value=touch.fair,
        reservation=reservation,
        total_spread=total,
        sigma=view.sigma,
        horizon_s=view.horizon_s,
    )


def quotable_touch(inputs: QuoteInputs, parameters: GuardParameters) -> Touch | str:
    """Returns the touch with its fair value, or why nothing may be quoted at all (rule 1)."""
    best_bid, best_ask = inputs.best_bid, inputs.best_ask
    if best_bid is None or best_ask is None:
        return "the book is one-sided or empty"
    spread_e4 = best_ask.price_e4 - best_bid.price_e4
    if spread_e4 <= 0:
        return "the book is crossed or locked"
    if spread_e4 > parameters.spread_shock * 10_000:
        return f"the spread of {spread_e4 / 100:g} cents is a shock"
    # Written so that a close time that is no number refuses as well.
    if not inputs.seconds_to_close > parameters.stop_before_close_s:
        return f"the market closes within {parameters.stop_before_close_s:g} s"
    return Touch(best_bid=best_bid, best_ask=best_ask, fair=fair_value(best_bid, best_ask, parameters.fair_value))


def sized(
    inputs: QuoteInputs,
    touch: Touch,
    bid_price_e4: PriceE4 | None,
    ask_price_e4: PriceE4 | None,
    parameters: GuardParameters,
) -> QuoteDecision:
    """Returns the decision to rest at these prices, None where the grid has none, with the sizes that limits leave."""
    bid, ask, reasons = _sides(inputs, touch, bid_price_e4, ask_price_e4, parameters)
    return QuoteDecision(bid=bid, ask=ask, reasons=reasons, fair_value=touch.fair)


def _sides(
    inputs: QuoteInputs,
    touch: Touch,
    bid_price_e4: PriceE4 | None,
    ask_price_e4: PriceE4 | None,
    parameters: GuardParameters,
) -> tuple[QuoteTarget | None, QuoteTarget | None, tuple[str, ...]]:
    amount = sizes(inputs, touch.fair, parameters.sizing)
    bid, bid_reasons = _target(BID, bid_price_e4, amount.bid_e2)
    ask, ask_reasons = _target(ASK, ask_price_e4, amount.ask_e2)
    return bid, ask, amount.reasons + bid_reasons + ask_reasons


def fullness(inputs: QuoteInputs) -> float:
    """Returns the position as a share of its limit: zero when flat, one from the limit on or where there is no
    limit.
    """
    if inputs.position_e2 == 0:
        return 0.0
    return min(1.0, abs(inputs.position_e2) / inputs.max_position_e2) if inputs.max_position_e2 > 0 else 1.0


def capped_volatility(inputs: QuoteInputs, fair: float, horizon_cap_s: float) -> CappedVolatility:
    """Returns the inputs' volatility, no more than a contract at `fair` can have until its close or the cap.

    sigma^2 tau can be no more than p(1 - p), all the variance that a contract worth 0 or 1 has left; more is a
    unit error or a burst, and is capped with a reason.
    """
    horizon_s = min(horizon_cap_s, inputs.seconds_to_close)
    cap = structural_cap(fair, horizon_s)
    is_capped = inputs.sigma_dollars_per_sqrt_s > cap
    return CappedVolatility(
        sigma=min(inputs.sigma_dollars_per_sqrt_s, cap),
        horizon_s=horizon_s,
        reasons=("volatility capped at what the contract has left",) if is_capped else (),
    )


def _is_volatility(sigma: float) -> bool:
    return math.isfinite(sigma) and sigma >= 0


def _bounded_spread(model: float, maker_fee: float, parameters: FrameParameters) -> float:
    """Returns the total spread within its bounds; the floor wins where the bounds contradict each other."""
    floor = parameters.min_total_spread + (2 * maker_fee if parameters.is_fee_floor else 0.0)
    return max(floor, min(model, parameters.max_total_spread))


def _target(side: Side, price_e4: PriceE4 | None, count_e2: CountE2) -> tuple[QuoteTarget | None, tuple[str, ...]]:
    if count_e2 == 0:
        return None, ()
    if price_e4 is None:
        return None, (f"{side}: no valid price on the grid inside the touch",)
    return QuoteTarget(price_e4=price_e4, count_e2=count_e2), ()
