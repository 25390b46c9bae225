"""The replay's server against a trap of its library."""

from __future__ import annotations

from functools import partial

import trio
from trio_websocket import WebSocketRequest, serve_websocket

from ops.replay_server import forgive_late_pings
from tests.kalshi.websocket_servers import raw_upgrade


async def test_a_ping_that_comes_after_the_servers_close_does_not_end_the_server() -> None:
    closed = trio.Event()

    async def accept(request: WebSocketRequest) -> None:
        connection = await request.accept()
        forgive_late_pings(connection)
        with trio.move_on_after(1):
            await connection.aclose()
        closed.set()

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, accept, "127.0.0.1", 0, None))
        stream = await raw_upgrade(server.port)
        assert (await stream.receive_some())[0] == 0x88, "the server has closed"
        await stream.send_all(b"\x89\x80\0\0\0\0")  # a ping that was on its way
        await trio.sleep(0.05)
        assert not closed.is_set(), "the server lives, and waits for our half of the closing handshake"
        await stream.send_all(b"\x88\x82\0\0\0\0\x03\xe8")
        with trio.fail_after(1):
            await closed.wait()
        await stream.aclose()
        nursery.cancel_scope.cancel()
