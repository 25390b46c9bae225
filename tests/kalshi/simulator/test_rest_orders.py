"""Order writes over REST: acknowledgements, refusals with their recorded bodies, queue and self-trade rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kalshi.simulator.customer import OTHER_TICKER, SUB_CENT_TICKER, TICKER, World

_RECORDED = Path(__file__).resolve().parents[4] / "shared" / "data" / "rest" / "demo-2026-06"


def recorded(name: str) -> Any:
    """Returns a recorded answer without the "service" field, which is gone since 2026-08-06."""
    path = _RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip(f"recorded answers are not here: {path}")
    body = json.loads(path.read_text())
    if isinstance(body.get("error"), dict):
        body["error"].pop("service", None)
    return body


async def test_a_resting_order_is_acknowledged_without_averages() -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000", client_order_id="mine")
    assert ack.keys() == recorded("orders__create_v2_maker").keys()
    assert (ack["client_order_id"], ack["fill_count"], ack["remaining_count"]) == ("mine", "0.00", "10.00")
    assert ack["ts_ms"] == world.clock()


async def test_a_taker_is_told_average_price_and_fee_per_contract() -> None:
    world = World()
    await world.bob.place("ask", "0.5200", "1.00")
    ack = await world.alice.place("bid", "0.9900", "1.00", time_in_force="immediate_or_cancel")
    expected = recorded("orders__create_v2_taker_ioc")
    varying = {"order_id", "client_order_id", "ts_ms"}
    assert {key: ack[key] for key in ack.keys() - varying} == {key: expected[key] for key in expected.keys() - varying}


async def test_an_ask_without_holdings_opens_no_and_reports_yes_prices() -> None:
    world = World()
    await world.bob.place("bid", "0.4000", "2.00")
    ack = await world.alice.place("ask", "0.3000", "2.00")
    assert ack["average_fill_price"] == "0.4000"
    assert world.exchange.truth.positions("alice") == {TICKER: -200}
    assert world.exchange.truth.cash_e6("alice") == 20_000_000_000 - 1_200_000 - 33_600


@pytest.mark.parametrize(
    ("name", "status", "changes"),
    [
        ("orders__invalid_price_structure", 400, {"price": "0.4050"}),
        ("orders__insufficient_balance", 400, {"count": "100000.00"}),
        ("orders__post_only_cross", 400, {"price": "0.9900", "post_only": True}),
        ("orders__numeric_field_types", 400, {"count": 1}),
        ("orders__duplicate_client_order_id", 409, {"client_order_id": "used"}),
    ],
)
async def test_refusals_have_the_recorded_bodies(name: str, status: int, changes: dict[str, Any]) -> None:
    world = World()
    await world.bob.place("ask", "0.5000")
    await world.alice.place("bid", "0.1000", client_order_id="used")
    answer = await world.alice.create("bid", "0.4000", **changes)
    assert (answer.status_code, answer.json()) == (status, recorded(name))


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"ticker": "KXNONE"}, 404, "market_not_found"),
        ({"exchange_index": 2}, 404, "market_not_found"),
        ({"count": "0.00"}, 400, "invalid_order_size"),
        ({"count": "0.001"}, 400, "invalid_order_size"),
        ({"count": "-1"}, 400, "invalid_order_size"),
        ({"price": "1.0000"}, 400, "invalid_price"),
        ({"price": "abc"}, 400, "invalid_price"),
        ({"client_order_id": "a.b"}, 400, "invalid_parameters"),
        ({"client_order_id": "x" * 65}, 400, "invalid_parameters"),
        ({"expiration_time": 1}, 400, "invalid_parameters"),
        ({"expiration_time": 9_999_999_999, "time_in_force": "immediate_or_cancel"}, 400, "invalid_parameters"),
        ({"time_in_force": "day"}, 400, "invalid_parameters"),
        ({"self_trade_prevention_type": ""}, 400, "invalid_parameters"),
        ({"side": "yes"}, 400, "invalid_parameters"),
        ({"reduce_only": True}, 400, "invalid_order"),
        ({"order_group_id": "nobody's"}, 404, "order_group_not_found"),
        ({"subaccount": 3}, 400, "invalid_parameters"),
    ],
)
async def test_senseless_orders_are_refused_and_leave_the_id_free(
    changes: dict[str, Any], status: int, code: str
) -> None:
    world = World()
    answer = await world.alice.create("bid", "0.4000", **{"client_order_id": "again", **changes})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    await world.alice.place("bid", "0.4000", client_order_id="again")


async def test_a_body_that_is_no_object_does_not_decode() -> None:
    world = World()
    bodies: tuple[object, ...] = ([], "x", 3)
    for body in bodies:
        answer = await world.alice.send("POST", "/portfolio/events/orders", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_cancel_answers_once_and_then_not_found_with_the_recorded_body() -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000")
    path = f"/portfolio/events/orders/{ack['order_id']}?exchange_index=0"
    first = await world.alice.send("DELETE", path)
    assert first.status_code == 200
    assert first.json()["reduced_by"] == "10.00"
    for name in ("orders__cancel_already_canceled", "orders__cancel_unknown_id"):
        again = await world.alice.send("DELETE", path)
        assert (again.status_code, again.json()) == (404, recorded(name))
        path = "/portfolio/events/orders/unknown"


async def test_nobody_cancels_an_order_of_somebody_else() -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000")
    answer = await world.bob.send("DELETE", f"/portfolio/events/orders/{ack['order_id']}?exchange_index=0")
    assert answer.status_code == 404
    assert len(world.exchange.truth.resting_orders("alice")) == 1


async def test_an_order_on_another_shard_is_found_by_its_ticker_or_index_only() -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000", ticker=SUB_CENT_TICKER, exchange_index=2)
    path = f"/portfolio/events/orders/{ack['order_id']}"
    assert (await world.alice.send("DELETE", path)).status_code == 404
    assert (await world.alice.send("DELETE", f"{path}?market_ticker={SUB_CENT_TICKER}")).status_code == 200


async def test_batches_answer_item_by_item() -> None:
    world = World()
    items = [
        world.alice.order("bid", "0.4000"),
        world.alice.order("bid", "0.4050"),
        world.alice.order("bid", "0.3000", count=2),
    ]
    answer = await world.alice.send("POST", "/portfolio/events/orders/batched", {"orders": items})
    assert answer.status_code == 201
    good, off_grid, undecodable = answer.json()["orders"]
    assert off_grid["error"]["code"] == "invalid_price"
    assert undecodable["error"]["code"] == "bad_request"
    rows = [{"order_id": good["order_id"], "exchange_index": 0}, {"order_id": "nope"}]
    cancelled = await world.alice.send("DELETE", "/portfolio/events/orders/batched", {"orders": rows})
    assert cancelled.status_code == 200
    first, second = cancelled.json()["orders"]
    assert first["reduced_by"] == "10.00"
    assert (second["reduced_by"], second["error"]["code"]) == ("0.00", "not_found")


async def test_cancel_all_takes_every_order_of_the_account_on_all_shards() -> None:
    world = World()
    await world.alice.place("bid", "0.4000")
    await world.alice.place("bid", "0.4000", ticker=SUB_CENT_TICKER, exchange_index=2)
    await world.bob.place("bid", "0.3000")
    answer = await world.alice.send("DELETE", "/portfolio/events/orders")
    assert (answer.status_code, answer.content) == (204, b"")
    assert world.exchange.truth.resting_orders("alice") == []
    assert len(world.exchange.truth.resting_orders("bob")) == 1


@pytest.mark.parametrize(
    ("price", "count", "code"),
    [
        ("0.30000", "1.00", "invalid_price"),
        ("0.3000", "1.000", "invalid_order_size"),
    ],
)
async def test_more_decimals_than_the_exchange_reads_are_refused(price: str, count: str, code: str) -> None:
    answer = await World().alice.create("bid", price, count)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_cancel_all_leaves_nothing_behind_in_halted_and_closed_markets() -> None:
    world = World(close_in_s={OTHER_TICKER: 60})
    await world.alice.place("bid", "0.4000")
    await world.alice.place("bid", "0.4000", ticker=OTHER_TICKER)
    world.exchange.lifecycle.deactivate(TICKER)
    # The close has come, and the tick that takes its orders has not.
    world.clock.advance(60_000)
    answer = await world.alice.send("DELETE", "/portfolio/events/orders")
    assert (answer.status_code, world.exchange.truth.resting_orders("alice")) == (204, [])


async def test_cancel_all_may_refuse_what_rests_in_a_halted_market_and_says_so() -> None:
    world = World(cancel_all_in_stopped_markets="refuse")
    kept = await world.alice.place("bid", "0.4000")
    await world.alice.place("bid", "0.4000", ticker=OTHER_TICKER)
    world.exchange.lifecycle.deactivate(TICKER)
    answer = await world.alice.send("DELETE", "/portfolio/events/orders")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "market_inactive")
    assert [order.order_id for order in world.exchange.truth.resting_orders("alice")] == [kept["order_id"]]


async def test_amend_renews_the_expiry_alone_without_counts_and_refuses_a_no_op() -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000", expiration_time=world.clock() // 1000 + 60)
    path = f"/portfolio/events/orders/{ack['order_id']}/amend"
    same = {"ticker": TICKER, "side": "bid", "price": "0.4000", "count": "10.00", "exchange_index": 0}
    renewed = await world.alice.send("POST", path, {**same, "expiration_time": world.clock() // 1000 + 120})
    assert renewed.status_code == 200
    assert "remaining_count" not in renewed.json()
    world.pass_time(61_000)
    assert len(world.exchange.truth.resting_orders("alice")) == 1
    no_op = await world.alice.send("POST", path, same)
    assert (no_op.status_code, no_op.json()["error"]["code"]) == (400, "AMEND_ORDER_NO_OP")


async def test_an_amend_through_the_touch_trades_and_reports_only_its_own_fills() -> None:
    world = World()
    await world.bob.place("ask", "0.5000", "4.00")
    ack = await world.alice.place("bid", "0.4000")
    body = {"ticker": TICKER, "side": "bid", "price": "0.5000", "count": "10.00", "exchange_index": 0}
    answer = await world.alice.send("POST", f"/portfolio/events/orders/{ack['order_id']}/amend", body)
    amended = answer.json()
    assert (amended["fill_count"], amended["remaining_count"]) == ("4.00", "6.00")
    assert amended["average_fill_price"] == "0.5000"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ticker": SUB_CENT_TICKER}, "order_ticker_mismatch"),
        ({"side": "ask"}, "order_side_mismatch"),
        ({"client_order_id": "other"}, "order_id_and_client_order_id_mismatch"),
        ({"price": "0.4050"}, "invalid_price"),
        ({"count": "0.00"}, "invalid_order_size"),
        ({"expiration_time": 5}, "invalid_parameters"),
    ],
)
async def test_an_amend_that_does_not_match_its_order_is_refused(changes: dict[str, Any], code: str) -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000")
    body = {"ticker": TICKER, "side": "bid", "price": "0.4100", "count": "10.00", "exchange_index": 0}
    path = f"/portfolio/events/orders/{ack['order_id']}/amend"
    answer = await world.alice.send("POST", path, {**body, **changes})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_decrease_shrinks_clamps_and_refuses_to_grow() -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000")
    path = f"/portfolio/events/orders/{ack['order_id']}/decrease"
    assert (await world.alice.send("POST", path, {"reduce_to": "4.00", "exchange_index": 0})).json()[
        "remaining_count"
    ] == "4.00"
    assert (await world.alice.send("POST", path, {"reduce_to": "4.00"})).status_code == 400
    assert (await world.alice.send("POST", path, {})).status_code == 400
    gone = await world.alice.send("POST", path, {"reduce_by": "9.00"})
    assert gone.json()["remaining_count"] == "0.00"


async def test_fill_or_kill_that_cannot_fill_burns_its_id() -> None:
    world = World()
    await world.bob.place("ask", "0.5000", "4.00")
    for code in ("fill_or_kill_insufficient_resting_volume", "order_already_exists"):
        answer = await world.alice.create("bid", "0.5000", time_in_force="fill_or_kill", client_order_id="fok")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
    assert world.exchange.truth.create_attempts("fok") == 2


async def test_reduce_only_caps_to_the_position_and_dies_without_one() -> None:
    world = World()
    await world.bob.place("ask", "0.5000", "3.00")
    await world.alice.place("bid", "0.5000", "3.00")
    await world.bob.place("bid", "0.4000", "10.00")
    exit_order = {"time_in_force": "immediate_or_cancel", "reduce_only": True}
    capped = await world.alice.place("ask", "0.4000", "5.00", **exit_order)
    assert (capped["fill_count"], capped["remaining_count"]) == ("3.00", "0.00")
    dead = await world.alice.place("ask", "0.4000", "5.00", **exit_order)
    assert dead["fill_count"] == "0.00"
    assert world.exchange.truth.positions("alice") == {}
    order = (await world.alice.get(f"/portfolio/orders/{capped['order_id']}"))["order"]
    assert (order["status"], order["fill_count_fp"], order["remaining_count_fp"]) == ("canceled", "3.00", "0.00")


async def test_the_legacy_writes_are_gone() -> None:
    world = World()
    for method, path in (
        ("POST", "/portfolio/orders"),
        ("POST", "/portfolio/orders/batched"),
        ("DELETE", "/portfolio/orders/batched"),
        ("DELETE", "/portfolio/orders/x"),
        ("POST", "/portfolio/orders/x/amend"),
        ("POST", "/portfolio/orders/x/decrease"),
    ):
        answer = await world.alice.send(method, path, {})
        assert answer.status_code == 410
        assert answer.json()["error"]["code"] == "deprecated_v1_order_endpoint"


async def test_unknown_fields_are_ignored_unless_the_switch_says_otherwise() -> None:
    await World().alice.place("bid", "0.4000", brand_new_field=1)
    answer = await World(reject_unknown_fields=True).alice.create("bid", "0.4000", brand_new_field=1)
    assert answer.status_code == 400


async def test_a_post_only_cross_may_be_taken_and_cancelled_instead() -> None:
    world = World(post_only_cross="cancel")
    await world.bob.place("ask", "0.5000")
    ack = await world.alice.place("bid", "0.5000", post_only=True)
    assert (ack["fill_count"], ack["remaining_count"]) == ("0.00", "0.00")
    assert world.exchange.truth.resting_orders("alice") == []


async def test_an_amend_may_take_liquidity_unless_the_switch_keeps_it_post_only() -> None:
    for keeps, status, filled in ((False, 200, 500), (True, 400, 0)):
        world = World(amend_keeps_post_only=keeps)
        await world.bob.place("ask", "0.5000", "5.00")
        ack = await world.alice.place("bid", "0.4000", "5.00", post_only=True)
        body = {"ticker": TICKER, "side": "bid", "price": "0.5000", "count": "5.00", "exchange_index": 0}
        answer = await world.alice.send("POST", f"/portfolio/events/orders/{ack['order_id']}/amend", body)
        assert answer.status_code == status
        assert sum(fill.count_e2 for fill in world.exchange.truth.fills("alice")) == filled


async def test_an_account_has_no_more_open_orders_than_the_cap() -> None:
    world = World(open_orders_max=2)
    for price in ("0.4000", "0.4100"):
        await world.alice.place("bid", price)
    assert (await world.alice.create("bid", "0.4200")).json()["error"]["code"] == "open_orders_limit_exceeded"
    await world.bob.place("bid", "0.4200")
    await world.alice.place("ask", "0.4200", time_in_force="immediate_or_cancel")
