"""What the campaign's watch makes of the news that actors start and end."""

from __future__ import annotations

import trio

from actors.runtime.lifecycle import ActorExited, ActorStarted, ExitKind
from kalshi.simulator.settings import SimulatorSettings
from ops.campaign.trace import Trace
from ops.campaign.watch import Watch
from ops.simulation import World, run_world
from supervisor import build_tree


def _started(name: str, incarnation: int) -> ActorStarted:
    return ActorStarted(supervisor="root", name=name, incarnation=incarnation, at_s=0.0)


def _exited(name: str, kind: ExitKind, error: str = "", restart_in_s: float | None = None) -> ActorExited:
    return ActorExited(
        supervisor="root",
        name=name,
        incarnation=1,
        kind=kind,
        reason="",
        error=error,
        traceback="",
        has_served=True,
        ran_s=1.0,
        restart_in_s=restart_in_s,
        at_s=0.0,
    )


def _heard(*events: ActorStarted | ActorExited) -> Watch:
    async def hear(world: World) -> Watch:
        watch = Watch(world, Trace(trio.current_time))
        for event in events:
            watch.hear(event)
        await trio.lowlevel.checkpoint()
        return watch

    watch = run_world(
        hear, seed=1, build_tree=build_tree, exchange_settings=SimulatorSettings(listed_series=("KXEURUSD",))
    )
    assert isinstance(watch, Watch)
    return watch


def test_a_market_that_is_given_up_and_taken_again_has_not_crashed() -> None:
    watch = _heard(_started("market:A", 1), _exited("market:A", ExitKind.STOPPED), _started("market:A", 2))
    assert watch.crashes.total() == 0
    assert watch.violations == []


def test_a_crash_after_which_the_actor_is_started_again_counts_once() -> None:
    killed = _exited("market:A", ExitKind.CRASHED, error="KilledForTest", restart_in_s=0.1)
    watch = _heard(_started("market:A", 1), killed, _started("market:A", 2))
    assert dict(watch.crashes) == {"market": 1}
    assert watch.violations == []


def test_a_crash_that_the_schedule_did_not_order_is_a_defect() -> None:
    watch = _heard(_exited("ledger", ExitKind.CRASHED, error="ValueError: 1", restart_in_s=0.1))
    assert dict(watch.crashes) == {"ledger": 1}
    assert len(watch.violations) == 1
