"""An exchange in the middle of a real one that is another simulated exchange, all in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx
import trio

from actors.runtime.child import silent_log
from actors.runtime.seams import Seams, real_seams
from actors.runtime.server_clock import ServerClock
from kalshi.simulator.exchange import SOCKET_PATH
from kalshi.simulator.queue_model import QueueModel
from kalshi.simulator.socket_session import SocketSession
from kalshi.socket import Socket
from ops.credentials import Credentials
from ops.modes import Endpoints, Mode
from ops.ports import Ports
from ops.settings import Settings, ShadowSection
from ops.shadow import ShadowExchange, open_shadow
from ops.shadow_upstream import Upstream
from ops.simulation import MemorySocket
from tests.kalshi.simulator.customer import PRIVATE_PEM, World

ENDPOINTS = Endpoints(base_url="http://exchange/trade-api/v2", websocket_url="ws://exchange/trade-api/ws/v2")
CREDENTIALS = Credentials(key_id="alice", private_key_pem=PRIVATE_PEM)


def seams_of(world: World) -> Seams:
    return attrs.evolve(real_seams(), wall_ms=world.clock)


def upstream_of(world: World, sockets: list[MemorySocket] | None = None, key_id: str = "alice") -> Upstream:
    """Returns the way to `world`, as if it were the real exchange; the sockets that it opens are kept."""

    async def connect(nursery: trio.Nursery) -> Socket:
        await trio.lowlevel.checkpoint()
        session = world.exchange.open_socket(world.alice.headers("GET", SOCKET_PATH))
        assert isinstance(session, SocketSession)
        socket = MemorySocket(session, latency_s=0.0)
        if sockets is not None:
            sockets.append(socket)
        return socket

    return Upstream(
        ENDPOINTS,
        attrs.evolve(CREDENTIALS, key_id=key_id),
        Settings().exchange,
        seams_of(world),
        network=lambda: httpx.ASGITransport(app=world.exchange.app),  # type: ignore[arg-type]
        connect=connect,
    )


@attrs.define
class Stage:
    """The real exchange, the one in the middle, and the bot's doors to it."""

    real: World
    middle: ShadowExchange
    ports: Ports
    sockets: list[MemorySocket]

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Sends one request as the bot does, signed with its key."""
        signed = self.middle.signer.headers(method, f"/trade-api/v2{path}".partition("?")[0], self.real.clock())
        url = self.ports.base_url + path
        http = self.ports.data_http
        assert isinstance(http, httpx.AsyncClient)
        return await http.request(method, url, json=body, headers=signed)

    async def place(self, side: str, price: str, count: str = "10.00", **changes: Any) -> httpx.Response:
        """Creates an order of the bot."""
        body = self.real.alice.order(side, price, count, **changes)
        return await self.ask("POST", "/portfolio/events/orders", body)

    def fills(self) -> list[tuple[int, int]]:
        """Returns the bot's fills as (price, size)."""
        return [(fill.price_e4, fill.count_e2) for fill in self.middle.exchange.truth.fills(self.middle.key_id)]


@asynccontextmanager
async def stage(model: QueueModel = QueueModel.FRONT) -> AsyncIterator[Stage]:
    """Sets the stage; both exchanges stand on one hand-moved wall clock."""
    real = World()
    sockets: list[MemorySocket] = []
    settings = Settings(mode=Mode.SHADOW, shadow=ShadowSection(queue_model=model))
    seams = seams_of(real)
    middle = await open_shadow(settings, upstream_of(real, sockets), seams, silent_log("shadow"))
    ports = middle.open_ports(ServerClock(now=seams.now, wall_ms=seams.wall_ms))
    try:
        yield Stage(real, middle, ports, sockets)
    finally:
        with trio.move_on_after(1.0, shield=True):
            await ports.aclose()
            await middle.aclose()
