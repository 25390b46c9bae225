"""`supervisor.py replay`: recorded frames through a real WebSocket to the real bot, held against an exact replay.

    recording -> ReplayServer --- WebSocket on loopback ---> FeedActor -> books -> MarketActor -> OrderDesk -> Wire
                     |                                           | probe                                    |
                     v                                           v                                          v
                 exact books ------------------------------> Comparison              simulated account (in process)

The bot is `ops.life.Life` with its whole tree; only discovery and allocation are played by directors
(`ops.replay_stage`). At every change of a market's `ts_ms` the book that the bot has, before it is conflated,
must equal the exact one.

What is not as it was: our orders rest on the simulated account, not in the recorded books, so nobody trades
with them, unless a queue model says who would have (`--queue-model`). At `max` speed the actors' monotonic
clock is real while the market's time flies, so volatility per second is overestimated; quotes then stand as
wide as the settings allow. `--speed 1` has neither clock wrong.

Exit codes: 0 all books equal, no gap, quotes were made; 1 something of that is not so; 3 the account was not
verified flat; 64 the recording or the speed cannot be used.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from actors.runtime.child import Log
from actors.runtime.exit_guard import ExitCode, ExitReport
from actors.runtime.stop_signals import watch_stop_signals
from kalshi.simulator.queue_model import QueueModel
from ops.life import BuildTree, CannotStart, Life
from ops.replay_account import BASE_URL, QueueReport, RecordedClock, ReplayAccount
from ops.replay_books import Comparison
from ops.replay_recording import Recording, RecordingError, load_recording
from ops.replay_server import ReplayServer
from ops.replay_stage import Stage, Witness, replay_tree
from ops.settings import Settings
from ops.venue import venue_of

FAILED: Final = 1
FACTOR_MIN, FACTOR_MAX = 0.1, 1_000_000.0
# What the actors warned of last is shown when a replay fails; more would hide the reason.
WARNINGS_KEPT_MAX: Final = 12
REASON_WITHIN_S: Final = 0.5
_OVER: Final = "the recording is over"


class BadSpeed(ValueError):
    """The speed on the command line means nothing; the text says what does."""


@attrs.frozen(kw_only=True)
class ReplayResult:
    """What a replay came to."""

    name: str
    frames: int
    deltas: int
    withheld: int
    connections: int
    books_expected: int
    books_compared: int
    mismatches: int
    differences: tuple[str, ...]
    gaps: int
    quotes: int
    orders_accepted: int
    seconds: float
    problem: str | None  # why it ended before the recording did
    verdict: str  # of the exit guard, on the account
    account_code: int
    queue: QueueReport | None = None

    def faults(self) -> tuple[str, ...]:
        """Returns what is not as it must be, each as a sentence."""
        faults = [self.problem] if self.problem is not None else []
        faults += self.differences
        if self.mismatches > len(self.differences):
            faults.append(f"{self.mismatches - len(self.differences):,} more books differ")
        # Where it ended early, what was still on its way is no difference.
        if self.problem is None and self.books_compared != self.books_expected:
            faults.append(f"{self.books_compared:,} books were shown, {self.books_expected:,} were to be")
        if self.gaps:
            faults.append(f"the feed reported {self.gaps} gaps or unreadable frames")
        if not self.quotes:
            faults.append("no quote was decided")
        if self.queue is not None and self.queue.imbalance_e6:
            faults.append(f"money was made or lost by nobody: {self.queue.imbalance_e6} millionths of a dollar")
        return tuple(faults)

    def exit_code(self) -> int:
        return FAILED if self.faults() else self.account_code

    def summary(self) -> str:
        """Returns the figures as a few lines."""
        rate = self.frames / self.seconds if self.seconds else 0.0
        withheld = f", {self.withheld} of the recorder's own account withheld" if self.withheld else ""
        return (
            f"{self.name}: {self.frames:,} frames ({self.deltas:,} deltas{withheld}), {self.connections} connections\n"
            f"books compared at every change of ts_ms: {self.books_compared:,} of {self.books_expected:,}, "
            f"mismatches {self.mismatches:,}, gaps {self.gaps}\n"
            f"quotes decided {self.quotes:,}, orders accepted {self.orders_accepted:,}, "
            f"account {self.verdict}\n"
            f"time {self.seconds:.1f} s, {rate:,.0f} frames/s"
            + (f"\n{self.queue.summary()}" if self.queue is not None else "")
        )


def replay_run(
    path: Path,
    speed: str,
    build_tree: BuildTree,
    settings: Settings | None = None,
    models: Sequence[QueueModel] = (),
) -> int:
    """Replays the recorded run in `path`, once for each queue model, and returns the exit code of the process."""
    return max(_replay_once(path, speed, build_tree, settings, model) for model in models or (None,))


def _replay_once(
    path: Path, speed: str, build_tree: BuildTree, settings: Settings | None, model: QueueModel | None
) -> int:
    warnings: list[str] = []
    try:
        factor, recording = parse_speed(speed), load_recording(path)
        result = run_replay(
            recording, factor, build_tree, settings=settings, model=model, tell=_tell, warnings=warnings
        )
    except (BadSpeed, RecordingError) as error:
        print(f"cannot replay: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except CannotStart as refusal:
        print(f"cannot replay: {refusal}", file=sys.stderr)
        return refusal.exit_code or FAILED
    except KeyboardInterrupt:  # before the bot was there to end in order
        print("stopped before the replay began", file=sys.stderr)
        return FAILED
    print(result.summary())
    for fault in result.faults():
        print(f"FAILED: {fault}")
    if result.faults():
        for line in warnings[-WARNINGS_KEPT_MAX:]:
            print(f"  {line}", file=sys.stderr)
    else:
        print("passed: every book equals the exact replay")
    return result.exit_code()


def parse_speed(text: str) -> float | None:
    """Returns the factor of real time, None for as fast as the bot goes. Raises BadSpeed."""
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not FACTOR_MIN <= factor <= FACTOR_MAX:
        raise BadSpeed(f'--speed is "max" or a factor of real time from {FACTOR_MIN:g} up, not {text!r}')
    return factor


def run_replay(
    recording: Recording,
    factor: float | None,
    build_tree: BuildTree,
    *,
    settings: Settings | None = None,
    model: QueueModel | None = None,
    tell: Callable[[str], None] = lambda line: None,
    warnings: list[str] | None = None,
) -> ReplayResult:
    """Runs the bot against the recording in a fresh event loop. Raises CannotStart."""
    kept = warnings if warnings is not None else []
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        try:
            return trio.run(
                partial(
                    _replay, recording, factor, build_tree, settings or Settings(), model, tell, kept, Path(folder)
                ),
                strict_exception_groups=True,
            )
        except BaseExceptionGroup as group:
            refusals, others = group.split(CannotStart)
            if refusals is None or others is not None:
                raise
            raise _first(refusals) from None


async def _replay(
    recording: Recording,
    factor: float | None,
    build_tree: BuildTree,
    settings: Settings,
    model: QueueModel | None,
    tell: Callable[[str], None],
    warnings: list[str],
    folder: Path,
) -> ReplayResult:
    clock = RecordedClock(recording.connections[0].first_ns)
    account = ReplayAccount(recording, model, clock)
    stage, comparison, witness = Stage(recording), Comparison(), Witness()
    server = ReplayServer(
        stage=stage,
        account=account,
        comparison=comparison,
        witness=witness,
        clock=clock,
        factor=factor,
        tell=tell,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(account.exchange.run)
        port = await nursery.start(server.run)
        life = Life(
            settings=settings,
            venue=venue_of("replay", BASE_URL, account.key_id),
            signer=account.signer,
            seams=account.seams,
            open_ports=partial(account.open_ports, settings, port),
            build_tree=replay_tree(build_tree, stage, clock.wall_ms),
            state_folder=folder,
            log_for=partial(_WarningLog, warnings),
            drain_s=settings.shutdown.terminal_s,
            probe=comparison.probe,
        )
        await nursery.start(
            partial(
                watch_stop_signals,
                begin_stop=life.request_stop,
                shorten_deadline=life.hurry,
                exit_now=lambda name: os._exit(ExitCode.NOT_VERIFIED),
            )
        )
        nursery.start_soon(witness.run, witness.mailbox(life.switchboard))
        nursery.start_soon(_end_when_over, server, life)
        report = await life.run()
        nursery.cancel_scope.cancel(reason="the life is over")
    return ReplayResult(
        name=recording.name,
        frames=server.frames,
        deltas=server.deltas,
        withheld=server.withheld,
        connections=server.connections,
        books_expected=comparison.expected,
        books_compared=comparison.compared,
        mismatches=comparison.mismatches,
        differences=tuple(comparison.differences),
        gaps=witness.gaps,
        quotes=witness.quotes,
        orders_accepted=account.accepted,
        seconds=server.seconds,
        problem=_problem(server, report),
        verdict=report.verdict,
        account_code=report.exit_code,
        queue=account.queue_report(),
    )


def _problem(server: ReplayServer, report: ExitReport) -> str | None:
    if report.reason != _OVER and not server.is_complete:
        return f"stopped before the recording was over: {report.reason}"
    return server.problem


async def _end_when_over(server: ReplayServer, life: Life) -> None:
    await server.over.wait()
    if server.problem is not None:
        # A bot that gives up hangs up first and says why a moment later: that reason is the better one.
        await trio.sleep(REASON_WITHIN_S)
    if life.latch.is_open:
        life.request_stop(_OVER)


@attrs.frozen
class _WarningLog(Log):
    """Keeps an actor's last warnings and errors, for the case that the replay fails."""

    lines: list[str]
    name: str

    def debug(self, message: str, /) -> None:
        """Drops the line."""

    def info(self, message: str, /) -> None:
        """Drops the line."""

    def warning(self, message: str, /) -> None:
        """Keeps the line, and as many before it as are shown."""
        self.lines.append(f"{self.name}: {message.partition(chr(10))[0]}")
        del self.lines[:-WARNINGS_KEPT_MAX]

    error = warning


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _first(group: BaseExceptionGroup[CannotStart]) -> CannotStart:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CannotStart)
    return error
