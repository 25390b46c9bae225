"""Avellaneda-Stoikov quoting for a binary contract: the published equations, and what a real market asks
around them.

The model (Quantitative Finance 8(3), 2008, equations 29 and 30), with prices in dollars, q contracts held,
sigma in dollars per sqrt(s), tau seconds left:

    reservation  r     = s - q gamma sigma^2 tau
    total spread da+db = gamma sigma^2 tau + (2 / gamma) ln(1 + gamma / k)

The quotes stand half of the total spread to either side of r. Texts that give a half-spread of
"gamma sigma^2 tau / 2 + (1 / gamma) ln(1 + gamma / k)" mean the same; it is not halved again.

Around it stands the frame of every model (quant.quoting.frame): guards, fair value, settlement skew, spread bounds,
widening, placement, size. Inside it:

1. tau is the time to close, capped: a position can be worked off long before the market ends.
2. gamma is constant by default. The documents' form gamma exp(-|q| / Q) weakens the skew exactly where
   inventory is worst (measured: twice as many paths end with a large inventory), so it is selectable and not
   the default; so is the rising form gamma (1 + 4 (q / Q)^2).
"""

from __future__ import annotations

import enum
import functools
import math

import attrs

from kalshi.grid import PriceGrid
from quant.quoting.decision import QuoteDecision, QuoteInputs, QuoteTarget
from quant.quoting.frame import FrameParameters, ModelView, capped_volatility, fullness, quote_around

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


class InventoryAversion(enum.Enum):
    """How gamma depends on the position, see rule 2."""

    CONSTANT = "constant"
    RISING = "rising"
    DOCUMENTS = "documents"


@attrs.frozen(kw_only=True)
class AvellanedaStoikovParameters(FrameParameters):
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
    return quote_around(inputs, parameters, grid, functools.partial(_view, parameters), needs_volatility=True)


def _view(parameters: AvellanedaStoikovParameters, inputs: QuoteInputs, fair: float) -> ModelView:
    volatility = capped_volatility(inputs, fair, parameters.horizon_cap_s)
    reservation, total_spread = reservation_and_spread(
        fair,
        inputs.position_e2 / 100,
        _gamma(fullness(inputs), parameters),
        volatility.sigma,
        parameters.k_per_dollar,
        volatility.horizon_s,
    )
    return ModelView(
        reservation=reservation,
        total_spread=total_spread,
        sigma=volatility.sigma,
        horizon_s=volatility.horizon_s,
        reasons=volatility.reasons,
    )


def _gamma(share_held: float, parameters: AvellanedaStoikovParameters) -> float:
    if parameters.inventory_aversion is InventoryAversion.CONSTANT:
        return parameters.gamma_per_dollar
    if parameters.inventory_aversion is InventoryAversion.RISING:
        return parameters.gamma_per_dollar * (1 + 4 * share_held**2)
    return parameters.gamma_per_dollar * math.exp(-share_held)
