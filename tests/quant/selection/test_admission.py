"""A market is admitted only alive, traded from both sides, and with time left; the boundaries themselves pass."""

from __future__ import annotations

import math

import attrs
import pytest

from quant.selection.admission import AdmissionFacts, AdmissionParameters, admission_refusals
from tests.quant.builders import level

PARAMETERS = AdmissionParameters()
ALIVE = AdmissionFacts(
    bids=(level(4_800),),
    asks=(level(5_200),),
    taker_buys=5,
    taker_sells=5,
    seconds_to_close=86_400.0,
    last_trade_age_s=10.0,
    last_change_age_s=1.0,
)


def refused(**changes: object) -> tuple[str, ...]:
    return admission_refusals(attrs.evolve(ALIVE, **changes), PARAMETERS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"taker_buys": 1, "taker_sells": 0}, "too few trades"),
        ({"taker_buys": 2, "taker_sells": 0}, "flow is one-sided"),
        ({"taker_buys": 1, "taker_sells": 10}, "flow is one-sided"),
        ({"bids": ()}, "the book is one-sided or empty"),
        ({"asks": ()}, "the book is one-sided or empty"),
        ({"asks": (level(4_800),)}, "the book is crossed or locked"),
        ({"last_trade_age_s": 1_800.1}, "no trade for more than 1800 s"),
        ({"last_change_age_s": 600.1}, "the book is dead: no change for more than 600 s"),
        ({"seconds_to_close": 599.9}, "about to expire"),
        ({"seconds_to_close": math.nan}, "about to expire"),
        ({"seconds_to_close": 60 * 86_400.1}, "expires too late"),
        ({"seconds_to_close": math.inf}, "expires too late"),
    ],
)
def test_a_market_that_fails_a_check_is_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    assert refused(**changes) == (reason,)


@pytest.mark.parametrize(
    "changes",
    [
        {"taker_buys": 1, "taker_sells": 1},
        {"taker_buys": 1, "taker_sells": 9},
        {"last_trade_age_s": 1_800.0, "last_change_age_s": 600.0},
        {"last_trade_age_s": None, "last_change_age_s": None},
        {"seconds_to_close": 600.0},
        {"seconds_to_close": 60 * 86_400.0},
    ],
)
def test_at_the_boundary_itself_a_market_passes(changes: dict[str, object]) -> None:
    assert refused(**changes) == ()


def test_every_failed_check_is_named() -> None:
    assert len(refused(taker_buys=0, taker_sells=0, bids=(), last_change_age_s=601.0, seconds_to_close=0.0)) == 4


@pytest.mark.parametrize(("levels_min", "is_refused"), [(1, False), (2, True)])
def test_each_side_must_have_its_least_number_of_levels(levels_min: int, is_refused: bool) -> None:
    facts = attrs.evolve(ALIVE, asks=(level(5_200), level(5_300)))
    reasons = admission_refusals(facts, attrs.evolve(PARAMETERS, levels_min=levels_min))
    assert reasons == ((f"a side of the book has fewer than {levels_min} levels",) if is_refused else ())


def test_without_a_least_number_of_trades_a_quiet_market_passes() -> None:
    quiet = attrs.evolve(ALIVE, taker_buys=0, taker_sells=0)
    assert admission_refusals(quiet, attrs.evolve(PARAMETERS, trades_min=0)) == ()


@pytest.mark.parametrize(("sells", "is_refused"), [(18, False), (19, True)])
def test_sides_are_judged_from_the_number_of_trades_that_can_tell(sells: int, is_refused: bool) -> None:
    facts = attrs.evolve(ALIVE, taker_buys=1, taker_sells=sells)
    reasons = admission_refusals(facts, attrs.evolve(PARAMETERS, sides_judged_from=20))
    assert reasons == (("flow is one-sided",) if is_refused else ())


def test_what_is_not_known_refuses_nothing() -> None:
    assert admission_refusals(AdmissionFacts(seconds_to_close=86_400.0), PARAMETERS) == ()


@pytest.mark.parametrize(("step_s", "is_refused"), [(0.0, False), (0.1, True)])
def test_whoever_asks_for_it_may_quote_a_year_ahead(step_s: float, is_refused: bool) -> None:
    facts = attrs.evolve(ALIVE, seconds_to_close=366 * 86_400.0 + step_s)
    reasons = admission_refusals(facts, attrs.evolve(PARAMETERS, time_to_close_max_s=366 * 86_400.0))
    assert reasons == (("expires too late",) if is_refused else ())
