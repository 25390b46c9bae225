"""Order groups: trigger, rolling window, reset, limit, delete."""

from __future__ import annotations

from typing import Any

from kalshi.simulator.groups import OrderGroup
from tests.kalshi.simulator.customer import SUB_CENT_TICKER, World, command, frames


async def make_group(world: World, limit: int = 10, shard: int = 0) -> str:
    answer = await world.alice.send(
        "POST", "/portfolio/order_groups/create", {"contracts_limit": limit, "exchange_index": shard}
    )
    assert answer.status_code == 201
    return str(answer.json()["order_group_id"])


async def change(world: World, method: str, path: str, body: object = None, shard: int = 0) -> Any:
    return await world.alice.send(method, f"/portfolio/order_groups/{path}?exchange_index={shard}", body)


async def test_a_trigger_cancels_the_group_and_refuses_what_lands_later() -> None:
    world = World()
    group = await make_group(world)
    await world.alice.place("bid", "0.4000", order_group_id=group)
    await world.alice.place("bid", "0.3900")
    for _ in range(2):
        assert (await change(world, "PUT", f"{group}/trigger")).json() == {}
    late = await world.alice.create("bid", "0.4000", order_group_id=group)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "exceeded_order_group_risk_limit")
    assert [order.price_e4 for order in world.exchange.truth.resting_orders("alice")] == [3_900]
    (truth,) = world.exchange.truth.groups("alice")
    assert truth.is_triggered
    await change(world, "PUT", f"{group}/reset")
    await world.alice.place("bid", "0.4000", order_group_id=group)


async def test_fills_beyond_the_limit_trigger_and_overshoot_stands() -> None:
    world = World()
    group = await make_group(world, limit=10)
    await world.alice.place("bid", "0.4000", "10.00", order_group_id=group)
    await world.alice.place("bid", "0.3900", "10.00", order_group_id=group)
    await world.alice.place("bid", "0.3800", "10.00", order_group_id=group)
    await world.bob.place("ask", "0.4000", "10.00")
    assert len(world.exchange.truth.resting_orders("alice")) == 2
    await world.bob.place("ask", "0.3900", "4.00")
    assert world.exchange.truth.resting_orders("alice") == []
    assert sum(fill.count_e2 for fill in world.exchange.truth.fills("alice")) == 1_400


def test_the_window_rolls_but_resets_nothing() -> None:
    group = OrderGroup(group_id="g", account_id="a", exchange_index=0, limit_e2=1_000)
    assert not group.record_fill(0, 1_000)
    assert not group.record_fill(15_000, 1_000)
    assert group.record_fill(15_001, 1)
    assert group.is_triggered
    assert group.matched_e2(40_000) == 0
    assert group.is_triggered
    group.reset()
    assert not group.record_fill(40_000, 1_000)
    assert group.set_limit(40_000, 900)


async def test_at_the_limit_triggers_only_if_the_switch_says_so() -> None:
    for at_limit, left in ((False, 1), (True, 0)):
        world = World(group_triggers_at_limit=at_limit)
        group = await make_group(world, limit=10)
        await world.alice.place("bid", "0.4000", "10.00", order_group_id=group)
        await world.alice.place("bid", "0.3900", "1.00", order_group_id=group)
        await world.bob.place("ask", "0.4000", "10.00")
        assert len(world.exchange.truth.resting_orders("alice")) == left


async def test_groups_are_listed_limited_deleted_and_bound_to_their_shard() -> None:
    world = World()
    group = await make_group(world, shard=2)
    listed = (await world.alice.get("/portfolio/order_groups"))["order_groups"]
    assert listed == [{"id": group, "contracts_limit_fp": "10.00", "is_auto_cancel_enabled": True, "exchange_index": 2}]
    coin = {"ticker": SUB_CENT_TICKER, "exchange_index": 2}
    ack = await world.alice.place("bid", "0.4000", order_group_id=group, **coin)
    assert (await world.alice.get(f"/portfolio/order_groups/{group}"))["orders"] == [ack["order_id"]]
    assert (await world.alice.create("bid", "0.4000", order_group_id=group)).status_code == 404
    assert (await change(world, "PUT", f"{group}/trigger")).status_code == 404
    assert (await change(world, "PUT", f"{group}/limit", {"contracts_limit_fp": "0.50"}, shard=2)).status_code == 400
    assert (await change(world, "PUT", f"{group}/limit", {"contracts_limit_fp": "5.00"}, shard=2)).json() == {}
    assert (await change(world, "DELETE", group, shard=2)).json() == {}
    assert world.exchange.truth.resting_orders("alice") == []
    assert (await world.alice.create("bid", "0.4000", order_group_id=group, **coin)).status_code == 404
    assert (await world.bob.get("/portfolio/order_groups"))["order_groups"] == []


async def test_the_group_channel_tells_its_owner_alone() -> None:
    world = World()
    mine, theirs = world.alice.connect(), world.bob.connect()
    for session in (mine, theirs):
        command(session, 1, "subscribe", channels=["order_group_updates"])
    group = await make_group(world)
    await change(world, "PUT", f"{group}/trigger")
    heard = [(frame["seq"], frame["msg"]["event_type"]) for frame in frames(mine)]
    assert heard == [(1, "created"), (2, "triggered")]
    assert frames(theirs) == []


async def test_whether_a_trading_pause_stops_group_calls_is_a_switch() -> None:
    for allowed, status in ((True, 200), (False, 409)):
        world = World(group_calls_during_pause=allowed)
        group = await make_group(world)
        world.exchange.lifecycle.set_pause(trading_active=False)
        for verb, body in (("limit", {"contracts_limit": 5}), ("trigger", None), ("reset", None)):
            answer = await change(world, "PUT", f"{group}/{verb}", body)
            assert answer.status_code == status
            if not allowed:
                assert answer.json()["error"]["code"] == "trading_is_paused"
        world.exchange.lifecycle.set_pause(trading_active=False, exchange_active=False)
        assert (await change(world, "DELETE", group)).json()["error"]["code"] == "exchange_is_paused"


async def test_a_limit_given_twice_must_be_the_same() -> None:
    world = World()
    path = "/portfolio/order_groups/create"
    refused = await world.alice.send("POST", path, {"contracts_limit": 10, "contracts_limit_fp": "11.00"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_parameters")
    made = await world.alice.send("POST", path, {"contracts_limit": 10, "contracts_limit_fp": "10.00"})
    assert made.status_code == 201
    group = made.json()["order_group_id"]
    body = {"contracts_limit": 7, "contracts_limit_fp": "9.00"}
    assert (await world.alice.send("PUT", f"/portfolio/order_groups/{group}/limit", body)).status_code == 400
