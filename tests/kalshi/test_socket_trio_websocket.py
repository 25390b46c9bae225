"""What only the trio-websocket transport has: private names of the library, and its own ways to be closed."""

from __future__ import annotations

import pytest
import trio
from trio_websocket import connect_websocket_url
from wsproto.events import CloseConnection

from kalshi.socket import SocketClosed
from kalshi.socket_trio_websocket import TrioWebSocket, open_trio_websocket
from tests.kalshi.websocket_servers import echo, idle, websocket_server


async def test_the_library_s_private_names_that_we_rely_on_are_still_there() -> None:
    async with websocket_server(echo) as url, trio.open_nursery() as nursery:
        connection = await connect_websocket_url(nursery, url)
        for name in ("_send_channel", "_recv_channel", "_reader_task", "_open_handshake"):
            assert hasattr(connection, name), name
        for name in ("send", "aclose", "__aenter__", "__aexit__"):
            assert hasattr(connection._send_channel, name), name
        await connection.aclose()


async def test_sending_into_a_connection_that_the_protocol_has_closed_is_a_closed_socket() -> None:
    async with websocket_server(idle) as url, trio.open_nursery() as nursery:
        socket = await open_trio_websocket(nursery, url, [])
        connection = socket._open_connection()
        connection._wsproto.send(CloseConnection(code=1000))
        with pytest.raises(SocketClosed, match="closing"):
            await socket.send("x")


async def test_a_socket_that_was_never_opened_says_so() -> None:
    with pytest.raises(SocketClosed, match="not open"):
        await TrioWebSocket().send("x")
