"""Plays one program scenario: a world, the whole bot, whoever else acts in it, and an onlooker.

The campaign's Watch looks on as well: no invariant may break. Nothing waits for a real clock, so that one scenario,
seed and length give one trace.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import trio

from actors.order_desk import OrderDesk
from actors.runtime.exit_guard import ExitReport
from kalshi.simulator.settings import SimulatorSettings
from ops.campaign.books import books_differ
from ops.campaign.seed import with_desk
from ops.campaign.trace import Trace
from ops.campaign.watch import Watch
from ops.life import BuildTree, Life
from ops.playbook.markets import market_results
from ops.playbook.onlooker import LOOK_EVERY_S, Onlooker
from ops.playbook.summary import Summary, read_ledger
from ops.settings import Settings
from ops.simulation import World, run_world

BOOKED_WITHIN_S: Final = 30.0  # a settlement is found by reading its market, which takes its time
LANDED_WITHIN_S: Final = 30.0  # whatever is still on its way when the process ends has arrived by then

Part = Callable[[World, Life, float], Awaitable[None]]  # the length of the run in seconds is the last


@attrs.frozen(kw_only=True)
class ProgramScenario:
    """A kind of program, the world that it is shown in, and who else acts there."""

    name: str
    says: str
    settings: Settings
    exchange: SimulatorSettings
    shows_after_s: float  # a shorter run is too short to show its kind
    before: Callable[[World], None] = lambda world: None
    parts: tuple[Part, ...] = ()


def play(scenario: ProgramScenario, build_tree: BuildTree, *, seed: int, seconds: float) -> Summary:
    """Runs the scenario for `seconds` of simulated time and returns what happened."""
    desks: list[OrderDesk] = []
    result = run_world(
        lambda world: _Play(world, scenario, desks, seed, seconds).run(),
        seed=seed,
        build_tree=with_desk(build_tree, desks),
        settings=scenario.settings,
        exchange_settings=scenario.exchange,
    )
    assert isinstance(result, Summary)
    return result


class _Play:
    """The conductor of one run."""

    def __init__(
        self, world: World, scenario: ProgramScenario, desks: list[OrderDesk], seed: int, seconds: float
    ) -> None:
        self._world, self._scenario, self._seed, self._seconds = world, scenario, seed, seconds
        self._trace = Trace(trio.current_time)
        self._watch = Watch(world, self._trace)
        self._watch.orders = lambda: desks[-1].orders if desks else None
        self._onlooker = Onlooker(world)

    async def run(self) -> Summary:
        world = self._world
        self._scenario.before(world)
        life = world.life(on_lifecycle=self._watch.hear)
        async with trio.open_nursery() as helpers:
            helpers.start_soon(self._watch.look_on)
            helpers.start_soon(self._onlooker.look_on, life)
            for part in self._scenario.parts:
                helpers.start_soon(part, world, life, self._seconds)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.run)
                await trio.sleep(self._seconds)
                differs = await self._books_differ(life)
                life.request_stop("the scenario is over")
            self._watch.look()
            helpers.cancel_scope.cancel(reason="the scenario is over")
        ended_s, left = trio.current_time(), world.resting()
        await trio.sleep(LANDED_WITHIN_S)
        return self._summary(life.report, differs, ended_s, (*left, *world.resting()))

    async def _books_differ(self, life: Life) -> str:
        differs = "it has not booted"
        for _ in range(round(BOOKED_WITHIN_S / LOOK_EVERY_S)):
            if life.snapshot is not None and not (differs := books_differ(life.snapshot, self._world)):
                break
            await trio.sleep(LOOK_EVERY_S)
        return differs

    def _summary(self, report: ExitReport, differs: str, ended_s: float, left: tuple[str, ...]) -> Summary:
        watch, onlooker = self._watch, self._onlooker
        ledger = read_ledger(self._world.folder)
        markets, unexplained_e6 = market_results(self._world, onlooker.owners, onlooker.quoted_sides())
        return Summary(
            name=self._scenario.name,
            seed=self._seed,
            seconds=self._seconds,
            simulated_s=ended_s,
            seen=onlooker.seen(),
            markets=markets,
            ledger=ledger,
            commands=watch.commands,
            accrued_e6=onlooker.accrued_at(ledger.shadow_at_ms),
            unexplained_e6=unexplained_e6,
            books_differ=differs,
            crashes=watch.crashes.total(),
            verdict=report.verdict,
            left_resting=left,
            violations=tuple(watch.violations),
            trace_lines=self._trace.lines,
            trace_hash=self._trace.digest(),
        )
