"""C6: the rules of an event over the evidence of one moment, each at its boundary."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from quant.selection.volatility_events import (
    DOES_NOT_MOVE,
    DOES_NOT_RETURN,
    FAR_FROM_MEAN,
    FELL,
    INACTIVE,
    UNSEEN,
    EventParameters,
    Evidence,
    direction,
    ending,
    refusals,
    strength,
    why,
)
from quant.selection.volatility_tracking import TrackingParameters
from quant.signals.regime import Regime, RegimeReason, Verdict

TRACKING = TrackingParameters()
PARAMETERS = EventParameters()
SWINGING = Evidence(
    mids=300,
    category_is_excluded=False,
    is_active=True,
    to_close_s=3_600.0,
    is_two_sided=True,
    levels=3,
    spread_e4=200,
    last_trade_age_s=5.0,
    volume_24h_e2=5_000_000,
    regime=Verdict(regime=Regime.MEAN_REVERTING, reason=RegimeReason.RETURNS_TO_MEAN),
    move_e4=1_500.0,
    net_move_e4=0.0,
    sigma_per_minute=0.03,
    returns_to_mean=True,
    from_mean_e4=200.0,
    unseen_s=0.5,
)


def evidence(**changes: Any) -> Evidence:
    return attrs.evolve(SWINGING, **changes)


def refused(**changes: Any) -> tuple[str, ...]:
    return refusals(evidence(**changes), TRACKING, PARAMETERS)


def in_regime(regime: Regime) -> Verdict:
    return Verdict(regime=regime, reason=RegimeReason.NO_EVIDENCE)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mids": 2}, "warming up"),
        ({"category_is_excluded": True}, "category is excluded"),
        ({"is_active": False}, INACTIVE),
        ({"unseen_s": 60.1}, UNSEEN),
        ({"volume_24h_e2": 499_999}, "volume of 24 hours is too low"),
        ({"last_trade_age_s": 1_800.1}, "no trade for too long"),
        ({"to_close_s": 86_400.1}, "closes too late"),
        ({"to_close_s": 479.9}, "closes too soon"),
        ({"is_two_sided": False, "levels": 0}, "the book is one-sided, empty or crossed"),
        ({"levels": 0}, "the book has too few levels"),
        ({"spread_e4": 1_001}, "spread is too wide"),
        ({"move_e4": 1_199.9, "sigma_per_minute": 0.0199}, DOES_NOT_MOVE),
        ({"move_e4": -1_199.9, "sigma_per_minute": 0.0}, DOES_NOT_MOVE),
        ({"returns_to_mean": False}, DOES_NOT_RETURN),
        ({"from_mean_e4": 600.1}, FAR_FROM_MEAN),
        ({"from_mean_e4": -600.1}, FAR_FROM_MEAN),
    ],
)
def test_each_rule_refuses_past_its_boundary(changes: dict[str, Any], reason: str) -> None:
    assert refused(**changes) == (reason,)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mids": 3},
        {"unseen_s": 60.0},
        {"volume_24h_e2": 500_000},
        {"last_trade_age_s": 1_800.0},
        {"to_close_s": 86_400.0},
        {"to_close_s": 480.0},
        {"levels": 1},
        {"spread_e4": 1_000},
        {"move_e4": 1_200.0, "sigma_per_minute": 0.0},
        {"move_e4": -1_200.0, "sigma_per_minute": 0.0},
        {"move_e4": 0.0, "sigma_per_minute": 0.02},
        {"from_mean_e4": 600.0},
        {"from_mean_e4": -600.0},
        {"regime": in_regime(Regime.QUIET)},
    ],
)
def test_the_boundary_itself_triggers(changes: dict[str, Any]) -> None:
    assert refused(**changes) == ()


@pytest.mark.parametrize("regime", [Regime.TRENDING, Regime.CHAOTIC, Regime.NOISE, Regime.UNKNOWN])
def test_no_event_begins_in_the_other_regimes(regime: Regime) -> None:
    assert refused(regime=in_regime(regime)) == (f"regime is {regime}: no_evidence",)


def test_a_jump_and_sigma_both_need_that_the_price_comes_back() -> None:
    """The documents: else injuries and touchdowns would trigger."""
    for moving in ({"sigma_per_minute": 0.0}, {"move_e4": 0.0}, {}):
        assert refused(**moving, returns_to_mean=False) == (DOES_NOT_RETURN,)
        assert refused(**moving, from_mean_e4=700.0) == (FAR_FROM_MEAN,)


def test_every_broken_rule_is_named() -> None:
    assert refused(levels=0, spread_e4=2_000, returns_to_mean=False, from_mean_e4=900.0) == (
        "the book has too few levels",
        "spread is too wide",
        DOES_NOT_RETURN,
        FAR_FROM_MEAN,
    )


def test_strength_is_half_jump_and_half_sigma_and_full_at_twice_the_thresholds() -> None:
    """The documents' formula."""
    assert strength(evidence(move_e4=1_200.0, sigma_per_minute=0.02), PARAMETERS) == pytest.approx(0.5)
    assert strength(evidence(move_e4=-2_400.0, sigma_per_minute=0.04), PARAMETERS) == pytest.approx(1.0)
    assert strength(evidence(move_e4=9_000.0, sigma_per_minute=0.0), PARAMETERS) == pytest.approx(0.5)
    assert strength(evidence(move_e4=600.0, sigma_per_minute=0.01), PARAMETERS) == pytest.approx(0.25)


def test_a_net_move_of_more_than_five_cents_has_a_direction() -> None:
    signs = [direction(evidence(net_move_e4=net), PARAMETERS) for net in (-501, -500, 0, 500, 501)]
    assert signs == [-1, 0, 0, 0, 1]


def test_an_event_says_what_speaks_for_it() -> None:
    assert why(SWINGING, PARAMETERS) == ("moved +15¢ within 300 s and sigma is 3.0¢ per root minute, and comes back")
    assert why(evidence(sigma_per_minute=0.0), PARAMETERS) == "moved +15¢ within 300 s, and comes back"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"move_e4": 1_200.0, "sigma_per_minute": 0.0}, None),
        ({"move_e4": 0.0, "sigma_per_minute": 0.02}, None),
        ({"move_e4": 1_199.9, "sigma_per_minute": 0.0199}, FELL),
        ({"is_active": False}, INACTIVE),
        ({"unseen_s": 60.0}, None),
        ({"unseen_s": 60.1}, UNSEEN),
        # What keeps one from beginning does not end one: that is for the session's own rules.
        ({"returns_to_mean": False, "regime": in_regime(Regime.TRENDING), "spread_e4": 2_000}, None),
    ],
)
def test_an_event_ends_when_both_have_fallen_or_the_market_is_gone(changes: dict[str, Any], reason: str | None) -> None:
    assert ending(evidence(**changes), PARAMETERS) == reason
