"""The life of a position: ages first in, first out, exact; excursions from flat to flat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.accounting import Mark, MarketAccount, apply_fill, liquidation_mark_e4
from quant.quoting.holding import LOTS_MAX, Holding, contract_minutes, filled, marked
from tests.quant.builders import fill

FLAT = Holding()


def after(*fills: tuple[Side, int, float]) -> Holding:
    holding = FLAT
    for side, count_e2, time_s in fills:
        holding = filled(holding, side, CountE2(count_e2), time_s)
    return holding


def test_a_hundred_contracts_for_fifteen_minutes_are_1500_contract_minutes() -> None:
    assert contract_minutes(after((Side.BID, 10_000, 0.0)), 900.0) == pytest.approx(1_500)


def test_each_lot_ages_from_its_own_fill() -> None:
    assert contract_minutes(after((Side.BID, 1_000, 0.0), (Side.BID, 500, 60.0)), 120.0) == pytest.approx(20 + 5)


def test_the_oldest_contracts_are_closed_first() -> None:
    holding = after((Side.BID, 1_000, 0.0), (Side.BID, 500, 60.0), (Side.ASK, 1_200, 120.0))
    assert holding.position_e2 == 300
    assert contract_minutes(holding, 120.0) == pytest.approx(3)


def test_a_short_position_ages_as_a_long_one() -> None:
    assert contract_minutes(after((Side.ASK, 1_000, 0.0)), 60.0) == pytest.approx(10)


def test_flat_has_no_age_and_no_excursion() -> None:
    held = marked(after((Side.BID, 1_000, 0.0)), PriceE4(5_000), PriceE4(4_000))
    assert filled(held, Side.ASK, CountE2(1_000), 60.0) == FLAT
    assert contract_minutes(FLAT, 1e9) == 0


def test_a_fill_through_flat_begins_a_new_episode() -> None:
    held = marked(after((Side.BID, 1_000, 0.0)), PriceE4(5_000), PriceE4(4_000))
    turned = filled(held, Side.ASK, CountE2(1_500), 60.0)
    assert turned.position_e2 == -500
    assert turned.adverse_e4 == 0
    assert contract_minutes(turned, 120.0) == pytest.approx(5)


def test_a_clock_behind_a_fill_gives_no_negative_age() -> None:
    assert contract_minutes(after((Side.BID, 1_000, 100.0)), 40.0) == 0


@pytest.mark.parametrize(("side", "better"), [(Side.BID, 300), (Side.ASK, -300)])
def test_the_excursion_is_the_worst_and_best_since_flat(side: Side, better: int) -> None:
    holding = after((side, 1_000, 0.0))
    for mark_e4 in (5_000 + better, 5_000 - 2 * better, 5_000):
        holding = marked(holding, PriceE4(5_000), PriceE4(mark_e4))
    assert (holding.adverse_e4, holding.favourable_e4) == (600, 300)
    assert holding.adverse_excursion == pytest.approx(0.06)


def test_with_nobody_to_trade_with_a_position_is_marked_at_its_worst() -> None:
    gone = Mark(bid_e4=None, ask_e4=None)
    long, short = after((Side.BID, 1_000, 0.0)), after((Side.ASK, 1_000, 0.0))
    assert marked(long, PriceE4(3_000), liquidation_mark_e4(long.position_e2, gone)).adverse_e4 == 3_000
    assert marked(short, PriceE4(3_000), liquidation_mark_e4(short.position_e2, gone)).adverse_e4 == 7_000


def test_a_flat_holding_is_not_marked() -> None:
    assert marked(FLAT, PriceE4(5_000), PriceE4(1)) == FLAT


def test_lots_are_bounded_and_the_bound_keeps_the_age() -> None:
    fills = [(Side.BID, 100 + index, float(index)) for index in range(3 * LOTS_MAX)]
    holding = after(*fills)
    assert len(holding.lots) == LOTS_MAX
    expected = sum(count * (500.0 - time_s) for _, count, time_s in fills) / 6_000
    assert contract_minutes(holding, 500.0) == pytest.approx(expected)


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 2_000), st.floats(0, 60)), max_size=120))
def test_the_position_is_the_accounts_and_the_age_its_integral(steps: list[tuple[Side, int, float]]) -> None:
    """Between events the age grows by the position's size times the time, and nothing else makes it grow."""
    holding, account, now_s = FLAT, MarketAccount(ticker="M"), 0.0
    for side, count_e2, wait_s in steps:
        grown = contract_minutes(holding, now_s) + abs(holding.position_e2) / 100 * wait_s / 60
        now_s += wait_s
        assert contract_minutes(holding, now_s) == pytest.approx(grown, abs=1e-6)
        is_adding = account.position_e2 * side.sign >= 0
        holding = filled(holding, side, CountE2(count_e2), now_s)
        account = apply_fill(account, fill(side, 5_000, count_e2))
        assert holding.position_e2 == account.position_e2
        assert contract_minutes(holding, now_s) <= grown + 1e-6
        assert not is_adding or contract_minutes(holding, now_s) == pytest.approx(grown, abs=1e-6)
        assert len(holding.lots) <= LOTS_MAX
