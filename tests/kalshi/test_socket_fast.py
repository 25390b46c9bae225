"""What only the fast transport can do wrong: its own writing, its way around the protocol object, its answers."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from kalshi.errors import Unavailable
from kalshi.socket import SocketClosed
from kalshi.socket_fast import READ_EVERY_S, FastWebSocket, open_fast_websocket
from tests.kalshi.websocket_servers import complete_handshake, tcp


async def test_a_socket_that_was_never_opened_says_so() -> None:
    with pytest.raises(SocketClosed, match="not open"):
        await FastWebSocket().send("x")


async def test_a_flood_of_pings_that_nobody_reads_the_answers_of_ends_the_connection() -> None:
    async def flood(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        while True:
            await stream.send_all((b"\x89\x7d" + b"p" * 125) * 200)

    async with tcp(flood) as port, trio.open_nursery() as nursery:
        socket = await open_fast_websocket(nursery, f"ws://127.0.0.1:{port}/", [])
        with trio.fail_after(10), pytest.raises(SocketClosed, match="answers"):
            await socket.receive_batch()


async def test_a_peer_that_reads_nothing_while_it_sends_is_still_read() -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await complete_handshake(stream)
        for _ in range(200):
            await stream.send_all(b"\x89\x01p" + b"\x81\x02hi")
        await trio.sleep_forever()

    async with tcp(deaf) as port, trio.open_nursery() as nursery:
        socket = await open_fast_websocket(nursery, f"ws://127.0.0.1:{port}/", [])

        async def send_without_end() -> None:
            while True:
                await socket.send("x" * 1_000_000)

        nursery.start_soon(send_without_end)
        received = 0
        with trio.fail_after(3):
            while received < 200:
                received += len(await socket.receive_batch())
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "Accept"),
        (b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"y" * 7_000 + b"\r\n" * 2, "handshake"),
        (b"x" * 200_000, "no end"),
    ],
)
async def test_an_answer_that_is_no_handshake_is_unavailable(answer: bytes, words: str) -> None:
    async def answer_so(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await trio.sleep_forever()

    async with tcp(answer_so) as port, trio.open_nursery() as nursery:
        with trio.fail_after(2), pytest.raises(Unavailable, match=words):
            await open_fast_websocket(nursery, f"ws://127.0.0.1:{port}/", [])


async def test_what_comes_thick_is_read_together_and_what_comes_after_a_silence_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()

    async def open_stream() -> trio.abc.Stream:
        return ours

    async with trio.open_nursery() as nursery:
        nursery.start_soon(complete_handshake, theirs)
        socket = await open_fast_websocket(nursery, "ws://exchange/", [], open_stream=open_stream)
        batches: list[tuple[float, int]] = []

        async def consume() -> None:
            while True:
                frames = await socket.receive_batch()
                batches.append((trio.current_time() - began_s, len(frames)))

        await trio.sleep(1)
        began_s = trio.current_time()
        nursery.start_soon(consume)
        for _ in range(50):
            await theirs.send_all(b"\x81\x02hi")
            await trio.sleep(READ_EVERY_S / 5)
        await trio.sleep(1)
        assert sum(size for _, size in batches) == 50
        assert batches[0] == (0.0, 1), "the first one waits for nothing"
        assert len(batches) <= 12
        batches.clear()
        silent_for_s = trio.current_time() - began_s
        await theirs.send_all(b"\x81\x02hi")
        await trio.sleep(READ_EVERY_S / 5)
        assert batches == [(silent_for_s, 1)]
        nursery.cancel_scope.cancel()
