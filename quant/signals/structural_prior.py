"""What the shape of a contract says about its volatility before any data: the prior for thin data.

- A threshold on a diffusing underlying (will the price, the temperature be above X): the probability moves with
  variance phi(Phi^-1(p))^2 / tau per second (Archak and Ipeirotis). On recorded crypto markets realised variance
  is 0.9 to 1.3 times that at every price, while p(1 - p) / tau overstates the tails four times.
- An event (will X happen): p(1 - p) / tau is only an upper bound, since the news may come in one piece at the
  end. The prior is the generic one of slow markets, cut at the bound.

Below a minute to the close of an averaged settlement neither law holds; the estimate of the data then decides.

Source: the project's strategy reference, sections 2 and 2.1.
"""

from __future__ import annotations

import enum
import math
from statistics import NormalDist
from typing import Final

from quant.signals.volatility import structural_cap

STANDARD_NORMAL: Final = NormalDist()


class ContractShape(enum.StrEnum):
    """What the contract asks."""

    THRESHOLD = "threshold"
    EVENT = "event"


def prior_variance_per_s(shape: ContractShape, *, price: float, remaining_s: float, generic_sigma: float) -> float:
    """Returns the prior in dollars^2 per second for a contract at `price` dollars with `remaining_s` to its close.

    `generic_sigma` (dollars per sqrt(s)) stands where the shape says nothing: for events, and without time left.
    """
    if remaining_s <= 0:
        return generic_sigma**2
    match shape:
        case ContractShape.THRESHOLD:
            return threshold_variance_per_s(price, remaining_s)
        case ContractShape.EVENT:
            return min(generic_sigma, structural_cap(price, remaining_s)) ** 2


def threshold_variance_per_s(price: float, remaining_s: float) -> float:
    """Returns the variance in dollars^2 per second of a threshold contract; zero at 0 and 1, infinite at no time."""
    if not 0.0 < price < 1.0:
        return 0.0
    if remaining_s <= 0:
        return math.inf
    density = STANDARD_NORMAL.pdf(STANDARD_NORMAL.inv_cdf(price))
    return density**2 / remaining_s
