"""What the regimes find in seeded series, and what they do not see in a fair walk: power and null rates.

The parameters of the series and of the regimes were committed before the first run of this file.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable

import pytest

from quant.signals import price_signals
from quant.signals.price_signals import PriceSignalParameters
from quant.signals.regime import Regime
from tests.quant.signals.power_series import (
    CENT_E4,
    DECI_CENT_E4,
    JUMP_DELAY_MAX_S,
    POWER_MIN,
    RUNS,
    SECONDS,
    jump_series,
    last_verdict,
    momentum_series,
    ou_series,
    trend_series,
    watched,
    without_jumps,
)
from tests.quant.signals.series import bouncing_martingale, rounded_martingale, seeds

PARAMETERS = PriceSignalParameters()
LEVEL = 0.05
FEW = 6

Series = Callable[[random.Random], list[float]]
DETECTED = [
    pytest.param(ou_series, CENT_E4, Regime.MEAN_REVERTING, id="ornstein_uhlenbeck"),
    pytest.param(trend_series, DECI_CENT_E4, Regime.TRENDING, id="trend"),
    pytest.param(momentum_series, DECI_CENT_E4, Regime.TRENDING, id="momentum"),
]


def verdicts(series: Series, base: int, runs: int, step_e4: int, parameters: PriceSignalParameters) -> Counter[Regime]:
    return Counter(last_verdict(series(rng), parameters, step_e4).regime for rng in seeds(base, runs))


def jumps_found(base: int, runs: int) -> int:
    """Series in which CHAOTIC held within the allowed delay after the jump, and not in the second before it."""
    found = 0
    for rng in seeds(base, runs):
        ticks, second = jump_series(rng)
        before = watched(ticks[:second], PARAMETERS)
        after = watched(ticks[second : second + JUMP_DELAY_MAX_S], PARAMETERS, signals=before, start_s=1_000.0 + second)
        regimes = [
            price_signals.regime(before, 1_000.0 + second - 1, PARAMETERS).regime,
            price_signals.regime(after, 1_000.0 + second + JUMP_DELAY_MAX_S - 1, PARAMETERS).regime,
        ]
        found += regimes[0] is not Regime.CHAOTIC and regimes[1] is Regime.CHAOTIC
    return found


@pytest.mark.long
@pytest.mark.parametrize(("series", "step_e4", "expected"), DETECTED)
def test_series_are_detected_with_the_stated_power(series: Series, step_e4: int, expected: Regime) -> None:
    found = verdicts(series, 21, RUNS, step_e4, PARAMETERS)
    print(f"\n{series.__name__}: power {found[expected] / RUNS:.3f} of {RUNS}: {dict(found)}")
    assert found[expected] >= POWER_MIN * RUNS


@pytest.mark.long
def test_jumps_are_detected_with_the_stated_power() -> None:
    found = jumps_found(22, RUNS)
    print(f"\njump: power {found / RUNS:.3f} of {RUNS}")
    assert found >= POWER_MIN * RUNS


@pytest.mark.parametrize(("series", "step_e4", "expected"), DETECTED)
def test_a_few_series_are_detected(series: Series, step_e4: int, expected: Regime) -> None:
    assert verdicts(series, 23, FEW, step_e4, PARAMETERS)[expected] >= 0.6 * FEW


def test_a_few_jumps_are_detected() -> None:
    assert jumps_found(24, FEW) >= POWER_MIN * FEW


# Deviation per sqrt(s) in ticks, noise on the mid in ticks, seconds until the rung that speaks is full, runs.
NULLS = [
    pytest.param(0.1, 0.0, 7_500, 20, id="quiet"),
    pytest.param(0.155, 0.4, 7_500, 40, id="weather_with_bounce"),
    pytest.param(0.17, 0.0, 7_500, 40, id="a_minute_per_tick"),
    pytest.param(0.3, 0.0, 2_100, 60, id="fifteen_seconds_per_tick"),
    pytest.param(0.3, 0.4, 2_100, 60, id="fifteen_seconds_with_bounce"),
    pytest.param(0.5, 0.0, SECONDS, 150, id="five_seconds_per_tick"),
    pytest.param(1.0, 0.0, SECONDS, 150, id="a_tick_per_second"),
    pytest.param(2.0, 0.0, SECONDS, 150, id="two_ticks_per_second"),
]


@pytest.mark.long
@pytest.mark.parametrize(("sigma", "noise", "seconds", "runs"), NULLS)
def test_a_fair_walk_on_ticks_is_seldom_called_anything_else(
    sigma: float, noise: float, seconds: int, runs: int
) -> None:
    def series(rng: random.Random) -> list[float]:
        if noise:
            return bouncing_martingale(rng, sigma, noise, seconds)
        return rounded_martingale(rng, sigma, seconds)

    found = verdicts(series, 25, runs, CENT_E4, without_jumps())
    reverting, trending = found[Regime.MEAN_REVERTING] / runs, found[Regime.TRENDING] / runs
    print(f"\nsigma {sigma} noise {noise}: reverting {reverting:.4f} trending {trending:.4f} {dict(found)}")
    # Two tests speak for a trend, at 1.6 and 2.5 %: so near the level the simulation gets its own error.
    margin = 2 * math.sqrt(LEVEL * (1 - LEVEL) / runs)
    assert reverting <= LEVEL
    assert trending <= LEVEL + margin
