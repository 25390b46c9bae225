"""The permit: may we quote now, must we withdraw, and why.

Failing closed is this function's work: whatever is missing, late or broken shows up here as a reason, and the
same reasons are what `status` and `explain` print. Two grades: something late only stops new quotes
(`may_quote` False), something that stays away takes the resting ones down too (`must_withdraw`).
"""

from __future__ import annotations

import attrs

from quant.orders.parameters import DeskParameters, FeedLimits


@attrs.frozen(kw_only=True)
class PermitFacts:
    """All that the permit depends on. Ages in seconds; None means: never heard since this desk started."""

    risk_lease_left_s: float | None
    risk_halted: bool
    risk_reasons: tuple[str, ...]
    heartbeat_ages_s: tuple[tuple[str, float | None], ...]
    since_start_s: float
    feed_proof_age_s: float | None
    is_reconciled: bool
    journal_healthy: bool
    clock_sane: bool
    is_killed: bool
    is_paused: bool
    is_stopping: bool
    fence_tripped: bool
    exchange_pause: str = ""


@attrs.frozen(kw_only=True)
class Permit:
    may_quote: bool
    must_withdraw: bool
    reasons: tuple[str, ...]


def decide_permit(facts: PermitFacts, parameters: DeskParameters, feed: FeedLimits) -> Permit:
    """Returns the permit with every reason that speaks against quoting, the grave ones first."""
    grave = [*_grave_reasons(facts, parameters, feed)]
    light = [*_light_reasons(facts, parameters, feed)]
    return Permit(may_quote=not grave and not light, must_withdraw=bool(grave), reasons=(*grave, *light))


def _grave_reasons(facts: PermitFacts, parameters: DeskParameters, feed: FeedLimits) -> list[str]:
    reasons = []
    if facts.is_stopping:
        reasons.append("stopping: the exit latch is closed")
    if facts.is_killed:
        reasons.append("kill switch is on: clear it with `supervisor.py kill --clear`")
    if facts.is_paused:
        reasons.append("paused by a person")
    if facts.fence_tripped:
        reasons.append("the order group tripped: waiting for the fills that explain it")
    if not facts.clock_sane:
        reasons.append("the clock differs from the exchange's: signatures and leases cannot be trusted")
    if facts.risk_halted:
        reasons.append("risk halted: " + "; ".join(facts.risk_reasons))
    patience_s = parameters.heartbeat_withdraw_s
    lease = facts.risk_lease_left_s
    lease_late_s = facts.since_start_s if lease is None else -lease
    if lease_late_s > parameters.heartbeat_max_age_s:
        reasons.append(f"risk lease ran out {lease_late_s:.1f} s ago")
    for name, age_s in facts.heartbeat_ages_s:
        silent_s = facts.since_start_s if age_s is None else age_s
        if silent_s > patience_s:
            reasons.append(f"{name} silent for {silent_s:.1f} s")
    proof_age_s = facts.since_start_s if facts.feed_proof_age_s is None else facts.feed_proof_age_s
    if proof_age_s > feed.withdraw_s:
        reasons.append(f"market data without proof of life for {proof_age_s:.1f} s")
    return reasons


def _light_reasons(facts: PermitFacts, parameters: DeskParameters, feed: FeedLimits) -> list[str]:
    reasons = []
    if facts.risk_lease_left_s is None:
        reasons.append("no risk lease yet")
    elif facts.risk_lease_left_s <= 0:
        reasons.append("risk lease ran out")
    for name, age_s in facts.heartbeat_ages_s:
        if age_s is None:
            reasons.append(f"{name} not heard yet")
        elif age_s > parameters.heartbeat_max_age_s:
            reasons.append(f"{name} silent for over {parameters.heartbeat_max_age_s:.0f} s")
    if facts.feed_proof_age_s is None:
        reasons.append("market data not connected yet")
    elif facts.feed_proof_age_s > feed.freeze_s:
        reasons.append(f"market data without proof of life for over {feed.freeze_s:.0f} s")
    if not facts.is_reconciled:
        reasons.append("not reconciled with the exchange yet")
    if not facts.journal_healthy:
        reasons.append("the journal cannot be written: is the disk full?")
    if facts.exchange_pause:
        reasons.append(facts.exchange_pause)  # the exchange itself has taken our orders off
    return reasons
