"""Jumps: changes too large for the volatility around them, told from tick noise.

Two rules, on regular samples of one second:

1. Lee and Mykland (2008): the change against the local standard deviation, which comes from bipower variation
   (mean of |r| times the |r| before), so that a jump does not hide behind itself. The threshold is the law of the
   largest of `horizon_samples` changes: one false jump in a hundred such horizons on a smooth price.
2. Absolute: `absolute_move_ticks` within a second, whatever the volatility. Whoever quotes a tick from the mid is
   run over by it. In a market that always moves so much it always fires, so it is a parameter of the market.

Rounded prices break rule 1 as published: bipower is zero for half of all quiet windows, and a tick then counts as a
jump (9 false ones in 300 samples at 0.2 ticks per sample). So the local deviation is at least half a tick, and a
jump moves at least `move_min_ticks`.

The bipower mean forgets exponentially: constant memory, no window. The change that is tested is no part of it.

Source: the project's strategy reference, section 5.
"""

from __future__ import annotations

import enum
import math
from typing import Final

import attrs

from quant.signals import forgetting

# The mean of |Z| of a standard normal Z.
MEAN_ABSOLUTE_NORMAL: Final = math.sqrt(2 / math.pi)


class JumpRule(enum.StrEnum):
    """Which rule found the jump."""

    LEE_MYKLAND = "lee_mykland"
    ABSOLUTE = "absolute"


@attrs.frozen(kw_only=True)
class JumpParameters:
    """When a change is a jump, and how long it is remembered."""

    horizon_samples: int = 300
    gumbel_quantile: float = 4.6001  # 1 % of the law of the largest change
    half_life_samples: float = 120.0  # of the local deviation: it follows the hour, not the minute
    warmup_samples: int = 30  # before that the local deviation is no estimate, and only rule 2 holds
    sigma_floor_ticks: float = 0.5
    move_min_ticks: float = 3.0
    absolute_move_ticks: float = 5.0
    pull_s: float = 10.0  # 5 to 30 s: how long quotes stay away after a jump


@attrs.frozen(kw_only=True)
class Jump:
    """One jump: its signed size in ticks, and when it was seen."""

    time_s: float
    move_ticks: float
    rule: JumpRule


@attrs.frozen(kw_only=True)
class JumpState:
    """The local deviation so far; `bipower` is in ticks^2 per sample."""

    last_sample: float | None = None
    last_move_ticks: float | None = None
    bipower: float = 0.0
    moves_seen: int = 0
    last_jump: Jump | None = None


def threshold(parameters: JumpParameters) -> float:
    """Returns how many local deviations a change of rule 1 must exceed; 5.4 for 300 samples at 1 %."""
    root = math.sqrt(2 * math.log(parameters.horizon_samples))
    correction = math.log(math.pi) + math.log(math.log(parameters.horizon_samples))
    centre = root / MEAN_ABSOLUTE_NORMAL - correction / (2 * MEAN_ABSOLUTE_NORMAL * root)
    return centre + parameters.gumbel_quantile / (MEAN_ABSOLUTE_NORMAL * root)


def restarted(state: JumpState) -> JumpState:
    """Returns the state after a gap: no change to take, the local deviation as before."""
    return attrs.evolve(state, last_sample=None, last_move_ticks=None)


def add(state: JumpState, time_s: float, sample: float, step_e4: int, parameters: JumpParameters) -> JumpState:
    """Returns the state after one more regular sample in dollars, taken at `time_s`, on ticks of `step_e4`."""
    if state.last_sample is None:
        return attrs.evolve(state, last_sample=sample)
    move_ticks = (sample - state.last_sample) * 10_000 / step_e4
    rule = _rule_met(state, move_ticks, parameters)
    found = None if rule is None else Jump(time_s=time_s, move_ticks=move_ticks, rule=rule)
    return JumpState(
        last_sample=sample,
        last_move_ticks=move_ticks,
        bipower=_next_bipower(state, move_ticks, parameters),
        moves_seen=forgetting.one_more(state.moves_seen, parameters.half_life_samples),
        last_jump=found or state.last_jump,
    )


def _rule_met(state: JumpState, move_ticks: float, parameters: JumpParameters) -> JumpRule | None:
    size = abs(move_ticks)
    if state.moves_seen >= parameters.warmup_samples and size >= parameters.move_min_ticks:
        deviation = max(parameters.sigma_floor_ticks, math.sqrt(state.bipower))
        if size > threshold(parameters) * deviation:
            return JumpRule.LEE_MYKLAND
    return JumpRule.ABSOLUTE if size >= parameters.absolute_move_ticks else None


def _next_bipower(state: JumpState, move_ticks: float, parameters: JumpParameters) -> float:
    if state.last_move_ticks is None:
        return state.bipower
    product = abs(move_ticks) * abs(state.last_move_ticks)
    # The first change had none before it, so there is one product less than there are changes.
    weight = forgetting.weight_of_one(state.moves_seen, parameters.half_life_samples)
    return state.bipower + weight * (product - state.bipower)


def is_pulled(state: JumpState, time_s: float, parameters: JumpParameters) -> bool:
    """Says whether a jump is so recent that quotes stay away."""
    return state.last_jump is not None and time_s - state.last_jump.time_s < parameters.pull_s
