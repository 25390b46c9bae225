"""Token buckets: who is told to wait, and what it costs."""

from __future__ import annotations

from tests.kalshi.simulator.customer import SUB_CENT_TICKER, World


async def test_the_eleventh_create_of_a_basic_account_is_refused_and_nothing_is_done() -> None:
    world = World(tier="basic")
    for _ in range(10):
        await world.alice.place("bid", "0.1000", "1.00")
    refused = await world.alice.create("bid", "0.1000", "1.00", client_order_id="late")
    assert (refused.status_code, refused.json()) == (429, {"error": "too many requests"})
    assert world.exchange.truth.create_attempts("late") == 0
    assert world.exchange.truth.requests_rejected_429 == 1
    assert (await world.alice.get("/portfolio/balance"))["balance"]
    world.clock.advance(100)
    await world.alice.place("bid", "0.1000", "1.00", client_order_id="late")


async def test_a_cancel_costs_a_fifth_of_a_create() -> None:
    world = World(tier="basic")
    acks = [await world.alice.place("bid", "0.1000", "1.00") for _ in range(9)]
    statuses = [
        (await world.alice.send("DELETE", f"/portfolio/events/orders/{ack['order_id']}?exchange_index=0"))
        for ack in acks[:6]
    ]
    assert [answer.status_code for answer in statuses] == [200] * 5 + [429]


async def test_a_batch_fits_as_a_whole_or_not_at_all() -> None:
    world = World(tier="basic")
    items = [world.alice.order("bid", "0.1000", "1.00") for _ in range(11)]
    answer = await world.alice.send("POST", "/portfolio/events/orders/batched", {"orders": items})
    assert answer.status_code == 429
    assert world.exchange.truth.resting_orders("alice") == []
    answer = await world.alice.send("POST", "/portfolio/events/orders/batched", {"orders": items[:10]})
    assert answer.status_code == 201


async def test_an_explicit_shard_has_a_bucket_of_its_own_and_routing_bills_all() -> None:
    world = World(tier="basic")
    for _ in range(10):
        await world.alice.place("bid", "0.1000", "1.00")
    coin = {"ticker": SUB_CENT_TICKER}
    await world.alice.place("bid", "0.1000", "1.00", exchange_index=2, **coin)
    routed = await world.alice.create("bid", "0.1000", "1.00", exchange_index=-1, **coin)
    assert routed.status_code == 429


async def test_reads_have_their_own_bucket_and_the_nested_body_is_a_switch() -> None:
    world = World(tier="basic", too_many_requests_shape="nested")
    statuses = [(await world.alice.send("GET", "/portfolio/balance")).status_code for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    refused = await world.alice.send("GET", "/portfolio/balance")
    assert refused.json() == {"error": {"code": "too_many_requests", "message": "too many requests"}}
    await world.alice.place("bid", "0.1000", "1.00")
