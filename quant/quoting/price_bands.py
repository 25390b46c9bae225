"""Price bands: near 0 and 1 dollar a position is a longshot, so it may be only a part of the normal size.

1. Normal band: full size on both sides.
2. Soft extreme: the limit is cut by a factor, both sides stay.
3. Hard extreme: the limit is cut further and only the side that ends up holding the cheap contract may add:
   bids below, asks above. The other side may still work off what is held, else a position would be trapped
   there.

Source: the design documents' bands and factors.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

_SAME = 1e-9  # dollars


class PriceBand(enum.Enum):
    """Where a price lies."""

    HARD_LOW = "hard low"
    SOFT_LOW = "soft low"
    NORMAL = "normal"
    SOFT_HIGH = "soft high"
    HARD_HIGH = "hard high"


NORMAL: Final = PriceBand.NORMAL  # where nearly every price lies; see kalshi.types.BID


@attrs.frozen(kw_only=True)
class PriceBandParameters:
    """The bands' edges in dollars, mirrored at 50 cents, and what is left of the position limit in them."""

    soft_edge: float = 0.15  # below 15 and above 85 cents losses are rare and large
    hard_edge: float = 0.05  # below 5 cents bought contracts have hardly ever paid
    soft_factor: float = 0.3
    hard_factor: float = 0.1
    hard_is_one_sided: bool = True


def band_of(price: float, parameters: PriceBandParameters) -> PriceBand:
    """Returns the band of `price` in dollars; an edge itself belongs to the milder band."""
    # Mirrored prices differ in their last digits: at an edge both must be of the same band.
    if price < parameters.hard_edge - _SAME:
        return PriceBand.HARD_LOW
    if price > 1 - parameters.hard_edge + _SAME:
        return PriceBand.HARD_HIGH
    if price < parameters.soft_edge - _SAME:
        return PriceBand.SOFT_LOW
    return PriceBand.SOFT_HIGH if price > 1 - parameters.soft_edge + _SAME else NORMAL


def factor_of(band: PriceBand, parameters: PriceBandParameters) -> float:
    """Returns the share of the position limit that the band leaves."""
    if band is NORMAL:
        return 1.0
    is_soft = band in (PriceBand.SOFT_LOW, PriceBand.SOFT_HIGH)
    return parameters.soft_factor if is_soft else parameters.hard_factor
