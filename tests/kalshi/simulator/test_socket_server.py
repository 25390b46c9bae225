"""The WebSocket door on loopback, seen from the bytes: heartbeats with their payload, and silent peers dropped."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Request, TextMessage

from kalshi.simulator.exchange import SOCKET_PATH
from kalshi.simulator.socket_server import serve_socket
from kalshi.simulator.socket_session import SocketSession
from tests.kalshi.simulator.customer import TICKER, World
from tests.kalshi.simulator.frame_schema import check_frame

_HEARTBEAT_S = 0.05


class RawClient:
    """A WebSocket client that shows every event and answers nothing by itself."""

    def __init__(self, stream: trio.SocketStream, port: int = 0) -> None:
        self._stream = stream
        self.port = port
        self._protocol = WSConnection(ConnectionType.CLIENT)

    async def send(self, event: Event) -> None:
        await self._stream.send_all(self._protocol.send(event))

    async def events(self) -> list[Event] | None:
        """Returns what arrived, None once the server has closed the connection."""
        received = await self._stream.receive_some()
        self._protocol.receive_data(received or None)
        return list(self._protocol.events()) if received else None


async def only_event(client: RawClient) -> Event:
    """Returns the one event that arrives next."""
    received = await client.events()
    assert received is not None
    (event,) = received
    if isinstance(event, TextMessage):
        check_frame(event.data)
    return event


@asynccontextmanager
async def connected(world: World, signed: dict[str, str]) -> AsyncIterator[RawClient]:
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen()
    port = door.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_socket, world.exchange, door)
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            client = RawClient(stream, port)
            extra = [(name.encode(), value.encode()) for name, value in signed.items()]
            await client.send(Request(host="127.0.0.1", target=SOCKET_PATH, extra_headers=extra))
            yield client
        nursery.cancel_scope.cancel()


def signed_by_alice(world: World) -> dict[str, str]:
    return world.alice.signer.headers("GET", SOCKET_PATH, world.clock())


async def test_heartbeats_carry_their_payload_and_an_answered_one_is_followed_by_the_next() -> None:
    world = World(heartbeat_s=_HEARTBEAT_S)
    with trio.fail_after(5):
        async with connected(world, signed_by_alice(world)) as client:
            payloads: list[bytes] = []
            while len(payloads) < 3:
                for event in await client.events() or ():
                    if isinstance(event, Ping):
                        payloads.append(bytes(event.payload))
                        await client.send(event.response())
    assert payloads == [b"heartbeat"] * 3


async def test_a_peer_that_never_answers_is_dropped_and_its_session_forgotten() -> None:
    world = World(heartbeat_s=_HEARTBEAT_S)
    with trio.fail_after(5):
        async with connected(world, signed_by_alice(world)) as client:
            received: list[Event] | None = []
            while received is not None and not any(isinstance(event, CloseConnection) for event in received):
                received = await client.events()
            assert world.exchange.hub.sessions() == ()


@pytest.mark.parametrize("ends_it", ["server", "client"])
async def test_either_side_may_end_the_conversation(ends_it: str) -> None:
    world = World()
    with trio.fail_after(5):
        async with connected(world, signed_by_alice(world)) as client:
            assert isinstance(await only_event(client), AcceptConnection)
            command = f'{{"id":1,"cmd":"subscribe","params":{{"channels":["ticker"],"market_ticker":"{TICKER}"}}}}'
            await client.send(TextMessage(data=command))
            assert isinstance(await only_event(client), TextMessage)
            (session,) = world.exchange.hub.sessions()
            if ends_it == "server":
                session.close()
            else:
                await client.send(CloseConnection(code=1000))
            assert isinstance(await only_event(client), CloseConnection)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert world.exchange.hub.sessions() == ()


@pytest.mark.parametrize("header", [b"Host: \x82", b"Connection: \xc1, Upgrade"])
async def test_a_header_that_is_not_ascii_ends_its_own_connection_and_no_other(header: bytes) -> None:
    world = World()
    with trio.fail_after(5):
        async with connected(world, signed_by_alice(world)) as client:
            assert isinstance(await only_event(client), AcceptConnection)
            async with await trio.open_tcp_stream("127.0.0.1", client.port) as stranger:
                host = b"" if header.startswith(b"Host") else b"Host: a\r\n"
                await stranger.send_all(b"GET / HTTP/1.1\r\n" + host + header + b"\r\n\r\n")
                while await stranger.receive_some():
                    pass
            assert world.exchange.hub.broken_off == 1
            await client.send(TextMessage(data="{}"))
            assert isinstance(await only_event(client), TextMessage)


async def test_a_defect_of_the_exchange_itself_is_not_taken_for_the_peers_nonsense() -> None:
    world = World()
    defect = RuntimeError("ours")

    def broken(headers: object) -> SocketSession:
        raise defect

    object.__setattr__(world.exchange, "open_socket", broken)
    with trio.fail_after(5), pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="ours"), flatten_subgroups=True):
        async with connected(world, signed_by_alice(world)):
            await trio.sleep_forever()
