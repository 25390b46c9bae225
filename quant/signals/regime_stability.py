"""When a regime is acted on: after it was the verdict several times in a row, and never once it is stale.

1. A new regime holds after `stability_required` equal verdicts in a row; until then the old one stays. That is the
   hysteresis: a value that trembles at a limit changes nothing.
2. A jump does not wait: CHAOTIC for that reason holds at once. Leaving it takes the full count, like everything
   else. A thin or wide book may be a flicker and needs the full count.
3. Whoever asks later than `stale_after_s` after the last verdict gets UNKNOWN: no opinion is better than an old one.
   An empty book gives no verdict, so it does not flip the regime, but ages it.

Source: the documents' regime rules: three in a row, four seconds.
"""

from __future__ import annotations

import math

import attrs

from quant.signals.regime import Regime, RegimeReason, Verdict

UNKNOWN_YET = Verdict(regime=Regime.UNKNOWN, reason=RegimeReason.WARMING_UP)
STALE = Verdict(regime=Regime.UNKNOWN, reason=RegimeReason.STALE)


@attrs.frozen(kw_only=True)
class StabilityParameters:
    """How many equal verdicts make a regime, and how long one is believed."""

    stability_required: int = 3
    stale_after_s: float = 4.0


@attrs.frozen(kw_only=True)
class StabilityState:
    """The regime that holds and since when, and the candidate with its run of equal verdicts."""

    held: Verdict = UNKNOWN_YET
    held_since_s: float | None = None
    candidate: Regime = Regime.UNKNOWN
    run_length: int = 0
    alive_at_s: float | None = None


def add(state: StabilityState, time_s: float, verdict: Verdict, parameters: StabilityParameters) -> StabilityState:
    """Returns the state after the verdict of `time_s` (monotonic seconds)."""
    repeats = verdict.regime is state.candidate
    run_length = min(state.run_length + 1, parameters.stability_required) if repeats else 1
    is_believed = run_length >= parameters.stability_required or verdict.reason is RegimeReason.JUMPED
    changes = is_believed and verdict.regime is not state.held.regime
    return StabilityState(
        held=verdict if is_believed else state.held,
        held_since_s=time_s if changes or state.held_since_s is None else state.held_since_s,
        candidate=verdict.regime,
        run_length=run_length,
        alive_at_s=time_s,
    )


def current(
    state: StabilityState, time_s: float, parameters: StabilityParameters, *, seen_at_s: float = -math.inf
) -> Verdict:
    """Returns the regime to act on at `time_s`: UNKNOWN once the last verdict is stale.

    `seen_at_s` is when the market was last seen, where that was later than it was judged.
    """
    if state.alive_at_s is None:
        return UNKNOWN_YET
    return STALE if time_s - max(state.alive_at_s, seen_at_s) > parameters.stale_after_s else state.held


def is_stable(state: StabilityState, parameters: StabilityParameters) -> bool:
    """Says whether the latest verdicts all agree with the regime that holds, as often as required."""
    return state.candidate is state.held.regime and state.run_length >= parameters.stability_required
