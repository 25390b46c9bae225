"""Fee arithmetic: the published vectors, and exact fractions as a second opinion."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.simulator.fees import FeeRounding, FeeTerms, charge, trade_fee_e6

_MAKERS = "quadratic_with_maker_fees"


@pytest.mark.parametrize(
    ("count_e2", "price_e4", "is_taker", "net_e6", "cash_e6"),
    [
        (100, 5_200, True, 17_500, -537_500),
        (100, 9_900, True, 700, -990_700),
        (10_000, 5_000, True, 1_750_000, -51_750_000),
        (100, 5_000, False, 4_400, -504_400),
        (10_000, 3_500, False, 398_200, -35_398_200),
        (30, 5_000, True, 5_300, -155_300),
        (3, 3_301, True, 497, -10_400),
    ],
)
def test_published_vectors_of_a_buyer(count_e2: int, price_e4: int, is_taker: bool, net_e6: int, cash_e6: int) -> None:
    fee_e6 = trade_fee_e6(FeeTerms(fee_type=_MAKERS), price_e4, count_e2, is_taker=is_taker)
    billed_e6, _ = charge(fee_e6, -count_e2 * price_e4, 0)
    assert billed_e6 == net_e6
    assert -count_e2 * price_e4 - billed_e6 == cash_e6


def test_the_text_of_august_rounds_the_trade_fee_to_a_ten_thousandth() -> None:
    fee_e6 = trade_fee_e6(FeeTerms(rounding="2026-08"), 3_301, 3, is_taker=True)
    assert charge(fee_e6, -3 * 3_301, 0)[0] == 597


def test_makers_pay_nothing_unless_the_series_says_so() -> None:
    assert trade_fee_e6(FeeTerms(), 5_000, 100, is_taker=False) == 0
    assert trade_fee_e6(FeeTerms(fee_type="quadratic_with_combo_maker_fees"), 5_000, 100, is_taker=False) == 8_750


def _exact(rate: Fraction, multiplier_e4: int, price_e4: int, count_e2: int) -> Fraction:
    price = Fraction(price_e4, 10_000)
    return Fraction(multiplier_e4, 10_000) * rate * Fraction(count_e2, 100) * price * (1 - price)


@given(
    st.lists(
        st.tuples(st.integers(1, 9_999), st.integers(1, 100_000), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([0, 2_500, 5_000, 10_000]),
    st.sampled_from(["2026-10", "2026-08"]),
)
def test_fills_of_one_order_agree_with_exact_fractions(
    fills: list[tuple[int, int, bool, bool]], multiplier_e4: int, rounding: FeeRounding
) -> None:
    terms = FeeTerms(fee_type=_MAKERS, multiplier_e4=multiplier_e4, rounding=rounding)
    accumulator_e6, exact_accumulator = 0, Fraction(0)
    unit, fee_unit = Fraction(1, 10_000), Fraction(1, 10**6 if rounding == "2026-10" else 10**4)
    for price_e4, count_e2, is_taker, pays in fills:
        revenue_e6 = (-1 if pays else 1) * price_e4 * count_e2
        fee_e6 = trade_fee_e6(terms, price_e4, count_e2, is_taker=is_taker)
        net_e6, accumulator_e6 = charge(fee_e6, revenue_e6, accumulator_e6, rounding)

        rate = Fraction(7, 100) if is_taker else Fraction(175, 10_000)
        trade_fee = ceil(_exact(rate, multiplier_e4, price_e4, count_e2) / fee_unit) * fee_unit
        change = Fraction(revenue_e6, 10**6) - trade_fee
        rounding_fee = change - floor(change / unit) * unit
        exact_accumulator += rounding_fee
        rebate_unit = unit if rounding == "2026-10" else Fraction(1, 100)
        rebate = floor(min(exact_accumulator, trade_fee + rounding_fee) / rebate_unit) * rebate_unit
        exact_accumulator -= rebate
        net = trade_fee + rounding_fee - rebate

        assert Fraction(net_e6, 10**6) == net >= 0
        assert Fraction(accumulator_e6, 10**6) == exact_accumulator
        assert (revenue_e6 - net_e6) % 100 == 0
