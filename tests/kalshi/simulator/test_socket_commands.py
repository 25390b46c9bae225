"""Commands and their errors, one by one; the switches for what the reference leaves open."""

from __future__ import annotations

from typing import Any

import pytest

from kalshi.simulator.events import MarketChanged
from kalshi.simulator.socket_channels import ERROR_TEXTS
from kalshi.simulator.socket_session import SocketSession
from kalshi.simulator.socket_views import market_id
from tests.kalshi.simulator.customer import OTHER_TICKER, TICKER, World, command, frames


def told(received: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    """Returns (type, error code) of each frame."""
    return [(frame["type"], frame["msg"]["code"] if frame["type"] == "error" else None) for frame in received]


def say(session: SocketSession, text: str) -> list[dict[str, Any]]:
    session.receive_text(text)
    return frames(session)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 1),
        ("[" * 5_000, 1),
        ('{"id":1,"cmd":"list_subscriptions"', 1),
        ('"\\ud800"', 1),
        ('{"id":-1,"cmd":"list_subscriptions"}', 1),
        ('{"id":1.5,"cmd":"list_subscriptions"}', 1),
        ('{"id":true,"cmd":"list_subscriptions"}', 1),
        ('{"id":99999999999999999999,"cmd":"list_subscriptions"}', 1),
        ('{"id":1,"cmd":7,"params":{}}', 1),
        ('{"id":1,"params":{}}', 5),
        ('{"id":1,"cmd":"subscribe","params":[]}', 1),
        ('{"id":1,"cmd":"subscribe","params":{"channels":"ticker"}}', 1),
        ('{"id":1,"cmd":"subscribe","params":{"channels":[1]}}', 1),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["trade"],"market_ticker":7}}', 1),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["trade"],"skip_ticker_ack":"yes"}}', 1),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["trade"],"use_yes_price":1}}', 1),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["trade"],"market_ticker":"a","market_tickers":["b"]}}', 11),
        ('{"id":1,"cmd":"unsubscribe","params":{"sids":[]}}', 4),
        ('{"id":1,"cmd":"unsubscribe","params":{"sids":["1"]}}', 1),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":1,"sids":[1],"action":"add_markets"}}', 12),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":"1","action":"add_markets"}}', 1),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":9,"action":"add_markets"}}', 7),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":1,"action":""}}', 15),
        ('{"id":1,"cmd":"update_subscription","params":{"sid":1,"action":5}}', 1),
    ],
)
def test_each_bad_command_has_its_code_and_changes_nothing(text: str, code: int) -> None:
    session = World().alice.connect()
    command(session, 1, "subscribe", channels=["ticker"], market_tickers=[TICKER])
    (error,) = say(session, text)
    assert error["msg"] == {"code": code, "msg": ERROR_TEXTS[code]}
    assert command(session, 2, "list_subscriptions")[0]["msg"] == [{"channel": "ticker", "sid": 1}]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, None),
        ({"user_filter": "self"}, None),
        ({"user_filter": "others"}, 11),
        ({"shard_factor": 4, "shard_key": 3}, None),
        ({"shard_factor": 4}, None),
        ({"shard_factor": 0}, 19),
        ({"shard_factor": -4, "shard_key": 1}, 19),
        ({"shard_key": 0}, 20),
        ({"shard_factor": 4, "shard_key": 4}, 21),
        ({"shard_factor": 4, "shard_key": -1}, 21),
        ({"shard_factor": 101}, 22),
        ({"shard_factor": "4"}, 1),
        ({"shard_factor": True}, 1),
    ],
)
def test_a_share_of_the_communications_is_checked(params: dict[str, Any], code: int | None) -> None:
    session = World().alice.connect()
    received = command(session, 1, "subscribe", channels=["communications", "trade"], **params)
    assert told(received) == [("error" if code else "subscribed", code), ("subscribed", None)]


def test_an_id_of_zero_means_an_answer_without_id() -> None:
    session = World().alice.connect()
    assert say(session, '{"id":0,"cmd":"list_subscriptions"}') == [{"type": "ok", "msg": []}]
    assert say(session, '{"cmd":"list_subscriptions"}') == [{"type": "ok", "msg": []}]


def test_markets_can_be_named_by_id_on_the_ticker_channel_alone() -> None:
    session = World().alice.connect()
    known, unknown = market_id(TICKER), "9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1"
    received = command(
        session, 1, "subscribe", channels=["ticker"], market_ids=[known.upper(), unknown], send_initial_snapshot=True
    )
    assert [frame["type"] for frame in received] == ["subscribed", "ticker"]
    assert received[1]["msg"]["market_ticker"] == TICKER
    other = market_id(OTHER_TICKER)
    (added,) = command(session, 2, "update_subscription", sid=1, action="add_markets", market_id=other)
    assert added["msg"]["market_ids"] == sorted([known, other, unknown])
    (deleted,) = command(session, 3, "update_subscription", sid=1, action="delete_markets", market_ids=[known])
    assert deleted["msg"] == {"market_tickers": [OTHER_TICKER], "market_ids": sorted([other, unknown])}
    for channels in (["orderbook_delta"], ["trade"]):
        assert told(command(session, 4, "subscribe", channels=channels, market_ids=[known])) == [("error", 11)]
    assert told(command(session, 5, "subscribe", channels=["ticker"], market_ids=["x"])) == [("error", 11)]
    both = {"market_ids": [known], "market_tickers": [TICKER]}
    assert told(command(session, 6, "subscribe", channels=["ticker"], **both)) == [("error", 11)]


def test_a_list_can_be_left_out_of_the_answers() -> None:
    session = World().alice.connect()
    command(session, 1, "subscribe", channels=["trade"], market_tickers=[TICKER], skip_ticker_ack=True)
    (ok,) = command(session, 2, "update_subscription", sid=1, action="add_markets", market_tickers=[OTHER_TICKER])
    assert ok == {"type": "ok", "id": 2, "sid": 1, "seq": 1}


def test_several_sids_end_with_a_frame_each_whatever_their_channel() -> None:
    session = World().alice.connect()
    command(session, 1, "subscribe", channels=["ticker", "trade"])
    received = command(session, 2, "unsubscribe", sids=[1, 9, 2])
    assert told(received) == [("unsubscribed", None), ("error", 7), ("unsubscribed", None)]
    assert [frame.get("sid") for frame in received] == [1, None, 2]


def test_too_many_markets_are_refused_in_the_sequence_with_their_names() -> None:
    session = World(socket_markets_max=1).alice.connect()
    two = [TICKER, OTHER_TICKER]
    (refused,) = command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=two)
    assert (refused["msg"]["code"], refused["msg"]["market_tickers"], "sid" in refused) == (26, two, False)
    command(session, 2, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
    for number, name, params in (
        (3, "subscribe", {"channels": ["orderbook_delta"]}),
        (4, "update_subscription", {"sid": 1, "action": "add_markets"}),
    ):
        (refused,) = command(session, number, name, market_tickers=[OTHER_TICKER], **params)
        assert (refused["sid"], refused["seq"], refused["id"]) == (1, number - 1, number)
        assert refused["msg"]["market_tickers"] == [OTHER_TICKER]


def test_commands_have_a_rate_and_a_window() -> None:
    world = World(socket_commands_per_s=2)
    session = world.alice.connect()
    answers = [command(session, number, "list_subscriptions")[0] for number in (1, 2, 3)]
    assert told(answers) == [("ok", None), ("ok", None), ("error", 27)]
    world.pass_time(1_000)
    assert told(command(session, 4, "list_subscriptions")) == [("ok", None)]


def test_updates_can_time_out_and_do_nothing_then() -> None:
    session = World(socket_timeout_share=1.0).alice.connect()
    command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
    merge = command(session, 2, "subscribe", channels=["orderbook_delta"], market_tickers=[OTHER_TICKER])
    update = command(session, 3, "update_subscription", sid=1, action="get_snapshot", market_tickers=[TICKER])
    assert told(merge + update) == [("error", 18), ("error", 18)]
    assert [(frame["sid"], frame["seq"]) for frame in merge + update] == [(1, 2), (1, 3)]


def test_the_index_channels_need_access() -> None:
    session = World().alice.connect()
    channels = ["cfbenchmarks_value", "cfbenchmarks_value_5hz", "pyth_value", "multivariate_market_lifecycle"]
    received = command(session, 1, "subscribe", channels=channels, index_ids=["BRTI"])
    assert told(received) == [("error", 9), ("error", 9), ("error", 9), ("subscribed", None)]


async def test_the_default_of_the_price_mode_is_a_switch_and_an_explicit_wish_beats_it() -> None:
    world = World(socket_yes_price_default=True, socket_yes_price_ascends=False)
    await world.bob.place("ask", "0.5200")
    await world.bob.place("ask", "0.5400")
    books = []
    for wish in ({}, {"use_yes_price": False}):
        params = {"channels": ["orderbook_delta"], "market_tickers": [TICKER], **wish}
        books.append(command(world.alice.connect(), 1, "subscribe", **params)[1]["msg"]["no_dollars_fp"])
    assert [[price for price, _ in book] for book in books] == [["0.5400", "0.5200"], ["0.4600", "0.4800"]]


def test_what_the_reference_leaves_open_is_a_switch() -> None:
    plain = World().alice.connect()
    other = World(
        socket_unknown_ticker_has_snapshot=True,
        socket_merge_of_nothing_is_answered=False,
        socket_get_snapshot_is_acknowledged=True,
    ).alice.connect()
    told_by = []
    for session in (plain, other):
        first = command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER, "NOBODY"])
        again = command(session, 2, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
        fresh = command(session, 3, "update_subscription", sid=1, action="get_snapshot", market_tickers=[TICKER])
        told_by.append([len(first), len(again), len(fresh)])
    assert told_by == [[2, 1, 1], [3, 0, 2]]


async def test_a_name_that_a_client_chose_is_escaped() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER])
    await world.alice.place("bid", "0.4000", client_order_id='a "quoted" näme \\')
    assert frames(session)[0]["msg"]["client_order_id"] == 'a "quoted" näme \\'


async def test_the_deltas_of_one_action_share_a_clock_and_a_snapshot_tells_the_newest() -> None:
    world = World(transient_cross_share=0.0)
    session = world.alice.connect()
    opened = command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[TICKER, OTHER_TICKER])
    assert [frame["msg"]["clock"] for frame in opened[1:]] == [0, 0]
    for cents in (51, 52):
        await world.bob.place("ask", f"0.{cents}00", "2.00")
    await world.alice.place("bid", "0.5200", "5.00")
    clocks = [frame["msg"]["clock"] for frame in frames(session)]
    assert len(clocks) == 5
    assert clocks[0] < clocks[1] < clocks[2] == clocks[3] == clocks[4]
    (snapshot,) = command(session, 2, "update_subscription", sid=1, action="get_snapshot", market_ticker=TICKER)
    assert snapshot["msg"]["clock"] == clocks[-1]
    await world.bob.place("bid", "0.1000")
    assert frames(session)[0]["msg"]["clock"] > clocks[-1]


def test_a_book_that_is_awaited_before_its_market_is_listed_begins_with_a_snapshot() -> None:
    world = World()
    session = world.alice.connect()
    markets = world.exchange.core.markets
    late = markets.pop(OTHER_TICKER)
    opened = command(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=[OTHER_TICKER])
    assert told(opened) == [("subscribed", None)]
    markets[OTHER_TICKER] = late
    world.exchange.core.publish(MarketChanged(ticker=OTHER_TICKER, kind="created", ts_ms=world.clock()))
    (snapshot,) = frames(session)
    assert (snapshot["type"], snapshot["seq"]) == ("orderbook_snapshot", 1)
