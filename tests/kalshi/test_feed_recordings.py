"""Real frames through the protocol: no gap, and at every change of ts_ms the book of an independent exact replay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kalshi.book import OrderBook
from kalshi.feed import BookState, FeedProtocol
from kalshi.feed_events import BookChanged, FeedEvent, FillReported, TickerUpdated
from kalshi.types import Side
from tests.kalshi.recordings import BTC15M, DEMO, Connection, ExactBook, connections, needs_recordings

BATCH = 7  # frames per receive() call; no multiple of anything in the recordings


def contents(book: OrderBook) -> tuple[dict[int, int], dict[int, int]]:
    bids: dict[int, int] = {level.price_e4: level.count_e2 for level in book.levels(Side.BID)}
    asks: dict[int, int] = {level.price_e4: level.count_e2 for level in book.levels(Side.ASK)}
    return bids, asks


def replay(frames: Connection) -> tuple[FeedProtocol, list[FeedEvent], int]:
    """Feeds one connection to the protocol and to exact books, comparing at every change of ts_ms."""
    tickers = {frame["msg"]["market_ticker"]: ExactBook() for frame in frames if "snapshot" in frame["type"]}
    expected: dict[str, list[tuple[int, tuple[dict[int, int], dict[int, int]]]]] = {name: [] for name in tickers}
    for frame in frames:
        if frame["type"] == "orderbook_snapshot":
            tickers[frame["msg"]["market_ticker"]].replace(frame["msg"])
        elif frame["type"] == "orderbook_delta":
            book = tickers[frame["msg"]["market_ticker"]]
            if book.ts_ms and frame["msg"]["ts_ms"] != book.ts_ms:
                expected[frame["msg"]["market_ticker"]].append((book.ts_ms, book.scaled()))
            book.change(frame["msg"])
    for name, book in tickers.items():
        if book.ts_ms:
            expected[name].append((book.ts_ms, book.scaled()))
        expected[name].reverse()

    compared = 0

    def probe(ticker: str, ts_ms: int, book: OrderBook) -> None:
        nonlocal compared
        assert (ts_ms, contents(book)) == expected[ticker].pop()
        compared += 1

    feed = FeedProtocol(lambda: 0.0, probe)
    feed.subscribe("orderbook_delta", tickers)
    feed.subscribe("ticker", tickers)
    events: list[FeedEvent] = []
    texts = [json.dumps(frame, separators=(",", ":")) for frame in frames]
    for start in range(0, len(texts), BATCH):
        events.extend(feed.receive(texts[start : start + BATCH]))
        for tracked in feed.books.values():
            assert tracked.state is not BookState.LIVE or not tracked.book.is_crossed
    feed.flush_probe()
    assert not any(expected.values())
    return feed, events, compared


def check(frames: Connection) -> None:
    feed, events, compared = replay(frames)
    assert compared > 0
    assert feed.counters.gaps == feed.counters.malformed == feed.counters.unknown_types == 0
    assert {type(event) for event in events} <= {BookChanged, TickerUpdated, FillReported}
    assert feed.counters.deltas == sum(frame["type"] == "orderbook_delta" for frame in frames)


@needs_recordings
def test_the_first_seconds_of_a_recorded_run_replay_exactly() -> None:
    check(next(connections(BTC15M[0]))[:1_500])


@needs_recordings
def test_the_demo_session_replays_exactly_with_its_ok_frames_and_fills() -> None:
    (frames,) = connections(DEMO)
    check(frames[:1_200])
    feed, events, _ = replay(frames)
    assert sum(isinstance(event, FillReported) for event in events) == 2
    assert len(feed.books) == 5
    assert feed.counters.unknown_ids > 0


@needs_recordings
@pytest.mark.long
@pytest.mark.parametrize("path", BTC15M, ids=[path.stem for path in BTC15M])
def test_every_recorded_run_replays_exactly(path: Path) -> None:
    for frames in connections(path):
        check(frames)
