"""A loss limit that has tripped outlives the actor and the process, until a person releases it."""

from __future__ import annotations

import attrs
import trio

from actors.messages.control import ControlCommand
from ops.life import Life
from ops.settings import Settings
from ops.simulation import World, run_world
from supervisor import build_tree

TRIPS_WITHIN_S = 120.0
QUIET_S = 12.0
LIMIT_E6 = 1_000  # a tenth of a cent: the first fee or tick is enough


async def tripped(life: Life) -> None:
    with trio.fail_after(TRIPS_WITHIN_S):
        while not reasons(life):  # noqa: ASYNC110 - the bot is looked at, and tells nobody
            await trio.sleep(0.2)


def reasons(life: Life) -> list[str]:
    said = () if life.snapshot is None else life.snapshot.permit_reasons
    return [reason for reason in said if "daily loss" in reason]


async def stays_quiet(world: World, life: Life) -> None:
    """After a moment to withdraw nothing rests, and the reason is said."""
    await trio.sleep(QUIET_S / 2)
    for _ in range(int(QUIET_S)):
        await trio.sleep(0.5)
        assert world.resting() == []
    assert reasons(life)


def test_a_tripped_loss_limit_holds_over_a_kill_of_risk_and_a_restart_until_it_is_released() -> None:
    settings = Settings()
    tight = attrs.evolve(settings, risk=attrs.evolve(settings.risk, daily_loss_limit_e6=LIMIT_E6))

    async def scenario(world: World) -> None:
        first = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.run)
            await tripped(first)
            first.kill_actor("portfolio_risk")
            await stays_quiet(world, first)
            first.request_stop("the first life is over")
        second = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(second.run)
            await stays_quiet(world, second)
            assert (await second.answer(ControlCommand(word="release"))).ok
            with trio.fail_after(QUIET_S):
                while not world.resting():  # noqa: ASYNC110 - the same
                    await trio.sleep(0.1)
            second.request_stop("the test is over")

    run_world(scenario, seed=41, build_tree=build_tree, settings=tight)
