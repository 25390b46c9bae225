"""The simulator's own number forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.simulator.wire_numbers import BadNumber, cash_text, count_text, money_text, price_text, read_decimal


@pytest.mark.parametrize(
    ("text", "places", "value"),
    [
        ("0.52", 4, 5_200),
        ("0.5200", 4, 5_200),
        ("1", 2, 100),
        ("3.5", 2, 350),
        ("-0.01", 2, -1),
        ("0.520000", 6, 520_000),
    ],
)
def test_decimal_text_is_read_exactly(text: str, places: int, value: int) -> None:
    assert read_decimal(text, places) == value


@pytest.mark.parametrize("text", ["", "x", "1e2", "0.123", "0.120", " 1", "+1", "1,0", "٣", ".5", "nan", "1" * 40])
def test_text_that_is_no_decimal_of_that_fineness_is_refused(text: str) -> None:
    with pytest.raises(BadNumber):
        read_decimal(text, 2)


@given(st.integers(-(10**12), 10**12))
def test_what_is_written_reads_back(value: int) -> None:
    assert read_decimal(price_text(value), 4) == value
    assert read_decimal(count_text(value), 2) == value
    assert read_decimal(money_text(value), 6) == value


def test_a_balance_shows_four_decimals() -> None:
    assert cash_text(98_018_600) == "98.0186"
