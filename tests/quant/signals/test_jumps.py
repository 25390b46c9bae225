"""Jumps are found at once, and tick noise is none."""

from __future__ import annotations

import attrs
import pytest

from quant.signals.jumps import JumpParameters, JumpRule, JumpState, add, is_pulled, restarted, threshold
from tests.quant.signals.series import STEP_E4, TICK, martingale, rounded, rounded_martingale, seeds

PARAMETERS = JumpParameters()
LEE_MYKLAND_ONLY = attrs.evolve(PARAMETERS, absolute_move_ticks=1e9)
AS_PUBLISHED = attrs.evolve(LEE_MYKLAND_ONLY, sigma_floor_ticks=0.0, move_min_ticks=0.0)


def watched(ticks: list[float], parameters: JumpParameters = PARAMETERS, state: JumpState | None = None) -> JumpState:
    state = state or JumpState()
    for second, value in enumerate(ticks):
        state = add(state, float(second), value * TICK, STEP_E4, parameters)
    return state


def jumps_seen(ticks: list[float], parameters: JumpParameters) -> int:
    """Counted after 300 samples of warm-up."""
    state, seen = JumpState(), 0
    for second, value in enumerate(ticks):
        before = state.last_jump
        state = add(state, float(second), value * TICK, STEP_E4, parameters)
        seen += second >= 300 and state.last_jump is not before
    return seen


def false_jumps_per_300(sigma_ticks: float, parameters: JumpParameters, runs: int = 20) -> float:
    counts = [jumps_seen(rounded_martingale(rng, sigma_ticks, 1_800), parameters) for rng in seeds(5, runs)]
    return sum(counts) / runs / 5


def test_the_threshold_is_the_published_one() -> None:
    assert threshold(PARAMETERS) == pytest.approx(5.40, abs=0.01)


@pytest.mark.parametrize("sigma_ticks", [0.1, 0.2, 0.3, 0.5])
def test_slow_markets_on_ticks_show_no_false_jumps(sigma_ticks: float) -> None:
    assert false_jumps_per_300(sigma_ticks, PARAMETERS, runs=10) == 0.0


@pytest.mark.parametrize("sigma_ticks", [1.0, 2.0, 5.0])
def test_fast_markets_show_few_false_jumps(sigma_ticks: float) -> None:
    assert false_jumps_per_300(sigma_ticks, LEE_MYKLAND_ONLY) <= 0.1


def test_without_the_floors_tick_noise_counts_as_jumps() -> None:
    assert false_jumps_per_300(0.2, AS_PUBLISHED, runs=10) > 3.0


@pytest.mark.parametrize("size_ticks", [4.0, -4.0, 9.0])
def test_a_jump_out_of_a_still_market_is_found_in_its_second(size_ticks: float) -> None:
    still = watched([50.0] * 100)
    found = add(still, 100.0, (50.0 + size_ticks) * TICK, STEP_E4, PARAMETERS).last_jump
    assert found is not None
    assert (found.time_s, found.rule) == (100.0, JumpRule.LEE_MYKLAND)
    assert found.move_ticks == pytest.approx(size_ticks)


def test_moves_of_two_ticks_are_no_jump_however_still_it_was() -> None:
    ticks = [50.0] * 500 + [52.0] + [50.0] * 10
    assert watched(ticks).last_jump is None
    assert watched(ticks, attrs.evolve(PARAMETERS, move_min_ticks=0.0)).last_jump is None  # by the floor alone


def test_before_the_warm_up_only_the_absolute_rule_holds() -> None:
    assert watched([50.0] * 10 + [54.0]).last_jump is None
    found = watched([50.0] * 10 + [55.0]).last_jump
    assert found is not None
    assert found.rule is JumpRule.ABSOLUTE


def test_a_market_that_always_moves_so_much_does_not_jump_by_the_first_rule() -> None:
    counts = [jumps_seen([rounded(v) for v in martingale(rng, 3.0, 600)], LEE_MYKLAND_ONLY) for rng in seeds(6, 10)]
    assert sum(counts) <= 1


def test_a_change_across_a_gap_is_no_jump() -> None:
    state = restarted(watched([50.0] * 100))
    assert watched([70.0] * 3, state=state).last_jump is None


def test_quotes_stay_away_for_the_pull_time_and_no_longer() -> None:
    state = watched([50.0] * 100 + [60.0])
    assert is_pulled(state, 100.0, PARAMETERS)
    assert is_pulled(state, 109.9, PARAMETERS)
    assert not is_pulled(state, 110.0, PARAMETERS)
    assert not is_pulled(JumpState(), 0.0, PARAMETERS)
