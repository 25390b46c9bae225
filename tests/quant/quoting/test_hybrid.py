"""A fixed spread that leans against the inventory, and two brakes that only let a position be worked off."""

from __future__ import annotations

import math

import attrs
import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.quoting.decision import QuoteDecision
from quant.quoting.holding import Holding, contract_minutes, filled, marked
from quant.quoting.hybrid import Brake, HybridParameters, quote
from tests.quant.builders import CALM, CENT_GRID, TAPERED_GRID, level, prices

PARAMETERS = HybridParameters()
# Six cents wide around 50, so that joining, improving and standing at the opposite touch are three prices.
BOOK = attrs.evolve(
    CALM,
    best_bid=level(4_700),
    best_ask=level(5_300),
    sigma_dollars_per_sqrt_s=math.nan,  # not asked
)


def decide(**changes: object) -> QuoteDecision:
    return quote(attrs.evolve(BOOK, **changes), PARAMETERS, CENT_GRID)  # type: ignore[arg-type]


def test_flat_it_quotes_the_base_spread_around_fair_value_without_a_volatility() -> None:
    tight = {"best_bid": level(4_990), "best_ask": level(5_010)}
    decision = quote(attrs.evolve(BOOK, **tight), PARAMETERS, TAPERED_GRID)  # type: ignore[arg-type]
    assert decision.total_spread == pytest.approx(0.01)
    assert decision.reservation == pytest.approx(0.5)
    assert decision.reasons == ()


@pytest.mark.parametrize(("held", "skew"), [(10_000, 0.02), (5_000, 0.01), (-2_500, -0.005), (20_000, 0.02)])
def test_the_skew_is_in_proportion_to_the_position_and_ends_at_its_limit(held: int, skew: float) -> None:
    reservation = decide(position_e2=held).reservation
    assert reservation is not None
    assert 0.5 - reservation == pytest.approx(skew)


def test_fees_of_both_sides_are_added_to_the_least_spread() -> None:
    assert decide(maker_fee_per_contract=0.0044).total_spread == pytest.approx(0.0188)


# The duration-weighted limit.


@pytest.mark.parametrize(("minutes", "is_held_back"), [(499.9, False), (500.0, True), (math.nan, True)])
def test_from_the_duration_limit_on_the_adding_side_is_not_quoted(minutes: float, is_held_back: bool) -> None:
    decision = decide(position_e2=1_000, held_contract_min=minutes)
    assert (decision.bid is None) is is_held_back
    assert (Brake.DURATION.value in decision.reasons) is is_held_back
    assert decision.ask is not None


def test_inventory_held_too_long_is_offered_first_in_the_queue() -> None:
    assert prices(decide(position_e2=1_000, held_contract_min=500.0)) == (None, 5_200)
    assert prices(decide(position_e2=-1_000, held_contract_min=500.0)) == (4_800, None)


# The failsafe.


@pytest.mark.parametrize(("excursion", "is_held_back"), [(0.0799, False), (0.08, True), (math.nan, True)])
def test_from_the_failsafe_on_the_adding_side_is_not_quoted(excursion: float, is_held_back: bool) -> None:
    decision = decide(position_e2=1_000, adverse_excursion=excursion)
    assert (decision.bid is None) is is_held_back
    assert (Brake.EXCURSION.value in decision.reasons) is is_held_back
    assert decision.ask is not None


def test_a_position_that_went_too_far_stands_at_the_opposite_touch_without_crossing_it() -> None:
    assert prices(decide(position_e2=1_000, adverse_excursion=0.08)) == (None, 4_800)
    assert prices(decide(position_e2=-1_000, adverse_excursion=0.08)) == (5_200, None)


def test_the_failsafe_rules_over_the_duration_limit() -> None:
    decision = decide(position_e2=1_000, adverse_excursion=0.08, held_contract_min=500.0)
    assert decision.reasons[0] == Brake.EXCURSION


def test_no_brake_works_off_more_than_is_held_or_allowed() -> None:
    for held in (300, -300):
        decision = decide(position_e2=held, adverse_excursion=0.08)
        (left,) = [target for target in (decision.bid, decision.ask) if target is not None]
        assert left.count_e2 == 300
    assert decide(position_e2=300, adverse_excursion=0.08, ask_allowed=False).ask is None


def test_flat_no_brake_holds() -> None:
    assert None not in prices(decide(held_contract_min=1e9, adverse_excursion=1.0))


@pytest.mark.parametrize("changes", [{"held_contract_min": 500.0}, {"adverse_excursion": 0.08}])
def test_a_brake_quotes_nothing_on_what_is_not_trusted(changes: dict[str, float]) -> None:
    decision = decide(position_e2=1_000, best_bid=level(3_000), **changes)
    assert decision == QuoteDecision.nothing("the spread of 23 cents is a shock")


def test_an_episode_runs_into_both_brakes_and_leaves_them_flat() -> None:
    """Ten contracts are bought, stay for an hour, fall by nine cents, recover, and are sold."""

    def brakes(holding: Holding, now_s: float) -> tuple[str, ...]:
        return decide(
            position_e2=holding.position_e2,
            held_contract_min=contract_minutes(holding, now_s),
            adverse_excursion=holding.adverse_excursion,
        ).reasons[:1]

    holding = filled(Holding(), Side.BID, CountE2(1_000), 0.0)
    assert brakes(holding, 2_999.0) == ()
    assert brakes(holding, 3_000.0) == (Brake.DURATION,)
    holding = marked(holding, PriceE4(5_000), PriceE4(4_100))
    holding = marked(holding, PriceE4(5_000), PriceE4(5_100))
    assert brakes(holding, 3_600.0) == (Brake.EXCURSION,)
    assert brakes(filled(holding, Side.ASK, CountE2(1_000), 3_700.0), 3_700.0) == ()


@pytest.mark.parametrize("field", ["base_spread", "duration_limit_contract_min", "mae_failsafe"])
def test_a_parameter_that_must_be_positive_is_refused_otherwise(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        attrs.evolve(PARAMETERS, **{field: 0.0})  # type: ignore[arg-type]
