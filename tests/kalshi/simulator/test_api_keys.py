"""API keys: registering, scopes, subaccount locks, location attestation, deletion, and what each refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.settings import AccountSettings
from tests.kalshi.simulator.customer import START_MS, TICKER, Customer, World

_EVENTS = "/portfolio/events/orders"


async def key_of(world: World, **fields: Any) -> Customer:
    """Generates another key of alice's account and returns a customer that signs with it."""
    answer = await world.alice.send("POST", "/api_keys/generate", {"name": "k", "key_type": "ed25519", **fields})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    customer = Customer(world, made["api_key_id"])
    customer.signer = Signer(made["api_key_id"], made["private_key"].encode())
    return customer


@pytest.mark.parametrize(
    ("scopes", "balance", "orders", "create", "transfer", "keys"),
    [
        (None, 200, 200, 201, 200, 201),
        (["read", "write"], 200, 200, 201, 200, 201),
        (["read"], 200, 200, 403, 403, 403),
        (["read::portfolio_balance"], 200, 403, 403, 403, 403),
        (["write::trade"], 403, 403, 201, 403, 403),
        (["read", "write::transfer"], 200, 200, 403, 200, 403),
    ],
)
async def test_a_key_does_what_its_scopes_say(
    scopes: list[str] | None, balance: int, orders: int, create: int, transfer: int, keys: int
) -> None:
    world = World()
    key = await key_of(world, **({} if scopes is None else {"scopes": scopes}))
    move = {"source": "event_contract", "destination": "event_contract", "amount": 1, "destination_exchange_shard": 2}
    statuses = (
        (await key.send("GET", "/portfolio/balance")).status_code,
        (await key.send("GET", "/portfolio/orders")).status_code,
        (await key.create("bid", "0.1000")).status_code,
        (await key.send("POST", "/portfolio/intra_exchange_instance_transfer", move)).status_code,
        (await key.send("POST", "/api_keys/generate", {"name": "n", "key_type": "ed25519"})).status_code,
    )
    assert statuses == (balance, orders, create, transfer, keys)
    assert (await key.send("GET", "/markets")).status_code == 200


async def test_a_refused_scope_does_nothing_and_names_its_code() -> None:
    world = World(missing_scope_code="no_scope")
    key = await key_of(world, scopes=["read"])
    answer = await key.create("bid", "0.1000")
    assert (answer.status_code, answer.json()) == (403, {"error": {"code": "no_scope", "message": "no scope"}})
    assert world.exchange.truth.resting_orders("alice") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": ["write"]},
        {"scopes": ["everything"]},
        {"scopes": []},
        {"key_type": "dsa"},
        {"name": ""},
        {"subaccount": 7},
        {"subaccount": 64},
        {"scopes": [1]},
    ],
)
async def test_senseless_keys_are_refused(fields: dict[str, Any]) -> None:
    world = World()
    body = {"name": "k", "key_type": "ed25519", **fields}
    assert (await world.alice.send("POST", "/api_keys/generate", body)).status_code == 400
    assert len((await world.alice.get("/api_keys"))["api_keys"]) == 1


async def test_own_public_keys_need_a_tier_and_a_readable_pem() -> None:
    private_pem, public_pem = generate_key_pair("ed25519")
    body = {"name": "own", "public_key": public_pem.decode()}
    assert (await World(tier="expert").alice.send("POST", "/api_keys", body)).status_code == 403
    world = World(tier="premier")
    bad = await world.alice.send("POST", "/api_keys", body | {"public_key": "-----BEGIN NOTHING-----"})
    assert bad.status_code == 400
    assert (await world.alice.send("POST", "/api_keys", body | {"fcm_subtrader_id": "x"})).status_code == 403
    made = (await world.alice.send("POST", "/api_keys", body)).json()
    customer = Customer(world, made["api_key_id"])
    customer.signer = Signer(made["api_key_id"], private_pem)
    assert (await customer.get("/portfolio/balance"))["balance"] == 2_000_000


async def test_a_deleted_key_signs_nothing_any_more_also_the_first_one() -> None:
    world = World()
    key = await key_of(world)
    assert (await key.send("DELETE", "/api_keys/alice")).status_code == 204
    gone = await world.alice.send("GET", "/portfolio/balance")
    assert (gone.status_code, gone.json()["error"]["details"]) == (401, "NOT_FOUND")
    assert (await key.send("DELETE", "/api_keys/bob")).status_code == 404
    assert (await key.send("DELETE", f"/api_keys/{key.key_id}")).status_code == 204
    assert (await key.send("GET", "/portfolio/balance")).status_code == 401


async def test_a_locked_key_sees_and_trades_its_own_subaccount_alone() -> None:
    world = World()
    await world.alice.send("POST", "/portfolio/subaccounts", {})
    await world.alice.send(
        "POST",
        "/portfolio/subaccounts/transfer",
        {
            "client_transfer_id": "00000000-0000-4000-8000-000000000001",
            "from_subaccount": 0,
            "to_subaccount": 1,
            "amount_cents": 10_000,
        },
    )
    await world.alice.place("bid", "0.1000")
    key = await key_of(world, subaccount=1)
    assert (await key.get("/portfolio/balance"))["balance_dollars"] == "100.0000"
    assert (await key.get("/portfolio/orders"))["orders"] == []
    ack = await key.place("bid", "0.2000", "1.00")
    assert [row["subaccount_number"] for row in (await key.get("/portfolio/orders"))["orders"]] == [1]
    for method, path, body in (
        ("GET", "/portfolio/balance?subaccount=0", None),
        ("POST", "/portfolio/subaccounts", {}),
        ("POST", _EVENTS, key.order("bid", "0.2000", subaccount=0)),
        ("POST", f"{_EVENTS}/batched", {"orders": [key.order("bid", "0.2"), key.order("bid", "0.2", subaccount=0)]}),
    ):
        answer = await key.send(method, path, body)
        assert answer.status_code == 403, path
        assert "restricted to a single sub-account" in answer.json()["error"]["message"]
    assert (await key.send("DELETE", _EVENTS)).status_code == 204
    resting = world.exchange.truth.resting_orders("alice")
    assert [order.price_e4 for order in resting] == [1_000]
    assert (await key.send("DELETE", f"{_EVENTS}/{ack['order_id']}")).status_code == 404


async def test_a_past_attestation_ends_trading_in_its_categories() -> None:
    world = World()
    keys, account = world.exchange.services.keys, world.exchange.core.accounts_by_key["alice"]
    assert "api_key_region_expiration_ts" not in await world.alice.get("/api_keys")
    keys.attest(account, START_MS // 1000 + 60)
    assert (await world.alice.get("/api_keys"))["api_key_region_expiration_ts"] == START_MS // 1000 + 60
    ack = await world.alice.place("bid", "0.1000")
    world.pass_time(60_000)
    refused = await world.alice.create("bid", "0.1000")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "region_attestation_expired")
    batch = await world.alice.send("POST", f"{_EVENTS}/batched", {"orders": [world.alice.order("bid", "0.1000")]})
    assert batch.json()["orders"][0]["error"]["code"] == "region_attestation_expired"
    moved = {"ticker": TICKER, "side": "bid", "price": "0.2000", "count": "1.00"}
    assert (await world.alice.send("POST", f"{_EVENTS}/{ack['order_id']}/amend", moved)).status_code == 403
    crypto = await world.alice.create("bid", "0.1000", ticker="KXCOIN-26NOV20-C", exchange_index=2)
    assert crypto.status_code == 201
    assert (await world.alice.send("DELETE", f"{_EVENTS}/{ack['order_id']}")).status_code == 200
    assert (await world.bob.create("bid", "0.1000")).status_code == 201


def test_settings_may_name_an_attestation() -> None:
    settings = AccountSettings(key_id="k", public_key_pem=b"", cash_by_shard_e6={0: 1}, attested_until_s=5)
    assert settings.attested_until_s == 5
