"""From settings and environment to a running bot and an exit code: what `python supervisor.py` does around one Life."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import trio

from actors.messages.control import SystemSnapshot
from actors.runtime.exit_guard import ExitCode, ExitReport
from actors.runtime.loop_watch import LoopWatch
from actors.runtime.seams import Seams, process_clock_s, real_seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.state_lock import StateFolderInUse, StateFolderUnusable, hold_state_lock
from actors.runtime.stop_signals import watch_stop_signals
from kalshi.signing import Signer
from ops.console_view import ConsoleView
from ops.control_server import control_socket_path
from ops.credentials import Credentials, credentials_from
from ops.embedded import EmbeddedExchange, EmbeddedExchangeFailed, start_embedded
from ops.life import BuildTree, CannotStart, Life
from ops.logs import LogBook, configure_logging
from ops.modes import Endpoints, check_mode, endpoints_for
from ops.ports import Ports, network_ports
from ops.settings import Settings
from ops.venue import venue_of

# The program must be gone this long after its drain deadline, whatever still hangs.
LAST_RESORT_S = 2


def run_bot(settings: Settings, environ: Mapping[str, str], build_tree: BuildTree, *, show: bool) -> int:
    """Runs the bot until it ends and returns the process's exit code; every refusal is one sentence on stderr."""
    missing = check_mode(settings, environ)
    if missing:
        for sentence in missing:
            print(f"cannot start: {sentence}", file=sys.stderr)
        return ExitCode.USAGE
    state_folder = Path(settings.folders.state)
    is_terminal = show and sys.stdout.isatty()
    try:
        with hold_state_lock(state_folder):
            logs = _logs(settings, console=False)
            watch = LoopWatch(process_clock_s)
            main = partial(_main, settings, environ, build_tree, logs, watch, is_terminal=is_terminal)
            return trio.run(main, instruments=[watch], strict_exception_groups=True)
    except (StateFolderInUse, StateFolderUnusable) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return ExitCode.USAGE


def _logs(settings: Settings, *, console: bool) -> LogBook:
    logging = settings.logging
    return configure_logging(
        Path(settings.folders.logs),
        logging.level,
        logging.levels,
        console=console,
        rotation=logging.rotation,
        retention=logging.retention,
    )


async def _main(
    settings: Settings,
    environ: Mapping[str, str],
    build_tree: BuildTree,
    logs: LogBook,
    watch: LoopWatch,
    *,
    is_terminal: bool,
) -> int:
    seams = real_seams()
    try:
        exchange, endpoints, credentials = await _exchange(settings, environ, seams)
    except EmbeddedExchangeFailed as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return ExitCode.USAGE
    try:
        with ConsoleView() as view:
            life = _life(settings, endpoints, credentials, build_tree, seams, logs, watch, view.update, is_terminal)
            report = await _live(life, settings)
    except* CannotStart as refusals:
        refusal = refusals.exceptions[0]
        while isinstance(refusal, BaseExceptionGroup):
            refusal = refusal.exceptions[0]
        assert isinstance(refusal, CannotStart)
        code = _say_refusal(refusal)
    else:
        code = _say_farewell(report, settings)
    finally:
        if exchange is not None:
            await exchange.end()
        logs.close_all()
    return code


async def _exchange(
    settings: Settings, environ: Mapping[str, str], seams: Seams
) -> tuple[EmbeddedExchange | None, Endpoints, Credentials]:
    endpoints = endpoints_for(settings)
    if endpoints is not None:
        credentials = credentials_from(environ)
        assert credentials is not None, "check_mode has refused a start without credentials"
        return None, endpoints, credentials
    print("starting the simulated exchange ...", file=sys.stderr, flush=True)
    log_path = Path(settings.folders.logs) / "exchange.log"
    exchange = await start_embedded(settings.simulator, seams.new_id(), log_path)
    return exchange, exchange.endpoints, exchange.credentials


def _life(
    settings: Settings,
    endpoints: Endpoints,
    credentials: Credentials,
    build_tree: BuildTree,
    seams: Seams,
    logs: LogBook,
    watch: LoopWatch,
    on_snapshot: Callable[[SystemSnapshot], None],
    is_terminal: bool,
) -> Life:
    signer = Signer(credentials.key_id, credentials.private_key_pem)

    def open_ports(clock: ServerClock) -> Ports:
        return network_ports(endpoints, settings.exchange, signer, clock.now_ms)

    is_service = "NOTIFY_SOCKET" in os.environ or "INVOCATION_ID" in os.environ
    return Life(
        settings=settings,
        venue=venue_of(settings.mode.value, endpoints.base_url, credentials.key_id),
        signer=signer,
        seams=seams,
        open_ports=open_ports,
        build_tree=build_tree,
        state_folder=Path(settings.folders.state),
        log_for=logs.log_for,
        drain_s=settings.shutdown.service_s if is_service else settings.shutdown.terminal_s,
        loop_watch=watch,
        on_snapshot=on_snapshot,
        set_log_level=logs.set_level,
    )


async def _live(life: Life, settings: Settings) -> ExitReport:
    """Runs the life with the process's signals wired to it."""
    control = control_socket_path(Path(settings.folders.state), settings.control.socket)

    def begin_stop(name: str) -> None:
        # A wedged thread or loop must not keep the process: the alarm ends it outright, and lease and next boot clean up.
        signal.alarm(math.ceil(settings.shutdown.service_s) + LAST_RESORT_S)
        life.request_stop(name)

    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(
                watch_stop_signals,
                begin_stop=begin_stop,
                shorten_deadline=life.hurry,
                exit_now=lambda name: os._exit(ExitCode.NOT_VERIFIED),
                others={signal.SIGUSR1: lambda name: life.switches.kill(True)},
            )
        )
        report = await life.run(control)
        nursery.cancel_scope.cancel(reason="the life is over")
    signal.alarm(0)
    return report


def _say_refusal(refusal: CannotStart) -> int:
    if refusal.exit_code is not ExitCode.VERIFIED_FLAT:
        print(f"cannot start: {refusal}", file=sys.stderr)
    else:
        print(str(refusal), file=sys.stderr)
    return refusal.exit_code


def _say_farewell(report: ExitReport, settings: Settings) -> int:
    sweep = report.sweep
    print(
        f"\n{report.verdict}: {sweep.reason} "
        f"({len(sweep.groups_triggered)} groups fenced, {sweep.orders_cancelled} orders cancelled by hand, "
        f"{sweep.lists_read} lists read, {sweep.seconds:.1f} s)\nreason: {report.reason}",
        file=sys.stderr,
    )
    if report.unresolved_orders:
        print(f"unresolved orders: {', '.join(report.unresolved_orders)}", file=sys.stderr)
    folder = Path(settings.folders.state) / report.venue
    print(f"exit report: {folder / 'exit-report.json'}   exit code {report.exit_code}", file=sys.stderr)
    return report.exit_code
