"""How one request goes out and what its end means. Endpoints are in `kalshi.rest`.

Rules:
1. Tokens first, then a place in the connection limit, then the last check, then the signature, then the
   bytes. The limit is never larger than the pool: httpcore's pool loses connections for ever when requests
   that queue inside it are cancelled.
2. The last check (`before_send`) runs twice: before signing, so that nothing is signed in vain, and again
   right before the first byte, through the transport's trace hook. If it raises SendRefused nothing leaves.
3. Until its first byte a write can be cancelled like anything else. From then on it is shielded, under its
   own total deadline, and ends in an answer, Rejected, RateLimited or OutcomeUnknown. A sender made without
   `shields_writes` leaves that out: on the way out nobody waits past the deadline for what can be repeated.
4. A transport that does not trace (in-memory ones) cannot tell when bytes leave, so there a write counts as
   having left from the start, except where the transport says that it never connected.
5. A read that gets no answer is Unavailable: asking again does no harm.
6. Time-outs are total, by cancel scope. The client's own are per operation and stay off.

Source: Kalshi error and rate limit pages of October 2026; httpcore 1.0.9 as measured (supervision notes).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlencode

import attrs
import httpx
import msgspec
import trio

from kalshi.budget import Priority, RateBudget
from kalshi.errors import (
    ExchangeError,
    Malformed,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    excerpt,
    parse_error,
)
from kalshi.http_client import HttpClient, HttpResponse
from kalshi.signing import Signer
from kalshi.times import parse_http_date_ms

# An idle connection that a server in front of the exchange has closed costs a write its answer; load
# balancers commonly close after 60 s.
KEEP_ALIVE_S: Final = 30.0

BeforeSend = Callable[[], None]
# A tuple becomes the same name several times; None and "" are left away.
Query = Mapping[str, str | int | tuple[str, ...] | None]

_FIRST_BYTE: Final = "http11.send_request_headers.started"
# With these the transport says that the connection was never there.
_NEVER_CONNECTED: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)


@attrs.frozen(kw_only=True)
class Answer:
    """A complete answer of the exchange, successful or not."""

    status: int
    body: bytes
    content_type: str
    date_ms: int | None  # the Date header: whole seconds
    age_s: int  # the Age header of a cache, 0 without one

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def read_time_ms(self) -> int | None:
        """When the content was made, as far as the headers tell; never later than it was."""
        return None if self.date_ms is None else self.date_ms - self.age_s * 1000


def make_http(
    base_url: str,
    connections: int,
    ssl_context: ssl.SSLContext | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> httpx.AsyncClient:
    """Returns an HTTP/1.1 client: a pool of `connections`, no proxies, redirects or time-outs of its own.

    A connection that was idle for longer than `keep_alive_s` is not used again.
    Make it at boot: loading certificates blocks for tens of milliseconds.
    """
    is_plain = base_url.startswith("http://")
    return httpx.AsyncClient(
        http1=True,
        http2=False,
        verify=ssl_context if ssl_context is not None else not is_plain,
        trust_env=False,
        follow_redirects=False,
        timeout=None,
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=keep_alive_s,
        ),
        transport=transport,
    )


class _Flight:
    """One request on its way to the wire: knows whether bytes may have left."""

    def __init__(self, scope: trio.CancelScope, before_send: BeforeSend | None, *, is_shielded: bool) -> None:
        self._scope = scope
        self._before_send = before_send
        self._is_shielded = is_shielded
        self._is_traced = False
        self._has_left = False

    @property
    def may_have_left(self) -> bool:
        return self._has_left or not self._is_traced

    @property
    def has_left(self) -> bool:
        return self._has_left

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        self._is_traced = True
        if event == _FIRST_BYTE:
            self._scope.shield = False
            await trio.lowlevel.checkpoint()  # the last moment for a local cancellation
            if self._before_send is not None:
                self._before_send()
            self._has_left = True
            self._scope.shield = self._is_shielded
        elif not self._has_left:
            # It still connects, so a local cancellation may end it (rule 3).
            self._scope.shield = False


class Sender:
    """Sends signed requests over one pool, under the account's shared rate budget."""

    def __init__(
        self,
        *,
        http: HttpClient,
        base_url: str,
        signer: Signer,
        budget: RateBudget,
        wall_ms: Callable[[], int],
        connections: int,
        deadline_s: float,
        on_server_date: Callable[[int, int], None] | None,
        shields_writes: bool = True,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._signer = signer
        self._budget = budget
        self._wall_ms = wall_ms
        self._limiter = trio.CapacityLimiter(connections)
        self._deadline_s = deadline_s
        self._on_server_date = on_server_date
        self._shields_writes = shields_writes

    async def read(self, path: str, query: Query, *, cost: int, priority: Priority) -> Answer:
        """Returns a successful answer to a GET. Raises Rejected, RateLimited or Unavailable."""
        answer = await self.read_any(path, query, cost=cost, priority=priority)
        self.raise_for_status(answer)
        return answer

    async def read_any(self, path: str, query: Query, *, cost: int, priority: Priority) -> Answer:
        """Returns any complete answer to a GET. Raises Unavailable."""
        await self._budget.acquire_read(cost, priority)
        with self._budget.in_flight("read", cost) as billed:
            async with self._limiter:
                answer = await self._read_now(path, query)
            billed.landed()
        return answer

    async def _read_now(self, path: str, query: Query) -> Answer:
        with trio.move_on_after(self._deadline_s) as scope:
            flight = _Flight(scope, None, is_shielded=False)
            try:
                return await self._exchange("GET", path, query, None, flight, None)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Unavailable(f"GET {path}: {_explain(error)}") from error
        raise Unavailable(f"GET {path}: no complete answer within {self._deadline_s:g} s")

    def raise_for_status(self, answer: Answer) -> None:
        """Raises what an unsuccessful answer to a read means: Rejected, RateLimited or Unavailable."""
        if not answer.is_success:
            raise self._failure(answer, "read")

    async def write(
        self,
        method: Literal["POST", "PUT", "DELETE"],
        path: str,
        query: Query,
        body: object | None,
        *,
        cost: int,
        priority: Priority,
        before_send: BeforeSend | None,
    ) -> Answer:
        """Returns a successful answer to a write.

        Raises Rejected, RateLimited, Unavailable (it never left), OutcomeUnknown (it may have), or
        SendRefused.
        """
        await self._budget.acquire_write(cost, priority)
        with self._budget.in_flight("write", cost) as billed:
            async with self._limiter:
                answer = await self._write_now(method, path, query, body, before_send)
            billed.landed()
        if answer.is_success:
            return answer
        failure = self._failure(answer, "write")
        if isinstance(failure, Unavailable) and not isinstance(failure, RateLimited):
            raise OutcomeUnknown(f"{method} {path}: {failure.reason}")
        raise failure

    async def _write_now(
        self, method: str, path: str, query: Query, body: object | None, before_send: BeforeSend | None
    ) -> Answer:
        with trio.move_on_after(self._deadline_s, shield=self._shields_writes) as scope:
            flight = _Flight(scope, before_send, is_shielded=self._shields_writes)
            try:
                return await self._exchange(method, path, query, body, flight, before_send)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _lost(flight, f"{method} {path}: {_explain(error)}", error) from error
        raise _lost(flight, f"{method} {path}: no complete answer within {self._deadline_s:g} s")

    async def _exchange(
        self,
        method: str,
        path: str,
        query: Query,
        body: object | None,
        flight: _Flight,
        before_send: BeforeSend | None,
    ) -> Answer:
        request = self._http.build_request(
            method,
            self._url(path, query),
            content=None if body is None else msgspec.json.encode(body),
            headers=None if body is None else {"Content-Type": "application/json"},
            extensions={"trace": flight.trace},
        )
        if before_send is not None:
            before_send()
        # Signed is exactly what will be sent, byte for byte, without the query.
        sent_path = request.url.raw_path.partition(b"?")[0].decode("ascii")
        request.headers.update(self._signer.headers(method, sent_path, self._wall_ms()))
        return self._received(await self._http.send(request))

    def _url(self, path: str, query: Query) -> str:
        given = {name: value for name, value in query.items() if value is not None and value != ""}
        return f"{self._base_url}{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")

    def _received(self, response: HttpResponse) -> Answer:
        date_ms = parse_http_date_ms(response.headers.get("Date", ""))
        if date_ms is not None and self._on_server_date is not None:
            self._on_server_date(date_ms, self._wall_ms())
        age = response.headers.get("Age", "0")
        return Answer(
            status=response.status_code,
            body=response.content,
            content_type=response.headers.get("Content-Type", ""),
            date_ms=date_ms,
            age_s=int(age) if age.isascii() and age.isdecimal() else 0,
        )

    def _failure(self, answer: Answer, kind: Literal["read", "write"]) -> ExchangeError:
        failure = parse_error(answer.status, answer.body, answer.content_type)
        if isinstance(failure, RateLimited):
            self._budget.penalise(kind)
        return failure


def malformed_read(path: str, body: bytes, error: Exception) -> Malformed:
    """Returns the error for a successful read whose body is not understood."""
    return Malformed(f"GET {path}: {excerpt(str(error))}; the answer begins {excerpt(body)!r}")


def _lost(flight: _Flight, reason: str, error: Exception | None = None) -> OutcomeUnknown | Unavailable:
    never_connected = isinstance(error, _NEVER_CONNECTED) and not flight.has_left
    if flight.may_have_left and not never_connected:
        return OutcomeUnknown(reason)
    return Unavailable(f"{reason}; no byte had left")


def _explain(error: Exception) -> str:
    return f"{type(error).__name__}: {excerpt(str(error)) or 'no details'}"
