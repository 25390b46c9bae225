"""Reads over REST: authentication, paging, filters, shapes as recorded, and the Date on every answer."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from kalshi.signing import Signer, generate_key_pair
from tests.kalshi.simulator.customer import OTHER_TICKER, PREFIX, SUB_CENT_TICKER, TICKER, World
from tests.kalshi.simulator.test_rest_orders import recorded

_PATH = "/portfolio/balance"


async def test_a_signed_read_is_answered_in_the_recorded_shape() -> None:
    world = World()
    body = await world.alice.get(_PATH)
    assert body.keys() == recorded("auth__balance_ok").keys()
    assert (body["balance"], body["balance_dollars"]) == (2_000_000, "20000.0000")
    assert body["balance_breakdown"] == [
        {"exchange_index": 0, "balance": "10000.0000"},
        {"exchange_index": 2, "balance": "10000.0000"},
    ]


@pytest.mark.parametrize(
    ("skew_ms", "status", "name"),
    [
        (-5_000, 200, None),
        (5_000, 200, None),
        (-30_000, 401, "auth__skew_minus30s"),
        (300_000, 401, "auth__skew_plus5min"),
        (-300_000, 401, "auth__skew_minus5min"),
    ],
)
async def test_the_clock_may_be_seconds_off_but_not_half_a_minute(skew_ms: int, status: int, name: str | None) -> None:
    world = World()
    headers = world.alice.signer.headers("GET", PREFIX + _PATH, world.clock() + skew_ms)
    answer = await world.alice.send("GET", _PATH, headers=headers)
    assert answer.status_code == status
    if name is not None:
        assert answer.json() == recorded(name)


async def test_bad_credentials_have_the_recorded_bodies() -> None:
    world = World()
    good = world.alice.signer.headers("GET", PREFIX + _PATH, world.clock())
    forged = Signer("alice", generate_key_pair("ed25519")[0]).headers("GET", PREFIX + _PATH, world.clock())
    cases = {
        "auth__bad_signature": forged,
        "auth__unknown_key_id": {**good, "KALSHI-ACCESS-KEY": "00000000-0000-0000-0000-000000000000"},
        "auth__missing_signature_header": {
            name: value for name, value in good.items() if name != "KALSHI-ACCESS-SIGNATURE"
        },
    }
    for name, headers in cases.items():
        answer = await world.alice.send("GET", _PATH, headers=headers)
        assert (answer.status_code, answer.json()) == (401, recorded(name))


async def test_rsa_keys_sign_as_well_and_the_query_is_not_signed() -> None:
    world = World()
    private_pem, public_pem = generate_key_pair("rsa")
    world.exchange.core.accounts_by_key["alice"].public_key_pem = public_pem
    headers = Signer("alice", private_pem).headers("GET", PREFIX + "/portfolio/fills", world.clock())
    assert (await world.alice.send("GET", "/portfolio/fills?limit=5", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", [_PATH, "/markets", "/nowhere", "/portfolio/orders/unknown"])
async def test_every_answer_carries_the_exchange_clock(path: str) -> None:
    world = World()
    answer = await world.alice.send("GET", path)
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == world.clock() // 1000


async def test_public_reads_need_no_signature_and_have_a_limit_of_their_own() -> None:
    world = World(public_requests_per_s=3.0)
    statuses = [(await world.alice.send("GET", "/markets", headers={})).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert (await world.alice.send("GET", _PATH, headers={})).status_code == 401


async def test_a_trailing_slash_is_redirected() -> None:
    answer = await World().alice.send("GET", "/markets/")
    assert (answer.status_code, answer.headers["location"]) == (301, PREFIX + "/markets")


async def test_a_market_has_every_required_field_and_no_series_ticker() -> None:
    world = World()
    await world.bob.place("bid", "0.4000", "3.00")
    market = (await world.alice.get(f"/markets/{TICKER}"))["market"]
    gone = {"fractional_trading_enabled", "liquidity_dollars", "response_price_units"}
    optional = {"custom_strike", "early_close_condition", "occurrence_datetime", "primary_participant_key"}
    assert recorded("markets__single")["market"].keys() - gone - optional <= market.keys()
    assert "series_ticker" not in market
    assert (market["yes_bid_dollars"], market["yes_bid_size_fp"]) == ("0.4000", "3.00")
    assert (market["yes_ask_dollars"], market["yes_ask_size_fp"]) == ("1.0000", "0.00")
    assert (market["no_bid_dollars"], market["no_ask_dollars"]) == ("0.0000", "0.6000")
    assert (market["status"], market["exchange_index"]) == ("active", 0)


async def test_the_book_is_two_lists_of_bids_best_last() -> None:
    world = World()
    for side, price in (("bid", "0.4700"), ("bid", "0.4600"), ("ask", "0.5200"), ("ask", "0.5300")):
        await world.bob.place(side, price, "3.00")
    expected = {
        "yes_dollars": [["0.4600", "3.00"], ["0.4700", "3.00"]],
        "no_dollars": [["0.4700", "3.00"], ["0.4800", "3.00"]],
    }
    assert (await world.alice.get(f"/markets/{TICKER}/orderbook"))["orderbook_fp"] == expected
    assert (await world.alice.get(f"/markets/{TICKER}/orderbook?depth=1"))["orderbook_fp"] == {
        "yes_dollars": [["0.4700", "3.00"]],
        "no_dollars": [["0.4800", "3.00"]],
    }
    both = await world.alice.get(f"/markets/orderbooks?tickers={TICKER}&tickers={OTHER_TICKER}")
    assert [row["ticker"] for row in both["orderbooks"]] == [TICKER, OTHER_TICKER]


async def pages(world: World, path: str, key: str, limit: int) -> list[Any]:
    """Follows cursors to the end and returns all rows."""
    rows: list[Any] = []
    cursor = ""
    while True:
        body = await world.alice.get(f"{path}?limit={limit}&cursor={cursor}")
        assert len(body[key]) <= limit
        rows += body[key]
        cursor = body["cursor"]
        if not cursor:
            return rows


async def test_pages_cover_everything_once() -> None:
    world = World()
    for cents in range(10, 17):
        await world.alice.place("bid", f"0.{cents}00", "1.00")
    orders = await pages(world, "/portfolio/orders", "orders", 3)
    assert len({order["order_id"] for order in orders}) == len(orders) == 7
    assert len(await pages(world, "/markets", "markets", 2)) == 3
    assert [event["event_ticker"] for event in await pages(world, "/events", "events", 1)] == [
        "KXTEST-26NOV20",
        "KXCOIN-26NOV20",
    ]


async def test_query_oddities_are_as_recorded() -> None:
    world = World()
    too_many = await world.alice.send("GET", "/markets?limit=1001")
    assert (too_many.status_code, too_many.json()) == (400, recorded("markets__limit_over_max"))
    assert len((await world.alice.get("/markets?cursor=garbage-cursor-fixture"))["markets"]) == 3
    bad_status = await world.alice.send("GET", "/markets?status=active")
    assert bad_status.json()["error"]["details"] == "invalid status filter"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=open", 3),
        ("status=closed", 0),
        ("event_ticker=KXTEST-26NOV20", 2),
        ("series_ticker=KXCOIN", 1),
        (f"tickers={TICKER},{SUB_CENT_TICKER}", 2),
        ("mve_filter=only", 0),
        ("mve_filter=exclude", 3),
        ("min_close_ts=1795186501", 0),
        ("max_created_ts=1795182900", 3),
        ("min_settled_ts=1", 0),
    ],
)
async def test_market_filters(query: str, count: int) -> None:
    assert len((await World().alice.get(f"/markets?{query}"))["markets"]) == count


async def test_series_and_events_tell_category_fee_and_shard() -> None:
    world = World()
    series = (await world.alice.get("/series/KXCOIN"))["series"]
    assert (series["category"], series["fee_type"], series["fee_multiplier"], series["exchange_index"]) == (
        "Crypto",
        "quadratic",
        1.0,
        2,
    )
    assert len((await world.alice.get("/series?category=Sports"))["series"]) == 1
    event = await world.alice.get("/events/KXTEST-26NOV20?with_nested_markets=true")
    assert event["event"]["mutually_exclusive"] is True
    assert [market["ticker"] for market in event["event"]["markets"]] == [TICKER, OTHER_TICKER]
    assert len((await world.alice.get("/events/KXTEST-26NOV20"))["markets"]) == 2
    for path in ("/series/NONE", "/events/NONE", "/markets/NONE", "/events/NONE/metadata"):
        assert (await world.alice.send("GET", path)).status_code == 404


async def test_orders_fills_and_positions_after_a_trade() -> None:
    world = World()
    await world.bob.place("ask", "0.5200", "3.00")
    ack = await world.alice.place("bid", "0.9900", "1.00", time_in_force="immediate_or_cancel")
    fills = (await world.alice.get("/portfolio/fills"))["fills"]
    expected = recorded("fills__after_taker")["fills"][0]
    assert expected.keys() <= fills[0].keys()
    same = ("action", "book_side", "count_fp", "fee_cost", "is_taker", "outcome_side", "yes_price_dollars")
    assert {name: fills[0][name] for name in same} == {name: expected[name] for name in same}
    assert "client_order_id" not in fills[0]

    order = (await world.alice.get(f"/portfolio/orders/{ack['order_id']}"))["order"]
    assert recorded("orders__get_after_create")["order"].keys() <= order.keys()
    assert (order["status"], order["yes_price_dollars"]) == ("executed", "0.9900")
    assert order["taker_fill_cost_dollars"] == "0.520000"

    positions = await world.alice.get("/portfolio/positions")
    recorded_position = recorded("portfolio__positions")["market_positions"][0]
    assert recorded_position.keys() - {"resting_orders_count"} <= positions["market_positions"][0].keys()
    assert positions["market_positions"][0]["market_exposure_dollars"] == "0.520000"
    assert positions["event_positions"][0]["event_ticker"] == "KXTEST-26NOV20"
    maker = (await world.bob.get("/portfolio/fills"))["fills"][0]
    assert (maker["outcome_side"], maker["action"], maker["fee_cost"]) == ("no", "sell", "0.000000")


async def test_order_filters_and_queue_positions() -> None:
    world = World()
    await world.bob.place("bid", "0.4000", "5.00")
    ack = await world.alice.place("bid", "0.4000", "1.00")
    gone = await world.alice.place("bid", "0.3000", "1.00")
    await world.alice.send("DELETE", f"/portfolio/events/orders/{gone['order_id']}?exchange_index=0")
    for query, count in (
        ("status=resting", 1),
        ("status=canceled", 1),
        ("status=executed", 0),
        (f"ticker={TICKER}", 2),
        ("event_ticker=KXCOIN-26NOV20", 0),
        ("min_ts=9999999999", 0),
    ):
        assert len((await world.alice.get(f"/portfolio/orders?{query}"))["orders"]) == count
    assert (await world.alice.send("GET", "/portfolio/orders?status=open")).status_code == 400
    position = await world.alice.get(f"/portfolio/orders/{ack['order_id']}/queue_position")
    assert position == {"queue_position_fp": "5.00"}
    rows = await world.alice.get(f"/portfolio/orders/queue_positions?market_tickers={TICKER}")
    assert rows["queue_positions"][0]["queue_position_fp"] == "5.00"


async def test_candles_trades_and_the_smaller_public_reads() -> None:
    world = World()
    await world.bob.place("ask", "0.5200", "3.00")
    await world.alice.place("bid", "0.5200", "1.00")
    now_s = world.clock() // 1000
    span = f"start_ts={now_s - 7_200}&end_ts={now_s + 60}"
    minutes = (await world.alice.get(f"/series/KXTEST/markets/{TICKER}/candlesticks?{span}&period_interval=1"))[
        "candlesticks"
    ]
    assert len(minutes) > 100
    assert minutes[-1]["price"]["close_dollars"] == "0.5200"
    hours = await world.alice.get(f"/markets/candlesticks?market_tickers={TICKER}&{span}&period_interval=60")
    assert 2 <= len(hours["markets"][0]["candlesticks"]) <= 4
    week = f"start_ts={now_s - 7 * 86_400}&end_ts={now_s + 86_400}"
    days = await world.alice.get(f"/markets/candlesticks?market_tickers={TICKER}&{week}&period_interval=1440")
    assert days["markets"][0]["candlesticks"]
    trades = (await world.alice.get(f"/markets/trades?ticker={TICKER}&limit=5"))["trades"]
    assert trades[0].keys() == recorded("trades__public_recorded")["trades"][0].keys()
    assert (trades[0]["yes_price_dollars"], trades[0]["taker_book_side"]) == ("0.5200", "bid")
    assert (await world.alice.get("/exchange/status"))["trading_active"] is True
    assert (await world.alice.get("/exchange/schedule"))["schedule"]["maintenance_windows"] == []
    assert (await world.alice.get("/series/fee_changes")) == recorded("series__fee_changes")
    assert (await world.alice.get("/account/endpoint_costs"))["default_cost"] == 10
    assert (await world.alice.get("/incentive_programs"))["next_cursor"] == ""
    assert (await world.alice.get("/portfolio/settlements")) == recorded("settlements__page")
    assert (await world.alice.get("/historical/cutoff")).keys() >= {"orders_updated_ts"}


async def test_limits_are_those_of_the_tier() -> None:
    assert await World(tier="basic").alice.get("/account/limits") == {
        "usage_tier": "basic",
        "read": {"refill_rate": 200, "bucket_capacity": 600},
        "write": {"refill_rate": 100, "bucket_capacity": 100},
        "grants": [],
    }
