"""One seed: a bot and an exchange on a virtual clock, first with everything going wrong, then with nothing.

    safety    faults as the schedule says; nothing that `watch` looks for may happen
    liveness  no fault any more; within RECOVERY_S the bot must quote again, with exact books, and at the end leave flat

Processes die in two ways. An orderly stop ends through the exit guard. A power cut ends all communication at one
moment, and the next life gets the state folder as it was at that moment, as a machine that comes back would.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs
import trio

from actors.order_desk import OrderDesk
from actors.runtime.child import Actor, ChildSpec, Log, silent_log
from actors.runtime.exit_guard import ExitCode, ExitReport
from actors.runtime.supervisor import ChildContext
from kalshi.simulator.events import BookDelta, Event
from kalshi.simulator.settings import SimulatorSettings
from ops.campaign.blows import Blows
from ops.campaign.books import books_differ
from ops.campaign.coverage import Cell
from ops.campaign.faults import BotFault, draw_schedule
from ops.campaign.trace import Trace
from ops.campaign.watch import Watch
from ops.life import BuildTree, CannotStart, Life, TreeParts
from ops.settings import Settings
from ops.simulation import KEY_ID, Line, World, run_world
from ops.snapshot import why_not_quoting
from ops.venue import boot_prefix
from quant.orders.table import OrderTable
from quant.retirement import RetirementParameters

# A fifth of the time is for recovery, at least so much.
LIVENESS_SHARE: Final = 0.2
LIVENESS_MIN_S: Final = 45.0
RECOVERY_S: Final = 40.0
RECOVERY_LOOK_S: Final = 0.5
MONEY_S: Final = 15.0  # a settlement is found by reading its market, which takes its time
AFTER_EXIT_S: Final = 30.0
DRAIN_SLACK_S: Final = 1.0
BACK_AFTER_S: Final = (0.2, 8.0)  # from a power cut to the next start
MARKETS: Final = 6
# Six markets that the bot trades, on two shards, and two that close too soon for it.
SERIES: Final = ("KXETHD", "KXEURUSD")
FLOW_RATE: Final = 0.34
TICK_MS: Final = 250


@attrs.frozen(kw_only=True)
class SeedOrder:
    """Which seed, for how many simulated seconds, with which kinds of faults, over which wire."""

    seed: int
    seconds: float
    kinds: tuple[str, ...]
    wire: str = "ports"


@attrs.frozen(kw_only=True)
class SeedResult:
    """What one seed did and what it must not have done; times in simulated seconds, money not at all."""

    seed: int
    simulated_s: float
    requests: int
    commands: int
    fills: int
    book_changes: int
    markets: int
    lives: int
    worst_drain_s: float
    strikes: Counter[str]
    cells: Counter[Cell]
    crashes: Counter[str]
    violations: tuple[str, ...]
    trace_lines: int
    trace_hash: str


def run_seed(
    order: SeedOrder,
    build_tree: BuildTree,
    show: Callable[[str], None] | None = None,
    log_for: Callable[[str], Log] = silent_log,
) -> SeedResult:
    """Runs one seed and returns what happened; `show` gets each line of the trace."""
    desks: list[OrderDesk] = []
    result = run_world(
        lambda world: _Run(world, order, desks, show).run(),
        seed=order.seed,
        build_tree=with_desk(build_tree, desks),
        settings=draw_settings(order.seed),
        exchange_settings=SimulatorSettings(listed_series=SERIES, flow_rate=FLOW_RATE, tick_ms=TICK_MS),
        log_for=log_for,
        start_after_s=random.Random(f"{order.seed}:start").uniform(0, 900),
        wire=order.wire,
    )
    assert isinstance(result, SeedResult)
    return result


def draw_settings(seed: int) -> Settings:
    """Returns the settings of a seed: the defaults, and for what people tune one of a few values each."""
    rng, settings = random.Random(f"{seed}:settings"), Settings()
    return attrs.evolve(
        settings,
        allocation=attrs.evolve(settings.allocation, max_markets_with_orders=MARKETS),
        orders=attrs.evolve(
            settings.orders,
            cooldown_s=rng.choice((0.3, 2.0, 6.0)),
            reconcile_every_s=rng.choice((3.0, 6.0)),
            lease_floor_s=rng.choice((30.0, 120.0)),
        ),
        fills=attrs.evolve(settings.fills, poll_s=rng.choice((0.75, 2.0, 4.0))),
        risk=attrs.evolve(settings.risk, account_every_s=rng.choice((2.0, 8.0)), retirement=_retirement(seed)),
        discovery=attrs.evolve(settings.discovery, interval_s=rng.choice((10.0, 30.0))),
    )


def _retirement(seed: int) -> RetirementParameters:
    """By a draw of its own: what seeds drew before it was there stays as it was."""
    return RetirementParameters(after_s=random.Random(f"{seed}:retirement").choice((5.0, 3_600.0)), read_every_s=20.0)


def with_desk(build_tree: BuildTree, desks: list[OrderDesk]) -> BuildTree:
    """Returns the same tree; each OrderDesk that it makes is remembered, newest last, to be looked at."""

    def build(parts: TreeParts) -> tuple[ChildSpec, ...]:
        return tuple(_watched(spec, desks) if spec.name == "order_desk" else spec for spec in build_tree(parts))

    return build


def _watched(spec: ChildSpec, desks: list[OrderDesk]) -> ChildSpec:
    def make(context: ChildContext) -> Actor:
        desk = spec.factory(context)
        assert isinstance(desk, OrderDesk)
        desks[:] = [desk]
        return desk

    return attrs.evolve(spec, factory=make)


@attrs.define(eq=False)
class _Process:
    """One life of the bot, and what is asked of it."""

    life: Life
    line: Line
    folder: Path
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    is_over: trio.Event = attrs.field(factory=trio.Event)
    report: ExitReport | None = None
    stop_asked_s: float | None = None
    # Its Ledger met a full disk, and every crash for that counts in the same window as the kills of the schedule.
    may_give_up: bool = False


class _Run:
    """The conductor of one seed."""

    def __init__(
        self, world: World, order: SeedOrder, desks: list[OrderDesk], show: Callable[[str], None] | None
    ) -> None:
        self._world = world
        self._order = order
        self._desks = desks
        self._trace = Trace(trio.current_time, show)
        self._watch = Watch(world, self._trace)
        self._watch.orders = self._orders
        self._watch.is_booted = self._is_booted
        self._rng = random.Random(f"{order.seed}:conductor")
        self._blows = Blows(world, self._rng)
        self._watch.touched_persons_orders = self._blows.touched_persons_orders
        self._lives = 0
        self._worst_drain_s = 0.0
        self._book_changes = 0
        self._process: _Process | None = None
        world.exchange.core.listeners.append(self._count_change, BookDelta)

    async def run(self) -> SeedResult:
        seconds = self._order.seconds
        safety_s = seconds - max(LIVENESS_MIN_S, seconds * LIVENESS_SHARE)
        schedule = draw_schedule(self._order.seed, self._order.kinds, safety_s)
        for fault in schedule.exchange:
            self._world.exchange.faults.order(fault)
        began_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            await nursery.start(self._blows.run)
            nursery.start_soon(self._watch.look_on)
            process = self._start(nursery, self._world.folder / "life-1")
            for bot_fault in schedule.bot:
                process = await self._keep_up(nursery, process, began_s + bot_fault.at_s)
                process = await self._strike(nursery, process, bot_fault)
            process = await self._keep_up(nursery, process, began_s + safety_s)
            self._world.exchange.faults.clear()
            await self._blows.end()
            process = await self._recover(nursery, process)
            await trio.sleep_until(began_s + seconds)
            await self._check_money(process)
            await self._stop(process)
            if process.report is not None and not process.report.sweep.verified:
                self._watch.violate("I1", f"nothing was wrong, and yet: {process.report.verdict}")
            await trio.sleep(AFTER_EXIT_S)
            self._watch.look()
            nursery.cancel_scope.cancel(reason="the seed is over")
        return self._result(trio.current_time() - began_s)

    # -- lives --

    def _start(self, nursery: trio.Nursery, folder: Path) -> _Process:
        self._lives += 1
        self._trace.note("life", self._lives)
        line = Line()
        life = self._world.life(line, folder, self._watch.hear)
        process = self._process = _Process(life=life, line=line, folder=folder)
        nursery.start_soon(self._live, process)
        return process

    async def _live(self, process: _Process) -> None:
        try:
            with process.scope:
                process.report = await process.life.run()
        except* CannotStart as refusal:
            if not self._blows.clock_is_off:  # with a wrong clock it must not trade, and says so
                self._watch.violate("I16", f"the process did not start: {refusal.exceptions!r}")
        except* Exception as crash:
            self._watch.violate("I16", f"the process fell over: {crash.exceptions!r}")
        finally:
            process.is_over.set()
        if process.report is not None and process.stop_asked_s is None and not process.line.is_cut:
            if not (process.may_give_up and process.report.wanted_code is ExitCode.GAVE_UP_VERIFIED):
                self._watch.violate("I14", f"the process ended by itself: {process.report.reason}")
            self._watch.dead_boots[boot_prefix(process.life.venue, process.life.boot)] = process.report.sweep.verified

    async def _keep_up(self, nursery: trio.Nursery, process: _Process, until_s: float) -> _Process:
        """Waits; a process that ends by itself meanwhile is started again, as a service manager would."""
        while trio.current_time() < until_s:
            with trio.move_on_at(until_s):
                await process.is_over.wait()
                process = await self._back(nursery, process.folder)
        return process

    async def _strike(self, nursery: trio.Nursery, process: _Process, fault: BotFault) -> _Process:
        if process.is_over.is_set():
            return await self._back(nursery, process.folder)
        self._watch.strike(fault.kind)
        match fault.kind:
            case "power_cut":
                return await self._cut_power(nursery, process)
            case "stop_and_start":
                await self._stop(process)
                return self._start(nursery, process.folder)
            case _:
                self._blows.strike(process.life, process.folder, fault)
                process.may_give_up |= fault.kind == "ledger_full"
                return process

    async def _cut_power(self, nursery: trio.Nursery, process: _Process) -> _Process:
        self._world.cut_power(process.line)
        folder = self._world.folder / f"life-{self._lives + 1}"
        shutil.copytree(process.folder, folder)
        self._watch.dead_boots[boot_prefix(process.life.venue, process.life.boot)] = False
        process.scope.cancel(reason="the power was cut")
        return await self._back(nursery, folder)

    async def _back(self, nursery: trio.Nursery, folder: Path) -> _Process:
        await trio.sleep(self._rng.uniform(*BACK_AFTER_S))
        return self._start(nursery, folder)

    async def _stop(self, process: _Process) -> None:
        if process.is_over.is_set():
            return
        process.stop_asked_s = trio.current_time()
        process.life.request_stop("the schedule says so")
        await process.is_over.wait()
        took_s = trio.current_time() - process.stop_asked_s
        self._trace.note("stopped", f"{took_s:.3f}", process.report.exit_code if process.report else "-")
        self._worst_drain_s = max(self._worst_drain_s, took_s)
        if took_s > self._world.settings.shutdown.terminal_s + DRAIN_SLACK_S:
            self._watch.violate("I17", f"the way out took {took_s:.2f} s")
        verified = process.report is not None and process.report.sweep.verified
        self._watch.dead_boots[boot_prefix(process.life.venue, process.life.boot)] = verified
        self._watch.look()

    # -- liveness --

    async def _recover(self, nursery: trio.Nursery, process: _Process) -> _Process:
        """Waits until the bot quotes again with exact books. It may be on its way out still."""

        def ails() -> str:
            nonlocal process
            if process.is_over.is_set() and process.may_give_up:
                process = self._start(nursery, process.folder)
            return self._ails(process)

        if process.is_over.is_set():
            process = self._start(nursery, process.folder)
        if still := await self._wait_until_empty(ails, RECOVERY_S):
            self._watch.violate("liveness", f"not recovered after {RECOVERY_S:.0f} s: {still}")
        return process

    def _ails(self, process: _Process) -> str:
        """Returns what is still wrong with the bot; empty when it is well."""
        snapshot = process.life.snapshot
        if process.is_over.is_set():
            return "the process is gone"
        if not process.life.latch.is_open:
            return "it is on its way out"  # and what it says of itself is from before
        if snapshot is None:
            return "it has not booted"
        return why_not_quoting(snapshot)

    @staticmethod
    async def _wait_until_empty(ask: Callable[[], str], seconds: float) -> str:
        """Asks again and again until the answer is empty or the time over, and returns the last one."""
        answer = ask()
        for _ in range(round(seconds / RECOVERY_LOOK_S)):
            if not answer:
                break
            await trio.sleep(RECOVERY_LOOK_S)
            answer = ask()
        return answer

    async def _check_money(self, process: _Process) -> None:
        """Compares positions and cash with the exchange's; what filled a moment ago may still be on its way."""
        differs = await self._wait_until_empty(lambda: self._money_differs(process), MONEY_S)
        if differs:
            self._watch.violate("I6", differs)
        refused = self._world.exchange.truth.requests_rejected_429
        if refused:
            self._watch.violate("I19", f"{refused} requests were refused by a rate limit")

    def _money_differs(self, process: _Process) -> str:
        """Returns what the bot's books say otherwise than the exchange's truth; empty when they agree."""
        if ails := self._ails(process):
            return ails
        assert process.life.snapshot is not None, "what has not booted ails"
        return books_differ(process.life.snapshot, self._world)

    def _is_booted(self) -> bool:
        """Says whether the present process has cleared what its predecessors left, and trades."""
        process = self._process
        if process is None or process.life.snapshot is None:
            return False
        return boot_prefix(process.life.venue, process.life.boot) not in self._watch.dead_boots

    # -- figures --

    def _orders(self) -> OrderTable | None:
        return self._desks[-1].orders if self._desks else None

    def _count_change(self, event: Event) -> None:
        self._book_changes += 1

    def _result(self, simulated_s: float) -> SeedResult:
        world, watch = self._world, self._watch
        return SeedResult(
            seed=self._order.seed,
            simulated_s=simulated_s,
            requests=world.cable.counters.requests,
            commands=watch.commands,
            fills=len(world.exchange.truth.fills(KEY_ID)),
            book_changes=self._book_changes,
            markets=len(world.exchange.core.markets),
            lives=self._lives,
            worst_drain_s=self._worst_drain_s,
            strikes=watch.strikes,
            cells=watch.cells,
            crashes=watch.crashes,
            violations=tuple(watch.violations),
            trace_lines=self._trace.lines,
            trace_hash=self._trace.digest(),
        )
