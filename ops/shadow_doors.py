"""The bot's doors to the exchange in the middle: which request stays here, which is read from the real exchange.

    GET of market data, exchange status, ...   ---> the real exchange, byte for byte
    GET /portfolio, /account, ...; all writes  ---> the exchange in the middle, in this process
    book, ticker, trade, lifecycle channels    ---> the real exchange's socket, frame for frame
    fill, order and group channels             ---> the exchange in the middle

So the bot sees the real market without its own orders in it, gaps and errors included, and recovers from them as it
always does. The frames that pass by also drive the exchange in the middle, before the bot has them.

Rules:
1. A write takes as long as a request to the real exchange takes before it has an effect: no order meets a book that
   it could not have reached yet.
2. What has been handed over arrives whole, even when the sender gives up waiting.
3. Subscription ids of our own session begin behind FIRST_OWN_SID, those of the real one are far below it.
4. When the real connection ends, so does the bot's: it must not take silence for a quiet market. A ping is answered
   by the real exchange or by nobody.
5. The buffer between is bounded as that of every socket; a reader that is too slow is told, not lied to.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec
import trio

from kalshi.simulator.socket_session import SessionClosed, SocketSession
from kalshi.socket import SOCKET_BUFFER_FRAMES, Socket, SocketClosed, SocketOverflow
from ops.shadow_listings import Listings
from ops.shadow_upstream import PUBLIC_CHANNELS, Upstream

PREFIX: Final = "/trade-api/v2"
FIRST_OWN_SID: Final = 1_000_000
# What belongs to an account, and the time up to which reads of it are complete.
_OWN_READS: Final = ("/portfolio/", "/account/", "/exchange/user_data_timestamp")
# Of an answer, what the client looks at; the rest speaks of a connection that is not the bot's.
_PASSED_HEADERS: Final = ("date", "age", "content-type")
_SID: Final = re.compile(r'"sid":(\d+)')

Tap = Callable[[Mapping[str, Any]], None]


class ShadowTransport(httpx.AsyncBaseTransport):
    """Carries the bot's requests to where they belong."""

    def __init__(
        self, middle: httpx.AsyncBaseTransport, upstream: Upstream, listings: Listings, latency_s: float
    ) -> None:
        self._middle = middle
        self._upstream = upstream
        self._listings = listings
        self._latency_s = latency_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers one request. Raises httpx.HTTPError where the real exchange cannot be reached."""
        await request.aread()
        path = request.url.path.removeprefix(PREFIX)
        if request.method == "GET" and not path.startswith(_OWN_READS):
            return await self._read(request, path)
        if request.method != "GET":
            await trio.sleep(self._latency_s)
        with trio.CancelScope(shield=True):
            response = await self._middle.handle_async_request(request)
            await response.aread()
        return response

    async def _read(self, request: httpx.Request, path: str) -> httpx.Response:
        response = await self._upstream.read(request.url.raw_path.decode("ascii").removeprefix(PREFIX))
        if response.is_success:
            self._listings.learn(path, response.content)
        headers = [(name, response.headers[name]) for name in _PASSED_HEADERS if name in response.headers]
        return httpx.Response(response.status_code, headers=headers, content=response.content, request=request)


class ShadowSocket:
    """The bot's connection: the real exchange's public frames and our own private ones, on one line."""

    def __init__(
        self,
        upstream: Socket,
        session: SocketSession,
        listings: Listings,
        tap: Tap,
        buffer_frames: int = SOCKET_BUFFER_FRAMES,
    ) -> None:
        self._upstream = upstream
        self._session = session
        self._listings = listings
        self._tap = tap
        self._buffer_frames = buffer_frames
        self._frames: deque[str | bytes] = deque()
        self._arrived = trio.Event()
        self._closed: SocketClosed | None = None

    def start(self, nursery: trio.Nursery) -> None:
        """Starts to read on both sides; the tasks end with the connection."""
        nursery.start_soon(self._read_upstream)
        nursery.start_soon(self._read_session)

    async def receive_batch(self) -> list[str | bytes]:
        """Returns every frame that has arrived. Raises SocketClosed, SocketOverflow."""
        await trio.lowlevel.checkpoint()
        while not self._frames:
            if self._closed is not None:
                raise self._closed
            self._arrived = trio.Event()
            await self._arrived.wait()
        if isinstance(self._closed, SocketOverflow):
            raise self._closed
        frames = list(self._frames)
        self._frames.clear()
        return frames

    async def send(self, text: str) -> None:
        """Sends a command to whom it concerns. Raises SocketClosed."""
        if self._closed is not None:
            raise self._closed
        command = msgspec.json.decode(text)
        params = command.get("params", {})
        sids, channels = params.get("sids", ()), params.get("channels", ())
        if (channels and not PUBLIC_CHANNELS.issuperset(channels)) or any(sid > FIRST_OWN_SID for sid in sids):
            await trio.lowlevel.checkpoint()
            if sids:
                params["sids"] = [sid - FIRST_OWN_SID for sid in sids]
            self._session.receive_text(msgspec.json.encode(command).decode())
            return
        if params.get("action") != "delete_markets":
            # Before its first frame, for that is when an order for it may come.
            await self._listings.list_markets(tuple(params.get("market_tickers", ())))
        await self._upstream.send(text)

    async def ping(self, deadline_s: float) -> None:
        """Returns when the real exchange has answered. Raises SocketClosed."""
        await self._upstream.ping(deadline_s)

    async def aclose(self) -> None:
        """Closes both sides."""
        self._end(SocketClosed("closed by ourselves"))
        await self._upstream.aclose()

    async def _read_upstream(self) -> None:
        try:
            while self._closed is None:
                for frame in await self._upstream.receive_batch():
                    self._tap(_decoded(frame))
                    self._push(frame)
        except SocketClosed as closed:
            self._end(closed)

    async def _read_session(self) -> None:
        try:
            while True:  # ends with the session
                for text in await self._session.next_frames():
                    self._push(_SID.sub(lambda found: f'"sid":{int(found.group(1)) + FIRST_OWN_SID}', text))
        except SessionClosed:
            self._end(SocketClosed("the session in the middle is over"))

    def _push(self, frame: str | bytes) -> None:
        if len(self._frames) >= self._buffer_frames:
            self._end(SocketOverflow(f"{self._buffer_frames} frames are unread"))
            return
        self._frames.append(frame)
        self._arrived.set()

    def _end(self, reason: SocketClosed) -> None:
        if self._closed is None:
            self._closed = reason
            self._session.close()
            self._arrived.set()


def _decoded(frame: str | bytes) -> Mapping[str, Any]:
    """Returns a frame as an object, an empty one where it is none: the bot sees the same frame and judges it."""
    try:
        decoded = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
