"""All sessions together: one step from moment to moment, and what has happened in it.

A session begins where a volatility event lasts and nothing speaks against it for `delay_s` without a break; the
strongest events come first. From then on it is `guardrails` that end its life and `unwinding` that brings it to flat.

Rules:
1. One session a market, and no more than `sessions_max`; one that unwinds counts, because its position is as real.
2. Everything a person may want to know is a verdict: every market with an event or a session has one, whose reasons
   are those that decided.
3. A session that the Ledger still has open, after a restart of the actor or of the bot, quotes no more. It waits
   until positions are known and unwinds what it holds, for the reason that it had or because of the restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from kalshi.numbers import MoneyE6
from quant.bounded import keep_newest
from quant.quoting.directive import QuoteMode
from quant.sessions import entry, funds, guardrails, unwinding
from quant.sessions.facts import MarketSeen, Moment
from quant.sessions.funds import FundsGates
from quant.sessions.guardrails import Ending, ExitStyle
from quant.sessions.parameters import EntryParameters, SessionParameters
from quant.sessions.session import EndReason, Phase, Session, Wish
from quant.signals import markouts
from quant.signals.markouts import MarkoutParameters

ENDED_REMEMBERED_MAX: Final = 1_000


@attrs.frozen(kw_only=True)
class Sessions:
    """The state: sessions by market, since when conditions hold elsewhere, the gates of money, what ended lately."""

    life: str  # makes the ids of this actor's life unlike those of any other
    sessions: Mapping[str, Session] = attrs.field(factory=dict)
    candidates: Mapping[str, float] = attrs.field(factory=dict)
    gates: FundsGates = attrs.field(factory=FundsGates)
    ended_at_s: Mapping[str, float] = attrs.field(factory=dict)
    opened: int = 0


@attrs.frozen(kw_only=True)
class Opened:
    """A session began."""

    session: Session


@attrs.frozen(kw_only=True)
class Moved:
    """A session is in another phase, or has a reason to end now."""

    session: Session
    before: Phase


@attrs.frozen(kw_only=True)
class Ended:
    """A session is over. `given_up_because` says why something may be left; empty where it ended flat."""

    session: Session
    given_up_because: str


Happening = Opened | Moved | Ended


@attrs.frozen(kw_only=True)
class Verdict:
    """Whether a market with a volatility event has a session, and why."""

    ticker: str
    has_session: bool
    reasons: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Step:
    """The state one moment later, what happened on the way, and a verdict for each market that was looked at."""

    state: Sessions
    happenings: tuple[Happening, ...]
    verdicts: tuple[Verdict, ...]


def step(state: Sessions, moment: Moment, parameters: SessionParameters) -> Step:
    """Returns the state at `moment`, later than all before."""
    running: dict[str, Session] = {}
    happenings: list[Happening] = []
    for session in state.sessions.values():
        after = _advanced(session, moment, parameters)
        happenings += _told(session, after)
        if isinstance(after, Session):
            running[session.ticker] = after
    refused: list[Verdict] = []
    candidates: dict[str, float] = {}
    opened = state.opened
    ended_at_s = _ended(state.ended_at_s, happenings, moment.now_s, parameters.entry)
    gates = funds.judge(state.gates, moment, parameters.entry)
    for ticker in _strongest_first(moment, running):
        reasons = entry.objections(ticker, moment, gates, len(running), parameters)
        if ticker in ended_at_s:
            reasons = (*reasons, f"a session of it ended less than {parameters.entry.reentry_after_s:g} s ago")
        since_s = state.candidates.get(ticker, moment.now_s)
        if not reasons and moment.now_s - since_s >= parameters.entry.delay_s:
            opened += 1
            running[ticker] = _new(f"{state.life}-{opened}", ticker, moment, parameters)
            happenings.append(Opened(session=running[ticker]))
            continue
        if not reasons:
            candidates[ticker] = since_s
            reasons = (f"all conditions hold; a session begins once they did for {parameters.entry.delay_s:g} s",)
        refused.append(Verdict(ticker=ticker, has_session=False, reasons=reasons))
    new = attrs.evolve(
        state, sessions=running, candidates=candidates, gates=gates, ended_at_s=ended_at_s, opened=opened
    )
    in_session = [Verdict(ticker=one.ticker, has_session=True, reasons=one.reasons) for one in running.values()]
    return Step(state=new, happenings=tuple(happenings), verdicts=(*in_session, *refused))


def recovered(state: Sessions, sessions: Iterable[Session]) -> Sessions:
    """Returns the state with sessions that the Ledger has open (rule 3); of two of one market the newer counts."""
    found = {session.ticker: session for session in sorted(sessions, key=lambda session: session.opened_at_ms)}
    return attrs.evolve(state, sessions={**found, **state.sessions})


def recovering(
    *,
    session_id: str,
    ticker: str,
    event_id: str,
    opened_at_ms: int,
    close_time_ms: int,
    pnl_at_start_e6: MoneyE6,
    end_reason: EndReason | None,
    was_hard: bool,
    now_s: float,
    parameters: SessionParameters,
) -> Session:
    """Returns a session as the Ledger had it, waiting for positions to be known."""
    return Session(
        session_id=session_id,
        ticker=ticker,
        event_id=event_id,
        opened_at_s=now_s,
        opened_at_ms=opened_at_ms,
        close_time_ms=close_time_ms,
        pnl_at_start_e6=pnl_at_start_e6,
        markouts=markouts.initial(guardrails.markout_parameters(parameters)),
        phase=Phase.RECOVERING,
        phase_since_s=now_s,
        end_reason=end_reason,
        was_hard=was_hard,
        reasons=("session recovered after a restart: waits for the positions",),
    )


def _new(session_id: str, ticker: str, moment: Moment, parameters: SessionParameters) -> Session:
    market = moment.market(ticker)
    event = market.event
    assert event is not None, "without an event there was an objection"
    return Session(
        session_id=session_id,
        ticker=ticker,
        event_id=event.event_id,
        opened_at_s=moment.now_s,
        opened_at_ms=moment.now_ms,
        close_time_ms=event.close_time_ms,
        pnl_at_start_e6=market.pnl_e6,
        markouts=markouts.initial(guardrails.markout_parameters(parameters)),
        phase_since_s=moment.now_s,
        reasons=("session waits for its market",),
    )


def _advanced(session: Session, moment: Moment, parameters: SessionParameters) -> Session | Ended:
    session = _informed(session, moment, guardrails.markout_parameters(parameters))
    if session.phase is Phase.RECOVERING:
        if not moment.are_positions_known:
            return session
        style = ExitStyle.HARD if session.was_hard else ExitStyle.PASSIVE
        session = unwinding.begin(session, Ending(reason=session.end_reason or EndReason.RESTART, style=style), moment)
    elif session.is_live:
        ending = guardrails.ending(session, moment, parameters)
        if ending is None:
            return _living(session, moment, parameters)
        if ending.style is ExitStyle.AT_ONCE:
            ended = attrs.evolve(session, end_reason=ending.reason, wish=Wish())
            # What is held in a market that it never had is its owner's.
            is_left = session.had_market and session.position_e2
            return Ended(session=ended, given_up_because=ending.reason.value if is_left else "")
        session = unwinding.begin(session, ending, moment)
    session = unwinding.go_on(session, moment, parameters)
    if unwinding.is_settled(session, moment.now_s):
        return Ended(session=attrs.evolve(session, wish=Wish()), given_up_because="")
    if why := unwinding.why_given_up(session, moment, parameters):
        return Ended(session=attrs.evolve(session, wish=Wish()), given_up_because=why if session.position_e2 else "")
    return session


def _informed(session: Session, moment: Moment, parameters: MarkoutParameters) -> Session:
    """Returns the session with the moment's position, PnL, fills and mid."""
    market, seen = moment.market(session.ticker), session.markouts
    for fill in market.fills:
        seen = markouts.filled(seen, fill, parameters)
    if market.regime is not None:
        seen = markouts.observed(seen, market.regime.judged_at_s, market.regime.mid_e4 / 10_000, parameters)
    if not moment.are_positions_known:
        return attrs.evolve(session, markouts=seen)
    pnl_e6 = MoneyE6(market.pnl_e6 - session.pnl_at_start_e6)
    return attrs.evolve(session, markouts=seen, position_e2=market.position_e2, pnl_e6=pnl_e6)


def _living(session: Session, moment: Moment, parameters: SessionParameters) -> Session:
    if moment.market(session.ticker).owner != moment.program:
        waiting = session.to(Phase.CLAIMING, moment.now_s, "session waits for its market")
        return attrs.evolve(waiting, wish=Wish())
    session = attrs.evolve(session, had_market=True)
    if reasons := guardrails.freezes(session, moment, parameters):
        return attrs.evolve(session.to(Phase.FROZEN, moment.now_s, *reasons), wish=Wish())
    return attrs.evolve(session.to(Phase.QUOTING, moment.now_s, "session quotes"), wish=Wish(mode=QuoteMode.QUOTE))


def _told(before: Session, after: Session | Ended) -> tuple[Happening, ...]:
    if isinstance(after, Ended):
        return (after,)
    return (Moved(session=after, before=before.phase),) if after.phase is not before.phase else ()


def _ended(
    before: Mapping[str, float], happenings: Iterable[Happening], now_s: float, parameters: EntryParameters
) -> dict[str, float]:
    """Returns the markets whose last session ended a short while ago, and when."""
    young = {ticker: at_s for ticker, at_s in before.items() if now_s - at_s < parameters.reentry_after_s}
    for happening in happenings:
        if isinstance(happening, Ended) and parameters.reentry_after_s > 0:
            young[happening.session.ticker] = now_s
    keep_newest(young, ENDED_REMEMBERED_MAX)
    return young


def _strongest_first(moment: Moment, running: Mapping[str, Session]) -> list[str]:
    def strength(pair: tuple[str, MarketSeen]) -> tuple[float, str]:
        ticker, market = pair
        return -(market.event.strength if market.event is not None else 0.0), ticker

    pairs = [(t, m) for t, m in moment.markets.items() if m.event is not None and t not in running]
    return [ticker for ticker, _ in sorted(pairs, key=strength)]
