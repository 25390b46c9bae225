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
from kalshi.simulator.clock import ExchangeClock
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fair_values import FairValues
from kalshi.simulator.fault_app import FaultyApp
from kalshi.simulator.fault_driver import FaultDriver, FillNews
from kalshi.simulator.fault_plan import FaultPlan
from kalshi.simulator.fault_stream import StreamFaults
from kalshi.simulator.fee_changes import FeeChanges
from kalshi.simulator.flow import OrderFlow
from kalshi.simulator.group_desk import GroupDesk
from kalshi.simulator.incentives import Incentives
from kalshi.simulator.invariants import InvariantWatch
from kalshi.simulator.lifecycle import Lifecycle
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.order_entry import OrderEntry
from kalshi.simulator.pauses import Pauses
from kalshi.simulator.rate_limits import RateLimiter
from kalshi.simulator.read_model import PRIVATE_KINDS, ReadModel
from kalshi.simulator.refusals import Refused, TooManyRequests
from kalshi.simulator.rest_api import PREFIX, build_app
from kalshi.simulator.rolling import Rolling
from kalshi.simulator.scenario import Scenario
from kalshi.simulator.scenario_player import ScenarioPlayer
from kalshi.simulator.seed_books import load_shapes
from kalshi.simulator.services import Services
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_hub import SocketHub
from kalshi.simulator.socket_session import HandshakeRefused, SocketSession
from kalshi.simulator.treasury import Treasury
from kalshi.simulator.truth import Truth

SOCKET_PATH = "/trade-api/ws/v2"
TICK_S_MIN = 0.005


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
        scenario: Scenario | None = None,
    ) -> None:
        self.clock = wall_ms if isinstance(wall_ms, ExchangeClock) else ExchangeClock(wall_ms)
        self.scenario = scenario if scenario is not None else Scenario()
        self.settings = settings if settings is not None else self.scenario.settings
        fairs = FairValues(seed)
        builder: WorldBuilder | None = None
        if catalogue is None:
            builder = WorldBuilder(seed, fairs, self.settings.listing_scale, self.settings.listed_series)
            catalogue = builder.boot(self.clock())
        catalogue = self.scenario.changed(catalogue, self.clock())
        self.core = ExchangeCore(seed=seed, wall_ms=self.clock, settings=self.settings, catalogue=catalogue)
        for event in catalogue.events:
            fairs.add(event, self.core.now_ms())
        reads = ReadModel(
            now_ms=self.core.now_ms,
            lag_ms=self.settings.read_lag_ms,
            rng=random.Random(f"{seed}:lag"),
        )
        self.core.listeners.append(reads.take, *PRIVATE_KINDS)
        keys = KeyRing(self.core)
        lifecycle = Lifecycle(self.core, fairs)
        self.pauses = Pauses(self.core, lifecycle)
        self.services = Services(
            core=self.core,
            entry=OrderEntry(self.core),
            groups=GroupDesk(self.core),
            reads=reads,
            limiter=RateLimiter(self.settings.public_requests_per_s, self.clock.steady_ms),
            authenticator=Authenticator(self.core, keys, self.clock.accepted_ms),
            lifecycle=lifecycle,
            pauses=self.pauses,
            keys=keys,
            archive=Archive(settings=self.settings, now_ms=self.core.now_ms),
            treasury=Treasury(self.core, reads.open_account),
            fee_changes=FeeChanges(self.core),
            incentives=Incentives(self.core, random.Random(f"{seed}:incentives")),
        )
        self.invariants = InvariantWatch(self.core)
        self.hub = SocketHub(self.core)
        self.faults = FaultPlan(
            seed=seed, elapsed_s=lambda: self.clock.elapsed_s, too_many_requests=self._too_many_requests
        )
        for fault in self.scenario.faults:
            self.faults.order(fault)
        self.streams = StreamFaults(self.faults)
        self._fill_news = FillNews(self.core, self.faults, self.hub)
        self.core.listeners.append(self._fill_news.take)
        for wanted in accounts:
            account = self.core.add_account(wanted)
            reads.open_account(account)
            if wanted.attested_until_s is not None:
                keys.attest(account, wanted.attested_until_s)
        shapes = load_shapes(Path(self.settings.seed_books)) if self.settings.seed_books else ()
        self.flow = OrderFlow(self.core, fairs, shapes)
        self.rolling = Rolling(self.core, fairs, self.lifecycle, builder if self.settings.rolling else None)
        self.truth = Truth(self.services)
        self._driver = FaultDriver(plan=self.faults, clock=self.clock, reads=reads, pauses=self.pauses, feed=self.hub)
        self.player = ScenarioPlayer(
            self.scenario,
            core=self.core,
            lifecycle=self.lifecycle,
            pauses=self.pauses,
            traders=self.flow,
            fee_changes=self.services.fee_changes,
        )
        self._background: trio.Nursery | None = None
        if self.settings.flow:
            self.flow.open_books()
            self.lifecycle.hooks.append(self.flow.take_change)
        self._play()

    @cached_property
    def app(self) -> ASGIApp:
        """The ASGI application for REST, faults in front of it; built on first use, because many tests need none."""
        return FaultyApp(
            build_app(self.services),
            self.faults,
            prefix=PREFIX,
            clock=self.clock,
            nursery=lambda: self._background,
        )

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
        async with trio.open_nursery() as self._background:
            task_status.started()
            while True:
                # A fast clock is ticked oftener, as far as the loop can bear it.
                await trio.sleep(max(TICK_S_MIN, self.settings.tick_ms / 1000 / self.clock.speed))
                self.tick()

    def tick(self) -> None:
        """Does everything that is due by now: what is ordered, listings, lifecycle, then traders, reads, tickers."""
        self._play()
        self.rolling.tick()
        self.services.fee_changes.tick()
        self.services.lifecycle.tick()
        self.services.treasury.tick()
        self.invariants.tick(self.core.now_ms())
        if self.settings.flow:
            self.flow.tick()
        self.services.incentives.tick()
        self.services.reads.advance()
        self._fill_news.tick()
        self.hub.tick()

    def _play(self) -> None:
        """Does what scenario, maintenance and faults want by now."""
        self.player.tick(self.clock.elapsed_s)
        self.pauses.tick()
        self._driver.tick()

    def _too_many_requests(self) -> object:
        return TooManyRequests(nested=self.settings.too_many_requests_shape == "nested").body
