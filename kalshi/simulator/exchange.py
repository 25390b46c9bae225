"""The simulated exchange as one object: everything wired together, and the background work that makes it live.

    exchange = SimulatedExchange(seed=7, wall_ms=clock, settings=SimulatorSettings(), accounts=(...,))
    await nursery.start(exchange.run)        # flow, expiry, lifecycle, read lag, tickers
    httpx.ASGITransport(app=exchange.app)    # REST
    exchange.open_socket(headers)            # WebSocket, without a socket
    exchange.truth                           # what really rests, filled, and is held

Rules:
1. One seed and one clock give one exchange: ids, flow, lag and catalogue draw from streams of their own.
2. Background work sleeps fixed steps on trio's clock, so it runs the same on a virtual one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cached_property

import trio
from litestar.types import ASGIApp

from kalshi.simulator.authentication import Authenticator
from kalshi.simulator.catalogue import build_catalogue
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.flow import OrderFlow
from kalshi.simulator.group_desk import GroupDesk
from kalshi.simulator.invariants import InvariantWatch
from kalshi.simulator.lifecycle import TICK_MS, Lifecycle
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.order_entry import OrderEntry
from kalshi.simulator.rate_limits import RateLimiter
from kalshi.simulator.read_model import READ_KINDS, ReadModel
from kalshi.simulator.refusals import Refused
from kalshi.simulator.rest_api import build_app
from kalshi.simulator.services import Services
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_hub import SocketHub
from kalshi.simulator.socket_session import HandshakeRefused, SocketSession
from kalshi.simulator.truth import Truth

SOCKET_PATH = "/trade-api/ws/v2"


class SimulatedExchange:
    """A whole exchange in one process; `app` and `open_socket` are its doors, `truth` its glass wall."""

    def __init__(
        self,
        *,
        seed: int,
        wall_ms: Callable[[], int],
        settings: SimulatorSettings | None = None,
        accounts: tuple[AccountSettings, ...] = (),
        catalogue: Catalogue | None = None,
    ) -> None:
        self.settings = settings if settings is not None else SimulatorSettings()
        listed = catalogue or build_catalogue(random.Random(f"{seed}:catalogue"), wall_ms())
        self.core = ExchangeCore(seed=seed, wall_ms=wall_ms, settings=self.settings, catalogue=listed)
        reads = ReadModel(
            now_ms=self.core.now_ms,
            lag_ms=self.settings.read_lag_ms,
            rng=random.Random(f"{seed}:lag"),
        )
        self.core.listeners.append(reads.take, *READ_KINDS)
        self.services = Services(
            core=self.core,
            entry=OrderEntry(self.core),
            groups=GroupDesk(self.core),
            reads=reads,
            limiter=RateLimiter(self.settings.public_requests_per_s),
            authenticator=Authenticator(self.core),
            lifecycle=Lifecycle(self.core),
        )
        self.invariants = InvariantWatch(self.core)
        self.hub = SocketHub(self.core)
        self.core.listeners.append(self.hub.take)
        for wanted in accounts:
            reads.open_account(self.core.add_account(wanted))
        self.flow = OrderFlow(self.core, random.Random(f"{seed}:flow"))
        self.truth = Truth(self.services)
        if self.settings.flow:
            self.flow.open_books()

    @cached_property
    def app(self) -> ASGIApp:
        """The ASGI application for REST; built on first use, because many tests need none."""
        return build_app(self.services)

    @property
    def lifecycle(self) -> Lifecycle:
        """Closes, pauses and settles markets on demand, for tests."""
        return self.services.lifecycle

    def open_socket(self, headers: Mapping[str, str]) -> SocketSession | HandshakeRefused:
        """Answers a WebSocket handshake with a session, or with the status and JSON body of a refusal."""
        lowered = {name.lower(): value for name, value in headers.items()}
        try:
            account = self.services.authenticator.authenticate(lowered, "GET", SOCKET_PATH)
        except Refused as refusal:
            return HandshakeRefused.from_refusal(refusal)
        return self.hub.open_session(account)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Does the background work until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(TICK_MS / 1000)
            self.tick()

    def tick(self) -> None:
        """Does everything that is due by now: expiry and lifecycle first, then traders, reads and tickers."""
        self.services.lifecycle.tick()
        self.invariants.tick(self.core.now_ms())
        if self.settings.flow:
            self.flow.tick()
        self.services.reads.advance()
        self.hub.tick()
