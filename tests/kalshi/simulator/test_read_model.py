"""Portfolio reads lag behind the engine, and say exactly how far (the promise that a sweep relies on)."""

from __future__ import annotations

import random
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from kalshi.simulator.events import OrderChanged
from kalshi.simulator.read_model import ReadModel
from kalshi.types import Side
from tests.kalshi.simulator.customer import START_MS, Clock, World
from tests.kalshi.simulator.test_engine import make_order


async def test_a_cancel_shows_in_reads_only_after_the_lag_and_as_of_time_knows() -> None:
    world = World(read_lag_ms=(50, 500))
    for _ in range(20):
        world.pass_time(50)
    ack = await world.alice.place("bid", "0.4000")
    assert (await world.alice.get("/portfolio/orders?status=resting"))["orders"] == []
    for _ in range(10):
        world.pass_time(50)
    listed = (await world.alice.get("/portfolio/orders?status=resting"))["orders"]
    assert [order["order_id"] for order in listed] == [ack["order_id"]]

    cancelled = await world.alice.send("DELETE", f"/portfolio/events/orders/{ack['order_id']}?exchange_index=0")
    done_ms, seen_stale = cancelled.json()["ts_ms"], False
    for _ in range(12):
        as_of = (await world.alice.get("/exchange/user_data_timestamp"))["as_of_time"]
        as_of_ms = datetime.fromisoformat(as_of).timestamp() * 1000
        is_gone = (await world.alice.get("/portfolio/orders?status=resting"))["orders"] == []
        assert is_gone == (as_of_ms >= done_ms)
        seen_stale |= not is_gone
        world.pass_time(50)
    assert seen_stale
    assert is_gone


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=60), st.integers(0, 1_000))
def test_every_change_up_to_the_watermark_is_visible_and_none_after_it(
    steps: list[tuple[int, bool]], seed: int
) -> None:
    world, clock = World(), Clock()
    account = world.exchange.core.accounts_by_key["alice"]
    reads = ReadModel(now_ms=clock, lag_ms=(50, 500), rng=random.Random(seed))
    reads.open_account(account)
    made: list[tuple[int, str]] = []
    watermark_ms = 0
    for number, (gap_ms, changes) in enumerate(steps):
        clock.advance(gap_ms)
        if changes:
            order = make_order(str(number), Side.BID, 5_000, 100, account_id=account.account_id)
            order.updated_ms = clock()
            reads.take(OrderChanged(order=order))
            made.append((clock(), order.order_id))
        assert reads.as_of_ms() >= watermark_ms
        watermark_ms = reads.as_of_ms()
        assert clock() - 500 <= watermark_ms <= clock() - 50 or clock() - START_MS < 50
        visible = set(reads.view(account).orders)
        assert visible == {order_id for time_ms, order_id in made if time_ms <= watermark_ms}
