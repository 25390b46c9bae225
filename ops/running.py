"""From settings and environment to a running bot and an exit code: what `python supervisor.py` does around one Life."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import trio

from actors.messages.control import SystemSnapshot
from actors.runtime.exit_guard import ExitCode, ExitReport
from actors.runtime.lifecycle import leaves
from actors.runtime.loop_watch import LoopWatch
from actors.runtime.seams import Seams, process_clock_s, real_seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.state_lock import StateFolderInUse, StateFolderUnusable, hold_state_lock
from actors.runtime.stop_signals import watch_stop_signals
from kalshi.signing import Signer
from ops.collector import spare_what_is_there
from ops.console_view import ConsoleView
from ops.control_server import control_socket_path
from ops.credentials import Credentials, credentials_from
from ops.embedded import EmbeddedExchange, EmbeddedExchangeFailed, start_embedded
from ops.life import BuildTree, CannotStart, Life
from ops.logs import LogBook, configure_logging
from ops.modes import Endpoints, Mode, check_mode, endpoints_for
from ops.ports import Ports, network_ports
from ops.service_notifier import SOCKET_VARIABLE, Notifier, is_service, watchdog_s
from ops.service_watch import LEAVE_MARGIN_S, Limits, ServiceWatch
from ops.settings import Settings
from ops.venue import Venue, simulator_instance, venue_of

# The program must be gone this long after its drain deadline, whatever still hangs.
LAST_RESORT_S = 2
# The embedded exchange is asked, then told, to end; past this its closed pipe must do.
EXCHANGE_END_S = 5.0
UNRESOLVED_SHOWN = 5


class LogFolderUnusable(Exception):
    """Logs cannot be written where the settings want them."""


def _say(text: str) -> None:
    """Tells a person; a terminal that is gone hears nothing, and that is no reason to stumble."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def run_bot(settings: Settings, environ: Mapping[str, str], build_tree: BuildTree) -> int:
    """Runs the bot until it ends and returns the process's exit code; every refusal is one sentence on stderr."""
    missing = check_mode(settings, environ)
    if missing:
        for sentence in missing:
            _say(f"cannot start: {sentence}")
        return ExitCode.USAGE
    state_folder = Path(settings.folders.state)
    try:
        with hold_state_lock(state_folder):
            logs = _logs(settings, console=False)
            watch = LoopWatch(process_clock_s)
            spare_what_is_there()
            return trio.run(_main, settings, environ, build_tree, logs, watch, instruments=[watch])
    except (StateFolderInUse, StateFolderUnusable, LogFolderUnusable) as error:
        _say(f"cannot start: {error}")
        return ExitCode.USAGE


def _logs(settings: Settings, *, console: bool) -> LogBook:
    logging, folder = settings.logging, Path(settings.folders.logs)
    try:
        return configure_logging(
            folder,
            logging.level,
            logging.levels,
            console=console,
            rotation=logging.rotation,
            retention=logging.retention,
        )
    except OSError as error:
        raise LogFolderUnusable(f"the log folder {folder} cannot be used: {error.strerror}") from error


async def _main(
    settings: Settings,
    environ: Mapping[str, str],
    build_tree: BuildTree,
    logs: LogBook,
    watch: LoopWatch,
) -> int:
    """Listens to signals from the first moment on, starts the exchange if it is ours, and lives one life."""
    stop = _Stop(settings)
    code = int(ExitCode.VERIFIED_FLAT)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(stop.watch_signals)
            code = await _with_exchange(settings, environ, build_tree, logs, watch, stop)
            nursery.cancel_scope.cancel(reason="the life is over")
    except* (CannotStart, EmbeddedExchangeFailed) as refusals:
        code = _say_refusal(next(leaves(refusals)))
    finally:
        logs.close_all()
    return code


async def _with_exchange(
    settings: Settings,
    environ: Mapping[str, str],
    build_tree: BuildTree,
    logs: LogBook,
    watch: LoopWatch,
    stop: _Stop,
) -> int:
    seams = real_seams()
    if settings.mode is Mode.SHADOW:
        return await _in_shadow(settings, environ, build_tree, seams, logs, watch, stop)
    exchange, endpoints, credentials = await _exchange(settings, environ, seams)
    logs.hide(*credentials.secrets())
    signer = Signer(credentials.key_id, credentials.private_key_pem)

    def open_ports(clock: ServerClock) -> Ports:
        return network_ports(endpoints, settings.exchange, signer, clock.now_ms, settings.websockets.transport)

    try:
        with ConsoleView() as view:
            venue = await _venue(settings, endpoints, credentials)
            life = _life(settings, venue, signer, open_ports, build_tree, seams, logs, watch, view.update)
            report = await _live(life, settings, stop, logs)
    finally:
        if exchange is not None:
            with trio.move_on_after(EXCHANGE_END_S, shield=True):
                await exchange.end()
    return _say_farewell(report, settings, life.snapshot)


async def _in_shadow(
    settings: Settings,
    environ: Mapping[str, str],
    build_tree: BuildTree,
    seams: Seams,
    logs: LogBook,
    watch: LoopWatch,
    stop: _Stop,
) -> int:
    """Lives one life on an exchange in the middle, which reads from the real one and sends nothing that writes."""
    # Here, for the exchange and its web framework would cost every other mode most of a second at its start.
    from ops.shadow import banner, open_shadow
    from ops.shadow_upstream import Upstream

    endpoints, credentials = endpoints_for(settings), credentials_from(environ)
    assert endpoints is not None, "mode shadow has an address"
    assert credentials is not None, "check_mode has refused a start without credentials"
    logs.hide(*credentials.secrets())
    upstream = Upstream(endpoints, credentials, settings.exchange, seams, transport=settings.websockets.transport)
    shadow = await open_shadow(settings, upstream, seams, logs.log_for("shadow"))
    _say(banner(shadow.markets.model, endpoints.base_url, shadow.latency_s))
    # The account in the middle is new at every start, and so is what is remembered of it.
    venue = venue_of(settings.mode.value, endpoints.base_url, credentials.key_id, instance=shadow.key_id)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(shadow.run)
            with ConsoleView() as view:
                ports, signer = shadow.open_ports, shadow.signer
                life = _life(settings, venue, signer, ports, build_tree, seams, logs, watch, view.update)
                report = await _live(life, settings, stop, logs)
            nursery.cancel_scope.cancel(reason="the life is over")
    finally:
        with trio.move_on_after(EXCHANGE_END_S, shield=True):
            await shadow.aclose()
    return _say_farewell(report, settings, life.snapshot)


async def _live(life: Life, settings: Settings, stop: _Stop, logs: LogBook) -> ExitReport:
    watch = _service_watch(life, settings, logs)

    def stopping(reason: str) -> None:
        stop.arm()
        watch.stopping(reason)

    life.on_stopping = stopping
    stop.give_to(life)
    try:
        async with trio.open_nursery() as nursery:
            if watch.notifier.is_enabled:
                nursery.start_soon(watch.run)
            report = await life.run(control_socket_path(Path(settings.folders.state), settings.control.socket))
            nursery.cancel_scope.cancel(reason="the life is over")
        watch.ended(f"{report.verdict}, exit code {report.exit_code}: {report.reason}")
    finally:
        watch.notifier.close()
    return report


def _service_watch(life: Life, settings: Settings, logs: LogBook) -> ServiceWatch:
    return ServiceWatch(
        notifier=Notifier(os.environ.get(SOCKET_VARIABLE, "")),
        watchdog_s=watchdog_s(os.environ, os.getpid()),
        limits=Limits(leave_max_s=_drain_s(settings) + LEAVE_MARGIN_S),
        mailbox=life.switchboard.mailbox("service_watch"),
        statistics=life.switchboard.statistics,
        has_tree=lambda: life.supervisor is not None,
        snapshot=lambda: life.snapshot,
        now=life.seams.now,
        log=logs.log_for("main"),
    )


def _drain_s(settings: Settings) -> float:
    return settings.shutdown.service_s if is_service(os.environ) else settings.shutdown.terminal_s


class _Stop:
    """Stop signals, from before there is a life to give them to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._life: Life | None = None
        self._early: str | None = None
        self._is_killed_early = False

    def give_to(self, life: Life) -> None:
        self._life = life
        if self._is_killed_early:
            life.kill_switch(True)
        if self._early is not None:
            life.request_stop(self._early)

    async def watch_signals(self, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128 - passed on
        """Receives the process's signals until cancelled."""
        await watch_stop_signals(
            begin_stop=self._begin,
            shorten_deadline=self._hurry,
            exit_now=self._exit_now,
            # A closed terminal hangs up: that is a wish to end like any other.
            others={signal.SIGUSR1: self._kill_switch, signal.SIGHUP: self._begin},
            task_status=task_status,
        )

    def _begin(self, name: str) -> None:
        self.arm()
        self._early = name
        if self._life is not None:
            self._life.request_stop(name)

    def arm(self) -> None:
        """Sets the last resort, whatever the way out was begun by: a wedged thread or loop must not keep the process.

        The alarm ends it outright, and lease and next boot clean up.
        """
        signal.alarm(math.ceil(self._settings.shutdown.service_s) + LAST_RESORT_S)

    def _hurry(self, name: str) -> None:
        if self._life is not None:
            self._life.hurry(name)

    def _exit_now(self, name: str) -> None:
        _say(
            f"{name}: leaving at once, NOT verified: what still rests ends with its lease, or run `supervisor.py sweep`"
        )
        os._exit(ExitCode.NOT_VERIFIED)

    def _kill_switch(self, name: str) -> None:
        self._is_killed_early = True
        if self._life is not None:
            self._life.kill_switch(True)


async def _exchange(
    settings: Settings, environ: Mapping[str, str], seams: Seams
) -> tuple[EmbeddedExchange | None, Endpoints, Credentials]:
    endpoints = endpoints_for(settings)
    if endpoints is not None:
        credentials = credentials_from(environ)
        assert credentials is not None, "check_mode has refused a start without credentials"
        return None, endpoints, credentials
    _say("starting the simulated exchange ...")
    log_path = Path(settings.folders.logs) / "exchange.log"
    exchange = await start_embedded(settings.simulator, seams, log_path)
    return exchange, exchange.endpoints, exchange.credentials


async def _venue(settings: Settings, endpoints: Endpoints, credentials: Credentials) -> Venue:
    instance = await simulator_instance(endpoints.base_url) if settings.mode is Mode.SIMULATED else ""
    return venue_of(settings.mode.value, endpoints.base_url, credentials.key_id, instance)


def _life(
    settings: Settings,
    venue: Venue,
    signer: Signer,
    open_ports: Callable[[ServerClock], Ports],
    build_tree: BuildTree,
    seams: Seams,
    logs: LogBook,
    watch: LoopWatch,
    on_snapshot: Callable[[SystemSnapshot], None],
) -> Life:
    return Life(
        settings=settings,
        venue=venue,
        signer=signer,
        seams=seams,
        open_ports=open_ports,
        build_tree=build_tree,
        state_folder=Path(settings.folders.state),
        log_for=logs.log_for,
        drain_s=_drain_s(settings),
        loop_watch=watch,
        on_snapshot=on_snapshot,
        set_log_level=logs.set_level,
        redact=logs.redact,
    )


def _say_refusal(refusal: BaseException) -> int:
    _say(f"cannot start: {refusal}")
    return refusal.exit_code if isinstance(refusal, CannotStart) else ExitCode.USAGE


def _say_farewell(report: ExitReport, settings: Settings, last: SystemSnapshot | None) -> int:
    sweep = report.sweep
    fenced = f"{len(sweep.groups_triggered)} groups fenced, " if sweep.groups_triggered else ""
    done = f"{fenced}{sweep.orders_cancelled} orders cancelled one by one, {sweep.lists_read} lists read"
    lines = [f"\n{report.verdict}: {sweep.reason} ({done}, {sweep.seconds:.1f} s)", f"reason: {report.reason}"]
    held = [row for row in last.markets if row.position_e2] if last is not None else []
    if held and last is not None:
        marks = last.totals.marks_e6 / 1_000_000
        lines.append(f"flat means: no order of ours is left; {len(held)} positions stay, last marked ${marks:,.2f}")
    if report.unresolved_orders:
        named = ", ".join(report.unresolved_orders[:UNRESOLVED_SHOWN])
        lines.append(f"{len(report.unresolved_orders)} orders unresolved, all in the exit report: {named} ...")
    folder = Path(settings.folders.state) / report.venue
    lines.append(f"exit report: {folder / 'exit-report.json'}   exit code {report.exit_code}")
    _say("\n".join(lines))
    return report.exit_code
