"""Which kind of market this is right now: one verdict, with its reason, from what the signals say.

    CHAOTIC         it jumped a moment ago, or the book is too thin or too wide to trust
    NOISE           a wide spread: the mid is an artefact of two distant orders
    UNKNOWN         too little seen, or no evidence either way (a fair walk at full speed)
    TRENDING        it drifts, its moves carry on, or one side is buying it all
    QUIET           it hardly moves
    MEAN_REVERTING  it moves and comes back, beyond what tick noise does

The first that holds, in this order, is the verdict: danger before evidence, and a slow trend before quiet. A drift
cannot be told by the variance ratio (which takes the mean out), so it has its own test; its limit is a z of 2.4
over the window, since the documents' 0.08 deviations per sample is a z below 0.9 and fires on two walks in five.

One verdict is an opinion of one moment; `regime_stability` says when to act on it.

Source: the project's strategy reference, section 5; the six names and the limits on spread and depth are those of
the documents.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from quant.signals.mean_reversion import MeanReversionParameters, WindowStatistics, is_mean_reverting

SECONDS_PER_MINUTE: Final = 60.0


class Regime(enum.StrEnum):
    """The documents' six kinds of market."""

    QUIET = "QUIET"
    MEAN_REVERTING = "MEAN_REVERTING"
    TRENDING = "TRENDING"
    CHAOTIC = "CHAOTIC"
    NOISE = "NOISE"
    UNKNOWN = "UNKNOWN"


class RegimeReason(enum.StrEnum):
    """Why a verdict was given."""

    JUMPED = "jumped"
    THIN_BOOK = "thin_book"
    SPREAD_TOO_WIDE = "spread_too_wide"
    SPREAD_WIDE = "spread_wide"
    WARMING_UP = "warming_up"
    DRIFT = "drift"
    MOMENTUM = "momentum"
    ORDER_FLOW = "order_flow"
    LOW_VOLATILITY = "low_volatility"
    RETURNS_TO_MEAN = "returns_to_mean"
    NO_EVIDENCE = "no_evidence"
    STALE = "stale"


@attrs.frozen(kw_only=True)
class RegimeParameters:
    """The limits between the regimes."""

    observed_min_s: float = 300.0  # before that sigma is mostly its prior
    drift_threshold: float = 0.22  # deviations of one change per change, over 120 changes: a z of 2.4
    variance_ratio_trending: float = 1.7  # the 97.5 % quantile of a fair walk of 120 changes
    order_flow_z_trending: float = 2.0
    quiet_sigma_per_minute: float = 0.01  # dollars per sqrt(60 s)
    depth_min_e2: int = 5_000
    noise_spread_min_e4: int = 700
    noise_spread_max_e4: int = 1_200
    mean_reversion: MeanReversionParameters = attrs.field(factory=MeanReversionParameters)


@attrs.frozen(kw_only=True)
class RegimeOverride:
    """What a category's profile changes; None leaves the general limit."""

    drift_threshold: float | None = None
    variance_ratio_trending: float | None = None
    quiet_sigma_per_minute: float | None = None
    depth_min_e2: int | None = None


# In the documents' proportions (0.06 and 0.10 against 0.08), bounded below by the error that the tests allow.
DEFAULT_OVERRIDES: Final[Mapping[str, RegimeOverride]] = MappingProxyType(
    {
        "mean_reverting": RegimeOverride(drift_threshold=0.205),
        "medium_trending": RegimeOverride(drift_threshold=0.275),
    }
)


@attrs.frozen(kw_only=True)
class RegimeEvidence:
    """What is known at one moment; `sigma` is in dollars per sqrt(s) and free of bounce."""

    sigma: float
    observed_s: float
    has_jumped: bool
    spread_e4: int
    depth_e2: int  # of the thinner side, own orders subtracted
    statistics: WindowStatistics | None = None
    order_flow_z: float | None = None


@attrs.frozen(kw_only=True)
class Verdict:
    """A regime and the reason for it."""

    regime: Regime
    reason: RegimeReason


def for_profile(
    parameters: RegimeParameters, profile: str, overrides: Mapping[str, RegimeOverride] = DEFAULT_OVERRIDES
) -> RegimeParameters:
    """Returns the limits for a category's profile; a profile without overrides has the general ones."""
    override = overrides.get(profile)
    if override is None:
        return parameters
    changed = {name: value for name, value in attrs.asdict(override).items() if value is not None}
    return attrs.evolve(parameters, **changed)


def classify(evidence: RegimeEvidence, parameters: RegimeParameters) -> Verdict:
    """Returns the verdict of one moment."""
    danger = _danger(evidence, parameters)
    if danger is not None:
        return danger
    if evidence.observed_s < parameters.observed_min_s:
        return Verdict(regime=Regime.UNKNOWN, reason=RegimeReason.WARMING_UP)
    trend = _trend(evidence, parameters)
    if trend is not None:
        return Verdict(regime=Regime.TRENDING, reason=trend)
    if evidence.sigma * math.sqrt(SECONDS_PER_MINUTE) < parameters.quiet_sigma_per_minute:
        return Verdict(regime=Regime.QUIET, reason=RegimeReason.LOW_VOLATILITY)
    if evidence.statistics is not None and is_mean_reverting(evidence.statistics, parameters.mean_reversion):
        return Verdict(regime=Regime.MEAN_REVERTING, reason=RegimeReason.RETURNS_TO_MEAN)
    return Verdict(regime=Regime.UNKNOWN, reason=RegimeReason.NO_EVIDENCE)


def _danger(evidence: RegimeEvidence, parameters: RegimeParameters) -> Verdict | None:
    if evidence.has_jumped:
        return Verdict(regime=Regime.CHAOTIC, reason=RegimeReason.JUMPED)
    if evidence.depth_e2 < parameters.depth_min_e2:
        return Verdict(regime=Regime.CHAOTIC, reason=RegimeReason.THIN_BOOK)
    if evidence.spread_e4 > parameters.noise_spread_max_e4:
        return Verdict(regime=Regime.CHAOTIC, reason=RegimeReason.SPREAD_TOO_WIDE)
    if evidence.spread_e4 >= parameters.noise_spread_min_e4:
        return Verdict(regime=Regime.NOISE, reason=RegimeReason.SPREAD_WIDE)
    return None


def _trend(evidence: RegimeEvidence, parameters: RegimeParameters) -> RegimeReason | None:
    found = evidence.statistics
    if found is not None and abs(found.drift) > parameters.drift_threshold:
        return RegimeReason.DRIFT
    if found is not None and found.variance_ratio > parameters.variance_ratio_trending:
        return RegimeReason.MOMENTUM
    if evidence.order_flow_z is not None and abs(evidence.order_flow_z) > parameters.order_flow_z_trending:
        return RegimeReason.ORDER_FLOW
    return None
