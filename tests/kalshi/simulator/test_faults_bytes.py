"""Byte-level faults and lost answers on real loopback connections, seen by httpx and by a WebSocket client."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from kalshi.simulator.exchange import SOCKET_PATH
from kalshi.simulator.faults import (
    AnyFault,
    Bytes,
    CutStream,
    HalfOpen,
    LostReply,
    Milliseconds,
    Positive,
    Share,
    SlowBytes,
)
from kalshi.simulator.http_server import serve_http
from kalshi.simulator.socket_server import serve_socket
from kalshi.socket import Socket, SocketClosed
from kalshi.socket_trio_websocket import open_trio_websocket
from tests.kalshi.simulator.fault_stage import Stage

STATUS = "/trade-api/v2/exchange/status"


@asynccontextmanager
async def served(*faults: AnyFault, **settings: Any) -> AsyncIterator[tuple[Stage, httpx.AsyncClient, str]]:
    """Serves an exchange on two free ports; gives it, a client of its REST door, and its WebSocket address."""
    stage = Stage(faults, **settings)
    doors = [socket.socket(), socket.socket()]
    for door in doors:
        door.bind(("127.0.0.1", 0))
        door.listen()
    rest_port, socket_port = (door.getsockname()[1] for door in doors)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_http, stage.exchange.app, doors[0], stage.exchange.streams)
            await nursery.start(serve_socket, stage.exchange, doors[1])
            await nursery.start(stage.exchange.run)
            address = f"http://127.0.0.1:{rest_port}"
            async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=2) as http:
                yield stage, http, f"ws://127.0.0.1:{socket_port}{SOCKET_PATH}"
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def listening(stage: Stage, address: str) -> AsyncIterator[Socket]:
    """Connects the bot's own socket."""
    async with trio.open_nursery() as nursery:
        headers = list(stage.headers("GET", SOCKET_PATH).items())
        client = await open_trio_websocket(nursery, address, headers)
        try:
            yield client
        finally:
            await client.aclose()
            nursery.cancel_scope.cancel()


SUBSCRIBE = '{"id":1,"cmd":"subscribe","params":{"channels":["ticker"]}}'


async def test_without_a_fault_both_doors_are_sound() -> None:
    async with served() as (stage, http, address):
        for _ in range(3):
            assert (await http.get(STATUS)).status_code == 200
        async with listening(stage, address) as connection:
            await connection.send(SUBSCRIBE)
            (frame,) = await connection.receive_batch()
            assert '"subscribed"' in str(frame)


@pytest.mark.parametrize("after_bytes", [0, 20, 200])
async def test_a_cut_breaks_the_answer_in_the_middle_and_the_next_connection_is_sound(after_bytes: int) -> None:
    cut = CutStream(after_bytes=Bytes(after_bytes), count=Positive(1))
    async with served(cut) as (stage, http, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(STATUS)
        assert (await http.get(STATUS)).status_code == 200
        assert stage.strikes() == [1]


async def test_slow_bytes_come_all_the_same_and_take_their_time() -> None:
    slow = SlowBytes(chunk_bytes=Positive(40), every_ms=Milliseconds(20))
    async with served() as (stage, http, _):
        whole = (await http.get(STATUS)).text
        stage.exchange.faults.order(slow)
        began_s = trio.current_time()
        assert (await http.get(STATUS)).text == whole
        # Head and body have more than 300 bytes together.
        assert trio.current_time() - began_s > 0.15


async def test_a_half_open_connection_stays_silent_until_its_client_goes() -> None:
    async with served(HalfOpen(after_bytes=Bytes(30), count=Positive(1))) as (_, http, _address):
        with pytest.raises(httpx.ReadTimeout):
            await http.get(STATUS, timeout=0.3)
        assert (await http.get(STATUS)).status_code == 200


async def test_a_decision_holds_for_one_answer_on_a_connection_that_is_kept() -> None:
    async with served(HalfOpen(after_bytes=Bytes(1_000_000))) as (stage, http, _):
        for _ in range(3):
            assert (await http.get(STATUS)).status_code == 200
        assert stage.strikes() == [3]


async def test_a_lost_reply_lets_go_of_its_connection_when_the_client_gives_up() -> None:
    async with served(LostReply(methods=("GET",), count=Positive(1))) as (stage, http, _):
        with pytest.raises(httpx.ReadTimeout):
            await http.get(STATUS, timeout=0.2)
        assert (await http.get(STATUS)).status_code == 200
        assert stage.strikes() == [1]


async def test_a_websocket_is_cut_in_the_middle_of_a_frame() -> None:
    async with served() as (stage, _, address), listening(stage, address) as connection:
        stage.exchange.faults.order(CutStream(door="websocket", after_bytes=Bytes(5)))
        await connection.send(SUBSCRIBE)
        with pytest.raises(SocketClosed):
            await connection.receive_batch()


async def test_a_half_open_websocket_swallows_frames_and_pings_for_good() -> None:
    async with served() as (stage, _, address), listening(stage, address) as connection:
        stage.exchange.faults.order(HalfOpen(door="websocket", count=Positive(1)))
        await connection.send(SUBSCRIBE)
        with trio.move_on_after(0.3) as patience:
            await connection.receive_batch()
        assert patience.cancelled_caught
        stage.exchange.faults.clear()
        with pytest.raises(SocketClosed):
            await connection.ping(0.3)
        async with listening(stage, address) as another:
            await another.ping(5)


async def test_the_end_of_the_servers_waits_for_no_trickle() -> None:
    began_s = trio.current_time()
    async with served(SlowBytes(chunk_bytes=Positive(1), every_ms=Milliseconds(500))) as (_, http, _address):
        with pytest.raises(httpx.ReadTimeout):
            await http.get(STATUS, timeout=0.2)
    assert trio.current_time() - began_s < 2


async def test_cuts_are_seeded() -> None:
    async def outcomes(seed: int) -> list[bool]:
        whole = []
        async with served(CutStream(share=Share(0.5)), seed=seed) as (_, http, _address):
            for _ in range(12):
                try:
                    await http.get(STATUS)
                    whole.append(True)
                except httpx.RemoteProtocolError:
                    whole.append(False)
        return whole

    first = await outcomes(1)
    assert set(first) == {True, False}
    assert await outcomes(1) == first
    assert await outcomes(2) != first
