"""The whole bot and the whole exchange in one process, on a virtual clock, over in-memory doors, from a seed.

Everything is real but the cables: the bot is `ops.life.Life` with the tree that `supervisor.py` builds; the exchange
is the simulator with its REST application (reached through ASGI) and its WebSocket sessions. The cables lose replies,
deliver creates late, refuse connections and cut sockets, each by a seeded die.

Rules:
1. A request that is "lost" was carried out: only its answer never comes. A "late" create is carried out after the bot
has given up on it, possibly after the bot has ended. These two are what order safety is about.
2. Nothing here reads a real clock, and nothing waits: trio's clock jumps when all is idle. A simulated minute costs
seconds.
3. The world outlives the bot: late requests still land, expiries still run, and the exchange's truth is asked at the
end.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio

from actors.runtime.child import Log, silent_log
from actors.runtime.determinism import make_scheduler_deterministic
from actors.runtime.exit_guard import ExitReport
from actors.runtime.ledger_store.database import LedgerBroken
from actors.runtime.lifecycle import LifecycleEvent
from actors.runtime.seams import Offload, Seams, VirtualWallClock, virtual_seams
from actors.runtime.server_clock import ServerClock
from kalshi.errors import Unavailable
from kalshi.http_client import HttpClient
from kalshi.numbers import MoneyE6
from kalshi.rest import make_http
from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.orders import NewOrder
from kalshi.simulator.orders import Order as SimulatedOrder
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import HandshakeRefused, SessionClosed, SocketSession
from kalshi.socket import Socket, SocketClosed
from kalshi.socket_network import refused_handshake
from kalshi.socket_transports import TRANSPORTS
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from ops.life import BuildTree, Life
from ops.ports import Ports
from ops.settings import Settings
from ops.simulation_clock import JumpingClock
from ops.simulation_http import PortClient, PortHeaders, PortRequest, PortResponse
from ops.simulation_wire import MemoryNetwork, memory_transport
from ops.venue import venue_of

WALL_START_MS = 1_790_000_000_000  # a Monday afternoon in September 2026; no maintenance window near
BASE_URL = "http://exchange.invalid/trade-api/v2"
SOCKET_PATH = "/trade-api/ws/v2"
SOCKET_URL = f"ws://exchange.invalid{SOCKET_PATH}"
KEY_ID = "00000000-0000-4000-8000-00000000000a"
LEDGER_FULL = "simulated: no space left for the ledger"
_LEDGER_WRITES = ("record_fills", "record_rows")
CASH_E6 = {0: MoneyE6(6_000_000_000), 2: MoneyE6(4_000_000_000)}


@attrs.frozen(kw_only=True)
class Faults:
    """How bad the cables are: shares of requests, and delays in seconds."""

    lost_reply: float = 0.0  # of writes: carried out, the answer never comes
    late_create: float = 0.0  # of creates: carried out late, the answer never comes
    late_s: tuple[float, float] = (0.1, 6.0)
    refused: float = 0.0  # of requests: the connection fails before any byte leaves
    latency_s: tuple[float, float] = (0.004, 0.04)


CALM = Faults()
ROUGH = Faults(lost_reply=0.05, late_create=0.05, refused=0.02)


@attrs.define
class CableCounters:
    requests: int = 0
    lost: int = 0
    late: int = 0
    refused: int = 0


@attrs.define(eq=False)
class Line:
    """What one process life is connected by. Once it is cut nothing passes any more, as if the machine had lost power:
    what has left before still arrives.
    """

    life: Life | None = None
    is_cut: bool = False
    heard_s: float | None = None  # when its sockets heard the exchange last; None where they are not looked into

    async def pass_through(self) -> None:
        """Returns at once while the line holds, and never once it is cut."""
        if self.is_cut:
            await trio.sleep_forever()


AnyRequest = PortRequest | httpx.Request  # the second on the wire "full"
RequestHook = Callable[[Line, AnyRequest], None]
AnswerHook = Callable[[Line, AnyRequest, int], None]


class Cable:
    """The way from the HTTP clients to the exchange's application, with faults.

    What has left arrives, whether or not its sender still waits: a task of the world carries each request.
    """

    def __init__(self, exchange: SimulatedExchange, nursery: trio.Nursery, rng: random.Random, faults: Faults) -> None:
        self._app: Any = exchange.app
        self._nursery = nursery
        self._rng = rng
        self.faults = faults
        self.gateway_is_down = False  # every request is answered by a proxy's HTML page instead of the exchange
        self.counters = CableCounters()
        self.book_age_s: dict[str, int] = {}  # by ticker: books come from a cache, which says so in an Age header
        self.bug: Exception | None = None  # raised instead of carrying an order, as a defect of ours would be
        self.on_request: list[RequestHook] = []
        self.on_answer: list[AnswerHook] = []
        self.arriving: AnyRequest | None = None  # the request that the application is being given now

    async def carry(self, request: PortRequest) -> PortResponse:
        """Carries one request, or does to it what the die says. Raises httpx.ConnectError."""
        faults, rng = self.faults, self._rng
        self.counters.requests += 1
        if rng.random() < faults.refused:
            self.counters.refused += 1
            await trio.lowlevel.checkpoint()
            raise httpx.ConnectError("simulated: connection refused")
        is_create = request.method == "POST" and request.url.path.endswith("/events/orders")
        if self.bug is not None and request.method == "POST":
            raise self.bug
        delay_s, is_lost = rng.uniform(*faults.latency_s), False
        if self.gateway_is_down:
            await trio.sleep(delay_s)
            html = PortHeaders({"content-type": "text/html"})
            return PortResponse(502, html, b"<html><h1>502 Bad Gateway</h1></html>")
        if is_create and rng.random() < faults.late_create:
            self.counters.late += 1
            delay_s, is_lost = delay_s + rng.uniform(*faults.late_s), True
        elif request.method != "GET" and rng.random() < faults.lost_reply:
            self.counters.lost += 1
            is_lost = True
        call = AppCall(request)
        self._nursery.start_soon(self._deliver, call, delay_s)
        try:
            if is_lost:
                await trio.sleep_forever()
            await call.is_answered.wait()
        finally:
            call.client_left.set()
        await trio.sleep(rng.uniform(*faults.latency_s))
        response = call.response()
        if request.url.path.endswith("/orderbook"):
            response.headers["age"] = str(self.book_age_s.get(request.url.path.split("/")[-2], 0))
        return response

    async def _deliver(self, call: AppCall, delay_s: float) -> None:
        await trio.sleep(delay_s)
        self.arriving = call.request
        await self._app(call.scope(), call.receive, call.send)
        call.is_answered.set()


class CableEnd:
    """One life's end of the cable: what passes is noted, and nothing passes once the line is cut."""

    def __init__(self, cable: Cable, line: Line) -> None:
        self._cable = cable
        self._line = line

    async def carry(self, request: PortRequest) -> PortResponse:
        """Carries one request in memory while the line holds."""
        await self._leave(request)
        response = await self._cable.carry(request)
        await self._arrive(request, response.status_code)
        return response

    async def _leave(self, request: AnyRequest) -> None:
        await self._line.pass_through()
        for hook in self._cable.on_request:
            hook(self._line, request)

    async def _arrive(self, request: AnyRequest, status: int) -> None:
        await self._line.pass_through()
        for answered in self._cable.on_answer:
            answered(self._line, request, status)


class WireEnd(CableEnd, httpx.AsyncBaseTransport):
    """The same on the full wire: a transport for httpx, round the one that makes bytes."""

    def __init__(self, cable: Cable, line: Line, inner: httpx.AsyncBaseTransport) -> None:
        super().__init__(cable, line)
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carries one request as bytes while the line holds."""
        await self._leave(request)
        self._cable.counters.requests += 1
        response = await self._inner.handle_async_request(request)
        await self._arrive(request, response.status_code)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class ArrivalNotes:
    """A shell round the application that notes which request it is being given, as the cable does in memory."""

    def __init__(self, cable: Cable, app: Any) -> None:
        self._cable = cable
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        first = await receive()
        url = httpx.URL(BASE_URL).copy_with(path=scope["path"])
        self._cable.arriving = httpx.Request(scope["method"], url, content=first.get("body", b""))
        is_given = False

        async def again() -> Any:
            nonlocal is_given
            if is_given:
                return await receive()
            is_given = True
            await trio.lowlevel.checkpoint()
            return first

        await self._app(scope, again, send)


class AppCall:
    """One request to an ASGI application and its answer. The client may leave while the application works on."""

    def __init__(self, request: PortRequest) -> None:
        self.request = request
        self.client_left = trio.Event()
        self.is_answered = trio.Event()
        self._is_read = False
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def scope(self) -> dict[str, object]:
        """Returns the request as ASGI puts it."""
        url = self.request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.request.method,
            "headers": self.request.raw_headers(),
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.split(b"?")[0],
            "query_string": url.query,
            "server": (url.host, None),
            "client": ("127.0.0.1", 123),
            "root_path": "",
        }

    async def receive(self) -> dict[str, object]:
        """Gives the application the body, and after that the news that the client has left."""
        if self._is_read:
            await self.client_left.wait()
            return {"type": "http.disconnect"}
        self._is_read = True
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": self.request.content, "more_body": False}

    async def send(self, message: Mapping[str, Any]) -> None:
        """Takes a part of the answer."""
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self._body.append(message.get("body", b""))
            if not message.get("more_body", False):
                self.is_answered.set()

    def response(self) -> PortResponse:
        """Returns the whole answer."""
        headers = PortHeaders({name.decode().lower(): value.decode() for name, value in self._headers})
        return PortResponse(self._status, headers, b"".join(self._body))


class MemorySocket:
    """The bot's end of an in-memory WebSocket."""

    def __init__(self, session: SocketSession, latency_s: float, line: Line | None = None) -> None:
        self._session = session
        self._line = line if line is not None else Line()
        self._latency_s = latency_s
        self._is_cut = False
        self.is_silent = False  # the peer neither sends nor answers, as a half-open connection does

    async def receive_batch(self) -> list[str | bytes]:
        """Returns every frame that has arrived. Raises SocketClosed."""
        try:
            frames = await self._session.next_frames()
        except SessionClosed as closed:
            raise SocketClosed(str(closed)) from closed
        await trio.sleep(self._latency_s)
        if self.is_silent or self._line.is_cut:
            await trio.sleep_forever()
        self._line.heard_s = trio.current_time()
        return [*frames]

    async def send(self, text: str) -> None:
        """Hands a command to the exchange. Raises SocketClosed."""
        await trio.sleep(self._latency_s)
        if self._is_cut or self._line.is_cut:
            raise SocketClosed("the simulated cable was cut")
        try:
            self._session.receive_text(text)
        except SessionClosed as closed:
            raise SocketClosed(str(closed)) from closed

    async def ping(self, deadline_s: float) -> None:
        """Answers after a round trip. Raises SocketClosed when the cable is cut."""
        await trio.sleep(deadline_s if self.is_silent else min(deadline_s, 2 * self._latency_s))
        if self._is_cut or self.is_silent or self._line.is_cut:
            raise SocketClosed("no answer to a ping")
        self._line.heard_s = trio.current_time()

    async def aclose(self) -> None:
        """Closes the session."""
        self._session.close()

    def cut(self) -> None:
        """Ends the connection the hard way."""
        self._is_cut = True
        self._session.close()


OnLifecycle = Callable[[LifecycleEvent], None]


def _unheard(_: LifecycleEvent) -> None:
    """Nobody listens."""


@cache
def _key_pair() -> tuple[bytes, bytes]:
    return generate_key_pair("ed25519")


class World:
    """An exchange, its cables, and the bots that live and die on it."""

    def __init__(
        self,
        *,
        seed: int,
        nursery: trio.Nursery,
        build_tree: BuildTree,
        folder: Path,
        faults: Faults,
        settings: Settings,
        exchange_settings: SimulatorSettings,
        log_for: Callable[[str], Log],
        wall_start_ms: int = WALL_START_MS,
        wire: str = "ports",
        catalogue: Catalogue | None = None,
    ) -> None:
        private_pem, public_pem = _key_pair()
        seams = virtual_seams(seed, wall_start_ms)
        self.bot_wall = VirtualWallClock(wall_start_ms)  # the bot's machine has a clock of its own, that can step
        self.seams: Seams = attrs.evolve(seams, wall_ms=self.bot_wall, offload=partial(self._offload, seams.offload))
        self.ledger_is_full = False
        self.settings = settings
        self.folder = folder
        self.signer = Signer(KEY_ID, private_pem)
        self.exchange = SimulatedExchange(
            seed=seed,
            wall_ms=VirtualWallClock(wall_start_ms),
            settings=exchange_settings,
            accounts=(AccountSettings(key_id=KEY_ID, public_key_pem=public_pem, cash_by_shard_e6=dict(CASH_E6)),),
            catalogue=catalogue,
        )
        self.cable = Cable(self.exchange, nursery, random.Random(f"{seed}:cable"), faults)
        self._network: MemoryNetwork | None = None
        if wire == "full":
            shell, latency_rng = ArrivalNotes(self.cable, self.exchange.app), random.Random(f"{seed}:wire")
            self._network = MemoryNetwork(self.exchange, shell, nursery, latency_rng, faults.latency_s)
            self._transport = latency_rng.choice(sorted(TRANSPORTS))
        self.sockets: list[MemorySocket] = []
        self.socket_is_refused = False
        self._build_tree = build_tree
        self._log_for = log_for

    async def _offload(self, offload: Offload, function: Callable[..., Any], /, *arguments: object) -> Any:
        """Hands blocking work to the real seam, unless it is a write to a disk that is full."""
        if self.ledger_is_full and function.__name__ in _LEDGER_WRITES:
            await trio.lowlevel.checkpoint()
            raise LedgerBroken(LEDGER_FULL)
        return await offload(function, *arguments)

    def life(
        self,
        line: Line | None = None,
        folder: Path | None = None,
        on_lifecycle: OnLifecycle = _unheard,
        drain_s: float | None = None,
    ) -> Life:
        """Returns a new bot on this exchange, with the state that its predecessors left."""
        line = line if line is not None else Line()
        line.life = Life(
            settings=self.settings,
            venue=venue_of("simulated", BASE_URL, KEY_ID),
            signer=self.signer,
            seams=self.seams,
            open_ports=partial(self._open_ports, line),
            build_tree=self._build_tree,
            state_folder=self.folder if folder is None else folder,
            log_for=self._log_for,
            drain_s=self.settings.shutdown.terminal_s if drain_s is None else drain_s,
            on_lifecycle=on_lifecycle,
        )
        return line.life

    def _open_ports(self, line: Line, clock: ServerClock) -> Ports:
        exchange = self.settings.exchange
        return Ports(
            base_url=BASE_URL,
            data_http=self._make_http(line, exchange.data_connections),
            control_http=self._make_http(line, exchange.control_connections),
            connect=partial(self._connect if self._network is None else self._connect_by_wire, line, clock),
        )

    def _make_http(self, line: Line, connections: int) -> HttpClient:
        if self._network is None:
            return PortClient(CableEnd(self.cable, line).carry)
        inner = memory_transport(self._network, connections, lambda: line.is_cut)
        return make_http(BASE_URL, connections, transport=WireEnd(self.cable, line, inner))

    async def _connect_by_wire(self, line: Line, clock: ServerClock, nursery: trio.Nursery) -> Socket:
        network = self._network
        assert network is not None, "asked for by the full wire alone"
        headers = list(self.signer.headers("GET", SOCKET_PATH, clock.now_ms()).items())
        return await TRANSPORTS[self._transport](
            nursery, SOCKET_URL, headers, open_stream=lambda: network.connect("websocket", lambda: line.is_cut)
        )

    async def _connect(self, line: Line, clock: ServerClock, nursery: trio.Nursery) -> Socket:
        await trio.sleep(0.02)
        if line.is_cut or self.socket_is_refused:
            raise Unavailable("simulated: the socket's host does not answer")
        session = self.exchange.open_socket(self.signer.headers("GET", SOCKET_PATH, clock.now_ms()))
        if isinstance(session, HandshakeRefused):
            raise refused_handshake(session.status, {}, session.body)
        socket = MemorySocket(session, latency_s=0.005, line=line)
        self.sockets.append(socket)
        return socket

    def rest_by_hand(
        self,
        ticker: str,
        *,
        side: Side = Side.BID,
        price_e4: int = 100,
        count_e2: int = 100,
        client_order_id: str | None = None,
        group_id: str | None = None,
        expiration_ts_s: int | None = None,
    ) -> SimulatedOrder:
        """Rests an order on the account past the bot, as a person does; by default where nobody trades with it.

        Raises Refused.
        """
        request = NewOrder(
            ticker=ticker,
            side=side,
            price_e4=price_e4,
            count_e2=count_e2,
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            client_order_id=client_order_id,
            group_id=group_id,
            expiration_ts_s=expiration_ts_s,
        )
        return self.exchange.services.entry.create(self.exchange.core.accounts_by_key[KEY_ID], request)

    def cut_power(self, line: Line) -> None:
        """Ends all communication of the life on this line; nobody tells it, and its scope is the caller's to cancel."""
        line.is_cut = True
        for socket in self.sockets:
            socket.cut()

    def resting(self) -> list[str]:
        """Returns the ids of our orders that rest on the exchange, by its own truth."""
        return [order.order_id for order in self.exchange.truth.resting_orders(KEY_ID)]


Scenario = Callable[[World], Awaitable[object]]


def run_world(
    scenario: Scenario,
    *,
    seed: int,
    build_tree: BuildTree,
    faults: Faults = CALM,
    settings: Settings | None = None,
    exchange_settings: SimulatorSettings | None = None,
    log_for: Callable[[str], Log] = silent_log,
    start_after_s: float = 0.0,
    wire: str = "ports",
) -> object:
    """Runs `scenario` in a fresh world on a virtual clock and returns its result; one seed gives one run.

    `start_after_s` moves the start of the world's wall clock; `wire` is "ports", or "full" for every byte.
    """

    async def main() -> object:
        with tempfile.TemporaryDirectory() as folder:
            async with trio.open_nursery() as nursery:
                world = World(
                    seed=seed,
                    nursery=nursery,
                    build_tree=build_tree,
                    folder=Path(folder),
                    faults=faults,
                    settings=settings or Settings(),
                    exchange_settings=exchange_settings or SimulatorSettings(),
                    log_for=log_for,
                    wall_start_ms=WALL_START_MS + round(start_after_s * 1000),
                    wire=wire,
                )
                await nursery.start(world.exchange.run)
                result = await scenario(world)
                nursery.cancel_scope.cancel(reason="the scenario is over")
        return result

    make_scheduler_deterministic(seed)
    return trio.run(main, clock=JumpingClock())


@attrs.frozen(kw_only=True)
class StopResult:
    """One stop: what rested at the moment of stopping, at exit, and 30 s later."""

    seed: int
    stopped_at_s: float
    took_s: float
    resting_before: int
    left_at_exit: tuple[str, ...]
    left_later: tuple[str, ...]
    report: ExitReport
    faults: Mapping[str, int]
    fills: int


async def stop_at_a_random_moment(world: World, seed: int, *, longest_s: float = 12.0) -> StopResult:
    """Starts the bot, stops it at a seeded moment, waits 30 s, and asks the exchange what rested when."""
    rng = random.Random(f"{seed}:stop")
    stopped_at_s = rng.uniform(0.05, longest_s)
    life = world.life()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        await trio.sleep(stopped_at_s)
        resting_before = len(world.resting())
        began_s = trio.current_time()
        life.request_stop("the scenario says so")
    took_s = trio.current_time() - began_s
    left_at_exit = tuple(world.resting())
    await trio.sleep(30)
    counters = attrs.asdict(world.cable.counters)
    return StopResult(
        seed=seed,
        stopped_at_s=stopped_at_s,
        took_s=took_s,
        resting_before=resting_before,
        left_at_exit=left_at_exit,
        left_later=tuple(world.resting()),
        report=life.report,
        faults=counters,
        fills=len(world.exchange.truth.fills(KEY_ID)),
    )
