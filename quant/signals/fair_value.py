"""Fair value from the top of the book: the microprice, with guards for when imbalance says nothing.

In a one-tick book the mid is pinned and the sizes carry the information, so fair value is the size-weighted
mid (bid weighted by the ask's size and the other way round). Guards, in this order:

1. In a spread of many ticks the sizes at the touch say little: beyond `microprice_spread_max_e4` it is the
   mid.
2. Dust on either side (below `dust_e2`) is no opinion: then it is the mid.
3. One huge order must not peg the price: the weight of a side stays within `weight_max` of the whole.

Source: Stoikov 2018, the cheap form of the microprice.
"""

from __future__ import annotations

import attrs

from kalshi.types import Level

E4_PER_DOLLAR = 10_000.0


@attrs.frozen(kw_only=True)
class FairValueParameters:
    """When the sizes at the touch are believed."""

    microprice_spread_max_e4: int = 300  # three cents: most quoted Kalshi books are 1 to 2 cents wide
    dust_e2: int = 500  # five contracts: less is a leftover, not an opinion
    weight_max: float = 0.9  # the fair value keeps a tenth of the spread away from the heavier side's touch


def fair_value(best_bid: Level, best_ask: Level, parameters: FairValueParameters) -> float:
    """Returns the guarded microprice in dollars; it always lies between the bid and the ask."""
    bid, ask = best_bid.price_e4 / E4_PER_DOLLAR, best_ask.price_e4 / E4_PER_DOLLAR
    spread_e4 = best_ask.price_e4 - best_bid.price_e4
    has_dust = min(best_bid.count_e2, best_ask.count_e2) < parameters.dust_e2
    if spread_e4 > parameters.microprice_spread_max_e4 or has_dust:
        return (bid + ask) / 2
    weight_of_ask_price = best_bid.count_e2 / (best_bid.count_e2 + best_ask.count_e2)
    bounded = min(parameters.weight_max, max(1 - parameters.weight_max, weight_of_ask_price))
    return bid + bounded * (ask - bid)
