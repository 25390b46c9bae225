"""The WebSocket door: trio-websocket on a port of its own, one `SocketSession` per connection.

Rules:
1. A refused handshake gets its status and a JSON body. A request for another path is a 404.
2. The server pings with the payload `heartbeat` every 10 s, and drops a connection that leaves three of them
   unanswered.
3. However a connection ends, its session is closed at once; nothing of it is remembered. What one client sends,
   nonsense included, ends at most its own connection.
4. All frames that wait are written at once (`socket_wire`).

trio-websocket traps that are fenced in: a ping payload may be in flight only once, so the next ping waits for
the pong; the closing handshake is bounded in time; its reader task raises where the answer to a broken frame
cannot be sent, and lets through whatever its parser raises over a header that is not ASCII.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, wrap_server_stream
from wsproto.utilities import LocalProtocolError

from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.fault_stream import FaultyListener
from kalshi.simulator.socket_session import HandshakeRefused, SessionClosed, SocketSession
from kalshi.simulator.socket_wire import WireStream
from kalshi.simulator.timestamps import http_date

_PING_PAYLOAD: Final = b"heartbeat"
# Heartbeats that may go unanswered; the exchange documents no number.
PONG_PATIENCE: Final = 3
_HANDSHAKE_TIMEOUT_S: Final = 2.0
_CLOSE_TIMEOUT_S: Final = 2.0
_COMMAND_BYTES_MAX: Final = 1 << 20
# Commands wait here for the reader task, which never blocks on anything but the socket.
_COMMAND_QUEUE: Final = 1_000
_UNKNOWN_PATH: Final = b'{"error":{"code":"not_found","message":"not found"}}'
# How a peer that goes away, or talks nonsense, shows itself in one of the connection's tasks.
_PEER_GONE: Final = (ConnectionClosed, LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError)


async def serve_socket(
    exchange: SimulatedExchange,
    listening: socket.socket,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves WebSocket connections on an already bound and listening socket until cancelled."""
    plain = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    listener: Any = FaultyListener(plain, exchange.streams, "websocket")

    async def handle(stream: trio.SocketStream) -> None:
        await serve_stream(exchange, stream)

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, [listener])
        task_status.started()


async def serve_stream(exchange: SimulatedExchange, stream: trio.abc.Stream) -> None:
    """Serves one connection on any stream, until it ends; what the peer does wrong ends with it (rule 3)."""
    wire = WireStream(stream, exchange.hub)
    request: WebSocketRequest | None = None
    defect: ExceptionGroup | None = None
    try:
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(_HANDSHAKE_TIMEOUT_S):
                request = await wrap_server_stream(
                    nursery, wire, message_queue_size=_COMMAND_QUEUE, max_message_size=_COMMAND_BYTES_MAX
                )
            if request is not None:
                try:
                    await _answer(exchange, request, wire)
                except* _PEER_GONE:
                    # The client went away, which is its right at any moment; the session is closed already.
                    pass
                except* Exception as raised:
                    defect = raised
            nursery.cancel_scope.cancel()
    except* Exception:
        # Here only the library's reader raises, over what the peer sent: it ends this connection and no other.
        exchange.hub.broken_off += 1
    finally:
        with trio.move_on_after(_CLOSE_TIMEOUT_S, shield=True):
            await wire.break_off()
    if defect is not None:
        # Ours, not the peer's: nobody should go on after it as if nothing were wrong.
        raise defect


async def _answer(exchange: SimulatedExchange, request: WebSocketRequest, wire: WireStream) -> None:
    date = http_date(exchange.core.now_ms()).encode()
    refusal_headers = [(b"Content-Type", b"application/json"), (b"Date", date)]
    if request.path.partition("?")[0] != SOCKET_PATH:
        await request.reject(404, extra_headers=refusal_headers, body=_UNKNOWN_PATH)
        return
    headers = {name.decode("ascii", "replace"): value.decode("ascii", "replace") for name, value in request.headers}
    session = exchange.open_socket(headers)
    if isinstance(session, HandshakeRefused):
        await request.reject(session.status, extra_headers=refusal_headers, body=session.body)
        return
    try:
        connection = await request.accept()
        await _converse(connection, session, wire, exchange.settings.heartbeat_s)
    finally:
        session.close()


async def _converse(
    connection: WebSocketConnection, session: SocketSession, wire: WireStream, heartbeat_s: float
) -> None:
    async with trio.open_nursery() as nursery:

        async def run(task: Callable[[], Awaitable[None]]) -> None:
            try:
                await task()
            except (SessionClosed, trio.TooSlowError, *_PEER_GONE):
                # Either side ended the conversation; the other tasks have nothing left to do.
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(run, lambda: _read(connection, session))
        nursery.start_soon(run, lambda: _write(connection, session, wire))
        nursery.start_soon(run, lambda: _ping(connection, heartbeat_s))
        nursery.start_soon(run, session.aborted.wait)
    session.close()
    if not session.aborted.is_set() and not wire.is_torn:
        with trio.move_on_after(_CLOSE_TIMEOUT_S):
            await connection.aclose()


async def _read(connection: WebSocketConnection, session: SocketSession) -> None:
    while True:  # ends with the connection
        message = await connection.get_message()
        session.receive_text(message if isinstance(message, str) else message.decode("utf-8", "replace"))


async def _write(connection: WebSocketConnection, session: SocketSession, wire: WireStream) -> None:
    while connection.closed is None:  # ends with the session or the connection
        await wire.send_texts(await session.next_frames(), lambda: connection.closed is not None)


async def _ping(connection: WebSocketConnection, heartbeat_s: float) -> None:
    while True:  # ends with the connection, or with a peer that does not answer
        await trio.sleep(heartbeat_s)
        with trio.fail_after(PONG_PATIENCE * heartbeat_s):
            await connection.ping(_PING_PAYLOAD)
