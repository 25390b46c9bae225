"""I1, I2, I26: the exchange refuses every trigger of a group, and the rest goes on all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from kalshi.simulator.faults import ServerError
from ops.life import Life
from ops.simulation import Line, World, run_world
from ops.switches import KILL_FILE
from supervisor import build_tree

QUOTING_S = 8.0
NO_TRIGGERS = ServerError(path="*/trigger", methods=("PUT",), status=503)


def run(scenario: Callable[[World, trio.Nursery], Awaitable[None]]) -> None:
    async def within(world: World) -> None:
        async with trio.open_nursery() as nursery:
            await scenario(world, nursery)
            nursery.cancel_scope.cancel(reason="the scenario is over")

    run_world(within, seed=17, build_tree=build_tree)


async def quoting(world: World, nursery: trio.Nursery, line: Line | None = None) -> Life:
    life = world.life(line)
    nursery.start_soon(life.run)
    await trio.sleep(QUOTING_S)
    assert len(world.resting()) >= 8
    return life


async def lose_power(world: World, nursery: trio.Nursery) -> set[str]:
    """Runs a bot until it quotes and cuts its line; returns what it leaves resting."""
    line = Line()
    async with trio.open_nursery() as life_nursery:
        await quoting(world, life_nursery, line)
        world.cut_power(line)
        life_nursery.cancel_scope.cancel(reason="the power was cut")
    return set(world.resting())


def test_i26_a_kill_file_made_while_an_older_fence_is_unanswered_is_heard() -> None:
    async def scenario(world: World, nursery: trio.Nursery) -> None:
        life = await quoting(world, nursery)
        fault = world.exchange.faults.order(NO_TRIGGERS)
        life.kill_switch(True)
        await trio.sleep(2)
        life.kill_switch(False)
        await trio.sleep(2)
        assert life.switches.current().killed is False
        (world.folder / KILL_FILE).touch()  # noqa: ASYNC240  (a test, and a small file)
        await trio.sleep(3)
        assert life.snapshot is not None
        assert "kill" in " ".join(life.snapshot.permit_reasons)
        assert world.resting() == []
        world.exchange.faults.remove(fault.fault_id)

    run(scenario)


def test_i1_old_orders_are_cancelled_at_boot_although_their_group_cannot_be_triggered() -> None:
    async def scenario(world: World, nursery: trio.Nursery) -> None:
        left = await lose_power(world, nursery)
        assert left
        world.exchange.faults.order(NO_TRIGGERS)
        nursery.start_soon(world.life().run)
        await trio.sleep(6)
        assert not left & set(world.resting())

    run(scenario)


def test_i2_an_end_before_the_boot_is_through_names_what_older_boots_left() -> None:
    async def scenario(world: World, nursery: trio.Nursery) -> None:
        left = await lose_power(world, nursery)
        assert left
        world.cable.gateway_is_down = True
        life = world.life()
        async with trio.open_nursery() as life_nursery:
            life_nursery.start_soon(life.run)
            await trio.sleep(2)
            life.request_stop("a person does not want to wait")
        assert life.report.verdict == "NOT verified"
        assert len(life.report.unresolved_orders) >= len(left)

    run(scenario)
