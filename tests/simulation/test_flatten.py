"""A person has positions closed, and programs paused: what is held goes to zero, nothing is quoted, until `resume`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from actors.messages.control import ControlCommand
from ops.life import Life
from ops.settings import Settings
from ops.simulation import KEY_ID, World, run_world
from quant.programs import Program, SelectionKind
from quant.quoting.strategies import StrategyName
from supervisor import build_tree

TRADED_S = 25.0
FLAT_WITHIN_S = 15.0
QUOTED_AGAIN_S = 15.0
EVENT = "KXFEDDECISION-26NOV"


async def say(life: Life, word: str, **arguments: str) -> str:
    reply = await life.answer(ControlCommand(word=word, arguments=tuple(arguments.items())))
    assert reply.ok, reply.text
    return reply.text


def held(world: World) -> dict[str, int]:
    return {ticker: held for ticker, held in world.exchange.truth.positions(KEY_ID).items() if held}


async def until(what: Callable[[], bool], within_s: float, said: str) -> None:
    with trio.move_on_after(within_s):
        while not what():  # noqa: ASYNC110 - the world is looked at, and tells nobody
            await trio.sleep(0.1)
    assert what(), f"not within {within_s:g} s: {said}"


def run(scenario: Callable[[World, Life], Awaitable[None]], settings: Settings, seed: int) -> None:
    async def whole(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(TRADED_S)
            await scenario(world, life)
            life.request_stop("the test is over")

    run_world(whole, seed=seed, build_tree=build_tree, settings=settings)


def test_flatten_closes_everything_and_quotes_nothing_until_resume() -> None:
    async def scenario(world: World, life: Life) -> None:
        assert len(held(world)) >= 2, "it has traded"
        await say(life, "flatten", all="yes")
        await until(lambda: not held(world) and not world.resting(), FLAT_WITHIN_S, f"flat: {held(world)}")
        await trio.sleep(5.0)
        assert (held(world), world.resting()) == ({}, [])
        await say(life, "resume")
        await until(lambda: len(world.resting()) >= 4, QUOTED_AGAIN_S, "it quotes again")

    run(scenario, Settings(), seed=31)


@pytest.mark.long
def test_a_program_that_is_paused_keeps_its_markets_and_the_others_quote_on() -> None:
    event = Program(selection=SelectionKind.EVENTS, events=(EVENT,), strategy=StrategyName.GLFT, priority=20)
    settings = Settings(programs={"scored": Program(), "event": event})

    async def scenario(world: World, life: Life) -> None:
        def quoted(*, of_event: bool) -> bool:
            orders = world.exchange.truth.resting_orders(KEY_ID)
            return any(order.ticker.startswith(EVENT) is of_event for order in orders)

        await until(lambda: quoted(of_event=True), QUOTED_AGAIN_S, "its markets are quoted")
        await say(life, "pause", program="event")
        await until(lambda: not quoted(of_event=True), 3.0, "its quotes are withdrawn")
        await trio.sleep(5.0)
        assert not quoted(of_event=True)
        assert quoted(of_event=False), "the other program goes on"
        assert life.snapshot is not None
        assert {row.program for row in life.snapshot.markets if row.ticker.startswith(EVENT)} == {"event"}
        await say(life, "resume", program="event")
        await until(lambda: quoted(of_event=True), QUOTED_AGAIN_S, "its markets are quoted again")

    run(scenario, settings, seed=32)
