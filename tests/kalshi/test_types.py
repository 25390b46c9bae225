"""Sides and the words of the exchange."""

from __future__ import annotations

import attrs
import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, OrderStatus, Side


def test_each_side_has_its_opposite_and_its_sign() -> None:
    assert Side.BID.opposite is Side.ASK
    assert Side.ASK.opposite is Side.BID
    assert (Side.BID.sign, Side.ASK.sign) == (1, -1)


def test_words_are_those_on_the_wire() -> None:
    assert Side("bid") is Side.BID
    assert str(OrderStatus.CANCELED) == "canceled"


def test_values_are_frozen() -> None:
    level = Level(price_e4=PriceE4(1), count_e2=CountE2(1))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        level.count_e2 = CountE2(2)  # type: ignore[misc]
