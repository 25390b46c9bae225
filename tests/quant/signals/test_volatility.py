"""The volatility of a stream of mids is found, floored and capped, in constant memory."""

from __future__ import annotations

import math
import random
from functools import reduce

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.signals.volatility import (
    VolatilityParameters,
    VolatilityState,
    initial,
    observe,
    sigma,
    structural_cap,
)

PARAMETERS = VolatilityParameters()


def watched(samples: list[tuple[float, float]], parameters: VolatilityParameters = PARAMETERS) -> VolatilityState:
    return reduce(lambda state, sample: observe(state, sample[0], sample[1], parameters), samples, initial(parameters))


def walk(true_sigma: float, seconds: int, seed: int = 1) -> list[tuple[float, float]]:
    rng, mid = random.Random(seed), 0.5
    samples = []
    for second in range(seconds):
        samples.append((float(second), mid))
        mid += rng.gauss(0, true_sigma)
    return samples


@pytest.mark.parametrize("true_sigma", [0.0005, 0.002, 0.015])
def test_the_volatility_of_a_random_walk_is_found(true_sigma: float) -> None:
    found = math.sqrt(watched(walk(true_sigma, 3_600)).variance_per_s)
    assert found == pytest.approx(true_sigma, rel=0.3)


def test_a_fast_market_is_recognised_within_a_minute() -> None:
    state = watched(walk(0.015, 61))
    assert math.sqrt(state.variance_per_s) > 0.5 * 0.015


def test_before_the_first_change_it_is_the_prior() -> None:
    assert watched([(0.0, 0.5)]).variance_per_s == PARAMETERS.prior_sigma**2


def test_bounce_between_two_ticks_counts_less_the_wider_the_spacing() -> None:
    bouncing = [(float(second), 0.50 + 0.01 * (second % 2)) for second in range(600)]
    fast = watched(bouncing, attrs.evolve(PARAMETERS, sample_spacing_s=1.0))
    slow = watched(bouncing, attrs.evolve(PARAMETERS, sample_spacing_s=5.0))
    assert slow.variance_per_s < fast.variance_per_s / 2


def test_samples_within_the_spacing_and_from_the_past_change_nothing() -> None:
    state = watched([(100.0, 0.5)])
    assert observe(state, 104.9, 0.9, PARAMETERS) is state
    assert observe(state, 50.0, 0.9, PARAMETERS) is state


def test_the_spacing_is_never_below_a_second_whatever_is_configured() -> None:
    hasty = attrs.evolve(PARAMETERS, sample_spacing_s=0.0)
    state = watched([(100.0, 0.5)], hasty)
    assert observe(state, 100.9, 0.9, hasty) is state


@pytest.mark.parametrize("sample", [(math.nan, 0.5), (math.inf, 0.5), (200.0, math.nan)])
def test_what_is_no_number_changes_nothing(sample: tuple[float, float]) -> None:
    state = watched([(100.0, 0.5)])
    assert observe(state, *sample, PARAMETERS) is state


def test_a_mid_that_does_not_move_keeps_half_a_tick_in_a_minute() -> None:
    still = watched([(float(second), 0.5) for second in range(0, 36_000, 5)])
    assert sigma(still, step_e4=100, price=0.5, remaining_s=3_600) == pytest.approx(0.005 / math.sqrt(60))


def test_no_estimate_exceeds_what_a_binary_has_left() -> None:
    wild = watched([(0.0, 0.1), (5.0, 0.9)])
    assert sigma(wild, step_e4=100, price=0.5, remaining_s=3_600) == math.sqrt(0.25 / 3_600)


def test_there_is_no_cap_without_time_left_and_no_variance_at_the_ends() -> None:
    assert structural_cap(0.5, 0) == math.inf
    assert structural_cap(0.0, 60) == structural_cap(1.2, 60) == 0.0


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1)), max_size=40),
    st.floats(0.01, 0.99),
    st.floats(1, 1e6),
)
def test_the_bounds_hold_for_any_stream(samples: list[tuple[float, float]], price: float, left: float) -> None:
    found = sigma(watched(samples), step_e4=10, price=price, remaining_s=left)
    assert 0 <= found * found * left <= price * (1 - price) * (1 + 1e-9)
