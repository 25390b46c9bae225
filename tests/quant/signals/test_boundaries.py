"""Just below, at and just above each limit of the regimes, the mean-reversion tests and the fair value's guards."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from quant.signals.fair_value import FairValueParameters, fair_value
from quant.signals.markouts import HorizonState, Judged, MarkoutParameters, MarkoutState, wrong_share
from quant.signals.mean_reversion import (
    DickeyFuller,
    MeanReversionParameters,
    WindowStatistics,
    is_mean_reverting,
)
from quant.signals.regime import Regime, RegimeEvidence, RegimeParameters, Verdict, classify, for_profile
from quant.signals.regime_stability import StabilityParameters, StabilityState, add, current
from tests.quant.builders import level
from tests.quant.signals.test_regime import ACTIVE, PARAMETERS, RETURNING, WALK
from tests.quant.signals.test_regime_stability import QUIET

NOTHING, QUIET_ = Regime.UNKNOWN, Regime.QUIET


def regime_of(evidence: RegimeEvidence, parameters: RegimeParameters = PARAMETERS) -> Regime:
    return classify(evidence, parameters).regime


@pytest.mark.parametrize(
    ("field", "values", "regimes"),
    [
        ("depth_e2", (4_999, 5_000, 5_001), (Regime.CHAOTIC, NOTHING, NOTHING)),
        ("spread_e4", (699, 700, 701), (NOTHING, Regime.NOISE, Regime.NOISE)),
        ("spread_e4", (1_199, 1_200, 1_201), (Regime.NOISE, Regime.NOISE, Regime.CHAOTIC)),
        ("order_flow_z", (1.999, 2.0, 2.001), (NOTHING, NOTHING, Regime.TRENDING)),
        ("order_flow_z", (-1.999, -2.0, -2.001), (NOTHING, NOTHING, Regime.TRENDING)),
    ],
)
def test_a_limit_of_the_book_and_the_flow(field: str, values: tuple[Any, ...], regimes: tuple[Regime, ...]) -> None:
    assert tuple(regime_of(attrs.evolve(ACTIVE, **{field: value})) for value in values) == regimes


@pytest.mark.parametrize(
    ("field", "values", "regimes"),
    [
        ("drift", (0.2199, 0.22, 0.2201), (NOTHING, NOTHING, Regime.TRENDING)),
        ("drift", (-0.2199, -0.22, -0.2201), (NOTHING, NOTHING, Regime.TRENDING)),
        ("variance_ratio", (1.699, 1.7, 1.701), (NOTHING, NOTHING, Regime.TRENDING)),
    ],
)
def test_a_limit_of_the_window(field: str, values: tuple[float, ...], regimes: tuple[Regime, ...]) -> None:
    windows = [attrs.evolve(WALK, **{field: value}) for value in values]  # type: ignore[arg-type]
    assert tuple(regime_of(attrs.evolve(ACTIVE, statistics=window)) for window in windows) == regimes


@pytest.mark.parametrize(("per_minute", "regime"), [(0.00999, QUIET_), (0.01, NOTHING), (0.01001, NOTHING)])
def test_less_than_a_cent_in_a_minute_is_quiet(per_minute: float, regime: Regime) -> None:
    sigma = math.nextafter(per_minute / math.sqrt(60), 1.0)  # "at" must not fall below by rounding
    assert regime_of(attrs.evolve(ACTIVE, sigma=sigma)) is regime


@pytest.mark.parametrize(("observed_s", "regime"), [(299.9, NOTHING), (300.0, QUIET_), (300.1, QUIET_)])
def test_five_minutes_are_seen_before_anything_is_said(observed_s: float, regime: Regime) -> None:
    assert regime_of(attrs.evolve(ACTIVE, sigma=0.0, observed_s=observed_s)) is regime


@pytest.mark.parametrize(("profile", "limit"), [("mean_reverting", 0.205), ("medium_trending", 0.275), ("other", 0.22)])
def test_a_profile_has_its_own_drift(profile: str, limit: float) -> None:
    parameters = for_profile(PARAMETERS, profile)
    windows = [attrs.evolve(WALK, drift=limit + step) for step in (-0.0001, 0.0, 0.0001)]
    found = [regime_of(attrs.evolve(ACTIVE, statistics=window), parameters) for window in windows]
    assert found == [NOTHING, NOTHING, Regime.TRENDING]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("variance_ratio", (0.4699, 0.47, 0.4701)),
        ("t", (-2.861, -2.86, -2.859)),
        ("half_life_samples", (11.99, 12.0, 12.01)),
    ],
)
def test_a_return_to_the_mean_is_seen_below_each_limit_and_not_at_it(field: str, values: tuple[float, ...]) -> None:
    def changed(value: float) -> WindowStatistics:
        if field == "variance_ratio":
            return attrs.evolve(RETURNING, variance_ratio=value)
        changes: dict[str, float] = {"t": -5.0, "half_life_samples": 2.0, field: value}
        return attrs.evolve(RETURNING, dickey_fuller=DickeyFuller(**changes))

    assert [is_mean_reverting(changed(value), MeanReversionParameters()) for value in values] == [True, False, False]


@pytest.mark.parametrize(("verdicts", "holds"), [(2, False), (3, True), (4, True)])
def test_three_verdicts_in_a_row_hold(verdicts: int, holds: bool) -> None:
    state = StabilityState()
    for number in range(verdicts):
        state = add(state, float(number), QUIET, StabilityParameters())
    assert (state.held == QUIET) is holds


@pytest.mark.parametrize(("age_s", "is_stale"), [(3.999, False), (4.0, False), (4.001, True)])
def test_a_regime_is_stale_past_four_seconds(age_s: float, is_stale: bool) -> None:
    state = StabilityState(held=Verdict(regime=QUIET.regime, reason=QUIET.reason), alive_at_s=0.0)
    assert (current(state, age_s, StabilityParameters()).regime is Regime.UNKNOWN) is is_stale


@pytest.mark.parametrize(("spread_e4", "is_mid"), [(200, False), (300, False), (400, True)])
def test_the_sizes_at_the_touch_count_in_books_up_to_three_cents(spread_e4: int, is_mid: bool) -> None:
    fair = fair_value(level(5_000, 3_000), level(5_000 + spread_e4, 1_000), FairValueParameters())
    assert (fair == pytest.approx(0.5 + spread_e4 / 20_000)) is is_mid


@pytest.mark.parametrize(("thinner_e2", "is_mid"), [(499, True), (500, False), (501, False)])
def test_five_contracts_are_an_opinion(thinner_e2: int, is_mid: bool) -> None:
    fair = fair_value(level(5_000, 2_000), level(5_100, thinner_e2), FairValueParameters())
    assert (fair == pytest.approx(0.505)) is is_mid


@pytest.mark.parametrize(("heavy_e2", "weight"), [(8_900, 0.89), (9_000, 0.9), (9_100, 0.9)])
def test_a_side_weighs_nine_tenths_at_most(heavy_e2: int, weight: float) -> None:
    fair = fair_value(level(5_000, heavy_e2), level(5_100, 10_000 - heavy_e2), FairValueParameters())
    assert fair == pytest.approx(0.5 + 0.01 * weight)


@pytest.mark.parametrize(("fills", "is_said"), [(4, False), (5, True), (6, True)])
def test_five_fills_say_which_share_was_wrong(fills: int, is_said: bool) -> None:
    state = MarkoutState(horizons=(HorizonState(),), judged=(Judged(time_s=0.0, is_wrong=True),) * fills)
    assert (wrong_share(state, 10.0, MarkoutParameters()) is not None) is is_said


@pytest.mark.parametrize(("age_s", "counts"), [(299.9, True), (300.0, True), (300.1, False)])
def test_a_fill_is_judged_for_five_minutes(age_s: float, counts: bool) -> None:
    state = MarkoutState(horizons=(HorizonState(),), judged=(Judged(time_s=0.0, is_wrong=True),) * 5)
    assert (wrong_share(state, age_s, MarkoutParameters()) is not None) is counts
