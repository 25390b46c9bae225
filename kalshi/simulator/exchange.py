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
from pathlib import Path

import trio
from litestar.types import ASGIApp

from kalshi.simulator.api_keys import KeyRing
from kalshi.simulator.archive import Archive
from kalshi.simulator.authentication import Authenticator
from kalshi.simulator.catalogue import WorldBuilder
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fair_values import FairValues
from kalshi.simulator.fee_changes import FeeChanges
from kalshi.simulator.flow import OrderFlow
from kalshi.simulator.group_desk import GroupDesk
from kalshi.simulator.incentives import Incentives
from kalshi.simulator.lifecycle import TICK_MS, Lifecycle
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.order_entry import OrderEntry
from kalshi.simulator.rate_limits import RateLimiter
from kalshi.simulator.read_model import PRIVATE_KINDS, ReadModel
from kalshi.simulator.refusals import Refused
from kalshi.simulator.rest_api import build_app
from kalshi.simulator.rolling import Rolling
from kalshi.simulator.seed_books import load_shapes
from kalshi.simulator.services import Services
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_hub import SocketHub
from kalshi.simulator.socket_session import HandshakeRefused, SocketSession
from kalshi.simulator.treasury import Treasury
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
        fairs = FairValues(seed)
        builder: WorldBuilder | None = None
        if catalogue is None:
            builder = WorldBuilder(seed, fairs, self.settings.listing_scale)
            catalogue = builder.boot(wall_ms())
        self.core = ExchangeCore(seed=seed, wall_ms=wall_ms, settings=self.settings, catalogue=catalogue)
        for event in catalogue.events:
            fairs.add(event, self.core.now_ms())
        reads = ReadModel(
            now_ms=self.core.now_ms,
            lag_ms=self.settings.read_lag_ms,
            rng=random.Random(f"{seed}:lag"),
        )
        self.core.listeners.append(reads.take, *PRIVATE_KINDS)
        keys = KeyRing(self.core)
        self.services = Services(
            core=self.core,
            entry=OrderEntry(self.core),
            groups=GroupDesk(self.core),
            reads=reads,
            limiter=RateLimiter(self.settings.public_requests_per_s),
            authenticator=Authenticator(self.core, keys),
            lifecycle=Lifecycle(self.core, fairs),
            keys=keys,
            archive=Archive(settings=self.settings, now_ms=self.core.now_ms),
            treasury=Treasury(self.core, reads.open_account),
            fee_changes=FeeChanges(self.core),
            incentives=Incentives(self.core, random.Random(f"{seed}:incentives")),
        )
        self.hub = SocketHub(self.core)
        self.core.listeners.append(self.hub.take)
        for wanted in accounts:
            account = self.core.add_account(wanted)
            reads.open_account(account)
            if wanted.attested_until_s is not None:
                keys.attest(account, wanted.attested_until_s)
        shapes = load_shapes(Path(self.settings.seed_books)) if self.settings.seed_books else ()
        self.flow = OrderFlow(self.core, fairs, shapes)
        self.rolling = Rolling(self.core, fairs, self.lifecycle, builder if self.settings.rolling else None)
        self.truth = Truth(self.services)
        if self.settings.flow:
            self.flow.open_books()
            self.lifecycle.hooks.append(self.flow.take_change)

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
            return self.hub.open_session(self.services.authenticator.authenticate(lowered, "GET", SOCKET_PATH))
        except Refused as refusal:
            return HandshakeRefused.from_refusal(refusal)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Does the background work until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(TICK_MS / 1000)
            self.tick()

    def tick(self) -> None:
        """Does everything that is due by now: listings, fees and lifecycle first, then traders, reads, tickers."""
        self.rolling.tick()
        self.services.fee_changes.tick()
        self.services.lifecycle.tick()
        if self.settings.flow:
            self.flow.tick()
        self.services.incentives.tick()
        self.services.reads.advance()
        self.hub.tick()
