"""The closed form as published, its figures on recorded markets, and its place in the frame of every model."""

from __future__ import annotations

import math

import attrs
import pytest

from kalshi.numbers import CountE2
from quant.quoting.decision import QuoteDecision
from quant.quoting.glft import GlftParameters, coefficients, quote, reservation_and_spread
from quant.quoting.settlement_skew import settlement_reservation
from tests.quant.builders import CALM, CENT_GRID, TAPERED_GRID, level

PARAMETERS = GlftParameters()


def decide(**changes: object) -> QuoteDecision:
    return quote(attrs.evolve(CALM, **changes), PARAMETERS, CENT_GRID)  # type: ignore[arg-type]


# The equations.


@pytest.mark.parametrize("inventory", [-4, 0, 3])
@pytest.mark.parametrize("order_size", [1.0, 10.0])
def test_the_quotes_stand_at_the_published_distances(inventory: int, order_size: float) -> None:
    gamma, k, intensity, sigma = 0.1, 1.5, 140.0, 2.0
    ratio = gamma * order_size / k
    c1 = math.log(1 + ratio) / (gamma * order_size)
    c2 = math.sqrt(gamma / (2 * intensity * order_size * k) * (1 + ratio) ** (1 / ratio + 1))
    terms = coefficients(gamma, k, intensity, order_size)
    reservation, total = reservation_and_spread(100, inventory, sigma, order_size, terms)
    bid_distance = c1 + order_size / 2 * sigma * c2 + inventory * sigma * c2
    ask_distance = c1 + order_size / 2 * sigma * c2 - inventory * sigma * c2
    assert 100 - (reservation - total / 2) == pytest.approx(bid_distance)
    assert reservation + total / 2 - 100 == pytest.approx(ask_distance)


def test_a_hundred_contracts_of_a_fast_market_skew_by_the_figure_of_the_reference() -> None:
    """sigma 1.5 cents per sqrt(s), gamma 0.01: 0.88 cents, where equation 29 with 900 s says 20."""
    terms = coefficients(0.01, 116.0, 0.34, 10.0)
    reservation, _ = reservation_and_spread(0.5, 100, 0.015, 10.0, terms)
    assert (0.5 - reservation) * 100 == pytest.approx(0.88, abs=0.005)
    assert terms.c2 / (0.01 * 0.015) == pytest.approx(39, abs=0.5)  # seconds: the equivalent horizon


def test_with_hardly_any_aversion_the_half_spread_is_one_over_k() -> None:
    terms = coefficients(1e-12, 116.0, 0.34, 10.0)
    assert terms.c1 == pytest.approx(1 / 116)
    assert terms.c2 == pytest.approx(math.sqrt(1e-12 * math.e / (2 * 0.34 * 10 * 116)), rel=1e-6)


# In the frame.


def test_a_flat_book_is_quoted_around_the_middle_improving_by_one_step() -> None:
    decision = decide()
    assert decision.bid is not None
    assert decision.ask is not None
    assert (decision.bid.price_e4, decision.ask.price_e4) == (4_900, 5_100)
    assert (decision.bid.count_e2, decision.ask.count_e2) == (1_000, 1_000)
    assert decision.reasons == ()
    assert decision.total_spread == pytest.approx(2 / 116, rel=0.01)


def test_the_skew_does_not_depend_on_the_time_left_while_there_is_time_to_trade_out() -> None:
    held = [decide(position_e2=5_000, seconds_to_close=left).reservation for left in (7_200.0, 86_400.0, math.inf)]
    assert held[0] == held[1] == held[2]
    terms = coefficients(0.01, 116.0, 0.34, 10.0)
    assert held[0] == pytest.approx(0.5 - 50 * 0.001 * terms.c2)


def test_larger_orders_skew_less() -> None:
    small, large = decide(position_e2=5_000, order_size_e2=100), decide(position_e2=5_000, order_size_e2=2_000)
    assert small.reservation is not None
    assert large.reservation is not None
    assert small.reservation < large.reservation < 0.5


def test_only_the_side_that_adds_is_widened() -> None:
    still = attrs.evolve(CALM, sigma_dollars_per_sqrt_s=0.0, position_e2=CountE2(8_000))
    wide = attrs.evolve(PARAMETERS, asymmetric_widening=4.0)
    plain, widened = quote(still, PARAMETERS, TAPERED_GRID), quote(still, wide, TAPERED_GRID)
    assert plain.ask == widened.ask
    assert plain.bid is not None
    assert widened.bid is not None
    assert widened.bid.price_e4 < plain.bid.price_e4


def test_where_nothing_can_be_traded_out_the_settlement_skew_rules_from_an_hour_before_the_close() -> None:
    dead = attrs.evolve(PARAMETERS, fills_per_s=1e-9)
    held = attrs.evolve(CALM, position_e2=CountE2(5_000), seconds_to_close=3_600.0)
    assert quote(held, dead, CENT_GRID).reservation == pytest.approx(settlement_reservation(0.5, 50, 0.002))


def test_a_volatility_that_a_binary_cannot_have_is_capped_with_a_reason() -> None:
    decision = decide(sigma_dollars_per_sqrt_s=1.0)
    assert decision.sigma == pytest.approx(math.sqrt(0.25 / 3_600))
    assert "volatility capped at what the contract has left" in decision.reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"best_bid": None}, "the book is one-sided or empty"),
        ({"best_bid": level(3_600)}, "the spread of 16 cents is a shock"),
        ({"sigma_dollars_per_sqrt_s": math.nan}, "the volatility is not known"),
        ({"seconds_to_close": 180.0}, "the market closes within 180 s"),
    ],
)
def test_nothing_is_quoted_on_what_is_not_trusted(changes: dict[str, object], reason: str) -> None:
    assert decide(**changes) == QuoteDecision.nothing(reason)


@pytest.mark.parametrize("field", ["gamma_per_dollar", "k_per_dollar", "fills_per_s", "horizon_cap_s"])
def test_a_parameter_that_must_be_positive_is_refused_otherwise(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        attrs.evolve(PARAMETERS, **{field: 0.0})  # type: ignore[arg-type]
