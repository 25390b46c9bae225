"""What a living session must do now: go on, freeze, or end, and if it ends, how.

The order is that of danger: what forbids any order, then what demands to be out at once, then what ends quoting in
peace, then what only freezes. A bad regime that kills nothing (fills do not lose, or the mode is off) freezes: quotes
stand only in the regimes that sessions may begin in.
"""

from __future__ import annotations

import enum

import attrs

from quant.sessions.facts import MarketSeen, Moment
from quant.sessions.parameters import KillMode, SessionParameters
from quant.sessions.session import EndReason, Phase, Session
from quant.signals.markouts import MarkoutParameters, wrong_share
from quant.signals.regime import Regime


class ExitStyle(enum.Enum):
    """How a session that ends gets out of what it holds."""

    AT_ONCE = "at once"  # it gives up the market with what is held
    HARD = "hard"
    SOFT = "soft"
    PASSIVE = "passive"


@attrs.frozen(kw_only=True)
class Ending:
    """A session must end, and how."""

    reason: EndReason
    style: ExitStyle


_REASON_OF_REGIME = {Regime.TRENDING: EndReason.REGIME_TRENDING, Regime.CHAOTIC: EndReason.REGIME_CHAOTIC}
_STYLE_OF_MODE = {KillMode.SOFT: ExitStyle.SOFT, KillMode.HARD: ExitStyle.HARD}


def markout_parameters(parameters: SessionParameters) -> MarkoutParameters:
    """Returns how a session's fills are judged: one horizon is all it asks for."""
    kill = parameters.regime_kill
    return MarkoutParameters(
        horizons_s=(5.0,),
        judged_horizon_s=5.0,
        judged_window_s=kill.adverse_window_s,
        judged_fills_min=kill.adverse_fills_min,
    )


def ending(session: Session, moment: Moment, parameters: SessionParameters) -> Ending | None:
    """Returns how a living session must end now; None while it may live on."""
    market = moment.market(session.ticker)
    found = _given_up(session, market, moment, parameters) or regime_kill(session, market, moment.now_s, parameters)
    return found or _stale(session, market, moment.now_s, parameters) or _in_peace(session, market, moment, parameters)


def _given_up(session: Session, market: MarketSeen, moment: Moment, parameters: SessionParameters) -> Ending | None:
    if moment.is_killed:
        return Ending(reason=EndReason.KILLED, style=ExitStyle.AT_ONCE)
    if not moment.is_on:
        return Ending(reason=EndReason.SWITCHED_OFF, style=ExitStyle.AT_ONCE)
    if market.has_ended:
        return Ending(reason=EndReason.MARKET_ENDED, style=ExitStyle.AT_ONCE)
    has_waited = moment.now_s - session.phase_since_s >= parameters.guardrails.assignment_wait_s
    if session.phase is Phase.CLAIMING and has_waited and market.owner != moment.program:
        reason = EndReason.LOST_MARKET if session.had_market else EndReason.NOT_ASSIGNED
        return Ending(reason=reason, style=ExitStyle.AT_ONCE)
    if session.had_market and market.owner not in (moment.program, None):
        return Ending(reason=EndReason.LOST_MARKET, style=ExitStyle.AT_ONCE)
    return None


def regime_kill(session: Session, market: MarketSeen, now_s: float, parameters: SessionParameters) -> Ending | None:
    """Returns the end that the present regime demands; None where it demands none or is too old to say so."""
    regime = market.regime
    if regime is None or now_s - regime.judged_at_s > parameters.guardrails.regime_freeze_s:
        return None
    mode = parameters.regime_kill.mode(regime.regime)
    if mode is None or not _is_adverse_enough(session, now_s, parameters):
        return None
    reason = _REASON_OF_REGIME.get(regime.regime, EndReason.REGIME_OTHER)
    return Ending(reason=reason, style=_STYLE_OF_MODE[mode])


def _is_adverse_enough(session: Session, now_s: float, parameters: SessionParameters) -> bool:
    kill = parameters.regime_kill
    if not kill.require_adverse_selection:
        return True
    share = wrong_share(session.markouts, now_s, markout_parameters(parameters))
    return share is not None and share >= kill.adverse_share


def _stale(session: Session, market: MarketSeen, now_s: float, parameters: SessionParameters) -> Ending | None:
    judged_at_s = session.opened_at_s if market.regime is None else market.regime.judged_at_s
    if now_s - judged_at_s <= parameters.guardrails.regime_kill_s:
        return None
    return Ending(reason=EndReason.REGIME_STALE, style=ExitStyle.HARD)


def _in_peace(session: Session, market: MarketSeen, moment: Moment, parameters: SessionParameters) -> Ending | None:
    limits, regime = parameters.guardrails, market.regime
    if session.close_time_ms - moment.now_ms <= limits.expiry_window_s * 1000:
        reason = EndReason.EXPIRY_WINDOW
    elif regime is not None and regime.sigma < limits.sigma_min:
        reason = EndReason.LOW_VOLATILITY
    elif market.event is not None and market.event.over_because:
        reason = EndReason.VOLATILITY_ENDED
    elif moment.now_s - session.opened_at_s >= limits.time_to_live_s:
        reason = EndReason.TIME_TO_LIVE
    else:
        return None
    return Ending(reason=reason, style=ExitStyle.PASSIVE)


def freezes(session: Session, moment: Moment, parameters: SessionParameters) -> tuple[str, ...]:
    """Returns why a living session may not quote now; empty where it may."""
    market, limits = moment.market(session.ticker), parameters.guardrails
    regime, reasons = market.regime, []
    if regime is None or moment.now_s - regime.judged_at_s > limits.regime_freeze_s:
        reasons.append(f"session frozen: its regime is older than {limits.regime_freeze_s:g} s")
    elif regime.regime not in parameters.entry.allowed_regimes:
        reasons.append(f"session frozen: its regime is {regime.regime}")
    traded_at_s = None if regime is None else regime.last_trade_at_s
    if traded_at_s is None or moment.now_s - traded_at_s >= limits.no_trade_freeze_s:
        reasons.append(f"session frozen: no trade for {limits.no_trade_freeze_s:g} s")
    if not market.is_tradable:
        reasons.append("session frozen: the market is not tradable now")
    if moment.is_paused(session.ticker):
        reasons.append("session frozen: paused by a person")
    if moment.objection:
        reasons.append(f"session frozen: {moment.objection}")
    return tuple(reasons)
