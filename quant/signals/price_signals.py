"""All signals of one market that come from its mid: one observation in, a regime out.

It owns the order in which they are fed: the observation becomes regular samples (`sampling`); each sample goes to
the two-scale volatility, the jumps and the ladder of windows; whenever a window grew, or a jump came or ended, the
regime is judged anew. Between, an observation only tells that the market is alive, and its mid.

Every call costs a few comparisons; once a second a few sums; once in five seconds one pass over 120 samples.
"""

from __future__ import annotations

import math

import attrs

from quant.signals import jumps, regime_stability, sample_ladder, sampling, two_scale
from quant.signals.jumps import JumpParameters, JumpState
from quant.signals.mean_reversion import WindowStatistics, statistics_of
from quant.signals.regime import RegimeEvidence, RegimeParameters, Verdict, classify
from quant.signals.regime_stability import StabilityParameters, StabilityState
from quant.signals.sample_ladder import LadderParameters, LadderState
from quant.signals.sampling import SamplerParameters, SamplerState
from quant.signals.two_scale import TwoScaleParameters, TwoScaleState


@attrs.frozen(kw_only=True)
class PriceSignalParameters:
    """The parameters of each part."""

    sampler: SamplerParameters = attrs.field(factory=SamplerParameters)
    two_scale: TwoScaleParameters = attrs.field(factory=TwoScaleParameters)
    jumps: JumpParameters = attrs.field(factory=JumpParameters)
    ladder: LadderParameters = attrs.field(factory=LadderParameters)
    regime: RegimeParameters = attrs.field(factory=RegimeParameters)
    stability: StabilityParameters = attrs.field(factory=StabilityParameters)


@attrs.frozen(kw_only=True)
class PriceSignals:
    """The state of each part."""

    two_scale: TwoScaleState
    sampler: SamplerState | None = None
    jumps: JumpState = attrs.field(factory=JumpState)
    ladder: LadderState = attrs.field(factory=LadderState)
    stability: StabilityState = attrs.field(factory=StabilityState)
    statistics: WindowStatistics | None = None
    was_pulled: bool = False


@attrs.frozen(kw_only=True)
class BookObservation:
    """The top of a two-sided book without own orders, at `time_s` (monotonic seconds)."""

    time_s: float
    mid: float  # dollars
    step_e4: int  # the tick at that price
    spread_e4: int
    depth_e2: int  # of the thinner side
    order_flow_z: float | None = None


def initial(prior_variance_per_s: float, parameters: PriceSignalParameters) -> PriceSignals:
    """Returns the signals before the first observation, with the prior in dollars^2 per second."""
    return PriceSignals(two_scale=two_scale.initial(prior_variance_per_s, parameters.two_scale))


def observe(signals: PriceSignals, seen: BookObservation, parameters: PriceSignalParameters) -> PriceSignals:
    """Returns the signals after one observation; what is no number or comes from the past changes nothing."""
    sampled = sampling.observe(signals.sampler, seen.time_s, seen.mid, parameters.sampler)
    if sampled.state is signals.sampler:
        return signals
    now = _seen(signals, sampled.state)
    if not sampled.samples:
        return now
    if sampled.is_restart:
        now = _restarted(now)
    is_due = False
    for sample in sampled.samples:
        now = _sampled(now, sample, seen, parameters)
        is_due = is_due or sample_ladder.is_due(now.ladder, parameters.ladder)
    if is_due:
        now = attrs.evolve(now, statistics=_statistics(now, seen.step_e4, parameters))
    is_pulled = jumps.is_pulled(now.jumps, seen.time_s, parameters.jumps)
    if is_due or is_pulled is not now.was_pulled:
        return _judged(now, seen, parameters, is_pulled=is_pulled)
    return now


def is_between_samples(
    signals: PriceSignals, last_seen_s: float, time_s: float, mid: float, parameters: PriceSignalParameters
) -> bool:
    """Says whether an observation after one at `last_seen_s` would yield no sample: it only replaces that one."""
    sampler = signals.sampler
    if sampler is None or not (math.isfinite(time_s) and math.isfinite(mid)):
        return False
    is_in_order = 0.0 <= time_s - last_seen_s <= parameters.sampler.gap_max_s
    return is_in_order and math.floor(time_s / parameters.sampler.spacing_s) == sampler.point


def with_latest(signals: PriceSignals, time_s: float, mid: float) -> PriceSignals:
    """Returns the signals after observations between samples, of which this is the latest; nothing before the first."""
    if signals.sampler is None:
        return signals
    return _seen(signals, attrs.evolve(signals.sampler, time_s=time_s, value=mid))


def regime(signals: PriceSignals, time_s: float, parameters: PriceSignalParameters) -> Verdict:
    """Returns the regime to act on at `time_s`."""
    if signals.sampler is None:
        return regime_stability.UNKNOWN_YET
    return regime_stability.current(signals.stability, time_s, parameters.stability, seen_at_s=signals.sampler.time_s)


def _seen(signals: PriceSignals, sampler: SamplerState | None) -> PriceSignals:
    """The signals with the latest observation; written out, since it runs at every change of the book."""
    return PriceSignals(
        two_scale=signals.two_scale,
        sampler=sampler,
        jumps=signals.jumps,
        ladder=signals.ladder,
        stability=signals.stability,
        statistics=signals.statistics,
        was_pulled=signals.was_pulled,
    )


def _restarted(signals: PriceSignals) -> PriceSignals:
    """After a gap: no differences across it, and windows that begin anew."""
    return attrs.evolve(
        signals,
        two_scale=two_scale.restarted(signals.two_scale),
        jumps=jumps.restarted(signals.jumps),
        ladder=LadderState(),
        statistics=None,
    )


def _sampled(
    signals: PriceSignals, sample: float, seen: BookObservation, parameters: PriceSignalParameters
) -> PriceSignals:
    return attrs.evolve(
        signals,
        two_scale=two_scale.add(signals.two_scale, sample, parameters.two_scale),
        jumps=jumps.add(signals.jumps, seen.time_s, sample, seen.step_e4, parameters.jumps),
        ladder=sample_ladder.add(signals.ladder, sample, parameters.ladder),
    )


def _statistics(signals: PriceSignals, step_e4: int, parameters: PriceSignalParameters) -> WindowStatistics | None:
    variance = two_scale.variance_per_s(signals.two_scale, parameters.two_scale)
    sigma_ticks = math.sqrt(variance * parameters.sampler.spacing_s) * 10_000 / step_e4
    rung = sample_ladder.speaking(signals.ladder, sigma_ticks, parameters.ladder)
    return None if rung is None else statistics_of(rung.window, parameters.regime.mean_reversion)


def _judged(
    signals: PriceSignals, seen: BookObservation, parameters: PriceSignalParameters, *, is_pulled: bool
) -> PriceSignals:
    evidence = RegimeEvidence(
        sigma=math.sqrt(two_scale.variance_per_s(signals.two_scale, parameters.two_scale)),
        observed_s=signals.two_scale.observed_s,
        has_jumped=is_pulled,
        spread_e4=seen.spread_e4,
        depth_e2=seen.depth_e2,
        statistics=signals.statistics,
        order_flow_z=seen.order_flow_z,
    )
    verdict = classify(evidence, parameters.regime)
    stability = regime_stability.add(signals.stability, seen.time_s, verdict, parameters.stability)
    return attrs.evolve(signals, stability=stability, was_pulled=is_pulled)
