"""Two WebSocket clients of different makes, spoken to alike, for tests on the real wire."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import trio
import trio_websocket
import websockets.exceptions
import websockets.trio.client

from kalshi.signing import Signer
from kalshi.simulator.exchange import SOCKET_PATH
from kalshi.simulator.socket_server import serve_socket
from tests.kalshi.simulator.customer import Customer, World
from tests.kalshi.simulator.frame_schema import Frame, check_frame


class ConnectionLost(Exception):
    """The connection is over; `code` is the close code, 1006 where no farewell was said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Refused(Exception):
    """The handshake was refused."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class Client(Protocol):
    """What both makes can do."""

    async def receive(self) -> str: ...

    async def send(self, text: str) -> None: ...


class TrioWebsocketClient:
    """The make that the server side uses as well."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def receive(self) -> str:
        try:
            return str(await self._connection.get_message())
        except trio_websocket.ConnectionClosed as closed:
            raise ConnectionLost(closed.reason.code if closed.reason else 1006) from closed

    async def send(self, text: str) -> None:
        await self._connection.send_message(text)


class WebsocketsClient:
    """The make that most Python clients of the exchange use."""

    def __init__(self, connection: websockets.trio.client.ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> str:
        try:
            return str(await self._connection.recv())
        except websockets.exceptions.ConnectionClosed as closed:
            raise ConnectionLost(closed.rcvd.code if closed.rcvd else 1006) from closed

    async def send(self, text: str) -> None:
        await self._connection.send(text)


@asynccontextmanager
async def trio_websocket_client(port: int, headers: dict[str, str]) -> AsyncIterator[Client]:
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    refusal: Refused | None = None
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(
                nursery, stream, "127.0.0.1", SOCKET_PATH, extra_headers=extra, max_message_size=1 << 24
            )
            yield TrioWebsocketClient(connection)
            with trio.move_on_after(2):
                await connection.aclose()
            nursery.cancel_scope.cancel()
    except* trio_websocket.ConnectionRejected as refused:
        # The library's reader task raises it, hence inside a group.
        first = refused.exceptions[0]
        assert isinstance(first, trio_websocket.ConnectionRejected)
        refusal = Refused(first.status_code, first.body or b"")
    if refusal is not None:
        raise refusal


@asynccontextmanager
async def websockets_client(port: int, headers: dict[str, str]) -> AsyncIterator[Client]:
    try:
        async with websockets.trio.client.connect(
            f"ws://127.0.0.1:{port}{SOCKET_PATH}", additional_headers=headers, max_size=None, proxy=None
        ) as connection:
            yield WebsocketsClient(connection)
    except websockets.exceptions.InvalidStatus as refused:
        raise Refused(refused.response.status_code, bytes(refused.response.body or b"")) from refused


Connect = Callable[[int, dict[str, str]], AbstractAsyncContextManager[Client]]
MAKES: tuple[Connect, ...] = (trio_websocket_client, websockets_client)


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[int]:
    """Serves the world's exchange on a free port."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_socket, world.exchange, door)
        yield int(door.getsockname()[1])
        nursery.cancel_scope.cancel()


def signed(customer: Customer) -> dict[str, str]:
    signer: Signer = customer.signer
    return signer.headers("GET", SOCKET_PATH, customer.world.clock())


async def say(client: Client, number: int, name: str, **params: Any) -> None:
    await client.send(json.dumps({"id": number, "cmd": name, "params": params}))


async def hear(client: Client, count: int) -> list[Frame]:
    """Returns the next frames, each held against the schema."""
    return [check_frame(await client.receive()) for _ in range(count)]
