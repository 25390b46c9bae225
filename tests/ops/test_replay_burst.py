"""Writes leave together, none is lost, and none waits for long."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from ops.replay_burst import BURST_BYTES, BURST_S, BurstStream, listen_on_loopback


async def test_small_writes_leave_together_when_their_time_is_over(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    stream = BurstStream(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.flush_in_time)
        for _ in range(3):
            await stream.send_all(b"abc")
        assert await theirs.receive_some() == b"abcabcabc"
        assert trio.current_time() == pytest.approx(BURST_S)
        await stream.send_all(b"d")
        assert await theirs.receive_some() == b"d"
        nursery.cancel_scope.cancel()


async def test_a_full_burst_leaves_at_once(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    stream = BurstStream(ours)
    await stream.send_all(bytes(BURST_BYTES - 1))
    await stream.send_all(b"xy")
    assert len(await theirs.receive_some(2 * BURST_BYTES)) == BURST_BYTES + 1


async def test_closing_sends_what_is_left(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    stream = BurstStream(ours)
    await stream.send_all(b"last")
    await stream.aclose()
    assert await theirs.receive_some() == b"last"
    assert await theirs.receive_some() == b""


async def test_a_peer_that_is_gone_ends_the_flushing_and_closing_quietly(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    stream = BurstStream(ours)
    await theirs.aclose()
    await stream.send_all(b"nobody")
    await stream.flush_in_time()
    await stream.send_all(b"still nobody")
    await stream.aclose()


async def test_it_listens_on_loopback_only_and_flushes_what_it_accepts() -> None:
    async with trio.open_nursery() as nursery:
        listener = await listen_on_loopback(nursery)
        client = await trio.open_tcp_stream("127.0.0.1", listener.port)
        server = await listener.accept()
        await server.wait_send_all_might_not_block()
        await server.send_all(b"hello")
        assert await client.receive_some() == b"hello"
        await client.send_all(b"you")
        assert await server.receive_some() == b"you"
        for end in (client, server, listener):
            await end.aclose()
        nursery.cancel_scope.cancel()
