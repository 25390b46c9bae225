"""One market's signals together: a gap, a jump, silence, and nonsense in the stream."""

from __future__ import annotations

import math
import random

import attrs

from quant.signals import price_signals
from quant.signals.price_signals import PriceSignalParameters
from quant.signals.regime import Regime, RegimeReason
from tests.quant.signals.power_series import observation, ou_series, watched

PARAMETERS = PriceSignalParameters()
START_S = 1_000.0


def test_a_still_market_is_quiet_once_it_was_watched_long_enough() -> None:
    signals = watched([50.0] * 345, PARAMETERS)
    assert price_signals.regime(signals, START_S + 344, PARAMETERS).regime is Regime.QUIET
    early = watched([50.0] * 300, PARAMETERS)
    assert price_signals.regime(early, START_S + 299, PARAMETERS).reason is RegimeReason.WARMING_UP


def test_silence_makes_the_regime_stale_and_a_sign_of_life_does_not() -> None:
    signals = watched([50.0] * 400, PARAMETERS)
    assert price_signals.regime(signals, START_S + 403.5, PARAMETERS).reason is RegimeReason.STALE
    alive = price_signals.observe(signals, observation(START_S + 401.0, 50.0), PARAMETERS)
    assert price_signals.regime(alive, START_S + 403.5, PARAMETERS).regime is Regime.QUIET


def test_a_jump_is_chaotic_in_its_second_and_over_after_the_pull_and_three_verdicts() -> None:
    signals = watched([50.0] * 400 + [58.0], PARAMETERS)
    assert price_signals.regime(signals, START_S + 400, PARAMETERS).reason is RegimeReason.JUMPED
    regimes = []
    for later in range(1, 60):
        signals = price_signals.observe(signals, observation(START_S + 400 + later, 58.0), PARAMETERS)
        regimes.append(price_signals.regime(signals, START_S + 400 + later, PARAMETERS).regime)
    assert set(regimes[:19]) == {Regime.CHAOTIC}
    assert regimes[-1] is not Regime.CHAOTIC


def test_a_gap_empties_the_windows_and_keeps_the_volatility() -> None:
    signals = watched(ou_series(random.Random(1)), PARAMETERS)
    assert signals.statistics is not None
    after = price_signals.observe(signals, observation(START_S + 5_000.0, 80.0), PARAMETERS)
    assert after.statistics is None
    assert [len(window) for window in after.ladder.windows] == [1, 1, 1]
    assert (after.two_scale.slow, after.two_scale.fast) == (signals.two_scale.slow, signals.two_scale.fast)
    assert after.jumps.last_jump == signals.jumps.last_jump


def test_the_past_and_what_is_no_number_change_nothing() -> None:
    signals = watched([50.0] * 10, PARAMETERS)
    for time_s, ticks in ((START_S, 60.0), (math.nan, 60.0), (START_S + 20, math.nan)):
        assert price_signals.observe(signals, observation(time_s, ticks), PARAMETERS) is signals


def test_a_wide_book_is_noise_after_three_verdicts() -> None:
    signals = watched([50.0] * 400, PARAMETERS)
    for later in range(1, 16):
        wide = attrs.evolve(observation(START_S + 400 + later, 50.0), spread_e4=800)
        signals = price_signals.observe(signals, wide, PARAMETERS)
    assert price_signals.regime(signals, START_S + 415, PARAMETERS).regime is Regime.NOISE


def test_observations_within_a_second_only_say_that_the_market_lives() -> None:
    signals = watched([50.0] * 10, PARAMETERS)
    now = price_signals.observe(signals, observation(START_S + 9.5, 51.0), PARAMETERS)
    assert now.two_scale is signals.two_scale
    assert now.ladder is signals.ladder
    assert price_signals.regime(now, START_S + 13.4, PARAMETERS).reason is not RegimeReason.STALE
    assert price_signals.regime(now, START_S + 13.6, PARAMETERS).reason is RegimeReason.STALE
