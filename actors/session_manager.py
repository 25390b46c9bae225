"""SessionManager: opens short-lived quoting of markets that move and come back, and sees each session through to flat.

The thinking is `quant.sessions`; this is its shell. It keeps the newest word of everybody, takes one step every TICK_S,
and says what follows: claims in the program's name, a directive for each market's actor, exits to the desk, and rows
for the Ledger.

Rules:
1. A session is with the Ledger before its market is claimed, so that no restart can find a position nobody knows of.
   Rows are said again every RECORD_EVERY_S, which makes good what a crashed Ledger lost.
2. Directives outlive claims: if this actor dies for good, its markets are given up before a directive ends and their
   actors could quote freely again. They are said before the claims, for the same reason.
3. It exits only in markets of its own sessions, and only while the session wants it; the desk decides between it and
   the stop loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from actors.messages.lifecycle import Alert, Heartbeat, Switches
from actors.messages.market import Assignments, Claim, MarketEnded, MarketRules, ProgramClaims
from actors.messages.money import FillTape, MarketVerdict, PositionView, RecordVerdicts, RiskView
from actors.messages.orders import ExitClaim, WorkingOrders
from actors.messages.sessions import ReadOpenSessions, RecordSession, SessionRow, SessionsView
from actors.messages.volatility import MarketRegime, QuoteDirective, VolatilityEvent
from actors.runtime.asking import ask_until_answered
from actors.runtime.supervisor import ChildContext
from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6
from quant.bounded import put_newest
from quant.fills import NumberedFill
from quant.orders.totals import order_cost_e6
from quant.programs import Program
from quant.sessions.facts import EventSeen, MarketSeen, Moment, RegimeSeen
from quant.sessions.parameters import SessionParameters
from quant.sessions.session import EndReason, Phase, Session, Wish
from quant.sessions.sessions import Ended, Happening, Moved, Opened, Sessions, Verdict, recovered, recovering, step
from quant.signals.markouts import MarkedFill

TICK_S: Final = 0.25
CLAIMS_TTL_S: Final = 15.0  # a restart takes less; after that the markets go to others
CLAIMS_EVERY_S: Final = 3.0
DIRECTIVE_TTL_S: Final = 60.0
DIRECTIVE_EVERY_S: Final = 10.0
LAST_DIRECTIVE_TTL_S: Final = 5.0  # until the market is given up; its next owner must not be held back by it
EXIT_EVERY_S: Final = 5.0  # the desk forgets a claim after 30 s
RECORD_EVERY_S: Final = 10.0
EVENTS_KEPT_MAX: Final = 1_000  # the scanner follows 200 markets
MARKETS_KEPT_MAX: Final = 4_000
VERDICTS_AT_ONCE: Final = 500
_RECOVERED_HARD: Final = Phase.HARD_EXIT.value


@attrs.define(eq=False)
class SessionManager:
    """The actor; see the module."""

    context: ChildContext
    parameters: SessionParameters
    name: str  # of the program
    program: Program
    _state: Sessions = attrs.field(init=False)
    _events: dict[str, VolatilityEvent] = attrs.field(factory=dict, init=False)
    _regimes: dict[str, MarketRegime] = attrs.field(factory=dict, init=False)
    _positions: dict[str, PositionView] = attrs.field(factory=dict, init=False)
    _rules: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    _grids: dict[str, PriceGrid] = attrs.field(factory=dict, init=False)
    _bound_e6: dict[str, MoneyE6] = attrs.field(factory=dict, init=False)  # by markets in which orders rest
    _owners: dict[str, str] = attrs.field(factory=dict, init=False)
    _ended: dict[str, None] = attrs.field(factory=dict, init=False)
    _fills: dict[str, tuple[MarkedFill, ...]] = attrs.field(factory=dict, init=False)  # new since the last step
    _fill_seq: int | None = attrs.field(default=None, init=False)
    _risk: RiskView | None = attrs.field(default=None, init=False)
    _switches: Switches = attrs.field(factory=Switches, init=False)
    _directives: dict[str, QuoteDirective] = attrs.field(factory=dict, init=False)
    _exits: dict[str, ExitClaim] = attrs.field(factory=dict, init=False)
    _claimed: tuple[str, ...] = attrs.field(default=(), init=False)
    _claimed_at_s: float = attrs.field(default=0.0, init=False)
    _recorded_at_s: float = attrs.field(default=0.0, init=False)
    _verdicts: dict[str, Verdict] = attrs.field(factory=dict, init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Serves until cancelled."""
        await self._recover()
        started()
        now = self.context.seams.now
        next_step_s = now()
        while True:
            for message in await self.context.mailbox.receive(timeout_s=max(0.0, next_step_s - now())):
                self._take(message)
            if now() >= next_step_s:
                next_step_s = now() + TICK_S
                await self._step()

    async def _recover(self) -> None:
        """Takes up what the Ledger has open (rule 3 of quant.sessions.sessions)."""
        rows = await ask_until_answered(self.context, lambda slot: ReadOpenSessions(program=self.name, reply=slot))
        assert isinstance(rows, tuple)
        now_s = self.context.seams.now()
        found = [_recovering(row, now_s, self.parameters) for row in rows]
        self._state = recovered(Sessions(life=self.context.seams.new_id()[:12]), found)
        if found:
            self.context.log.info(f"{len(found)} sessions were open: {', '.join(one.ticker for one in found)}")

    # -- in --

    def _take(self, message: object) -> None:
        match message:
            case VolatilityEvent():
                put_newest(self._events, message.ticker, message, EVENTS_KEPT_MAX)
            case MarketRegime():
                put_newest(self._regimes, message.ticker, message, EVENTS_KEPT_MAX)
            case PositionView():
                self._positions[message.ticker] = message
            case MarketRules():
                self._take_rules(message)
            case WorkingOrders():
                self._take_working(message)
            case Assignments():
                self._owners = {assignment.ticker: assignment.program for assignment in message.assignments}
            case MarketEnded(kind="activated"):
                self._ended.pop(message.ticker, None)
            case MarketEnded():
                put_newest(self._ended, message.ticker, None, MARKETS_KEPT_MAX)
            case RiskView():
                self._risk = message
            case Switches():
                self._switches = message
            case FillTape():
                self._take_tape(message)
            case _:
                pass

    def _take_rules(self, rules: MarketRules) -> None:
        known = self._rules.get(rules.ticker)
        if known is None or known.price_ranges != rules.price_ranges:
            put_newest(self._grids, rules.ticker, PriceGrid(rules.price_ranges), MARKETS_KEPT_MAX)
        put_newest(self._rules, rules.ticker, rules, MARKETS_KEPT_MAX)

    def _take_working(self, working: WorkingOrders) -> None:
        if not working.orders:
            self._bound_e6.pop(working.ticker, None)
            return
        self._bound_e6[working.ticker] = MoneyE6(
            sum(order_cost_e6(order.side, order.price_e4, order.remaining_e2) for order in working.orders)
        )

    def _take_tape(self, tape: FillTape) -> None:
        """Notes the new fills of our markets; those of before this life belong to nobody here."""
        if self._fill_seq is not None:
            for numbered in tape.fills:
                if numbered.fill_seq > self._fill_seq and numbered.fill.ticker in self._state.sessions:
                    ticker = numbered.fill.ticker
                    self._fills[ticker] = (*self._fills.get(ticker, ()), self._marked(numbered))
        self._fill_seq = max(tape.last_seq, self._fill_seq or 0)

    def _marked(self, numbered: NumberedFill) -> MarkedFill:
        fill = numbered.fill
        return MarkedFill(
            time_s=self.context.seams.now(), side=fill.side, price_e4=fill.price_e4, count_e2=fill.count_e2
        )

    # -- the step --

    async def _step(self) -> None:
        taken = step(self._state, self._moment(), self.parameters)
        self._state = taken.state
        self._fills.clear()
        for happening in taken.happenings:
            await self._tell(happening)
        now_s = self.context.seams.now()
        if now_s - self._recorded_at_s >= RECORD_EVERY_S:
            self._recorded_at_s = now_s
            for session in self._state.sessions.values():
                await self._record(session)
        for session in self._state.sessions.values():
            self._direct(session.ticker, session.wish, session.reasons, now_s)
            self._exit(session, now_s)
        self._claim(now_s)
        await self._record_verdicts(taken.verdicts)
        self._forget_what_is_over()
        self._show(now_s)

    def _moment(self) -> Moment:
        seams, switches, risk = self.context.seams, self._switches, self._risk
        now_s = seams.now()
        return Moment(
            now_s=now_s,
            now_ms=seams.wall_ms(),
            program=self.name,
            is_on=switches.is_enabled(self.name, self.program.is_enabled),
            is_killed=switches.killed,
            paused=switches.paused,
            objection=_objection(risk, now_s),
            balance_e6=None if risk is None else MoneyE6(sum(cash_e6 for _, cash_e6 in risk.cash_available_e6)),
            resting_value_e6=MoneyE6(sum(self._bound_e6.values())),
            # Risk says all positions with its first word.
            are_positions_known=risk is not None,
            markets={ticker: self._market(ticker) for ticker in {*self._events, *self._state.sessions}},
        )

    def _market(self, ticker: str) -> MarketSeen:
        event, regime, position = self._events.get(ticker), self._regimes.get(ticker), self._positions.get(ticker)
        rules = self._rules.get(ticker)
        pnl_e6 = 0 if position is None else position.realised_e6 + position.unrealised_e6 - position.fees_e6
        return MarketSeen(
            event=None if event is None else _event_seen(event),
            regime=None if regime is None else _regime_seen(regime),
            position_e2=CountE2(0) if position is None else position.position_e2,
            touch_e4=None if position is None else position.mark_e4,
            pnl_e6=MoneyE6(pnl_e6),
            grid=self._grids.get(ticker),
            owner=self._owners.get(ticker),
            is_tradable=rules is None or rules.is_tradable,
            has_ended=ticker in self._ended,
            has_orders=ticker in self._bound_e6,
            fills=self._fills.get(ticker, ()),
        )

    # -- out --

    async def _tell(self, happening: Happening) -> None:
        session, log = happening.session, self.context.log
        match happening:
            case Opened():
                log.info(f"{session.ticker}: session {session.session_id} begins on event {session.event_id}")
            case Moved(before=before):
                log.info(f"{session.ticker}: {before} to {session.phase}: {'; '.join(session.reasons)}")
                if session.phase is Phase.HARD_EXIT:
                    text = f"{session.ticker}: session leaves at once ({session.end_reason})"
                    self._alert("session_hard_exit", "warning", text)
            case Ended():
                self._session_ended(happening)
        await self._record(session, happening if isinstance(happening, Ended) else None)

    def _session_ended(self, ended: Ended) -> None:
        session = ended.session
        pnl = f"PnL ${session.pnl_e6 / 1_000_000:.4f}"
        self.context.log.info(f"{session.ticker}: session {session.session_id} is over ({session.end_reason}), {pnl}")
        if ended.given_up_because:
            held = f"{session.position_e2 / 100:g} contracts are left to the stop loss and to you"
            text = f"{session.ticker}: session is over ({session.end_reason}): {ended.given_up_because}; {held}"
            self._alert("session_position_left", "error", text)
        now_s = self.context.seams.now()
        last = self._directive(session.ticker, Wish(), ("the session is over",), now_s + LAST_DIRECTIVE_TTL_S)
        self.context.outbox.publish(last)
        self._directives.pop(session.ticker, None)
        self._release_exit(session.ticker)

    def _forget_what_is_over(self) -> None:
        """An event that is over has been judged once more; only a session still asks for it."""
        for ticker, event in list(self._events.items()):
            if event.is_over and ticker not in self._state.sessions:
                del self._events[ticker]

    def _alert(self, code: str, severity: str, text: str) -> None:
        self.context.log.warning(text)
        at_ms = self.context.seams.wall_ms()
        self.context.outbox.publish(
            Alert(code=code, severity=severity, actor=self.context.name, text=text, at_ms=at_ms)
        )

    async def _record(self, session: Session, ended: Ended | None = None) -> None:
        await self.context.outbox.send(RecordSession(row=self._row(session, ended)))

    def _row(self, session: Session, ended: Ended | None = None) -> SessionRow:
        return SessionRow(
            session_id=session.session_id,
            program=self.name,
            ticker=session.ticker,
            event_id=session.event_id,
            started_ms=session.opened_at_ms,
            ended_ms=None if ended is None else self.context.seams.wall_ms(),
            close_time_ms=session.close_time_ms,
            # A recovered one goes on as it was, should there be another restart before it could.
            phase=_RECOVERED_HARD if session.phase is Phase.RECOVERING and session.was_hard else session.phase.value,
            end_reason="" if session.end_reason is None else session.end_reason.value,
            left="" if ended is None else ended.given_up_because,
            pnl_at_start_e6=session.pnl_at_start_e6,
            pnl_e6=session.pnl_e6,
            position_e2=session.position_e2,
        )

    def _direct(self, ticker: str, wish: Wish, reasons: tuple[str, ...], now_s: float) -> None:
        directive = self._directive(ticker, wish, reasons, now_s + DIRECTIVE_TTL_S)
        said = self._directives.get(ticker)
        if (
            said is not None
            and directive.valid_until_s - said.valid_until_s < DIRECTIVE_EVERY_S
            and said == attrs.evolve(directive, valid_until_s=said.valid_until_s)
        ):
            return
        self._directives[ticker] = directive
        self.context.outbox.publish(directive)

    def _directive(self, ticker: str, wish: Wish, reasons: tuple[str, ...], valid_until_s: float) -> QuoteDirective:
        return QuoteDirective(
            ticker=ticker,
            program=self.name,
            mode=wish.mode,
            exit_limit_e4=wish.exit_limit_e4,
            reasons=reasons,
            valid_until_s=valid_until_s,
        )

    def _exit(self, session: Session, now_s: float) -> None:
        wish, said = session.wish.exit, self._exits.get(session.ticker)
        if wish is None:
            self._release_exit(session.ticker)
            return
        claim = ExitClaim(
            ticker=session.ticker,
            claim_id=session.session_id,
            side=wish.side,
            count_e2=wish.count_e2,
            limit_e4=wish.limit_e4,
            reason=f"session ends: {session.end_reason}",
            renewed_at_s=now_s,
            claimant=self.context.name,
        )
        if (
            said is not None
            and now_s - said.renewed_at_s < EXIT_EVERY_S
            and said == attrs.evolve(claim, renewed_at_s=said.renewed_at_s)
        ):
            return
        self._exits[session.ticker] = claim
        self.context.outbox.publish(claim)

    def _release_exit(self, ticker: str) -> None:
        claim = self._exits.pop(ticker, None)
        if claim is not None:
            self.context.outbox.publish(attrs.evolve(claim, is_done=True))

    def _claim(self, now_s: float) -> None:
        sessions = self._state.sessions
        wanted = tuple(sorted(sessions))
        if wanted == self._claimed and (not wanted or now_s - self._claimed_at_s < CLAIMS_EVERY_S):
            return
        self._claimed, self._claimed_at_s = wanted, now_s
        claims = tuple(Claim(ticker=ticker, score=1.0, reasons=sessions[ticker].reasons) for ticker in wanted)
        self.context.outbox.publish(
            ProgramClaims(
                program=self.name, priority=self.program.priority, claims=claims, expires_at_s=now_s + CLAIMS_TTL_S
            )
        )

    async def _record_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Records what is new, for `explain`: a verdict stands until the next one of the same market."""
        new = [verdict for verdict in verdicts if self._verdicts.get(verdict.ticker) != verdict]
        for verdict in new:
            put_newest(self._verdicts, verdict.ticker, verdict, EVENTS_KEPT_MAX)
        at_ms = self.context.seams.wall_ms()
        for start in range(0, len(new), VERDICTS_AT_ONCE):
            batch = tuple(
                MarketVerdict(ticker=verdict.ticker, is_selected=verdict.has_session, reasons=verdict.reasons)
                for verdict in new[start : start + VERDICTS_AT_ONCE]
            )
            await self.context.outbox.send(RecordVerdicts(program=self.name, verdicts=batch, at_ms=at_ms))

    def _show(self, now_s: float) -> None:
        self.context.outbox.publish(
            SessionsView(
                program=self.name,
                sessions_max=self.parameters.entry.sessions_max,
                rows=tuple(self._row(session) for session in self._state.sessions.values()),
                candidates=tuple(sorted(self._state.candidates)),
                at_ms=self.context.seams.wall_ms(),
            )
        )
        self.context.outbox.publish(
            Heartbeat(actor=self.context.name, incarnation=self.context.incarnation, at_s=now_s)
        )


def _objection(risk: RiskView | None, now_s: float) -> str:
    if risk is None:
        return "risk has not spoken yet"
    if risk.lease_until_s < now_s:
        return "risk is silent"
    return "risk has halted quoting" if risk.is_halted else ""


def _event_seen(event: VolatilityEvent) -> EventSeen:
    return EventSeen(
        event_id=f"{event.incarnation}-{event.event_id}",
        said_at_s=event.said_at_s,
        strength=event.strength,
        sigma=event.sigma_dollars_per_sqrt_s,
        close_time_ms=event.close_time_ms,
        over_because=(event.reason or "it says no more") if event.is_over else "",
    )


def _regime_seen(regime: MarketRegime) -> RegimeSeen:
    return RegimeSeen(
        regime=regime.regime,
        is_stable=regime.is_stable,
        sigma=regime.sigma_dollars_per_sqrt_s,
        mid_e4=regime.mid_e4,
        last_trade_at_s=regime.last_trade_at_s,
        judged_at_s=regime.judged_at_s,
    )


def _recovering(row: SessionRow, now_s: float, parameters: SessionParameters) -> Session:
    return recovering(
        session_id=row.session_id,
        ticker=row.ticker,
        event_id=row.event_id,
        opened_at_ms=row.started_ms,
        close_time_ms=row.close_time_ms,
        pnl_at_start_e6=row.pnl_at_start_e6,
        end_reason=EndReason(row.end_reason) if row.end_reason else None,
        was_hard=row.phase == _RECOVERED_HARD,
        now_s=now_s,
        parameters=parameters,
    )
