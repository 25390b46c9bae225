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

import attrs
import httpx
import trio
from trio.testing import MockClock

from actors.runtime.child import Log, silent_log
from actors.runtime.determinism import make_scheduler_deterministic
from actors.runtime.exit_guard import ExitReport
from actors.runtime.seams import Seams, virtual_seams
from actors.runtime.server_clock import ServerClock
from kalshi.errors import AuthenticationFailed, Unavailable
from kalshi.numbers import MoneyE6
from kalshi.rest import make_http
from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import HandshakeRefused, SessionClosed, SocketSession
from kalshi.socket import Socket, SocketClosed
from ops.life import BuildTree, Life
from ops.ports import Ports
from ops.settings import Settings
from ops.venue import venue_of

WALL_START_MS = 1_790_000_000_000  # a Monday afternoon in September 2026; no maintenance window near
BASE_URL = "http://exchange.invalid/trade-api/v2"
SOCKET_PATH = "/trade-api/ws/v2"
KEY_ID = "00000000-0000-4000-8000-00000000000a"
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


class Cable(httpx.AsyncBaseTransport):
    """The way from an HTTP client to the exchange's application, with faults."""

    def __init__(self, exchange: SimulatedExchange, nursery: trio.Nursery, rng: random.Random, faults: Faults) -> None:
        self._inner = httpx.ASGITransport(app=exchange.app)  # type: ignore[arg-type]
        self._nursery = nursery
        self._rng = rng
        self.faults = faults
        self.gateway_is_down = False  # every request is answered by a proxy's HTML page instead of the exchange
        self.counters = CableCounters()
        self.book_age_s: dict[str, int] = {}  # by ticker: books come from a cache, which says so in an Age header
        self.bug: Exception | None = None  # raised instead of carrying an order, as a defect of ours would be

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carries one request, or does to it what the die says."""
        faults, rng = self.faults, self._rng
        self.counters.requests += 1
        await request.aread()
        if rng.random() < faults.refused:
            self.counters.refused += 1
            raise httpx.ConnectError("simulated: connection refused", request=request)
        await trio.sleep(rng.uniform(*faults.latency_s))
        if self.gateway_is_down:
            return httpx.Response(502, html="<html><h1>502 Bad Gateway</h1></html>", request=request)
        is_write = request.method != "GET"
        if self.bug is not None and request.method == "POST":
            raise self.bug
        is_create = request.method == "POST" and request.url.path.endswith("/events/orders")
        if is_create and rng.random() < faults.late_create:
            self.counters.late += 1
            self._nursery.start_soon(self._deliver_late, request, rng.uniform(*faults.late_s))
            await trio.sleep_forever()
        response = await self._deliver(request)
        if is_write and rng.random() < faults.lost_reply:
            self.counters.lost += 1
            await trio.sleep_forever()
        await trio.sleep(rng.uniform(*faults.latency_s))
        if request.url.path.endswith("/orderbook"):
            age_s = self.book_age_s.get(request.url.path.split("/")[-2], 0)
            response.headers["Age"] = str(age_s)
        return response

    async def _deliver(self, request: httpx.Request) -> httpx.Response:
        # What has left must arrive whole, whether or not the sender still waits.
        with trio.CancelScope(shield=True):
            response = await self._inner.handle_async_request(request)
            await response.aread()
        return response

    async def _deliver_late(self, request: httpx.Request, after_s: float) -> None:
        await trio.sleep(after_s)
        await self._deliver(request)


class MemorySocket:
    """The bot's end of an in-memory WebSocket."""

    def __init__(self, session: SocketSession, latency_s: float) -> None:
        self._session = session
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
        if self.is_silent:
            await trio.sleep_forever()
        return [*frames]

    async def send(self, text: str) -> None:
        """Hands a command to the exchange. Raises SocketClosed."""
        await trio.sleep(self._latency_s)
        if self._is_cut:
            raise SocketClosed("the simulated cable was cut")
        try:
            self._session.receive_text(text)
        except SessionClosed as closed:
            raise SocketClosed(str(closed)) from closed

    async def ping(self, deadline_s: float) -> None:
        """Answers after a round trip. Raises SocketClosed when the cable is cut."""
        await trio.sleep(deadline_s if self.is_silent else min(deadline_s, 2 * self._latency_s))
        if self._is_cut or self.is_silent:
            raise SocketClosed("no answer to a ping")

    async def aclose(self) -> None:
        """Closes the session."""
        self._session.close()

    def cut(self) -> None:
        """Ends the connection the hard way."""
        self._is_cut = True
        self._session.close()


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
    ) -> None:
        private_pem, public_pem = _key_pair()
        self.seams: Seams = virtual_seams(seed, WALL_START_MS)
        self.settings = settings
        self.folder = folder
        self.signer = Signer(KEY_ID, private_pem)
        self.exchange = SimulatedExchange(
            seed=seed,
            wall_ms=self.seams.wall_ms,
            settings=exchange_settings,
            accounts=(AccountSettings(key_id=KEY_ID, public_key_pem=public_pem, cash_by_shard_e6=dict(CASH_E6)),),
        )
        self.cable = Cable(self.exchange, nursery, random.Random(f"{seed}:cable"), faults)
        self.sockets: list[MemorySocket] = []
        self.socket_is_refused = False
        self._build_tree = build_tree
        self._log_for = log_for

    def life(self) -> Life:
        """Returns a new bot on this exchange, with the state that its predecessors left."""
        return Life(
            settings=self.settings,
            venue=venue_of("simulated", BASE_URL, KEY_ID),
            signer=self.signer,
            seams=self.seams,
            open_ports=self._open_ports,
            build_tree=self._build_tree,
            state_folder=self.folder,
            log_for=self._log_for,
            drain_s=self.settings.shutdown.terminal_s,
        )

    def _open_ports(self, clock: ServerClock) -> Ports:
        exchange = self.settings.exchange
        return Ports(
            base_url=BASE_URL,
            data_http=make_http(BASE_URL, exchange.data_connections, transport=self.cable),
            control_http=make_http(BASE_URL, exchange.control_connections, transport=self.cable),
            connect=partial(self._connect, clock),
        )

    async def _connect(self, clock: ServerClock, nursery: trio.Nursery) -> Socket:
        await trio.sleep(0.02)
        if self.socket_is_refused:
            raise Unavailable("simulated: the socket's host does not answer")
        session = self.exchange.open_socket(self.signer.headers("GET", SOCKET_PATH, clock.now_ms()))
        if isinstance(session, HandshakeRefused):
            raise AuthenticationFailed(session.status, "handshake_refused", session.body.decode())
        socket = MemorySocket(session, latency_s=0.005)
        self.sockets.append(socket)
        return socket

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
) -> object:
    """Runs `scenario` in a fresh world on a virtual clock and returns its result; one seed gives one run."""

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
                )
                await nursery.start(world.exchange.run)
                result = await scenario(world)
                nursery.cancel_scope.cancel(reason="the scenario is over")
        return result

    make_scheduler_deterministic(seed)
    return trio.run(main, clock=MockClock(autojump_threshold=0))


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
    reports: list[ExitReport] = []

    async def live() -> None:
        reports.append(await life.run())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(live)
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
        report=reports[0],
        faults=counters,
        fills=len(world.exchange.truth.fills(KEY_ID)),
    )
