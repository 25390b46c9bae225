"""WebSocket conversations without a socket: sids, sequence, snapshots, merges, errors, private channels."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from kalshi.simulator.socket_session import HandshakeRefused, SessionClosed, SocketSession
from tests.kalshi.simulator.customer import (
    OTHER_TICKER,
    SUB_CENT_TICKER,
    TICKER,
    World,
    command,
    frames,
)
from tests.kalshi.simulator.test_rest_orders import recorded


def subscribe_book(session: SocketSession, *tickers: str, number: int = 1, **params: Any) -> list[dict[str, Any]]:
    return command(session, number, "subscribe", channels=["orderbook_delta"], market_tickers=list(tickers), **params)


def kinds(received: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in received]


def test_a_handshake_without_a_signature_is_refused_with_the_recorded_body() -> None:
    refused = World().exchange.open_socket({"KALSHI-ACCESS-KEY": "alice"})
    assert isinstance(refused, HandshakeRefused)
    assert (refused.status, json.loads(refused.body)) == (401, recorded("auth__missing_signature_header"))


async def test_a_subscription_is_acknowledged_then_snapshots_then_deltas_in_one_sequence() -> None:
    world = World()
    await world.bob.place("bid", "0.4000", "5.00")
    session = world.alice.connect()
    received = subscribe_book(session, TICKER, OTHER_TICKER)
    assert received[0] == {"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}
    assert [(frame["sid"], frame["seq"]) for frame in received[1:]] == [(1, 1), (1, 2)]
    assert received[1]["msg"]["yes_dollars_fp"] == [["0.4000", "5.00"]]
    assert "no_dollars_fp" not in received[1]["msg"]
    assert received[2]["msg"].keys() == {"market_ticker", "market_id", "clock"}

    await world.bob.place("ask", "0.5200", "3.00")
    (delta,) = frames(session)
    assert (delta["type"], delta["seq"]) == ("orderbook_delta", 3)
    assert (delta["msg"]["side"], delta["msg"]["price_dollars"], delta["msg"]["delta_fp"]) == ("no", "0.4800", "3.00")
    assert delta["msg"]["ts_ms"] == world.clock()
    assert "client_order_id" not in delta["msg"]


async def test_yes_prices_on_both_sides_on_request() -> None:
    world = World()
    await world.bob.place("ask", "0.5200", "3.00")
    session = world.alice.connect()
    received = subscribe_book(session, TICKER, use_yes_price=True)
    assert received[1]["msg"]["no_dollars_fp"] == [["0.5200", "3.00"]]
    await world.bob.place("ask", "0.5300", "3.00")
    assert frames(session)[0]["msg"]["price_dollars"] == "0.5300"


async def test_own_orders_are_noted_on_deltas_for_their_owner_alone() -> None:
    world = World()
    mine, theirs = world.alice.connect(), world.bob.connect()
    for session in (mine, theirs):
        subscribe_book(session, TICKER)
    await world.alice.place("bid", "0.4000", client_order_id="noted")
    assert frames(mine)[0]["msg"]["client_order_id"] == "noted"
    assert "client_order_id" not in frames(theirs)[0]["msg"]


async def test_deltas_add_up_to_the_book_and_share_the_time_of_their_operation() -> None:
    world = World(transient_cross_share=1.0)
    session = world.alice.connect()
    subscribe_book(session, TICKER)
    for cents in (51, 52, 53):
        await world.bob.place("ask", f"0.{cents}00", "2.00")
    frames(session)
    await world.alice.place("bid", "0.5200", "9.00")
    burst = frames(session)
    assert [(one["msg"]["side"], one["msg"]["price_dollars"], one["msg"]["delta_fp"]) for one in burst] == [
        ("yes", "0.5200", "5.00"),  # the rest is shown first: the book crosses for a moment
        ("no", "0.4900", "-2.00"),
        ("no", "0.4800", "-2.00"),
    ]
    assert len({one["msg"]["ts_ms"] for one in burst}) == 1
    assert [one["seq"] for one in burst] == [5, 6, 7]


def test_subscribing_again_merges_with_ok_in_the_sequence_and_snapshots_for_new_tickers_only() -> None:
    session = World().alice.connect()
    subscribe_book(session, TICKER)
    received = subscribe_book(session, TICKER, OTHER_TICKER, number=2)
    assert kinds(received) == ["ok", "orderbook_snapshot"]
    assert (received[0]["id"], received[0]["sid"], received[0]["seq"]) == (2, 1, 2)
    assert received[0]["msg"]["market_tickers"] == sorted([TICKER, OTHER_TICKER])
    assert received[1]["msg"]["market_ticker"] == OTHER_TICKER
    assert received[1]["seq"] == 3


async def test_markets_are_added_deleted_and_snapshotted_on_one_sid() -> None:
    world = World()
    session = world.alice.connect()
    subscribe_book(session, TICKER)
    added = command(session, 2, "update_subscription", sids=[1], market_tickers=[OTHER_TICKER], action="add_markets")
    assert kinds(added) == ["ok", "orderbook_snapshot"]
    deleted = command(session, 3, "update_subscription", sid=1, market_ticker=TICKER, action="delete_markets")
    assert deleted[0]["msg"]["market_tickers"] == [OTHER_TICKER]
    await world.bob.place("bid", "0.4000")
    assert frames(session) == []
    snapshot = command(
        session, 4, "update_subscription", sids=[1], market_tickers=[OTHER_TICKER], action="get_snapshot"
    )
    assert [(frame["type"], frame["id"], frame["seq"]) for frame in snapshot] == [("orderbook_snapshot", 4, 5)]


async def test_unsubscribing_consumes_a_sequence_number_and_ends_the_sid() -> None:
    world = World()
    session = world.alice.connect()
    subscribe_book(session, TICKER)
    assert command(session, 2, "unsubscribe", sids=[1]) == [{"type": "unsubscribed", "id": 2, "sid": 1, "seq": 2}]
    await world.bob.place("bid", "0.4000")
    assert frames(session) == []
    assert command(session, 3, "unsubscribe", sids=[1])[0]["msg"]["code"] == 7
    assert subscribe_book(session, TICKER, number=4)[0]["msg"]["sid"] == 2


def test_several_channels_get_an_answer_each_under_one_id() -> None:
    session = World().alice.connect()
    received = command(
        session, 9, "subscribe", channels=["orderbook_delta", "ticker_v2", "trade"], market_tickers=[TICKER]
    )
    assert kinds(received) == ["subscribed", "orderbook_snapshot", "error", "subscribed"]
    assert received[2] == {"type": "error", "id": 9, "msg": {"code": 8, "msg": "Unknown channel name"}}
    listed = command(session, 10, "list_subscriptions")
    assert listed[0]["msg"] == [{"channel": "orderbook_delta", "sid": 1}, {"channel": "trade", "sid": 2}]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", 1),
        ("[]", 1),
        ('{"id":1,"cmd":"dance","params":{}}', 5),
        ('{"id":1,"cmd":"subscribe"}', 2),
        ('{"id":1,"cmd":"subscribe","params":{}}', 3),
        ('{"id":1,"cmd":"subscribe","params":{"channels":[]}}', 3),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}', 14),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["ticker"],"market_ids":["x"]}}', 11),
        ('{"id":1,"cmd":"unsubscribe","params":{}}', 4),
        ('{"id":1,"cmd":"unsubscribe","params":{"sids":[77]}}', 7),
        ('{"id":1,"cmd":"update_subscription","params":{}}', 12),
        ('{"id":1,"cmd":"update_subscription","params":{"sids":[1,2],"action":"add_markets"}}', 12),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":1}}', 15),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":1,"action":"jump"}}', 13),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":1,"action":"get_snapshot","market_tickers":["x"]}}', 13),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":1,"action":"add_markets"}}', 14),
        ('{"id":"x","cmd":"list_subscriptions"}', 1),
    ],
)
def test_bad_commands_are_answered_with_their_code(text: str, code: int) -> None:
    session = World().alice.connect()
    command(session, 5, "subscribe", channels=["ticker"], market_tickers=[TICKER])
    session.receive_text(text)
    (frame,) = frames(session)
    assert (frame["type"], frame["msg"]["code"]) == ("error", code)


async def test_private_channels_tell_the_whole_story_of_an_order_to_its_owner() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["fill", "user_orders", "market_positions"])
    await world.alice.place("bid", "0.4000", "10.00", client_order_id="mine")
    await world.bob.place("ask", "0.4000", "4.00")
    received = frames(session)
    assert all("seq" not in frame for frame in received)
    assert kinds(received) == ["user_order", "fill", "market_position", "user_order"]
    created, fill, position, traded = (frame["msg"] for frame in received)
    assert (created["status"], created["ticker"], created["remaining_count_fp"]) == ("resting", TICKER, "10.00")
    assert (fill["client_order_id"], fill["count_fp"], fill["post_position_fp"]) == ("mine", "4.00", "4.00")
    assert (fill["book_side"], fill["is_taker"], fill["ts_ms"]) == ("bid", False, world.clock())
    assert (position["position_fp"], position["position_cost_dollars"]) == ("4.00", "1.600000")
    assert (traded["fill_count_fp"], traded["remaining_count_fp"], traded["last_update_reason"]) == (
        "4.00",
        "6.00",
        "Trade",
    )


async def test_the_public_trade_is_sequenced_and_shares_id_and_time_with_the_fill() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["trade"])
    command(session, 2, "subscribe", channels=["fill"], market_ticker=TICKER)
    await world.bob.place("ask", "0.4000", "4.00")
    await world.alice.place("bid", "0.4000", "4.00")
    trade, fill = frames(session)
    assert (trade["type"], trade["seq"], trade["msg"]["taker_book_side"]) == ("trade", 1, "bid")
    assert trade["msg"]["trade_id"] == fill["msg"]["trade_id"]
    assert trade["msg"]["ts_ms"] == fill["msg"]["ts_ms"]


async def test_tickers_are_conflated_and_have_an_optional_first_state() -> None:
    world = World()
    session = world.alice.connect()
    first = command(session, 1, "subscribe", channels=["ticker"], market_tickers=[TICKER], send_initial_snapshot=True)
    assert first[1]["msg"]["yes_ask_dollars"] == "1.0000"
    # 10,000 contracts before the start at 50 cents.
    assert (first[1]["msg"]["volume_fp"], first[1]["msg"]["dollar_volume"]) == ("10000.00", 5_000)
    for cents in (40, 41, 42):
        await world.bob.place("bid", f"0.{cents}00")
        world.pass_time(300)
    received = frames(session)
    assert kinds(received) == ["ticker"]
    world.pass_time(1_000)
    (last,) = frames(session)
    assert "seq" not in last
    assert last["msg"]["yes_bid_dollars"] == "0.4200"
    world.pass_time(5_000)
    assert frames(session) == []


async def test_a_reader_that_does_not_read_loses_the_subscription_with_error_25_and_keeps_the_socket() -> None:
    world = World(socket_buffer_frames=5)
    session = world.alice.connect()
    subscribe_book(session, TICKER)
    for cents in range(10, 20):
        await world.bob.place("bid", f"0.{cents}00")
    (overflow,) = frames(session)
    assert (overflow["type"], overflow["sid"], overflow["msg"]["code"]) == ("error", 1, 25)
    again = subscribe_book(session, TICKER, number=2)
    assert again[0]["msg"]["sid"] == 2
    assert len(again[1]["msg"]["yes_dollars_fp"]) == 10


async def test_waiting_for_frames_ends_with_the_session() -> None:
    world = World()
    session = world.alice.connect()
    subscribe_book(session, TICKER)
    heard: list[str] = []

    async def listen() -> None:
        heard.extend(await session.next_frames())
        with pytest.raises(SessionClosed):
            await session.next_frames()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        await world.bob.place("bid", "0.4000")
        await trio.testing.wait_all_tasks_blocked()
        assert len(heard) == 1
        session.close()
    session.close()
    session.receive_text('{"id":1,"cmd":"list_subscriptions"}')
    assert session.drain_frames() == []
    assert world.exchange.hub.sessions() == ()


def test_every_frame_can_carry_when_it_was_sent() -> None:
    world = World(sending_ts_ms=True)
    received = subscribe_book(world.alice.connect(), TICKER, skip_ticker_ack=True)
    assert all(frame["sending_ts_ms"] == world.clock() for frame in received)


async def test_everything_is_heard_without_tickers_where_they_are_optional() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["ticker"], market_tickers=[TICKER])
    command(session, 2, "subscribe", channels=["ticker"])
    await world.bob.place("bid", "0.4000", ticker=SUB_CENT_TICKER, exchange_index=2)
    world.pass_time(2_000)
    (frame,) = frames(session)
    assert frame["msg"]["market_ticker"] == SUB_CENT_TICKER
