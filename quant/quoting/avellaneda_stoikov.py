"""Avellaneda-Stoikov quoting for a binary contract: the published equations, and what a real market asks
around them.

The model (Quantitative Finance 8(3), 2008, equations 29 and 30), with prices in dollars, q contracts held,
sigma in dollars per sqrt(s), tau seconds left:

    reservation  r     = s - q gamma sigma^2 tau
    total spread da+db = gamma sigma^2 tau + (2 / gamma) ln(1 + gamma / k)

The quotes stand half of the total spread to either side of r. Texts that give a half-spread of
"gamma sigma^2 tau / 2 + (1 / gamma) ln(1 + gamma / k)" mean the same; it is not halved again.

Around it, in this order:

1. Nothing is quoted on a one-sided, crossed or suddenly very wide book, without a finite volatility, or
   within `stop_before_close_s` of the close: fills of the last minutes lose most.
2. s is the guarded microprice, not the mid (quant.signals.fair_value).
3. tau is the time to close, capped: a position can be worked off long before the market ends. sigma^2 tau can
   be no more than p(1 - p), all the variance that a contract worth 0 or 1 has left; more is a unit error or a
   burst, and is capped with a reason.
4. gamma is constant by default. The documents' form gamma exp(-|q| / Q) weakens the skew exactly where
   inventory is worst (measured: twice as many paths end with a large inventory), so it is selectable and not
   the default; so is the rising form gamma (1 + 4 (q / Q)^2).
5. The total spread stays between its minimum (plus the fees of both sides, if any) and its maximum; the side
   that adds to the inventory is then widened further, up to `asymmetric_widening` of its half at the full
   position.
6. Placement and size are quant.quoting.placement and quant.quoting.sizing.
"""

from __future__ import annotations

import enum
import math

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.placement import PlacementParameters, place_ask, place_bid
from quant.quoting.sizing import SizingParameters, sizes
from quant.signals.fair_value import FairValueParameters, fair_value
from quant.signals.volatility import structural_cap

__all__ = [
    "AvellanedaStoikovParameters",
    "InventoryAversion",
    "QuoteDecision",
    "QuoteInputs",
    "QuoteTarget",
    "quote",
    "reservation_and_spread",
]

_positive = attrs.validators.gt(0.0)
_not_negative = attrs.validators.ge(0.0)


class InventoryAversion(enum.Enum):
    """How gamma depends on the position, see rule 4."""

    CONSTANT = "constant"
    RISING = "rising"
    DOCUMENTS = "documents"


@attrs.frozen(kw_only=True)
class AvellanedaStoikovParameters:
    """The model's constants, per dollar and second, and the bounds around it."""

    # Risk aversion in 1/$. Local CARA aversion is c / wealth: 0.002 is a quarter Kelly of $2,000; 0.01 skews
    # a slow market (1.2 cents per sqrt(minute), one hour) by about a cent per 100 contracts and a fast one by
    # several.
    gamma_per_dollar: float = attrs.field(default=0.01, validator=_positive)
    # Decay of the fill intensity in 1/$: 1.16 per cent, fitted on 0.5 to 5 cents. 2 / k = 1.7 cents of
    # spread.
    k_per_dollar: float = attrs.field(default=116.0, validator=_positive)
    horizon_cap_s: float = attrs.field(default=3600.0, validator=_positive)  # an hour is enough to trade out
    inventory_aversion: InventoryAversion = InventoryAversion.CONSTANT
    min_total_spread: float = attrs.field(default=0.01, validator=_positive)  # one tick of the usual cent grid
    max_total_spread: float = attrs.field(default=0.10, validator=_positive)  # wider quotes are never filled
    # At the full position the adding side stands half as far again from the reservation price.
    asymmetric_widening: float = attrs.field(default=0.5, validator=_not_negative)
    is_fee_floor: bool = True  # quoting for less than both fees loses by construction
    spread_shock: float = attrs.field(default=0.15, validator=_positive)  # a book this wide has just been swept
    stop_before_close_s: float = attrs.field(default=180.0, validator=_not_negative)  # last fills lose most
    fair_value: FairValueParameters = attrs.field(factory=FairValueParameters)
    sizing: SizingParameters = attrs.field(factory=SizingParameters)
    placement: PlacementParameters = attrs.field(factory=PlacementParameters)


def reservation_and_spread(
    mid: float, inventory: float, gamma: float, sigma: float, k: float, time_left: float
) -> tuple[float, float]:
    """Returns the reservation price and the total spread of equations 29 and 30, in the unit of `mid`.

    `gamma` and `k` are per unit of price, `sigma` is per square root of the unit of `time_left`.
    """
    variance_left = sigma * sigma * time_left
    reservation = mid - inventory * gamma * variance_left
    total_spread = gamma * variance_left + 2.0 / gamma * math.log1p(gamma / k)
    return reservation, total_spread


def quote(inputs: QuoteInputs, parameters: AvellanedaStoikovParameters, grid: PriceGrid) -> QuoteDecision:
    """Returns the two orders that should rest now, on `grid`, or why a side or both should not."""
    best_bid, best_ask = inputs.best_bid, inputs.best_ask
    if best_bid is None or best_ask is None:
        return QuoteDecision.nothing("the book is one-sided or empty")
    refusal = _refusal(inputs, best_ask.price_e4 - best_bid.price_e4, parameters)
    if refusal is not None:
        return QuoteDecision.nothing(refusal)
    fair = fair_value(best_bid, best_ask, parameters.fair_value)
    view = _view(inputs, fair, parameters)
    amount = sizes(inputs, fair, parameters.sizing)
    bid_price = place_bid(view.bid, best_bid, best_ask, grid, parameters.placement)
    ask_price = place_ask(view.ask, best_bid, best_ask, grid, parameters.placement)
    bid, bid_reasons = _target(Side.BID, bid_price, amount.bid_e2)
    ask, ask_reasons = _target(Side.ASK, ask_price, amount.ask_e2)
    return QuoteDecision(
        bid=bid,
        ask=ask,
        reasons=view.reasons + amount.reasons + bid_reasons + ask_reasons,
        fair_value=fair,
        reservation=view.reservation,
        total_spread=view.total_spread,
        sigma=view.sigma,
        horizon_s=view.horizon_s,
    )


def _refusal(inputs: QuoteInputs, spread_e4: int, parameters: AvellanedaStoikovParameters) -> str | None:
    """Returns why nothing may be quoted at all, or None."""
    if spread_e4 <= 0:
        return "the book is crossed or locked"
    if spread_e4 > parameters.spread_shock * 10_000:
        return f"the spread of {spread_e4 / 100:g} cents is a shock"
    sigma = inputs.sigma_dollars_per_sqrt_s
    if not math.isfinite(sigma) or sigma < 0:
        return "the volatility is not known"
    # Written so that a close time that is no number refuses as well.
    if not inputs.seconds_to_close > parameters.stop_before_close_s:
        return f"the market closes within {parameters.stop_before_close_s:g} s"
    return None


@attrs.frozen(kw_only=True)
class _View:
    """The model's opinion, in dollars, before the grid and the touch have their say."""

    bid: float
    ask: float
    reservation: float
    total_spread: float
    sigma: float
    horizon_s: float
    reasons: tuple[str, ...]


def _view(inputs: QuoteInputs, fair: float, parameters: AvellanedaStoikovParameters) -> _View:
    horizon_s = min(parameters.horizon_cap_s, inputs.seconds_to_close)
    cap = structural_cap(fair, horizon_s)
    sigma = min(inputs.sigma_dollars_per_sqrt_s, cap)
    fullness = _fullness(inputs)
    reservation, model_spread = reservation_and_spread(
        fair,
        inputs.position_e2 / 100,
        _gamma(fullness, parameters),
        sigma,
        parameters.k_per_dollar,
        horizon_s,
    )
    total = _bounded_spread(model_spread, inputs.maker_fee_per_contract, parameters)
    widened = total / 2 * (1 + parameters.asymmetric_widening * min(1.0, fullness))
    return _View(
        bid=reservation - (widened if inputs.position_e2 > 0 else total / 2),
        ask=reservation + (widened if inputs.position_e2 < 0 else total / 2),
        reservation=reservation,
        total_spread=total,
        sigma=sigma,
        horizon_s=horizon_s,
        reasons=("volatility capped at what the contract has left",) if inputs.sigma_dollars_per_sqrt_s > cap else (),
    )


def _fullness(inputs: QuoteInputs) -> float:
    """Returns the position as a share of its limit: zero when flat, one at the limit or where there is no
    limit.
    """
    if inputs.position_e2 == 0:
        return 0.0
    return abs(inputs.position_e2) / inputs.max_position_e2 if inputs.max_position_e2 > 0 else 1.0


def _gamma(fullness: float, parameters: AvellanedaStoikovParameters) -> float:
    if parameters.inventory_aversion is InventoryAversion.RISING:
        return parameters.gamma_per_dollar * (1 + 4 * fullness**2)
    if parameters.inventory_aversion is InventoryAversion.DOCUMENTS:
        return parameters.gamma_per_dollar * math.exp(-fullness)
    return parameters.gamma_per_dollar


def _bounded_spread(model: float, maker_fee: float, parameters: AvellanedaStoikovParameters) -> float:
    """Returns the total spread within its bounds; the floor wins where the bounds contradict each other."""
    floor = parameters.min_total_spread + (2 * maker_fee if parameters.is_fee_floor else 0.0)
    return max(floor, min(model, parameters.max_total_spread))


def _target(side: Side, price_e4: PriceE4 | None, count_e2: CountE2) -> tuple[QuoteTarget | None, tuple[str, ...]]:
    if count_e2 == 0:
        return None, ()
    if price_e4 is None:
        return None, (f"{side}: no valid price on the grid inside the touch",)
    return QuoteTarget(price_e4=price_e4, count_e2=count_e2), ()
