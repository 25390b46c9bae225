"""Nonsense never hurts: no 5xx, no exception, a known error shape, and a refusal changes nothing.

The long runs have 100,000 requests and frames refused between them, the short ones 3,000 with another seed; bytes that
are no HTTP or WebSocket at all are in test_fuzz_bytes.py.
"""

from __future__ import annotations

import itertools
import random
from typing import Any, Final
from urllib.parse import unquote

import attrs
import msgspec
import pytest

from kalshi.errors import describe
from kalshi.simulator.socket_channels import ERROR_TEXTS
from kalshi.simulator.socket_session import SocketSession
from tests.kalshi.simulator.customer import PREFIX, World, command, frames
from tests.kalshi.simulator.fuzzing import Case, CommandFuzzer, Names, RequestFuzzer, sound_create

# Background work between requests meets whatever they have left behind.
TICK_EVERY: Final = 50
PAUSE_MS: Final = 20
FRAMES_PER_SESSION: Final = 200
# About two of three draws are refused; a fuzzer that has gone tame ends here instead of never.
_DRAWS_PER_REFUSAL_MAX: Final = 4


class Target:
    """An exchange with one customer who has something to lose, and the nonsense that comes in their name."""

    def __init__(self, seed: int) -> None:
        self.world = World(tier="prestige")
        self.alice = self.world.alice
        self.app = self.world.exchange.app
        self.fuzzer = RequestFuzzer(random.Random(f"{seed}:requests"))
        self._numbers = itertools.count()
        self.names = Names(order_id="", group_id="", client_order_id=lambda: f"fuzz-{next(self._numbers)}")

    async def settle(self) -> None:
        """Puts the account into its usual state: a position, one order in one group."""
        await self._write("DELETE", "/portfolio/events/orders")
        for group in self.world.exchange.truth.groups("alice"):
            await self._write("DELETE", f"/portfolio/order_groups/{group.group_id}")
        if not self.world.exchange.truth.positions("alice"):
            await self.world.bob.place("ask", "0.5000", "5.00")
            await self.world.alice.place("bid", "0.5000", "5.00")
        body = {"contracts_limit_fp": "50.00", "exchange_index": 0}
        group_id = (await self._write("POST", "/portfolio/order_groups/create", body))["order_group_id"]
        self.names = attrs.evolve(self.names, group_id=group_id)
        order = {**sound_create(self.names), "price": "0.0300", "count": "3.00"}
        placed = await self._write("POST", "/portfolio/events/orders", order)
        self.names = attrs.evolve(self.names, order_id=placed["order_id"])

    async def end_allocation(self) -> None:
        """Ends a target allocation that was taken: later sweeps move money by it, and nobody asks then."""
        await self._write("POST", "/portfolio/target_balance_allocation", {"allocations": []})

    async def _write(self, method: str, path: str, body: object = None) -> Any:
        sent = b"" if body is None else msgspec.json.encode(body)
        status, answer, _ = await self.send(Case(method=method, path=(PREFIX + path).encode(), body=sent))
        assert status < 300, answer
        return msgspec.json.decode(answer) if answer else None

    def holdings(self) -> object:
        """Returns all that an account is: orders, positions, cash, groups."""
        truth = self.world.exchange.truth
        return (
            truth.resting_orders("alice"),
            truth.positions("alice"),
            truth.cash_by_shard_e6("alice"),
            truth.groups("alice"),
            len(truth.fills("alice")),
        )

    async def send(self, case: Case) -> tuple[int, bytes, str]:
        """Calls the application as Hypercorn would; returns status, body and content type."""
        path, headers = case.path.decode("ascii"), [*case.headers]
        if case.is_signed:
            signed = self.alice.signer.headers(case.method, path, self.world.clock())
            headers += [(name.lower().encode(), value.encode()) for name, value in signed.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": case.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": case.path,
            "query_string": case.query,
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "extensions": {},
        }
        sent: list[dict[str, Any]] = []
        waiting = [{"type": "http.request", "body": case.body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        kind = next((value for name, value in sent[0]["headers"] if name.lower() == b"content-type"), b"")
        return sent[0]["status"], b"".join(part.get("body", b"") for part in sent[1:]), kind.decode()


def is_known_error(status: int, body: bytes) -> bool:
    """Returns whether an error body has one of the shapes that the exchange is known to use."""
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False
    match decoded:
        case {"error": dict() as inner}:
            return set(decoded) == {"error"} and _is_plain_error(inner)
        case {"error": str()}:
            return status == 429 and set(decoded) == {"error"}
        case {"msg": str()}:
            return set(decoded) == {"msg"}
        case dict():
            return _is_plain_error(decoded)
    return False


def _is_plain_error(error: dict[str, object]) -> bool:
    named = {"code", "message"} <= set(error) <= {"code", "message", "details"}
    return named and all(isinstance(text, str) for text in error.values())


def check_answer(case: Case, status: int, body: bytes, content_type: str) -> None:
    assert status < 500, (case, body)
    if status < 400:
        assert not case.is_malformed, (case, status, body)
        return
    if case.method == "HEAD":
        return
    assert content_type == "application/json", (case, content_type)
    assert is_known_error(status, body), (case, body)
    # The other side of the conversation understands it as well: our client finds a code in it.
    assert not describe(status, body, content_type)[0].startswith("http_"), body


async def fuzz_requests(seed: int, refusals: int) -> None:
    """Sends nonsense until so much of it was refused; what is odd and still allowed comes on top."""
    target = Target(seed)
    await target.settle()
    before, refused = target.holdings(), 0
    for number in range(refusals * _DRAWS_PER_REFUSAL_MAX):
        case = target.fuzzer.draw(target.names)
        target.world.clock.advance(PAUSE_MS)
        status, body, content_type = await target.send(case)
        check_answer(case, status, body, content_type)
        refused += status >= 400
        if status < 300 and case.method == "POST" and case.path.endswith(b"target_balance_allocation"):
            await target.end_allocation()
        if target.holdings() != before:
            # Only a write that was taken may do that; it was not quite as broken as meant.
            assert status < 300, case
            assert case.method in ("POST", "PUT", "DELETE"), case
            await target.settle()
            before = target.holdings()
        if number % TICK_EVERY == 0:
            target.world.exchange.tick()
            assert target.holdings() == before, "background work changed an account that nothing happened to"
        if refused == refusals:
            break
    assert refused == refusals
    assert target.world.exchange.truth.imbalance_e6() == 0


async def fuzz_commands(seed: int, refusals: int) -> None:
    """Sends nonsense to a session until so many errors have come back."""
    target = Target(seed)
    await target.settle()
    fuzzer = CommandFuzzer(random.Random(f"{seed}:commands"))
    before, errors = target.holdings(), 0
    session = target.world.alice.connect()
    for number in range(refusals * _DRAWS_PER_REFUSAL_MAX):
        session.receive_text(fuzzer.draw())
        answers = [check_frame(frame) for frame in frames(session)]
        errors += any(answers)
        if number % FRAMES_PER_SESSION == 0:
            await _use(target, session)
            assert target.holdings() == before
            session.close()
            session = target.world.alice.connect()
        if errors == refusals:
            break
    assert errors == refusals
    assert target.holdings() == before


async def _use(target: Target, session: SocketSession) -> None:
    """The session is still of use, and the market still reaches whoever has subscribed to whatever."""
    (listed,) = command(session, 7, "list_subscriptions")
    assert (listed["type"], listed["id"]) == ("ok", 7)
    await target.world.bob.place("bid", "0.0100", "1.00")
    target.world.pass_time(1_000)
    for frame in frames(session):
        check_frame(frame)


def check_frame(frame: dict[str, Any]) -> bool:
    """Returns whether the frame is an error, which must be a known one."""
    if frame["type"] != "error":
        return False
    assert frame["msg"]["code"] in ERROR_TEXTS
    assert isinstance(frame["msg"]["msg"], str)
    return True


async def test_malformed_requests_are_refused_and_change_nothing() -> None:
    await fuzz_requests(seed=1, refusals=400)


async def test_malformed_commands_are_refused_and_change_nothing() -> None:
    await fuzz_commands(seed=1, refusals=2_600)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(101, 111))
async def test_many_malformed_requests(seed: int) -> None:
    await fuzz_requests(seed, refusals=5_000)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(201, 206))
async def test_many_malformed_commands(seed: int) -> None:
    await fuzz_commands(seed, refusals=10_000)
