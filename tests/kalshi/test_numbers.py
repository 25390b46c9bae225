"""Text becomes an exact integer once, and the same text again; anything else is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import (
    ONE_DOLLAR_E4,
    CountE2,
    MoneyE6,
    NumberFormatError,
    PriceE4,
    complement,
    format_count,
    format_money,
    format_price,
    format_scaled,
    notional,
    parse_count,
    parse_money,
    parse_price,
    parse_scaled,
)

integers = st.integers(-(10**15), 10**15)


@given(integers, st.integers(1, 8))
def test_formatted_numbers_parse_back_to_themselves(value: int, decimals: int) -> None:
    assert parse_scaled(format_scaled(value, decimals), decimals) == value


@given(integers, st.integers(1, 8))
def test_formatted_numbers_equal_the_exact_decimal(value: int, decimals: int) -> None:
    assert Decimal(format_scaled(value, decimals)) == Decimal(value).scaleb(-decimals)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4, allow_nan=False))
def test_any_plain_decimal_of_four_places_parses_exactly(value: Decimal) -> None:
    assert Decimal(parse_price(f"{value:f}")) == value * 10_000


@given(integers, st.integers(0, 6))
def test_trailing_zeros_change_nothing(value: int, zeros: int) -> None:
    text = format_scaled(value, 4)
    assert parse_scaled(text + "0" * zeros, 4) == value


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", "-.", "1e3", "+1", "--1", " 1", "1 ", "1_000", "0x10", "1,5", "1.2.3", "nan", "inf", "٣", "²"],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(NumberFormatError):
        parse_scaled(text, 4)


@given(st.text(max_size=12))
def test_no_text_at_all_is_misread(text: str) -> None:
    try:
        value = parse_scaled(text, 4)
    except NumberFormatError:
        return
    assert Decimal(text) * 10_000 == value


def test_precision_finer_than_the_unit_is_refused_not_rounded() -> None:
    with pytest.raises(NumberFormatError):
        parse_count("1.005")
    with pytest.raises(NumberFormatError):
        parse_price("0.52001")
    with pytest.raises(NumberFormatError):
        parse_money("0.0000001")


def test_an_endless_text_is_refused_without_being_parsed() -> None:
    with pytest.raises(NumberFormatError):
        parse_scaled("1" * 10_000, 2)


def test_the_units_are_those_of_the_exchange() -> None:
    assert parse_price("0.5200") == 5_200
    assert parse_count("3.50") == 350
    assert parse_money("0.017500") == 17_500
    assert format_price(PriceE4(5_200)) == "0.5200"
    assert format_count(CountE2(-54_00)) == "-54.00"
    assert format_money(MoneyE6(17_500)) == "0.017500"


@given(st.integers(0, 10_000), st.integers(0, 10**9))
def test_price_times_count_is_money_without_scaling(price: int, count: int) -> None:
    money = notional(PriceE4(price), CountE2(count))
    assert Decimal(money) / 10**6 == (Decimal(price) / 10_000) * (Decimal(count) / 100)


@given(st.integers(0, 10_000))
def test_both_outcomes_together_cost_one_dollar(price: int) -> None:
    assert price + complement(PriceE4(price)) == ONE_DOLLAR_E4
    assert complement(complement(PriceE4(price))) == price
