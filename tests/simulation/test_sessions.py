"""Volatility sessions in the whole bot on the simulated exchange: from the event over quotes and fills to flat.

The scanner's part is played: it says how a market moves, from the exchange's own book.
"""

from __future__ import annotations

import attrs
import trio

from ops.simulation import World, run_world
from quant.signals.regime import Regime
from supervisor import build_tree
from tests.simulation.session_stage import (
    DELAY_S,
    LIFE_S,
    ON_ITS_WAY_S,
    SETTINGS,
    SETTLED_S,
    SIMULATED,
    WITHDRAWN_WITHIN_S,
    Scanner,
    T,
    Watcher,
    ask,
    sessions,
    settled_bot,
    until,
    until_over,
)


def test_a_session_begins_quotes_ends_and_unwinds() -> None:
    async def scenario(world: World) -> None:
        async with settled_bot(world) as stage:
            await trio.sleep(DELAY_S + 10.0)
            began_s = stage.scanner.began_s + DELAY_S
            assert stage.watcher.first_quote_s() >= began_s
            assert "1 of 3: " + T in await ask(stage.life, "status")
            assert "owner: program swings" in await ask(stage.life, "explain", ticker=T)
            assert "session quotes" in await ask(stage.life, "explain", ticker=T)
            await until_over(world, LIFE_S + 400.0)
            ((_, reason, left, ended_ms, started_ms),) = sessions(world)
            assert (reason, left) == ("time to live", "")
            assert ended_ms is not None
            assert ended_ms - started_ms >= LIFE_S * 1000
            assert stage.watcher.position_e2() == 0
            await trio.sleep(3.0)
            assert "not selected" in await ask(stage.life, "explain", ticker=T)
        died_s = began_s + LIFE_S + 1.0
        assert any(position for at_s, _, position in stage.watcher.rested if at_s <= died_s), "nothing was ever traded"
        assert stage.watcher.adding_s(died_s + WITHDRAWN_WITHIN_S) <= ON_ITS_WAY_S

    run_world(scenario, seed=5, build_tree=build_tree, settings=SETTINGS, exchange_settings=SIMULATED)


def test_a_manager_that_is_killed_unwinds_what_its_session_holds() -> None:
    async def scenario(world: World) -> None:
        async with settled_bot(world) as stage:
            await until(lambda: stage.watcher.position_e2() != 0, DELAY_S + LIFE_S)
            stage.life.kill_actor("session_manager")
            killed_s = trio.current_time()
            await until_over(world, 500.0)
            ((_, reason, left, _, _),) = sessions(world)
            assert (reason, left) == ("restart", "")
            assert stage.watcher.position_e2() == 0
        assert stage.watcher.adding_s(killed_s + WITHDRAWN_WITHIN_S) <= ON_ITS_WAY_S

    run_world(scenario, seed=5, build_tree=build_tree, settings=SETTINGS, exchange_settings=SIMULATED)


def test_a_hard_kill_leaves_at_once_and_a_restarted_bot_goes_on_with_it() -> None:
    """The market turns chaotic and its fills lose; the bot dies in the middle; its successor has the same session."""
    parameters = attrs.evolve(
        SETTINGS.sessions, regime_kill=attrs.evolve(SETTINGS.sessions.regime_kill, require_adverse_selection=False)
    )

    async def scenario(world: World) -> None:
        life = world.life()
        scanner, watcher = Scanner(world, life), Watcher(world)
        async with trio.open_nursery() as helpers:
            helpers.start_soon(watcher.run)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.run)
                await trio.sleep(SETTLED_S)
                helpers.start_soon(scanner.run)
                await until(lambda: watcher.position_e2() != 0, DELAY_S + LIFE_S)
                life.request_stop("the machine is needed elsewhere")
            assert sessions(world)[0][3] is None
            held_e2 = watcher.position_e2()
            assert held_e2 != 0
            successor = world.life()
            scanner.life, scanner.regime = successor, Regime.CHAOTIC
            helpers.cancel_scope.cancel(reason="its first half is over")
        async with trio.open_nursery() as helpers:
            helpers.start_soon(watcher.run)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(successor.run)
                helpers.start_soon(scanner.run)
                born_s = trio.current_time()
                await until_over(world, 60.0)
                ((_, reason, left, _, _),) = sessions(world)
                assert (reason, left) == ("restart", "")
                assert watcher.position_e2() == 0
                successor.request_stop("the scenario says so")
            helpers.cancel_scope.cancel(reason="the scenario is over")
        assert successor.report.verdict == "verified flat"
        assert watcher.adding_s(born_s) <= ON_ITS_WAY_S

    settings = attrs.evolve(SETTINGS, sessions=parameters)
    run_world(scenario, seed=5, build_tree=build_tree, settings=settings, exchange_settings=SIMULATED)
