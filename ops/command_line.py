"""The command line: each command is a few lines that call the part that does the work.

Exit codes: 0 verified flat, 3 not verified, 4 fenced from outside, 5 gave up but verified, 6 an invariant was broken,
64 usage, 77 credentials.
"""

from __future__ import annotations

import enum
import os
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import trio
import typer
import yaml
from typer.exceptions import TyperException

from actors.messages.control import ControlCommand
from actors.runtime.exit_guard import ExitCode
from actors.runtime.seams import real_seams
from kalshi.simulator.queue_model import QueueModel
from ops.console import render
from ops.control import summary
from ops.control_server import ControlClient, ControlSocketError, control_socket_path
from ops.life import BuildTree
from ops.log_reader import LogFilter, LogReadError, follow_log, list_logs, parse_since, read_log
from ops.modes import check_mode
from ops.report.pnl import By
from ops.running import run_bot
from ops.settings import Settings
from ops.settings_convert import SettingsError
from ops.settings_environment import merged_environment
from ops.settings_load import load_settings, plain_settings

ConfigOption = Annotated[Path, typer.Option("--config", help="the settings file")]
DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "config.yaml"
DOTENV = Path(".env")
TICKER_HELP = "a market's ticker"
ProgramOption = Annotated[str, typer.Option("--program", help="all markets of a program of the settings")]
INTERRUPTED = 130  # as shells say it


class Wire(enum.StrEnum):
    """Where a simulation cuts in: at the ports of the transports, or below HTTP and WebSocket."""

    PORTS = "ports"
    FULL = "full"


def run_command_line(build_tree: BuildTree) -> None:
    """Runs the command that the process was called with; a wrong call ends with 64, as wrong settings do."""
    try:
        code = _application(build_tree)(standalone_mode=False)
    except TyperException as error:
        print(f"{error.format_message()}\nWith --help after it, every command says what it takes.", file=sys.stderr)
        code = ExitCode.USAGE
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _load(config: Path) -> Settings:
    try:
        return load_settings(config, os.environ, DOTENV)
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(ExitCode.USAGE) from None


def _ask(config: Path, word: str, **arguments: str) -> None:
    settings = _load(config)
    path = control_socket_path(Path(settings.folders.state), settings.control.socket)
    try:
        reply = ControlClient(path).ask(ControlCommand(word=word, arguments=tuple(arguments.items())))
    except ControlSocketError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    print(reply.text)
    raise typer.Exit(0 if reply.ok else 1)


def _application(build_tree: BuildTree) -> typer.Typer:
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        help="A supervised market maker for Kalshi that leaves no order behind.",
    )
    _add_run(app, build_tree)
    _add_questions(app)
    _add_switches(app)
    _add_logs(app)
    _add_report(app)
    _add_tools(app, build_tree)
    return app


def _add_run(app: typer.Typer, build_tree: BuildTree) -> None:
    @app.callback(invoke_without_command=True)
    def default(context: typer.Context, config: ConfigOption = DEFAULT_CONFIG) -> None:
        if context.invoked_subcommand is None:
            run(config)
        else:  # given before the command it is meant for it as well
            context.default_map = {context.invoked_subcommand: {"config": config}}

    @app.command()
    def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
        """Run the bot (the default): on its own simulated exchange unless the settings say otherwise."""
        settings = _load(config)
        environ = merged_environment(os.environ, DOTENV)
        raise typer.Exit(run_bot(settings, environ, build_tree))

    @app.command("check-config")
    def check_config(show: bool = False, config: ConfigOption = DEFAULT_CONFIG) -> None:
        """Check the settings and say everything that is wrong with them. --show: print them all, overrides included."""
        settings = _load(config)
        refusals = check_mode(settings, merged_environment(os.environ, DOTENV))
        for refusal in refusals:
            print(f"mode {settings.mode} would be refused: {refusal}", file=sys.stderr)
        if refusals:
            raise typer.Exit(ExitCode.USAGE)
        if show:
            print(yaml.safe_dump(plain_settings(settings), sort_keys=False, allow_unicode=True))
        print(f"{config} is fine: mode {settings.mode}")


def _add_questions(app: typer.Typer) -> None:
    @app.command()
    def status(config: ConfigOption = DEFAULT_CONFIG, plain: bool = False) -> None:
        """Ask the running bot how it is, and print its tree of actors."""
        settings = _load(config)
        path = control_socket_path(Path(settings.folders.state), settings.control.socket)
        try:
            reply = ControlClient(path).ask(ControlCommand(word="status"))
        except ControlSocketError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(1) from None
        if reply.snapshot is None:
            print(reply.text)
            raise typer.Exit(0 if reply.ok else 1)
        if plain or not sys.stdout.isatty():
            print(summary(reply.snapshot))
            _ask(config, "actors")
        from rich.console import Console

        console = Console()
        console.print(render(reply.snapshot, width=console.width, height=200))

    @app.command()
    def explain(
        ticker: Annotated[str, typer.Argument(help=TICKER_HELP)], config: ConfigOption = DEFAULT_CONFIG
    ) -> None:
        """Say why a market is, or is not, quoted."""
        _ask(config, "explain", ticker=ticker)


def _meant(ticker: str, program: str) -> dict[str, str]:
    """Returns the arguments that name a market or a program; what is not given is left out."""
    given = {"ticker": ticker, "program": program}
    return {key: value for key, value in given.items() if value}


def _add_switches(app: typer.Typer) -> None:
    @app.command()
    def stop(config: ConfigOption = DEFAULT_CONFIG) -> None:
        """End the running bot in order, as Ctrl+C does."""
        _ask(config, "stop")

    @app.command()
    def kill(clear: bool = False, config: ConfigOption = DEFAULT_CONFIG) -> None:
        """Turn the kill switch on: withdraw everything, stay up, stay off over restarts. --clear turns it off."""
        _ask(config, "kill-switch", state="off" if clear else "on")

    @app.command()
    def pause(
        ticker: Annotated[str, typer.Argument(help=TICKER_HELP)] = "",
        program: ProgramOption = "",
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Withdraw one market, those of a program, or all of them when none is named."""
        _ask(config, "pause", **(_meant(ticker, program) or {"all": "yes"}))

    @app.command("cancel-all")
    def cancel_all(config: ConfigOption = DEFAULT_CONFIG) -> None:
        """Withdraw all markets, as `pause` does when none is named."""
        _ask(config, "pause", all="yes")

    @app.command()
    def resume(
        ticker: Annotated[str, typer.Argument(help=TICKER_HELP)] = "",
        program: ProgramOption = "",
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Quote again after a pause."""
        _ask(config, "resume", **_meant(ticker, program))

    @app.command()
    def flatten(
        ticker: Annotated[str, typer.Argument(help=TICKER_HELP)] = "",
        program: ProgramOption = "",
        everything: Annotated[bool, typer.Option("--all", help="every position of the bot")] = False,
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Withdraw and close what is held in one market, in those of a program, or in all."""
        _ask(config, "flatten", **_meant(ticker, program), **({"all": "yes"} if everything else {}))

    @app.command()
    def release(config: ConfigOption = DEFAULT_CONFIG) -> None:
        """Quote again after the daily loss or the drawdown has halted the bot; losses count anew."""
        _ask(config, "release")

    @app.command()
    def program(
        name: Annotated[str, typer.Argument(help="of the settings; none: list them")] = "",
        state: Annotated[str, typer.Argument(help="on or off")] = "",
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """List the trading programs, or start or stop one until the bot ends."""
        given = {"name": name, "state": state}
        _ask(config, "program", **{key: value for key, value in given.items() if value})

    @app.command("log-level")
    def log_level(
        actor: Annotated[str, typer.Argument(help="an actor, such as order_desk, or a kind of them: market")],
        level: Annotated[str, typer.Argument(help="TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR or CRITICAL")],
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Make one actor of the running bot talk more or less, until its end."""
        _ask(config, "log-level", actor=actor, level=level)

    @app.command("kill-actor")
    def kill_actor(name: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
        """Crash one actor of the running bot on purpose."""
        _ask(config, "kill-actor", name=name)


def _now() -> datetime:
    """Returns the time here, as the logs have it."""
    return datetime.fromtimestamp(real_seams().wall_ms() / 1000).astimezone()


def _add_report(app: typer.Typer) -> None:
    @app.command()
    def report(
        run: Annotated[str, typer.Option(help='a run of the bot by its name, or "last"')] = "",
        since: Annotated[str, typer.Option(help="only from then on: 10m, 2h, 1d or a time")] = "",
        by: Annotated[By, typer.Option(help="what a row is")] = By.PROGRAM,
        html: Annotated[Path | None, typer.Option(help="write one self-contained page with charts there")] = None,
        csv: Annotated[Path | None, typer.Option(help="a folder for CSV files")] = None,
        venue: Annotated[str, typer.Option(help="a folder of the state folder; none: where a bot wrote last")] = "",
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Say what trading earned and of which parts, fill rates, markouts and quoting; the bot may be running."""
        from ops.report.command import report as run_report

        try:
            since_ms = round(parse_since(since, _now()).timestamp() * 1000) if since else None
        except LogReadError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(ExitCode.USAGE) from None
        state = Path(_load(config).folders.state)
        raise typer.Exit(run_report(state, venue, by=by, run=run, since_ms=since_ms, html=html, csv_folder=csv))


def _add_logs(app: typer.Typer) -> None:
    @app.command()
    def logs(
        actor: Annotated[str, typer.Argument(help="an actor, such as order_desk or market:TICKER")] = "",
        listing: Annotated[bool, typer.Option("--list", help="list the logs there are")] = False,
        follow: Annotated[bool, typer.Option("--follow", "-f", help="go on as lines come")] = False,
        level: Annotated[str, typer.Option(help="this level and above")] = "TRACE",
        grep: Annotated[str, typer.Option(help="only records with this text")] = "",
        since: Annotated[str, typer.Option(help="not before: 90s, 10m, 2h, or a time such as 2026-11-20T11:00")] = "",
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Read one actor's log."""
        folder = Path(_load(config).folders.logs)
        if listing or not actor:
            for entry in list_logs(folder):
                print(entry)
            return
        try:
            moment = parse_since(since, _now()) if since else None
            wanted = LogFilter(level=level, grep=grep, since=moment)
            if follow:
                # Who asks for what was before wants that first; the rest begins where the file ends now.
                trio.run(partial(follow_log, folder, actor, wanted, print, from_end=not since))
            else:
                for record in read_log(folder, actor, wanted):
                    print(record)
        except LogReadError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(ExitCode.USAGE) from None
        except KeyboardInterrupt:
            return


def _add_tools(app: typer.Typer, build_tree: BuildTree) -> None:
    @app.command()
    def sweep(config: ConfigOption = DEFAULT_CONFIG, everything: bool = False) -> None:
        """Fence and cancel our orders from outside, whatever the bot does. --everything: the whole account's."""
        from ops.outside_sweep import sweep_from_outside

        settings = _load(config)
        environ = merged_environment(os.environ, DOTENV)
        raise typer.Exit(sweep_from_outside(settings, environ, everything=everything))

    @app.command()
    def backup(
        file: Annotated[Path, typer.Argument(help="the new file")],
        venue: Annotated[
            str, typer.Option(help="whose ledger, where no bot runs and the state folder has several")
        ] = "",
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Copy the ledger to a new file, while the bot runs or not; the copy is of one moment, and checked."""
        from ops.backup import back_up_ledger

        settings = _load(config)
        socket = control_socket_path(Path(settings.folders.state), settings.control.socket)
        raise typer.Exit(back_up_ledger(Path(settings.folders.state), socket, file.absolute(), venue, print))

    @app.command()
    def chaos(
        seconds: Annotated[float, typer.Option(help="how long")] = 60.0,
        every: Annotated[float, typer.Option(help="seconds between a recovery and the next blow")] = 5.0,
        seed: int = 1,
        kinds: Annotated[str, typer.Option(help="some of kill, stall, slow, with commas")] = "kill,stall,slow",
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Kill, stall and slow actors of the running bot, and see it get over each blow (never in mode live)."""
        from ops.chaos import ChaosPlan, parse_kinds
        from ops.chaos import chaos as run_chaos

        settings = _load(config)
        try:
            plan = ChaosPlan(seconds=seconds, every_s=every, seed=seed, kinds=parse_kinds(kinds))
        except ValueError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(ExitCode.USAGE) from None
        raise typer.Exit(
            run_chaos(control_socket_path(Path(settings.folders.state), settings.control.socket), plan, print)
        )

    @app.command()
    def replay(
        path: Annotated[Path, typer.Argument(help="a recorded run (.jsonl or .jsonl.gz)")],
        speed: Annotated[str, typer.Option(help='"max", or a factor of real time')] = "max",
        queue_model: Annotated[
            list[QueueModel] | None,
            typer.Option(
                help="let our orders meet the recorded book, by this model of queues; several: one after another"
            ),
        ] = None,
    ) -> None:
        """Serve a recorded run through a real WebSocket to the real actors; orders go to a simulated account."""
        from ops.replay import replay_run

        raise typer.Exit(replay_run(path, speed, build_tree, models=queue_model or ()))

    @app.command()
    def backtest(
        recordings: Annotated[list[Path], typer.Option(help="recorded runs, or a folder of them; may be repeated")],
        strategies: Annotated[str, typer.Option(help='"all", or names with commas')] = "all",
        queue_model: Annotated[QueueModel, typer.Option(help="who is met first")] = QueueModel.RISK_AVERSE,
        category: Annotated[str, typer.Option(help="of the recorded markets: no recording says it")] = "",
        workers: Annotated[int, typer.Option(help="processes at a time; 0: as many as there are cores")] = 0,
        out: Annotated[Path | None, typer.Option(help="a folder for traces, fills and report")] = None,
        config: ConfigOption = DEFAULT_CONFIG,
    ) -> None:
        """Run every strategy over recorded runs on a virtual clock, and compare their fills, markouts and PnL."""
        from ops.backtest.command import backtest as run_backtest
        from ops.replay_recording import UNKNOWN_CATEGORY

        code = run_backtest(
            recordings,
            strategies=strategies,
            queue_model=queue_model,
            category=category or UNKNOWN_CATEGORY,
            workers=workers or os.cpu_count() or 1,
            out=out,
            settings=_load(config),
            build_tree=build_tree,
        )
        raise typer.Exit(code)

    @app.command()
    def simulate(
        seeds: Annotated[str, typer.Option(help='which seeds: "7", "1-200" or "1,5,9-12"')] = "1-20",
        seed: Annotated[int | None, typer.Option(help="one seed alone")] = None,
        hours: Annotated[float, typer.Option(help="simulated hours of each seed")] = 10 / 60,
        faults: Annotated[str, typer.Option(help='"all", "none", or kinds with commas')] = "all",
        wire: Annotated[Wire, typer.Option(help="where the simulation cuts in")] = Wire.PORTS,
        workers: Annotated[int, typer.Option(help="processes at a time; 0: as many as there are cores")] = 0,
        recheck_every: Annotated[int, typer.Option(help="run each such seed twice; 0: none")] = 20,
        trace: Annotated[bool, typer.Option(help="print what passes, step by step (one seed)")] = False,
        full_table: Annotated[bool, typer.Option(help="fail when a pair of fault and order state was missed")] = False,
    ) -> None:
        """Run bot and exchange from seeds on a virtual clock, with faults, and check every invariant all the time."""
        from ops.campaign.command import simulate_seeds

        code = simulate_seeds(
            seeds=seeds if seed is None else str(seed),
            hours=hours,
            faults=faults,
            wire=wire.value,
            workers=workers or os.cpu_count() or 1,
            recheck_every=recheck_every,
            trace=trace,
            full_table=full_table,
            build_tree=build_tree,
        )
        raise typer.Exit(code)

    @app.command()
    def scenario(
        name: Annotated[
            str,
            typer.Argument(help="daily-games, scored, incentives, volatility, refill-event or touch-inventory"),
        ],
        hours: Annotated[float, typer.Option(help="simulated hours")] = 2.0,
        seed: int = 1,
    ) -> None:
        """Show one kind of program on the simulated exchange: discovery, quotes, fills, exits and a summary."""
        from ops.playbook.command import play_scenario

        raise typer.Exit(play_scenario(name, hours=hours, seed=seed, build_tree=build_tree))
