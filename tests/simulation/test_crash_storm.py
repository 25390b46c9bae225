"""Crash storms: outside the restart window the books stay exact, inside it the bot gives up, verified flat."""

from __future__ import annotations

import attrs
import pytest
import trio

from actors.runtime.exit_guard import ExitCode, ExitReport
from ops.campaign.faults import ROOT_ACTORS
from ops.settings import Settings
from ops.simulation import World, run_world
from supervisor import build_tree
from tests.simulation.crash_storm import WINDOW, run_storm


@pytest.mark.long
def test_books_stay_exact_however_often_actors_are_killed_outside_the_window() -> None:
    storm = run_storm(kills=3, seed=7)
    assert storm.differences == ()
    assert set(ROOT_ACTORS) < set(storm.kills)
    assert set(storm.kills.values()) == {3}
    assert all(storm.restarts[name] >= 3 for name in storm.kills)  # a feed's or supervisor's death restarts others too
    assert storm.fills > 20
    assert storm.report.exit_code is ExitCode.VERIFIED_FLAT
    assert storm.left == ()


@pytest.mark.parametrize("name", ["order_desk", pytest.param("ledger", marks=pytest.mark.long)])
def test_inside_the_window_the_bot_gives_up_and_leaves_verified_flat(name: str) -> None:
    async def scenario(world: World) -> ExitReport:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(10)
            for _ in range(WINDOW.max_restarts + 1):
                life.kill_actor(name)
                await trio.sleep(5)
        assert world.resting() == []
        return life.report

    settings = Settings()
    settings = attrs.evolve(settings, supervision=attrs.evolve(settings.supervision, root=WINDOW))
    report = run_world(scenario, seed=3, build_tree=build_tree, settings=settings)
    assert isinstance(report, ExitReport)
    assert report.exit_code is ExitCode.GAVE_UP_VERIFIED
    assert report.verdict == "verified flat"
    assert name in report.reason
