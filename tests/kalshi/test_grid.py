"""A market's prices are what its ranges say, strictly between nothing and a dollar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.grid import GridError, PriceGrid
from kalshi.numbers import PriceE4
from kalshi.types import PriceRange, Side


def stretch(start: int, end: int, step: int) -> PriceRange:
    return PriceRange(start_e4=PriceE4(start), end_e4=PriceE4(end), step_e4=PriceE4(step))


CENT = (stretch(0, 10_000, 100),)
DECI = (stretch(0, 10_000, 10),)
TAPERED = (stretch(0, 1_000, 10), stretch(1_000, 9_000, 100), stretch(9_000, 10_000, 10))
COMBO = (stretch(0, 100, 1), stretch(100, 9_900, 10), stretch(9_900, 10_000, 1))
STRUCTURES = [CENT, DECI, TAPERED, COMBO, (stretch(0, 10_000, 1),)]

grids = st.sampled_from(STRUCTURES).map(PriceGrid)
anywhere = st.integers(-500, 10_500)


def test_whole_cents_are_valid_in_every_structure() -> None:
    for ranges in STRUCTURES:
        grid = PriceGrid(ranges)
        assert all(grid.is_valid(price) for price in range(100, 10_000, 100))


@pytest.mark.parametrize(
    ("ranges", "lowest", "highest", "count"),
    [(CENT, 100, 9_900, 99), (DECI, 10, 9_990, 999), (TAPERED, 10, 9_990, 99 + 81 + 99), (COMBO, 1, 9_999, 1_179)],
)
def test_structures_have_the_exchange_s_prices(
    ranges: tuple[PriceRange, ...], lowest: int, highest: int, count: int
) -> None:
    grid = PriceGrid(ranges)
    assert (grid.lowest, grid.highest) == (lowest, highest)
    assert sum(grid.is_valid(price) for price in range(10_001)) == count
    assert repr(grid) == f"PriceGrid({count} prices from {lowest} to {highest})"


def test_the_steps_change_where_the_ranges_meet() -> None:
    grid = PriceGrid(TAPERED)
    assert (grid.step_below(1_000), grid.step_above(1_000)) == (990, 1_100)
    assert (grid.step_below(9_000), grid.step_above(9_000)) == (8_900, 9_010)
    assert grid.floor(5_150) == 5_100
    assert grid.ceil(5_150) == 5_200


def test_zero_and_one_dollar_are_no_prices() -> None:
    grid = PriceGrid(CENT)
    assert not grid.is_valid(0)
    assert not grid.is_valid(10_000)
    assert grid.floor(99) is None
    assert grid.ceil(9_901) is None
    assert grid.step_below(100) is None
    assert grid.step_above(9_900) is None
    assert grid.ceil(0) == 100
    assert grid.floor(10_000) == 9_900


@given(grids, anywhere)
def test_floor_and_ceil_enclose_and_agree_on_valid_prices(grid: PriceGrid, price: int) -> None:
    floor, ceil = grid.floor(price), grid.ceil(price)
    assert floor is None or (floor <= price and grid.is_valid(floor))
    assert ceil is None or (ceil >= price and grid.is_valid(ceil))
    assert (floor == ceil == price) == grid.is_valid(price)


@given(grids, anywhere, st.integers(0, 4), st.sampled_from(Side))
def test_a_ladder_is_step_by_step_away_from_the_other_side(grid: PriceGrid, price: int, steps: int, side: Side) -> None:
    first = grid.floor(price) or grid.lowest
    expected = [first]
    while len(expected) <= steps:
        following = grid.step_below(expected[-1]) if side is Side.BID else grid.step_above(expected[-1])
        if following is None:
            break
        expected.append(following)
    assert grid.ladder(first, steps, side) == tuple(expected)


@given(grids, st.integers(1, 9_999))
def test_steps_go_out_and_come_back(grid: PriceGrid, price: int) -> None:
    here = grid.floor(price) or grid.lowest
    above = grid.step_above(here)
    if above is not None:
        assert grid.step_below(above) == here
        assert not any(grid.is_valid(between) for between in range(here + 1, above))


@pytest.mark.parametrize(
    "ranges",
    [
        (),
        (stretch(0, 10_000, 0),),
        (stretch(0, 10_000, -10),),
        (stretch(500, 500, 10),),
        (stretch(-100, 500, 10),),
        (stretch(0, 10_001, 10),),
        (stretch(0, 10_000, 10_000),),
    ],
)
def test_ranges_that_make_no_sense_are_refused(ranges: tuple[PriceRange, ...]) -> None:
    with pytest.raises(GridError):
        PriceGrid(ranges)
