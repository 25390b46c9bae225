"""An exit is wanted exactly when the position's touch passed a threshold on a price that can be believed."""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.stop_loss import ExitReason, ExitWanted, StopLossParameters, decide, is_stale
from tests.quant.builders import CENT_GRID, TAPERED_GRID, mark

PARAMETERS = StopLossParameters()


def wanted(
    position: int,
    entry: int,
    bid: int | None,
    ask: int | None,
    age: float = 1.0,
    parameters: StopLossParameters = PARAMETERS,
) -> ExitWanted | None:
    return decide(position, entry, mark(bid, ask), age, parameters, CENT_GRID)


def test_a_long_stops_at_the_threshold_and_sells_down_to_the_slippage_limit() -> None:
    assert wanted(700, 5_000, 3_600, 3_700) is None
    assert wanted(700, 5_000, 3_500, 3_600) == ExitWanted(
        side=Side.ASK, count_e2=CountE2(700), limit_price_e4=PriceE4(3_200), reason=ExitReason.STOP_LOSS
    )


def test_a_short_stops_at_the_ask_and_buys_up_to_the_slippage_limit() -> None:
    assert wanted(-700, 5_000, 6_300, 6_400) is None
    assert wanted(-700, 5_000, 6_400, 6_500) == ExitWanted(
        side=Side.BID, count_e2=CountE2(700), limit_price_e4=PriceE4(6_800), reason=ExitReason.STOP_LOSS
    )


def test_profit_is_taken_on_both_sides() -> None:
    for exit_wanted in (wanted(100, 5_000, 7_000, 7_100), wanted(-100, 5_000, 2_900, 3_000)):
        assert exit_wanted is not None
        assert exit_wanted.reason is ExitReason.TAKE_PROFIT


def test_either_half_can_be_switched_off() -> None:
    off = StopLossParameters(stop_loss_e4_per_contract=None, take_profit_e4_per_contract=None)
    assert wanted(100, 5_000, 100, 200, parameters=off) is None
    assert wanted(100, 5_000, 9_000, 9_100, parameters=off) is None


def test_a_flat_position_wants_nothing() -> None:
    assert wanted(0, 5_000, 100, 200) is None


@pytest.mark.parametrize(("position", "bid", "ask"), [(100, None, 300), (-100, 9_700, None)])
def test_with_nobody_to_exit_into_no_exit_is_wanted_yet(position: int, bid: int | None, ask: int | None) -> None:
    assert wanted(position, 5_000, bid, ask) is None


@pytest.mark.parametrize(("age", "stale"), [(60.0, False), (60.1, True), (math.nan, True), (math.inf, True)])
def test_a_stale_price_decides_nothing(age: float, stale: bool) -> None:
    assert is_stale(age, PARAMETERS) is stale
    assert (wanted(100, 5_000, 3_000, 3_100, age) is None) is stale


def test_the_touch_of_a_very_wide_book_proves_nothing_unless_the_mid_agrees() -> None:
    assert wanted(100, 5_000, 100, 9_900) is None
    assert wanted(-100, 5_000, 100, 9_900) is None
    assert wanted(100, 5_000, 3_000, None) is None
    assert wanted(-100, 5_000, None, 7_000) is None
    fallen = wanted(100, 5_000, 100, 2_000)
    assert fallen is not None
    assert fallen.reason is ExitReason.STOP_LOSS


@given(
    position=st.sampled_from([-500, 500]),
    entry=st.integers(1, 9_999),
    bid_index=st.integers(0, 260),
    slippage=st.integers(0, 2_000),
)
def test_the_limit_is_on_the_grid_at_or_beyond_the_touch_and_within_the_allowance(
    position: int, entry: int, bid_index: int, slippage: int
) -> None:
    prices = [PriceE4(price) for price in range(10, 10_000, 10) if TAPERED_GRID.is_valid(price)]
    bid = prices[min(bid_index, len(prices) - 2)]
    ask = TAPERED_GRID.step_above(bid)
    parameters = attrs.evolve(PARAMETERS, slippage_e4=slippage, stop_loss_e4_per_contract=1)
    exit_wanted = decide(position, entry, mark(bid, ask), 0.0, parameters, TAPERED_GRID)
    if exit_wanted is None:
        return
    assert TAPERED_GRID.is_valid(exit_wanted.limit_price_e4)
    assert exit_wanted.count_e2 == abs(position)
    assert ask is not None
    if exit_wanted.side is Side.ASK:
        assert bid - slippage <= exit_wanted.limit_price_e4 <= bid
    else:
        assert ask <= exit_wanted.limit_price_e4 <= ask + slippage
