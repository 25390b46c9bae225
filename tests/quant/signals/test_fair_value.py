"""Fair value leans towards the lighter side, and never leaves the touch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.signals.fair_value import FairValueParameters, fair_value
from tests.quant.builders import level

PARAMETERS = FairValueParameters()


def test_more_buyers_move_it_towards_the_ask() -> None:
    assert fair_value(level(5_000, 3_000), level(5_100, 1_000), PARAMETERS) == pytest.approx(0.5075)


def test_one_huge_order_does_not_peg_it() -> None:
    assert fair_value(level(5_000, 10**9), level(5_100, 1_000), PARAMETERS) == pytest.approx(0.509)
    assert fair_value(level(5_000, 1_000), level(5_100, 10**9), PARAMETERS) == pytest.approx(0.501)


def test_a_wide_book_or_dust_gives_the_mid() -> None:
    assert fair_value(level(4_800, 9_000), level(5_200, 1_000), PARAMETERS) == pytest.approx(0.5)
    assert fair_value(level(5_000, 9_000), level(5_100, 100), PARAMETERS) == pytest.approx(0.505)


@given(bid=st.integers(1, 9_000), spread=st.integers(1, 999), sizes=st.tuples(*[st.integers(1, 10**9)] * 2))
def test_it_lies_between_bid_and_ask(bid: int, spread: int, sizes: tuple[int, int]) -> None:
    fair = fair_value(level(bid, sizes[0]), level(bid + spread, sizes[1]), PARAMETERS)
    assert bid <= fair * 10_000 <= bid + spread
