"""The feed's bench: from socket bytes to a published book view, in several ways.

- feed:   a transport -> `Socket` batches -> FeedProtocol -> a view per BookChanged. This is what the bot runs.
- plain:  trio-websocket -> `json` -> a dictionary per side -> a view per frame. This is what one writes first.
- memory: the frames of the first path handed to FeedProtocol from memory, in batches of the size that the first path
  met. The difference to the first is what the socket costs.
- pykalshi: another client's own feed and book, see `ops.bench_pykalshi`.

The server is a process of its own (`ops.bench_server`). A pass is measured from its first frame to its last view, by
the processor's time and by the wall. Every path checks at the end that it has published the same best prices.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

import attrs
import trio
from trio_websocket import connect_websocket_url

from kalshi.feed import FeedProtocol
from kalshi.feed_events import BookChanged
from kalshi.socket_transports import TRANSPORTS
from ops.bench_frames import tickers
from ops.bench_pykalshi import Pykalshi

_LIBRARY_QUEUE: Final = 256

View = tuple[int | None, int | None]


@attrs.frozen(kw_only=True)
class Run:
    """One pass over all frames."""

    frames: int
    wall_s: float
    cpu_s: float
    batches: int
    last_views: dict[str, View]

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor a frame."""
        return self.cpu_s / self.frames * 1e6

    @property
    def wall_us(self) -> float:
        """Microseconds of wall time a frame."""
        return self.wall_s / self.frames * 1e6


class _Watch:
    """Measures from the first frame on."""

    def __init__(self) -> None:
        self._began = (time.perf_counter(), time.process_time())

    def run(self, frames: int, batches: int, views: dict[str, View]) -> Run:
        return Run(
            frames=frames,
            wall_s=time.perf_counter() - self._began[0],
            cpu_s=time.process_time() - self._began[1],
            batches=batches,
            last_views=views,
        )


class Publisher:
    """Takes the view of a changed book, as the feed's owner would before sending it on."""

    def __init__(self, feed: FeedProtocol) -> None:
        self._feed = feed
        self.views: dict[str, View] = {}

    def receive(self, frames: list[str | bytes]) -> None:
        for event in self._feed.receive(frames):
            if type(event) is BookChanged:
                book = self._feed.books[event.ticker].book
                self.views[event.ticker] = (book.best_bid_e4, book.best_ask_e4)


def _publisher() -> Publisher:
    feed = FeedProtocol(lambda: 0.0)
    feed.subscribe("orderbook_delta", tickers())
    feed.outbox()
    return Publisher(feed)


async def run_feed(url: str, frames: int, transport: str) -> Run:
    """Measures the bot's own path."""
    publisher = _publisher()
    received = batches = 0
    async with trio.open_nursery() as nursery:
        socket = await TRANSPORTS[transport](nursery, url, [])
        watch: _Watch | None = None
        while received < frames:
            batch = await socket.receive_batch()
            watch = watch or _Watch()
            publisher.receive(batch)
            received += len(batch)
            batches += 1
        assert watch is not None
        run = watch.run(received, batches, publisher.views)
        await socket.aclose()
    return run


def run_memory(frames: list[str], batch_size: int) -> Run:
    """Measures the same path without the socket."""
    publisher = _publisher()
    batches: list[list[str | bytes]] = [
        list(frames[start : start + batch_size]) for start in range(0, len(frames), batch_size)
    ]
    watch = _Watch()
    for batch in batches:
        publisher.receive(batch)
    return watch.run(len(frames), len(batches), publisher.views)


async def run_plain(url: str, frames: int) -> Run:
    """Measures what one writes first."""
    books: dict[str, PlainBook] = {}
    views: dict[str, View] = {}
    async with trio.open_nursery() as nursery:
        connection = await connect_websocket_url(
            nursery, url, message_queue_size=_LIBRARY_QUEUE, max_message_size=2**24
        )
        watch: _Watch | None = None
        for _ in range(frames):
            text = await connection.get_message()
            watch = watch or _Watch()
            frame = json.loads(text)
            if "market_ticker" in frame["msg"]:
                ticker = frame["msg"]["market_ticker"]
                book = books.setdefault(ticker, PlainBook())
                book.apply(frame)
                views[ticker] = book.view()
        assert watch is not None
        run = watch.run(frames, frames, views)
        await connection.aclose()
    return run


def run_pykalshi(child: Pykalshi, frames: int) -> Run:
    """Measures one pass of pykalshi in its own process."""
    answer = child.run()
    return Run(
        frames=frames,
        wall_s=answer["wall_s"],
        cpu_s=answer["cpu_s"],
        batches=frames,
        last_views={ticker: (_e4(bid), _e4(ask)) for ticker, (bid, ask) in answer["views"].items()},
    )


def _e4(text: str | None) -> int | None:
    return None if text is None else round(float(text) * 10_000)


class PlainBook:
    """The first book one writes: floats by float price, the best found by looking at all of them."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[float, float]] = {"yes": {}, "no": {}}

    def apply(self, frame: dict[str, Any]) -> None:
        msg = frame["msg"]
        if frame["type"] == "orderbook_snapshot":
            for side, sizes in self.sides.items():
                sizes.clear()
                sizes.update((float(price), float(size)) for price, size in msg.get(f"{side}_dollars_fp", ()))
            return
        sizes = self.sides[msg["side"]]
        price = float(msg["price_dollars"])
        size = sizes.get(price, 0.0) + float(msg["delta_fp"])
        if size > 1e-9:
            sizes[price] = size
        else:
            sizes.pop(price, None)

    def view(self) -> View:
        bid, no_bid = max(self.sides["yes"], default=None), max(self.sides["no"], default=None)
        return (
            None if bid is None else round(bid * 10_000),
            None if no_bid is None else 10_000 - round(no_bid * 10_000),
        )
