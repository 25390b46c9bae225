"""From a model's price to a price that may rest: onto the grid, never through the touch, no better than
needed.

1. Here alone a float becomes a price: bids go down (`floor_onto_grid`), asks go up (`ceil_onto_grid`), so rounding
   never makes a quote more aggressive than the model meant.
2. A bid stays at least one step below the best ask of others, an ask one step above their best bid.
3. A quote improves on the best of its own side by at most `improve_steps_max` steps: time priority at a
   better price needs no more, and the rest would be given away.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import ONE_DOLLAR_E4, PriceE4
from kalshi.types import Level

# Binary floats miss decimal prices by about 1e-16; a millionth of 1/10,000 dollar undoes that and nothing
# else.
_FLOAT_DUST: Final = 1e-6


@attrs.frozen(kw_only=True)
class PlacementParameters:
    """How aggressive a quote may be."""

    improve_steps_max: int = 1  # one step ahead of the best is already first in the queue


def floor_onto_grid(price: float, grid: PriceGrid) -> PriceE4 | None:
    """Returns a bid's `price` dollars rounded down onto the grid, the highest price for a dollar or more; None where
    there is no such price.
    """
    if price >= 1:
        return grid.highest
    below = math.floor(price * ONE_DOLLAR_E4 + _FLOAT_DUST)
    return grid.floor(PriceE4(below)) if below > 0 else None


def ceil_onto_grid(price: float, grid: PriceGrid) -> PriceE4 | None:
    """Returns an ask's `price` dollars rounded up onto the grid, the lowest price for nothing or less; None where
    there is no such price.
    """
    if price <= 0:
        return grid.lowest
    above = math.ceil(price * ONE_DOLLAR_E4 - _FLOAT_DUST)
    return grid.ceil(PriceE4(above)) if above < ONE_DOLLAR_E4 else None


def inside_bid(price: float, best_ask: Level, grid: PriceGrid) -> PriceE4 | None:
    """Returns `price` dollars on the grid and at least one step below the ask, or None where there is no such
    price.
    """
    rounded = floor_onto_grid(price, grid)
    if rounded is None or rounded < best_ask.price_e4:
        return rounded
    return grid.step_below(best_ask.price_e4)


def inside_ask(price: float, best_bid: Level, grid: PriceGrid) -> PriceE4 | None:
    """Returns `price` dollars on the grid and at least one step above the bid, or None where there is no such
    price.
    """
    rounded = ceil_onto_grid(price, grid)
    if rounded is None or rounded > best_bid.price_e4:
        return rounded
    return grid.step_above(best_bid.price_e4)


def place_bid(
    price: float, best_bid: Level, best_ask: Level, grid: PriceGrid, parameters: PlacementParameters
) -> PriceE4 | None:
    """Returns the price at which a bid meant for `price` dollars may rest, or None where there is none."""
    inside, improved = inside_bid(price, best_ask, grid), best_bid.price_e4
    if inside is None or inside <= improved:
        return inside
    for _ in range(parameters.improve_steps_max):
        improved = grid.step_above(improved) or improved
    return inside if inside <= improved else grid.floor(improved)


def place_ask(
    price: float, best_bid: Level, best_ask: Level, grid: PriceGrid, parameters: PlacementParameters
) -> PriceE4 | None:
    """Returns the price at which an ask meant for `price` dollars may rest, or None where there is none."""
    inside, improved = inside_ask(price, best_bid, grid), best_ask.price_e4
    if inside is None or inside >= improved:
        return inside
    for _ in range(parameters.improve_steps_max):
        improved = grid.step_below(improved) or improved
    return inside if inside >= improved else grid.ceil(improved)
