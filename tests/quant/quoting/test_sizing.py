"""How much of the position limit is left to quote."""

from __future__ import annotations

import math

import attrs
import pytest

from kalshi.numbers import CountE2
from quant.quoting.sizing import SizingParameters, sizes
from tests.quant.builders import CALM

DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("seconds_to_close", "room_e2"),
    [(30 * DAY_S, 9_500), (30 * DAY_S + 1, 6_600), (900 * DAY_S, 6_600), (math.inf, 9_500)],
)
def test_a_market_that_closes_in_more_than_thirty_days_has_seven_tenths_of_the_limit(
    seconds_to_close: float, room_e2: int
) -> None:
    inputs = attrs.evolve(CALM, order_size_e2=CountE2(50_000), seconds_to_close=seconds_to_close)
    amount = sizes(inputs, 0.5, SizingParameters())
    assert (amount.bid_e2, amount.ask_e2) == (room_e2, room_e2)
    held = attrs.evolve(inputs, position_e2=CountE2(9_000))
    assert sizes(held, 0.5, SizingParameters()).ask_e2 >= 9_000, "working off has room for all of it"
