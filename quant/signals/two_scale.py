"""Realised volatility without the bid-ask bounce: the two-scale estimator as a stream, in constant memory.

A mid that is rounded to ticks or flickers is the true price plus noise. Of regular samples, the mean squared
change over one sample is V + N and that over K samples is K V + N, where V is the variance per sample and N
twice the variance of the noise. The difference of the two is free of the noise: V = (slow - fast) / (K - 1).
That is the estimator of Zhang, Mykland and Ait-Sahalia (2005) with all K sub-grids, its correction for small
samples included, as the count of samples grows.

1. Both means forget at one half-life and start at the prior, so no window of samples is kept but the last K.
2. Changes are never taken across a gap: `restarted` forgets the samples and keeps the means.
3. Slow trends within K samples count, unlike with sparse sampling at K (which throws away most of the data).
4. Rounding is noise only while the price moves about a tick within K samples: below that (a tenth of a tick per
   sqrt(s)) the variance comes out up to half too large, where one scale says eight times.
5. The estimate is never negative, and `bounded_sigma` of `volatility` gives it the floor and the cap.

Source: the project's strategy reference, section 5: K = 30 at one second, half-life 300 s.
"""

from __future__ import annotations

import math

import attrs

from quant.signals import forgetting, volatility


@attrs.frozen(kw_only=True)
class TwoScaleParameters:
    """The two scales, and how fast the stream is forgotten."""

    spacing_s: float = 1.0  # of the samples that come in
    slow_lag: int = 30  # samples, at least 2; also the bound of what is kept
    half_life_s: float = 300.0
    prior_weight_s: float = 60.0


@attrs.frozen(kw_only=True)
class TwoScaleState:
    """Mean squared changes in dollars^2 over one sample and over `slow_lag` samples, and the latest samples."""

    fast: float
    slow: float
    recent: tuple[float, ...] = ()
    observed_s: float = 0.0


def initial(prior_variance_per_s: float, parameters: TwoScaleParameters) -> TwoScaleState:
    """Returns the estimate before the first sample: the prior, in dollars^2 per second."""
    per_sample = prior_variance_per_s * parameters.spacing_s
    return TwoScaleState(fast=per_sample, slow=per_sample * parameters.slow_lag)


def restarted(state: TwoScaleState) -> TwoScaleState:
    """Returns the state after a gap: nothing to take differences from, the estimate as before."""
    return attrs.evolve(state, recent=())


def add(state: TwoScaleState, sample: float, parameters: TwoScaleParameters) -> TwoScaleState:
    """Returns the estimate after one more regular sample in dollars; it moves once `slow_lag` samples came before."""
    recent = state.recent
    if len(recent) < parameters.slow_lag:
        return attrs.evolve(state, recent=(*recent, sample))
    weight = forgetting.weight(
        parameters.spacing_s,
        state.observed_s,
        half_life_s=parameters.half_life_s,
        prior_weight_s=parameters.prior_weight_s,
    )
    return TwoScaleState(
        fast=state.fast + weight * ((sample - recent[-1]) ** 2 - state.fast),
        slow=state.slow + weight * ((sample - recent[0]) ** 2 - state.slow),
        recent=(*recent[1:], sample),
        observed_s=forgetting.longer(state.observed_s, parameters.spacing_s, parameters.half_life_s),
    )


def variance_per_s(state: TwoScaleState, parameters: TwoScaleParameters) -> float:
    """Returns the variance in dollars^2 per second, free of the noise; never negative."""
    return max(0.0, state.slow - state.fast) / ((parameters.slow_lag - 1) * parameters.spacing_s)


def noise_sigma(state: TwoScaleState, parameters: TwoScaleParameters) -> float:
    """Returns the standard deviation of the noise on one sample in dollars: what the bounce is worth."""
    excess = state.fast - variance_per_s(state, parameters) * parameters.spacing_s
    return math.sqrt(max(0.0, excess) / 2)


def sigma(
    state: TwoScaleState, parameters: TwoScaleParameters, *, step_e4: int, price: float, remaining_s: float
) -> float:
    """Returns sigma in dollars per sqrt(s) with the floor of half a tick a minute and the cap of a binary."""
    variance = variance_per_s(state, parameters)
    return volatility.bounded_sigma(variance, step_e4=step_e4, price=price, remaining_s=remaining_s)
