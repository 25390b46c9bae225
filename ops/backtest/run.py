"""One recording by one strategy: the whole bot on a virtual clock, its orders met by a queue model.

    recording -> Player -> memory -> FeedActor -> MarketActor (the strategy) -> OrderDesk -> cable -> exchange
                   `-----------> ReplayMarkets (queue model) ------------------------------------------'

Bot, exchange, cable and watch are those of the simulation; only the markets are recorded ones, discovery and
allocation are played by the directors of a replay, and nothing is broken on purpose.

Rules:
1. The clock is the recording's: at each moment the bot knows what the recorder knew then.
2. A request takes LATENCY_S to the exchange, which is the whole round trip, for the recorder heard of each moment
   after it had happened; the answer takes as long again.
3. Nothing depends on the machine: a job gives the same trace whenever and wherever it runs.
4. What is left at a market's close is marked at the last mid: the recording does not say how the market ended.
5. Nothing moves for our sake: no market impact (kalshi.simulator.queue_model).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from actors.runtime.child import Log, silent_log
from actors.runtime.determinism import make_scheduler_deterministic
from actors.runtime.server_clock import ServerClock
from kalshi.errors import Unavailable
from kalshi.simulator.events import FillHappened, OrderChanged
from kalshi.simulator.queue_model import QueueModel
from kalshi.simulator.replay_market import ReplayMarkets
from kalshi.simulator.settings import SimulatorSettings
from kalshi.socket import Socket
from ops.backtest.player import HELD_S_MAX, Player
from ops.backtest.recorder import Recorder
from ops.backtest.trace import Began, Ended
from ops.backtest.trace import Line as TraceLine
from ops.campaign.books import books_differ
from ops.campaign.trace import Trace
from ops.campaign.watch import LEASE_SLACK_S, Watch
from ops.life import BuildTree, Life
from ops.replay_account import catalogue_of
from ops.replay_recording import UNKNOWN_CATEGORY, Frame, Recording, load_recording
from ops.replay_stage import Stage, Witness, replay_tree
from ops.settings import Settings
from ops.simulation import CASH_E6, KEY_ID, SOCKET_PATH, Faults, Line, World
from ops.simulation_clock import JumpingClock
from quant.programs import Program

# From a good host to the exchange and back.
LATENCY_S: Final = 0.05
# As often as decreases become cancels; they wait a second and a half for their trade.
TICK_S: Final = 0.25
PROGRAM: Final = "backtest"
MONEY_WITHIN_S: Final = 15.0
MONEY_LOOK_S: Final = 0.5
# What was sent late would still arrive within this time.
AFTER_EXIT_S: Final = 10.0
# Results are not recorded; the exchange would draw one after so long.
_NEVER_MS: Final = 10**15


@attrs.frozen(kw_only=True)
class Job:
    """One recording by one strategy, which is that of `program`."""

    path: Path
    program: Program
    queue_model: QueueModel
    settings: Settings
    category: str = UNKNOWN_CATEGORY  # of the recorded markets, as the exchange calls it

    @property
    def strategy(self) -> str:
        return self.program.strategy.value


class RecordedWorld(World):
    """The simulation's world with the recorded markets in it, and the recording at the other end of the socket."""

    player: Player

    async def _connect(self, line: Line, clock: ServerClock, nursery: trio.Nursery) -> Socket:
        if line.is_cut:
            raise Unavailable("simulated: the socket's host does not answer")
        return await self.player.connect(line, lambda: self.signer.headers("GET", SOCKET_PATH, clock.now_ms()))


def run_job(job: Job, build_tree: BuildTree, log_for: Callable[[str], Log] = silent_log) -> tuple[TraceLine, ...]:
    """Runs one job on a virtual clock and returns its trace. Raises RecordingError."""
    recording = load_recording(job.path)
    lines: list[TraceLine] = []
    make_scheduler_deterministic(0)
    with tempfile.TemporaryDirectory(prefix="backtest-") as folder:
        trio.run(
            partial(_main, job, recording, build_tree, Path(folder), log_for, lines),
            clock=JumpingClock(),
            strict_exception_groups=True,
        )
    return tuple(lines)


def settings_of(job: Job) -> Settings:
    """Returns the settings that the bot runs with: the job's, with its program alone and the program's sizes.

    A handshake may wait for as long as nothing was recorded.
    """
    markets = job.settings.markets
    markets = attrs.evolve(
        markets,
        max_position_e2=job.program.max_position_e2 or markets.max_position_e2,
        order_size_e2=job.program.order_size_e2 or markets.order_size_e2,
    )
    websockets = attrs.evolve(job.settings.websockets, connect_deadline_s=HELD_S_MAX + LATENCY_S)
    return attrs.evolve(job.settings, markets=markets, websockets=websockets, programs={PROGRAM: job.program})


async def _main(
    job: Job,
    recording: Recording,
    build_tree: BuildTree,
    folder: Path,
    log_for: Callable[[str], Log],
    lines: list[TraceLine],
) -> None:
    async with trio.open_nursery() as nursery:
        run = _Run(job, recording, build_tree, folder, log_for, nursery)
        await nursery.start(run.world.exchange.run)
        await run.run(nursery)
        lines += run.recorder.lines
        nursery.cancel_scope.cancel(reason="the backtest is over")


class _Run:
    """The conductor of one job."""

    def __init__(
        self,
        job: Job,
        recording: Recording,
        build_tree: BuildTree,
        folder: Path,
        log_for: Callable[[str], Log],
        nursery: trio.Nursery,
    ) -> None:
        self._job, self._recording = job, recording
        self._close_ms = {
            ticker: close_ms for one in recording.connections for ticker, close_ms in one.close_ms.items()
        }
        self._stage, self._witness = Stage(recording, job.category), Witness()
        settings = settings_of(job)
        self.world = RecordedWorld(
            seed=0,
            nursery=nursery,
            build_tree=self._tree(build_tree),
            folder=folder,
            faults=Faults(latency_s=(LATENCY_S, LATENCY_S)),
            settings=settings,
            exchange_settings=SimulatorSettings(
                flow=False, determination_delay_ms=_NEVER_MS, settlement_timer_ms=0, tick_ms=round(TICK_S * 1000)
            ),
            log_for=log_for,
            wall_start_ms=recording.first_ms,
            catalogue=catalogue_of(recording, job.category),
        )
        core = self.world.exchange.core
        self._markets = ReplayMarkets(core, job.queue_model)
        for ticker in recording.structures:
            self._markets.drive(ticker)
        self._trace = Trace(trio.current_time)
        self._watch = Watch(self.world, self._trace)
        self.recorder = Recorder(core.accounts_by_key[KEY_ID].account_id, self._markets, self._close_ms, core.now_ms)
        core.listeners.append(self.recorder.take, FillHappened, OrderChanged)
        self.world.player = Player(self._stage, self._witness, self.world.exchange, self._take_frame)
        lease_max_ms = round((settings.orders.lease_floor_s * 4 + LEASE_SLACK_S) * 1000)
        self.recorder.lines.append(
            Began(
                at_ms=recording.first_ms,
                recording=recording.name,
                strategy=job.strategy,
                queue_model=job.queue_model.value,
                latency_ms=round(LATENCY_S * 1000),
                close_ms=self._close_ms,
                max_position_e2=settings.markets.max_position_e2,
                lease_max_ms=lease_max_ms,
            )
        )

    def _tree(self, build_tree: BuildTree) -> BuildTree:
        return replay_tree(build_tree, self._stage, lambda: self.world.seams.wall_ms())  # noqa: PLW0108  # not made yet

    def _take_frame(self, frame: Frame) -> None:
        """Lets our orders meet a recorded frame, just before the bot gets it."""
        self._markets.take_frame(frame)
        if frame["type"] in ("orderbook_delta", "orderbook_snapshot"):
            self.recorder.look(frame["msg"]["market_ticker"])

    async def _let_time_pass(self) -> None:
        while True:
            await trio.sleep(TICK_S)
            self._markets.tick()
            connection = self._stage.connection
            for ticker in connection.tickers if connection is not None else ():
                self.recorder.look(ticker)

    async def run(self, nursery: trio.Nursery) -> None:
        """Runs the bot from its boot to its verified end."""
        player, world = self.world.player, self.world
        life = world.life(on_lifecycle=self._watch.hear)
        nursery.start_soon(self._witness.run, self._witness.mailbox(life.switchboard))
        nursery.start_soon(self._watch.look_on)
        nursery.start_soon(self._let_time_pass)
        is_over = trio.Event()
        nursery.start_soon(self._live, life, is_over)
        nursery.start_soon(player.run, self._recording.first_ms)
        async with trio.open_nursery() as waiting:
            waiting.start_soon(_first_of, waiting, player.over)
            waiting.start_soon(_first_of, waiting, is_over)
        if not is_over.is_set():
            await self._check_money(life)
            life.request_stop("the recording is over")
            await is_over.wait()
        else:
            self._watch.violate("I14", f"the bot ended before the recording: {life.report.reason}")
        await trio.sleep(AFTER_EXIT_S)
        self._watch.look()
        self._conclude(life)

    async def _live(self, life: Life, is_over: trio.Event) -> None:
        try:
            await life.run()
        finally:
            is_over.set()

    async def _check_money(self, life: Life) -> None:
        """Compares positions and cash with the exchange's; what filled a moment ago may still be on its way."""
        differs = "the bot has not booted"
        for _ in range(round(MONEY_WITHIN_S / MONEY_LOOK_S)):
            if life.snapshot is not None:
                differs = books_differ(life.snapshot, self.world)
                if not differs:
                    return
            await trio.sleep(MONEY_LOOK_S)
        self._watch.violate("I6", differs)

    def _conclude(self, life: Life) -> None:
        truth, player = self.world.exchange.truth, self.world.player
        watch = self._watch
        if player.problem is not None:
            watch.violate("replay", player.problem)
        if self._witness.gaps:
            watch.violate("I2", f"the feed reported {self._witness.gaps} gaps")
        if truth.requests_rejected_429:
            watch.violate("I19", f"{truth.requests_rejected_429} requests were refused by a rate limit")
        if truth.imbalance_e6():
            watch.violate("cash", f"money was made or lost by nobody: {truth.imbalance_e6()} millionths of a dollar")
        if truth.resting_orders(KEY_ID) or not life.report.sweep.verified:
            watch.violate("I1", f"{len(truth.resting_orders(KEY_ID))} orders rest at the end: {life.report.verdict}")
        for text in watch.violations:
            invariant, _, said = text.partition(" at ")
            self.recorder.breach(invariant, said)
        counters = self._markets.counters
        self.recorder.lines.append(
            Ended(
                at_ms=self.world.exchange.core.now_ms(),
                cash_e6=truth.cash_e6(KEY_ID) - sum(CASH_E6.values()),
                positions=dict(sorted(truth.positions(KEY_ID).items())),
                fees_e6=sum(fill.fee_e6 for fill in truth.fills(KEY_ID)),
                frames=player.frames,
                prints=counters.trades + counters.prints,
                verdict=life.report.verdict,
                passed=self._trace.digest(),
            )
        )


async def _first_of(nursery: trio.Nursery, event: trio.Event) -> None:
    await event.wait()
    nursery.cancel_scope.cancel(reason="one of the events came")
