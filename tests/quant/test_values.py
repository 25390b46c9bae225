"""Values that are made at every decision: they compare and hash like frozen ones."""

from __future__ import annotations

import pytest

from kalshi.numbers import CountE2, PriceE4
from quant.quoting.decision import QuoteTarget


def test_they_compare_hash_and_take_no_other_field() -> None:
    one, same = (QuoteTarget(price_e4=PriceE4(4_000), count_e2=CountE2(100)) for _ in range(2))
    assert one == same
    assert {one: "found"}[same] == "found"
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]


def test_the_type_checker_takes_them_for_frozen() -> None:
    one = QuoteTarget(price_e4=PriceE4(4_000), count_e2=CountE2(100))
    # Were it not an error for mypy, the comment would be one: unused.
    one.price_e4 = PriceE4(4_100)  # type: ignore[misc]
    assert one.price_e4 == 4_100
