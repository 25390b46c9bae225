"""The statistics are the published ones, and together they do not call a rounded martingale mean-reverting."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import median

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.signals.mean_reversion import (
    MeanReversionParameters,
    dickey_fuller,
    is_mean_reverting,
    lag_one_correlation,
    statistics_of,
    variance_ratio,
    zero_share,
)
from tests.quant.signals.series import martingale, ornstein_uhlenbeck, rounded_martingale, seeds

PARAMETERS = MeanReversionParameters()
CHANGES = 120  # the length that the limit of the variance ratio belongs to
LEVEL = 0.05


def quantiles(values: Sequence[float | None]) -> tuple[float, float, float]:
    """Mean, 5 % and 95 % quantile."""
    found = numpy.array([value for value in values if value is not None])
    return float(found.mean()), float(numpy.quantile(found, 0.05)), float(numpy.quantile(found, 0.95))


def called_mean_reverting(windows: Sequence[list[float]]) -> float:
    found = [statistics_of(window, PARAMETERS) for window in windows]
    return sum(one is not None and is_mean_reverting(one, PARAMETERS) for one in found) / len(windows)


def test_the_ratio_of_hand_made_windows() -> None:
    assert variance_ratio([0.0, 1.0] * 30 + [0.0], 2) == pytest.approx(0.0)
    assert variance_ratio([0.0, 1.0, 3.0], 2) is None  # shorter than two lags
    assert variance_ratio([5.0] * 50, 2) is None
    # Changes 1, 1, -1, -1: no mean, variance 4/3; over two samples 2, 0, -2: 8 / (2 * 3 * 1/2) = 8/3.
    assert variance_ratio([0.0, 1.0, 2.0, 1.0, 0.0], 2) == pytest.approx(2.0)


def test_the_regression_agrees_with_least_squares() -> None:
    values = rounded_martingale(random.Random(3), 1.0, 80)
    found = dickey_fuller(values)
    assert found is not None
    design = numpy.column_stack([numpy.ones(79), values[:-1]])
    changes = numpy.diff(values)
    solution, squares, _, _ = numpy.linalg.lstsq(design, changes, rcond=None)
    covariance = squares[0] / 77 * numpy.linalg.inv(design.T @ design)
    assert found.t == pytest.approx(solution[1] / math.sqrt(covariance[1, 1]))
    assert found.half_life_samples == pytest.approx(-math.log(2) / math.log(1 + solution[1]))


def test_still_and_perfect_series_have_no_statistics() -> None:
    assert statistics_of([50.0] * 121, PARAMETERS) is None
    assert statistics_of([float(step) for step in range(121)], PARAMETERS) is None
    assert lag_one_correlation([50.0] * 10) is None
    assert (zero_share([]), zero_share([1.0]), zero_share([1.0, 1.0, 2.0])) == (1.0, 1.0, 0.5)


def test_a_series_that_comes_back_is_recognised_and_its_half_life_found() -> None:
    window = ornstein_uhlenbeck(random.Random(1), half_life=2.0, stationary_sd=4.0, count=CHANGES + 1)
    found = statistics_of(window, PARAMETERS)
    assert found is not None
    assert is_mean_reverting(found, PARAMETERS)
    assert found.dickey_fuller.half_life_samples == pytest.approx(2.0, abs=1.0)


def test_the_drift_is_in_deviations_of_one_change() -> None:
    found = statistics_of([index + 0.5 * (-1) ** index for index in range(121)], PARAMETERS)
    assert found is not None
    assert found.drift == pytest.approx(1.0, rel=0.02)  # a change of 1 with a deviation of 1


@given(st.lists(st.floats(0, 100), max_size=60))
def test_any_window_gives_numbers_or_nothing(window: list[float]) -> None:
    found = statistics_of(window, PARAMETERS)
    if found is not None:
        numbers = (found.variance_ratio, found.dickey_fuller.t, found.drift)
        assert all(not math.isnan(number) for number in numbers)
        assert found.dickey_fuller.half_life_samples >= 0


# The laws under a driftless martingale rounded to ticks, 300 samples: deviation per sample in ticks, share of
# changes that are none, and mean and 5 and 95 % quantiles of the lag-1 correlation and the ratios at 5 and 10.
PUBLISHED_NULL = (
    (0.1, 0.92, (-0.28, -0.43, -0.13), (0.47, 0.33, 0.64), (0.34, 0.22, 0.51)),
    (0.3, 0.76, (-0.28, -0.37, -0.19), (0.52, 0.41, 0.64), (0.45, 0.32, 0.61)),
    (0.5, 0.61, (-0.20, -0.28, -0.11), (0.68, 0.55, 0.84), (0.64, 0.45, 0.87)),
    (1.0, 0.37, (-0.07, -0.16, 0.03), (0.89, 0.71, 1.09), (0.88, 0.62, 1.19)),
    (2.0, 0.20, (-0.02, -0.12, 0.08), (0.97, 0.77, 1.18), (0.97, 0.67, 1.31)),
)


@pytest.mark.long
@pytest.mark.parametrize(("sigma_ticks", "zeros", "correlation", "ratio_5", "ratio_10"), PUBLISHED_NULL)
def test_the_published_null_is_reproduced(
    sigma_ticks: float,
    zeros: float,
    correlation: tuple[float, float, float],
    ratio_5: tuple[float, float, float],
    ratio_10: tuple[float, float, float],
) -> None:
    windows = [rounded_martingale(rng, sigma_ticks, 301) for rng in seeds(11, 1_500)]
    found_zeros = sum(zero_share(window) for window in windows) / len(windows)
    found_correlation = quantiles([lag_one_correlation(window) for window in windows])
    found_5 = quantiles([variance_ratio(window, 5) for window in windows])
    found_10 = quantiles([variance_ratio(window, 10) for window in windows])
    print(f"\n{sigma_ticks}: zero {found_zeros:.2f} AC1 {found_correlation} VR5 {found_5} VR10 {found_10}")
    assert found_zeros == pytest.approx(zeros, abs=0.02)
    assert found_correlation == pytest.approx(correlation, abs=0.03)
    assert found_5 == pytest.approx(ratio_5, abs=0.04)
    assert found_10 == pytest.approx(ratio_10, abs=0.05)


@pytest.mark.long
def test_a_pure_walk_shows_the_published_half_life_and_critical_value() -> None:
    found = [dickey_fuller(martingale(rng, 1.0, 301)) for rng in seeds(12, 3_000)]
    half_life = median(one.half_life_samples for one in found if one is not None)
    rejected = sum(one is not None and one.t < PARAMETERS.dickey_fuller_max for one in found) / len(found)
    print(f"\nmedian half-life {half_life:.1f} of 300 (published 47), DF rejects {rejected:.3f} (nominal 0.05)")
    assert half_life == pytest.approx(47.0, rel=0.1)
    assert rejected == pytest.approx(LEVEL, abs=0.015)


@pytest.mark.long
@pytest.mark.parametrize("sigma_ticks", [1.0, 1.5, 2.0, 5.0])
def test_a_rounded_martingale_is_not_called_mean_reverting_more_often_than_stated(sigma_ticks: float) -> None:
    windows = [rounded_martingale(rng, sigma_ticks, CHANGES + 1) for rng in seeds(13, 3_000)]
    rate = called_mean_reverting(windows)
    ratios = [variance_ratio(window, PARAMETERS.ratio_lag) for window in windows]
    alone = sum(ratio is not None and ratio < PARAMETERS.variance_ratio_max for ratio in ratios) / len(ratios)
    print(f"\nsigma {sigma_ticks}: called mean-reverting {rate:.4f}, by the ratio alone {alone:.4f}")
    assert rate <= LEVEL
    assert alone <= LEVEL + 0.01  # the limit is the 5 % quantile in the worst case of one tick per sample


def test_a_few_rounded_martingales_are_not_called_mean_reverting() -> None:
    assert called_mean_reverting([rounded_martingale(rng, 1.0, CHANGES + 1) for rng in seeds(14, 300)]) <= LEVEL


def test_the_usual_rules_would_fire_on_tick_noise() -> None:
    """Shows what the limits protect from: without sampling at a tick per sample the null itself reverts."""
    windows = [rounded_martingale(rng, 0.3, CHANGES + 1) for rng in seeds(15, 200)]
    assert called_mean_reverting(windows) > LEVEL
    correlations = [lag_one_correlation(window) for window in windows]
    assert sum(value is not None and value < -0.1 for value in correlations) / len(windows) > 0.9
