"""The shell around the REST application that does to a request what the fault plan says.

Rules:
1. Without an ordered fault a request passes through untouched; that costs one look at a flag.
2. What is to be carried out is carried out by a task of the exchange, not of the request: a client that gives
   up, or whose connection ends, changes nothing about what lands.
3. An answer that never comes is waited for until the client ends its request; no time is made up here.
It works the same over sockets and in memory, because it knows only ASGI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import msgspec
import trio

from kalshi.simulator.clock import ExchangeClock
from kalshi.simulator.fault_plan import FaultPlan, RequestFacts, RequestPlan, Substitute
from kalshi.simulator.timestamps import http_date

App = Callable[[Any, Any, Any], Any]
Message = dict[str, Any]

# Requests on their way at a time; beyond it the oldest storm has long lost its point.
UNDER_WAY_MAX: Final = 10_000
BODY_BYTES_MAX: Final = 1_000_000
_KEY_HEADER: Final = b"kalshi-access-key"


class FaultyApp:
    """An ASGI application with faults in front of it; `nursery` says where requests are carried out."""

    def __init__(
        self,
        app: App,
        plan: FaultPlan,
        *,
        prefix: str,
        clock: ExchangeClock,
        nursery: Callable[[], trio.Nursery | None],
    ) -> None:
        self._app = app
        self._plan = plan
        self._prefix = prefix
        self._clock = clock
        self._under_way = 0
        self._nursery = nursery

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._clock.skew_ms:
            send = self._redated(send)
        if self._plan.is_idle or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._plan.wants_tickers():
            body = await _read_body(receive)
            receive = _Replay(body, receive)
        else:
            body = b""
        plan = self._plan.request(self._facts(scope, body))
        if plan == RequestPlan():
            await self._app(scope, receive, send)
        else:
            await self._suffer(plan, scope, receive, send)

    async def _suffer(self, plan: RequestPlan, scope: Any, receive: Any, send: Any) -> None:
        body = receive.body if isinstance(receive, _Replay) else await _read_body(receive)
        answer = _Answer()
        if plan.is_carried_out:
            self._carry_out(plan, scope, body, answer)
        else:
            if plan.delay_s:
                await trio.sleep(plan.delay_s)
            answer.is_there.set()
        if not plan.is_answered:
            await _until_disconnected(receive)
            return
        await answer.is_there.wait()
        if plan.answer_delay_s:
            await trio.sleep(plan.answer_delay_s)
        for message in _outgoing(plan, answer, self._clock()):
            await send(message)

    def _carry_out(self, plan: RequestPlan, scope: Any, body: bytes, answer: _Answer) -> None:
        nursery = self._nursery()
        if nursery is None:
            raise RuntimeError("faults need the exchange's background work: start SimulatedExchange.run first")
        if self._under_way >= UNDER_WAY_MAX:
            raise RuntimeError(f"more than {UNDER_WAY_MAX} requests are being delayed: use a shorter delay")
        self._under_way += 1
        nursery.start_soon(self._deliver, plan.delay_s, scope, body, answer)

    async def _deliver(self, delay_s: float, scope: Any, body: bytes, answer: _Answer) -> None:
        try:
            await trio.sleep(delay_s)
            await self._app(scope, _Replay(body), answer.take)
        finally:
            self._under_way -= 1
            answer.is_there.set()

    def _facts(self, scope: Any, body: bytes) -> RequestFacts:
        path = str(scope["path"]).removeprefix(self._prefix)
        keys = (value for name, value in scope["headers"] if name.lower() == _KEY_HEADER)
        return RequestFacts(
            method=scope["method"],
            path=path,
            ticker=_ticker(path, bytes(scope.get("query_string", b"")), body),
            key_id=next(keys, b"").decode("ascii", "replace"),
        )

    def _redated(self, send: Any) -> Any:
        async def redated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", http_date(self._clock()).encode())
                others = [(name, value) for name, value in message.get("headers", ()) if name.lower() != b"date"]
                message = {**message, "headers": [*others, date]}
            await send(message)

        return redated


@attrs.define(eq=False)
class _Answer:
    """What the application answered, kept back."""

    messages: list[Message] = attrs.field(factory=list)
    is_there: trio.Event = attrs.field(factory=trio.Event)

    async def take(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


class _Replay:
    """Gives a body that was read already once more, then what else comes."""

    def __init__(self, body: bytes, rest: Any = None) -> None:
        self.body = body
        self._rest = rest
        self._is_given = False

    async def __call__(self) -> Message:
        if not self._is_given:
            self._is_given = True
            await trio.lowlevel.checkpoint()
            return {"type": "http.request", "body": self.body, "more_body": False}
        if self._rest is None:
            await trio.sleep_forever()
        message: Message = await self._rest()
        return message


async def _read_body(receive: Any) -> bytes:
    parts = []
    while True:  # ends with the body, or the connection
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        # A body too large is passed on as far as it goes: the application itself refuses it.
        if not message.get("more_body", False) or sum(map(len, parts)) > BODY_BYTES_MAX:
            break
    return b"".join(parts)


async def _until_disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _outgoing(plan: RequestPlan, answer: _Answer, now_ms: int) -> list[Message]:
    if plan.substitute is not None:
        return _messages(plan.substitute, [(b"date", http_date(now_ms).encode())])
    if plan.keep is None:
        return answer.messages
    start = answer.messages[0]
    body = answer.body[: int(len(answer.body) * plan.keep)]
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    return [
        {**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]},
        {"type": "http.response.body", "body": body, "more_body": False},
    ]


def _messages(substitute: Substitute, headers: list[tuple[bytes, bytes]]) -> list[Message]:
    length = (b"content-length", str(len(substitute.body)).encode())
    kind = (b"content-type", substitute.content_type.encode())
    return [
        {"type": "http.response.start", "status": substitute.status, "headers": [*headers, kind, length]},
        {"type": "http.response.body", "body": substitute.body, "more_body": False},
    ]


def _ticker(path: str, query: bytes, body: bytes) -> str:
    """Returns the market that a request is about, as far as it says: in its body, its query or its path."""
    if body:
        try:
            fields = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Malformed bodies are the application's to refuse.
            fields = None
        if isinstance(fields, Mapping) and isinstance(fields.get("ticker"), str):
            return str(fields["ticker"])
    for pair in query.decode("ascii", "replace").split("&"):
        name, _, value = pair.partition("=")
        if name == "ticker":
            return value
    parts = path.split("/")
    if len(parts) > 2 and parts[1] == "markets":
        return parts[2]
    return ""
