"""The `Socket` port on trio-websocket, with that library's traps fenced in.

The traps (trio-websocket 0.12.2), and what is done about each:
1. A refused handshake is raised in its reader task, inside the nursery that it was given, and a server that hangs up
   during the handshake leaves the opener waiting for ever. So each connection lives in a nursery of its own, inside
   one hosting task, and the stream tells the opener when it ends.
2. Its reader hands over each message through a memory channel: while the consumer is slow it waits for room and pings
   go unanswered, and every message costs a task switch. So the connection is given an inbox of ours in the place of
   that channel: bounded, never waiting, one wake-up for all that came with one read. The price is three private names
   of the library (`_send_channel`, `_recv_channel`, `_reader_task`) and `_open_handshake`; a test keeps watch on them.
   Measured on loopback: 2.2 times the frames a second of a pump task behind the library's own channel.
3. `ping()` waits for ever if the connection dies meanwhile, and an unanswered ping is kept. So payloads are unique,
   each ping has a deadline, and the first that is missed ends the connection.
4. Closing waits 60 s for the peer's half. Here it is CLOSE_S_MAX.
5. Messages over a megabyte close the connection. Here MESSAGE_BYTES_MAX holds.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection
from wsproto import ConnectionType, WSConnection
from wsproto.utilities import LocalProtocolError

from kalshi.errors import Rejected, Unavailable
from kalshi.socket import (
    CLOSE_S_MAX,
    CONNECT_S_MAX,
    MESSAGE_BYTES_MAX,
    SOCKET_BUFFER_FRAMES,
    SocketClosed,
)
from kalshi.socket_buffer import SocketBuffer
from kalshi.socket_network import (
    READ_BYTES,
    OpenStream,
    describe_close,
    first_error,
    open_network_stream,
    opening_error,
    refused_handshake,
)


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
    opener = open_stream if open_stream is not None else lambda: open_network_stream(url, ssl_context)
    await nursery.start(socket._host, url, headers, opener, connect_s_max)
    return socket


class TrioWebSocket:
    """One connection on trio-websocket; see `kalshi.socket.Socket`. Make it with open_trio_websocket()."""

    def __init__(self, buffer_frames: int = SOCKET_BUFFER_FRAMES) -> None:
        self._buffer = SocketBuffer(buffer_frames)
        self._pings_sent = 0
        self._is_closing = False
        self._scope = trio.CancelScope()
        self._connection: WebSocketConnection | None = None

    async def receive_batch(self) -> list[str | bytes]:
        return await self._buffer.receive_batch()

    async def send(self, text: str) -> None:
        connection = self._open_connection()
        is_complete = False
        try:
            await connection.send_message(text)
            is_complete = True
        except ConnectionClosed as closed:
            raise self._closed(_describe(closed)) from None
        except LocalProtocolError:
            raise self._closed("the connection is closing") from None
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
        self._is_closing = True
        try:
            if self._connection is not None and self._buffer.end is None:
                with trio.move_on_after(CLOSE_S_MAX):
                    await self._connection.aclose()
        finally:
            self._fail(SocketClosed("closed by us"))

    def _open_connection(self) -> WebSocketConnection:
        self._buffer.raise_if_ended()
        if self._connection is None:
            raise SocketClosed("not open")
        return self._connection

    def _closed(self, reason: str) -> SocketClosed:
        self._fail(SocketClosed(reason))
        return SocketClosed(reason)

    def _fail(self, end: SocketClosed) -> None:
        self._buffer.fail(end)
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
                        self._connection = await self._handshake(inner, url, headers, stream)
                    task_status.started()
                    if self._connection.closed is not None or stream.ended.is_set():
                        self._library_closed()  # It came to its end before we knew it.
                    await trio.sleep_forever()  # until _fail()
        except* Exception as group:
            failure = first_error(group)
        finally:
            self._fail(SocketClosed("closed" if failure is None else f"{type(failure).__name__}: {failure}"))
            if stream is not None:
                await trio.aclose_forcefully(stream)
        if self._connection is None and failure is not None:
            raise _refusal(failure, connect_s_max)

    async def _handshake(
        self, nursery: trio.Nursery, url: str, headers: list[tuple[str, str]], stream: _EndWatchingStream
    ) -> WebSocketConnection:
        parts = urlsplit(url)
        connection = WebSocketConnection(
            stream,
            WSConnection(ConnectionType.CLIENT),
            host=parts.netloc,
            path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            client_extra_headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers],
            max_message_size=MESSAGE_BYTES_MAX,
            receive_buffer_size=READ_BYTES,
        )
        inbox = _Inbox(self._arrive, self._library_closed)
        connection._send_channel = inbox  # type: ignore[assignment]
        connection._recv_channel = inbox  # type: ignore[assignment]
        nursery.start_soon(connection._reader_task)

        async def wait_until_open(scope: trio.CancelScope) -> None:
            await connection._open_handshake.wait()
            scope.cancel()

        async with trio.open_nursery() as race:
            race.start_soon(wait_until_open, race.cancel_scope)
            await stream.ended.wait()
            # The reader has dealt with all that came before the end: it reads on only when it has.
            race.cancel_scope.cancel()
        if not connection._open_handshake.is_set():
            raise Unavailable("the exchange hung up during the WebSocket handshake")
        return connection

    def _arrive(self, message: str | bytes) -> None:
        overflow = self._buffer.put([message], len(message))
        if overflow is not None:
            self._fail(overflow)

    def _library_closed(self) -> None:
        # While we close, the library's reader must live on, to see the peer's half of the closing handshake.
        if self._connection is not None and not self._is_closing:
            self._fail(SocketClosed(_describe(ConnectionClosed(self._connection.closed))))


class _Inbox:
    """Stands in for both ends of the library's message channel; nothing here ever waits (trap 2)."""

    def __init__(self, arrive: Callable[[str | bytes], None], close: Callable[[], None]) -> None:
        self._arrive = arrive
        self._close = close

    async def send(self, message: str | bytes) -> None:
        self._arrive(message)

    async def aclose(self) -> None:
        self._close()

    async def __aenter__(self) -> _Inbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()


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


def _refusal(failure: Exception, connect_s_max: float) -> Exception:
    if isinstance(failure, ConnectionRejected):
        return _rejected_handshake(failure)
    return opening_error(failure, connect_s_max)


def _rejected_handshake(rejected: ConnectionRejected) -> Rejected | Unavailable:
    headers = {
        bytes(name).decode("latin-1").lower(): bytes(value).decode("latin-1") for name, value in rejected.headers or ()
    }
    return refused_handshake(rejected.status_code, headers, rejected.body or b"")


def _describe(closed: ConnectionClosed) -> str:
    reason = closed.reason
    if reason is None:
        return "the connection is closed"
    return describe_close(reason.code, reason.name, reason.reason)
