"""One connection, frame by frame: books, sequences, stale events, holds, and how the feed recovers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.book import OrderBook
from kalshi.feed import (
    ABANDONED_RETRY_S,
    FIRST_SNAPSHOT_TIMEOUT_S,
    HOLD_S,
    SNAPSHOT_TIMEOUT_S,
    BookState,
    FeedProtocol,
)
from kalshi.feed_events import (
    BookChanged,
    BookStale,
    CommandFailed,
    FeedEvent,
    FrameMalformed,
    GapDetected,
    MarketLimitReached,
    ReconnectNeeded,
    SubscriptionDied,
    UnknownFrame,
)
from kalshi.types import Side
from tests.kalshi.frames import delta, encode, error, ok, snapshot, subscribed

BOOK = "orderbook_delta"
BIDS = {"0.4000": "10.00", "0.3900": "5.00"}
NO_BIDS = {"0.5500": "7.00"}  # asks at 0.4500


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


class Wire:
    """A protocol with its clock, and what it has said so far."""

    def __init__(self, *tickers: str, live: bool = True) -> None:
        self.clock = Clock()
        self.feed = FeedProtocol(self.clock)
        self.seq = 0
        if tickers:
            self.feed.subscribe(BOOK, tickers)
        if live:
            self.commands()
            self.receive(subscribed(BOOK, 1))
            for ticker in tickers:
                self.receive(snapshot(ticker, self.next(), BIDS, NO_BIDS))
            assert all(self.state(ticker) is BookState.LIVE for ticker in tickers)

    def next(self) -> int:
        self.seq += 1
        return self.seq

    def receive(self, *frames: str | bytes) -> list[FeedEvent]:
        return self.feed.receive(frames)

    def wait(self, seconds: float) -> list[FeedEvent]:
        self.clock.time += seconds
        return self.feed.tick()

    def commands(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.feed.outbox()]

    def state(self, ticker: str) -> BookState:
        return self.feed.books[ticker].state

    def best(self, ticker: str) -> tuple[int | None, int | None]:
        book = self.feed.books[ticker].book
        return book.best_bid_e4, book.best_ask_e4


def stale(events: list[FeedEvent]) -> list[str]:
    return [event.ticker for event in events if isinstance(event, BookStale)]


# Books.


def test_a_snapshot_and_deltas_give_the_book_on_the_yes_leg() -> None:
    wire = Wire("A")
    events = wire.receive(
        delta("A", wire.next(), "yes", "0.4100", "3.00"),
        delta("A", wire.next(), "no", "0.5600", "2.50"),
        delta("A", wire.next(), "yes", "0.4000", "-10.00"),
    )
    assert events == [BookChanged(ticker="A")]
    book = wire.feed.books["A"].book
    assert [(level.price_e4, level.count_e2) for level in book.levels(Side.BID)] == [(4_100, 300), (3_900, 500)]
    assert [(level.price_e4, level.count_e2) for level in book.levels(Side.ASK)] == [(4_400, 250), (4_500, 700)]


def test_a_market_is_reported_once_per_call_however_many_frames_changed_it() -> None:
    wire = Wire("A", "B")
    frames = [delta(ticker, wire.next(), change="1.00") for ticker in ("A", "B", "A", "A", "B")]
    assert wire.receive(*frames) == [BookChanged(ticker="A"), BookChanged(ticker="B")]


def test_each_applied_change_raises_the_book_s_number_and_time() -> None:
    wire = Wire("A")
    before = wire.feed.books["A"].sequence
    wire.receive(delta("A", wire.next(), ts_ms=5), delta("A", wire.next(), ts_ms=6))
    assert wire.feed.books["A"].sequence == before + 2
    assert wire.feed.books["A"].last_ts_ms == 6
    assert wire.feed.books["A"].is_usable


def test_an_unsolicited_empty_snapshot_empties_the_book() -> None:
    wire = Wire("A")
    assert wire.receive(snapshot("A", wire.next())) == [BookChanged(ticker="A")]
    assert wire.best("A") == (None, None)


def test_the_tickers_frames_and_late_frames_of_others_do_not_touch_books() -> None:
    wire = Wire("A")
    assert wire.receive(delta("Z", wire.next()), snapshot("Z", wire.next())) == []
    assert wire.feed.counters.unknown_tickers == 2
    assert wire.receive(delta("A", 1, sid=99), snapshot("A", 1, sid=99)) == []
    assert wire.feed.counters.unknown_sids == 2
    assert wire.receive(delta("A", wire.next())) == [BookChanged(ticker="A")]


def test_deltas_before_the_first_snapshot_are_dropped() -> None:
    wire = Wire("A", live=False)
    wire.receive(subscribed(BOOK, 1))
    assert wire.receive(delta("A", 1)) == []
    assert wire.feed.counters.discarded_deltas == 1
    assert wire.receive(snapshot("A", 2, BIDS)) == [BookChanged(ticker="A")]


def test_frames_may_be_bytes_and_keys_may_come_in_any_order_with_unknown_ones() -> None:
    wire = Wire("A")
    frame = json.loads(delta("A", wire.next(), "yes", "0.4100"))
    frame["sending_ts_ms"] = 5
    frame["msg"]["brand_new"] = {"a": [1]}
    shuffled = json.dumps(dict(reversed(frame.items()))).encode()
    assert wire.receive(shuffled) == [BookChanged(ticker="A")]
    assert wire.best("A") == (4_100, 4_500)


# Holding.


def test_a_crossed_book_is_held_until_a_later_frame_uncrosses_it() -> None:
    wire = Wire("A")
    assert wire.receive(delta("A", wire.next(), "yes", "0.4600", ts_ms=7)) == []
    assert wire.state("A") is BookState.HELD
    assert not wire.feed.books["A"].is_usable
    assert wire.feed.next_deadline() == HOLD_S
    wire.clock.time = 0.1
    events = wire.receive(delta("A", wire.next(), "no", "0.5500", "-7.00", ts_ms=8))
    assert events == [BookChanged(ticker="A")]
    assert wire.state("A") is BookState.LIVE
    assert wire.wait(1) == []
    assert wire.feed.next_deadline() is None


def test_a_locked_book_is_held_as_well() -> None:
    wire = Wire("A")
    assert wire.receive(delta("A", wire.next(), "yes", "0.4500")) == []
    assert wire.state("A") is BookState.HELD


def test_a_burst_that_crosses_and_uncrosses_in_one_call_is_never_seen_crossed() -> None:
    wire = Wire("A")
    events = wire.receive(delta("A", wire.next(), "yes", "0.4600"), delta("A", wire.next(), "no", "0.5500", "-7.00"))
    assert events == [BookChanged(ticker="A")]


def test_a_book_crossed_for_too_long_is_stale_and_asks_for_a_snapshot() -> None:
    wire = Wire("A", "B")
    wire.receive(delta("A", wire.next(), "yes", "0.4600"))
    wire.wait(0.2)
    assert wire.receive(delta("A", wire.next(), "yes", "0.4700")) == []
    assert wire.wait(0.04) == []
    events = wire.wait(0.02)
    assert stale(events) == ["A"]
    assert wire.state("A") is BookState.STALE
    (command,) = wire.commands()
    assert command["params"] == {"sids": [1], "market_tickers": ["A"], "action": "get_snapshot"}
    assert wire.receive(snapshot("A", wire.next(), BIDS, NO_BIDS)) == [BookChanged(ticker="A")]


def test_a_crossed_snapshot_is_held() -> None:
    wire = Wire("A")
    assert wire.receive(snapshot("A", wire.next(), {"0.6000": "1.00"}, NO_BIDS)) == []
    assert wire.state("A") is BookState.HELD


# Sequences.


def test_ok_unsubscribed_errors_snapshots_and_unknown_types_count_in_the_sequence() -> None:
    wire = Wire("A")
    events = wire.receive(
        ok(1, wire.next(), command_id=77),
        encode({"type": "error", "id": 9, "sid": 1, "seq": wire.next(), "msg": {"code": 26, "msg": "limit"}}),
        encode({"type": "rfq_batch_created", "sid": 1, "seq": wire.next(), "msg": {}}),
        snapshot("A", wire.next(), BIDS, NO_BIDS),
        delta("A", wire.next()),
    )
    assert not any(isinstance(event, GapDetected) for event in events)
    assert UnknownFrame(type="rfq_batch_created") in events
    assert wire.feed.counters.unknown_types == 1
    assert wire.feed.counters.unknown_ids == 1
    assert wire.state("A") is BookState.LIVE


@pytest.mark.parametrize("jump", [2, 5, 0, -1])
def test_i7_a_break_in_the_sequence_makes_every_book_of_it_stale_before_anything_else(jump: int) -> None:
    wire = Wire("A", "B")
    seq = wire.seq
    events = wire.receive(delta("A", seq + 1), delta("B", seq + 1 + jump))
    assert stale(events[:2]) == ["A", "B"]
    assert events[2] == GapDetected(channel=BOOK, sid=1, expected=seq + 2, found=seq + 1 + jump)
    assert len(events) == 3
    assert {wire.state("A"), wire.state("B")} == {BookState.STALE}
    (command,) = wire.commands()
    assert command["params"]["market_tickers"] == ["A", "B"]
    assert command["params"]["action"] == "get_snapshot"


def test_after_a_gap_nothing_is_applied_until_the_snapshot_and_then_all_goes_on() -> None:
    wire = Wire("A", "B")
    seq = wire.seq + 2
    wire.receive(delta("A", seq))
    wire.commands()
    assert wire.receive(delta("A", seq + 1)) == []
    assert wire.receive(snapshot("A", seq + 2, {"0.1000": "1.00"}), delta("A", seq + 3, price="0.1100")) == [
        BookChanged(ticker="A")
    ]
    assert wire.best("A") == (1_100, None)
    assert wire.state("B") is BookState.STALE
    assert wire.commands() == []


def test_a_second_gap_during_recovery_does_not_ask_again() -> None:
    wire = Wire("A")
    wire.receive(delta("A", wire.seq + 5))
    wire.commands()
    events = wire.receive(delta("A", wire.seq + 50))
    assert [type(event) for event in events] == [GapDetected]
    assert wire.commands() == []


def test_a_stale_book_recovered_in_the_same_call_says_stale_first_and_changed_last() -> None:
    wire = Wire("A")
    seq = wire.seq + 2
    events = wire.receive(delta("A", seq), snapshot("A", seq + 1, BIDS, NO_BIDS))
    assert [type(event) for event in events] == [BookStale, GapDetected, BookChanged]
    assert wire.commands() == []


def test_a_gap_on_another_channel_is_told_and_leaves_the_books_alone() -> None:
    wire = Wire("A")
    wire.feed.subscribe("trade", ["A"])
    wire.receive(subscribed("trade", 2, wire.commands()[0]["id"]))
    events = wire.receive(encode({"type": "surprise", "sid": 2, "seq": 4, "msg": {}}))
    assert events == [GapDetected(channel="trade", sid=2, expected=1, found=4), UnknownFrame(type="surprise")]
    assert wire.state("A") is BookState.LIVE


@given(st.lists(st.integers(0, 9), max_size=60))
def test_any_lost_duplicated_or_swapped_frame_is_noticed(order: list[int]) -> None:
    wire = Wire("A")
    first = wire.seq + 1
    events = wire.receive(*(delta("A", first + index, price="0.4200") for index in order))
    in_order = order == list(range(len(order)))
    assert any(isinstance(event, GapDetected) for event in events) != in_order
    assert (wire.state("A") is BookState.LIVE) == in_order


# Bad frames.

UNREADABLE = [
    "",
    "null",
    "[]",
    "5",
    '"text"',
    "{",
    '{"type":"orderbook_delta"',
    '{"sid":1,"seq":3}',
    '{"type":5}',
    b"\xff\xfe",
    "\ud800",
    "[" * 10_000,
    "<html>502</html>",
]


@pytest.mark.parametrize("frame", UNREADABLE)
def test_i7_a_frame_nobody_can_read_makes_all_books_stale(frame: str | bytes) -> None:
    wire = Wire("A", "B")
    events = wire.receive(frame)
    assert stale(events[:2]) == ["A", "B"]
    assert isinstance(events[2], FrameMalformed)
    assert len(events[2].excerpt) <= 200
    assert wire.feed.counters.malformed == 1


BAD_DELTAS: list[dict[str, Any]] = [
    {"price_dollars": 0.4},
    {"price_dollars": "0.40001"},
    {"price_dollars": "1.0000"},
    {"price_dollars": "0.0000"},
    {"price_dollars": "1.5000"},
    {"price_dollars": "nonsense"},
    {"delta_fp": 5},
    {"delta_fp": "1e3"},
    {"delta_fp": "1.005"},
    {"delta_fp": "+1.00"},
    {"delta_fp": "-11.00"},
    {"side": "maybe"},
    {"ts_ms": "1000"},
    {"ts_ms": None},
    {"market_ticker": None},
]


@pytest.mark.parametrize("change", BAD_DELTAS)
def test_i7_a_delta_that_makes_no_sense_makes_its_subscription_stale_once(change: dict[str, Any]) -> None:
    wire = Wire("A", "B")
    frame = json.loads(delta("A", wire.next()))
    frame["msg"].update(change)
    events = wire.receive(json.dumps(frame), delta("B", wire.next()))
    assert stale(events[:2]) == ["A", "B"]
    assert isinstance(events[2], FrameMalformed)
    assert len(events) == 3, "the bad frame kept its place in the sequence, so there is no gap on top"


@pytest.mark.parametrize(
    "levels",
    [
        {"yes_dollars_fp": [["0.4000", "-1.00"]]},
        {"yes_dollars_fp": [["0.4000", "1.00"], ["0.4000", "1.00"]]},
        {"no_dollars_fp": [["1.0000", "1.00"]]},
        {"no_dollars_fp": [["0.4000"]]},
        {"no_dollars_fp": [[0.4, 1]]},
        {"no_dollars_fp": "none"},
    ],
)
def test_a_snapshot_that_makes_no_sense_is_not_applied(levels: dict[str, Any]) -> None:
    wire = Wire("A")
    frame = json.loads(snapshot("A", wire.next()))
    frame["msg"].update(levels)
    events = wire.receive(json.dumps(frame))
    assert stale(events) == ["A"]
    assert wire.best("A") == (4_000, 4_500)


def test_a_snapshot_or_delta_without_a_sequence_is_malformed() -> None:
    for frame in (snapshot("A", 0), delta("A", 0)):
        wire = Wire("A")
        bare = json.loads(frame)
        del bare["seq"]
        assert stale(wire.receive(json.dumps(bare))) == ["A"]


def test_bad_frames_of_other_channels_leave_the_books_alone() -> None:
    wire = Wire("A")
    wire.feed.subscribe("ticker", ["A"])
    wire.receive(subscribed("ticker", 2, wire.commands()[0]["id"]))
    events = wire.receive(
        '{"type":"ticker","sid":2,"msg":{"market_ticker":"A","price_dollars":5}}',
        '{"type":"market_position","sid":2,"msg":{"market_ticker":"A","position_fp":"many"}}',
    )
    assert [type(event) for event in events] == [FrameMalformed, FrameMalformed]
    assert wire.state("A") is BookState.LIVE


@given(st.lists(st.one_of(st.text(max_size=80), st.binary(max_size=80)), max_size=10))
def test_nothing_that_may_arrive_raises(frames: list[str | bytes]) -> None:
    wire = Wire("A")
    wire.receive(*frames)
    assert (wire.state("A") is BookState.LIVE) == (not frames)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
frame_types = st.sampled_from(
    [
        "orderbook_delta", "orderbook_snapshot", "ok", "subscribed", "unsubscribed", "error", "ticker", "trade",
        "fill", "user_order", "market_position", "market_lifecycle_v2", "order_group_updates", "new_type",
    ]
)  # fmt: skip


@given(st.lists(st.tuples(frame_types, st.integers(0, 3), st.integers(0, 6), json_values), max_size=8))
def test_no_frame_of_a_known_type_with_any_body_raises(frames: list[tuple[str, int, int, Any]]) -> None:
    wire = Wire("A")
    for kind, sid, seq, msg in frames:
        wire.receive(json.dumps({"type": kind, "sid": sid, "seq": seq, "id": seq, "msg": msg}))
        wire.wait(0.5)
        wire.commands()


# Recovery.


def test_a_missing_first_snapshot_is_asked_for_then_resubscribed_then_given_up() -> None:
    wire = Wire("A", live=False)
    first = wire.commands()[0]
    wire.receive(subscribed(BOOK, 1, first["id"]))
    assert wire.wait(FIRST_SNAPSHOT_TIMEOUT_S) == []
    assert wire.commands()[0]["params"]["action"] == "get_snapshot"

    events = wire.wait(SNAPSHOT_TIMEOUT_S)
    assert stale(events) == ["A"]
    (unsubscribe,) = wire.commands()
    assert unsubscribe == {"id": 3, "cmd": "unsubscribe", "params": {"sids": [1]}}
    wire.receive(encode({"type": "unsubscribed", "id": 3, "sid": 1, "seq": 1}))
    (again,) = wire.commands()
    assert (again["cmd"], again["params"]["market_tickers"]) == ("subscribe", ["A"])
    wire.receive(subscribed(BOOK, 2, again["id"]))

    events = wire.wait(FIRST_SNAPSHOT_TIMEOUT_S)
    assert [type(event) for event in events] == [ReconnectNeeded]
    assert wire.wait(1_000) == []
    assert wire.feed.next_deadline() is None


def test_a_new_subscription_brings_the_books_back() -> None:
    wire = Wire("A", "B")
    wire.receive(delta("A", wire.seq + 9))
    wire.wait(SNAPSHOT_TIMEOUT_S)
    command = wire.commands()[-1]
    assert command["cmd"] == "unsubscribe"
    assert wire.receive(delta("A", 50), encode({"type": "unsubscribed", "id": command["id"], "sid": 1})) == []
    again = wire.commands()[-1]
    events = wire.receive(
        subscribed(BOOK, 2, again["id"]),
        snapshot("A", 1, BIDS, NO_BIDS, sid=2),
        snapshot("B", 2, BIDS, NO_BIDS, sid=2),
        delta("A", 3, sid=2),
    )
    assert events == [BookChanged(ticker="A"), BookChanged(ticker="B")]
    assert wire.feed.next_deadline() is None


def test_a_market_the_exchange_does_not_know_does_not_take_the_others_down() -> None:
    wire = Wire("A")
    wire.feed.subscribe(BOOK, ["NOPE"])
    wire.receive(ok(1, wire.next(), wire.commands()[0]["id"]))
    wire.wait(FIRST_SNAPSHOT_TIMEOUT_S)
    wire.wait(SNAPSHOT_TIMEOUT_S)
    unsubscribe = wire.commands()[-1]
    wire.receive(encode({"type": "unsubscribed", "id": unsubscribe["id"], "sid": 1}))
    wire.receive(subscribed(BOOK, 2, wire.commands()[0]["id"]), snapshot("A", 1, BIDS, NO_BIDS, sid=2))
    events = wire.wait(FIRST_SNAPSHOT_TIMEOUT_S)
    assert stale(events) == ["NOPE"]
    assert not any(isinstance(event, ReconnectNeeded) for event in events)
    assert wire.state("A") is BookState.LIVE
    wire.wait(ABANDONED_RETRY_S)
    assert wire.commands()[0]["params"] == {"sids": [2], "market_tickers": ["NOPE"], "action": "get_snapshot"}
    assert wire.receive(snapshot("NOPE", 2, sid=2)) == [BookChanged(ticker="NOPE")]


@pytest.mark.parametrize("code", [10, 25])
def test_i7_a_subscription_that_dies_takes_its_books_and_is_renewed(code: int) -> None:
    wire = Wire("A", "B")
    events = wire.receive(error(code, sid=1, seq=wire.next()))
    assert stale(events[:2]) == ["A", "B"]
    assert events[2] == SubscriptionDied(channel=BOOK, sid=1, code=code)
    (command,) = wire.commands()
    assert (command["cmd"], command["params"]["market_tickers"]) == ("subscribe", ["A", "B"])
    assert wire.receive(delta("A", wire.next())) == []


def test_a_subscription_that_dies_twice_asks_for_a_new_connection() -> None:
    wire = Wire("A")
    wire.receive(error(25, sid=1, seq=wire.next()))
    wire.receive(subscribed(BOOK, 2, wire.commands()[0]["id"]), snapshot("A", 1, BIDS, NO_BIDS, sid=2))
    events = wire.receive(error(25, sid=2, seq=2))
    assert isinstance(events[-1], ReconnectNeeded)


def test_an_unsubscribed_that_nobody_asked_for_is_a_death() -> None:
    wire = Wire("A")
    events = wire.receive(encode({"type": "unsubscribed", "sid": 1, "seq": wire.next()}))
    assert [type(event) for event in events] == [BookStale, SubscriptionDied]
    assert wire.commands()[0]["cmd"] == "subscribe"


def test_a_death_of_another_channel_renews_only_that() -> None:
    wire = Wire("A")
    wire.feed.subscribe("ticker", ["A"])
    wire.receive(subscribed("ticker", 2, wire.commands()[0]["id"]))
    assert wire.receive(error(25, sid=2)) == [SubscriptionDied(channel="ticker", sid=2, code=25)]
    (command,) = wire.commands()
    assert command["params"]["channels"] == ["ticker"]
    assert wire.state("A") is BookState.LIVE


def test_an_unanswered_subscribe_is_repeated_once_and_then_needs_a_new_connection() -> None:
    wire = Wire("A", live=False)
    wire.commands()
    wire.wait(5)
    assert [command["cmd"] for command in wire.commands()] == ["subscribe"]
    assert [type(event) for event in wire.wait(5)] == [ReconnectNeeded]


def test_an_unanswered_unsubscribe_needs_a_new_connection() -> None:
    wire = Wire("A")
    wire.feed.unsubscribe_markets(BOOK, ["A"])
    assert wire.feed.books == {}
    assert [type(event) for event in wire.wait(5)] == [ReconnectNeeded]


def test_a_refused_market_is_stale_with_the_reason_and_not_asked_for_again() -> None:
    wire = Wire("A")
    wire.feed.subscribe(BOOK, ["B"])
    command = wire.commands()[0]
    events = wire.receive(error(26, command_id=command["id"], sid=1, seq=wire.next(), text="limit exceeded"))
    assert isinstance(events[0], BookStale)
    assert "limit exceeded" in events[0].reason
    assert events[1:] == [
        CommandFailed(id=command["id"], code=26, message="limit exceeded"),
        MarketLimitReached(tickers=("B",)),
    ]
    assert wire.wait(1_000) == []
    assert wire.commands() == []


def test_a_subscription_that_times_out_at_the_exchange_is_tried_again() -> None:
    wire = Wire("A", live=False)
    command = wire.commands()[0]
    events = wire.receive(error(18, command_id=command["id"]))
    assert [type(event) for event in events] == [CommandFailed]
    wire.wait(0.5)
    assert wire.commands() == []
    wire.wait(0.5)
    assert wire.commands()[0]["cmd"] == "subscribe"


def test_a_snapshot_can_be_asked_for_without_making_the_book_stale() -> None:
    wire = Wire("A", "B")
    wire.feed.request_snapshot(["A", "ELSEWHERE"])
    (command,) = wire.commands()
    assert command["params"]["market_tickers"] == ["A"]
    assert wire.state("A") is BookState.LIVE
    assert wire.wait(100) == []


def test_books_that_leave_take_their_deadlines_along() -> None:
    wire = Wire("A", "B")
    wire.receive(delta("A", wire.next(), "yes", "0.4600"))
    wire.feed.unsubscribe_markets(BOOK, ["A"])
    wire.receive(ok(1, wire.next(), wire.commands()[0]["id"]))
    assert wire.wait(100) == []
    assert wire.receive(delta("A", wire.next())) == []


def test_leaving_another_channel_leaves_the_books_alone() -> None:
    wire = Wire("A")
    wire.feed.subscribe("ticker", ["A", "B"])
    wire.receive(subscribed("ticker", 2, wire.commands()[0]["id"]))
    wire.feed.unsubscribe_markets("ticker", ["B"])
    assert wire.commands()[0]["params"]["action"] == "delete_markets"
    assert wire.state("A") is BookState.LIVE


def test_the_next_deadline_is_the_earliest_of_books_and_commands() -> None:
    wire = Wire("A")
    wire.receive(delta("A", wire.next(), "yes", "0.4600"))
    wire.feed.subscribe("ticker", ["A"])
    assert wire.feed.next_deadline() == HOLD_S


def test_a_refusal_for_a_market_that_has_left_says_only_that_the_command_failed() -> None:
    wire = Wire("A")
    wire.feed.subscribe(BOOK, ["B"])
    command = wire.commands()[0]
    wire.feed.unsubscribe_markets(BOOK, ["B"])
    events = wire.receive(error(26, command_id=command["id"], sid=1, seq=wire.next()))
    assert [type(event) for event in events] == [CommandFailed]


def test_a_stale_book_that_the_exchange_gives_up_says_why() -> None:
    wire = Wire("A", "B")
    wire.receive(error(25, sid=1, seq=wire.next()))
    wire.receive(error(11, command_id=wire.commands()[0]["id"], text="no such market"))
    assert wire.wait(1_000) == []
    assert wire.commands() == []
    wire.receive(delta("A", wire.next()))
    assert wire.state("A") is BookState.STALE


def test_abandoned_books_stay_so_when_the_subscription_is_renewed() -> None:
    wire = Wire("A")
    wire.feed.subscribe(BOOK, ["B"])
    wire.receive(error(26, command_id=wire.commands()[0]["id"], sid=1, seq=wire.next()))
    wire.receive(error(25, sid=1, seq=wire.next()))
    (command,) = wire.commands()
    assert command["params"]["market_tickers"] == ["A"]
    wire.receive(subscribed(BOOK, 2, command["id"]), snapshot("A", 1, BIDS, NO_BIDS, sid=2))
    assert wire.wait(1_000) == []


def test_without_a_probe_there_is_nothing_to_flush() -> None:
    wire = Wire("A")
    wire.feed.flush_probe()
    assert wire.state("A") is BookState.LIVE


# The probe.


def test_the_probe_sees_each_book_as_it_was_at_the_end_of_each_time() -> None:
    seen: list[tuple[str, int, int | None]] = []

    def probe(ticker: str, ts_ms: int, book: OrderBook) -> None:
        seen.append((ticker, ts_ms, book.best_bid_e4))

    feed = FeedProtocol(lambda: 0.0, probe)
    feed.subscribe(BOOK, ["A", "B"])
    feed.receive([subscribed(BOOK, 1), snapshot("A", 1, BIDS), snapshot("B", 2, BIDS)])
    feed.receive(
        [
            delta("A", 3, price="0.4100", ts_ms=10),
            delta("A", 4, price="0.4200", ts_ms=10),
            delta("B", 5, price="0.5000", ts_ms=10),
            delta("A", 6, price="0.4300", ts_ms=11),
        ]
    )
    assert seen == [("A", 10, 4_200)]
    feed.flush_probe()
    assert seen == [("A", 10, 4_200), ("A", 11, 4_300), ("B", 10, 5_000)]
