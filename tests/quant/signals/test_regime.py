"""One verdict of one moment: the limits, their order, and what profiles change."""

from __future__ import annotations

import attrs
import pytest

from quant.signals.mean_reversion import DickeyFuller, WindowStatistics
from quant.signals.regime import (
    DEFAULT_OVERRIDES,
    Regime,
    RegimeEvidence,
    RegimeOverride,
    RegimeParameters,
    RegimeReason,
    classify,
    for_profile,
)

PARAMETERS = RegimeParameters()
WALK = WindowStatistics(
    changes=120, variance_ratio=1.0, dickey_fuller=DickeyFuller(t=-1.5, half_life_samples=20.0), drift=0.0
)
RETURNING = attrs.evolve(WALK, variance_ratio=0.3, dickey_fuller=DickeyFuller(t=-5.0, half_life_samples=2.0))
ACTIVE = RegimeEvidence(
    sigma=0.005, observed_s=900.0, has_jumped=False, spread_e4=100, depth_e2=20_000, statistics=WALK
)


def verdict(evidence: RegimeEvidence, parameters: RegimeParameters = PARAMETERS) -> tuple[Regime, RegimeReason]:
    found = classify(evidence, parameters)
    return found.regime, found.reason


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (Regime.UNKNOWN, RegimeReason.NO_EVIDENCE)),
        ({"statistics": None}, (Regime.UNKNOWN, RegimeReason.NO_EVIDENCE)),
        ({"has_jumped": True}, (Regime.CHAOTIC, RegimeReason.JUMPED)),
        ({"depth_e2": 4_999}, (Regime.CHAOTIC, RegimeReason.THIN_BOOK)),
        ({"depth_e2": 5_000}, (Regime.UNKNOWN, RegimeReason.NO_EVIDENCE)),
        ({"spread_e4": 1_201}, (Regime.CHAOTIC, RegimeReason.SPREAD_TOO_WIDE)),
        ({"spread_e4": 1_200}, (Regime.NOISE, RegimeReason.SPREAD_WIDE)),
        ({"spread_e4": 700}, (Regime.NOISE, RegimeReason.SPREAD_WIDE)),
        ({"spread_e4": 699}, (Regime.UNKNOWN, RegimeReason.NO_EVIDENCE)),
        ({"observed_s": 299.0, "statistics": RETURNING}, (Regime.UNKNOWN, RegimeReason.WARMING_UP)),
        ({"statistics": RETURNING, "observed_s": 300.0}, (Regime.MEAN_REVERTING, RegimeReason.RETURNS_TO_MEAN)),
        ({"statistics": attrs.evolve(WALK, drift=0.221)}, (Regime.TRENDING, RegimeReason.DRIFT)),
        ({"statistics": attrs.evolve(WALK, drift=-0.221)}, (Regime.TRENDING, RegimeReason.DRIFT)),
        ({"statistics": attrs.evolve(WALK, drift=0.219)}, (Regime.UNKNOWN, RegimeReason.NO_EVIDENCE)),
        ({"statistics": attrs.evolve(WALK, variance_ratio=1.71)}, (Regime.TRENDING, RegimeReason.MOMENTUM)),
        ({"statistics": attrs.evolve(WALK, variance_ratio=1.69)}, (Regime.UNKNOWN, RegimeReason.NO_EVIDENCE)),
        ({"order_flow_z": -2.1}, (Regime.TRENDING, RegimeReason.ORDER_FLOW)),
        ({"order_flow_z": 2.0}, (Regime.UNKNOWN, RegimeReason.NO_EVIDENCE)),
        ({"sigma": 0.00129}, (Regime.QUIET, RegimeReason.LOW_VOLATILITY)),
        ({"sigma": 0.00130}, (Regime.UNKNOWN, RegimeReason.NO_EVIDENCE)),
        ({"sigma": 0.001, "statistics": attrs.evolve(WALK, drift=0.3)}, (Regime.TRENDING, RegimeReason.DRIFT)),
        ({"has_jumped": True, "spread_e4": 800, "observed_s": 0.0}, (Regime.CHAOTIC, RegimeReason.JUMPED)),
    ],
)
def test_the_limits(change: dict[str, object], expected: tuple[Regime, RegimeReason]) -> None:
    assert verdict(attrs.evolve(ACTIVE, **change)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "weaker",
    [
        attrs.evolve(RETURNING, variance_ratio=0.48),
        attrs.evolve(RETURNING, dickey_fuller=DickeyFuller(t=-2.85, half_life_samples=2.0)),
        attrs.evolve(RETURNING, dickey_fuller=DickeyFuller(t=-5.0, half_life_samples=12.0)),
    ],
)
def test_a_return_to_the_mean_needs_all_three_tests(weaker: WindowStatistics) -> None:
    assert verdict(attrs.evolve(ACTIVE, statistics=RETURNING))[0] is Regime.MEAN_REVERTING
    assert verdict(attrs.evolve(ACTIVE, statistics=weaker))[0] is Regime.UNKNOWN


def test_profiles_override_single_limits() -> None:
    drifting = attrs.evolve(ACTIVE, statistics=attrs.evolve(WALK, drift=0.21))
    assert verdict(drifting)[0] is Regime.UNKNOWN
    assert verdict(drifting, for_profile(PARAMETERS, "mean_reverting"))[0] is Regime.TRENDING
    strong = attrs.evolve(ACTIVE, statistics=attrs.evolve(WALK, drift=0.25))
    assert verdict(strong)[0] is Regime.TRENDING
    assert verdict(strong, for_profile(PARAMETERS, "medium_trending"))[0] is Regime.UNKNOWN


def test_a_profile_without_overrides_has_the_general_limits() -> None:
    assert for_profile(PARAMETERS, "hard_trending") is PARAMETERS
    other = for_profile(PARAMETERS, "thin", {**DEFAULT_OVERRIDES, "thin": RegimeOverride(depth_min_e2=0)})
    assert (other.depth_min_e2, other.drift_threshold) == (0, PARAMETERS.drift_threshold)
