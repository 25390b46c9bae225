"""The client against a real TCP server on loopback: what is known when the connection does what it likes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio
import trio.lowlevel
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from kalshi.errors import OutcomeUnknown, Rejected, SendRefused, Unavailable
from kalshi.rest import RestClient, make_http
from tests.kalshi.rest_doubles import client_on, http_answer, make_client, read_request, serving, tcp_server
from tests.kalshi.test_rest import ACK, CANCEL, CREATE, CREATE_ACK

BALANCE = {"balance_dollars": "1.0000", "updated_ts": 1}


class Exchange:
    """A server that answers by a list of behaviours, one per request, and counts what reached it."""

    def __init__(self, *behaviours: Callable[[trio.SocketStream], Awaitable[None]]) -> None:
        self.behaviours = list(behaviours)
        self.requests: list[bytes] = []
        self.bytes_seen = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        while request := await read_request(stream):
            self.requests.append(request)
            behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
            await behaviour(stream)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.partition(b"\r\n\r\n")[2] or b"null") for request in self.requests]


async def acknowledge(stream: trio.SocketStream) -> None:
    await stream.send_all(http_answer(201, ACK))


async def tell_balance(stream: trio.SocketStream) -> None:
    await stream.send_all(http_answer(200, BALANCE))


async def lose_the_reply(stream: trio.SocketStream) -> None:
    await stream.aclose()


async def answer_half(stream: trio.SocketStream) -> None:
    await stream.send_all(http_answer(201, ACK)[:-10])
    await stream.aclose()


async def answer_garbage(stream: trio.SocketStream) -> None:
    await stream.send_all(b"SMTP 220 hello\r\n\r\n")
    await stream.aclose()


async def say_nothing(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def test_the_last_check_runs_before_signing_and_right_before_the_first_byte() -> None:
    exchange = Exchange(acknowledge)
    bytes_at_check: list[int] = []
    async with serving(exchange.serve) as client:
        for _ in range(2):
            assert (
                await client.create_order(CREATE, before_send=lambda: bytes_at_check.append(len(exchange.requests)))
                == CREATE_ACK
            )
    assert bytes_at_check == [0, 0, 1, 1]


async def test_i9_a_check_that_turns_at_the_first_byte_lets_nothing_leave() -> None:
    exchange = Exchange(acknowledge)
    checks: list[str] = []

    def turn() -> None:
        checks.append("check")
        if len(checks) == 2:
            raise SendRefused("too late")

    async with serving(exchange.serve, connections=1) as client:
        with pytest.raises(SendRefused):
            await client.create_order(CREATE, before_send=turn)
        assert await client.create_order(CREATE, before_send=turn) == CREATE_ACK
    assert len(checks) == 4
    assert len(exchange.requests) == 1


@pytest.mark.parametrize("behaviour", [lose_the_reply, answer_half, answer_garbage])
async def test_a_lost_or_broken_reply_leaves_a_write_unknown_and_a_read_unavailable(
    behaviour: Callable[[trio.SocketStream], Awaitable[None]],
) -> None:
    exchange = Exchange(behaviour)
    async with serving(exchange.serve) as client:
        with pytest.raises(OutcomeUnknown):
            await client.create_order(CREATE)
        with pytest.raises(Unavailable):
            await client.balance()
    assert len(exchange.requests) == 2, "nothing was sent a second time"


async def test_an_exchange_that_cannot_be_reached_did_nothing() -> None:
    async with tcp_server(Exchange(acknowledge).serve) as base_url:
        pass  # The port is free again.
    async with make_http(base_url, 1) as http:
        with pytest.raises(Unavailable) as caught:
            await client_on(http, base_url, connections=1, deadline_s=3).create_order(CREATE)
    assert type(caught.value) is Unavailable


async def test_silence_after_the_bytes_is_unknown_at_the_total_deadline() -> None:
    async with serving(Exchange(say_nothing).serve, deadline_s=0.1) as client:
        with pytest.raises(OutcomeUnknown, match=r"0\.1 s"):
            await client.create_order(CREATE)


async def test_an_answer_that_trickles_does_not_outlive_the_total_deadline() -> None:
    async def trickle(stream: trio.SocketStream) -> None:
        for byte in http_answer(201, ACK):
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.02)

    async with serving(Exchange(trickle).serve, deadline_s=0.2) as client:
        with trio.fail_after(1), pytest.raises(OutcomeUnknown):
            await client.create_order(CREATE)


class Blackhole(AsyncNetworkBackend):
    """A network in which every connect waits for ever."""

    async def connect_tcp(self, *_: object, **__: object) -> AsyncNetworkStream:
        await trio.sleep_forever()
        raise AssertionError


def blackhole_client(deadline_s: float) -> RestClient:
    transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=1))
    transport._pool._network_backend = Blackhole()
    return make_client(transport, deadline_s=deadline_s)


async def test_a_connection_that_never_opens_lets_no_byte_leave() -> None:
    with pytest.raises(Unavailable, match="no byte had left"):
        await blackhole_client(deadline_s=0.1).create_order(CREATE)


async def test_a_cancellation_before_the_first_byte_just_cancels() -> None:
    with trio.fail_after(5), trio.move_on_after(0.05) as scope:
        await blackhole_client(deadline_s=30).create_order(CREATE)
    assert scope.cancelled_caught


async def test_a_cancellation_after_the_first_byte_waits_for_the_answer() -> None:
    async def slow(stream: trio.SocketStream) -> None:
        await trio.sleep(0.1)
        await acknowledge(stream)

    acks = []
    async with serving(Exchange(slow).serve) as client:
        with trio.move_on_after(0.05) as scope:
            acks.append(await client.create_order(CREATE))
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
    assert acks == [CREATE_ACK]


async def test_on_the_way_out_nobody_waits_for_an_answer_past_the_deadline() -> None:
    async def say_nothing(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    exchange = Exchange(say_nothing)
    async with serving(exchange.serve, shields_writes=False) as client:
        with trio.fail_after(1), trio.move_on_after(0.2) as scope:
            await client.trigger_order_group("group-1", 0)
        assert scope.cancelled_caught
        assert len(exchange.requests) == 1


async def test_a_batch_cancel_carries_its_body_over_the_wire() -> None:
    exchange = Exchange(lose_the_reply)
    async with serving(exchange.serve) as client:
        with pytest.raises(OutcomeUnknown):
            await client.batch_cancel((CANCEL,))
    assert exchange.bodies == [{"orders": [{"order_id": "o-1", "exchange_index": 2, "market_ticker": "A-B"}]}]


async def test_redirects_are_not_followed() -> None:
    async def redirect(stream: trio.SocketStream) -> None:
        await stream.send_all(http_answer(301, {}, headers="Location: /elsewhere/\r\n"))

    exchange = Exchange(redirect)
    async with serving(exchange.serve) as client:
        with pytest.raises(Rejected, match="301"):
            await client.create_order(CREATE)
    assert len(exchange.requests) == 1


async def test_at_most_so_many_requests_are_under_way_as_there_are_connections() -> None:
    under_way = [0, 0]

    async def count(stream: trio.SocketStream) -> None:
        under_way[0] += 1
        under_way[1] = max(under_way)
        await trio.sleep(0.005)
        under_way[0] -= 1
        await tell_balance(stream)

    async with serving(Exchange(count).serve, connections=2) as client, trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(client.balance)
    assert under_way[1] == 2


def test_the_http_client_has_no_surprises() -> None:
    http = make_http("https://exchange.test", 4)
    assert http.timeout == httpx.Timeout(None)
    assert not http.follow_redirects
    assert not http.trust_env
