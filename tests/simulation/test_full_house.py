"""I1, I17: a stop with 200 orders resting and every fifth call failing is verified flat within the service's deadline.

Half of the orders are in the fenced group, as all quotes are; the other half are in none and must be cancelled one by
one, at the basic tier's 100 tokens a second.
"""

from __future__ import annotations

import attrs
import pytest
import trio

from actors.runtime.exit_guard import ExitReport
from kalshi.simulator.faults import Duration, ServerError, Share
from kalshi.simulator.settings import SimulatorSettings
from ops.life import Life
from ops.settings import Settings
from ops.simulation import KEY_ID, World, run_world
from ops.venue import boot_prefix
from supervisor import build_tree

ORDERS = 200
FAILING = 0.2
QUOTING_S = 6.0


@attrs.frozen(kw_only=True)
class Stopped:
    """A stop: how many orders rested before, how long it took, what was left then and half a minute later."""

    resting_before: int
    took_s: float
    left: int
    left_later: int
    report: ExitReport


def fill_the_house(world: World, life: Life) -> None:
    """Rests orders with this boot's ids far from the touch until there are ORDERS, every second one in no group."""
    exchange = world.exchange
    prefix = boot_prefix(life.venue, life.boot)
    shards = {group.exchange_index: group.group_id for group in exchange.truth.groups(KEY_ID) if not group.is_triggered}
    markets = [
        market
        for market in exchange.core.markets.values()
        if market.exchange_index in shards and market.is_tradable(exchange.core.now_ms())
    ]
    number = 0
    while len(world.resting()) < ORDERS:
        market = markets[number % len(markets)]
        world.rest_by_hand(
            market.ticker,
            client_order_id=f"{prefix}house{number}",
            group_id=shards[market.exchange_index] if number % 2 else None,
            expiration_ts_s=exchange.core.now_ms() // 1000 + 120,
        )
        number += 1


def stop_with_a_full_house(seed: int, *, failing: float = FAILING) -> Stopped:
    settings = Settings()

    async def scenario(world: World) -> Stopped:
        life = world.life(drain_s=settings.shutdown.service_s)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(QUOTING_S)
            fill_the_house(world, life)
            resting_before, began_s = len(world.resting()), trio.current_time()
            for when in ("before", "after"):
                fault = ServerError(share=Share(failing / 2), when=when, start_s=Duration(0.0))
                world.exchange.faults.order(fault)
            life.request_stop("the house is full")
        took_s, left = trio.current_time() - began_s, len(world.resting())
        await trio.sleep(30)
        return Stopped(
            resting_before=resting_before,
            took_s=took_s,
            left=left,
            left_later=len(world.resting()),
            report=life.report,
        )

    # A market at one cent would trade with our bids there; quiet traders leave them alone.
    world = SimulatorSettings(flow_rate=0.3)
    result = run_world(scenario, seed=seed, build_tree=build_tree, settings=settings, exchange_settings=world)
    assert isinstance(result, Stopped)
    return result


def assert_flat(result: Stopped) -> None:
    assert result.resting_before == ORDERS
    assert (result.left, result.left_later) == (0, 0)
    assert (result.report.exit_code, result.report.verdict) == (0, "verified flat")
    assert result.took_s <= Settings().shutdown.service_s


def test_a_full_house_is_left_flat_while_every_fifth_call_fails() -> None:
    assert_flat(stop_with_a_full_house(1))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1_000, 1_100))
def test_a_hundred_full_houses_are_left_flat(seed: int) -> None:
    assert_flat(stop_with_a_full_house(seed))


@pytest.mark.long
def test_while_no_call_succeeds_the_exit_says_that_it_is_not_verified_and_ends_in_time() -> None:
    result = stop_with_a_full_house(7, failing=2.0)
    assert (result.report.exit_code, result.report.verdict) == (3, "NOT verified")
    assert result.took_s <= Settings().shutdown.service_s + 1.0
    assert result.left_later > 0  # until their lease ends them
