"""The feed's bench: from socket bytes to a published book view, three ways.

- feed:   trio-websocket -> `Socket` batches -> FeedProtocol -> a view per BookChanged. This is what the bot runs.
- plain:  trio-websocket -> `json` -> a dictionary per side -> a view per frame. This is what one writes first.
- memory: the frames of the first path handed to FeedProtocol from memory, in batches of the size that the first path
  met. The difference to the first is what the socket costs.

The server is a task of the same loop that sends prepared bytes, so its own share is small and the same for both.
Every path checks at the end that it has published the same best prices.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import attrs
import trio
from trio_websocket import connect_websocket_url

from kalshi.feed import FeedProtocol
from kalshi.feed_events import BookChanged
from kalshi.socket_trio_websocket import open_trio_websocket
from ops.bench_frames import tickers, websocket_bytes

_HANDSHAKE_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SEND_BYTES: Final = 65_536
_LIBRARY_QUEUE: Final = 256

View = tuple[int | None, int | None]


@attrs.frozen(kw_only=True)
class Run:
    """One pass over all frames."""

    frames: int
    seconds: float
    views_published: int
    batches: int
    last_views: dict[str, View]

    @property
    def frames_per_s(self) -> float:
        return self.frames / self.seconds


class Publisher:
    """Takes the view of a changed book, as the feed's owner would before sending it on."""

    def __init__(self, feed: FeedProtocol) -> None:
        self._feed = feed
        self.views: dict[str, View] = {}
        self.published = 0

    def receive(self, frames: list[str | bytes]) -> None:
        for event in self._feed.receive(frames):
            if type(event) is BookChanged:
                book = self._feed.books[event.ticker].book
                self.views[event.ticker] = (book.best_bid_e4, book.best_ask_e4)
                self.published += 1


def _publisher() -> Publisher:
    feed = FeedProtocol(lambda: 0.0)
    feed.subscribe("orderbook_delta", tickers())
    feed.outbox()
    return Publisher(feed)


async def run_feed(frames: list[str]) -> Run:
    """Measures the bot's own path over loopback."""
    publisher = _publisher()
    received = batches = 0
    async with _server(frames) as url, trio.open_nursery() as nursery:
        start = time.perf_counter()
        socket = await open_trio_websocket(nursery, url, [])
        while received < len(frames):
            batch = await socket.receive_batch()
            publisher.receive(batch)
            received += len(batch)
            batches += 1
        seconds = time.perf_counter() - start
        await socket.aclose()
    return _result(received, seconds, publisher, batches)


def run_memory(frames: list[str], batch_size: int) -> Run:
    """Measures the same path without the socket."""
    publisher = _publisher()
    batches: list[list[str | bytes]] = [
        list(frames[start : start + batch_size]) for start in range(0, len(frames), batch_size)
    ]
    start = time.perf_counter()
    for batch in batches:
        publisher.receive(batch)
    return _result(len(frames), time.perf_counter() - start, publisher, len(batches))


async def run_plain(frames: list[str]) -> Run:
    """Measures what one writes first, on the same library."""
    books: dict[str, PlainBook] = {}
    views: dict[str, View] = {}
    published = 0
    async with _server(frames) as url, trio.open_nursery() as nursery:
        start = time.perf_counter()
        connection = await connect_websocket_url(
            nursery, url, message_queue_size=_LIBRARY_QUEUE, max_message_size=2**24
        )
        for _ in range(len(frames)):
            frame = json.loads(await connection.get_message())
            if "market_ticker" in frame["msg"]:
                ticker = frame["msg"]["market_ticker"]
                book = books.setdefault(ticker, PlainBook())
                book.apply(frame)
                views[ticker] = book.view()
                published += 1
        seconds = time.perf_counter() - start
        await connection.aclose()
    return Run(frames=len(frames), seconds=seconds, views_published=published, batches=len(frames), last_views=views)


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


def _result(frames: int, seconds: float, publisher: Publisher, batches: int) -> Run:
    return Run(
        frames=frames,
        seconds=seconds,
        views_published=publisher.published,
        batches=batches,
        last_views=publisher.views,
    )


@asynccontextmanager
async def _server(frames: list[str]) -> AsyncIterator[str]:
    content = websocket_bytes(frames)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, partial(_serve, content), 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        try:
            yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/"
        finally:
            nursery.cancel_scope.cancel()


async def _serve(content: bytes, stream: trio.SocketStream) -> None:
    try:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some()
            await stream.send_all(_handshake_answer(request))
            for start in range(0, len(content), _SEND_BYTES):
                await stream.send_all(content[start : start + _SEND_BYTES])
            # The client closes first; its half of the handshake is answered so that it need not wait.
            await stream.receive_some()
            await stream.send_all(b"\x88\x02\x03\xe8")
    except trio.BrokenResourceError:
        pass  # The client has seen all it wanted.


def _handshake_answer(request: bytes) -> bytes:
    name = b"sec-websocket-key:"
    key = next(line[len(name) :] for line in request.split(b"\r\n") if line.lower().startswith(name))
    accept = base64.b64encode(hashlib.sha1(key.strip() + _HANDSHAKE_SUFFIX).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
