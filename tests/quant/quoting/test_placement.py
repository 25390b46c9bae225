"""A float becomes a price in one place, never more aggressive than it was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.grid import PriceGrid
from kalshi.types import Side
from quant.quoting.placement import PlacementParameters, ceil_onto_grid, floor_onto_grid, place_ask, place_bid
from tests.quant.builders import CENT_GRID, TAPERED_GRID, level


@pytest.mark.parametrize(
    ("price", "side", "expected"),
    [
        (0.4999, Side.BID, 4_900),
        (0.4901, Side.ASK, 5_000),
        (0.29, Side.BID, 2_900),  # 0.29 * 10,000 is 2,899.9999999999995 in binary
        (0.57, Side.ASK, 5_700),  # and 0.57 * 10,000 is 5,699.999999999999
        (1.5, Side.BID, 9_900),
        (-0.5, Side.ASK, 100),
        (0.009, Side.BID, None),
        (0.0, Side.BID, None),
        (-0.2, Side.BID, None),
        (0.995, Side.ASK, None),
        (1.2, Side.ASK, None),
    ],
)
def test_bids_round_down_and_asks_up(price: float, side: Side, expected: int | None) -> None:
    rounded = floor_onto_grid if side is Side.BID else ceil_onto_grid
    assert rounded(price, CENT_GRID) == expected


@given(price=st.floats(-0.5, 1.5), grid=st.sampled_from([CENT_GRID, TAPERED_GRID]))
def test_rounding_never_makes_a_quote_more_aggressive_inside_the_grid(price: float, grid: PriceGrid) -> None:
    below, above = floor_onto_grid(price, grid), ceil_onto_grid(price, grid)
    assert below is None or (grid.is_valid(below) and below <= price * 10_000 + 1e-5)
    assert above is None or (grid.is_valid(above) and above >= price * 10_000 - 1e-5)


def test_an_aggressive_quote_stays_one_step_inside_the_opposite_touch() -> None:
    tight, wide = (level(5_000), level(5_100)), PlacementParameters(improve_steps_max=50)
    assert place_bid(0.9, *tight, CENT_GRID, wide) == 5_000
    assert place_ask(0.1, *tight, CENT_GRID, wide) == 5_100


def test_a_quote_improves_on_its_own_side_by_no_more_than_the_allowed_steps() -> None:
    book = (level(4_000), level(6_000))
    assert place_bid(0.5, *book, CENT_GRID, PlacementParameters()) == 4_100
    assert place_ask(0.5, *book, CENT_GRID, PlacementParameters()) == 5_900
    assert place_bid(0.5, *book, CENT_GRID, PlacementParameters(improve_steps_max=0)) == 4_000


def test_where_the_other_side_stands_at_the_grids_end_there_is_no_place() -> None:
    assert place_bid(0.5, level(100), level(100), CENT_GRID, PlacementParameters()) is None
    assert place_ask(0.5, level(9_900), level(9_900), CENT_GRID, PlacementParameters()) is None


def test_at_the_grids_end_improving_means_joining() -> None:
    parameters = PlacementParameters(improve_steps_max=3)
    assert place_ask(0.0, level(10), level(100), TAPERED_GRID, parameters) == 70
    assert place_bid(1.0, level(9_900), level(9_990), TAPERED_GRID, parameters) == 9_930
    assert place_bid(1.0, level(9_990), level(10_000), TAPERED_GRID, parameters) == 9_990
    assert place_ask(0.0, level(0), level(10), TAPERED_GRID, parameters) == 10
