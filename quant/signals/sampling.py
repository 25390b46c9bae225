"""A stream of mids at any times becomes samples at regular times, which is what the estimators are defined on.

The first observation at or after a point of the grid is that point's sample; points that passed without an
observation take the value before. A gap longer than `gap_max_s` is missing data and no still market: sampling
starts anew there, and whoever takes differences must not take one across it.

Rejected: interpolating between observations (it invents smooth paths, which look like trends).
"""

from __future__ import annotations

import math

import attrs


@attrs.frozen(kw_only=True)
class SamplerParameters:
    """The grid in time."""

    spacing_s: float = 1.0
    gap_max_s: float = 60.0  # also the bound on the samples that one observation can yield


@attrs.frozen(kw_only=True)
class SamplerState:
    """The last observation and the number of the last point of the grid."""

    time_s: float
    value: float
    point: int


@attrs.frozen(kw_only=True)
class Sampled:
    """What one observation yields: the samples of the points that passed, oldest first."""

    state: SamplerState | None
    samples: tuple[float, ...] = ()
    is_restart: bool = False  # the first sample follows on nothing


def observe(state: SamplerState | None, time_s: float, value: float, parameters: SamplerParameters) -> Sampled:
    """Returns the samples that are due once the value was `value` at `time_s` (monotonic seconds).

    What is no number or comes from the past changes nothing.
    """
    if not (math.isfinite(time_s) and math.isfinite(value)):
        return Sampled(state=state)
    point = math.floor(time_s / parameters.spacing_s)
    now = SamplerState(time_s=time_s, value=value, point=point)
    if state is None:
        return Sampled(state=now, samples=(value,), is_restart=True)
    if time_s < state.time_s:
        return Sampled(state=state)
    if time_s - state.time_s > parameters.gap_max_s:
        return Sampled(state=now, samples=(value,), is_restart=True)
    passed = point - state.point
    return Sampled(state=now, samples=(state.value,) * (passed - 1) + (value,) if passed > 0 else ())
