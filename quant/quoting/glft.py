"""Gueant-Lehalle-Fernandez-Tapia quoting: what the Avellaneda-Stoikov quotes become far from the end of trading.

Where a position can be traded out long before the market ends, the optimal quotes do not depend on the time left.
With prices in dollars, fills of Delta contracts at the rate A exp(-k delta) per second and side, sigma in dollars
per sqrt(s), the closed form (asymptotic, to second order in q) is

    bid distance  d_b(q) = c1 + (Delta / 2) sigma c2 + q sigma c2        ask distance d_a(q) = d_b(-q)
    c1 = ln(1 + gamma Delta / k) / (gamma Delta)
    c2 = sqrt(gamma / (2 A Delta k) (1 + gamma Delta / k)^(k / (gamma Delta) + 1))

so the reservation price is s - q sigma c2 and the total spread 2 c1 + Delta sigma c2.

1. Delta is the order size that is quoted: a market that trades in larger orders is traded out of sooner.
2. The time that trading out takes is the horizon at which equation 29 of Avellaneda and Stoikov has the same skew:
   c2 / (gamma sigma). Nearer to the close than that the settlement skew takes over (quant.quoting.settlement_skew).
   A rate A near zero says that nothing can be traded out, and leaves all to the settlement skew.
3. sigma is capped at what a contract worth 0 or 1 has left, as for every model.

Rejected as the default: Avellaneda-Stoikov with the hour that its cap allows. In its own published set-up this form
is better in mean - gamma / 2 variance, and with recorded crypto figures (900 s) the older one skews a hundred
contracts by 20 cents where 0.9 is enough.

Source: Gueant, Lehalle, Fernandez-Tapia 2013 (arXiv 1105.3115); Gueant 2017 (arXiv 1605.01862), equations 4.6, 4.7.
"""

from __future__ import annotations

import functools
import math
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.frame import FrameParameters, ModelView, capped_volatility, quote_around

# A market asks for the same ones at every change of its book; each regime and order size has others.
_COEFFICIENTS_CACHED: Final = 1_024
_positive = attrs.validators.gt(0.0)


@attrs.frozen(kw_only=True)
class GlftParameters(FrameParameters):
    """The model's constants, per dollar and second, and the bounds around it."""

    gamma_per_dollar: float = attrs.field(default=0.01, validator=_positive)  # as for Avellaneda-Stoikov
    # Both fitted on the prints of a crypto series within 0.5 to 5 cents of the mid; 1 / k is 0.86 cents a side.
    k_per_dollar: float = attrs.field(default=116.0, validator=_positive)
    fills_per_s: float = attrs.field(default=0.34, validator=_positive)  # A, per side, at the mid
    horizon_cap_s: float = attrs.field(default=3600.0, validator=_positive)  # for the cap of the volatility only


@attrs.frozen(kw_only=True)
class GlftCoefficients:
    """c1 in units of price, c2 in square roots of the unit of time per contract."""

    c1: float
    c2: float


@functools.lru_cache(maxsize=_COEFFICIENTS_CACHED)
def coefficients(gamma: float, k: float, intensity: float, order_size: float) -> GlftCoefficients:
    """Returns c1 and c2 for orders of `order_size` contracts.

    `gamma` and `k` are per unit of price, `intensity` (A) is per unit of time.
    """
    ratio = gamma * order_size / k
    log = math.log1p(ratio)
    # The power is taken in logarithms: for a small ratio it is e, of a base that floats cannot tell from 1.
    power = math.exp(log * (1.0 / ratio + 1.0))
    return GlftCoefficients(
        c1=log / (gamma * order_size), c2=math.sqrt(gamma / (2.0 * intensity * order_size * k) * power)
    )


def reservation_and_spread(
    mid: float, inventory: float, sigma: float, order_size: float, terms: GlftCoefficients
) -> tuple[float, float]:
    """Returns the reservation price and the total spread of the closed form, in the unit of `mid`."""
    return mid - inventory * sigma * terms.c2, 2.0 * terms.c1 + order_size * sigma * terms.c2


def quote(inputs: QuoteInputs, parameters: GlftParameters, grid: PriceGrid) -> QuoteDecision:
    """Returns the two orders that should rest now, on `grid`, or why a side or both should not."""
    return quote_around(inputs, parameters, grid, functools.partial(_view, parameters), needs_volatility=True)


def _view(parameters: GlftParameters, inputs: QuoteInputs, fair: float) -> ModelView:
    volatility = capped_volatility(inputs, fair, parameters.horizon_cap_s)
    order_size = max(1, inputs.order_size_e2) / 100
    terms = coefficients(parameters.gamma_per_dollar, parameters.k_per_dollar, parameters.fills_per_s, order_size)
    reservation, total_spread = reservation_and_spread(
        fair, inputs.position_e2 / 100, volatility.sigma, order_size, terms
    )
    risk_speed = parameters.gamma_per_dollar * volatility.sigma
    return ModelView(
        reservation=reservation,
        total_spread=total_spread,
        trade_out_s=terms.c2 / risk_speed if risk_speed > 0 else math.inf,
        sigma=volatility.sigma,
        horizon_s=volatility.horizon_s,
        reasons=volatility.reasons,
    )
