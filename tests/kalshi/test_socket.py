"""The socket port, on every transport: batches, pings, overflow, and every way a connection can begin badly or end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
from trio_websocket import (
    WebSocketConnection,
    WebSocketRequest,
)

from kalshi.errors import AuthenticationFailed, Rejected, Unavailable
from kalshi.socket import Socket, SocketClosed, SocketOverflow
from kalshi.socket_buffer import SocketBuffer
from kalshi.socket_transports import TRANSPORTS, OpenWebSocket
from tests.kalshi.websocket_servers import (
    complete_handshake,
    echo,
    idle,
    idle_stream,
    raw_websocket_server,
    tcp,
    tls_contexts,
    websocket_server,
)

Connected = Callable[..., AbstractAsyncContextManager[Socket]]


@pytest.fixture(params=sorted(TRANSPORTS))
def open_websocket(request: pytest.FixtureRequest) -> OpenWebSocket:
    return TRANSPORTS[request.param]


@pytest.fixture
def connected(open_websocket: OpenWebSocket) -> Connected:
    @asynccontextmanager
    async def connect(url: str, buffer_frames: int = 1_000) -> AsyncIterator[Socket]:
        headers = [("KALSHI-ACCESS-KEY", "key-1")]
        async with trio.open_nursery() as nursery:
            socket = await open_websocket(nursery, url, headers, buffer_frames=buffer_frames)
            try:
                yield socket
            finally:
                await socket.aclose()
                nursery.cancel_scope.cancel()

    return connect


async def frames(socket: Socket, count: int) -> list[str | bytes]:
    received: list[str | bytes] = []
    while len(received) < count:
        batch = await socket.receive_batch()
        assert batch
        received.extend(batch)
    return received


async def test_frames_go_both_ways_in_order(connected: Connected) -> None:
    async with websocket_server(echo) as url, connected(url) as socket:
        for number in range(50):
            await socket.send(f"frame {number}")
        assert await frames(socket, 50) == [f"frame {number}" for number in range(50)]


async def test_a_batch_is_everything_that_has_arrived(connected: Connected) -> None:
    async def burst(connection: WebSocketConnection) -> None:
        for number in range(30):
            await connection.send_message(str(number))
        await trio.sleep_forever()

    async with websocket_server(burst) as url, connected(url) as socket:
        await trio.sleep(0.1)
        assert len(await socket.receive_batch()) == 30


async def test_the_handshake_carries_our_headers_and_query(connected: Connected) -> None:
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


async def test_frames_before_the_end_are_handed_over_and_then_the_end_is_told(connected: Connected) -> None:
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
async def test_a_connection_that_opens_speaks_and_ends_in_one_breath_loses_nothing(
    connected: Connected, end: bytes
) -> None:
    async def gasp(stream: trio.SocketStream) -> None:
        await complete_handshake(stream, b"\x81\x02hi" + end)

    async with tcp(gasp) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with trio.fail_after(1):
            assert await socket.receive_batch() == ["hi"]
            with pytest.raises(SocketClosed, match=r"1001|1006"):
                await socket.receive_batch()


async def test_a_connection_that_breaks_off_is_told_to_who_waits(connected: Connected) -> None:
    async def break_off(connection: WebSocketConnection) -> None:
        await trio.sleep(0.02)
        await trio.aclose_forcefully(connection._stream)

    async with websocket_server(break_off) as url, connected(url) as socket:
        with trio.fail_after(1), pytest.raises(SocketClosed, match="1006"):
            await socket.receive_batch()


async def test_server_pings_are_answered_while_the_consumer_sleeps(connected: Connected) -> None:
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


async def test_a_consumer_that_is_too_slow_is_told_at_once(connected: Connected) -> None:
    async def flood(connection: WebSocketConnection) -> None:
        for number in range(100):
            await connection.send_message(str(number))
        await trio.sleep_forever()

    async with websocket_server(flood) as url, connected(url, buffer_frames=50) as socket:
        await trio.sleep(0.1)
        with pytest.raises(SocketOverflow, match="50"):
            await socket.receive_batch()


async def test_pings_are_answered_one_after_the_other(connected: Connected) -> None:
    async with websocket_server(echo) as url, connected(url) as socket:
        for _ in range(3):
            with trio.fail_after(1):
                await socket.ping(0.5)


async def test_a_ping_without_an_answer_ends_the_connection(connected: Connected) -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        await trio.sleep_forever()

    async with tcp(deaf) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with pytest.raises(SocketClosed, match="no answer to a ping"):
            await socket.ping(0.05)
        with pytest.raises(SocketClosed, match="no answer to a ping"):
            await socket.receive_batch()


async def test_a_ping_under_way_when_the_connection_dies_does_not_wait_for_ever(connected: Connected) -> None:
    async def die(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        await stream.receive_some()

    async with tcp(die) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with trio.fail_after(1), pytest.raises(SocketClosed):
            await socket.ping(0.2)


async def test_closing_a_dead_peer_takes_two_seconds_at_most(connected: Connected) -> None:
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


async def test_a_cancelled_close_is_immediate(open_websocket: OpenWebSocket) -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        await trio.sleep_forever()

    async with tcp(deaf) as port, trio.open_nursery() as nursery:
        socket = await open_websocket(nursery, f"ws://127.0.0.1:{port}/", [])
        with trio.fail_after(1), trio.move_on_after(0.01):
            await socket.aclose()


async def test_a_cancelled_send_ends_the_connection(connected: Connected) -> None:
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


async def test_a_cancelled_owner_takes_the_connection_along(open_websocket: OpenWebSocket) -> None:
    async with websocket_server(idle) as url:
        async with trio.open_nursery() as nursery:
            socket = await open_websocket(nursery, url, [])
            nursery.cancel_scope.cancel()
        with pytest.raises(SocketClosed):
            await socket.receive_batch()


@pytest.mark.parametrize(
    "offence",
    [
        b"\x81\x82\0\0\0\0hi",  # masked
        b"\xc1\x02hi",  # a reserved bit, as compression would set it
        b"\x81\x02\xff\xfe",  # no UTF-8
        b"\x83\x00",  # an opcode that does not exist
    ],
)
async def test_a_peer_that_breaks_the_protocol_is_left_after_what_it_said_before(
    connected: Connected, offence: bytes
) -> None:
    async def offend(stream: trio.SocketStream) -> None:
        await complete_handshake(stream, b"\x81\x02hi" + offence)
        await trio.sleep_forever()

    async with tcp(offend) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with trio.fail_after(3):
            assert await socket.receive_batch() == ["hi"]
            with pytest.raises(SocketClosed):
                await socket.receive_batch()


async def test_fragments_between_which_a_ping_comes_and_large_messages_arrive_whole(connected: Connected) -> None:
    large = "\u00e9" * 100_000

    async def talk(stream: trio.SocketStream) -> None:
        await complete_handshake(stream, b"\x01\x02he\x89\x01p\x80\x03llo")
        content = large.encode()
        await stream.send_all(b"\x81\x7f" + len(content).to_bytes(8, "big") + content + b"\x82\x02\x00\xff")
        await stream.receive_some()  # our close; hang up

    async with tcp(talk) as port, connected(f"ws://127.0.0.1:{port}/") as socket:
        with trio.fail_after(3):
            assert await frames(socket, 3) == ["hello", large, b"\x00\xff"]


async def test_a_consumer_that_is_too_slow_for_the_bytes_is_told_as_well(
    connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SocketBuffer.__init__, "__defaults__", (10_000,))

    async def flood(connection: WebSocketConnection) -> None:
        for _ in range(50):
            await connection.send_message("x" * 1_000)
        await trio.sleep_forever()

    async with websocket_server(flood) as url, connected(url) as socket:
        await trio.sleep(0.1)
        with pytest.raises(SocketOverflow, match="bytes"):
            await socket.receive_batch()


async def test_frames_go_both_ways_over_tls_and_a_stranger_s_certificate_is_refused(
    open_websocket: OpenWebSocket,
) -> None:
    server_side, client_side = tls_contexts()

    async def speak(stream: trio.SocketStream) -> None:
        secure = trio.SSLStream(stream, server_side, server_side=True, https_compatible=True)
        await complete_handshake(secure, b"\x81\x02hi" * 5_000)
        await trio.sleep_forever()

    async with tcp(speak) as port, trio.open_nursery() as nursery:
        url = f"wss://localhost:{port}/"
        socket = await open_websocket(nursery, url, [], ssl_context=client_side)
        assert await frames(socket, 5_000) == ["hi"] * 5_000
        await socket.send("x")
        nursery.cancel_scope.cancel()
    async with tcp(speak) as port, trio.open_nursery() as nursery:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await open_websocket(nursery, f"wss://localhost:{port}/", [])


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
    open_websocket: OpenWebSocket, status: int, body: bytes, kind: type[Exception], words: str
) -> None:
    async with raw_websocket_server(rejecting(status, body)) as url, trio.open_nursery() as nursery:
        with pytest.raises(kind, match=words):
            await open_websocket(nursery, url, [])


async def test_a_refusal_without_a_body_is_understood(open_websocket: OpenWebSocket) -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await trio.sleep_forever()

    async with tcp(refuse) as port, trio.open_nursery() as nursery:
        with pytest.raises(AuthenticationFailed):
            await open_websocket(nursery, f"ws://127.0.0.1:{port}/", [])


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
    open_websocket: OpenWebSocket, behaviour: Callable[[trio.SocketStream], Awaitable[None]]
) -> None:
    async with tcp(behaviour) as port, trio.open_nursery() as nursery:
        with trio.fail_after(2), pytest.raises(Unavailable):
            await open_websocket(nursery, f"ws://127.0.0.1:{port}/", [], connect_s_max=0.3)


async def test_nobody_listening_is_unavailable(open_websocket: OpenWebSocket) -> None:
    async with tcp(idle_stream) as port:
        pass
    async with trio.open_nursery() as nursery:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await open_websocket(nursery, f"ws://127.0.0.1:{port}/", [])


async def test_an_address_of_another_kind_is_our_own_mistake(open_websocket: OpenWebSocket) -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(ValueError, match="ws://"):
            await open_websocket(nursery, "http://127.0.0.1/", [])


async def test_tls_to_a_server_that_speaks_none_is_unavailable(open_websocket: OpenWebSocket) -> None:
    async with tcp(talk_nonsense) as port, trio.open_nursery() as nursery:
        with pytest.raises(Unavailable):
            await open_websocket(nursery, f"wss://127.0.0.1:{port}/", [], connect_s_max=1)


async def test_any_stream_can_stand_in_for_the_network(open_websocket: OpenWebSocket) -> None:
    async with websocket_server(echo) as url, trio.open_nursery() as nursery:
        port = int(url.split(":")[2].split("/")[0])
        opened: list[str] = []

        async def open_stream() -> trio.abc.Stream:
            opened.append("stream")
            return await trio.open_tcp_stream("127.0.0.1", port)

        socket = await open_websocket(nursery, "ws://anywhere/", [], open_stream=open_stream)
        await socket.send("hello")
        assert await socket.receive_batch() == ["hello"]
        await socket.aclose()
    assert opened == ["stream"]
