"""Which prices a market takes: its `price_ranges`, and nothing else.

Rules:
1. A grid is data. Structure names ("linear_cent") are never interpreted; new ones appear without notice.
2. Valid prices lie strictly inside (0, 1 dollar): 0 and 1 are the exchange's marks for "no quote".
3. Both ends of a range belong to it, so that neighbouring ranges meet without a hole.

Source: Kalshi fixed-point migration page of 2026-08-20, section on price ranges.
"""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from typing import Final

from kalshi.numbers import ONE_DOLLAR_E4, PriceE4
from kalshi.types import PriceRange, Side

# Thousands of markets share about a dozen structures; 64 leaves room for new ones.
_STRUCTURES_CACHED: Final = 64


class GridError(ValueError):
    """The market's price ranges leave no valid price; the market cannot be quoted."""


class PriceGrid:
    """The valid prices of one market. Raises GridError for ranges that make no sense."""

    __slots__ = ("_prices", "ranges")

    def __init__(self, ranges: tuple[PriceRange, ...]) -> None:
        self.ranges = ranges
        self._prices = _valid_prices(ranges)

    def __repr__(self) -> str:
        return f"PriceGrid({len(self._prices)} prices from {self.lowest} to {self.highest})"

    @property
    def lowest(self) -> PriceE4:
        """The lowest valid price, in 1/10,000 dollar."""
        return self._prices[0]

    @property
    def highest(self) -> PriceE4:
        """The highest valid price, in 1/10,000 dollar."""
        return self._prices[-1]

    def is_valid(self, price_e4: int) -> bool:
        """Returns whether an order may carry this price."""
        return self.ceil(price_e4) == price_e4

    def floor(self, price_e4: int) -> PriceE4 | None:
        """Returns the highest valid price at or below this one, or None where there is none."""
        index = bisect_right(self._prices, price_e4)
        return self._prices[index - 1] if index else None

    def ceil(self, price_e4: int) -> PriceE4 | None:
        """Returns the lowest valid price at or above this one, or None where there is none."""
        index = bisect_left(self._prices, price_e4)
        return self._prices[index] if index < len(self._prices) else None

    def step_below(self, price_e4: int) -> PriceE4 | None:
        """Returns the highest valid price strictly below this one, or None where there is none."""
        index = bisect_left(self._prices, price_e4)
        return self._prices[index - 1] if index else None

    def step_above(self, price_e4: int) -> PriceE4 | None:
        """Returns the lowest valid price strictly above this one, or None where there is none."""
        index = bisect_right(self._prices, price_e4)
        return self._prices[index] if index < len(self._prices) else None

    def ladder(self, price_e4: PriceE4, steps: int, side: Side) -> tuple[PriceE4, ...]:
        """Returns a valid price and up to `steps` further ones of an order on this side, farther and farther from the
        other: bids go down, asks up.
        """
        index = bisect_left(self._prices, price_e4)
        if side is Side.ASK:
            return self._prices[index : index + steps + 1]
        return self._prices[max(0, index - steps) : index + 1][::-1]


@functools.lru_cache(maxsize=_STRUCTURES_CACHED)
def _valid_prices(ranges: tuple[PriceRange, ...]) -> tuple[PriceE4, ...]:
    prices: set[PriceE4] = set()
    for stretch in ranges:
        if stretch.step_e4 <= 0 or not 0 <= stretch.start_e4 < stretch.end_e4 <= ONE_DOLLAR_E4:
            raise GridError(f"expected a rising range inside 0 to 1 dollar with a positive step, found {stretch}")
        steps = range(stretch.start_e4, stretch.end_e4 + 1, stretch.step_e4)
        prices.update(PriceE4(price) for price in steps if 0 < price < ONE_DOLLAR_E4)
    if not prices:
        raise GridError("the market's price ranges hold no valid price")
    return tuple(sorted(prices))
