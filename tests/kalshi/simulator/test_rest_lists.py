"""Lists over REST: filters and which go together, paging that ends, orders of rows, candles, and refusals' forms."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.kalshi.simulator.customer import OTHER_TICKER, START_MS, SUB_CENT_TICKER, TICKER, World
from tests.kalshi.simulator.test_rest_reads import pages

_NOW_S = START_MS // 1000


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("min_created_ts=1", 200),
        ("min_created_ts=1&status=open", 200),
        ("max_created_ts=1&status=unopened", 200),
        ("min_created_ts=1&status=closed", 400),
        ("min_close_ts=1&status=closed", 200),
        ("min_close_ts=1&status=open", 400),
        ("max_close_ts=1&status=settled", 400),
        ("min_settled_ts=1&status=settled", 200),
        ("min_settled_ts=1&status=closed", 400),
        ("min_created_ts=1&max_close_ts=5", 400),
        ("min_updated_ts=1", 400),
        ("min_updated_ts=1&mve_filter=exclude", 200),
        ("min_updated_ts=1&mve_filter=exclude&series_ticker=KXTEST", 200),
        ("min_updated_ts=1&mve_filter=exclude&status=open", 400),
        (f"min_updated_ts=1&mve_filter=exclude&tickers={TICKER}", 400),
        ("mve_filter=some", 400),
        ("min_close_ts=soon", 400),
    ],
)
async def test_time_filters_go_with_some_other_filters_only(query: str, status: int) -> None:
    assert (await World().alice.send("GET", f"/markets?{query}")).status_code == status


async def test_the_updated_time_is_of_metadata_not_of_trades() -> None:
    world = World()
    query = f"/markets?mve_filter=exclude&min_updated_ts={_NOW_S}"
    world.pass_time(5_000)
    await world.bob.place("ask", "0.5000")
    await world.alice.place("bid", "0.5000")
    assert (await world.alice.get(query))["markets"] == []
    world.exchange.lifecycle.schedule_close(TICKER, START_MS + 7_200_000)
    assert [row["ticker"] for row in (await world.alice.get(query))["markets"]] == [TICKER]
    events = await world.alice.get(f"/events?min_updated_ts={_NOW_S}")
    assert [row["event_ticker"] for row in events["events"]] == ["KXTEST-26NOV20"]
    series = await world.alice.get(f"/series?min_updated_ts={_NOW_S}")
    assert [row["ticker"] for row in series["series"]] == ["KXTEST"]


@pytest.mark.parametrize(
    ("query", "tickers"),
    [
        ("", ["KXTEST-26NOV20", "KXCOIN-26NOV20"]),
        ("series_ticker=KXCOIN", ["KXCOIN-26NOV20"]),
        ("tickers=KXTEST-26NOV20,NONE", ["KXTEST-26NOV20"]),
        (f"min_close_ts={_NOW_S + 3_599}", ["KXTEST-26NOV20", "KXCOIN-26NOV20"]),
        (f"min_close_ts={_NOW_S + 3_600}", []),
        ("status=open", ["KXTEST-26NOV20", "KXCOIN-26NOV20"]),
        ("status=closed", ["KXTEST-26NOV20"]),
        ("status=settled", []),
    ],
)
async def test_event_filters_match_any_market_of_the_event(query: str, tickers: list[str]) -> None:
    world = World()
    world.exchange.lifecycle.determine(TICKER, "yes")
    rows = (await world.alice.get(f"/events?{query}"))["events"]
    assert [row["event_ticker"] for row in rows] == tickers


async def test_loose_paging_has_empty_pages_with_a_cursor_and_loses_nothing() -> None:
    world = World(paging="loose")
    for cents in range(10, 17):
        await world.alice.place("bid", f"0.{cents}00", "1.00")
    assert len({row["order_id"] for row in await pages(world, "/portfolio/orders", "orders", 3)}) == 7
    first = await world.alice.get("/portfolio/orders?limit=3")
    second = await world.alice.get(f"/portfolio/orders?limit=3&cursor={first['cursor']}")
    assert (len(first["orders"]), second["orders"]) == (3, [])
    assert second["cursor"] not in ("", first["cursor"])


async def test_rows_that_go_between_two_pages_neither_hide_others_nor_start_the_walk_again() -> None:
    world = World()
    acks = []
    for _ in range(6):
        acks.append(await world.alice.place("bid", "0.1000", "1.00"))
        world.pass_time(10)
    newest_first = [ack["order_id"] for ack in reversed(acks)]
    first = await world.alice.get("/portfolio/orders?limit=2&status=resting")
    for order_id in newest_first[:3]:
        await world.alice.send("DELETE", f"/portfolio/events/orders/{order_id}")
    second = await world.alice.get(f"/portfolio/orders?limit=9&status=resting&cursor={first['cursor']}")
    assert [row["order_id"] for row in first["orders"]] == newest_first[:2]
    assert [row["order_id"] for row in second["orders"]] == newest_first[3:]


@pytest.mark.parametrize(
    ("path", "operation", "tag"),
    [
        ("/markets?limit=1001", "GetMarkets", "lte"),
        ("/markets/trades?limit=-1", "GetTrades", "gte"),
        ("/portfolio/fills?limit=1001", "GetFills", "max"),
        ("/portfolio/orders?limit=-1", "GetOrders", "min"),
        ("/portfolio/deposits?limit=501", "GetDeposits", "max"),
        ("/events?limit=201", "GetEvents", "max"),
        ("/incentive_programs?limit=10001", "GetIncentivePrograms", "max"),
    ],
)
async def test_limits_are_not_clamped(path: str, operation: str, tag: str) -> None:
    answer = await World().alice.send("GET", path)
    expected = (
        f"Parameter validation failed for {operation}: Key: '{operation}Params.Limit' "
        f"Error:Field validation for 'Limit' failed on the '{tag}' tag"
    )
    assert (answer.status_code, answer.json()) == (400, {"msg": expected})


async def test_settled_positions_page_by_event_under_a_cursor_of_their_own() -> None:
    world = World()
    for ticker, shard in ((TICKER, 0), (OTHER_TICKER, 0), (SUB_CENT_TICKER, 2)):
        await world.bob.place("ask", "0.5000", ticker=ticker, exchange_index=shard)
        await world.alice.place("bid", "0.5000", ticker=ticker, exchange_index=shard)
        world.exchange.lifecycle.determine(ticker, "no")
    assert len((await world.alice.get("/portfolio/positions"))["market_positions"]) == 3
    world.pass_time(21_000)
    assert (await world.alice.get("/portfolio/positions"))["market_positions"] == []
    path = "/portfolio/positions?settlement_status=settled&limit=1"
    first = await world.alice.get(path)
    second = await world.alice.get(f"{path}&cursor={first['cursor']}")
    assert [row["ticker"] for row in first["market_positions"]] == [SUB_CENT_TICKER]
    assert {row["ticker"] for row in second["market_positions"]} == {TICKER, OTHER_TICKER}
    assert second["cursor"] == ""
    mixed = await world.alice.send("GET", f"/portfolio/positions?settlement_status=all&cursor={first['cursor']}")
    assert mixed.status_code == 400
    for query in ("settlement_status=late", "count_filter=colour"):
        assert (await world.alice.send("GET", f"/portfolio/positions?{query}")).status_code == 400
    settled = await world.alice.get("/portfolio/settlements?event_ticker=KXCOIN-26NOV20")
    assert [row["ticker"] for row in settled["settlements"]] == [SUB_CENT_TICKER]


async def test_candles_know_the_price_before_them_and_may_start_with_it() -> None:
    world = World()
    span = f"start_ts={_NOW_S + 90}&end_ts={_NOW_S + 600}&period_interval=1"
    path = f"/series/KXTEST/markets/{TICKER}/candlesticks?{span}"
    world.pass_time(150_000)
    await world.bob.place("ask", "0.6000")
    await world.alice.place("bid", "0.6000")
    plain = (await world.alice.get(path))["candlesticks"]
    started = (await world.alice.get(f"{path}&include_latest_before_start=true"))["candlesticks"]
    assert plain[-1]["price"]["close_dollars"] == "0.6000"
    assert plain[-1]["price"]["previous_dollars"] != "0.6000"
    assert started[-1] == plain[-1]
    assert started[0]["price"].keys() == {"previous_dollars"}
    assert started[0]["end_period_ts"] == _NOW_S + 120
    event = await world.alice.get(f"/series/KXTEST/events/KXTEST-26NOV20/candlesticks?{span}")
    assert event["market_tickers"] == [TICKER, OTHER_TICKER]
    assert event["market_candlesticks"][0] == plain
    week = f"start_ts={_NOW_S - 86_400 * 7}&end_ts={_NOW_S}&period_interval=1"
    cut = await world.alice.get(f"/series/KXTEST/events/KXTEST-26NOV20/candlesticks?{week}")
    assert cut["adjusted_end_ts"] == _NOW_S - 86_400 * 7 + 2_500 * 60
    for bad in (
        f"/series/KXCOIN/markets/{TICKER}/candlesticks?{span}",
        f"/series/KXCOIN/events/KXTEST-26NOV20/candlesticks?{span}",
    ):
        assert (await world.alice.send("GET", bad)).status_code == 404
    for bad in (f"{path}&period_interval=5", f"/markets/candlesticks?market_tickers={TICKER}&{week}"):
        assert (await world.alice.send("GET", bad)).status_code == 400


async def test_a_tier_is_granted_by_the_first_order_and_its_budget_holds_at_once() -> None:
    world = World(tier="basic")
    upgrade = "/account/api_usage_level/upgrade"
    assert (await world.alice.send("POST", upgrade)).status_code == 403
    await world.alice.place("bid", "0.1000")
    assert (await world.alice.send("POST", upgrade)).status_code == 201
    limits = await world.alice.get("/account/limits")
    assert (limits["usage_tier"], limits["write"]["refill_rate"]) == ("advanced", 300)
    assert limits["grants"] == [{"exchange_instance": "event_contract", "level": "advanced", "source": "manual"}]
    assert [(await world.alice.create("bid", "0.1000")).status_code for _ in range(91)] == [201] * 90 + [429]
    progress = (await world.alice.get("/account/api_usage_level/volume_progress"))["volume_progress"][0]
    assert [goal["level"] for goal in progress["goals"]] == ["expert", "premier", "paragon", "prime", "prestige"]


@pytest.mark.parametrize(("shape", "body"), [("flat", "too many requests"), ("nested", None)])
async def test_a_429_does_nothing_and_tells_no_time(shape: str, body: str | None) -> None:
    world = World(tier="basic", too_many_requests_shape=shape)
    answers = [await world.alice.create("bid", "0.1000") for _ in range(11)]
    last = answers[-1]
    nested = {"code": "too_many_requests", "message": "too many requests"}
    assert (last.status_code, last.json()) == (429, {"error": body or nested})
    assert not [name for name in last.headers if name.lower().startswith(("retry-after", "x-ratelimit"))]
    assert len(world.exchange.truth.resting_orders("alice")) == 10


async def test_writes_bill_the_bucket_of_their_shard() -> None:
    world = World(tier="basic")
    for _ in range(10):
        assert (await world.alice.create("bid", "0.1000")).status_code == 201
    coin = {"ticker": SUB_CENT_TICKER}
    assert (await world.alice.create("bid", "0.1000", exchange_index=2, **coin)).status_code == 201
    routed = world.alice.order("bid", "0.1000", **coin)
    del routed["exchange_index"]
    assert (await world.alice.send("POST", "/portfolio/events/orders", routed)).status_code == 429
    batch = {"orders": [world.alice.order("bid", "0.1000", exchange_index=2, **coin)]}
    assert (await world.alice.send("POST", "/portfolio/events/orders/batched", batch)).status_code == 429
    assert (await world.alice.create("bid", "0.1000", exchange_index=2, **coin)).status_code == 201


async def test_public_reads_may_be_seconds_old_and_signed_ones_never() -> None:
    for cache_s, unsigned in ((0, "0.2000"), (15, "0.0000")):
        world = World(public_cache_s=cache_s)
        path = f"/markets/{TICKER}"
        await world.bob.send("GET", path, headers={})
        await world.bob.place("bid", "0.2000")
        world.pass_time(14_999)
        assert (await world.bob.send("GET", path, headers={})).json()["market"]["yes_bid_dollars"] == unsigned
        assert (await world.bob.get(path))["market"]["yes_bid_dollars"] == "0.2000"
        world.pass_time(1)
        assert (await world.bob.send("GET", path, headers={})).json()["market"]["yes_bid_dollars"] == "0.2000"


async def test_every_shard_has_its_status() -> None:
    world = World()
    world.exchange.lifecycle.set_pause(trading_active=False)
    status = await world.alice.get("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (True, False)
    assert [row["exchange_index"] for row in status["exchange_index_statuses"]] == [0, 1, 2, 3]
    assert not any(row["trading_active"] for row in status["exchange_index_statuses"])


async def test_senseless_requests_never_break_the_exchange_nor_move_money() -> None:
    """Structure-aware noise on the endpoints that take bodies and queries: no 5xx, and money stays where it was."""
    world, rng = World(), random.Random(11)
    words: tuple[Any, ...] = ("", "x", "-1", "1e9", "0.00", "9" * 40, TICKER, "\x00", None, -1, 0, 2**70, 1.5, True)
    fields = [
        *("ticker", "side", "count", "price", "subaccount", "exchange_index", "expiration_time", "orders", "amount"),
        *("contracts_limit", "allocations", "scopes", "name", "public_key", "client_transfer_id", "source"),
    ]
    targets = [
        ("POST", "/portfolio/events/orders"),
        ("POST", "/portfolio/events/orders/batched"),
        ("DELETE", "/portfolio/events/orders/batched"),
        ("POST", "/portfolio/order_groups/create"),
        ("POST", "/portfolio/intra_exchange_instance_transfer"),
        ("POST", "/portfolio/subaccounts/transfer"),
        ("POST", "/portfolio/target_balance_allocation"),
        ("PUT", "/portfolio/subaccounts/netting"),
        ("POST", "/api_keys"),
        ("GET", "/markets"),
        ("GET", "/markets/candlesticks"),
        ("GET", "/portfolio/positions"),
        ("GET", "/portfolio/orders"),
        ("GET", "/historical/fills"),
        ("GET", "/incentive_programs"),
    ]
    queries = ("limit", "cursor", "status", "min_ts", "subaccount", "exchange_index", "tickers", "period_interval")
    values = ("", "0", "-5", "1" * 30, "x", "AAAA")
    for _ in range(400):
        method, path = rng.choice(targets)
        body: Any = {name: rng.choice((*words, [], {}, [{}], [1])) for name in rng.sample(fields, 5)}
        body = rng.choice((body, body, body, [], 3, "text"))
        query = "&".join(f"{rng.choice(queries)}={rng.choice(values)}" for _ in range(3))
        answer = await world.alice.send(method, f"{path}?{query}", None if method == "GET" else body)
        assert answer.status_code < 500, (method, path, query, body, answer.text)
    assert world.exchange.truth.cash_by_shard_e6("alice") == {0: 10_000_000_000, 2: 10_000_000_000}
    assert world.exchange.core.imbalance_e6() == 0
