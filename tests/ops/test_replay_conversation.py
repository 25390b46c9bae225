"""The server's half of a recorded connection: whose ids, whose sids, which numbers, and what is put in between."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
import trio
from trio_websocket import WebSocketConnection

from kalshi.feed import FeedProtocol
from kalshi.feed_events import GapDetected
from kalshi.simulator.socket_session import SocketSession
from kalshi.types import Side
from ops.replay_books import Comparison
from ops.replay_conversation import FIRST_SID, Conversation, ReplayBroken
from ops.replay_recording import load_recording
from ops.replay_stage import Stage
from tests.ops.replay.recordings import BOOK_SID, START_MS, TICKER_SID, Frame, delta, snapshot, subscribed, ticker_frame

A, B = "KXE-1-A", "KXE-1-B"
LEVELS = ({"0.4500": "100.00"}, {"0.5300": "50.00"})


class Wire:
    """What the server sends, as frames."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    async def send_message(self, text: str) -> None:
        self.frames.append(json.loads(text))
        await trio.lowlevel.checkpoint()

    def take(self) -> list[Frame]:
        frames, self.frames = self.frames, []
        return frames


class Account:
    """The simulated account's session: keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[Frame] = []

    def receive_text(self, text: str) -> None:
        self.heard.append(json.loads(text))


class Scene:
    """A conversation with a recording of its own, and the real client's protocol at the other end."""

    def __init__(self, folder: Path, frames: Iterable[Frame]) -> None:
        path = folder / "raw.jsonl"
        path.write_text("\n".join(map(json.dumps, frames)))
        self.wire, self.account, self.comparison = Wire(), Account(), Comparison()
        self.stage = Stage(load_recording(path))
        self.conversation = Conversation(
            cast(WebSocketConnection, self.wire), cast(SocketSession, self.account), self.stage, self.comparison
        )
        self.client = FeedProtocol(lambda: 0.0, self.comparison.probe)
        self.events: list[object] = []
        self.sent: list[Frame] = []

    def want(self, *tickers: str, channel: str = "orderbook_delta") -> None:
        self.client.subscribe(channel, tickers)

    async def turn(self) -> None:
        """Carries what both sides have to say to the other."""
        for text in self.client.outbox():
            await self.conversation.receive(text)
        frames = self.wire.take()
        self.sent += frames
        self.events += self.client.receive(map(json.dumps, frames))

    async def serve(self, *frames: Frame) -> None:
        for frame in frames:
            await self.turn()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._turn_again, nursery.cancel_scope)
                await self.conversation.serve(frame)
                nursery.cancel_scope.cancel()
        await self.turn()

    async def _turn_again(self, scope: trio.CancelScope) -> None:
        while not scope.cancel_called:
            await trio.sleep(0.01)
            self.want(*self.stage.wanted)
            await self.turn()

    @property
    def gaps(self) -> list[object]:
        return [event for event in self.events if isinstance(event, GapDetected)]


def beginning(*tickers: str) -> list[Frame]:
    return [
        subscribed("orderbook_delta", BOOK_SID),
        *(snapshot(ticker, number, *LEVELS) for number, ticker in enumerate(tickers, start=1)),
    ]


def moves(ticker: str, first_seq: int, count: int) -> list[Frame]:
    return [
        delta(ticker, first_seq + number, "yes", "0.4400", "1.00", START_MS + 10 * number) for number in range(count)
    ]


async def test_a_recorded_connection_is_served_with_the_clients_id_and_our_own_sid(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    frames = [*beginning(A), *moves(A, 2, 3)]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.serve(*frames)
    first, *rest = scene.sent
    assert first == {"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": FIRST_SID}}
    assert [(frame["sid"], frame["seq"]) for frame in rest] == [(FIRST_SID, number) for number in range(1, 5)]
    assert scene.gaps == []
    assert scene.client.books[A].book.depth(Side.BID) == 2


async def test_a_market_of_an_earlier_connection_has_an_empty_book_and_upsets_nobody(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """A bot that holds something wants its price: without an answer it would restart the whole subscription."""
    frames = [*beginning(A), *moves(A, 2, 3)]
    scene = Scene(tmp_path, frames)
    scene.want(A, "GONE")
    await scene.serve(*frames)
    gone = scene.client.books["GONE"]
    assert gone.is_usable
    assert (gone.book.depth(Side.BID), gone.book.depth(Side.ASK)) == (0, 0)
    assert (scene.comparison.compared, scene.comparison.mismatches, scene.gaps) == (2, 0, [])


async def test_the_last_word_shows_the_last_book(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    frames = [*beginning(A), *moves(A, 2, 3)]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.serve(*frames)
    assert scene.comparison.compared == 2
    await scene.conversation.say_last_word()
    await scene.turn()
    assert (scene.comparison.expected, scene.comparison.compared, scene.comparison.mismatches) == (3, 3, 0)
    assert scene.gaps == []


async def test_an_ok_answers_what_the_client_asks_when_the_stage_grows(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    ok = {"type": "ok", "id": 99, "sid": BOOK_SID, "seq": 1, "msg": {"market_tickers": [A, B]}}
    frames = [
        subscribed("orderbook_delta", BOOK_SID),
        ok,
        snapshot(B, 2, *LEVELS),
        snapshot(A, 3, *LEVELS),
        *moves(A, 4, 2),
        *moves(B, 6, 2),
    ]
    scene = Scene(tmp_path, frames)
    scene.want(*scene.stage.wanted)
    assert scene.stage.wanted == (A,)
    await scene.serve(*frames)
    answered = next(frame for frame in scene.sent if frame["type"] == "ok")
    assert answered == {"type": "ok", "id": 2, "sid": FIRST_SID, "seq": 1, "msg": {"market_tickers": [A, B]}}
    assert [frame["seq"] for frame in scene.sent if "seq" in frame] == list(range(1, 8))
    assert scene.gaps == []
    assert scene.client.counters.unknown_ids == 0


async def test_an_ok_that_changes_nothing_answers_nobody_but_counts(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    ok = {"type": "ok", "id": 99, "sid": BOOK_SID, "seq": 1, "msg": {"market_tickers": [A]}}
    frames = [subscribed("orderbook_delta", BOOK_SID), ok, snapshot(A, 2, *LEVELS), *moves(A, 3, 2)]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.serve(*frames)
    assert [frame["seq"] for frame in scene.sent if "seq" in frame] == [1, 2, 3, 4]
    assert scene.gaps == []


async def test_a_gap_in_the_recording_is_a_gap_for_the_client(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    frames = [*beginning(A), *moves(A, 2, 5)]
    del frames[4]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.serve(*frames)
    assert len(scene.gaps) == 1


async def test_a_client_that_lost_a_book_gets_the_exact_one_in_sequence(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    frames = [*beginning(A), *moves(A, 2, 6)]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.serve(*frames[:5])
    scene.client.request_snapshot([A])
    await scene.serve(*frames[5:])
    given = [frame for frame in scene.sent if frame["type"] == "orderbook_snapshot"][1]
    assert given["msg"]["yes_dollars_fp"] == [["0.4400", "3.00"], ["0.4500", "100.00"]]
    assert given["id"] == 2
    assert [frame["seq"] for frame in scene.sent if "seq" in frame] == list(range(1, 9))
    assert scene.gaps == []


async def test_markets_are_added_and_given_up_with_an_ok_in_sequence(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    frames = [*beginning(A), *moves(A, 2, 4)]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.serve(*frames[:3])
    scene.want("KXOLD-1")
    await scene.serve(*frames[3:4])
    scene.client.unsubscribe_markets("orderbook_delta", ["KXOLD-1"])
    await scene.serve(*frames[4:])
    acknowledged = [frame["msg"]["market_tickers"] for frame in scene.sent if frame["type"] == "ok"]
    assert acknowledged == [[A, "KXOLD-1"], [A]]
    assert scene.gaps == []


async def test_a_new_subscription_begins_with_the_books_as_they_are(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    frames = [*beginning(A), *moves(A, 2, 4)]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.serve(*frames[:4])
    unsubscribe = {"id": 50, "cmd": "unsubscribe", "params": {"sids": [FIRST_SID]}}
    again = {"id": 51, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_tickers": [A]}}
    await scene.conversation.receive(json.dumps(unsubscribe))
    await scene.conversation.receive(json.dumps(again))
    await scene.conversation.serve(frames[4])
    ended, opened, given, moved = scene.wire.take()
    assert (ended["type"], ended["id"]) == ("unsubscribed", 50)
    assert opened["msg"] == {"channel": "orderbook_delta", "sid": FIRST_SID + 1}
    assert (given["type"], given["seq"]) == ("orderbook_snapshot", 1)
    assert (moved["type"], moved["sid"], moved["seq"]) == ("orderbook_delta", FIRST_SID + 1, 2)


async def test_recorded_tickers_go_out_and_private_frames_of_the_recorder_do_not(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    fill = {"type": "fill", "sid": 9, "msg": {"market_ticker": A}}
    frames = [
        subscribed("ticker", TICKER_SID),
        *beginning(A),
        ticker_frame(A, START_MS),
        subscribed("fill", 9),
        fill,
        *moves(A, 2, 2),
    ]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    scene.want(A, channel="ticker")
    scene.client.subscribe("fill")
    await scene.serve(*frames)
    assert [frame["msg"]["market_ticker"] for frame in scene.sent if frame["type"] == "ticker"] == [A]
    assert not any(frame["type"] == "fill" for frame in scene.sent)
    assert scene.conversation.withheld == 1
    assert [heard["params"]["channels"] for heard in scene.account.heard] == [["fill"]]


async def test_a_channel_without_recorded_frames_is_acknowledged_all_the_same(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, [*beginning(A), *moves(A, 2, 2)])
    trades = {"id": 3, "cmd": "subscribe", "params": {"channels": ["trade"], "market_tickers": [A]}}
    more = {"id": 4, "cmd": "update_subscription", "params": {"sids": [FIRST_SID], "action": "add_markets"}}
    end = {"id": 5, "cmd": "unsubscribe", "params": {"sids": [FIRST_SID]}}
    for command in (trades, more, end):
        await scene.conversation.receive(json.dumps(command))
    kinds = [(frame["type"], frame["id"]) for frame in scene.wire.take()]
    assert kinds == [("subscribed", 3), ("ok", 4), ("unsubscribed", 5)]


async def test_a_bot_that_does_not_subscribe_ends_the_replay_with_a_sentence(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    frames = [*beginning(A), *moves(A, 2, 2)]
    scene = Scene(tmp_path, frames)
    with pytest.raises(ReplayBroken, match=f"did not subscribe to orderbook_delta with {A}"):
        await scene.conversation.serve(frames[0])


async def test_a_bot_that_does_not_follow_an_ok_ends_the_replay_with_a_sentence(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    ok = {"type": "ok", "id": 99, "sid": BOOK_SID, "seq": 1, "msg": {"market_tickers": [A, B]}}
    frames = [subscribed("orderbook_delta", BOOK_SID), ok, snapshot(A, 2, *LEVELS), *moves(A, 3, 1)]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.turn()
    await scene.conversation.serve(frames[0])
    with pytest.raises(ReplayBroken, match=f"did not ask for {A}, {B}"):
        await scene.conversation.serve(ok)


async def test_a_new_moment_is_one_of_that_market(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    frames = [*beginning(A), *moves(A, 2, 2)]
    scene = Scene(tmp_path, frames)
    scene.want(A)
    await scene.serve(*frames[:3])
    same = delta(A, 3, "yes", "0.4400", "1.00", START_MS)
    assert not scene.conversation.opens_new_moment(same)
    assert scene.conversation.opens_new_moment(frames[3])
    assert not scene.conversation.opens_new_moment(ticker_frame(A, START_MS + 1))
    assert not scene.conversation.opens_new_moment(delta(B, 3, "yes", "0.4400", "1.00", START_MS))
