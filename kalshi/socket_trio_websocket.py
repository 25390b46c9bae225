"""The `Socket` port on trio-websocket, with that library's traps fenced in.

The traps (trio-websocket 0.12.2), and what is done about each:
1. A refused handshake is raised in its reader task, inside the nursery that it was given, and a server that
   hangs up during the handshake leaves the opener waiting for ever. So each connection lives in a nursery of
   its own, inside one hosting task, and the stream tells the opener when it ends.
2. While the consumer is slow the reader waits for room, and pings go unanswered. So a pump always reads, into
   a bounded buffer.
3. `ping()` waits for ever if the connection dies meanwhile, and an unanswered ping is kept. So payloads are
   unique, each ping has a deadline, and the first that is missed ends the connection.
4. Closing waits 60 s for the peer's half. Here it is CLOSE_S_MAX.
5. Messages over a megabyte close the connection. Here MESSAGE_BYTES_MAX holds.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

from kalshi.errors import ExchangeError, Rejected, Unavailable, excerpt, parse_error
from kalshi.socket import (
    CLOSE_S_MAX,
    CONNECT_S_MAX,
    MESSAGE_BYTES_MAX,
    SOCKET_BUFFER_FRAMES,
    SocketClosed,
    SocketOverflow,
)

# Messages between the library's reader and our pump; it only saves task switches, the bound is the buffer's.
_QUEUE_MESSAGES: Final = 256

OpenStream = Callable[[], Awaitable[trio.abc.Stream]]


async def open_trio_websocket(
    nursery: trio.Nursery,
    url: str,
    headers: list[tuple[str, str]],
    *,
    ssl_context: ssl.SSLContext | None = None,
    connect_s_max: float = CONNECT_S_MAX,
    buffer_frames: int = SOCKET_BUFFER_FRAMES,
    open_stream: OpenStream | None = None,
) -> TrioWebSocket:
    """Opens a connection whose tasks live in `nursery`; `open_stream` replaces TCP and TLS, for simulations.

    Raises AuthenticationFailed or Rejected where the exchange refuses the handshake, Unavailable where it
    cannot be reached or does not answer within `connect_s_max` seconds. The nursery never sees an error of
    the connection.
    """
    socket = TrioWebSocket(buffer_frames)
    opener = open_stream if open_stream is not None else lambda: _open_network_stream(url, ssl_context)
    await nursery.start(socket._host, url, headers, opener, connect_s_max)
    return socket


class TrioWebSocket:
    """One connection on trio-websocket; see `kalshi.socket.Socket`. Make it with open_trio_websocket()."""

    def __init__(self, buffer_frames: int = SOCKET_BUFFER_FRAMES) -> None:
        self._buffer_frames = buffer_frames
        self._buffer: list[str | bytes] = []
        self._arrived = trio.Event()
        self._end: SocketClosed | None = None
        self._pings_sent = 0
        self._scope = trio.CancelScope()
        self._connection: WebSocketConnection | None = None

    async def receive_batch(self) -> list[str | bytes]:
        await trio.lowlevel.checkpoint()
        while not self._buffer:
            if self._end is not None:
                raise type(self._end)(self._end.reason)
            self._arrived = trio.Event()
            await self._arrived.wait()
        if isinstance(self._end, SocketOverflow):
            raise SocketOverflow(self._end.reason)
        batch, self._buffer = self._buffer, []
        return batch

    async def send(self, text: str) -> None:
        connection = self._open_connection()
        is_complete = False
        try:
            await connection.send_message(text)
            is_complete = True
        except ConnectionClosed as closed:
            raise self._closed(_describe(closed)) from None
        finally:
            if not is_complete:
                # Cancelled between two bytes: what follows would be garbage to the peer.
                self._fail(SocketClosed("a send was broken off half way"))

    async def ping(self, deadline_s: float) -> None:
        connection = self._open_connection()
        self._pings_sent += 1
        with trio.move_on_after(deadline_s) as scope:
            try:
                await connection.ping(b"client %d" % self._pings_sent)
            except ConnectionClosed as closed:
                raise self._closed(_describe(closed)) from None
        if scope.cancelled_caught:
            raise self._closed(f"no answer to a ping within {deadline_s:g} s")

    async def aclose(self) -> None:
        try:
            if self._connection is not None and self._end is None:
                with trio.move_on_after(CLOSE_S_MAX):
                    await self._connection.aclose()
        finally:
            self._fail(SocketClosed("closed by us"))

    def _open_connection(self) -> WebSocketConnection:
        if self._end is not None or self._connection is None:
            raise SocketClosed("not open" if self._end is None else self._end.reason)
        return self._connection

    def _closed(self, reason: str) -> SocketClosed:
        self._fail(SocketClosed(reason))
        return SocketClosed(reason)

    def _fail(self, end: SocketClosed) -> None:
        # The first end is the true one; ending twice is harmless.
        if self._end is None:
            self._end = end
        self._arrived.set()
        self._scope.cancel()

    async def _host(
        self,
        url: str,
        headers: list[tuple[str, str]],
        open_stream: OpenStream,
        connect_s_max: float,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        # Everything of the connection happens inside this task; what goes wrong ends here (trap 1).
        failure: Exception | None = None
        stream: _EndWatchingStream | None = None
        try:
            with self._scope:
                async with trio.open_nursery() as inner:
                    with trio.fail_after(connect_s_max):
                        stream = _EndWatchingStream(await open_stream())
                        self._connection = await _handshake(inner, url, headers, stream)
                    task_status.started()
                    await self._pump(self._connection)
                    inner.cancel_scope.cancel()
        except* Exception as group:
            failure = _first(group)
        finally:
            self._fail(SocketClosed("closed" if failure is None else f"{type(failure).__name__}: {failure}"))
            if stream is not None:
                await trio.aclose_forcefully(stream)
        if self._connection is None:
            raise _refusal(failure, connect_s_max)

    async def _pump(self, connection: WebSocketConnection) -> None:
        while True:
            try:
                message = await connection.get_message()
            except ConnectionClosed as closed:
                self._fail(SocketClosed(_describe(closed)))
                return
            if len(self._buffer) >= self._buffer_frames:
                self._fail(SocketOverflow(f"more than {self._buffer_frames} frames waited for the consumer"))
                return
            self._buffer.append(message)
            self._arrived.set()


class _EndWatchingStream(trio.abc.Stream):
    """A stream that says when the peer has hung up."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.ended = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError:
            self.ended.set()
            raise
        if not data:
            self.ended.set()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _handshake(
    nursery: trio.Nursery, url: str, headers: list[tuple[str, str]], stream: _EndWatchingStream
) -> WebSocketConnection:
    parts = urlsplit(url)
    opened: list[WebSocketConnection] = []

    async def upgrade(scope: trio.CancelScope) -> None:
        connection = await wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]  # any trio stream will do
            parts.netloc,
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            extra_headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers],
            message_queue_size=_QUEUE_MESSAGES,
            max_message_size=MESSAGE_BYTES_MAX,
        )
        opened.append(connection)
        scope.cancel()

    async with trio.open_nursery() as race:
        race.start_soon(upgrade, race.cancel_scope)
        await stream.ended.wait()
        # The reader has dealt with all that came before the end: it reads on only when it has.
        race.cancel_scope.cancel()
    if not opened:
        raise Unavailable("the exchange hung up during the WebSocket handshake")
    return opened[0]


async def _open_network_stream(url: str, ssl_context: ssl.SSLContext | None) -> trio.abc.Stream:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or parts.hostname is None:
        raise ValueError(f"expected a ws:// or wss:// address, found {excerpt(url)!r}")
    if parts.scheme == "ws":
        return await trio.open_tcp_stream(parts.hostname, parts.port or 80)
    context = ssl_context if ssl_context is not None else ssl.create_default_context()
    stream = await trio.open_ssl_over_tcp_stream(
        parts.hostname, parts.port or 443, ssl_context=context, https_compatible=True
    )
    await stream.do_handshake()
    return stream


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error


def _refusal(failure: Exception | None, connect_s_max: float) -> Exception:
    match failure:
        case ConnectionRejected():
            return _rejected_handshake(failure)
        case ExchangeError() | ValueError():
            return failure
        case trio.TooSlowError():
            return Unavailable(f"no WebSocket handshake within {connect_s_max:g} s")
        case None:
            return Unavailable("the connection was closed before it was open")
        case _:
            return Unavailable(f"the WebSocket cannot be reached: {type(failure).__name__}: {failure}")


def _rejected_handshake(rejected: ConnectionRejected) -> Rejected | Unavailable:
    headers = {bytes(name).lower(): bytes(value) for name, value in rejected.headers or ()}
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    return parse_error(rejected.status_code, rejected.body or b"", content_type)


def _describe(closed: ConnectionClosed) -> str:
    reason = closed.reason
    if reason is None:
        return "the connection is closed"
    return f"the peer closed with {reason.code} {reason.name}" + (
        f": {excerpt(reason.reason)}" if reason.reason else ""
    )
