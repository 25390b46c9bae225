"""SessionManager as an actor, with the real Ledger and the real allocation; scanner, risk and desk are played."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from actors.allocation import Allocation
from actors.ledger import Ledger
from actors.messages.lifecycle import Alert, Switches
from actors.messages.market import Assignments
from actors.messages.money import PositionView, RiskView
from actors.messages.orders import ExitClaim, WorkingOrder, WorkingOrders
from actors.messages.sessions import SessionsView
from actors.messages.table import CHANNELS
from actors.messages.volatility import Direction, MarketRegime, QuoteDirective, VolatilityEvent
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.ledger_store.reading import latest_verdicts
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from actors.session_manager import CLAIMS_TTL_S, SessionManager
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.allocation import AllocationParameters
from quant.programs import Program, SelectionKind
from quant.quoting.directive import QuoteMode
from quant.sessions.parameters import ExitParameters, GuardrailParameters, KillParameters, SessionParameters
from quant.signals.regime import Regime, RegimeReason
from tests.actors.listings import tradable

T = "KX-A"
PROGRAM = "swings"
WALL_MS = 1_790_000_000_000
PARAMETERS = SessionParameters(
    guardrails=GuardrailParameters(time_to_live_s=60.0),
    regime_kill=KillParameters(require_adverse_selection=False),
    exits=ExitParameters(unwind_max_s=60.0),
)


@attrs.define(eq=False)
class Stage:
    """The neighbours: the scanner says its word every second, risk as often, and the desk keeps what it hears."""

    path: Path
    nursery: trio.Nursery
    switchboard: Switchboard = attrs.field(factory=lambda: Switchboard(CHANNELS, trio.current_time))
    incarnation: int = 0
    regime: Regime = Regime.MEAN_REVERTING
    is_over: bool = False
    scans: bool = True
    position_e2: int = 0
    mark_e4: int | None = None
    realised_e6: int = 0
    directives: list[QuoteDirective] = attrs.field(factory=list)
    claims: list[ExitClaim] = attrs.field(factory=list)
    alerts: list[str] = attrs.field(factory=list)
    life: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def context(self, name: str) -> ChildContext:
        return ChildContext(
            name=name,
            incarnation=max(1, self.incarnation),
            mailbox=self.switchboard.mailbox(name),
            outbox=self.switchboard.outbox(name),
            seams=virtual_seams(self.incarnation + 1, WALL_MS),
            log=silent_log(name),
        )

    async def start(self) -> None:
        """Starts a new life of the manager, as the supervisor does: same mailbox, nothing remembered."""
        self.life.cancel()
        self.incarnation += 1
        self.switchboard.mailbox("session_manager")
        self.switchboard.reincarnate("session_manager", self.incarnation)
        self.life = trio.CancelScope()
        program = Program(selection=SelectionKind.VOLATILITY, priority=20)
        manager = SessionManager(self.context("session_manager"), PARAMETERS, PROGRAM, program)
        started = trio.Event()

        async def live() -> None:
            with self.life:
                await manager.run(started.set)

        self.nursery.start_soon(live)
        await started.wait()

    async def start_neighbours(self) -> None:
        """Starts the real Ledger and the real allocation, and all that is played."""
        self.switchboard.mailbox("records")
        self.switchboard.outbox("discovery").publish(tradable(T))
        started = trio.Event()
        self.nursery.start_soon(Ledger(self.context("ledger"), self.path).run, started.set)
        await started.wait()
        programs = {PROGRAM: Program(selection=SelectionKind.VOLATILITY)}
        allocation = Allocation(self.context("allocation"), AllocationParameters(), programs)
        self.nursery.start_soon(allocation.run, lambda: None)
        self.nursery.start_soon(self.play_scanner_and_risk)
        self.nursery.start_soon(self.listen)

    async def play_scanner_and_risk(self) -> None:
        scanner, risk = self.switchboard.outbox("volatility_scanner"), self.switchboard.outbox("portfolio_risk")
        while True:
            now_s = trio.current_time()
            if self.scans:
                scanner.publish(regime(self.regime, now_s))
                scanner.publish(event(now_s, is_over=self.is_over))
            risk.publish(
                RiskView(
                    lease_until_s=now_s + 5.0,
                    is_halted=False,
                    reasons=(),
                    caps=(),
                    cash_available_e6=((0, MoneyE6(10**9)),),
                    watermark=0,
                )
            )
            risk.publish(self.position())
            await trio.sleep(1.0)

    def position(self) -> PositionView:
        return PositionView(
            ticker=T,
            position_e2=CountE2(self.position_e2),
            average_entry_e4=PriceE4(5_000),
            realised_e6=MoneyE6(self.realised_e6),
            unrealised_e6=MoneyE6(0),
            fees_e6=MoneyE6(0),
            mark_e4=None if self.mark_e4 is None else PriceE4(self.mark_e4),
            watermark=0,
        )

    async def listen(self) -> None:
        market = self.switchboard.mailbox(f"market:{T}", keys={QuoteDirective: T})
        desk, records = self.switchboard.mailbox("order_desk"), self.switchboard.mailbox("records")
        while True:
            await trio.sleep(0.25)
            self.directives += [m for m in await market.receive(timeout_s=0.0) if isinstance(m, QuoteDirective)]
            self.claims += [m for m in await desk.receive(timeout_s=0.0) if isinstance(m, ExitClaim)]
            self.alerts += [m.code for m in await records.receive(timeout_s=0.0) if isinstance(m, Alert)]

    def holds(self, position_e2: int, mark_e4: int | None = None) -> None:
        self.position_e2, self.mark_e4 = position_e2, mark_e4
        self.switchboard.outbox("portfolio_risk").publish(self.position())

    def mode(self) -> QuoteMode:
        """What the market's actor was told last."""
        return self.directives[-1].mode

    def rows(self) -> list[tuple[str, str, str, int, int]]:
        """Phase, reason, what was left, PnL and whether it ended, of each session the Ledger knows, in order."""
        with closing(sqlite3.connect(self.path)) as database:
            found = database.execute(
                "SELECT phase, end_reason, left_because, pnl_e6, ended_ms IS NOT NULL FROM volatility_sessions "
                "ORDER BY started_ms"
            )
            return found.fetchall()


def regime(verdict: Regime, now_s: float) -> MarketRegime:
    return MarketRegime(
        ticker=T,
        regime=verdict,
        reason=RegimeReason.RETURNS_TO_MEAN,
        is_stable=True,
        sigma_dollars_per_sqrt_s=0.002,
        mid_e4=PriceE4(5_000),
        last_trade_at_s=now_s,
        judged_at_s=now_s,
    )


def event(now_s: float, *, is_over: bool = False) -> VolatilityEvent:
    return VolatilityEvent(
        ticker=T,
        event_id=7,
        incarnation=1,
        is_over=is_over,
        reason="volatility fell" if is_over else "",
        jump_e4=None,
        sigma_dollars_per_sqrt_s=0.002,
        strength=0.5,
        direction=Direction.NONE,
        category="",
        event_ticker="E",
        close_time_ms=WALL_MS + 10**8,
        began_at_s=0.0,
        said_at_s=now_s,
    )


@asynccontextmanager
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    async with trio.open_nursery() as nursery:
        stage = Stage(path=tmp_path / "ledger.sqlite", nursery=nursery)
        await stage.start_neighbours()
        await stage.start()
        yield stage
        nursery.cancel_scope.cancel()


async def test_a_session_from_its_event_to_flat(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with staged(tmp_path) as stage:
        snapshot = stage.switchboard.mailbox("snapshot")
        await trio.sleep(4.5)
        assert stage.directives == []
        await trio.sleep(2.0)
        *before, last = (directive.mode for directive in stage.directives)
        # The slot holds the newest: the first word may be replaced before it is read.
        assert (before in ([], [QuoteMode.FREEZE]), last) == (True, QuoteMode.QUOTE)
        assert stage.directives[-1].program == PROGRAM
        seen = await snapshot.receive()
        (assigned,) = [m for m in seen if isinstance(m, Assignments)]
        assert [(a.ticker, a.program) for a in assigned.assignments] == [(T, PROGRAM)]
        (view,) = [m for m in seen if isinstance(m, SessionsView)]
        assert [(row.ticker, row.phase) for row in view.rows] == [(T, "quoting")]
        assert stage.rows() == [("quoting", "", "", 0, 0)]

        stage.holds(100, 4_900)
        await trio.sleep(60.0)
        assert stage.mode() is QuoteMode.FREEZE
        claim = stage.claims[-1]
        assert (claim.side, claim.count_e2, claim.limit_e4, claim.claimant) == (Side.ASK, 100, 4_900, "session_manager")
        assert not claim.is_done
        stage.realised_e6 = -100_000
        stage.holds(0)
        await trio.sleep(2.0)
        assert stage.claims[-1].is_done
        assert stage.rows() == [("closing", "time to live", "", -100_000, 1)]
        (assigned,) = [m for m in await snapshot.receive() if isinstance(m, Assignments)]
        assert assigned.assignments == ()
        said = latest_verdicts(stage.path, T)
        assert said == (f"{PROGRAM}: not selected: a session of it ended less than 60 s ago",)
        assert stage.directives[-1].reasons == ("the session is over",)
        assert stage.directives[-1].valid_until_s <= trio.current_time() + 5.0


async def test_a_hard_kill_is_an_exit_and_an_alarm(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with staged(tmp_path) as stage:
        await trio.sleep(7.0)
        stage.holds(-300, 5_000)
        stage.regime = Regime.CHAOTIC
        await trio.sleep(1.5)
        claim = stage.claims[-1]
        assert (claim.side, claim.count_e2, claim.limit_e4) == (Side.BID, 300, 5_400)
        assert stage.alerts == ["session_hard_exit"]
        stage.holds(-100, 6_000)
        await trio.sleep(0.5)
        assert (stage.claims[-1].count_e2, stage.claims[-1].limit_e4) == (100, 6_400)
        assert stage.claims[-1].claim_id == claim.claim_id
        heard = len(stage.claims)
        await trio.sleep(11.0)
        assert len(stage.claims) - heard in (2, 3), "a claim is renewed every five seconds"
        assert not any(claim.is_done for claim in stage.claims)
        await trio.sleep(PARAMETERS.exits.unwind_max_s)
        assert stage.claims[-1].is_done, "what is handed to a person is not exited behind his back"
        assert stage.alerts == ["session_hard_exit", "session_position_left"]


async def test_what_cannot_be_closed_is_handed_to_a_person(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with staged(tmp_path) as stage:
        await trio.sleep(7.0)
        stage.holds(300, 5_000)
        await trio.sleep(75.0)
        assert stage.mode() is QuoteMode.REDUCE_ONLY
        assert stage.directives[-1].exit_limit_e4 == 4_600
        await trio.sleep(PARAMETERS.exits.unwind_max_s)
        assert "session_position_left" in stage.alerts
        assert stage.rows()[0][:3] == ("reducing", "time to live", "it could not be closed within 60 s")
        assert stage.claims == []


@pytest.mark.parametrize("position_e2", [0, 300])
async def test_a_restart_ends_it_or_unwinds_it(
    position_e2: int, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with staged(tmp_path) as stage:
        await trio.sleep(7.0)
        stage.holds(position_e2, 5_000 if position_e2 else None)
        await trio.sleep(0.5)
        assert stage.mode() is QuoteMode.QUOTE
        await stage.start()
        await trio.sleep(0.5)
        assert stage.mode() is QuoteMode.FREEZE
        await trio.sleep(15.5)
        if position_e2 == 0:
            assert stage.rows()[0][1:] == ("restart", "", 0, 1)
            return
        assert stage.mode() is QuoteMode.REDUCE_ONLY
        assert stage.rows()[0][:2] == ("reducing", "restart")
        stage.holds(0)
        await trio.sleep(2.0)
        assert stage.rows()[0][1:] == ("restart", "", 0, 1)
        assert len(stage.rows()) == 1


async def test_a_session_that_still_has_orders_waits_for_their_end(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with staged(tmp_path) as stage:
        await trio.sleep(7.0)
        desk = stage.switchboard.outbox("order_desk")
        order = WorkingOrder(
            client_order_id="c",
            side=Side.BID,
            price_e4=PriceE4(4_900),
            remaining_e2=CountE2(100),
            state="resting",
            is_quote=True,
        )
        desk.publish(WorkingOrders(ticker=T, orders=(order,)))
        stage.is_over = True
        await trio.sleep(10.0)
        assert stage.rows() == [("waiting", "volatility ended", "", 0, 0)]
        desk.publish(WorkingOrders(ticker=T, orders=()))
        await trio.sleep(2.0)
        assert stage.rows() == [("waiting", "volatility ended", "", 0, 1)]


async def test_a_dead_manager_loses_its_markets_before_its_directives_end(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with staged(tmp_path) as stage:
        await trio.sleep(7.0)
        stage.life.cancel()
        died_s = trio.current_time()
        snapshot = stage.switchboard.mailbox("snapshot")
        await snapshot.receive(timeout_s=0.0)
        await trio.sleep(CLAIMS_TTL_S + 1.0)
        (assigned,) = [m for m in await snapshot.receive(timeout_s=0.0) if isinstance(m, Assignments)]
        assert assigned.assignments == ()
        assert stage.directives[-1].valid_until_s > died_s + 2 * CLAIMS_TTL_S


async def test_a_person_stops_the_program_and_an_event_begins_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with staged(tmp_path) as stage:
        stage.switchboard.outbox("outer").publish(Switches(programs=((PROGRAM, False),)))
        await trio.sleep(10.0)
        assert stage.rows() == []
        assert latest_verdicts(stage.path, T) == (f"{PROGRAM}: not selected: the program is off",)
        stage.switchboard.outbox("outer").publish(Switches())
        await trio.sleep(7.0)
        assert stage.rows() == [("quoting", "", "", 0, 0)]
        stage.switchboard.outbox("outer").publish(Switches(killed=True))
        await trio.sleep(1.0)
        assert stage.rows()[0][1] == "killed"


async def test_nothing_is_lost_when_a_row_is(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A crashed Ledger loses the message in hand; rows of open sessions are said again."""
    async with staged(tmp_path) as stage:
        await trio.sleep(7.0)
        with closing(sqlite3.connect(stage.path)) as database, database:
            database.execute("DELETE FROM volatility_sessions")
        await trio.sleep(10.5)
        assert stage.rows() == [("quoting", "", "", 0, 0)]


async def test_claims_of_two_claimants_do_not_replace_each_other_on_their_way(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    desk = switchboard.mailbox("order_desk")
    claim = ExitClaim(
        ticker=T,
        claim_id="c1",
        side=Side.ASK,
        count_e2=CountE2(100),
        limit_e4=PriceE4(4_000),
        reason="stop loss",
        renewed_at_s=0.0,
    )
    switchboard.outbox("stop_loss").publish(claim)
    session = attrs.evolve(claim, claim_id="s1", claimant="session_manager")
    switchboard.outbox("session_manager").publish(session)
    assert await desk.receive() == (claim, session)
