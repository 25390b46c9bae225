"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from ops.money_text import cents, contracts, identity, signed_contracts, signed_dollars
from tests.ops.snapshots import totals


@pytest.mark.parametrize(
    ("price_e4", "shown"), [(4_500, "45¢"), (4_550, "45.5¢"), (4_551, "45.51¢"), (10_000, "100¢"), (None, "–")]
)
def test_prices_show_decimals_only_where_there_are_any(price_e4: int | None, shown: str) -> None:
    assert cents(None if price_e4 is None else PriceE4(price_e4)) == shown


@pytest.mark.parametrize(
    ("count_e2", "shown"), [(0, "0"), (100, "+1"), (-150, "-1.5"), (123_456_700, "+1,234,567"), (-10_000, "-100")]
)
def test_positions_carry_their_sign(count_e2: int, shown: str) -> None:
    assert signed_contracts(CountE2(count_e2)) == shown
    assert contracts(CountE2(abs(count_e2))) == shown.lstrip("+-")


@pytest.mark.parametrize(
    ("money_e6", "shown"),
    [(0, "0.00"), (1_234_567, "+1.23"), (-1_239_999, "-1.23"), (-9_999, "0.00"), (1_234_000_000_000, "+1,234,000.00")],
)
def test_money_is_cut_towards_zero_and_never_shows_a_signed_nothing(money_e6: int, shown: str) -> None:
    assert signed_dollars(MoneyE6(money_e6)) == shown


@given(st.integers(-(10**15), 10**15))
def test_six_decimals_are_exact(money_e6: int) -> None:
    shown = signed_dollars(MoneyE6(money_e6), 6)
    assert int(shown.replace(",", "").replace(".", "")) == money_e6


def test_the_identity_is_written_as_a_sum_to_the_last_unit() -> None:
    assert identity(totals()) == "+1.234500 = cash -3.200000 + 4.434500 marks (exact)"


def test_negative_marks_are_subtracted_and_a_broken_sum_is_called_so() -> None:
    broken = totals(marks_e6=MoneyE6(-1), is_exact=False)
    assert identity(broken) == "+1.234500 = cash -3.200000 - 0.000001 marks (NOT EXACT)"
