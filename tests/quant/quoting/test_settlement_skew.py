"""Near the close a position is priced by its outcome, on the logit scale, and never before its time."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2
from quant.quoting import avellaneda_stoikov, glft, hybrid
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.settlement_skew import (
    SettlementSkewParameters,
    settlement_reservation,
    settlement_weight,
    with_settlement,
)
from tests.quant.builders import CENT_GRID, level

PARAMETERS = SettlementSkewParameters()


def utility_gain_of_one_more(price: float, held: float, pay: float, gamma: float, *, part: float) -> float:
    """The change in expected CARA utility by buying `part` more contracts at `pay` each and holding all to the end."""

    def expected(contracts: float, cash: float) -> float:
        wins = -math.exp(-gamma * (contracts + cash))
        return price * wins + (1 - price) * -math.exp(-gamma * cash)

    return expected(held + part, -pay * part) - expected(held, 0.0)


@pytest.mark.parametrize("price", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("held", [-200, -10, 0, 40, 300])
def test_at_the_reservation_price_one_more_contract_neither_helps_nor_hurts(price: float, held: float) -> None:
    gamma, part = 0.01, 1e-4
    indifferent = settlement_reservation(price, held, gamma)
    slope = utility_gain_of_one_more(price, held, indifferent, gamma, part=part) / part
    dearer = utility_gain_of_one_more(price, held, indifferent + 0.001, gamma, part=part) / part
    assert abs(slope) < abs(dearer) / 100


@pytest.mark.parametrize(("price", "cents"), [(0.5, 4.98), (0.1, 1.66)])
def test_a_hundred_contracts_move_the_price_by_the_published_cents(price: float, cents: float) -> None:
    moved = price - settlement_reservation(price, 100, PARAMETERS.gamma_per_dollar)
    assert moved * 100 == pytest.approx(cents, abs=0.005)


def test_to_first_order_it_is_all_the_variance_that_is_left() -> None:
    assert 0.3 - settlement_reservation(0.3, 1, 1e-4) == pytest.approx(1e-4 * 0.3 * 0.7, rel=1e-3)


@pytest.mark.parametrize("price", [0.0, 1.0])
def test_a_certain_price_is_not_moved(price: float) -> None:
    assert settlement_reservation(price, 1_000, 1.0) == price


@given(price=st.floats(0.001, 0.999), held=st.floats(-1e6, 1e6), gamma=st.floats(1e-6, 10))
def test_it_stays_within_the_dollar_and_on_the_side_that_works_the_position_off(
    price: float, held: float, gamma: float
) -> None:
    reservation = settlement_reservation(price, held, gamma)
    assert 0.0 <= reservation <= 1.0
    assert (reservation - price) * held <= 1e-12 * abs(held)


@given(price=st.floats(0.001, 0.999), held=st.floats(-1e4, 1e4))
def test_yes_and_no_are_mirrors(price: float, held: float) -> None:
    assert settlement_reservation(1 - price, -held, 0.01) == pytest.approx(
        1 - settlement_reservation(price, held, 0.01)
    )


@pytest.mark.parametrize(
    ("seconds_to_close", "trade_out_s", "weight"),
    [
        (math.inf, 0.0, 0.0),
        (600.0, 0.0, 0.0),
        (599.0, 0.0, 1 / 300),
        (450.0, 0.0, 0.5),
        (300.0, 0.0, 1.0),
        (1.0, 0.0, 1.0),
        (1_200.0, 800.0, 0.5),  # where trading out takes long it comes earlier
        (7_200.0, math.inf, 0.0),  # and where it is impossible, at the greatest distance
        (3_600.0, math.inf, 1.0),
    ],
)
def test_it_takes_over_between_twice_the_time_to_trade_out_and_that_time(
    seconds_to_close: float, trade_out_s: float, weight: float
) -> None:
    assert settlement_weight(seconds_to_close, trade_out_s, PARAMETERS) == pytest.approx(weight)


def test_switched_off_it_has_no_weight() -> None:
    assert settlement_weight(1.0, 0.0, SettlementSkewParameters(is_enabled=False)) == 0.0


def test_half_way_the_price_lies_half_way() -> None:
    mixed = with_settlement(0.4, 0.5, 100, seconds_to_close=450.0, trade_out_s=0.0, parameters=PARAMETERS)
    assert mixed == pytest.approx((0.4 + settlement_reservation(0.5, 100, PARAMETERS.gamma_per_dollar)) / 2)


NEAR_THE_CLOSE = QuoteInputs(
    best_bid=level(4_800),
    best_ask=level(5_200),
    position_e2=CountE2(5_000),
    max_position_e2=CountE2(10_000),
    order_size_e2=CountE2(1_000),
    sigma_dollars_per_sqrt_s=0.001,
    seconds_to_close=240,
)


@pytest.mark.parametrize(
    "decide",
    [
        lambda inputs: avellaneda_stoikov.quote(inputs, avellaneda_stoikov.AvellanedaStoikovParameters(), CENT_GRID),
        lambda inputs: glft.quote(inputs, glft.GlftParameters(), CENT_GRID),
        lambda inputs: hybrid.quote(inputs, hybrid.HybridParameters(), CENT_GRID),
    ],
    ids=["avellaneda-stoikov", "glft", "hybrid"],
)
def test_it_is_the_default_skew_of_every_model_near_the_close(decide: Callable[[QuoteInputs], QuoteDecision]) -> None:
    near = decide(NEAR_THE_CLOSE)
    assert near.reservation == pytest.approx(settlement_reservation(0.5, 50, 0.002))
    far = decide(attrs.evolve(NEAR_THE_CLOSE, seconds_to_close=86_400.0))
    assert near.reservation is not None
    assert far.reservation is not None
    assert far.reservation > near.reservation + 0.01
