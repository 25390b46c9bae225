"""The two-scale estimate finds the volatility under the bounce, where one scale counts the bounce."""

from __future__ import annotations

import math
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.signals.two_scale import (
    TwoScaleParameters,
    TwoScaleState,
    add,
    initial,
    noise_sigma,
    restarted,
    sigma,
    variance_per_s,
)
from tests.quant.signals.series import TICK, bouncing_martingale, martingale, rounded_martingale, seeds

PARAMETERS = TwoScaleParameters()
PRIOR = 0.00155**2


def watched(ticks: list[float], prior: float = PRIOR) -> TwoScaleState:
    return reduce(lambda state, value: add(state, value * TICK, PARAMETERS), ticks, initial(prior, PARAMETERS))


def mean_variance(runs: list[list[float]]) -> float:
    """In ticks^2 per second."""
    return sum(variance_per_s(watched(run), PARAMETERS) for run in runs) / len(runs) / TICK**2


@pytest.mark.parametrize("sigma_ticks", [0.3, 1.0, 5.0])
def test_the_volatility_of_a_random_walk_is_found(sigma_ticks: float) -> None:
    runs = [martingale(rng, sigma_ticks, 1_500) for rng in seeds(1, 30)]
    assert mean_variance(runs) == pytest.approx(sigma_ticks**2, rel=0.15)


@pytest.mark.parametrize(
    ("sigma_ticks", "naive", "excess_max"),
    [(0.1, 8.0, 0.6), (0.3, 2.7, 0.25), (0.5, 1.7, 0.25)],  # at 0.1 even 30 s move less than a tick
)
def test_rounding_to_ticks_is_taken_out_where_one_scale_overstates(
    sigma_ticks: float, naive: float, excess_max: float
) -> None:
    states = [watched(rounded_martingale(rng, sigma_ticks, 1_500)) for rng in seeds(2, 40)]
    fast = sum(state.fast for state in states) / len(states) / TICK**2
    found = sum(variance_per_s(state, PARAMETERS) for state in states) / len(states) / TICK**2
    assert fast / sigma_ticks**2 == pytest.approx(naive, rel=0.15)  # the published figures of one scale
    assert found / sigma_ticks**2 == pytest.approx(1.0, abs=excess_max)


def test_bounce_is_taken_out_and_told_as_noise() -> None:
    states = [watched(bouncing_martingale(rng, 0.155, 0.6, 2_400)) for rng in seeds(3, 20)]
    found = sum(variance_per_s(state, PARAMETERS) for state in states) / len(states) / TICK**2
    assert math.sqrt(found) == pytest.approx(0.155, rel=0.2)
    noise = sum(noise_sigma(state, PARAMETERS) for state in states) / len(states) / TICK
    assert noise == pytest.approx(math.sqrt(0.6**2 + 0.5**2 / 12), rel=0.1)


def test_a_fast_market_is_recognised_within_two_minutes() -> None:
    runs = [martingale(rng, 1.5, 121) for rng in seeds(4, 40)]
    assert math.sqrt(mean_variance(runs)) > 0.5 * 1.5


def test_until_the_slow_scale_is_full_it_is_the_prior() -> None:
    state = watched([50.0, 60.0] * (PARAMETERS.slow_lag // 2))
    assert variance_per_s(state, PARAMETERS) == pytest.approx(PRIOR)
    assert variance_per_s(watched([50.0, 60.0] * PARAMETERS.slow_lag), PARAMETERS) != pytest.approx(PRIOR)


def test_no_difference_is_taken_across_a_gap() -> None:
    before = watched([50.0] * 100)
    after = add(restarted(before), 0.9, PARAMETERS)
    assert (after.fast, after.slow) == (before.fast, before.slow)
    assert len(after.recent) == 1


def test_a_still_market_keeps_half_a_tick_in_a_minute() -> None:
    found = sigma(watched([50.0] * 36_000), PARAMETERS, step_e4=100, price=0.5, remaining_s=3_600)
    assert found == pytest.approx(0.005 / math.sqrt(60))


def test_a_pure_flicker_has_no_volatility_but_the_floor() -> None:
    found = sigma(watched([50.0, 51.0] * 3_000), PARAMETERS, step_e4=100, price=0.5, remaining_s=3_600)
    assert found == pytest.approx(0.005 / math.sqrt(60))


@given(st.lists(st.floats(0, 1), max_size=80), st.floats(0.01, 0.99), st.floats(1, 1e6))
def test_the_bounds_and_the_memory_hold_for_any_stream(samples: list[float], price: float, left: float) -> None:
    state = reduce(lambda state, value: add(state, value, PARAMETERS), samples, initial(PRIOR, PARAMETERS))
    found = sigma(state, PARAMETERS, step_e4=10, price=price, remaining_s=left)
    assert 0 <= found * found * left <= price * (1 - price) * (1 + 1e-9)
    assert len(state.recent) <= PARAMETERS.slow_lag
