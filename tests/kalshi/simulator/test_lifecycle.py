"""The clock's work: expiry, close, determination, payout; and pauses."""

from __future__ import annotations

import pytest

from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.pauses import in_maintenance, maintenance_windows
from kalshi.simulator.price_grid import STRUCTURES
from kalshi.simulator.settings import SimulatorSettings
from kalshi.simulator.timestamps import rfc3339
from kalshi.types import MarketStatus
from tests.kalshi.simulator.customer import OTHER_TICKER, START_MS, TICKER, World, command, frames


async def test_an_expired_order_is_gone_within_a_tenth_of_a_second() -> None:
    world = World()
    expires_s = world.clock() // 1000 + 5
    ack = await world.alice.place("bid", "0.4000", expiration_time=expires_s)
    world.pass_time(4_950)
    assert len(world.exchange.truth.resting_orders("alice")) == 1
    world.pass_time(100)
    assert world.exchange.truth.resting_orders("alice") == []
    order = (await world.alice.get(f"/portfolio/orders/{ack['order_id']}"))["order"]
    assert (order["status"], order["remaining_count_fp"]) == ("canceled", "0.00")


async def test_a_cleared_expiry_lets_the_order_rest_on() -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000", expiration_time=world.clock() // 1000 + 5)
    body = {"ticker": TICKER, "side": "bid", "price": "0.4000", "count": "10.00", "expiration_time": 0}
    await world.alice.send("POST", f"/portfolio/events/orders/{ack['order_id']}/amend", body)
    world.pass_time(10_000)
    assert len(world.exchange.truth.resting_orders("alice")) == 1


async def test_a_market_closes_settles_and_pays() -> None:
    world = World(close_in_s={TICKER: 60, OTHER_TICKER: 60})
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["market_lifecycle_v2", "user_orders"])
    command(session, 2, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
    await world.bob.place("ask", "0.4000", "10.00")
    await world.alice.place("bid", "0.4000", "10.00")
    ack = await world.alice.place("bid", "0.3000", "5.00")
    frames(session)

    world.pass_time(60_000)
    assert world.exchange.truth.resting_orders("alice") == []
    closing = frames(session)
    order = next(frame["msg"] for frame in closing if frame["type"] == "user_order")
    assert (order["status"], order["last_update_reason"]) == ("canceled", "CloseCancel")
    for method, path, body in (
        ("POST", "/portfolio/events/orders", world.alice.order("bid", "0.3000")),
        ("DELETE", f"/portfolio/events/orders/{ack['order_id']}?exchange_index=0", None),
    ):
        refused = await world.alice.send(method, path, body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "market_inactive")

    world.pass_time(5_000)
    (snapshot,) = frames(session)
    assert snapshot["type"] == "orderbook_snapshot"
    assert snapshot["msg"].keys() == {"market_ticker", "market_id", "clock"}

    world.pass_time(5_000)
    determined = {frame["msg"]["market_ticker"]: frame["msg"]["result"] for frame in frames(session)}
    assert sorted(determined.values()) == ["no", "yes"]
    world.pass_time(20_000)
    market = (await world.alice.get(f"/markets/{TICKER}"))["market"]
    assert (market["status"], market["result"]) == ("finalized", determined[TICKER])
    assert market["expiration_value"] == determined[TICKER]
    revenue = 1_000 if determined[TICKER] == "yes" else 0
    (settled,) = (await world.alice.get("/portfolio/settlements"))["settlements"]
    assert (settled["revenue"], settled["yes_count_fp"], settled["fee_cost"]) == (revenue, "10.00", "0.168000")
    assert world.exchange.truth.positions("alice") == {}
    assert (await world.alice.get("/portfolio/positions"))["market_positions"] == []
    assert (await world.alice.get("/portfolio/positions?settlement_status=settled"))["market_positions"]
    assert world.exchange.truth.imbalance_e6() == 0


async def test_a_trading_pause_refuses_creates_lets_cancels_work_and_takes_the_orders_that_asked() -> None:
    world = World()
    ack = await world.alice.place("bid", "0.4000")
    await world.alice.place("bid", "0.4100", cancel_order_on_pause=True)
    world.exchange.lifecycle.set_pause(trading_active=False)
    assert [order.price_e4 for order in world.exchange.truth.resting_orders("alice")] == [4_000]
    refused = await world.alice.create("bid", "0.4000")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "trading_is_paused")
    path = f"/portfolio/events/orders/{ack['order_id']}?exchange_index=0"
    world.exchange.lifecycle.set_pause(trading_active=False, exchange_active=False)
    assert (await world.alice.send("DELETE", path)).status_code == 409
    assert (await world.alice.get("/exchange/status"))["exchange_active"] is False
    world.exchange.lifecycle.set_pause(trading_active=False)
    assert (await world.alice.send("DELETE", path)).status_code == 200
    world.exchange.lifecycle.set_pause(trading_active=True)
    await world.alice.place("bid", "0.4000")


async def test_a_halted_market_refuses_and_loses_its_orders_when_it_comes_back() -> None:
    world = World()
    await world.alice.place("bid", "0.4000")
    world.exchange.lifecycle.deactivate(TICKER)
    assert (await world.alice.create("bid", "0.4000")).status_code == 409
    assert len((await world.alice.get("/markets?status=paused"))["markets"]) == 1
    assert len(world.exchange.truth.resting_orders("alice")) == 1
    world.exchange.lifecycle.activate(TICKER)
    assert world.exchange.truth.resting_orders("alice") == []
    assert world.exchange.core.markets[TICKER].status is MarketStatus.ACTIVE


def test_a_moved_close_time_is_announced() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["market_lifecycle_v2"])
    world.exchange.lifecycle.schedule_close(TICKER, world.clock() + 10_000)
    (frame,) = frames(session)
    assert frame["msg"]["event_type"] == "close_date_updated"
    assert frame["msg"]["close_ts"] == (world.clock() + 10_000) // 1000
    assert world.exchange.core.markets[TICKER].listing.price_ranges == STRUCTURES["linear_cent"]


async def test_a_reopened_market_says_so_and_takes_orders_on_an_empty_book() -> None:
    world = World(close_in_s={TICKER: 60})
    session = world.alice.connect()
    await world.alice.place("bid", "0.3000", "5.00")
    world.pass_time(60_000)
    command(session, 1, "subscribe", channels=["market_lifecycle_v2"])
    command(session, 2, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
    close_ms = world.clock() + 120_000
    world.exchange.lifecycle.reopen(TICKER, close_ms)
    told = [frame["msg"] for frame in frames(session)]
    assert [(msg["event_type"], msg["market_ticker"]) for msg in told] == [
        ("close_date_updated", TICKER),
        ("activated", TICKER),
    ]
    assert told[0]["close_ts"] == close_ms // 1000
    assert (await world.alice.get(f"/markets/{TICKER}"))["market"]["status"] == "active"
    await world.alice.place("bid", "0.3100", "5.00")
    frames(session)
    # Neither the empty snapshot nor the result of the first close comes any more.
    world.pass_time(30_000)
    assert frames(session) == []
    assert len(world.exchange.truth.resting_orders("alice")) == 1
    seen: list[MarketStatus] = []
    for passed_ms in (90_000, 10_000):
        world.pass_time(passed_ms)
        seen.append(world.exchange.core.markets[TICKER].status)
    assert seen == [MarketStatus.CLOSED, MarketStatus.DETERMINED]
    with pytest.raises(ValueError, match="is determined and cannot reopen"):
        world.exchange.lifecycle.reopen(TICKER, close_ms + 600_000)


def test_a_reopening_may_be_told_by_its_close_time_alone() -> None:
    world = World(close_in_s={TICKER: 60}, announces_reopening=False)
    session = world.alice.connect()
    world.pass_time(60_000)
    command(session, 1, "subscribe", channels=["market_lifecycle_v2"])
    world.exchange.lifecycle.reopen(TICKER, world.clock() + 120_000)
    assert [frame["msg"]["event_type"] for frame in frames(session)] == ["close_date_updated"]


_THURSDAY_3_MS = 1_795_680_000_000  # 2026-11-26 03:00 in New York


async def test_the_schedule_tells_the_weekly_windows_where_they_are_on() -> None:
    world = World(weekly_maintenance=True)
    schedule = (await world.alice.get("/exchange/schedule"))["schedule"]
    windows = schedule["maintenance_windows"]
    assert windows[0] == {"start_datetime": "2026-11-26T08:00:00Z", "end_datetime": "2026-11-26T10:00:00Z"}
    assert [window["start_datetime"][:10] for window in windows] == [
        "2026-11-26",
        "2026-12-03",
        "2026-12-10",
        "2026-12-17",
    ]
    assert (await World().alice.get("/exchange/schedule"))["schedule"]["maintenance_windows"] == []


async def test_the_status_estimates_the_end_of_a_maintenance_and_of_no_other_pause() -> None:
    world = World(weekly_maintenance=True)
    told = []
    for at_ms in (-1, 0, 7_200_000 - 1, 7_200_000):
        world.pass_time(_THURSDAY_3_MS + at_ms - world.clock())
        status = await world.alice.get("/exchange/status")
        told.append((status["trading_active"], status.get("exchange_estimated_resume_time")))
    ends = "2026-11-26T10:00:00Z"
    assert told == [(True, None), (False, ends), (False, ends), (True, None)]
    world.exchange.pauses.set("operator", trading=True)
    assert "exchange_estimated_resume_time" not in await world.alice.get("/exchange/status")


def test_windows_keep_to_the_clock_of_new_york_across_its_changes() -> None:
    # Thursdays 2026-10-29 and 2026-11-05, before and after the end of summer time; the first is not over yet.
    windows = maintenance_windows(1_793_257_200_000 + 7_199_999, 2)
    assert [(rfc3339(start), rfc3339(end)) for start, end in windows] == [
        ("2026-10-29T07:00:00Z", "2026-10-29T09:00:00Z"),
        ("2026-11-05T08:00:00Z", "2026-11-05T10:00:00Z"),
    ]
    assert all(in_maintenance(start) and not in_maintenance(end) for start, end in windows)


async def test_the_value_of_a_settlement_is_told_once_it_is_known() -> None:
    world = World()
    assert (await world.alice.get(f"/markets/{TICKER}"))["market"]["expiration_value"] == ""
    world.exchange.lifecycle.determine(TICKER, "scalar", 3_100)
    assert (await world.alice.get(f"/markets/{TICKER}"))["market"]["expiration_value"] == "0.3100"


async def test_a_coin_settles_by_the_price_that_it_shows() -> None:
    now_ms = [START_MS]
    exchange = SimulatedExchange(seed=3, wall_ms=lambda: now_ms[0], settings=SimulatorSettings(flow=False))
    ladder = next(event for event in exchange.core.events.values() if event.coin and event.markets[0].floor_strike)
    exchange.lifecycle.schedule_close(ladder.markets[0].ticker, now_ms[0] + 1_000)
    now_ms[0] += 1_000
    exchange.tick()
    now_ms[0] += exchange.settings.determination_delay_ms
    exchange.tick()
    market = exchange.core.markets[ladder.markets[0].ticker]
    assert market.listing.floor_strike is not None
    assert market.result == ("yes" if float(market.expiration_value) >= market.listing.floor_strike else "no")
