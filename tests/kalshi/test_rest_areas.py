"""The endpoints that trading alone does not need: what is asked of the exchange, and what the answer becomes."""

from __future__ import annotations

from typing import Any

import pytest

from kalshi.errors import Malformed, OutcomeUnknown
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.rest import RestClient
from kalshi.rest_account_answers import QueuePosition
from kalshi.rest_candle_answers import Candle, Range
from kalshi.rest_exchange_answers import (
    EventFeeChange,
    HistoricalCutoff,
    MaintenanceWindow,
    Schedule,
    Session,
    TradingWeek,
)
from kalshi.rest_transfer_answers import ShardTransfer
from kalshi.types import Level, ShardStatus
from tests.kalshi.rest_doubles import FakeTransport, answering, make_client
from tests.kalshi.test_rest import MARKET

NOON_MS = 1_781_179_200_000  # 2026-06-11T12:00:00Z
QUOTE = {"open_dollars": "0.4000", "high_dollars": "0.4200", "low_dollars": "0.3900", "close_dollars": "0.4100"}
CANDLE: dict[str, Any] = {
    "end_period_ts": 1_781_179_200,
    "yes_bid": QUOTE,
    "yes_ask": {**QUOTE, "close_dollars": "0.4300"},
    "price": {**QUOTE, "mean_dollars": "0.405123", "previous_dollars": "0.3800"},
    "volume_fp": "12.50",
    "open_interest_fp": "100.00",
}


def client_with(body: object, status: int = 200) -> tuple[RestClient, FakeTransport]:
    transport = FakeTransport(answering(status, body))
    return make_client(transport), transport


def asked(transport: FakeTransport) -> str:
    """Returns the path below the root, with its query."""
    return transport.last.url.raw_path.decode().removeprefix("/trade-api/v2")


# The exchange.


async def test_the_state_of_each_shard() -> None:
    shard = {
        "exchange_index": 2,
        "description": "Crypto",
        "exchange_active": True,
        "trading_active": False,
        "intra_exchange_transfers_active": False,
    }
    client, _ = client_with({"exchange_active": True, "trading_active": True, "exchange_index_statuses": [shard]})
    assert (await client.exchange_status()).shards == (
        ShardStatus(
            exchange_index=2,
            description="Crypto",
            exchange_active=True,
            trading_active=False,
            transfers_active=False,
        ),
    )


async def test_the_schedule_in_minutes_of_the_day() -> None:
    days = ("monday", "tuesday", "wednesday", "friday", "saturday", "sunday")
    week: dict[str, Any] = {day: [] for day in days}
    week |= {"start_time": "2026-06-11T12:00:00Z", "end_time": "2026-06-18T12:00:00Z"}
    week["thursday"] = [
        {"open_time": "00:00", "close_time": "03:00"},
        {"open_time": "05:00", "close_time": "24:00"},
    ]
    window = {"start_datetime": "2026-06-11T12:00:00Z", "end_datetime": "2026-06-11T12:00:01Z"}
    client, transport = client_with({"schedule": {"standard_hours": [week], "maintenance_windows": [window]}})
    assert await client.exchange_schedule() == Schedule(
        weeks=(
            TradingWeek(
                start_ms=NOON_MS,
                end_ms=NOON_MS + 7 * 86_400_000,
                sessions=(
                    Session(day="thursday", open_minute=0, close_minute=180),
                    Session(day="thursday", open_minute=300, close_minute=1_440),
                ),
            ),
        ),
        maintenance=(MaintenanceWindow(start_ms=NOON_MS, end_ms=NOON_MS + 1_000),),
    )
    assert asked(transport) == "/exchange/schedule"


@pytest.mark.parametrize("text", ["", "5", "24:01", "12:60", "12:5", "a:bc", "012:00", "-1:00", "١٢:٠٠"])
async def test_a_time_of_day_that_is_none(text: str) -> None:
    week = {"start_time": "2026-06-11T12:00:00Z", "end_time": "2026-06-18T12:00:00Z"}
    hours = {**week, "monday": [{"open_time": text, "close_time": "12:00"}]}
    client, _ = client_with({"schedule": {"standard_hours": [hours]}})
    with pytest.raises(Malformed):
        await client.exchange_schedule()


async def test_where_the_past_begins() -> None:
    times = dict.fromkeys(("market_settled_ts", "trades_created_ts", "orders_updated_ts"), "2026-06-11T12:00:00Z")
    client, _ = client_with(times)
    assert await client.historical_cutoff() == HistoricalCutoff(
        market_settled_ms=NOON_MS, trades_created_ms=NOON_MS, orders_updated_ms=NOON_MS
    )
    client, _ = client_with({**times, "market_positions_last_updated_ts": "2026-06-11T12:00:01Z"})
    assert (await client.historical_cutoff()).positions_updated_ms == NOON_MS + 1_000


async def test_fee_overrides_of_events_come_and_go() -> None:
    change = {"event_ticker": "E", "series_ticker": "S", "scheduled_ts": "2026-06-11T12:00:00Z"}
    changes = [
        {**change, "fee_type_override": "quadratic_with_maker_fees", "fee_multiplier_override": 0.5},
        {**change, "fee_type_override": None, "fee_multiplier_override": None},
    ]
    client, transport = client_with({"event_fee_changes": changes, "cursor": "next"})
    (given, cleared), cursor = await client.event_fee_changes_page(event_ticker="E")
    assert given == EventFeeChange(
        event_ticker="E",
        series_ticker="S",
        fee_type_override="quadratic_with_maker_fees",
        fee_multiplier_override_e4=5_000,
        scheduled_time_ms=NOON_MS,
    )
    assert (cleared.fee_type_override, cleared.fee_multiplier_override_e4, cursor) == (None, None, "next")
    assert asked(transport) == "/events/fee_changes?limit=100&event_ticker=E"
    client, transport = client_with({"series_fee_change_arr": []})
    await client.series_fee_changes(series_ticker="S", show_historical=True)
    assert asked(transport) == "/series/fee_changes?series_ticker=S&show_historical=true"


async def test_the_waiver_of_a_market_s_fees() -> None:
    client, _ = client_with({"market": {**MARKET, "fee_waiver_expiration_time": "2026-06-11T12:00:00Z"}})
    assert (await client.market("A-B")).fee_waiver_until_ms == NOON_MS
    client, _ = client_with({"market": MARKET})
    assert (await client.market("A-B")).fee_waiver_until_ms is None


# Markets.


async def test_candles_of_one_market() -> None:
    client, transport = client_with({"ticker": "A-B", "candlesticks": [CANDLE]})
    (candle,) = await client.candlesticks("S", "A-B", start_ts_s=1, end_ts_s=2, minutes=60)
    assert candle == Candle(
        end_ts_s=1_781_179_200,
        yes_bid=Range(open_e4=PriceE4(4_000), high_e4=PriceE4(4_200), low_e4=PriceE4(3_900), close_e4=PriceE4(4_100)),
        yes_ask=Range(open_e4=PriceE4(4_000), high_e4=PriceE4(4_200), low_e4=PriceE4(3_900), close_e4=PriceE4(4_300)),
        traded=Range(open_e4=PriceE4(4_000), high_e4=PriceE4(4_200), low_e4=PriceE4(3_900), close_e4=PriceE4(4_100)),
        mean_e6=MoneyE6(405_123),
        previous_e4=PriceE4(3_800),
        volume_e2=CountE2(1_250),
        open_interest_e2=CountE2(10_000),
    )
    assert asked(transport) == "/series/S/markets/A-B/candlesticks?start_ts=1&end_ts=2&period_interval=60"


@pytest.mark.parametrize("price", [{}, dict.fromkeys(("open_dollars", "mean_dollars", "previous_dollars"))])
async def test_a_candle_without_a_trade_has_quotes_alone(price: dict[str, None]) -> None:
    client, _ = client_with({"candlesticks": [{**CANDLE, "price": price}]})
    (candle,) = await client.candlesticks("S", "A-B", start_ts_s=1, end_ts_s=2, minutes=1)
    assert (candle.traded, candle.mean_e6, candle.previous_e4) == (None, None, None)
    assert candle.yes_bid.close_e4 == 4_100


async def test_candles_of_several_markets_and_of_the_past() -> None:
    bare = {name.removesuffix("_dollars"): text for name, text in QUOTE.items()}
    old = {
        "end_period_ts": 7,
        "yes_bid": bare,
        "yes_ask": bare,
        "price": bare,
        "volume": "1.00",
        "open_interest": "2.00",
    }
    client, transport = client_with({"markets": [{"market_ticker": "A-B", "candlesticks": [CANDLE, old]}]})
    ((ticker, candles),) = await client.batch_candlesticks(("A-B", "C"), start_ts_s=1, end_ts_s=2, minutes=1440)
    assert (ticker, [candle.end_ts_s for candle in candles]) == ("A-B", [1_781_179_200, 7])
    assert candles[1].traded == candles[0].traded
    expected = "/markets/candlesticks?market_tickers=A-B%2CC&start_ts=1&end_ts=2&period_interval=1440"
    assert asked(transport) == expected
    breaks: tuple[dict[str, Any], ...] = ({"yes_bid": {}}, {"volume_fp": None}, {"price": {"open_dollars": 1}})
    for broken in breaks:
        client, _ = client_with({"candlesticks": [{**CANDLE, **broken}]})
        with pytest.raises(Malformed):
            await client.candlesticks("S", "A-B", start_ts_s=1, end_ts_s=2, minutes=1)


async def test_several_books_at_once() -> None:
    book = {"yes_dollars": [["0.4700", "3.00"]], "no_dollars": [["0.4800", "2.00"]]}
    client, transport = client_with({"orderbooks": [{"ticker": "A", "orderbook_fp": book}]})
    (read,) = await client.order_books(("A", "B"))
    assert (read.ticker, read.bids) == ("A", (Level(price_e4=PriceE4(4_700), count_e2=CountE2(300)),))
    assert read.asks == (Level(price_e4=PriceE4(5_200), count_e2=CountE2(200)),)
    assert read.read_time_ms is not None
    assert asked(transport) == "/markets/orderbooks?tickers=A&tickers=B"


@pytest.mark.parametrize("count", [0, 101])
async def test_more_tickers_than_a_request_takes_are_refused_at_home(count: int) -> None:
    client, transport = client_with({})
    tickers = tuple(f"T{number}" for number in range(count))
    with pytest.raises(ValueError, match="1 to 100"):
        await client.order_books(tickers)
    with pytest.raises(ValueError, match="1 to 100"):
        await client.batch_candlesticks(tickers, start_ts_s=1, end_ts_s=2, minutes=1)
    assert transport.requests == []


async def test_what_has_left_the_live_endpoints() -> None:
    empty = {"orders": [], "fills": [], "markets": [], "trades": [], "cursor": ""}
    client, transport = client_with(empty)
    assert await client.historical_orders_page("c", ticker="A", min_ts_s=1, max_ts_s=2) == ((), "")
    assert asked(transport) == "/historical/orders?limit=1000&cursor=c&ticker=A&min_ts=1&max_ts=2"
    assert await client.historical_fills_page(limit=5) == ((), "")
    assert asked(transport) == "/historical/fills?limit=5"
    assert await client.historical_markets_page(series_ticker="S") == ((), "")
    assert asked(transport) == "/historical/markets?limit=1000&series_ticker=S"
    assert await client.historical_trades_page(ticker="A") == ((), "")
    assert asked(transport) == "/historical/trades?limit=1000&ticker=A"


# The account.


async def test_places_in_the_queue() -> None:
    client, transport = client_with({"queue_position_fp": "12.50"})
    assert await client.queue_position("o/1") == 1_250
    assert asked(transport) == "/portfolio/orders/o%2F1/queue_position"
    row = {"order_id": "o-1", "market_ticker": "A", "queue_position_fp": "0.00"}
    client, transport = client_with({"queue_positions": [row]})
    assert await client.queue_positions(market_tickers=("A", "B")) == (
        QueuePosition(order_id="o-1", ticker="A", ahead_e2=CountE2(0)),
    )
    assert asked(transport) == "/portfolio/orders/queue_positions?market_tickers=A%2CB"
    with pytest.raises(ValueError, match="neither"):
        await client.queue_positions()


async def test_narrowed_reads_of_the_account() -> None:
    client, transport = client_with({"balance_dollars": "1.00", "updated_ts": 1})
    await client.balance(exchange_index=0)
    assert asked(transport) == "/portfolio/balance?exchange_index=0"
    empty = {"market_positions": [], "fills": [], "settlements": [], "orders": [], "cursor": ""}
    client, transport = client_with(empty)
    await client.positions_page(settlement_status="all", event_ticker="E")
    assert asked(transport) == "/portfolio/positions?limit=1000&event_ticker=E&settlement_status=all"
    await client.fills_page(order_id="o-1", max_ts_s=9)
    assert asked(transport) == "/portfolio/fills?limit=100&order_id=o-1&max_ts=9"
    await client.settlements_page(ticker="A", min_ts_s=3)
    assert asked(transport) == "/portfolio/settlements?limit=100&ticker=A&min_ts=3"
    await client.orders_page(min_ts_s=3, max_ts_s=4)
    assert asked(transport) == "/portfolio/orders?limit=1000&min_ts=3&max_ts=4"


# Writes.


async def test_cancel_all_has_no_body_and_no_answer() -> None:
    client, transport = client_with(None, 204)
    await client.cancel_all_orders()
    assert (transport.last.method, asked(transport), transport.last.content) == (
        "DELETE",
        "/portfolio/events/orders",
        b"",
    )


async def test_a_group_is_reset_and_limited_on_its_shard() -> None:
    client, transport = client_with({})
    await client.reset_order_group("g-1", 2)
    assert (transport.last.method, asked(transport)) == ("PUT", "/portfolio/order_groups/g-1/reset?exchange_index=2")
    await client.limit_order_group("g-1", 2, CountE2(1_250))
    assert asked(transport) == "/portfolio/order_groups/g-1/limit?exchange_index=2"
    assert transport.body() == {"contracts_limit_fp": "12.50"}


async def test_money_moves_between_shards_in_hundredths_of_a_cent() -> None:
    client, transport = client_with({"transfer_id": "t-1"})
    made = await client.transfer_between_shards(
        client_transfer_id="c-1", source_index=0, destination_index=2, amount_e6=MoneyE6(1_500_100)
    )
    assert made == "t-1"
    assert transport.body() == {
        "client_transfer_id": "c-1",
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": 0,
        "destination_exchange_shard": 2,
        "amount": 15_001,
    }
    for amount_e6 in (0, -100, 99):
        with pytest.raises(ValueError, match="positive multiple"):
            await client.transfer_between_shards(
                client_transfer_id="c-2", source_index=0, destination_index=2, amount_e6=MoneyE6(amount_e6)
            )
    assert len(transport.requests) == 1
    client, _ = client_with({"thanks": True})
    with pytest.raises(OutcomeUnknown):
        await client.transfer_between_shards(
            client_transfer_id="c-1", source_index=0, destination_index=2, amount_e6=MoneyE6(100)
        )


async def test_what_became_of_a_transfer() -> None:
    row = {
        "transfer_id": "t-1",
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": 0,
        "destination_exchange_shard": 2,
        "amount": "1.5001",
        "status": "pending",
        "created_ts": 9,
    }
    expected = ShardTransfer(
        transfer_id="t-1",
        client_transfer_id=None,
        source_index=0,
        destination_index=2,
        amount_e6=MoneyE6(1_500_100),
        is_complete=False,
        created_ts_s=9,
    )
    client, transport = client_with({"transfer": row})
    assert await client.shard_transfer("t-1") == expected
    assert asked(transport) == "/portfolio/intra_exchange_instance_transfers/t-1"
    client, transport = client_with({"transfers": [row, {**row, "status": "complete", "client_transfer_id": "c-1"}]})
    (first, second), cursor = await client.shard_transfers_page()
    assert (first, second.is_complete, second.client_transfer_id, cursor) == (expected, True, "c-1", "")
