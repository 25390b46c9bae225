"""The WebSocket door: trio-websocket on a port of its own, one `SocketSession` per connection.

Rules:
1. A refused handshake gets its status and a JSON body. A request for another path is a 404.
2. The server pings with the payload `heartbeat` every 10 s, and drops a connection that leaves three of them
   unanswered.
3. However a connection ends, its session is closed at once; nothing of it is remembered.

trio-websocket traps that are fenced in: a ping payload may be in flight only once, so the next ping waits for
the pong; the closing handshake is bounded by `disconnect_timeout`.
"""

from __future__ import annotations

import socket
from typing import Any, Final

import trio
from trio_websocket import ConnectionClosed, WebSocketServer

from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.fault_stream import FaultyListener
from kalshi.simulator.socket_session import HandshakeRefused, SessionClosed, SocketSession
from kalshi.simulator.timestamps import http_date

_PING_PAYLOAD: Final = b"heartbeat"
# Heartbeats that may go unanswered; the exchange documents no number.
PONG_PATIENCE: Final = 3
_CLOSE_TIMEOUT_S: Final = 2.0
_COMMAND_BYTES_MAX: Final = 1 << 20
# Commands wait here for the reader task, which never blocks on anything but the socket.
_COMMAND_QUEUE: Final = 1_000
_UNKNOWN_PATH: Final = b'{"error":{"code":"not_found","message":"not found"}}'


async def serve_socket(
    exchange: SimulatedExchange,
    listening: socket.socket,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves WebSocket connections on an already bound and listening socket until cancelled."""
    plain = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    listener: Any = FaultyListener(plain, exchange.streams, "websocket")

    async def handle(request: Any) -> None:
        await _handle(exchange, request)

    server = WebSocketServer(
        handle,
        [listener],
        message_queue_size=_COMMAND_QUEUE,
        max_message_size=_COMMAND_BYTES_MAX,
        connect_timeout=_CLOSE_TIMEOUT_S,
        disconnect_timeout=_CLOSE_TIMEOUT_S,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        task_status.started()


async def _handle(exchange: SimulatedExchange, request: Any) -> None:
    await trio.lowlevel.checkpoint()
    date = http_date(exchange.core.now_ms()).encode()
    refusal_headers = [(b"Content-Type", b"application/json"), (b"Date", date)]
    try:
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
            await _converse(connection, session, exchange.settings.heartbeat_s)
        finally:
            session.close()
    except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        # The client went away, which is its right at any moment; the session is closed already.
        return


async def _converse(connection: Any, session: SocketSession, heartbeat_s: float) -> None:
    async with trio.open_nursery() as nursery:
        for task in (_read, _write):
            nursery.start_soon(_until_closed, task, connection, session, nursery.cancel_scope)
        nursery.start_soon(_ping, connection, heartbeat_s, nursery.cancel_scope)
    session.close()
    with trio.move_on_after(_CLOSE_TIMEOUT_S):
        await connection.aclose()


async def _until_closed(task: Any, connection: Any, session: SocketSession, scope: trio.CancelScope) -> None:
    try:
        await task(connection, session)
    except (ConnectionClosed, SessionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        # Either side ended the conversation; the other tasks have nothing left to do.
        scope.cancel()


async def _read(connection: Any, session: SocketSession) -> None:
    while True:  # ends with the connection
        message = await connection.get_message()
        session.receive_text(message if isinstance(message, str) else message.decode("utf-8", "replace"))


async def _write(connection: Any, session: SocketSession) -> None:
    while True:  # ends with the session or the connection
        for frame in await session.next_frames():
            await connection.send_message(frame)


async def _ping(connection: Any, heartbeat_s: float, scope: trio.CancelScope) -> None:
    try:
        while True:  # ends with the connection
            await trio.sleep(heartbeat_s)
            with trio.fail_after(PONG_PATIENCE * heartbeat_s):
                await connection.ping(_PING_PAYLOAD)
    except (trio.TooSlowError, ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        # A peer that does not answer is gone; so is one that closed.
        scope.cancel()
