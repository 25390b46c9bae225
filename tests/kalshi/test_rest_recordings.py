"""Every recorded REST answer parses, or becomes the typed error that its recorded status means."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from kalshi import rest_account_answers as account_answers
from kalshi import rest_market_answers as market_answers
from kalshi.errors import AuthenticationFailed, Rejected
from kalshi.numbers import parse_count, parse_price
from kalshi.rest import RestClient
from kalshi.types import CancelOrder, CreateAck, CreateOrder, SelfTradePrevention, Side, TimeInForce
from tests.kalshi.recordings import SHARED
from tests.kalshi.rest_doubles import FakeTransport, make_client

ROOT = "/trade-api/v2"
DEMO = SHARED / "rest" / "demo-2026-06"
INCENTIVES = SHARED / "rest" / "incentives"
NAMES = sorted(path.stem for path in DEMO.glob("*.json") if not path.name.endswith(".meta.json"))

needs_recordings = pytest.mark.skipif(not NAMES, reason="the recorded answers are not beside this repository")

Call = Callable[[RestClient], Awaitable[object]]


def order_of(body: dict[str, Any]) -> CreateOrder:
    return CreateOrder(
        ticker=body["ticker"],
        client_order_id=body["client_order_id"],
        side=Side(body["side"]),
        price_e4=parse_price(str(body["price"])),
        count_e2=parse_count(str(body["count"])),
        time_in_force=TimeInForce(body["time_in_force"]),
        self_trade_prevention=SelfTradePrevention(body["self_trade_prevention_type"]),
        exchange_index=0,
        post_only=body.get("post_only", False),
    )


async def create_and_compare(body: dict[str, Any], transport: FakeTransport, client: RestClient) -> CreateAck:
    """Creates the recorded order and checks that our request says at least what the recorded one said."""
    try:
        return await client.create_order(order_of(body))
    finally:
        sent = transport.body()
        for name, value in body.items():
            assert sent[name] == value or not isinstance(value, str), name


READS: dict[str, Call] = {
    "/account/limits": lambda client: client.account_limits(),
    "/account/endpoint_costs": lambda client: client.endpoint_costs(),
    "/exchange/status": lambda client: client.exchange_status(),
    "/series/fee_changes": lambda client: client.series_fee_changes(),
    "/portfolio/balance": lambda client: client.balance(),
    "/portfolio/positions": lambda client: client.positions_page(),
    "/portfolio/fills": lambda client: client.fills_page(),
    "/portfolio/orders": lambda client: client.orders_page(),
    "/portfolio/settlements": lambda client: client.settlements_page(),
    "/markets": lambda client: client.markets_page(),
    "/markets/trades": lambda client: client.trades_page(),
}


def call_for(meta: dict[str, Any], transport: FakeTransport) -> Call:
    """Returns the client's method for a recorded request."""
    path = urlsplit(meta["path"]).path.removeprefix(ROOT)
    last = path.rpartition("/")[2]
    match meta["method"]:
        case "POST":
            return partial(create_and_compare, meta["request_body"], transport)
        case "DELETE":
            return lambda client: client.cancel_order(CancelOrder(order_id=last, ticker="T", exchange_index=0))
        case _ if path in READS:
            return READS[path]
        case _ if path.startswith("/portfolio/orders/"):
            return lambda client: client.order(last)
        case _ if path.endswith("/orderbook"):
            return lambda client: client.order_book(path.split("/")[2])
        case _:
            assert path.startswith("/markets/")
            return lambda client: client.market(last)


def transport_for(name: str, meta: dict[str, Any]) -> FakeTransport:
    """Returns a transport that plays the recorded answer to the recorded method and path only."""
    path = urlsplit(meta["path"]).path.replace(f"{ROOT}/portfolio/orders", f"{ROOT}/portfolio/events/orders")
    body = (DEMO / f"{name}.json").read_bytes()

    def answer(request: httpx.Request) -> httpx.Response:
        asked = request.url.path.replace(f"{ROOT}/portfolio/orders", f"{ROOT}/portfolio/events/orders")
        assert (request.method, asked) == (meta["method"], path)
        return httpx.Response(meta["status"], content=body)

    return FakeTransport(answer)


@needs_recordings
@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("orders__legacy")])
async def test_a_recorded_answer_parses_or_is_the_error_its_status_means(name: str) -> None:
    meta = json.loads((DEMO / f"{name}.meta.json").read_text())
    transport = transport_for(name, meta)
    call = call_for(meta, transport)
    client = make_client(transport)
    if meta["status"] in (200, 201):
        assert await call(client) is not None
        return
    with pytest.raises(Rejected) as caught:
        await call(client)
    assert type(caught.value) is (AuthenticationFailed if meta["status"] == 401 else Rejected)
    assert caught.value.status == meta["status"]
    assert not caught.value.code.startswith("http_"), "the code was read from the body"


@needs_recordings
@pytest.mark.parametrize("name", ["orders__legacy_create", "orders__legacy_cancel"])
def test_orders_in_answers_of_the_withdrawn_endpoints_parse_as_orders(name: str) -> None:
    order = account_answers.parse_order((DEMO / f"{name}.json").read_bytes())
    assert order.client_order_id == "ae0d38e7-648d-45c0-8ff9-971452e75e52"


@needs_recordings
def test_recorded_fills_balances_and_errors_have_their_known_values() -> None:
    fills, cursor = account_answers.parse_fills((DEMO / "fills__after_taker.json").read_bytes())
    assert [(fill.fee_e6, fill.price_e4) for fill in fills] == [(17_500, 5_200), (700, 9_900), (700, 9_900)]
    assert cursor == ""
    assert fills[0].ts_ms == 1_781_159_370_164
    balance = account_answers.parse_balance((DEMO / "auth__balance_ok.json").read_bytes())
    assert balance.total_e6 == 98_018_600
    markets, cursor = market_answers.parse_markets((DEMO / "markets__page1.json").read_bytes())
    assert len(markets) == 5
    assert cursor


@needs_recordings
async def test_recorded_programs_and_series_parse() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        name = {"/trade-api/v2/series": "series_list"}.get(request.url.path, "incentive_programs")
        recorded = json.loads(_recorded(f"{name}_response.json").read_text())
        return httpx.Response(200, json=recorded["response"])

    client = make_client(FakeTransport(answer))
    programs, _ = await client.incentive_programs_page()
    assert programs[0].target_size_e2 == 30_000
    assert programs[0].period_reward_e6 == 20_000_000
    series = await client.series_list()
    assert {item.fee_type for item in series} <= {"quadratic", "quadratic_with_maker_fees"}
    assert len(series) > 10


def _recorded(name: str) -> Path:
    return INCENTIVES / name


@needs_recordings
def test_no_recorded_answer_was_left_out() -> None:
    metas = {path.name.removesuffix(".meta.json") for path in DEMO.glob("*.meta.json")}
    without_answer = {name for name in metas if name not in NAMES}
    assert all(name.startswith(("ws__", "session__")) for name in without_answer)
    assert set(NAMES) <= metas
    assert len(NAMES) >= 45
    queries = [urlsplit(json.loads((DEMO / f"{name}.meta.json").read_text())["path"]).query for name in NAMES]
    assert any("cursor" in parse_qs(query) for query in queries)
