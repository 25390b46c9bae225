"""Price grids by structure name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.simulator.price_grid import STRUCTURES, ceil_to_grid, floor_to_grid, is_on_grid


@pytest.mark.parametrize("structure", STRUCTURES)
def test_whole_cents_are_valid_in_every_structure_and_the_ends_never(structure: str) -> None:
    ranges = STRUCTURES[structure]
    assert all(is_on_grid(ranges, cents * 100) for cents in range(1, 100))
    assert not any(is_on_grid(ranges, price_e4) for price_e4 in (0, 10_000, -100, 10_100))


@given(st.sampled_from(sorted(STRUCTURES)), st.integers(-500, 10_500))
def test_rounding_gives_the_nearest_valid_price_of_its_direction(structure: str, price_e4: int) -> None:
    ranges = STRUCTURES[structure]
    valid = [candidate for candidate in range(1, 10_000) if is_on_grid(ranges, candidate)]
    below = [candidate for candidate in valid if candidate <= price_e4]
    above = [candidate for candidate in valid if candidate >= price_e4]
    assert floor_to_grid(ranges, price_e4) == (below[-1] if below else valid[0])
    assert ceil_to_grid(ranges, price_e4) == (above[0] if above else valid[-1])
