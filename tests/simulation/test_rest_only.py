"""A5, B4, I7: without a socket the bot quotes from single reads of a known age, and stops like the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from actors.messages.control import SystemSnapshot
from ops.life import Life
from ops.settings import Settings, WebsocketSettings
from ops.simulation import KEY_ID, World, run_world
from supervisor import build_tree

REST_ONLY = attrs.evolve(Settings(), websockets=WebsocketSettings(enabled=False))
QUOTING_S = 12.0


def _run(scenario: Callable[[World, Life], Awaitable[None]], settings: Settings = REST_ONLY) -> None:
    async def whole(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(QUOTING_S)
            await scenario(world, life)
            life.request_stop("the test is over")
        assert life.report.verdict == "verified flat"
        assert world.resting() == []
        assert world.sockets == [], "no socket was opened"

    run_world(whole, seed=11, build_tree=build_tree, settings=settings)


def _snapshot(life: Life) -> SystemSnapshot:
    assert life.snapshot is not None
    return life.snapshot


def _two_sided(life: Life) -> set[str]:
    return {row.ticker for row in _snapshot(life).markets if row.own_bid is not None and row.own_ask is not None}


def _resting(world: World) -> set[str]:
    return {order.ticker for order in world.exchange.truth.resting_orders(KEY_ID)}


def test_the_bot_quotes_both_sides_gets_fills_and_ends_flat_without_a_socket() -> None:
    async def scenario(world: World, life: Life) -> None:
        assert len(_two_sided(life)) >= 4
        for _ in range(20):
            if world.exchange.truth.fills(KEY_ID):
                break
            await trio.sleep(5)
        world.exchange.lifecycle.set_pause(trading_active=False)  # nobody trades while we count
        await trio.sleep(3)
        fills = world.exchange.truth.fills(KEY_ID)
        assert fills, "nobody traded with us"
        assert _snapshot(life).totals.fills == len(fills)
        assert _snapshot(life).feed.startswith("REST only")

    _run(scenario)


@pytest.mark.long
def test_a_market_whose_answers_come_from_a_cache_is_not_quoted_and_the_others_are() -> None:
    async def scenario(world: World, life: Life) -> None:
        old = min(_two_sided(life))
        world.cable.book_age_s[old] = 10
        await trio.sleep(7)
        assert old not in _resting(world)
        assert len(_two_sided(life)) >= 4
        assert _snapshot(life).permit == "given"
        world.cable.book_age_s.clear()
        for _ in range(20):
            await trio.sleep(1)
            if old in _resting(world):
                break
        assert old in _resting(world), "its answers are young again"

    # Chosen once: a later discovery may like another market better.
    _run(scenario, attrs.evolve(REST_ONLY, discovery=attrs.evolve(REST_ONLY.discovery, interval_s=600.0)))


@pytest.mark.long
def test_when_no_read_is_answered_any_more_nothing_new_is_quoted_and_it_comes_back() -> None:
    async def scenario(world: World, life: Life) -> None:
        world.cable.gateway_is_down = True
        await trio.sleep(8)
        assert _snapshot(life).permit == "withheld"
        world.cable.gateway_is_down = False
        await trio.sleep(15)
        assert _snapshot(life).permit == "given"
        assert len(_two_sided(life)) >= 4

    _run(scenario)
