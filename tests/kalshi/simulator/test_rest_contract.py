"""The contract test itself: a driver makes every operation answer with something inside, and the checker bites."""

from __future__ import annotations

import json
import random
from typing import Any
from uuid import UUID

import pytest

from kalshi.simulator.catalogue import build_catalogue
from kalshi.simulator.rest_api import ROUTES
from kalshi.simulator.rest_orders import legacy_write
from tests.kalshi.simulator import contract
from tests.kalshi.simulator.contract import ContractBroken, check_answer, find_operation, needs_document
from tests.kalshi.simulator.customer import OTHER_TICKER, PREFIX, START_MS, SUB_CENT_TICKER, TICKER, World

# Lists that are empty here by nature: no bank, no combos.
_ALWAYS_EMPTY = {"GetDeposits", "GetWithdrawals", "GetMultivariateEvents"}

pytestmark = needs_document


def _served() -> set[str]:
    """Returns the operation ids of the document that the simulator serves."""
    found = set()
    for route in ROUTES:
        if route.handler is legacy_write:
            continue
        path = "/".join("x" if part.startswith("{") else part for part in route.path.split("/"))
        operation = find_operation(route.method, path)
        assert operation is not None, f"{route.method} {route.path} is not in the document"
        found.add(operation.operation_id)
    return found


async def test_every_operation_answers_with_something_inside_and_by_the_document() -> None:
    """Drives each served operation until it has rows; `Customer.send` checks every answer on the way."""
    contract.seen.clear()
    world = World(read_lag_ms=(0, 0), finished_orders_live_ms=3_600_000, cutoff_step_ms=60_000)
    await _drive_money(world)
    await _drive_orders(world)
    await _drive_groups(world)
    await _drive_public_reads(world)
    await _drive_portfolio_reads(world)
    await _drive_keys(world)
    served = _served()
    assert served - set(contract.seen) == set(), "served but never exercised"
    assert {name for name in served if not contract.seen[name]} == _ALWAYS_EMPTY, "answered without anything inside"


async def _ok(world: World, method: str, path: str, body: object = None) -> Any:
    answer = await world.alice.send(method, path, body)
    assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
    return json.loads(answer.content) if answer.content.strip() else None


async def _drive_money(world: World) -> None:
    await _ok(world, "POST", "/portfolio/subaccounts", {})
    instance = {"source": "event_contract", "destination": "event_contract"}
    moved = await _ok(
        world,
        "POST",
        "/portfolio/intra_exchange_instance_transfer",
        instance | {"amount": 50_000, "destination_exchange_shard": 2, "client_transfer_id": str(UUID(int=7))},
    )
    await _ok(
        world,
        "POST",
        "/portfolio/subaccounts/transfer",
        {"client_transfer_id": str(UUID(int=8)), "from_subaccount": 0, "to_subaccount": 1, "amount_cents": 50_000},
    )
    await _ok(world, "PUT", "/portfolio/subaccounts/netting", {"subaccount_number": 1, "enabled": True})
    split = [{"exchange_index": 0, "percent": 70}, {"exchange_index": 2, "percent": 30}]
    await _ok(world, "POST", "/portfolio/target_balance_allocation", {"allocations": split})
    await _ok(world, "GET", f"/portfolio/intra_exchange_instance_transfers/{moved['transfer_id']}")
    for path in (
        "intra_exchange_instance_transfers",
        "subaccounts/balances",
        "subaccounts/transfers",
        "subaccounts/netting",
        "target_balance_allocation",
    ):
        await _ok(world, "GET", f"/portfolio/{path}")


async def _drive_orders(world: World) -> None:
    events = "/portfolio/events/orders"
    for ticker, shard in ((TICKER, 0), (OTHER_TICKER, 0), (SUB_CENT_TICKER, 2)):
        await world.bob.place("ask", "0.5200", "30.00", ticker=ticker, exchange_index=shard)
        await world.alice.place("bid", "0.5200", "3.00", ticker=ticker, exchange_index=shard)
    resting = await world.alice.place("bid", "0.4000", "5.00", expiration_time=world.clock() // 1000 + 90_000)
    await world.alice.place("bid", "0.4000", "5.00", subaccount=1)
    moved = {"ticker": TICKER, "side": "bid", "price": "0.4100", "count": "6.00"}
    await _ok(world, "POST", f"{events}/{resting['order_id']}/amend", moved)
    crossing = await world.alice.place("bid", "0.4200", "2.00")
    cross = {"ticker": TICKER, "side": "bid", "price": "0.5200", "count": "2.00"}
    await _ok(world, "POST", f"{events}/{crossing['order_id']}/amend", cross)
    await _ok(world, "POST", f"{events}/{resting['order_id']}/decrease", {"reduce_by": "1.00"})
    await _ok(world, "GET", f"/portfolio/orders/{resting['order_id']}/queue_position")
    wanted = [
        world.alice.order("bid", "0.1000"),
        world.alice.order("bid", "0.1055"),
        world.alice.order("bid", "0.5300"),
    ]
    made = await _ok(world, "POST", f"{events}/batched", {"orders": wanted})
    assert [("error" in row, "average_fill_price" in row) for row in made["orders"]] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    ids = [{"order_id": row.get("order_id", "unknown"), "exchange_index": 0} for row in made["orders"]]
    await _ok(world, "DELETE", f"{events}/batched", {"orders": ids})
    await _ok(world, "DELETE", f"{events}/{resting['order_id']}?exchange_index=0")
    await _ok(world, "DELETE", events)


async def _drive_groups(world: World) -> None:
    groups = "/portfolio/order_groups"
    group = await _ok(world, "POST", f"{groups}/create", {"contracts_limit": 10})
    await world.alice.place("bid", "0.3000", order_group_id=group["order_group_id"])
    one = f"{groups}/{group['order_group_id']}"
    assert (await _ok(world, "GET", one))["orders"]
    await _ok(world, "GET", groups)
    await _ok(world, "PUT", f"{one}/limit", {"contracts_limit_fp": "20.50"})
    await _ok(world, "PUT", f"{one}/trigger", {})
    await _ok(world, "PUT", f"{one}/reset")
    await _ok(world, "DELETE", one)


async def _drive_public_reads(world: World) -> None:
    changes, now_ms = world.exchange.services.fee_changes, world.clock()
    changes.schedule_series("KXTEST", "quadratic_with_maker_fees", 10_000, now_ms + 1_000_000)
    changes.schedule_event("KXTEST-26NOV20", None, 5_000, now_ms)
    world.pass_time(1_000)
    event, series = "KXTEST-26NOV20", "KXTEST"
    span = f"start_ts={now_ms // 1000 - 7_200}&end_ts={now_ms // 1000 + 60}&period_interval=60"
    latest = "include_latest_before_start=true"
    for path in (
        "/exchange/status",
        "/exchange/schedule",
        "/exchange/user_data_timestamp",
        "/series?include_volume=true&include_product_metadata=true",
        f"/series/{series}?include_volume=true",
        "/series/fee_changes",
        f"/series/{series}/markets/{TICKER}/candlesticks?{span}&{latest}",
        f"/series/{series}/events/{event}/candlesticks?{span}",
        "/events?with_nested_markets=true&with_milestones=true",
        f"/events/{event}",
        f"/events/{event}?with_nested_markets=true",
        f"/events/{event}/metadata",
        "/events/fee_changes",
        "/events/multivariate",
        "/markets?mve_filter=exclude",
        f"/markets/{TICKER}",
        f"/markets/{TICKER}/orderbook",
        f"/markets/orderbooks?tickers={TICKER}&tickers={OTHER_TICKER}",
        "/markets/trades",
        f"/markets/candlesticks?market_tickers={TICKER},{OTHER_TICKER}&{span}",
        "/incentive_programs",
        "/historical/cutoff",
        "/account/endpoint_costs",
    ):
        await _ok(world, "GET", path)


async def _drive_portfolio_reads(world: World) -> None:
    await world.alice.place("bid", "0.2000")
    settle = world.exchange.lifecycle.determine
    settle(TICKER, "yes")
    settle(SUB_CENT_TICKER, "scalar", 4_250)
    world.pass_time(21_000)
    reads = (
        "balance",
        "positions",
        "positions?settlement_status=all",
        "fills",
        "orders",
        f"orders/queue_positions?market_tickers={OTHER_TICKER}",
        "settlements",
        "deposits",
        "withdrawals",
        "summary/total_resting_order_value",
    )
    resting = await world.alice.place("bid", "0.2100", ticker=OTHER_TICKER)
    for path in reads:
        await _ok(world, "GET", f"/portfolio/{path}")
    await _ok(world, "GET", f"/portfolio/orders/{resting['order_id']}")
    await _ok(world, "GET", "/markets?status=settled")
    # Ages later the same things are historical.
    world.pass_time(100 * 86_400_000)
    now_s = world.clock() // 1000
    span = f"start_ts={now_s - 101 * 86_400}&end_ts={now_s}&period_interval=1440"
    for path in (
        "orders",
        "fills",
        "positions",
        "trades",
        "markets",
        f"markets/{TICKER}",
        f"markets/{TICKER}/candlesticks?{span}",
    ):
        await _ok(world, "GET", f"/historical/{path}")


async def _drive_keys(world: World) -> None:
    pem = world.exchange.core.accounts_by_key["alice"].public_key_pem.decode()
    made = await _ok(world, "POST", "/api_keys", {"name": "second", "public_key": pem, "scopes": ["read"]})
    await _ok(world, "POST", "/api_keys/generate", {"name": "third", "key_type": "ed25519", "subaccount": 1})
    await _ok(world, "GET", "/api_keys")
    await _ok(world, "DELETE", f"/api_keys/{made['api_key_id']}")
    await _ok(world, "POST", "/account/api_usage_level/upgrade")
    await _ok(world, "GET", "/account/limits")
    await _ok(world, "GET", "/account/api_usage_level/volume_progress")


async def test_the_default_world_with_its_traders_answers_by_the_document() -> None:
    """The whole listed world, after some seconds of trading: every series, event, market, trade and program."""
    world = World(catalogue=build_catalogue(random.Random(4), START_MS), flow=True)
    for _ in range(40):
        world.pass_time(250)
    markets = (await world.alice.get("/markets?limit=1000"))["markets"]
    assert len(markets) == len(world.exchange.core.markets) > 20
    for path in (
        "/series?include_volume=true",
        "/events?with_nested_markets=true",
        "/markets/trades?limit=1000",
        "/incentive_programs?limit=10000",
        "/exchange/status",
    ):
        await _ok(world, "GET", path)
    span = f"start_ts={START_MS // 1000 - 7_200}&end_ts={world.clock() // 1000}&period_interval=60"
    tickers = ",".join(market["ticker"] for market in markets[:100])
    await _ok(world, "GET", f"/markets/candlesticks?market_tickers={tickers}&{span}")
    books = "&".join(f"tickers={market['ticker']}" for market in markets[:100])
    answered = await _ok(world, "GET", f"/markets/orderbooks?{books}")
    assert sum(len(row["orderbook_fp"]["yes_dollars"]) for row in answered["orderbooks"]) > len(markets[:100])


_BALANCE: dict[str, Any] = {
    "balance": 1,
    "balance_dollars": "0.0100",
    "portfolio_value": 0,
    "updated_ts": 1,
    "balance_breakdown": [],
}


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (200, {"balance": "1"}),
        (200, {"balance": None}),
        (200, {"surprise": 1}),
        (200, {"balance_dollars": "0.01"}),
        (200, {"balance_breakdown": [{"exchange_index": 0}]}),
        (200, {"balance_breakdown": [{"exchange_index": 0, "balance": "1"}]}),
        (201, {}),
    ],
)
def test_the_checker_refuses_what_the_document_does_not_promise(status: int, change: dict[str, Any]) -> None:
    path = PREFIX + "/portfolio/balance"
    check_answer("GET", path, 200, json.dumps(_BALANCE).encode())
    with pytest.raises(ContractBroken):
        check_answer("GET", path, status, json.dumps(_BALANCE | change).encode())


def test_the_checker_refuses_bad_times_missing_fields_and_unknown_operations() -> None:
    path = PREFIX + "/exchange/user_data_timestamp"
    check_answer("GET", path, 200, b'{"as_of_time":"2026-06-11T06:29:42.6Z"}')
    for body in (b'{"as_of_time":"2026-06-11T06:29:42.600Z"}', b'{"as_of_time":1}', b"{}"):
        with pytest.raises(ContractBroken):
            check_answer("GET", path, 200, body)
    with pytest.raises(ContractBroken):
        check_answer("GET", PREFIX + "/nowhere", 200, b"{}")
    with pytest.raises(ContractBroken):
        check_answer("DELETE", PREFIX + "/portfolio/events/orders", 204, b'{"orders":[]}')
    check_answer("GET", PREFIX + "/nowhere", 404, b"not checked: a refusal")
