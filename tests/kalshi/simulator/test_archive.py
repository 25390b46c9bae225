"""The cut-off: live and historical endpoints never overlap and never miss anything, whatever the age of things."""

from __future__ import annotations

import pytest

from tests.kalshi.simulator.customer import OTHER_TICKER, TICKER, World

_HOUR_MS = 3_600_000


def world_with_short_memory() -> World:
    return World(
        finished_orders_live_ms=2 * _HOUR_MS,
        trades_live_ms=3 * _HOUR_MS,
        settled_markets_live_ms=4 * _HOUR_MS,
        cutoff_step_ms=_HOUR_MS,
    )


async def ids(world: World, path: str, key: str, name: str) -> set[str]:
    return {row[name] for row in (await world.alice.get(path))[key]}


@pytest.mark.parametrize("hours", [0, 1, 2, 3, 4, 5, 30])
async def test_every_thing_is_on_one_side_of_the_line(hours: int) -> None:
    world = world_with_short_memory()
    await world.bob.place("ask", "0.5000", "5.00")
    filled = await world.alice.place("bid", "0.5000", "5.00")
    gone = await world.alice.place("bid", "0.1000", "5.00")
    await world.alice.send("DELETE", f"/portfolio/events/orders/{gone['order_id']}")
    world.exchange.core.markets[OTHER_TICKER].close_ms += 100 * _HOUR_MS
    resting = await world.alice.place("bid", "0.1100", "5.00", ticker=OTHER_TICKER)
    world.exchange.lifecycle.determine(TICKER, "yes")
    world.pass_time(21_000)
    world.pass_time(hours * _HOUR_MS)

    orders = await ids(world, "/portfolio/orders", "orders", "order_id")
    past_orders = await ids(world, "/historical/orders", "orders", "order_id")
    fills = await ids(world, "/portfolio/fills", "fills", "order_id")
    past_fills = await ids(world, "/historical/fills", "fills", "order_id")
    markets = await ids(world, "/markets", "markets", "ticker")
    past_markets = await ids(world, "/historical/markets", "markets", "ticker")
    positions = await ids(world, "/portfolio/positions?settlement_status=all", "market_positions", "ticker")
    past_positions = await ids(world, "/historical/positions", "market_positions", "ticker")
    cutoffs = await world.alice.get("/historical/cutoff")

    assert orders | past_orders == {filled["order_id"], gone["order_id"], resting["order_id"]}
    assert resting["order_id"] in orders
    for live, past in ((orders, past_orders), (fills, past_fills), (markets, past_markets)):
        assert not live & past
    assert (len(past_orders), len(past_fills)) == (2 if hours > 2 else 0, 1 if hours > 3 else 0)
    assert past_markets == ({TICKER} if hours > 4 else set())
    assert (positions, past_positions) == (({TICKER}, set()) if hours <= 4 else (set(), {TICKER}))
    assert len((await world.alice.get("/portfolio/settlements"))["settlements"]) == (1 if hours <= 4 else 0)
    assert cutoffs["orders_updated_ts"] >= cutoffs["trades_created_ts"] >= cutoffs["market_settled_ts"]
    live_status = (await world.alice.send("GET", f"/markets/{TICKER}")).status_code
    past_status = (await world.alice.send("GET", f"/historical/markets/{TICKER}")).status_code
    assert (live_status, past_status) == ((200, 404) if hours <= 4 else (404, 200))
    one = (await world.alice.send("GET", f"/portfolio/orders/{gone['order_id']}")).status_code
    assert one == (200 if hours <= 2 else 404)


async def test_trades_move_as_well_and_nested_markets_leave() -> None:
    world = world_with_short_memory()
    tape = world.exchange.core.markets[TICKER].history.tape
    live = await ids(world, f"/markets/trades?ticker={TICKER}&limit=1000", "trades", "trade_id")
    past = await ids(world, f"/historical/trades?ticker={TICKER}&limit=1000", "trades", "trade_id")
    assert live | past == {trade.trade_id for trade in tape}
    world.pass_time(5 * _HOUR_MS)
    later = await ids(world, f"/historical/trades?ticker={TICKER}&limit=1000", "trades", "trade_id")
    assert later >= live | past
    world.exchange.lifecycle.determine(TICKER, "no")
    world.pass_time(21_000)
    world.pass_time(6 * _HOUR_MS)
    event = await world.alice.get("/events/KXTEST-26NOV20?with_nested_markets=true")
    assert TICKER not in {market["ticker"] for market in event["event"]["markets"]}
    assert (await world.alice.get("/markets/trades?is_block_trade=true"))["trades"] == []
