"""Windows at several spacings, and only the finest with a tick per sample speaks."""

from __future__ import annotations

import random
from functools import reduce

from quant.signals.sample_ladder import LadderParameters, LadderState, add, is_due, speaking
from tests.quant.signals.series import rounded_martingale

PARAMETERS = LadderParameters()
SHORT = LadderParameters(rungs=(2, 6), changes=4)


def filled(samples: list[float], parameters: LadderParameters) -> LadderState:
    return reduce(lambda state, value: add(state, value, parameters), samples, LadderState())


def test_each_rung_takes_its_share_and_keeps_no_more_than_its_window() -> None:
    state = filled([float(number) for number in range(40)], SHORT)
    assert state.windows == ((30.0, 32.0, 34.0, 36.0, 38.0), (12.0, 18.0, 24.0, 30.0, 36.0))


def test_a_window_is_due_when_it_grew() -> None:
    states = [filled([0.0] * count, SHORT) for count in range(5)]
    assert [is_due(state, SHORT) for state in states] == [False, True, False, True, False]


def test_a_window_that_is_not_full_says_nothing() -> None:
    moving = [float(number) for number in range(9)]
    assert speaking(filled(moving[:8], SHORT), 1.0, SHORT) is None
    rung = speaking(filled(moving, SHORT), 1.0, SHORT)
    assert rung is not None
    assert rung.spacing == 2


def test_the_finest_rung_with_a_tick_per_sample_speaks() -> None:
    state = filled([float(number) for number in range(40)], SHORT)
    spacings = [speaking(state, sigma, SHORT) for sigma in (1.0, 0.71, 0.70, 0.41, 0.40)]
    assert [None if rung is None else rung.spacing for rung in spacings] == [2, 2, 6, 6, None]


def test_a_flicker_with_many_zeros_passes_the_word_to_the_next_rung() -> None:
    state = filled([float(number // 6) for number in range(40)], SHORT)  # moves once in three samples of the first
    rung = speaking(state, 5.0, SHORT)
    assert rung is not None
    assert rung.spacing == 6


def test_slower_markets_speak_on_coarser_rungs() -> None:
    for sigma, expected in ((0.6, 5), (0.3, 15), (0.17, 60)):
        state = filled(rounded_martingale(random.Random(4), sigma, 7_500), PARAMETERS)
        rung = speaking(state, sigma, PARAMETERS)
        assert rung is not None
        assert rung.spacing == expected
