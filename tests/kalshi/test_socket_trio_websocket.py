"""The socket port on trio-websocket: batches, pings, overflow, and every way a connection can begin badly or end."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    connect_websocket_url,
    serve_websocket,
)
from wsproto.events import CloseConnection

from kalshi.errors import AuthenticationFailed, Rejected, Unavailable
from kalshi.socket import Socket, SocketClosed, SocketOverflow
from kalshi.socket_trio_websocket import TrioWebSocket, open_trio_websocket

Handler = Callable[[WebSocketConnection], Awaitable[None]]


@asynccontextmanager
async def websocket_server(handler: Handler) -> AsyncIterator[str]:
    """Serves WebSockets on loopback; yields their address."""

    async def accept(request: WebSocketRequest) -> None:
        connection = await request.accept()
        with suppress(ConnectionClosed):
            await handler(connection)

    async with raw_websocket_server(accept) as url:
        yield url


@asynccontextmanager
async def raw_websocket_server(accept: Callable[[WebSocketRequest], Awaitable[None]]) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, accept, "127.0.0.1", 0, None))
        try:
            yield f"ws://127.0.0.1:{server.port}/trade-api/ws/v2"
        finally:
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(url: str, buffer_frames: int = 1_000) -> AsyncIterator[TrioWebSocket]:
    headers = [("KALSHI-ACCESS-KEY", "key-1")]
    async with trio.open_nursery() as nursery:
        socket = await open_trio_websocket(nursery, url, headers, buffer_frames=buffer_frames)
        try:
            yield socket
        finally:
            await socket.aclose()
            nursery.cancel_scope.cancel()


async def echo(connection: WebSocketConnection) -> None:
    while True:
        await connection.send_message(await connection.get_message())


async def idle(connection: WebSocketConnection) -> None:
    await trio.sleep_forever()


async def frames(socket: Socket, count: int) -> list[str | bytes]:
    received: list[str | bytes] = []
    while len(received) < count:
        batch = await socket.receive_batch()
        assert batch
        received.extend(batch)
    return received


async def test_frames_go_both_ways_in_order() -> None:
    async with websocket_server(echo) as url, connected(url) as socket:
        for number in range(50):
            await socket.send(f"frame {number}")
        assert await frames(socket, 50) == [f"frame {number}" for number in range(50)]


async def test_a_batch_is_everything_that_has_arrived() -> None:
    async def burst(connection: WebSocketConnection) -> None:
        for number in range(30):
            await connection.send_message(str(number))
        await trio.sleep_forever()

    async with websocket_server(burst) as url, connected(url) as socket:
        await trio.sleep(0.1)
        assert len(await socket.receive_batch()) == 30


async def test_the_handshake_carries_our_headers_and_query() -> None:
    seen: list[tuple[bytes, bytes]] = []
    paths: list[str] = []

    async def accept(request: WebSocketRequest) -> None:
        seen.extend(request.headers)
        paths.append(request.path)
        await request.accept()

    async with raw_websocket_server(accept) as url, connected(f"{url}?a=b"):
        pass
    assert (b"kalshi-access-key", b"key-1") in [(name.lower(), value) for name, value in seen]
    assert paths == ["/trade-api/ws/v2?a=b"]


async def test_frames_before_the_end_are_handed_over_and_then_the_end_is_told() -> None:
    async def farewell(connection: WebSocketConnection) -> None:
        await connection.send_message("last words")
        await connection.aclose(1001, "maintenance")

    async with websocket_server(farewell) as url, connected(url) as socket:
        await trio.sleep(0.05)
        assert await socket.receive_batch() == ["last words"]
        for _ in range(2):
            with pytest.raises(SocketClosed, match="maintenance"):
                await socket.receive_batch()
        with pytest.raises(SocketClosed):
            await socket.send("too late")
        with pytest.raises(SocketClosed):
            await socket.ping(1)


@pytest.mark.parametrize("end", [b"\x88\x02\x03\xe9", b""])
async def test_a_connection_that_opens_speaks_and_ends_in_one_breath_loses_nothing(end: bytes) -> None:
    async def gasp(stream: trio.SocketStream) -> None:
        await complete_handshake(stream, b"\x81\x02hi" + end)

    async with tcp(gasp) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with trio.fail_after(1):
            assert await socket.receive_batch() == ["hi"]
            with pytest.raises(SocketClosed, match=r"1001|1006"):
                await socket.receive_batch()


async def test_the_library_s_private_names_that_we_rely_on_are_still_there() -> None:
    async with websocket_server(echo) as url, trio.open_nursery() as nursery:
        connection = await connect_websocket_url(nursery, url)
        for name in ("_send_channel", "_recv_channel", "_reader_task", "_open_handshake"):
            assert hasattr(connection, name), name
        for name in ("send", "aclose", "__aenter__", "__aexit__"):
            assert hasattr(connection._send_channel, name), name
        await connection.aclose()


async def test_a_connection_that_breaks_off_is_told_to_who_waits() -> None:
    async def break_off(connection: WebSocketConnection) -> None:
        await trio.sleep(0.02)
        await trio.aclose_forcefully(connection._stream)

    async with websocket_server(break_off) as url, connected(url) as socket:
        with trio.fail_after(1), pytest.raises(SocketClosed, match="1006"):
            await socket.receive_batch()


async def test_server_pings_are_answered_while_the_consumer_sleeps() -> None:
    answered = trio.Event()

    async def demanding(connection: WebSocketConnection) -> None:
        for number in range(400):  # more than any queue inside the library
            await connection.send_message(str(number))
        with trio.fail_after(1):
            await connection.ping(b"heartbeat")
        answered.set()
        await trio.sleep_forever()

    async with websocket_server(demanding) as url, connected(url) as socket:
        with trio.fail_after(2):
            await answered.wait()
        assert len(await frames(socket, 400)) == 400


async def test_a_consumer_that_is_too_slow_is_told_at_once() -> None:
    async def flood(connection: WebSocketConnection) -> None:
        for number in range(100):
            await connection.send_message(str(number))
        await trio.sleep_forever()

    async with websocket_server(flood) as url, connected(url, buffer_frames=50) as socket:
        await trio.sleep(0.1)
        with pytest.raises(SocketOverflow, match="50"):
            await socket.receive_batch()


async def test_pings_are_answered_one_after_the_other() -> None:
    async with websocket_server(echo) as url, connected(url) as socket:
        for _ in range(3):
            with trio.fail_after(1):
                await socket.ping(0.5)


async def test_a_ping_without_an_answer_ends_the_connection() -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        await trio.sleep_forever()

    async with tcp(deaf) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with pytest.raises(SocketClosed, match="no answer to a ping"):
            await socket.ping(0.05)
        with pytest.raises(SocketClosed, match="no answer to a ping"):
            await socket.receive_batch()


async def test_a_ping_under_way_when_the_connection_dies_does_not_wait_for_ever() -> None:
    async def die(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        await stream.receive_some()

    async with tcp(die) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with trio.fail_after(1), pytest.raises(SocketClosed):
            await socket.ping(0.2)


async def test_closing_a_dead_peer_takes_two_seconds_at_most() -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        await trio.sleep_forever()

    async with tcp(deaf) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        start = trio.current_time()
        await socket.aclose()
        assert trio.current_time() - start < 2.5
        await socket.aclose()
        with pytest.raises(SocketClosed):
            await socket.receive_batch()


async def test_a_cancelled_close_is_immediate() -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        await trio.sleep_forever()

    async with tcp(deaf) as port, trio.open_nursery() as nursery:
        socket = await open_trio_websocket(nursery, f"ws://127.0.0.1:{port}/", [])
        with trio.fail_after(1), trio.move_on_after(0.01):
            await socket.aclose()


async def test_a_cancelled_send_ends_the_connection() -> None:
    async def never_reads(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        await trio.sleep_forever()

    async with tcp(never_reads) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with trio.move_on_after(0.1) as scope:
            while True:
                await socket.send("x" * 1_000_000)
        assert scope.cancelled_caught
        with pytest.raises(SocketClosed, match="half way"):
            await socket.send("more")


async def test_a_cancelled_owner_takes_the_connection_along() -> None:
    async with websocket_server(idle) as url:
        async with trio.open_nursery() as nursery:
            socket = await open_trio_websocket(nursery, url, [])
            nursery.cancel_scope.cancel()
        with pytest.raises(SocketClosed):
            await socket.receive_batch()


async def test_sending_into_a_connection_that_the_protocol_has_closed_is_a_closed_socket() -> None:
    async with websocket_server(idle) as url, connected(url) as socket:
        connection = socket._open_connection()
        connection._wsproto.send(CloseConnection(code=1000))
        with pytest.raises(SocketClosed, match="closing"):
            await socket.send("x")


# Connections that never open.


def rejecting(status: int, body: bytes) -> Callable[[WebSocketRequest], Awaitable[None]]:
    async def reject(request: WebSocketRequest) -> None:
        await request.reject(status, extra_headers=[(b"content-type", b"application/json")], body=body)

    return reject


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, b'{"error":{"code":"header_timestamp_expired","message":"x"}}', AuthenticationFailed, "timestamp"),
        (403, b'{"error":{"code":"forbidden","message":"no"}}', Rejected, "forbidden"),
        (503, b"<html>down</html>", Unavailable, "503"),
        (429, b'{"error":"too many requests"}', Unavailable, "429"),
    ],
)
async def test_a_refused_handshake_is_the_error_that_its_status_means(
    status: int, body: bytes, kind: type[Exception], words: str
) -> None:
    async with raw_websocket_server(rejecting(status, body)) as url, trio.open_nursery() as nursery:
        with pytest.raises(kind, match=words):
            await open_trio_websocket(nursery, url, [])


async def test_a_refusal_without_a_body_is_understood() -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await trio.sleep_forever()

    async with tcp(refuse) as port, trio.open_nursery() as nursery:
        with pytest.raises(AuthenticationFailed):
            await open_trio_websocket(nursery, f"ws://127.0.0.1:{port}/", [])


async def hang_up(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    await stream.aclose()


async def talk_nonsense(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    await stream.send_all(b"SMTP 220 hello\r\n\r\n")
    await trio.sleep_forever()


async def stay_silent(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize("behaviour", [hang_up, talk_nonsense, stay_silent])
async def test_a_server_that_is_no_websocket_is_unavailable_soon(
    behaviour: Callable[[trio.SocketStream], Awaitable[None]],
) -> None:
    async with tcp(behaviour) as port, trio.open_nursery() as nursery:
        with trio.fail_after(2), pytest.raises(Unavailable):
            await open_trio_websocket(nursery, f"ws://127.0.0.1:{port}/", [], connect_s_max=0.3)


async def test_nobody_listening_is_unavailable() -> None:
    async with tcp(idle_stream) as port:
        pass
    async with trio.open_nursery() as nursery:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await open_trio_websocket(nursery, f"ws://127.0.0.1:{port}/", [])


async def test_an_address_of_another_kind_is_our_own_mistake() -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(ValueError, match="ws://"):
            await open_trio_websocket(nursery, "http://127.0.0.1/", [])


async def test_tls_to_a_server_that_speaks_none_is_unavailable() -> None:
    async with tcp(talk_nonsense) as port, trio.open_nursery() as nursery:
        with pytest.raises(Unavailable):
            await open_trio_websocket(nursery, f"wss://127.0.0.1:{port}/", [], connect_s_max=1)


async def test_a_socket_that_was_never_opened_says_so() -> None:
    with pytest.raises(SocketClosed, match="not open"):
        await TrioWebSocket().send("x")


async def test_any_stream_can_stand_in_for_the_network() -> None:
    async with websocket_server(echo) as url, trio.open_nursery() as nursery:
        port = int(url.split(":")[2].split("/")[0])
        opened: list[str] = []

        async def open_stream() -> trio.abc.Stream:
            opened.append("stream")
            return await trio.open_tcp_stream("127.0.0.1", port)

        socket = await open_trio_websocket(nursery, "ws://anywhere/", [], open_stream=open_stream)
        await socket.send("hello")
        assert await socket.receive_batch() == ["hello"]
        await socket.aclose()
    assert opened == ["stream"]


# A server below the library.


async def idle_stream(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def complete_handshake(stream: trio.SocketStream, more: bytes = b"") -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += await stream.receive_some()
    key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    digest = hashlib.sha1(key.split(b":")[1].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    await stream.send_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n" + more
    )


@asynccontextmanager
async def tcp(serve: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    async def handle(stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await serve(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The client hung up.

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        try:
            yield listener.socket.getsockname()[1]
        finally:
            nursery.cancel_scope.cancel()
