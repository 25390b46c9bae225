"""Expected earnings follow the scorer and the haircut; expected losses the size and the distance to the touch."""

from __future__ import annotations

import math

import attrs
import pytest

from kalshi.numbers import CountE2, PriceE4
from quant.rewards.expectation import (
    ExpectationParameters,
    SideBook,
    countable,
    expectation,
    hourly_pool_e6,
    shortfall_e2,
)
from tests.quant.rewards.builders import HOUR_MS, START_MS, TERMS, bids, with_

PARAMETERS = ExpectationParameters()
BOOK = SideBook(others=bids(c45=800, c44=1_000), programs=(TERMS,))


def test_the_pool_of_a_period_is_spread_over_its_hours() -> None:
    assert hourly_pool_e6(with_(end_ms=START_MS + 4 * HOUR_MS)) == pytest.approx(25_000_000)


def test_an_order_earns_half_of_its_share_of_the_side_less_the_haircut() -> None:
    expected = expectation(BOOK, PriceE4(4_500), CountE2(20_000), PARAMETERS)
    assert expected.nominal_per_hour_e6 == pytest.approx(100_000_000 / 2 * 200 / 1_000)
    assert expected.reward_per_hour_e6 == pytest.approx(expected.nominal_per_hour_e6 * 0.25)


def test_programs_that_overlap_add_up() -> None:
    two = attrs.evolve(BOOK, programs=(TERMS, with_(program_id="Q")))
    one = expectation(BOOK, PriceE4(4_500), CountE2(20_000), PARAMETERS)
    both = expectation(two, PriceE4(4_500), CountE2(20_000), PARAMETERS)
    assert both.reward_per_hour_e6 == pytest.approx(2 * one.reward_per_hour_e6)
    assert both.adverse_per_hour_e6 == one.adverse_per_hour_e6


def test_losses_grow_with_the_size_and_fall_with_the_distance() -> None:
    at_touch = expectation(BOOK, PriceE4(4_500), CountE2(20_000), PARAMETERS)
    assert at_touch.adverse_per_hour_e6 == pytest.approx(200 * 0.26 * 0.004 * 1_000_000)
    behind = expectation(BOOK, PriceE4(4_400), CountE2(20_000), PARAMETERS)
    assert behind.adverse_per_hour_e6 == pytest.approx(at_touch.adverse_per_hour_e6 * math.exp(-1.16))
    assert at_touch.net_per_hour_e6 == pytest.approx(at_touch.reward_per_hour_e6 - at_touch.adverse_per_hour_e6)


@pytest.mark.parametrize(("contracts", "missing"), [(999, 100), (1_000, 0), (1_001, 0)])
def test_the_shortfall_is_what_others_lack_to_the_least_target(contracts: int, missing: int) -> None:
    programs = (TERMS, with_(target_e2=CountE2(500_000)))
    assert shortfall_e2(bids(c45=contracts), programs) == missing
    assert shortfall_e2((), ()) == 0


def test_levels_behind_the_target_are_cut_off_and_change_nothing() -> None:
    deep = bids(c45=800, c44=200, c43=5_000)
    assert countable(deep, (TERMS,)) == deep[:2]
    assert countable(deep, (TERMS, with_(target_e2=CountE2(100_100)))) == deep
    assert countable(deep, ()) == ()
    whole = expectation(attrs.evolve(BOOK, others=deep), PriceE4(4_400), CountE2(10_000), PARAMETERS)
    assert expectation(attrs.evolve(BOOK, others=deep[:2]), PriceE4(4_400), CountE2(10_000), PARAMETERS) == whole
