"""The series that the regimes must tell apart, with their parameters: fixed before the power was measured.

One sample a second. The tick is a cent for the Ornstein-Uhlenbeck and jump series, and a tenth of a cent for the
trends, which would leave the range of a price otherwise.
"""

from __future__ import annotations

import random

from quant.signals import price_signals
from quant.signals.jumps import JumpParameters
from quant.signals.price_signals import BookObservation, PriceSignalParameters, PriceSignals
from quant.signals.regime import Verdict
from tests.quant.signals.series import momentum, ornstein_uhlenbeck, rounded_martingale, trend

POWER_MIN = 0.8
RUNS = 300
SECONDS = 900  # ten minutes of window, and five until the estimates forgot the start
CENT_E4 = 100
DECI_CENT_E4 = 10
GENERIC_SIGMA = 0.00155

OU_HALF_LIFE_S = 10.0
OU_STATIONARY_SD_TICKS = 3.0
TREND_SIGMA_TICKS = 0.8
TREND_DRIFT_TICKS = 0.125  # per second: 0.35 deviations of a change over five seconds
MOMENTUM_SIGMA_TICKS = 0.5
MOMENTUM_PERSISTENCE = 0.9
JUMP_SIGMA_TICKS = 0.5
JUMP_TICKS = 6
JUMP_DELAY_MAX_S = 2


def ou_series(rng: random.Random) -> list[float]:
    return ornstein_uhlenbeck(rng, half_life=OU_HALF_LIFE_S, stationary_sd=OU_STATIONARY_SD_TICKS, count=SECONDS)


def trend_series(rng: random.Random) -> list[float]:
    sign = rng.choice((-1, 1))
    return trend(rng, sigma_ticks=TREND_SIGMA_TICKS, drift_ticks=sign * TREND_DRIFT_TICKS, count=SECONDS)


def momentum_series(rng: random.Random) -> list[float]:
    return momentum(rng, sigma_ticks=MOMENTUM_SIGMA_TICKS, persistence=MOMENTUM_PERSISTENCE, count=SECONDS)


def jump_series(rng: random.Random) -> tuple[list[float], int]:
    """The series and the second of its jump."""
    walk = rounded_martingale(rng, JUMP_SIGMA_TICKS, SECONDS)
    second, sign = rng.randrange(SECONDS // 2, SECONDS - 60), rng.choice((-1, 1))
    return [value + sign * JUMP_TICKS * (index >= second) for index, value in enumerate(walk)], second


def watched(
    ticks: list[float],
    parameters: PriceSignalParameters,
    *,
    step_e4: int = CENT_E4,
    signals: PriceSignals | None = None,
    start_s: float = 1_000.0,
) -> PriceSignals:
    """The signals of a market with a healthy book after one observation a second."""
    signals = signals or price_signals.initial(GENERIC_SIGMA**2, parameters)
    for second, value in enumerate(ticks):
        seen = observation(start_s + second, value, step_e4)
        signals = price_signals.observe(signals, seen, parameters)
    return signals


def observation(time_s: float, value_ticks: float, step_e4: int = CENT_E4) -> BookObservation:
    mid = value_ticks * step_e4 / 10_000
    return BookObservation(time_s=time_s, mid=mid, step_e4=step_e4, spread_e4=100, depth_e2=20_000)


def last_verdict(ticks: list[float], parameters: PriceSignalParameters, step_e4: int = CENT_E4) -> Verdict:
    """The regime to act on at the end of a series."""
    signals = watched(ticks, parameters, step_e4=step_e4)
    return price_signals.regime(signals, 1_000.0 + len(ticks) - 1, parameters)


def without_jumps() -> PriceSignalParameters:
    """Parameters for nulls of the evidence: jumps would hide it."""
    never = JumpParameters(absolute_move_ticks=1e9, move_min_ticks=1e9)
    return PriceSignalParameters(jumps=never)
