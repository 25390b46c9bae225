"""Each endpoint: what is asked, what is signed, what the answer becomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio
import trio.lowlevel

from kalshi.budget import BudgetError, Priority, RateBudget
from kalshi.errors import (
    AuthenticationFailed,
    Malformed,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SendRefused,
    Unavailable,
)
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.rest import RestClient, read_all
from kalshi.rest_account_answers import EndpointCosts
from kalshi.signing import verify
from kalshi.types import (
    AmendAck,
    AmendOrder,
    Balance,
    BucketLimits,
    CancelAck,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseAck,
    DecreaseOrder,
    ExchangeStatus,
    ItemRejection,
    Level,
    MarketStatus,
    OrderGroup,
    OrderStatus,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.kalshi.rest_doubles import (
    DATE_MS,
    PUBLIC_PEM,
    WALL_MS,
    FakeTransport,
    answering,
    make_budget,
    make_client,
)

MARKET: dict[str, Any] = {
    "ticker": "A-B",
    "event_ticker": "E",
    "status": "active",
    "market_type": "binary",
    "title": "Will it?",
    "open_time": "2026-06-11T05:39:29Z",
    "close_time": "2026-06-25T16:00:00Z",
    "created_time": "2026-06-11T05:12:22.338653Z",
    "yes_bid_dollars": "0.4700",
    "yes_ask_dollars": "0.5200",
    "yes_bid_size_fp": "3.00",
    "yes_ask_size_fp": "2.50",
    "last_price_dollars": "0.9900",
    "volume_fp": "2.00",
    "volume_24h_fp": "1.00",
    "open_interest_fp": "2.00",
    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    "exchange_index": 3,
    "brand_new_field": [1, 2],
}
CREATE = CreateOrder(
    ticker="A-B",
    client_order_id="c-1",
    side=Side.ASK,
    price_e4=PriceE4(5_150),
    count_e2=CountE2(250),
    time_in_force=TimeInForce.GOOD_TILL_CANCELED,
    self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
    exchange_index=2,
    post_only=True,
    order_group_id="g-1",
    expiration_ts_s=1_781_159_500,
)
EXIT = CreateOrder(
    ticker="A-B",
    client_order_id="c-2",
    side=Side.BID,
    price_e4=PriceE4(100),
    count_e2=CountE2(1),
    time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    self_trade_prevention=SelfTradePrevention.MAKER,
    exchange_index=0,
    reduce_only=True,
    cancel_order_on_pause=False,
)
CANCEL = CancelOrder(order_id="o-1", ticker="A-B", exchange_index=2)
ACK = {"order_id": "o-1", "client_order_id": "c-1", "fill_count": "0.50", "remaining_count": "2.00", "ts_ms": 7}
CREATE_ACK = CreateAck(order_id="o-1", client_order_id="c-1", filled_e2=CountE2(50), remaining_e2=CountE2(200), ts_ms=7)


def client_with(status: int, body: object = None, **headers: str) -> tuple[RestClient, FakeTransport]:
    transport = FakeTransport(answering(status, body, **headers))
    return make_client(transport), transport


# How requests look.


async def test_every_request_is_signed_over_exactly_the_path_that_is_sent() -> None:
    client, transport = client_with(200, {"markets": [], "cursor": ""})
    await client.markets_page("a b/+", status="open")
    request = transport.last
    assert request.url.query == b"limit=1000&cursor=a+b%2F%2B&status=open&mve_filter=exclude"
    headers = request.headers
    assert headers["KALSHI-ACCESS-KEY"] == "key-1"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == str(WALL_MS)
    signature = headers["KALSHI-ACCESS-SIGNATURE"]
    assert verify(PUBLIC_PEM, signature, str(WALL_MS), "GET", "/trade-api/v2/markets")


@pytest.mark.parametrize("ticker", ["KXBTCD-26JUL0317-T60499.99", "A B", "A/B", "A%2FB", "Ä?x=1"])
async def test_odd_tickers_stay_one_segment_and_are_signed_as_sent(ticker: str) -> None:
    client, transport = client_with(200, {"market": MARKET})
    await client.market(ticker)
    path = transport.last.url.raw_path.decode()
    assert path.count("/") == 4
    assert verify(PUBLIC_PEM, transport.last.headers["KALSHI-ACCESS-SIGNATURE"], str(WALL_MS), "GET", path)


async def test_a_create_says_everything_in_strings() -> None:
    client, transport = client_with(201, ACK)
    assert await client.create_order(CREATE) == CREATE_ACK
    assert transport.last.method == "POST"
    assert transport.last.url.path == "/trade-api/v2/portfolio/events/orders"
    assert transport.last.headers["Content-Type"] == "application/json"
    assert transport.body() == {
        "ticker": "A-B",
        "client_order_id": "c-1",
        "side": "ask",
        "count": "2.50",
        "price": "0.5150",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "post_only": True,
        "cancel_order_on_pause": True,
        "order_group_id": "g-1",
        "expiration_time": 1_781_159_500,
        "exchange_index": 2,
    }


async def test_an_exit_order_names_what_it_needs_and_nothing_else() -> None:
    client, transport = client_with(201, {**ACK, "client_order_id": "c-2"})
    await client.create_order(EXIT, priority=Priority.EXIT)
    body = transport.body()
    assert body["reduce_only"] is True
    assert body["cancel_order_on_pause"] is False
    assert "order_group_id" not in body
    assert "expiration_time" not in body


async def test_an_amend_keeps_the_expiry_it_does_not_name() -> None:
    client, transport = client_with(200, {"order_id": "o-1", "ts_ms": 9})
    amend = AmendOrder(
        order_id="o-1",
        ticker="A-B",
        side=Side.BID,
        price_e4=PriceE4(4_000),
        total_count_e2=CountE2(300),
        exchange_index=1,
    )
    ack = await client.amend_order(amend)
    assert ack == AmendAck(order_id="o-1", remaining_e2=None, filled_e2=None, ts_ms=9)
    assert transport.last.url.path.endswith("/portfolio/events/orders/o-1/amend")
    assert transport.body() == {
        "ticker": "A-B", "side": "bid", "price": "0.4000", "count": "3.00", "exchange_index": 1,
    }  # fmt: skip


async def test_a_renewal_names_its_new_expiry() -> None:
    body = {"order_id": "o-1", "remaining_count": "1.00", "fill_count": "2.00", "ts_ms": 9}
    client, transport = client_with(200, body)
    amend = AmendOrder(
        order_id="o-1",
        ticker="A-B",
        side=Side.BID,
        price_e4=PriceE4(4_000),
        total_count_e2=CountE2(300),
        exchange_index=1,
        expiration_ts_s=55,
    )
    ack = await client.amend_order(amend, priority=Priority.RENEW)
    assert (ack.remaining_e2, ack.filled_e2) == (100, 200)
    assert transport.body()["expiration_time"] == 55


async def test_a_decrease() -> None:
    client, transport = client_with(200, {"order_id": "o-1", "remaining_count": "1.00", "ts_ms": 3})
    decrease = DecreaseOrder(order_id="o-1", ticker="A-B", reduce_to_e2=CountE2(100), exchange_index=2)
    ack = await client.decrease_order(decrease)
    assert ack == DecreaseAck(order_id="o-1", remaining_e2=CountE2(100), ts_ms=3)
    assert transport.body() == {"reduce_to": "1.00", "market_ticker": "A-B", "exchange_index": 2}


async def test_a_cancel_names_shard_and_market_in_the_query() -> None:
    client, transport = client_with(200, {"order_id": "o-1", "reduced_by": "1.00", "ts_ms": 3})
    ack = await client.cancel_order(CANCEL)
    assert ack == CancelAck(order_id="o-1", reduced_by_e2=CountE2(100), ts_ms=3)
    assert (transport.last.method, transport.last.content) == ("DELETE", b"")
    assert transport.last.url.query == b"exchange_index=2&market_ticker=A-B"


async def test_a_batch_cancel_sends_a_body_with_its_delete() -> None:
    items = [
        {"order_id": "o-1", "reduced_by": "1.00", "ts_ms": 3},
        {"order_id": "o-2", "reduced_by": "0.00", "error": {"code": "NOT_FOUND", "message": "not found"}},
    ]
    client, transport = client_with(200, {"orders": items})
    other = CancelOrder(order_id="o-2", ticker="C", exchange_index=0)
    answers = await client.batch_cancel((CANCEL, other))
    assert answers == (
        CancelAck(order_id="o-1", reduced_by_e2=CountE2(100), ts_ms=3),
        ItemRejection(code="not_found", message="not found"),
    )
    assert transport.last.method == "DELETE"
    assert transport.body() == {
        "orders": [
            {"order_id": "o-1", "exchange_index": 2, "market_ticker": "A-B"},
            {"order_id": "o-2", "exchange_index": 0, "market_ticker": "C"},
        ]
    }


async def test_a_batch_create_is_answered_item_by_item() -> None:
    items = [
        {**ACK, "error": None},
        {"error": {"code": "invalid_order", "message": "invalid order", "details": "post only cross"}},
        {"error": "odd"},
    ]
    client, transport = client_with(201, {"orders": items})
    answers = await client.batch_create((CREATE, EXIT, EXIT))
    assert answers == (
        CREATE_ACK,
        ItemRejection(code="invalid_order", message="invalid order (post only cross)"),
        ItemRejection(code="odd", message="odd"),
    )
    assert len(transport.body()["orders"]) == 3


async def test_empty_batches_send_nothing() -> None:
    client, transport = client_with(500)
    assert await client.batch_create(()) == ()
    assert await client.batch_cancel(()) == ()
    assert transport.requests == []


async def test_order_groups() -> None:
    client, transport = client_with(201, {"order_group_id": "g-1", "subaccount": 0, "exchange_index": 2})
    assert await client.create_order_group(CountE2(1_050), 2) == "g-1"
    assert transport.body() == {"contracts_limit_fp": "10.50", "exchange_index": 2}

    client, transport = client_with(200, {})
    assert await client.trigger_order_group("g-1", 2) == DATE_MS + 1_000
    assert transport.last.method == "PUT"
    assert transport.last.url.raw_path == b"/trade-api/v2/portfolio/order_groups/g-1/trigger?exchange_index=2"

    client, transport = client_with(200, {})
    await client.delete_order_group("g-1", 0)
    assert (transport.last.method, transport.last.url.query) == ("DELETE", b"exchange_index=0")


async def test_a_trigger_without_a_date_proves_nothing() -> None:
    client = make_client(FakeTransport(lambda _: httpx.Response(200, content=b"{}")))
    with pytest.raises(OutcomeUnknown, match="Date"):
        await client.trigger_order_group("g-1", 0)


async def test_reading_order_groups() -> None:
    groups = [{"id": "g-1", "is_auto_cancel_enabled": True, "contracts_limit_fp": "5.00", "exchange_index": 1}]
    client, _ = client_with(200, {"order_groups": groups})
    assert await client.order_groups() == (
        OrderGroup(group_id="g-1", is_auto_cancel_enabled=True, contracts_limit_e2=CountE2(500), exchange_index=1),
    )
    client, transport = client_with(200, {"is_auto_cancel_enabled": False, "orders": ["o-1", "o-2"]})
    group = await client.order_group("g-9", 3)
    assert (group.group_id, group.order_ids, group.contracts_limit_e2) == ("g-9", ("o-1", "o-2"), None)
    assert transport.last.url.query == b"exchange_index=3"


# What answers become.


async def test_a_market() -> None:
    client, _ = client_with(200, {"market": MARKET})
    market = await client.market("A-B")
    assert market.status is MarketStatus.ACTIVE
    assert (market.yes_bid_e4, market.yes_ask_e4, market.yes_ask_size_e2) == (4_700, 5_200, 250)
    assert (market.exchange_index, market.settlement_value_e4) == (3, None)
    assert market.created_time_ms % 1_000 == 338
    assert market.price_ranges[0].step_e4 == 100


async def test_a_market_status_nobody_knows_is_never_tradable() -> None:
    client, _ = client_with(200, {"market": {**MARKET, "status": "paused?", "settlement_value_dollars": "1.0000"}})
    market = await client.market("A-B")
    assert market.status is MarketStatus.UNKNOWN
    assert market.settlement_value_e4 == 10_000


async def test_events_with_their_fee_overrides_and_markets() -> None:
    event = {
        "event_ticker": "E",
        "series_ticker": "S",
        "title": "t",
        "category": "Sports",
        "mutually_exclusive": True,
        "fee_type_override": "quadratic",
        "fee_multiplier_override": 0.5,
        "exchange_index": 3,
    }
    client, transport = client_with(200, {"event": event, "markets": [MARKET]})
    read = await client.event("E")
    assert (read.fee_multiplier_override_e4, read.mutually_exclusive, len(read.markets)) == (5_000, True, 1)
    assert transport.last.url.query == b"with_nested_markets=true"
    client, transport = client_with(200, {"events": [{**event, "markets": [MARKET]}], "cursor": "next"})
    events, cursor = await client.events_page(with_nested_markets=True, status="open", series_ticker="S")
    assert (events[0].markets[0].ticker, cursor) == ("A-B", "next")
    assert transport.last.url.query == b"limit=200&status=open&series_ticker=S&with_nested_markets=true"


async def test_series_multipliers_are_exact() -> None:
    series = {"ticker": "S", "title": "t", "category": "c", "fee_type": "quadratic", "fee_multiplier": 0.5}
    client, _ = client_with(200, {"series": series})
    assert (await client.series("S")).fee_multiplier_e4 == 5_000
    client, transport = client_with(200, {"series": [series, {**series, "fee_multiplier": 1}]})
    assert [item.fee_multiplier_e4 for item in await client.series_list(category="Climate")] == [5_000, 10_000]
    assert transport.last.url.query == b"category=Climate"
    client, _ = client_with(200, {"series": None})
    assert await client.series_list() == ()
    client, _ = client_with(200, {"series": {**series, "fee_multiplier": 0.33333}})
    with pytest.raises(Malformed):
        await client.series("S")


async def test_a_book_is_turned_onto_the_yes_leg_and_knows_its_age() -> None:
    body = {
        "orderbook_fp": {
            "yes_dollars": [["0.4500", "1.00"], ["0.4700", "3.00"]],
            "no_dollars": [["0.4700", "2.00"], ["0.4800", "3.50"]],
        }
    }
    client, _ = client_with(200, body, Age="15")
    book = await client.order_book("A-B")
    assert book.bids == (
        Level(price_e4=PriceE4(4_700), count_e2=CountE2(300)),
        Level(price_e4=PriceE4(4_500), count_e2=CountE2(100)),
    )
    assert book.asks == (
        Level(price_e4=PriceE4(5_200), count_e2=CountE2(350)),
        Level(price_e4=PriceE4(5_300), count_e2=CountE2(200)),
    )
    assert book.read_time_ms == DATE_MS - 15_000


@pytest.mark.parametrize("level", [["0.4500", "-1.00"], ["0.0000", "1.00"], ["1.0000", "1.00"], ["0.45", "0"]])
async def test_a_book_with_an_impossible_level_is_malformed(level: list[str]) -> None:
    client, _ = client_with(200, {"orderbook_fp": {"yes_dollars": [level]}})
    with pytest.raises(Malformed):
        await client.order_book("A-B")


async def test_an_empty_book_without_dates_has_no_age() -> None:
    client = make_client(FakeTransport(lambda _: httpx.Response(200, content=b'{"orderbook_fp":{}}')))
    book = await client.order_book("A-B")
    assert (book.bids, book.asks, book.read_time_ms) == ((), (), None)


async def test_the_balance_by_shard() -> None:
    shards = [{"exchange_index": 0, "balance": "98.0186"}, {"exchange_index": 2, "balance": "1.9814"}]
    client, _ = client_with(200, {"balance_dollars": "100.0000", "updated_ts": 5, "balance_breakdown": shards})
    assert await client.balance() == Balance(
        total_e6=MoneyE6(100_000_000),
        by_shard_e6=((0, MoneyE6(98_018_600)), (2, MoneyE6(1_981_400))),
        updated_ts_s=5,
    )
    client, _ = client_with(200, {"balance_dollars": "7", "updated_ts": 5})
    assert (await client.balance()).by_shard_e6 == ((0, 7_000_000),)


async def test_fills_need_an_id_a_market_and_a_time() -> None:
    fill = {
        "trade_id": "f-1",
        "order_id": "o-1",
        "market_ticker": "A-B",
        "outcome_side": "no",
        "count_fp": "1.00",
        "yes_price_dollars": "0.5200",
        "is_taker": False,
        "fee_cost": "0.017500",
        "ts": 12,
    }
    client, transport = client_with(200, {"fills": [fill], "cursor": ""})
    ((read,), _) = await client.fills_page(min_ts_s=10)
    assert (read.fill_id, read.side, read.ts_ms, read.fee_e6) == ("f-1", Side.ASK, 12_000, 17_500)
    assert transport.last.url.query == b"limit=100&min_ts=10"
    for missing in ("trade_id", "market_ticker", "ts", "outcome_side"):
        client, _ = client_with(200, {"fills": [{k: v for k, v in fill.items() if k != missing}]})
        with pytest.raises(Malformed):
            await client.fills_page()


async def test_orders_with_group_expiry_and_reason() -> None:
    order = {
        "order_id": "o-1",
        "client_order_id": "c-1",
        "ticker": "A-B",
        "status": "resting",
        "book_side": "bid",
        "yes_price_dollars": "0.4800",
        "initial_count_fp": "3.00",
        "fill_count_fp": "1.00",
        "remaining_count_fp": "2.00",
        "order_group_id": "g-1",
        "expiration_time": "2026-06-11T06:20:00Z",
        "created_time": "2026-06-11T06:10:00Z",
        "exchange_index": 2,
    }
    client, _ = client_with(200, {"order": order})
    read = await client.order("o-1")
    assert (read.status, read.side, read.order_group_id) == (OrderStatus.RESTING, Side.BID, "g-1")
    assert (read.expiration_ts_s, read.last_update_ms) == (1_781_158_800, 1_781_158_200_000)
    client, transport = client_with(200, {"orders": [order], "cursor": "x"})
    orders, cursor = await client.orders_page("w", status="resting", ticker="A-B")
    assert (len(orders), cursor) == (1, "x")
    assert transport.last.url.query == b"limit=1000&cursor=w&status=resting&ticker=A-B"
    client, _ = client_with(200, {"order": {**order, "status": "dreaming"}})
    with pytest.raises(Malformed):
        await client.order("o-1")


async def test_positions_limits_costs_and_clock() -> None:
    position = {
        "ticker": "A-B",
        "position_fp": "-3.00",
        "market_exposure_dollars": "2.500000",
        "realized_pnl_dollars": "-0.100000",
        "fees_paid_dollars": "0.018900",
    }
    client, _ = client_with(200, {"market_positions": [position], "cursor": ""})
    ((read,), _) = await client.positions_page()
    assert (read.position_e2, read.market_exposure_e6, read.realized_pnl_e6) == (-300, 2_500_000, -100_000)
    bucket = {"refill_rate": 300, "bucket_capacity": 900}
    client, _ = client_with(200, {"usage_tier": "advanced", "read": bucket, "write": bucket, "grants": []})
    assert (await client.account_limits()).write == BucketLimits(refill_per_s=300, capacity=900)
    client, _ = client_with(200, {"usage_tier": "x", "read": bucket, "write": {**bucket, "refill_rate": 0}})
    with pytest.raises(Malformed):
        await client.account_limits()
    client, _ = client_with(200, {"default_cost": 10, "endpoint_costs": [{"method": "GET", "path": "/x", "cost": 2}]})
    assert await client.endpoint_costs() == EndpointCosts(default=10, exceptions=(("GET", "/x", 2),))
    client, _ = client_with(200, {"as_of_time": "2026-06-11T06:20:00.5Z"})
    assert await client.user_data_timestamp() == 1_781_158_800_500


async def test_settlements_fee_changes_and_programs() -> None:
    settlement = {
        "ticker": "A-B",
        "event_ticker": "E",
        "market_result": "yes",
        "yes_count_fp": "3.00",
        "no_count_fp": "0.00",
        "revenue": 300,
        "value": 100,
        "settled_time": "2026-06-11T06:20:00Z",
        "fee_cost": "0.018900",
    }
    client, _ = client_with(200, {"settlements": [settlement], "cursor": ""})
    ((settled,), _) = await client.settlements_page()
    assert (settled.revenue_e6, settled.value_e4, settled.fee_e6) == (3_000_000, 10_000, 18_900)
    change = {
        "series_ticker": "S",
        "fee_type": "quadratic",
        "fee_multiplier": 2,
        "scheduled_ts": "2026-06-11T06:20:00Z",
    }
    client, _ = client_with(200, {"series_fee_change_arr": [change]})
    assert (await client.series_fee_changes())[0].fee_multiplier_e4 == 20_000
    program = {
        "id": "p-1",
        "market_ticker": "A-B",
        "incentive_type": "liquidity",
        "start_date": "2026-06-11T06:20:00Z",
        "end_date": "2026-06-12T06:20:00Z",
        "period_reward": 1_000_000,
        "paid_out": False,
        "target_size_fp": "300.00",
    }
    client, _ = client_with(200, {"incentive_programs": [program], "next_cursor": "n"})
    ((read,), cursor) = await client.incentive_programs_page(status="active")
    assert (read.period_reward_e6, read.target_size_e2, cursor) == (100_000_000, 30_000, "n")
    client, _ = client_with(200, {"incentive_programs": [{**program, "target_size_fp": None}]})
    ((without,), _) = await client.incentive_programs_page()
    assert without.target_size_e2 is None
    assert without.account_reward_max_e6 is None
    client, _ = client_with(200, {"incentive_programs": [{**program, "max_reward_per_account": 250_000}]})
    ((capped,), _) = await client.incentive_programs_page()
    assert capped.account_reward_max_e6 == 25_000_000


@pytest.mark.parametrize("status", [200, 500, 503, 504])
async def test_the_exchange_s_state_comes_with_any_of_its_statuses(status: int) -> None:
    body = {"exchange_active": False, "trading_active": False, "exchange_estimated_resume_time": "2026-06-11T06:20:00Z"}
    client, _ = client_with(status, body)
    assert await client.exchange_status() == ExchangeStatus(
        exchange_active=False, trading_active=False, estimated_resume_time="2026-06-11T06:20:00Z"
    )


async def test_a_gateway_s_503_is_no_state_of_the_exchange() -> None:
    client, _ = client_with(503, b"<html>down</html>")
    with pytest.raises(Unavailable):
        await client.exchange_status()


# What failures become.

Call = Callable[[RestClient], Awaitable[object]]
READ: Call = lambda client: client.balance()  # noqa: E731
WRITE: Call = lambda client: client.create_order(CREATE)  # noqa: E731


@pytest.mark.parametrize(
    ("status", "call", "kind"),
    [
        (400, READ, Rejected),
        (400, WRITE, Rejected),
        (301, WRITE, Rejected),
        (401, READ, AuthenticationFailed),
        (401, WRITE, AuthenticationFailed),
        (429, READ, RateLimited),
        (429, WRITE, RateLimited),
        (500, READ, Unavailable),
        (500, WRITE, OutcomeUnknown),
        (502, WRITE, OutcomeUnknown),
        (504, WRITE, OutcomeUnknown),
        (408, WRITE, OutcomeUnknown),
    ],
)
async def test_statuses_mean_for_writes_what_they_prove(status: int, call: Call, kind: type[Exception]) -> None:
    client, _ = client_with(status, b"<html>oops</html>", **{"Content-Type": "text/html"})
    with pytest.raises(kind) as caught:
        await call(client)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"<html></html>", b'{"order_id":5}', b'{"order_id":"o-1"}', b"\xff"]
)
async def test_a_success_nobody_can_read_is_malformed_for_a_read_and_unknown_for_a_write(body: bytes) -> None:
    client, _ = client_with(200, body)
    with pytest.raises(Malformed):
        await client.balance()
    with pytest.raises(OutcomeUnknown):
        await client.create_order(CREATE)
    with pytest.raises(OutcomeUnknown):
        await client.batch_create((CREATE,))


async def test_an_ack_for_something_else_is_no_ack() -> None:
    client, _ = client_with(201, {**ACK, "client_order_id": "another"})
    with pytest.raises(OutcomeUnknown, match="client_order_id"):
        await client.create_order(CREATE)
    client, _ = client_with(200, {"orders": [{"order_id": "o-9", "reduced_by": "1.00", "ts_ms": 3}]})
    with pytest.raises(OutcomeUnknown, match="another order"):
        await client.batch_cancel((CANCEL,))
    client, _ = client_with(200, {"orders": []})
    with pytest.raises(OutcomeUnknown, match="0 items"):
        await client.batch_cancel((CANCEL,))


async def test_an_ack_without_our_id_is_ours_all_the_same() -> None:
    client, _ = client_with(201, {key: value for key, value in ACK.items() if key != "client_order_id"})
    assert await client.create_order(CREATE) == CREATE_ACK


async def test_after_a_429_the_budget_knows() -> None:
    budget = make_budget()
    client = make_client(FakeTransport(answering(429, {"error": "too many requests"})), budget=budget)
    with pytest.raises(RateLimited):
        await client.balance()
    with pytest.raises(RateLimited):
        await client.cancel_order(CANCEL)
    status = budget.snapshot()
    assert (status.read.penalties, status.write.penalties) == (1, 1)


async def test_requests_are_billed_as_the_exchange_bills_them() -> None:
    budget = make_budget()
    transport = FakeTransport(answering(400, {"error": "x"}))
    client = make_client(transport, budget=budget)
    for call, cost in (
        (client.create_order(CREATE), 10),
        (client.batch_create((CREATE, EXIT)), 20),
        (client.cancel_order(CANCEL), 2),
        (client.batch_cancel((CANCEL, CANCEL, CANCEL)), 6),
        (client.trigger_order_group("g", 0), 10),
    ):
        before = budget.snapshot().write.spent
        with pytest.raises(Rejected):
            await call
        assert budget.snapshot().write.spent - before == cost
    for read, cost in ((client.order("o-1"), 2), (client.balance(), 10)):
        before = budget.snapshot().read.spent
        with pytest.raises(Rejected):
            await read
        assert budget.snapshot().read.spent - before == cost


async def test_a_batch_that_can_never_fit_is_refused_before_anything_is_sent() -> None:
    limits = BucketLimits(refill_per_s=100, capacity=100)
    transport = FakeTransport(answering(500))
    client = make_client(transport, budget=RateBudget(trio.current_time, limits, limits))
    with pytest.raises(BudgetError):
        await client.batch_create((CREATE,) * 10)
    assert transport.requests == []


async def test_the_exchange_s_clock_is_heard_with_every_answer() -> None:
    heard: list[tuple[int, int]] = []
    client = make_client(
        FakeTransport(answering(404, {"error": "x"})), on_server_date=lambda date, wall: heard.append((date, wall))
    )
    with pytest.raises(Rejected):
        await client.balance()
    assert heard == [(DATE_MS, WALL_MS)]


# Transports that do not trace.


async def test_an_in_memory_transport_that_fails_leaves_a_write_unknown_and_a_read_unavailable() -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    client = make_client(FakeTransport(fail))
    with pytest.raises(Unavailable):
        await client.balance()
    with pytest.raises(OutcomeUnknown):
        await client.create_order(CREATE)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_a_transport_that_never_connected_did_nothing(error: type[httpx.TransportError]) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error("no")

    client = make_client(FakeTransport(fail))
    with pytest.raises(Unavailable) as caught:
        await client.create_order(CREATE)
    assert type(caught.value) is Unavailable


async def test_i9_a_last_check_that_refuses_lets_no_request_reach_the_transport() -> None:
    client, transport = client_with(201, ACK)

    def refuse() -> None:
        raise SendRefused("the latch is shut")

    with pytest.raises(SendRefused, match="latch"):
        await client.create_order(CREATE, before_send=refuse)
    assert transport.requests == []


async def test_a_deadline_without_an_answer_is_unknown_for_a_write(autojump_clock: object) -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    client = make_client(FakeTransport(never), deadline_s=2)
    start = trio.current_time()
    with pytest.raises(OutcomeUnknown, match="2 s"):
        await client.create_order(CREATE)
    assert trio.current_time() - start == pytest.approx(2)
    with pytest.raises(Unavailable, match="2 s"):
        await client.balance()


async def test_a_write_that_may_have_left_outlives_a_local_cancellation(autojump_clock: object) -> None:
    async def slow(_: httpx.Request) -> httpx.Response:
        await trio.sleep(1)
        return httpx.Response(201, json=ACK)

    client = make_client(FakeTransport(slow))
    acks: list[CreateAck] = []
    with trio.move_on_after(0.5) as scope:
        acks.append(await client.create_order(CREATE))
        await trio.lowlevel.checkpoint()
    assert acks == [CREATE_ACK]
    assert scope.cancelled_caught


async def test_reads_and_waits_are_cancelled_like_anything_else(autojump_clock: object) -> None:
    async def slow(_: httpx.Request) -> httpx.Response:
        await trio.sleep(1)
        return httpx.Response(200, json={})

    transport = FakeTransport(slow)
    client = make_client(transport, connections=1)
    with trio.move_on_after(0.5) as scope:
        await client.balance()
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_swallow_unknown, client)
        await trio.sleep(0.1)
        with trio.move_on_after(0.1):
            await client.create_order(CREATE)  # it waits for the one connection
    assert len(transport.requests) == 2


async def _swallow_unknown(client: RestClient) -> None:
    with pytest.raises(OutcomeUnknown):
        await client.create_order(CREATE)


# Pages.


def pages(*given: tuple[tuple[int, ...], str]) -> Callable[[str], Awaitable[tuple[tuple[int, ...], str]]]:
    answers = list(given)

    async def page(cursor: str) -> tuple[tuple[int, ...], str]:
        await trio.lowlevel.checkpoint()
        return answers.pop(0)

    return page


async def test_pages_are_read_to_the_empty_cursor_past_empty_pages() -> None:
    assert await read_all(pages(((1, 2), "a"), ((), "b"), ((3,), "")), 10) == (1, 2, 3)


async def test_pages_in_a_circle_are_noticed() -> None:
    with pytest.raises(Malformed, match="twice"):
        await read_all(pages(((1,), "a"), ((2,), "b"), ((1,), "a")), 10)


async def test_pages_without_end_are_noticed() -> None:
    with pytest.raises(Malformed, match="more than 2"):
        await read_all(pages(((1,), "a"), ((2,), "b"), ((3,), "c")), 2)
