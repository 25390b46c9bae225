"""Doubles for the REST client: a transport that answers from memory, and a TCP server that speaks raw bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import trio

from kalshi.budget import RateBudget
from kalshi.http_client import HttpClient
from kalshi.rest import RestClient, make_http
from kalshi.signing import Signer, generate_key_pair
from kalshi.types import BucketLimits

PRIVATE_PEM, PUBLIC_PEM = generate_key_pair("ed25519")
WALL_MS = 1_781_159_360_866
DATE = "Thu, 11 Jun 2026 06:29:20 GMT"
DATE_MS = 1_781_159_360_000
BASE_URL = "http://exchange.test/trade-api/v2"

GENEROUS = BucketLimits(refill_per_s=1e6, capacity=1e6)

Answerer = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]
Server = Callable[[trio.SocketStream], Awaitable[None]]


class FakeTransport(httpx.AsyncBaseTransport):
    """Answers every request by a function and keeps the requests; it does not trace."""

    def __init__(self, answer: Answerer) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        await request.aread()
        self.requests.append(request)
        answer = self._answer(request)
        return answer if isinstance(answer, httpx.Response) else await answer

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]

    def body(self) -> Any:
        return json.loads(self.last.content)


def answering(status: int, body: object = None, **headers: str) -> Answerer:
    """Returns a function that answers everything alike; `body` is JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return lambda _: httpx.Response(status, content=content, headers={"Date": DATE, **headers})


def make_budget() -> RateBudget:
    return RateBudget(trio.current_time, GENEROUS, GENEROUS)


def make_client(
    transport: httpx.AsyncBaseTransport,
    *,
    budget: RateBudget | None = None,
    connections: int = 2,
    deadline_s: float = 3.0,
    on_server_date: Callable[[int, int], None] | None = None,
) -> RestClient:
    """Returns a client on a transport that needs no closing."""
    return client_on(
        make_http(BASE_URL, connections, transport=transport),
        BASE_URL,
        budget=budget,
        connections=connections,
        deadline_s=deadline_s,
        on_server_date=on_server_date,
    )


def client_on(
    http: HttpClient,
    base_url: str,
    *,
    budget: RateBudget | None = None,
    connections: int,
    deadline_s: float,
    on_server_date: Callable[[int, int], None] | None = None,
    shields_writes: bool = True,
) -> RestClient:
    return RestClient(
        http=http,
        base_url=base_url,
        signer=Signer("key-1", PRIVATE_PEM),
        budget=budget or make_budget(),
        wall_ms=lambda: WALL_MS,
        connections=connections,
        deadline_s=deadline_s,
        on_server_date=on_server_date,
        shields_writes=shields_writes,
    )


def http_answer(status: int, body: object, *, headers: str = "") -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nDate: {DATE}\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def read_request(stream: trio.SocketStream) -> bytes:
    """Returns one request with its body, or nothing where the client hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = await stream.receive_some()
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += await stream.receive_some()
    return head + b"\r\n\r\n" + body


@asynccontextmanager
async def tcp_server(serve: Server) -> AsyncIterator[str]:
    """Serves raw TCP on loopback; yields the base URL of a client."""

    async def handle(stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await serve(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # One side hung up, which many of these tests want.

    serve_tcp = partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(serve_tcp)
        port = listener.socket.getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/trade-api/v2"
        finally:
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(
    serve: Server, *, connections: int = 2, deadline_s: float = 3.0, shields_writes: bool = True
) -> AsyncIterator[RestClient]:
    """Serves raw TCP on loopback; yields a client of it and closes that at the end."""
    async with tcp_server(serve) as base_url, make_http(base_url, connections) as http:
        yield client_on(http, base_url, connections=connections, deadline_s=deadline_s, shields_writes=shields_writes)
