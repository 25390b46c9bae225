"""Regular samples out of irregular observations: none invented, none across a gap."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from quant.signals.sampling import SamplerParameters, SamplerState, observe

PARAMETERS = SamplerParameters()


def sampled(observations: list[tuple[float, float]]) -> list[float]:
    state: SamplerState | None = None
    samples: list[float] = []
    for time_s, value in observations:
        found = observe(state, time_s, value, PARAMETERS)
        state, samples = found.state, [*samples, *found.samples]
    return samples


def test_the_first_observation_of_each_second_is_its_sample() -> None:
    assert sampled([(10.2, 1.0), (10.9, 2.0), (11.0, 3.0), (11.5, 4.0), (12.7, 5.0)]) == [1.0, 3.0, 5.0]


def test_seconds_without_an_observation_take_the_value_before() -> None:
    assert sampled([(10.0, 1.0), (10.5, 2.0), (14.0, 3.0)]) == [1.0, 2.0, 2.0, 2.0, 3.0]


def test_a_gap_is_no_still_market() -> None:
    first = observe(None, 10.0, 1.0, PARAMETERS)
    assert len(observe(first.state, 70.0, 2.0, PARAMETERS).samples) == 60
    after = observe(first.state, 70.1, 2.0, PARAMETERS)
    assert (after.samples, after.is_restart) == ((2.0,), True)


def test_the_past_and_what_is_no_number_change_nothing() -> None:
    first = observe(None, 10.0, 1.0, PARAMETERS)
    for time_s, value in ((9.0, 2.0), (math.nan, 2.0), (math.inf, 2.0), (12.0, math.nan)):
        found = observe(first.state, time_s, value, PARAMETERS)
        assert (found.state, found.samples) == (first.state, ())


@given(st.lists(st.floats(0, 59), min_size=1, max_size=40))
def test_without_a_gap_there_is_one_sample_a_second(times: list[float]) -> None:
    ordered = sorted(times)
    expected = math.floor(ordered[-1]) - math.floor(ordered[0]) + 1
    assert len(sampled([(time_s, 0.5) for time_s in ordered])) == expected
