"""One process life: boot, trade, leave. The outer scope of the program, in the order in which it happens.

    boot     open the journal; reach the exchange; check clock and key; fence and sweep what older boots left
    trade    outer scope: Wire, desk watch, snapshot, control socket; inner scope: the supervised tree
    leave    exit guard: latch, fence and stop of the actors side by side, sweep, report

Rules:
1. The inner scope ends first. What sends, journals and cancels outlives what decides.
2. Every reason to leave goes through `request_stop`; the first one gives reason and exit code. Only persons hurry.
3. Nothing here knows whether the exchange is real: it comes through `Ports`, time and ids through `Seams`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

import attrs
import trio

from actors.messages.control import ControlCommand, ControlReply, SystemSnapshot
from actors.messages.lifecycle import ALL_MARKETS, KillMarket, ReleaseLossLatch, StopWanted, Switches
from actors.messages.money import Record
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildSpec, Log
from actors.runtime.desk_watch import watch_desk
from actors.runtime.exit_guard import ExitCode, ExitGuard, ExitReport, conclude, write_report
from actors.runtime.journal import Journal, JournalBroken, JournalFolder, JournalState
from actors.runtime.latch import ExitLatch
from actors.runtime.ledger_store.backup import BackupRefused, back_up
from actors.runtime.ledger_store.database import LedgerBroken
from actors.runtime.ledger_store.reading import latest_configuration, latest_verdicts
from actors.runtime.ledger_store.store import prepare, record_last
from actors.runtime.lifecycle import ActorExited, LifecycleEvent, error_text, leaves, traceback_text
from actors.runtime.loop_watch import LoopWatch
from actors.runtime.seams import Seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.supervisor import Escalated, Supervisor
from actors.runtime.sweep import Sweep, SweepReport
from actors.runtime.switchboard import Switchboard
from actors.runtime.wire import Wire
from kalshi.budget import RateBudget
from kalshi.errors import AuthenticationFailed, ExchangeError
from kalshi.feed import Probe
from kalshi.http_client import HttpClient
from kalshi.rest import RestClient
from kalshi.signing import Signer
from kalshi.types import BucketLimits
from ops.control import (
    BackUpLedger,
    ControlView,
    Flatten,
    FlattenProgram,
    KillActor,
    PauseProgram,
    PauseQuoting,
    ReleaseLosses,
    ResumeProgram,
    ResumeQuoting,
    SetKillSwitch,
    SetLogLevel,
    SlowActor,
    StallActor,
    StopBot,
    SwitchProgram,
    WriteAudit,
    dispatch,
)
from ops.control_server import ControlSocketError, serve_control
from ops.ports import Ports
from ops.record_keeper import RecordKeeper
from ops.settings import Settings
from ops.snapshot import SnapshotMaker
from ops.switches import PeopleSwitches
from ops.venue import Venue, boot_prefix
from quant.invariants import InvariantViolation

# What the exchange gives the lowest tier; the account's own figures replace it at boot.
BASIC_READ = BucketLimits(refill_per_s=200.0, capacity=600.0)
BASIC_WRITE = BucketLimits(refill_per_s=100.0, capacity=100.0)
BOOT_RETRY_FIRST_S = 0.5
BOOT_RETRY_MAX_S = 10.0
BOOT_ID_LENGTH = 8
# Fence and two clean lists take this long at best; less could never verify.
HURRY_S = 2.0
SWITCHES_EVERY_S = 0.25
# One Ctrl+C can arrive twice, from the terminal and from whoever started us.
SAME_SIGNAL_S = 0.5
# A backup that takes longer is answered before it is done; its end is in the log.
BACKUP_ANSWERED_S = 20.0
NOTHING_SENT = SweepReport(
    verified=True,
    groups_triggered=(),
    groups_not_triggered=(),
    orders_cancelled=0,
    orders_left=(),
    lists_read=0,
    seconds=0.0,
    reason="this boot sent nothing, and no older one left anything open",
)
# No restart can mend these.
FATAL = (InvariantViolation, AuthenticationFailed)


class CannotStart(Exception):
    """The bot must not or cannot start; the text says why and what to do, `exit_code` what to tell the caller."""

    def __init__(self, text: str, exit_code: ExitCode) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@attrs.frozen(kw_only=True)
class TreeParts:
    """What the tree of actors is built from."""

    settings: Settings
    switchboard: Switchboard
    clock: ServerClock
    ports: Ports
    prefix: str
    ledger_path: Path
    on_lifecycle: Callable[[LifecycleEvent], None]
    log_for: Callable[[str], Log]
    fatal: tuple[type[BaseException], ...]
    probe: Probe | None = None  # sees every book before it is conflated (replay and tests)


BuildTree = Callable[[TreeParts], tuple[ChildSpec, ...]]


class Life:
    """One boot of the bot against one venue; `run` is the whole of it."""

    def __init__(
        self,
        *,
        settings: Settings,
        venue: Venue,
        signer: Signer,
        seams: Seams,
        open_ports: Callable[[ServerClock], Ports],
        build_tree: BuildTree,
        state_folder: Path,
        log_for: Callable[[str], Log],
        drain_s: float,
        loop_watch: LoopWatch | None = None,
        probe: Probe | None = None,
        on_snapshot: Callable[[SystemSnapshot], None] = lambda snapshot: None,
        set_log_level: Callable[[str, str], None] = lambda actor, level: None,
        redact: Callable[[str], str] = lambda text: text,
        on_lifecycle: Callable[[LifecycleEvent], None] = lambda event: None,
    ) -> None:
        self.settings = settings
        self.venue = venue
        self._redact = redact  # what of an error goes into records, reports and answers, as the logs do it
        self.seams = seams
        self.boot = seams.new_id()[:BOOT_ID_LENGTH]
        self.latch = ExitLatch()
        self.clock = ServerClock(now=seams.now, wall_ms=seams.wall_ms)
        self.switchboard = Switchboard(CHANNELS, seams.now)
        self.snapshot: SystemSnapshot | None = None
        self.on_stopping: Callable[[str], None] = lambda reason: None  # called once, first of all
        self.supervisor: Supervisor | None = None
        self.switches = PeopleSwitches(state_folder, killed_by_settings=settings.kill_switch)
        self._log = log_for("main")
        self._log_for = log_for
        self._folder = state_folder / venue.name
        self._signer = signer
        self._ports = open_ports(self.clock)
        self._build_tree = build_tree
        self._guard = ExitGuard(latch=self.latch, deadline_s=drain_s, now=seams.now)
        self._loop_watch = loop_watch
        self._probe = probe
        self._on_snapshot = on_snapshot
        self._set_log_level = set_log_level
        self._tell_lifecycle = on_lifecycle
        self._stop = trio.Event()
        self._stop_reason = ""
        self._switches_said: Switches | None = None
        self._report: ExitReport | None = None
        self._stop_asked_s = 0.0
        self._exchange_reached = False
        self._stop_code = ExitCode.VERIFIED_FLAT
        self._tree_scope = trio.CancelScope()
        self._tree_over = trio.Event()
        self._ledger_path = self._folder / "ledger.sqlite"
        self._records = self._record_keeper()
        self._outer: trio.Nursery | None = None
        self._backup: trio.Event | None = None  # of the copy that is being made
        self._budget = RateBudget(seams.now, BASIC_READ, BASIC_WRITE)
        exchange = settings.exchange
        self._data = self._client(self._ports.data_http, exchange.data_connections, exchange.data_deadline_s)
        # The way out must end at its deadline, and what goes this way can be done again.
        self._control = self._client(
            self._ports.control_http,
            exchange.control_connections,
            exchange.control_deadline_s,
            shields_writes=False,
        )

    def _client(
        self, http: HttpClient, connections: int, deadline_s: float, *, shields_writes: bool = True
    ) -> RestClient:
        return RestClient(
            http=http,
            base_url=self._ports.base_url,
            signer=self._signer,
            budget=self._budget,
            wall_ms=self.clock.now_ms,
            connections=connections,
            deadline_s=deadline_s,
            on_server_date=self._heard_date,
            shields_writes=shields_writes,
        )

    def _heard_date(self, date_ms: int, wall_at_receive_ms: int) -> None:
        # The client reads our corrected clock; the estimate wants the raw one.
        self.clock.observe_date(date_ms, wall_at_receive_ms - self.clock.offset_ms)

    @property
    def has_ended(self) -> bool:
        """Whether its exit report is written."""
        return self._report is not None

    @property
    def report(self) -> ExitReport:
        """How it ended; not to be asked before."""
        assert self._report is not None, "it has not ended yet"
        return self._report

    # -- leaving --

    def request_stop(self, reason: str, code: ExitCode = ExitCode.VERIFIED_FLAT) -> None:
        """Begins the way out. A later reason changes nothing: only a person may hurry it."""
        if self._stop.is_set():
            self._log.info(f"already stopping: {self._redact(reason)}")
            return
        reason = self._redact(reason)
        self._stop_reason, self._stop_code = reason, code
        self._stop_asked_s = self.seams.now()
        self._log.info(f"stopping: {reason}")
        self._stop.set()
        self.on_stopping(reason)

    def hurry(self, reason: str) -> None:
        """Shortens the deadline of the way out."""
        if self.seams.now() - self._stop_asked_s < SAME_SIGNAL_S:
            return
        self._log.warning(f"hurrying: {reason}")
        self._guard.hurry(HURRY_S)

    # -- the whole --

    async def run(self, control_path: Path | None = None) -> ExitReport:
        """Boots, trades until asked to stop, and leaves. Raises CannotStart when it must not or cannot trade."""
        folder = JournalFolder(self._folder)
        try:
            history = await self.seams.offload(folder.read_all)
            journal = folder.open(self.boot, self.seams.wall_ms())
        except JournalBroken as broken:
            raise CannotStart(
                f"{broken}; free some space or configure another state folder", ExitCode.USAGE
            ) from broken
        try:
            if not await self._boot(history, folder):
                return await self._leave_unbooted(history, journal)
            await self._prepare_ledger()
            async with trio.open_nursery() as outer:
                self._outer = outer
                wire = self._make_wire(journal)
                outer.start_soon(self._guarded, "wire", wire.run)
                self._start_companions(outer, wire, control_path)
                outer.start_soon(self._guarded, "tree", self._run_tree)
                await self._stop.wait()
                report = await self._leave(wire, journal)
                await self._record_end(report)
                outer.cancel_scope.cancel(reason="the exit guard is done")
            return report
        finally:
            folder.close()
            with trio.move_on_after(1.0, shield=True):
                await self._ports.aclose()

    async def _leave(self, wire: Wire, journal: Journal) -> ExitReport:
        # Who fenced us may have taken the account over: what a newer boot quotes is not ours to sweep or fence back.
        sweep = self._sweep(wire.open_groups, only_own=self._stop_code is ExitCode.FENCED_FROM_OUTSIDE)
        swept = await self._guard.run(reason=self._stop_reason, sweep=sweep, stop_actors=self._stop_tree)
        return self._conclude(journal, swept)

    async def _record_end(self, report: ExitReport) -> None:
        """Writes the last rows, now that the Ledger is gone and nobody else writes."""
        if not self._tree_over.is_set():
            return  # the deadline came first: the next boot sees by the missing end what happened
        try:
            rows = self._records.last_rows(report.reason, self.seams.wall_ms())
            await self.seams.offload(record_last, self._ledger_path, rows)
        except LedgerBroken as broken:
            self._log.error(f"the end of this boot is not recorded: {broken}")

    async def _leave_unbooted(self, history: JournalState, journal: Journal) -> ExitReport:
        """Leaves before anything was sent: only what older boots left can be in question."""
        self.latch.close(self._stop_reason)
        groups = history.groups_to_fence()
        if not groups and not history.orders and not self._exchange_reached:
            return self._conclude(journal, NOTHING_SENT)
        sweep = self._sweep(groups)
        swept = await self._guard.run(reason=self._stop_reason, sweep=sweep, stop_actors=trio.lowlevel.checkpoint)
        return self._conclude(journal, swept, older_orders=tuple(history.orders))

    def _conclude(self, journal: Journal, swept: SweepReport, older_orders: tuple[str, ...] = ()) -> ExitReport:
        report = self._report = conclude(
            journal=journal,
            sweep=attrs.evolve(swept, reason=self._redact(swept.reason)),
            older_orders=older_orders,
            boot=self.boot,
            venue=self.venue.name,
            reason=self._stop_reason,
            wanted=self._stop_code,
            at_ms=self.seams.wall_ms(),
        )
        write_report(report, self._folder / "exit-report.json", self._log)
        self._log.info(
            f"{report.verdict}: {swept.reason}; {swept.orders_cancelled} orders cancelled, {swept.seconds} s"
        )
        return report

    # -- boot --

    async def _boot(self, history: JournalState, folder: JournalFolder) -> bool:
        """Reaches the exchange and clears what older boots left; returns False when asked to stop meanwhile."""
        is_done = False
        refusal: CannotStart | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_when_stopped, nursery.cancel_scope)
                await self._reach_exchange()
                await self._clear_predecessors(history, folder)
                is_done = True
                nursery.cancel_scope.cancel(reason="booted")
        except* CannotStart as group:
            refusal = next(leaf for leaf in leaves(group) if isinstance(leaf, CannotStart))
        if refusal is not None:
            raise refusal
        return is_done

    async def _cancel_when_stopped(self, scope: trio.CancelScope) -> None:
        await self._stop.wait()
        scope.cancel(reason="asked to stop while booting")

    async def _reach_exchange(self) -> None:
        """Waits until the exchange answers our signature; learns its clock and our rate limits."""
        delay_s = BOOT_RETRY_FIRST_S
        while True:
            try:
                limits = await self._control.account_limits()
                break
            except AuthenticationFailed as refusal:
                self._refuse_wrong_clock()  # then the key is not to blame
                if not refusal.is_about_time:  # else the clock was stepped while this was on its way
                    raise CannotStart(self._refused_text(refusal), ExitCode.CREDENTIALS) from refusal
                trouble = str(refusal)
            except ExchangeError as error:
                trouble = str(error)
            self._log.warning(f"the exchange does not answer yet: {trouble}; trying again in {delay_s:.1f} s")
            await trio.sleep(delay_s)
            delay_s = min(BOOT_RETRY_MAX_S, delay_s * 2)
        self._exchange_reached = True
        self._budget.update_limits(limits)
        self._refuse_wrong_clock()
        self._log.info(f"account tier {limits.usage_tier}, venue {self.venue.name}, boot {self.boot}")

    def _refused_text(self, refusal: AuthenticationFailed) -> str:
        return f"the exchange refused the key ({refusal}): check KALSHI_ACCESS_KEY and KALSHI_PRIVATE_KEY"

    def _clock_text(self, offset_s: float) -> str:
        return (
            f"this machine's clock is {abs(offset_s):.1f} s {'behind' if offset_s > 0 else 'ahead of'} the exchange's "
            f"(at most {self.settings.exchange.clock_offset_max_s:.0f} s are allowed): set it, for example with NTP"
        )

    def _refuse_wrong_clock(self) -> None:
        offset_s = self.clock.offset_ms / 1000
        if abs(offset_s) > self.settings.exchange.clock_offset_max_s:
            raise CannotStart(self._clock_text(offset_s), ExitCode.USAGE)

    async def _clear_predecessors(self, history: JournalState, folder: JournalFolder) -> None:
        """Fences and sweeps all that older boots of ours may have left; returns once that is verified."""
        groups = history.groups_to_fence()
        sweep = self._sweep(groups)
        if groups or history.orders:
            self._log.info(f"clearing {len(groups)} groups and {len(history.orders)} open orders of an older boot")
        async with trio.open_nursery() as nursery:  # a group that cannot be triggered must not keep its orders resting
            nursery.start_soon(sweep.fence)
            nursery.start_soon(sweep.verify)
        report = sweep.report()
        if report.orders_cancelled or groups:
            self._log.info(f"older boots cleared: {report.orders_cancelled} orders cancelled, {report.seconds} s")
        folder.forget(report.groups_triggered, history.orders)

    async def _prepare_ledger(self) -> None:
        """Brings the database to the present version and looks whether it is whole, now that no order rests."""
        try:
            checked = await self.seams.offload(prepare, self._ledger_path)
        except LedgerBroken as broken:
            raise CannotStart(str(broken), ExitCode.USAGE) from broken
        if not checked.is_whole:
            self._log.info(f"the ledger is large: checked at start were {', '.join(checked.tables)}")

    def _sweep(self, groups: dict[str, int], *, only_own: bool = False) -> Sweep:
        prefix = boot_prefix(self.venue, self.boot) if only_own else self.venue.prefix
        return Sweep(
            client=self._control,
            is_ours=lambda order: order.client_order_id.startswith(prefix),
            groups=groups,
            server_ms=self.clock.now_ms,
            now=self.seams.now,
            log=self._log,
        )

    # -- trading --

    def _make_wire(self, journal: Journal) -> Wire:
        return Wire(
            data=self._data,
            control=self._control,
            journal=journal,
            latch=self.latch,
            budget=self._budget,
            clock=self.clock,
            mailbox=self.switchboard.mailbox("wire"),
            outbox=self.switchboard.outbox("wire"),
            seams=self.seams,
            log=self._log_for("wire"),
        )

    def _start_companions(self, outer: trio.Nursery, wire: Wire, control_path: Path | None) -> None:
        self.switchboard.mailbox("ledger")  # records may come before the tree has started it
        desk_watch = partial(watch_desk, self.switchboard.mailbox("desk_watch"), wire, self.seams, self._log)
        outer.start_soon(self._guarded, "desk watch", desk_watch)
        outer.start_soon(self._guarded, "listener", self._listen)
        outer.start_soon(self._guarded, "switches", partial(self._tell_switches, wire))
        outer.start_soon(self._guarded, "records", self._records.run)
        outer.start_soon(self._guarded, "snapshot", self._snapshot_maker().run)
        if control_path is not None:
            outer.start_soon(self._guarded, "control", partial(self._serve_control, control_path))

    async def _guarded(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Runs a part of the outer scope; if it crashes, that is a reason to leave in order, not to fall over.

        Raised into the nursery the crash would cancel the exit guard as well, and orders would rest until their lease
        ends.
        """
        try:
            await part()
        except* Exception as crash:
            self._log.error(f"{name} crashed: {error_text(crash)}\n{traceback_text(crash)}")
            self.request_stop(f"{name} crashed: {error_text(crash)}", ExitCode.GAVE_UP_VERIFIED)

    def _record_keeper(self) -> RecordKeeper:
        return RecordKeeper(
            mailbox=self.switchboard.mailbox("records"),
            outbox=self.switchboard.outbox("records"),
            seams=self.seams,
            log=self._log,
            boot=self.boot,
            venue=self.venue.name,
            mode=self.settings.mode.value,
            programs=self.settings.programs,
            sample_every_s=self.settings.ledger.sample_every_s,
        )

    def _snapshot_maker(self) -> SnapshotMaker:
        return SnapshotMaker(
            mailbox=self.switchboard.mailbox("snapshot"),
            outbox=self.switchboard.outbox("snapshot"),
            switchboard=self.switchboard,
            seams=self.seams,
            children=lambda: self.supervisor.children() if self.supervisor is not None else (),
            loop_watch=self._loop_watch,
            mode=self.settings.mode.value,
            venue=self.venue.name,
            boot=self.boot,
        )

    async def _run_tree(self) -> None:
        supervision = self.settings.supervision
        parts = TreeParts(
            settings=self.settings,
            switchboard=self.switchboard,
            clock=self.clock,
            ports=self._ports,
            prefix=boot_prefix(self.venue, self.boot),
            ledger_path=self._ledger_path,
            on_lifecycle=self._on_lifecycle,
            log_for=self._log_for,
            fatal=FATAL,
            probe=self._probe,
        )
        self.supervisor = Supervisor(
            "root",
            self._build_tree(parts),
            window=supervision.root,
            back_off=supervision.back_off,
            switchboard=self.switchboard,
            seams=self.seams,
            on_lifecycle=self._on_lifecycle,
            log_for=self._log_for,
            fatal=FATAL,
        )
        try:
            with self._tree_scope:
                await self.supervisor.run()
        except* Escalated as escalated:
            self._gave_up(escalated)
        finally:
            self._tree_over.set()

    def _gave_up(self, escalated: BaseExceptionGroup[Escalated]) -> None:
        first = next(leaf for leaf in escalated.exceptions)
        text = str(first)
        cause = first.cause if isinstance(first, Escalated) else None
        self.request_stop(text, _code_for(cause))

    async def _stop_tree(self) -> None:
        self._tree_scope.cancel(reason=self._stop_reason)
        await self._tree_over.wait()

    def _on_lifecycle(self, event: LifecycleEvent) -> None:
        if isinstance(event, ActorExited):
            event = attrs.evolve(event, error=self._redact(event.error), reason=self._redact(event.reason))
        self.switchboard.outbox("supervision").publish(event)
        self._tell_lifecycle(event)
        if isinstance(event, ActorExited):
            self._record(
                "actor_exits",
                actor=event.name,
                incarnation=event.incarnation,
                kind=event.kind.value,
                reason=event.reason,
                error=event.error,
                at_ms=self.seams.wall_ms(),
            )

    def _record(self, table: str, **values: str | int | None) -> None:
        self.switchboard.outbox("records").try_send(Record(table=table, values=tuple(values.items())))

    async def _listen(self) -> None:
        mailbox = self.switchboard.mailbox("outer")
        while True:
            for message in await mailbox.receive():
                match message:
                    case SystemSnapshot():
                        self.snapshot = message
                        self._on_snapshot(message)
                    case StopWanted():
                        self.request_stop(message.reason, ExitCode(message.exit_code))
                    case _:
                        pass

    async def _tell_switches(self, wire: Wire) -> None:
        """Tells the desk what people have switched; the kill file may be made by hand, so it is looked for.

        A kill fences at once: the groups are triggered, and whoever clears the kill gets new ones.
        """
        was_killed = False
        async with trio.open_nursery() as nursery:
            while True:
                is_killed = self._publish_switches().killed
                if is_killed and not was_killed:
                    # Beside us: while the exchange does not answer, the switches are still to be heard.
                    nursery.start_soon(wire.shut_groups, "the kill switch is on")
                was_killed = is_killed
                await trio.sleep(SWITCHES_EVERY_S)

    def _publish_switches(self) -> Switches:
        """Publishes the switches where they have changed; who comes later gets the latest from the switchboard."""
        switches = self.switches.current()
        if switches != self._switches_said:
            self._switches_said = switches
            self.switchboard.outbox("outer").publish(switches)
        return switches

    # -- control --

    async def _serve_control(self, path: Path) -> None:
        try:
            await serve_control(path, self.answer)
        except ControlSocketError as error:
            self._log.error(f"no control socket: {error}")

    async def answer(self, command: ControlCommand) -> ControlReply:
        """Answers one control command and carries out what it asks for."""
        if self.snapshot is None:
            return ControlReply(ok=False, text="The bot is still booting; ask again in a moment.")
        switches = self.switches.current()
        verdicts, configuration = await self._recorded(command)
        view = ControlView(
            snapshot=self.snapshot,
            at_ms=self.seams.wall_ms(),
            kill_switch=switches.killed,
            paused_all=ALL_MARKETS in switches.paused,
            paused=switches.paused,
            paused_programs=switches.paused_programs,
            programs=tuple(
                (name, switches.is_enabled(name, program.is_enabled))
                for name, program in self.settings.programs.items()
            ),
            verdicts=verdicts,
            configuration=configuration,
        )
        reply, effects = dispatch(command, view)
        self._carry_out(effects)
        for effect in effects:
            if isinstance(effect, BackUpLedger):
                return await self._back_up(Path(effect.file))
        return reply

    async def _back_up(self, target: Path) -> ControlReply:
        """Copies the database in a thread; whoever waits for it too long is told before it is done."""
        if self._backup is not None:
            return ControlReply(ok=False, text="Another backup is being made; ask again when it is done.")
        done = self._backup = trio.Event()
        said: list[ControlReply] = []

        async def copy() -> None:
            try:
                size = await self.seams.offload(back_up, self._ledger_path, target, self._stop.is_set)
                said.append(ControlReply(ok=True, text=f"The ledger is copied to {target}: {size / 1e6:.1f} MB."))
            except (BackupRefused, LedgerBroken) as trouble:
                said.append(ControlReply(ok=False, text=f"No backup: {trouble}."))
            self._log.info(said[0].text)
            self._backup = None
            done.set()

        assert self._outer is not None, "commands are answered while the outer scope runs"
        self._outer.start_soon(self._guarded, "backup", copy)
        with trio.move_on_after(BACKUP_ANSWERED_S):
            await done.wait()
        return said[0] if said else ControlReply(ok=True, text=f"{target} appears when the copy is whole; see the log.")

    async def _recorded(self, command: ControlCommand) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Returns what selections last said of the market that `explain` asks about, and its configuration."""
        ticker = dict(command.arguments).get("ticker")
        if command.word != "explain" or ticker is None:
            return (), ()
        path = self._ledger_path
        try:
            verdicts = await self.seams.offload(latest_verdicts, path, ticker)
            return verdicts, await self.seams.offload(latest_configuration, path, ticker)
        except LedgerBroken as broken:
            return (f"(unknown: {broken})",), ()

    def _carry_out(self, effects: Iterable[object]) -> None:
        for effect in effects:
            match effect:
                case WriteAudit(record=record):
                    words = " ".join((record.word, *(value for _, value in record.arguments)))
                    self._log.info(f"{record.principal} asked: {words} ({'done' if record.accepted else 'refused'})")
                case KillActor(name=name):
                    self.kill_actor(name)
                case StallActor() | SlowActor():
                    self.hold_up(effect)
                case PauseQuoting(ticker=ticker):
                    self.switches.pause(ticker)
                case ResumeQuoting(ticker=ticker):
                    self.switches.resume(ticker)
                case PauseProgram(name=name):
                    self.switches.pause_program(name)
                case ResumeProgram(name=name):
                    self.switches.resume_program(name)
                case Flatten(ticker=ticker):
                    self.switches.flatten(ticker)
                case FlattenProgram(name=name, tickers=tickers):
                    self.switches.flatten_program(name, tickers)
                case SwitchProgram(name=name, on=on):
                    self.switches.switch_program(name, on)
                case SetKillSwitch(on=on):
                    self.kill_switch(on)
                case ReleaseLosses():
                    self.switchboard.outbox("outer").publish(ReleaseLossLatch())
                case SetLogLevel(actor=actor, level=level):
                    self._set_log_level(actor, level)
                case BackUpLedger():
                    pass  # `answer` waits for it
                case StopBot() if self._stop.is_set():
                    self.hurry("asked to stop through the control socket")
                case StopBot():
                    self.request_stop("asked to stop through the control socket")
        self._publish_switches()

    def kill_switch(self, on: bool) -> None:
        """Turns the kill switch on or off; where the file cannot be written it holds for this life alone."""
        trouble = self.switches.kill(on)
        if trouble:
            self._log.error(trouble)
        self._publish_switches()

    def hold_up(self, effect: StallActor | SlowActor) -> None:
        """Stalls or slows one actor deliberately (chaos)."""
        mailbox = self.switchboard.existing_mailbox(effect.name)
        if mailbox is None:
            return  # a market's actor may be gone by now
        match effect:
            case StallActor(seconds=seconds):
                mailbox.stall(seconds)
            case SlowActor(each_s=each_s, seconds=seconds):
                mailbox.slow(each_s, seconds)

    def kill_actor(self, name: str) -> None:
        """Crashes one actor deliberately (chaos); a market's is a child of the market supervisor."""
        if self.supervisor is None:
            return
        if name.startswith("market:"):
            self.switchboard.outbox("outer").publish(KillMarket(name=name))
        else:
            self.supervisor.kill(name, "killed through the control socket")


def _code_for(cause: BaseException | None) -> ExitCode:
    """Returns how the process ends when its tree gave up for `cause`: what no restart mends is named."""
    match cause:
        case AuthenticationFailed():
            return ExitCode.CREDENTIALS
        case InvariantViolation():
            return ExitCode.INVARIANT_BROKEN
        case _:
            return ExitCode.GAVE_UP_VERIFIED
