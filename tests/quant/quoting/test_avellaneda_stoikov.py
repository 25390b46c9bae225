"""A quote never crosses, passes no limit, leans against the inventory, and says why a side is missing."""

from __future__ import annotations

import math

import attrs
import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level
from quant.quoting.avellaneda_stoikov import (
    AvellanedaStoikovParameters,
    InventoryAversion,
    QuoteDecision,
    QuoteTarget,
    quote,
    reservation_and_spread,
)
from tests.quant.builders import CALM, CENT_GRID, TAPERED_GRID, level

PARAMETERS = AvellanedaStoikovParameters()


def decide(**changes: object) -> QuoteDecision:
    return quote(attrs.evolve(CALM, **changes), PARAMETERS, CENT_GRID)  # type: ignore[arg-type]


def target(price_e4: int, count_e2: int) -> QuoteTarget:
    return QuoteTarget(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


# The equations.


def test_the_half_spread_is_half_of_equation_30_and_not_halved_again() -> None:
    gamma, sigma, k, left = 0.1, 2.0, 1.5, 0.5
    reservation, total = reservation_and_spread(100, 3, gamma, sigma, k, left)
    assert reservation == pytest.approx(100 - 3 * gamma * sigma**2 * left)
    assert total / 2 == pytest.approx(gamma * sigma**2 * left / 2 + math.log(1 + gamma / k) / gamma)


def test_a_flat_book_is_quoted_around_the_middle_improving_by_one_step() -> None:
    decision = decide()
    assert (decision.bid, decision.ask) == (target(4_900, 1_000), target(5_100, 1_000))
    assert decision.reasons == ()
    assert decision.fair_value == pytest.approx(0.5)
    assert decision.total_spread == pytest.approx(2 / 116, rel=0.01)


def test_a_long_position_lowers_the_reservation_price_and_a_short_one_raises_it() -> None:
    long, short = decide(position_e2=5_000), decide(position_e2=-5_000)
    assert long.reservation is not None
    assert short.reservation is not None
    assert long.reservation < 0.5 < short.reservation
    assert long.bid is not None
    assert short.ask is not None
    assert long.bid.price_e4 < 4_900
    assert short.ask.price_e4 > 5_100


def test_only_the_side_that_adds_is_widened() -> None:
    still = attrs.evolve(CALM, sigma_dollars_per_sqrt_s=0.0, position_e2=CountE2(8_000))
    wide = attrs.evolve(PARAMETERS, asymmetric_widening=4.0)
    plain, widened = quote(still, PARAMETERS, TAPERED_GRID), quote(still, wide, TAPERED_GRID)
    assert plain.ask == widened.ask
    assert plain.bid is not None
    assert widened.bid is not None
    assert widened.bid.price_e4 < plain.bid.price_e4


def test_the_horizon_is_the_time_to_close_up_to_its_cap() -> None:
    assert decide().horizon_s == 3_600
    assert decide(seconds_to_close=900.0).horizon_s == 900
    assert decide(seconds_to_close=math.inf).horizon_s == 3_600


def test_a_volatility_that_a_binary_cannot_have_is_capped_with_a_reason() -> None:
    decision = decide(sigma_dollars_per_sqrt_s=1.0)
    assert decision.sigma == pytest.approx(math.sqrt(0.25 / 3_600))
    assert "volatility capped at what the contract has left" in decision.reasons


@pytest.mark.parametrize(
    ("form", "factor"),
    [
        (InventoryAversion.CONSTANT, 1.0),
        (InventoryAversion.RISING, 2.0),
        (InventoryAversion.DOCUMENTS, math.exp(-0.5)),
    ],
)
def test_risk_aversion_depends_on_the_inventory_in_the_chosen_form(form: InventoryAversion, factor: float) -> None:
    held = attrs.evolve(CALM, position_e2=CountE2(5_000))
    decision = quote(held, attrs.evolve(PARAMETERS, inventory_aversion=form), CENT_GRID)
    assert decision.reservation is not None
    assert 0.5 - decision.reservation == pytest.approx(50 * 0.01 * factor * 0.001**2 * 3_600)


def test_the_total_spread_stays_within_its_bounds() -> None:
    wide = attrs.evolve(PARAMETERS, k_per_dollar=1.0)
    assert quote(CALM, wide, CENT_GRID).total_spread == pytest.approx(0.10)
    tight = attrs.evolve(PARAMETERS, k_per_dollar=100_000.0)
    assert quote(CALM, tight, CENT_GRID).total_spread == pytest.approx(0.01)


def test_fees_of_both_sides_are_added_to_the_least_spread_unless_switched_off() -> None:
    tight = attrs.evolve(PARAMETERS, k_per_dollar=100_000.0)
    charged = attrs.evolve(CALM, maker_fee_per_contract=0.0044)
    assert quote(charged, tight, CENT_GRID).total_spread == pytest.approx(0.0188)
    free = attrs.evolve(tight, is_fee_floor=False)
    assert quote(charged, free, CENT_GRID).total_spread == pytest.approx(0.01)


@pytest.mark.parametrize("field", ["gamma_per_dollar", "k_per_dollar", "horizon_cap_s", "min_total_spread"])
def test_a_parameter_that_must_be_positive_is_refused_otherwise(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        attrs.evolve(PARAMETERS, **{field: 0.0})  # type: ignore[arg-type]


# When nothing is quoted.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"best_bid": None}, "the book is one-sided or empty"),
        ({"best_ask": None}, "the book is one-sided or empty"),
        ({"best_bid": level(5_200)}, "the book is crossed or locked"),
        ({"best_bid": level(3_600)}, "the spread of 16 cents is a shock"),
        ({"sigma_dollars_per_sqrt_s": math.nan}, "the volatility is not known"),
        ({"sigma_dollars_per_sqrt_s": -1.0}, "the volatility is not known"),
        ({"seconds_to_close": 180.0}, "the market closes within 180 s"),
        ({"seconds_to_close": math.nan}, "the market closes within 180 s"),
    ],
)
def test_nothing_is_quoted_on_what_is_not_trusted(changes: dict[str, object], reason: str) -> None:
    assert decide(**changes) == QuoteDecision.nothing(reason)


# Limits.


def test_the_adding_side_shrinks_to_the_room_less_the_buffer_and_then_ends() -> None:
    near = decide(position_e2=9_000)
    assert near.bid is not None
    assert near.bid.count_e2 == 500
    assert "bid: size cut to the room left" in near.reasons
    full = decide(position_e2=9_500)
    assert full.bid is None
    assert "bid: no room within the position limit" in full.reasons
    assert full.ask is not None
    assert full.ask.count_e2 == 1_000


def test_without_any_limit_left_a_position_is_still_worked_off() -> None:
    decision = decide(position_e2=300, max_position_e2=0)
    assert decision.bid is None
    assert decision.ask is not None
    assert decision.ask.count_e2 == 300


def test_the_limits_of_risk_hold_where_they_are_tighter() -> None:
    decision = decide(max_long_e2=CountE2(400), max_short_e2=CountE2(0))
    assert decision.bid is not None
    assert decision.bid.count_e2 == 300
    assert decision.ask is None


def test_a_side_that_risk_forbids_is_not_quoted() -> None:
    decision = decide(bid_allowed=False, ask_allowed=False)
    assert (decision.bid, decision.ask) == (None, None)
    assert decision.reasons == ("bid: not allowed by risk", "ask: not allowed by risk")


def test_in_the_soft_band_the_limit_is_cut_and_both_sides_stay() -> None:
    decision = decide(best_bid=level(900), best_ask=level(1_200), position_e2=2_500)
    assert decision.bid is not None
    assert decision.bid.count_e2 == 300  # 30 % of 100 contracts, less a twentieth, less the 25 held
    assert decision.ask is not None
    assert "price band soft low" in decision.reasons


@pytest.mark.parametrize(
    ("best_bid", "best_ask", "missing"),
    [(level(200), level(400), "ask"), (level(9_600), level(9_800), "bid")],
)
def test_in_the_hard_band_only_the_side_that_holds_the_cheap_contract_may_add(
    best_bid: Level, best_ask: Level, missing: str
) -> None:
    flat = decide(best_bid=best_bid, best_ask=best_ask)
    assert [side for side in ("bid", "ask") if getattr(flat, side) is None] == [missing]
    against = 500 if missing == "ask" else -500
    held = decide(best_bid=best_bid, best_ask=best_ask, position_e2=against)
    assert getattr(held, missing).count_e2 == 500


def test_where_the_grid_has_no_price_for_a_side_it_says_so() -> None:
    decision = decide(best_bid=level(100), best_ask=level(200))
    assert decision.bid is None
    assert "bid: no valid price on the grid inside the touch" in decision.reasons


def test_far_beyond_its_limit_a_position_counts_as_at_the_limit() -> None:
    """The documents' exponential would end at an aversion of zero, which no spread can be computed from."""
    documents = attrs.evolve(PARAMETERS, inventory_aversion=InventoryAversion.DOCUMENTS)
    held = attrs.evolve(CALM, position_e2=CountE2(100_000), max_position_e2=CountE2(1))
    decision = quote(held, documents, CENT_GRID)
    assert decision.reservation is not None
    assert 0.5 - decision.reservation == pytest.approx(1_000 * 0.01 / math.e * 0.001**2 * 3_600)
