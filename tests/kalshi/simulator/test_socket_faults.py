"""Faults on demand: lost and doubled frames, late answers, missing snapshots, silence, broken connections, kicks."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from kalshi.simulator.socket_session import SessionClosed, SocketSession
from tests.kalshi.simulator.customer import OTHER_TICKER, TICKER, World, command, frames


def book_session(world: World, *tickers: str) -> SocketSession:
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=list(tickers or (TICKER,)))
    return session


def told(received: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(frame["type"], frame.get("seq")) for frame in received]


async def test_a_gap_loses_the_next_frame_of_the_market_and_keeps_its_number() -> None:
    world = World()
    session = book_session(world, TICKER, OTHER_TICKER)
    assert world.exchange.hub.fault_gap("orderbook_delta", OTHER_TICKER) == 1
    await world.bob.place("bid", "0.4000")
    await world.bob.place("bid", "0.4000", ticker=OTHER_TICKER)
    await world.bob.place("bid", "0.4100")
    received = frames(session)
    assert told(received) == [("orderbook_delta", 3), ("orderbook_delta", 5)]
    assert {frame["msg"]["market_ticker"] for frame in received} == {TICKER}


async def test_a_duplicate_comes_with_the_same_number() -> None:
    world = World()
    session = book_session(world)
    assert world.exchange.hub.fault_duplicate("orderbook_delta") == 1
    await world.bob.place("bid", "0.4000")
    await world.bob.place("bid", "0.4100")
    received = frames(session)
    assert told(received) == [("orderbook_delta", 2), ("orderbook_delta", 2), ("orderbook_delta", 3)]
    assert received[0] == received[1]


def test_a_fault_on_a_channel_or_market_that_nobody_hears_strikes_nothing() -> None:
    world = World()
    book_session(world)
    assert world.exchange.hub.fault_gap("ticker") == 0
    assert world.exchange.hub.fault_gap("orderbook_delta", OTHER_TICKER) == 0


def test_answers_can_be_late_until_they_are_not() -> None:
    world = World()
    session = world.alice.connect()
    world.exchange.hub.fault_delay_acks_ms(400)
    assert command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER]) == []
    world.pass_time(399)
    assert frames(session) == []
    world.pass_time(1)
    assert told(frames(session)) == [("subscribed", None), ("orderbook_snapshot", 1)]
    world.exchange.hub.fault_delay_acks_ms(0)
    assert told(command(session, 2, "list_subscriptions")) == [("ok", None)]


async def test_a_snapshot_can_be_missing_while_the_deltas_come() -> None:
    world = World()
    session = world.alice.connect()
    world.exchange.hub.fault_drop_snapshots(1)
    answers = command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER, OTHER_TICKER])
    assert [frame["msg"].get("market_ticker") for frame in answers] == [None, OTHER_TICKER]
    await world.bob.place("bid", "0.4000")
    assert told(frames(session)) == [("orderbook_delta", 2)]
    again = command(session, 2, "update_subscription", sid=1, action="get_snapshot", market_tickers=[TICKER])
    assert told(again) == [("orderbook_snapshot", 3)]


async def test_silence_holds_everything_back_and_then_lets_it_go() -> None:
    world = World()
    session = book_session(world)
    world.exchange.hub.fault_silence(2.0)
    heard: list[str] = []

    async def listen() -> None:
        heard.extend(await session.next_frames())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await world.bob.place("bid", "0.4000")
        world.pass_time(1_999)
        await trio.testing.wait_all_tasks_blocked()
        assert heard == []
        assert frames(session) == []
        world.pass_time(1)
        await trio.testing.wait_all_tasks_blocked()
        assert len(heard) == 1


async def test_every_connection_can_break_off_with_what_waits_lost() -> None:
    world = World()
    sessions = [book_session(world), world.bob.connect()]
    await world.bob.place("bid", "0.4000")
    assert world.exchange.hub.fault_drop_all() == 2
    for session in sessions:
        assert session.aborted.is_set()
        with pytest.raises(SessionClosed):
            await session.next_frames()
    assert world.exchange.hub.sessions() == ()


@pytest.mark.parametrize(("fault", "code"), [("fault_kick_slow", 25), ("fault_channel_error", 10)])
async def test_a_terminal_error_ends_the_subscription_and_not_the_socket(fault: str, code: int) -> None:
    world = World()
    session = book_session(world)
    command(session, 2, "subscribe", channels=["trade"])
    await world.bob.place("bid", "0.4000")
    assert getattr(world.exchange.hub, fault)("orderbook_delta") == 1
    (error,) = frames(session)
    assert (error["sid"], error["seq"], error["msg"]["code"]) == (1, 3, code)
    await world.alice.place("ask", "0.4000")
    assert [frame["type"] for frame in frames(session)] == ["trade"]
    assert command(session, 3, "unsubscribe", sids=[1])[0]["msg"]["code"] == 7
    again = command(session, 4, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
    assert [frame.get("sid", frame["msg"].get("sid")) for frame in again] == [3, 3]
    assert getattr(world.exchange.hub, fault)() == 2


async def test_a_slow_reader_is_cut_off_where_the_switch_says_so() -> None:
    world = World(socket_buffer_frames=3, socket_slow_reader_is_cut=True)
    session = book_session(world)
    for cents in range(10, 15):
        await world.bob.place("bid", f"0.{cents}00")
    assert session.aborted.is_set()
    assert session.is_closed


async def test_unknown_keys_and_types_are_sprinkled_without_breaking_the_sequence() -> None:
    world = World(socket_unknown_share=0.5)
    session = world.alice.connect()
    session.receive_text(
        '{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"],"market_tickers":["' + TICKER + '"]}}'
    )
    for number in range(60):
        await world.bob.place("bid", f"0.{10 + number}00")
    received = [json.loads(text) for text in session.drain_frames()][1:]
    assert [frame["seq"] for frame in received] == list(range(1, len(received) + 1))
    unknown_types = sum(frame["type"] == "experimental_update" for frame in received)
    unknown_keys = sum("experimental" in frame["msg"] for frame in received) - unknown_types
    assert unknown_types > 5
    assert unknown_keys > 5
    assert len(received) == 61 + unknown_types
