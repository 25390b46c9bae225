"""Just below, at and just above each limit of the regimes, the mean-reversion tests and the fair value's guards."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from quant.signals import jumps, volatility
from quant.signals.fair_value import FairValueParameters, fair_value
from quant.signals.jumps import Jump, JumpParameters, JumpRule, JumpState
from quant.signals.markouts import HorizonState, Judged, MarkoutParameters, MarkoutState, wrong_share
from quant.signals.mean_reversion import (
    DickeyFuller,
    MeanReversionParameters,
    WindowStatistics,
    is_mean_reverting,
)
from quant.signals.regime import Regime, RegimeEvidence, RegimeParameters, Verdict, classify, for_profile
from quant.signals.regime_stability import StabilityParameters, StabilityState, add, current
from quant.signals.sample_ladder import LadderParameters, LadderState, speaking
from quant.signals.volatility import VolatilityParameters
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


def still_market(samples: int) -> JumpState:
    """A market that has stood at 50 cents for so many seconds."""
    state = JumpState()
    for second in range(samples):
        state = jumps.add(state, float(second), 0.5, 100, JumpParameters())
    return state


@pytest.mark.parametrize(("ticks", "jumped"), [(4.9, False), (5.0, True), (5.1, True)])
def test_five_ticks_in_a_second_are_a_jump_from_the_first_second_on(ticks: float, jumped: bool) -> None:
    after = jumps.add(still_market(1), 1.0, 0.5 + ticks / 100 + 1e-12, 100, JumpParameters())
    assert (after.last_jump is not None) is jumped


@pytest.mark.parametrize(("ticks", "jumped"), [(2.9, False), (3.0, True), (3.1, True)])
def test_three_ticks_out_of_a_still_market_are_one_after_the_warm_up(ticks: float, jumped: bool) -> None:
    after = jumps.add(still_market(60), 60.0, 0.5 + ticks / 100 + 1e-12, 100, JumpParameters())
    assert (after.last_jump is not None) is jumped


@pytest.mark.parametrize(("moves", "jumped"), [(29, False), (30, True), (31, True)])
def test_the_warm_up_is_thirty_changes(moves: int, jumped: bool) -> None:
    after = jumps.add(still_market(moves + 1), 100.0, 0.54, 100, JumpParameters())
    assert (after.last_jump is not None) is jumped


@pytest.mark.parametrize(("age_s", "is_away"), [(9.99, True), (10.0, False), (10.01, False)])
def test_a_jump_keeps_quotes_away_for_ten_seconds(age_s: float, is_away: bool) -> None:
    state = JumpState(last_jump=Jump(time_s=0.0, move_ticks=9.0, rule=JumpRule.ABSOLUTE))
    assert jumps.is_pulled(state, age_s, JumpParameters()) is is_away


@pytest.mark.parametrize(("sigma_ticks", "spacing"), [(0.999 / math.sqrt(5), 15), (1 / math.sqrt(5), 5), (0.5, 5)])
def test_a_window_speaks_where_the_price_moves_a_tick_per_sample(sigma_ticks: float, spacing: int) -> None:
    moving = tuple(float(n % 2) for n in range(121))
    state = LadderState(windows=(moving, moving, moving), count=10_000)
    rung = speaking(state, math.nextafter(sigma_ticks, 1.0), LadderParameters())
    assert rung is not None
    assert rung.spacing == spacing


@pytest.mark.parametrize(("zeros", "speaks"), [(47, True), (48, True), (49, False)])
def test_a_window_speaks_with_at_most_two_fifths_of_its_changes_zero(zeros: int, speaks: bool) -> None:
    window = (0.0,) * zeros + tuple(float(n % 2) for n in range(121 - zeros))
    state = LadderState(windows=(window,), count=10_000)
    assert (speaking(state, 9.0, LadderParameters(rungs=(5,))) is not None) is speaks


@pytest.mark.parametrize(("after_s", "counts"), [(4.99, False), (5.0, True), (5.01, True)])
def test_mids_are_compared_at_least_five_seconds_apart(after_s: float, counts: bool) -> None:
    parameters = VolatilityParameters()
    state = volatility.observe(volatility.initial(parameters), 0.0, 0.5, parameters)
    assert (volatility.observe(state, after_s, 0.6, parameters) != state) is counts
