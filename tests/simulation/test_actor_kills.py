"""H1, I13: each actor can be killed alone; it comes back, and the bot goes on quoting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from actors.messages.control import ActorRow, SystemSnapshot
from ops.life import Life
from ops.settings import Settings
from ops.simulation import KEY_ID, World, run_world
from supervisor import build_tree

SETTLED_S = 10.0
# Those who only decide or watch: what rests stays where it is while they are away for a moment.
LEAVES_ORDERS_ALONE = ("ledger", "fill_reconciler", "portfolio_risk", "order_desk", "stop_loss", "allocation")
KILLED_FAST = ("order_desk", "portfolio_risk")  # the others in make test-long


def _run(scenario: Callable[[World, Life], Awaitable[None]], seed: int = 5) -> None:
    async def whole(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(SETTLED_S)
            await scenario(world, life)
            life.request_stop("the test is over")
        assert world.resting() == []

    run_world(whole, seed=seed, build_tree=build_tree)


def _snapshot(life: Life) -> SystemSnapshot:
    assert life.snapshot is not None
    return life.snapshot


def _row(life: Life, name: str) -> ActorRow:
    return next(row for row in _snapshot(life).actors if row.name == name)


def _two_sided(life: Life) -> int:
    return sum(row.own_bid is not None and row.own_ask is not None for row in _snapshot(life).markets)


def _resting(world: World) -> dict[str, str]:
    return {order.order_id: order.ticker for order in world.exchange.truth.resting_orders(KEY_ID)}


def _filled_orders(world: World) -> set[str]:
    return {fill.order_id for fill in world.exchange.truth.fills(KEY_ID)}


async def _assert_it_came_back(world: World, life: Life, name: str, incarnation: int, fills: int) -> None:
    row = _row(life, name)
    assert (row.state, row.incarnation) == ("running", incarnation + 1)
    assert _snapshot(life).permit == "given"
    assert _two_sided(life) >= 8
    assert _snapshot(life).totals.fills > fills
    assert _snapshot(life).totals.is_exact


async def _nothing_under_way(world: World) -> None:
    """Waits for a moment without a request: a command in flight would be of unknown fate, and rightly withdrawn."""
    seen = -1
    while seen != world.cable.counters.requests:
        seen = world.cable.counters.requests
        await trio.sleep(0.1)


@pytest.mark.parametrize(
    "name",
    [name if name in KILLED_FAST else pytest.param(name, marks=pytest.mark.long) for name in LEAVES_ORDERS_ALONE],
)
def test_an_actor_killed_alone_comes_back_and_leaves_resting_orders_where_they_are(name: str) -> None:
    async def scenario(world: World, life: Life) -> None:
        if name == "order_desk":
            await _nothing_under_way(world)
        before, incarnation, fills = _resting(world), _row(life, name).incarnation, _snapshot(life).totals.fills
        life.kill_actor(name)
        await trio.sleep(0.5)
        gone = before.keys() - _resting(world).keys()
        # Whoever is gone was filled; nobody was cancelled because somebody else crashed.
        assert gone <= _filled_orders(world)
        await trio.sleep(7.5)
        await _assert_it_came_back(world, life, name, incarnation, fills)

    _run(scenario)


# A new feed or market supervisor starts its markets anew; a new discovery may choose others.
@pytest.mark.parametrize(
    "name",
    ["feed", *(pytest.param(name, marks=pytest.mark.long) for name in ("market_supervisor", "discovery"))],
)
def test_a_killed_feed_market_supervisor_or_discovery_comes_back_and_quotes_again(name: str) -> None:
    async def scenario(world: World, life: Life) -> None:
        incarnation, fills = _row(life, name).incarnation, _snapshot(life).totals.fills
        life.kill_actor(name)
        await trio.sleep(9)
        await _assert_it_came_back(world, life, name, incarnation, fills)

    _run(scenario)


def test_a_killed_market_actor_has_its_own_quotes_pulled_first_and_the_others_stay() -> None:
    async def scenario(world: World, life: Life) -> None:
        two_sided = [row.ticker for row in _snapshot(life).markets if row.own_bid and row.own_ask]
        ticker = two_sided[0]
        name = f"market:{ticker}"
        before, incarnation = _resting(world), _row(life, name).incarnation
        life.kill_actor(name)
        await trio.sleep(0.5)
        now = _resting(world)
        own = {order_id for order_id, where in before.items() if where == ticker}
        assert own
        assert not own & now.keys(), "the crashed market's own quotes were not pulled"
        assert (before.keys() - own) - now.keys() <= _filled_orders(world), "another market's order was touched"
        await trio.sleep(5)
        assert (_row(life, name).state, _row(life, name).incarnation) == ("running", incarnation + 1)
        assert ticker in _resting(world).values()

    _run(scenario)


def _others_of_twin(*, is_killed: bool) -> tuple[str, dict[str, tuple[int, int]]]:
    """Runs one seed and returns a market, killed or not, and a moment later the orders of all other markets."""
    result: tuple[str, dict[str, tuple[int, int]]] = ("", {})

    async def scenario(world: World, life: Life) -> None:
        nonlocal result
        ticker = next(row.ticker for row in _snapshot(life).markets if row.own_bid and row.own_ask)
        if is_killed:
            life.kill_actor(f"market:{ticker}")
        await trio.sleep(0.4)
        orders = world.exchange.truth.resting_orders(KEY_ID)
        result = ticker, {o.order_id: (o.price_e4, o.remaining_e2) for o in orders if o.ticker != ticker}

    _run(scenario)
    return result


@pytest.mark.long
def test_i13_a_crash_of_one_market_costs_no_other_its_place_in_a_queue() -> None:
    """Two runs of one seed, one with a crash: the other markets' orders are the same, to price and size."""
    calm, crashed = _others_of_twin(is_killed=False), _others_of_twin(is_killed=True)
    assert calm == crashed
    assert len(calm[1]) >= 12


@pytest.mark.long
def test_every_actor_in_turn_spaced_beyond_the_restart_window() -> None:
    """One life survives the death of each of its actors, one after the other."""
    settings = Settings()
    window = attrs.evolve(settings.supervision.root, within_s=5.0)
    settings = attrs.evolve(settings, supervision=attrs.evolve(settings.supervision, root=window))

    async def whole(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(SETTLED_S)
            for row in [row for row in _snapshot(life).actors if not row.name.startswith("market:")]:
                incarnation, fills = _row(life, row.name).incarnation, _snapshot(life).totals.fills
                life.kill_actor(row.name)
                await trio.sleep(9)
                await _assert_it_came_back(world, life, row.name, incarnation, fills)
            life.request_stop("the test is over")
        assert world.resting() == []

    run_world(whole, seed=6, build_tree=build_tree, settings=settings)
