"""Price grids: the structures that the exchange names, and the steps that each means.

A price is valid strictly inside (0, $1), on a whole step counted from the start of its range. Prices in
1/10,000 dollar.

Source: Kalshi fixed-point migration page of 2026-08-20; kalshi-rest.md §5.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import attrs

from kalshi.simulator.wire_numbers import DOLLAR_E4


@attrs.frozen
class GridRange:
    """From `start_e4` up to `end_e4` in steps of `step_e4`."""

    start_e4: int
    end_e4: int
    step_e4: int


def _three(edge_e4: int, middle_e4: int) -> tuple[GridRange, ...]:
    return (
        GridRange(0, 1_000, edge_e4),
        GridRange(1_000, 9_000, middle_e4),
        GridRange(9_000, DOLLAR_E4, edge_e4),
    )


def _one(step_e4: int) -> tuple[GridRange, ...]:
    return (GridRange(0, DOLLAR_E4, step_e4),)


STRUCTURES: Final = {
    "linear_cent": _one(100),
    "deci_cent": _one(10),
    "tapered_deci_cent": _three(10, 100),
    "center_whole_edge_half_cent": _three(50, 100),
    "center_whole_edge_quint_cent": _three(20, 100),
    "center_half_edge_half_cent": _one(50),
    "center_half_edge_quint_cent": _three(20, 50),
    "center_half_edge_deci_cent": _three(10, 50),
    "center_quint_edge_quint_cent": _one(20),
    "center_quint_edge_deci_cent": _three(10, 20),
    "center_centi_edge_centi_cent": _one(1),
}


@cache
def prices_of(structure: str) -> frozenset[int]:
    """Returns every price that an order may carry under a structure. Raises KeyError for an unknown one."""
    ranges = STRUCTURES[structure]
    return frozenset(price_e4 for price_e4 in range(1, DOLLAR_E4) if is_on_grid(ranges, price_e4))


def is_on_grid(ranges: tuple[GridRange, ...], price_e4: int) -> bool:
    """Says whether an order may carry this price."""
    if not 0 < price_e4 < DOLLAR_E4:
        return False
    return any(
        part.start_e4 <= price_e4 <= part.end_e4 and (price_e4 - part.start_e4) % part.step_e4 == 0 for part in ranges
    )


def step_at(ranges: tuple[GridRange, ...], price_e4: int) -> int:
    """Returns the step of the range that holds the price, or that is nearest to it."""
    for part in ranges:
        if price_e4 < part.end_e4:
            return part.step_e4
    return ranges[-1].step_e4


def floor_to_grid(ranges: tuple[GridRange, ...], price_e4: int) -> int:
    """Returns the highest valid price not above `price_e4`, at least the lowest valid one."""
    floor_e4 = price_e4 - price_e4 % step_at(ranges, price_e4)
    return _inside(ranges, floor_e4)


def ceil_to_grid(ranges: tuple[GridRange, ...], price_e4: int) -> int:
    """Returns the lowest valid price not below `price_e4`, at most the highest valid one."""
    ceiling_e4 = price_e4 + -price_e4 % step_at(ranges, price_e4)
    return _inside(ranges, ceiling_e4)


def _inside(ranges: tuple[GridRange, ...], price_e4: int) -> int:
    lowest_e4 = ranges[0].step_e4
    if price_e4 < lowest_e4:
        return lowest_e4
    highest_e4 = DOLLAR_E4 - ranges[-1].step_e4
    return min(highest_e4, price_e4)
