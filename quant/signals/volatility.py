"""Volatility of one market's mid as a stream: sigma in dollars per square root of a second, in constant
memory.

1. The estimate is an exponentially weighted mean of squared changes per second, so it forgets at a half-life
   and needs no window of samples.
2. Changes are taken over at least `sample_spacing_s`. A mid rounded to ticks bounces: sampled at every
   change, the bounce counts as volatility (2.3 instead of 1.2 cents per sqrt(minute) in slow weather
   markets), and where moves trend for seconds (crypto) fast sampling says too little. Both errors shrink as
   the spacing grows.
3. Until enough has been seen, the prior has the weight of `prior_weight_s` seconds of observation, so that a
   fast market is recognised within a minute instead of a half-life.
4. The floor is half a tick per sqrt(60 s): a mid that did not move for a minute is rounded, not riskless.
5. The cap is structural: a contract worth 0 or 1 at the end has p(1 - p) of variance in all that is left of
   its life, so sigma^2 * tau <= p(1 - p). It wins over the floor.

Where the bounce itself must be taken out there is `two_scale`. Rejected: jump-robust bipower variation (zero for
half of all quiet windows on tick data).

Source: the project's strategy reference, section 5.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

from quant.signals import forgetting

# The floor speaks of a move of half a tick within this many seconds.
FLOOR_SPAN_S: Final = 60.0


@attrs.frozen(kw_only=True)
class VolatilityParameters:
    """How the stream is sampled and how fast it forgets."""

    sample_spacing_s: float = 5.0  # at least 1; five seconds let most of the bounce die, see rule 2
    half_life_s: float = 300.0  # the regime of a market changes in minutes
    prior_sigma: float = 0.00155  # 1.2 cents per sqrt(minute), the median of slow daily markets
    prior_weight_s: float = 60.0  # a dozen samples outweigh the prior


@attrs.frozen(kw_only=True)
class VolatilityState:
    """The estimate so far; `variance_per_s` is in dollars^2 per second."""

    variance_per_s: float
    observed_s: float = 0.0
    last_time_s: float | None = None
    last_mid: float = 0.0


def initial(parameters: VolatilityParameters) -> VolatilityState:
    """Returns the estimate before the first sample: the prior."""
    return VolatilityState(variance_per_s=parameters.prior_sigma**2)


def observe(state: VolatilityState, time_s: float, mid: float, parameters: VolatilityParameters) -> VolatilityState:
    """Returns the estimate after the mid was `mid` dollars at `time_s` (monotonic seconds).

    Samples that come sooner than the spacing, or whose time or mid is no number or runs backwards, change
    nothing.
    """
    if not (math.isfinite(time_s) and math.isfinite(mid)):
        return state
    if state.last_time_s is None:
        return attrs.evolve(state, last_time_s=time_s, last_mid=mid)
    elapsed_s = time_s - state.last_time_s
    if elapsed_s < max(1.0, parameters.sample_spacing_s):
        return state
    weight = forgetting.weight(
        elapsed_s, state.observed_s, half_life_s=parameters.half_life_s, prior_weight_s=parameters.prior_weight_s
    )
    rate = (mid - state.last_mid) ** 2 / elapsed_s
    return VolatilityState(
        variance_per_s=state.variance_per_s + weight * (rate - state.variance_per_s),
        observed_s=forgetting.longer(state.observed_s, elapsed_s, parameters.half_life_s),
        last_time_s=time_s,
        last_mid=mid,
    )


def sigma(state: VolatilityState, *, step_e4: int, price: float, remaining_s: float) -> float:
    """Returns the bounded estimate in dollars per sqrt(s), for a market at `price` dollars on ticks of
    `step_e4`.

    `remaining_s` is the time over which the structural cap holds: up to the time to close.
    """
    return bounded_sigma(state.variance_per_s, step_e4=step_e4, price=price, remaining_s=remaining_s)


def bounded_sigma(variance_per_s: float, *, step_e4: int, price: float, remaining_s: float) -> float:
    """Returns the sigma of a variance in dollars^2 per second between the floor of rule 4 and the cap of rule 5."""
    floor = step_e4 / 10_000 / 2 / math.sqrt(FLOOR_SPAN_S)
    return min(max(math.sqrt(variance_per_s), floor), structural_cap(price, remaining_s))


def structural_cap(price: float, remaining_s: float) -> float:
    """Returns the largest sigma that a contract at `price` can have for `remaining_s` seconds; zero at 0 and
    1.
    """
    return math.inf if remaining_s <= 0 else math.sqrt(max(0.0, price * (1.0 - price)) / remaining_s)
