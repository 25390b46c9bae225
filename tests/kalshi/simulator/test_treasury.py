"""Money inside one customer's own money: shard transfers, subaccounts, and that nothing is made or lost on the way."""

from __future__ import annotations

import contextlib
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.simulator.accounts import Account
from kalshi.simulator.refusals import Refused
from kalshi.simulator.treasury import SWEEP_MS, Place, Treasury
from tests.kalshi.simulator.customer import OTHER_TICKER, START_MS, SUB_CENT_TICKER, TICKER, World

_MOVE = "/portfolio/intra_exchange_instance_transfer"


def move(amount: int, source: int = 0, destination: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "source": "event_contract",
        "destination": "event_contract",
        "amount": amount,
        "source_exchange_shard": source,
        "destination_exchange_shard": destination,
        **more,
    }


async def test_a_transfer_funds_another_shard() -> None:
    world = World(shards=(0,), read_lag_ms=(100, 200))
    before = await world.alice.create("bid", "0.1000", ticker=SUB_CENT_TICKER, exchange_index=2)
    assert (before.status_code, before.json()["error"]["code"]) == (404, "insufficient_shard_balance")
    answer = await world.alice.send("POST", _MOVE, move(12_345))
    assert answer.status_code == 200
    shown = (await world.alice.get(f"{_MOVE}s/{answer.json()['transfer_id']}"))["transfer"]
    assert (shown["amount"], shown["status"]) == ("1.2345", "pending")
    assert (await world.alice.get("/portfolio/balance"))["balance_dollars"] == "10000.0000"
    world.pass_time(1_000)
    balance = await world.alice.get("/portfolio/balance")
    assert balance["balance_breakdown"] == [
        {"exchange_index": 0, "balance": "9998.7655"},
        {"exchange_index": 2, "balance": "1.2345"},
    ]
    assert (await world.alice.create("bid", "0.1000", ticker=SUB_CENT_TICKER, exchange_index=2)).status_code == 201
    listed = (await world.alice.get(f"{_MOVE}s"))["transfers"]
    assert [(row["transfer_id"], row["status"]) for row in listed] == [(shown["transfer_id"], "complete")]
    assert "client_transfer_id" not in shown


async def test_a_client_transfer_id_moves_money_once_per_source_shard() -> None:
    world = World()
    name = str(UUID(int=1))
    first = await world.alice.send("POST", _MOVE, move(10_000, client_transfer_id=name))
    again = await world.alice.send("POST", _MOVE, move(10_000, client_transfer_id=name))
    assert (first.status_code, again.status_code) == (200, 409)
    assert world.exchange.truth.cash_by_shard_e6("alice") == {0: 9_999_000_000, 2: 10_001_000_000}
    back = await world.alice.send("POST", _MOVE, move(10_000, 2, 0, client_transfer_id=name))
    assert back.status_code == 200
    refused = await world.bob.send("POST", _MOVE, move(10_000, client_transfer_id=name))
    assert refused.status_code == 200, "another customer's ids are its own"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (move(0), "invalid_parameters"),
        (move(-5), "invalid_parameters"),
        (move(100_000_001), "insufficient_balance"),
        (move(1, 0, 9), "invalid_parameters"),
        (move(1, 0, 0), "invalid_parameters"),
        (move(1, source_subaccount=3), "invalid_parameters"),
        (move(1) | {"destination": "margined"}, "invalid_parameters"),
        (move(1) | {"destination": "elsewhere"}, "invalid_parameters"),
        (move(1, client_transfer_id="not a uuid"), "invalid_parameters"),
        (move(1) | {"amount": "1"}, "bad_request"),
    ],
)
async def test_senseless_transfers_are_refused(body: dict[str, Any], code: str) -> None:
    world = World()
    answer = await world.alice.send("POST", _MOVE, body)
    refusal = answer.json().get("error", answer.json())
    assert (answer.status_code, refusal["code"]) == (400, code)
    assert world.exchange.truth.cash_by_shard_e6("alice") == {0: 10_000_000_000, 2: 10_000_000_000}


@pytest.mark.parametrize(("mode", "rests"), [("taker_at_cross", ["2.00"]), ("maker", ["2.00"])])
async def test_subaccounts_of_one_user_do_not_trade_with_each_other(mode: str, rests: list[str]) -> None:
    world = World()
    assert (await world.alice.send("POST", "/portfolio/subaccounts", {})).status_code == 201
    paid = {"client_transfer_id": str(UUID(int=3)), "from_subaccount": 0, "to_subaccount": 1, "amount_cents": 5_000}
    assert (await world.alice.send("POST", "/portfolio/subaccounts/transfer", paid)).status_code == 200
    await world.alice.place("ask", "0.6000", "2.00")
    await world.alice.create("bid", "0.6000", "2.00", subaccount=1, self_trade_prevention_type=mode)
    assert world.exchange.truth.fills("alice") == []
    resting = (await world.alice.get("/portfolio/orders?status=resting"))["orders"]
    assert [(row["subaccount_number"], row["remaining_count_fp"]) for row in resting] == [
        (0 if mode == "taker_at_cross" else 1, count) for count in rests
    ]


async def test_subaccounts_hold_their_own_money_orders_and_positions() -> None:
    world = World()
    made = [(await world.alice.send("POST", "/portfolio/subaccounts", {})).json() for _ in range(2)]
    assert [row["subaccount_number"] for row in made] == [1, 2]
    paid = {"client_transfer_id": str(UUID(int=2)), "from_subaccount": 0, "to_subaccount": 2, "amount_cents": 5_000}
    assert (await world.alice.send("POST", "/portfolio/subaccounts/transfer", paid)).status_code == 200
    assert (await world.alice.send("POST", "/portfolio/subaccounts/transfer", paid)).status_code == 409
    await world.bob.place("ask", "0.5000", "10.00")
    await world.alice.place("bid", "0.5000", "4.00", subaccount=2)
    await world.alice.place("bid", "0.5000", "1.00")
    assert (await world.alice.create("bid", "0.5000", "200.00", subaccount=2)).json()["error"]["code"] == (
        "insufficient_balance"
    )
    positions = {
        number: (await world.alice.get(f"/portfolio/positions?subaccount={number}"))["market_positions"]
        for number in (0, 1, 2)
    }
    assert [[row["position_fp"] for row in rows] for rows in positions.values()] == [["1.00"], [], ["4.00"]]
    assert len((await world.alice.get("/portfolio/positions"))["market_positions"]) == 1
    fills = (await world.alice.get("/portfolio/fills"))["fills"]
    assert [fill["subaccount_number"] for fill in fills] == [0, 2], "newest first, all subaccounts"
    assert len((await world.alice.get("/portfolio/fills?subaccount=2"))["fills"]) == 1
    assert (await world.alice.get("/portfolio/balance?subaccount=2"))["balance_dollars"] == "47.9300"
    rows = (await world.alice.get("/portfolio/subaccounts/balances"))["subaccount_balances"]
    assert {(row["subaccount_number"], row["exchange_index"]) for row in rows} == {(0, 0), (0, 2), (1, 0), (2, 0)}
    assert (await world.alice.send("GET", "/portfolio/balance?subaccount=3")).status_code == 400
    assert world.exchange.core.imbalance_e6() == 0


async def test_subaccounts_need_a_tier_and_end_at_sixty_three() -> None:
    basic = await World(tier="basic").alice.send("POST", "/portfolio/subaccounts", {})
    assert (basic.status_code, basic.json()["error"]["code"]) == (400, "subaccounts_not_available")
    world = World()
    treasury, account = world.exchange.services.treasury, world.exchange.core.accounts_by_key["alice"]
    assert [treasury.create_subaccount(account, 0) for _ in range(63)] == list(range(1, 64))
    with pytest.raises(Refused):
        treasury.create_subaccount(account, 0)


async def test_groups_and_cancels_are_of_one_subaccount() -> None:
    world = World()
    await world.alice.send("POST", "/portfolio/subaccounts", {})
    world.exchange.services.treasury.move_between_shards(
        world.exchange.core.accounts_by_key["alice"],
        Place(subaccount=0, exchange_index=0),
        Place(subaccount=1, exchange_index=0),
        100_000_000,
        None,
    )
    made = await world.alice.send("POST", "/portfolio/order_groups/create", {"contracts_limit": 5, "subaccount": 1})
    group = made.json()
    assert group["subaccount"] == 1
    one = f"/portfolio/order_groups/{group['order_group_id']}"
    assert (await world.alice.create("bid", "0.2", order_group_id=group["order_group_id"])).status_code == 404
    ack = await world.alice.place("bid", "0.2000", order_group_id=group["order_group_id"], subaccount=1)
    assert (await world.alice.send("PUT", f"{one}/trigger", {})).status_code == 404
    assert (await world.alice.send("DELETE", f"/portfolio/events/orders/{ack['order_id']}")).status_code == 404
    await world.alice.place("bid", "0.1000")
    assert (await world.alice.send("PUT", f"{one}/trigger?subaccount=1", {})).status_code == 200
    statuses = {
        row["subaccount_number"]: row["status"] for row in (await world.alice.get("/portfolio/orders"))["orders"]
    }
    assert statuses == {0: "resting", 1: "canceled"}
    assert world.exchange.core.markets[TICKER].quote().bid_e4 == 1_000


_STEP = st.tuples(
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0, 1, 2, 3]),
    st.integers(-10, 4_000_000_000),
    st.sampled_from([None, "a", "b"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_STEP, max_size=25))
def test_no_sequence_of_transfers_makes_or_loses_money(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    treasury, account = world.exchange.services.treasury, world.exchange.core.accounts_by_key["alice"]
    treasury.create_subaccount(account, 0)
    for from_number, from_shard, to_number, to_shard, amount_e6, name in steps:
        source = Place(subaccount=from_number, exchange_index=from_shard)
        destination = Place(subaccount=to_number, exchange_index=to_shard)
        with contextlib.suppress(Refused):
            treasury.move_between_shards(account, source, destination, amount_e6, name)
        pots = [pot for one in treasury.subaccounts(account).values() for pot in one.cash_by_shard_e6.values()]
        assert sum(pots) == 20_000_000_000
        assert all(pot >= 0 for pot in pots)
        assert world.exchange.core.imbalance_e6() == 0


_ALLOCATION = "/portfolio/target_balance_allocation"


def allocation(*percents: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"allocations": [{"exchange_index": shard, "percent": percent} for shard, percent in percents], **more}


async def test_a_target_allocation_is_applied_every_ten_seconds_until_it_ends() -> None:
    world = World(cash=100)
    truth = world.exchange.truth
    assert (await world.alice.send("POST", _ALLOCATION, allocation((0, 25), (3, 75)))).status_code == 200
    assert (await world.alice.get(_ALLOCATION))["resting_margin_reservation"] == "sum"
    world.pass_time(9_999)
    assert truth.cash_by_shard_e6("alice") == {0: 100_000_000, 2: 100_000_000}
    world.pass_time(1)
    assert truth.cash_by_shard_e6("alice") == {0: 50_000_000, 2: 0, 3: 150_000_000}
    assert (await world.alice.get("/portfolio/balance"))["balance_breakdown"][-1] == {
        "exchange_index": 3,
        "balance": "150.0000",
    }
    assert truth.cash_by_shard_e6("bob") == {0: 100_000_000, 2: 100_000_000}
    assert truth.imbalance_e6() == 0
    await world.alice.send("POST", _MOVE, move(100_000, 3, 0))
    await world.alice.send("POST", _ALLOCATION, allocation())
    world.pass_time(10_000)
    assert truth.cash_by_shard_e6("alice") == {0: 60_000_000, 2: 0, 3: 140_000_000}


@pytest.mark.parametrize(("reservation", "left"), [("none", 0), ("max", 10), ("sum", 16)])
async def test_resting_orders_keep_their_money_on_their_shard(reservation: str, left: int) -> None:
    world = World(cash=100)
    await world.alice.place("bid", "0.4000", "10.00")
    await world.alice.place("bid", "0.3000", "20.00")
    await world.alice.place("ask", "0.4000", "10.00", ticker=OTHER_TICKER)
    await world.alice.send("POST", _ALLOCATION, allocation((2, 100), resting_margin_reservation=reservation))
    world.pass_time(10_000)
    cash_e6 = {0: left * 1_000_000, 2: (200 - left) * 1_000_000}
    assert world.exchange.truth.cash_by_shard_e6("alice") == cash_e6


async def test_nothing_is_swept_while_transfers_are_paused() -> None:
    world = World(cash=100)
    await world.alice.send("POST", _ALLOCATION, allocation((2, 100)))
    world.exchange.lifecycle.set_pause(trading_active=False, exchange_active=False)
    world.pass_time(10_000)
    assert world.exchange.truth.cash_by_shard_e6("alice")[0] == 100_000_000


@pytest.mark.parametrize("rows", [((0, 40),), ((0, 50), (9, 50))])
async def test_an_allocation_that_cannot_be_applied_is_refused(rows: tuple[tuple[int, int], ...]) -> None:
    assert (await World().alice.send("POST", _ALLOCATION, allocation(*rows))).status_code == 400


@given(
    cash=st.dictionaries(st.sampled_from((0, 1, 2, 3)), st.integers(0, 10**9), min_size=1),
    cut=st.integers(0, 100),
)
def test_a_sweep_makes_and_loses_nothing(cash: dict[int, int], cut: int) -> None:
    account = Account(account_id="one", key_id="one", cash_by_shard_e6={shard: 100 * e4 for shard, e4 in cash.items()})
    core = World().exchange.core
    treasury = Treasury(core, lambda _: None)
    before_e6 = account.cash_e6
    treasury.set_allocation(account, {1: cut, 2: 100 - cut}, "sum")
    core.now_ms = lambda: START_MS + SWEEP_MS  # type: ignore[method-assign]
    treasury.tick()
    assert account.cash_e6 == before_e6
    assert all(money_e6 >= 0 and money_e6 % 100 == 0 for money_e6 in account.cash_by_shard_e6.values())
    assert abs(account.cash_by_shard_e6.get(1, 0) - before_e6 * cut / 100) <= 200
