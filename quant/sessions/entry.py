"""May a session begin in this market? Every objection, in words that do not change while it stands.

The documents' conditions: volatility goes on, the regime is a good one and stable, the market is neither in a session
nor unwinding one, the number of sessions, money, time to the close. A market with a position gets no session at all:
at its end a session brings the position to flat, and may do that only with what it made itself.
"""

from __future__ import annotations

from quant.sessions import funds
from quant.sessions.facts import EventSeen, MarketSeen, Moment, RegimeSeen
from quant.sessions.funds import FundsGates
from quant.sessions.parameters import SessionParameters


def objections(
    ticker: str, moment: Moment, gates: FundsGates, sessions: int, parameters: SessionParameters
) -> tuple[str, ...]:
    """Returns why no session may begin in a market that has none, at this moment with `sessions` others."""
    market, entry = moment.market(ticker), parameters.entry
    reasons = [*_of_people(ticker, moment), *_of_event(market.event, moment, parameters)]
    reasons += _of_regime(market.regime, moment.now_s, parameters)
    reasons += _of_market(market)
    if sessions >= entry.sessions_max:
        reasons.append(f"{entry.sessions_max} sessions run already")
    return (*reasons, *funds.objections(gates, entry))


def _of_people(ticker: str, moment: Moment) -> list[str]:
    reasons = []
    if not moment.is_on:
        reasons.append("the program is off")
    if moment.is_killed:
        reasons.append("the kill switch is on")
    if moment.is_paused(ticker):
        reasons.append("paused by a person")
    if moment.objection:
        reasons.append(moment.objection)
    return reasons


def _of_event(event: EventSeen | None, moment: Moment, parameters: SessionParameters) -> list[str]:
    if event is None:
        return ["no volatility event"]
    if event.over_because:
        return [f"its volatility event is over: {event.over_because}"]
    reasons = []
    if moment.now_s - event.said_at_s > parameters.entry.event_max_age_s:
        reasons.append(f"its volatility event was not confirmed for {parameters.entry.event_max_age_s:g} s")
    window_s = parameters.guardrails.expiry_window_s
    if event.close_time_ms - moment.now_ms <= window_s * 1000:
        reasons.append(f"it closes within {window_s:g} s")
    return reasons


def _of_regime(regime: RegimeSeen | None, now_s: float, parameters: SessionParameters) -> list[str]:
    if regime is None:
        return ["its regime is not known"]
    age_max_s = parameters.guardrails.regime_freeze_s
    if now_s - regime.judged_at_s > age_max_s:
        return [f"its regime is older than {age_max_s:g} s"]
    reasons = []
    if regime.regime not in parameters.entry.allowed_regimes:
        reasons.append(f"its regime is {regime.regime}")
    elif parameters.entry.require_stability and not regime.is_stable:
        reasons.append(f"its regime {regime.regime} is not stable yet")
    if regime.sigma < parameters.guardrails.sigma_min:
        reasons.append("it moves too little")
    return reasons


def _of_market(market: MarketSeen) -> list[str]:
    reasons = []
    if market.has_ended or not market.is_tradable:
        reasons.append("the market is not tradable now")
    if market.position_e2:
        reasons.append("a position is open in it")
    return reasons
