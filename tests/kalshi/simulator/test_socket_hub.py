"""What listening costs: nothing for nobody; one encoding for many; each account its own news."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kalshi.simulator.socket_channels import CHANNELS
from tests.kalshi.simulator.customer import OTHER_TICKER, TICKER, World, command, frames


async def test_without_listeners_no_event_is_looked_at() -> None:
    world = World(flow=True, flow_rate=20.0)
    hub = world.exchange.hub
    assert hub._handlers == {}
    for _ in range(50):
        world.pass_time(100)
    await world.alice.place("bid", "0.4000")
    assert hub._changed == {}
    assert hub._ticker_sent == {}


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_that_is_left_costs_nothing_again(name: str) -> None:
    world = World(socket_index_channels=True)
    hub, session = world.exchange.hub, world.alice.connect()
    command(session, 1, "subscribe", channels=[name], market_tickers=[TICKER, OTHER_TICKER])
    has_news = name not in ("communications", "multivariate_market_lifecycle") and CHANNELS[name].kind == "market"
    assert bool(hub._handlers) == has_news
    command(session, 2, "unsubscribe", sids=[1])
    assert hub._handlers == {}
    assert all(not watchers for watchers in hub._watchers.values())
    command(session, 3, "subscribe", channels=[name], market_tickers=[TICKER])
    session.close()
    assert hub._handlers == {}


async def test_a_ticker_that_nobody_waits_for_any_more_is_not_kept() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["ticker"])
    await world.bob.place("bid", "0.4000")
    assert list(world.exchange.hub._changed) == [TICKER]
    command(session, 2, "unsubscribe", sids=[1])
    assert world.exchange.hub._changed == {}


async def test_many_sessions_share_a_market_and_each_keeps_its_own_numbers() -> None:
    world = World()
    sessions = [world.alice.connect() for _ in range(3)]
    for count, session in enumerate(sessions):
        command(session, 1, "subscribe", channels=["trade"] * count or ["ticker"])
        command(session, 2, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
    command(sessions[1], 3, "update_subscription", sid=2, action="get_snapshot", market_tickers=[TICKER])
    await world.bob.place("bid", "0.4000")
    heard = [[frame for frame in frames(session) if frame["type"] == "orderbook_delta"] for session in sessions]
    assert [(frame["sid"], frame["seq"]) for (frame,) in heard] == [(2, 2), (2, 3), (2, 2)]
    assert len({str(frame["msg"]) for (frame,) in heard}) == 1
    sessions[0].close()
    await world.bob.place("bid", "0.4100")
    assert [len(frames(session)) for session in sessions] == [0, 1, 1]


async def test_private_news_reach_their_owner_with_and_without_a_filter() -> None:
    world = World()
    everything, filtered, foreign = world.alice.connect(), world.alice.connect(), world.bob.connect()
    command(everything, 1, "subscribe", channels=["user_orders"])
    command(filtered, 1, "subscribe", channels=["user_orders"], market_tickers=[OTHER_TICKER])
    command(foreign, 1, "subscribe", channels=["user_orders"])
    await world.alice.place("bid", "0.4000")
    await world.alice.place("bid", "0.4000", ticker=OTHER_TICKER)
    heard = [[frame["msg"]["ticker"] for frame in frames(session)] for session in (everything, filtered, foreign)]
    assert heard == [[TICKER, OTHER_TICKER], [OTHER_TICKER], []]


async def test_tickers_of_a_market_come_a_second_apart() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["ticker"])
    times = []
    for number in range(80):
        await world.bob.place("bid", f"0.{10 + number}00")
        world.pass_time(50)
        times += [frame["msg"]["ts_ms"] for frame in frames(session)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == [1_000] * 3
