"""Mode `shadow`: the real market, our orders matched here, and nothing sent that writes.

    bot --- its doors (ops.shadow_doors) --- exchange in the middle (this process) --- reads only --- real exchange
                                              account, orders, groups, fees, queue model

The bot is the same as ever: it signs, pays from a budget, places orders in groups, renews leases, is fenced and
swept, and its account is this exchange's. Its orders rest in the real book as the queue model sees it (ADR 9).

What makes sure that nothing is sent: the bot's own key means nothing to the real exchange, and the only way there
(`ops.shadow_upstream`) refuses everything but GET and public subscriptions.

Every start is an account of its own with the play money of `simulator.cash_dollars`, spread over the real shards.
What is not as it would be: our orders move nobody (no market impact), and the money is not yours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import trio

from actors.runtime.child import Log
from actors.runtime.exit_guard import ExitCode
from actors.runtime.seams import Seams
from actors.runtime.server_clock import ServerClock
from kalshi.errors import AuthenticationFailed, ExchangeError
from kalshi.rest import make_http
from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.queue_model import QueueModel
from kalshi.simulator.replay_market import ReplayMarkets
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import HandshakeRefused
from kalshi.socket import Socket
from ops.life import CannotStart
from ops.modes import NOTHING_IS_SENT
from ops.ports import Ports
from ops.settings import Settings
from ops.shadow_doors import ShadowSocket, ShadowTransport
from ops.shadow_listings import Listings
from ops.shadow_upstream import Upstream

BASE_URL = "http://shadow.invalid/trade-api/v2"
# Reads that measure how long an order would take; the shortest is taken, within bounds that make sense.
MEASURED_READS = 3
LATENCY_S_MIN, LATENCY_S_MAX = 0.001, 1.0
# As often as decreases become cancels; they wait a second and a half for their trade.
TICK_S = 0.25
_CENT_E6 = 10_000
# Results come from the real exchange; ours would draw one after so long.
_NEVER_MS = 10**15


class ShadowExchange:
    """The exchange in the middle; `run` keeps it going, `open_ports` are the bot's doors."""

    def __init__(
        self, upstream: Upstream, settings: Settings, seams: Seams, shards: tuple[int, ...], latency_s: float, log: Log
    ) -> None:
        self.settings = settings
        self.latency_s = latency_s
        private_pem, public_pem = generate_key_pair("ed25519")
        self.key_id = seams.new_id()
        self.signer = Signer(self.key_id, private_pem)
        self._upstream = upstream
        self.exchange = SimulatedExchange(
            seed=settings.simulator.seed,
            wall_ms=upstream.clock.now_ms,
            settings=SimulatorSettings(flow=False, determination_delay_ms=_NEVER_MS, settlement_timer_ms=0),
            accounts=(
                AccountSettings(
                    key_id=self.key_id,
                    public_key_pem=public_pem,
                    cash_by_shard_e6=spread(settings.simulator.cash_e6, shards),
                ),
            ),
            catalogue=Catalogue(series=(), events=()),
        )
        self.markets = ReplayMarkets(self.exchange.core, settings.shadow.queue_model)
        self.listings = Listings(upstream.client, self.exchange, self.markets, log)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps the exchange going until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.exchange.run)
            nursery.start_soon(self.listings.watch)
            nursery.start_soon(self._let_time_pass)
            task_status.started()

    async def _let_time_pass(self) -> None:
        while True:
            await trio.sleep(TICK_S)
            self.markets.tick()

    def open_ports(self, clock: ServerClock) -> Ports:
        """Returns the bot's doors; its requests are signed with a key that only this exchange knows."""

        def client(connections: int) -> httpx.AsyncClient:
            middle = httpx.ASGITransport(app=self.exchange.app)  # type: ignore[arg-type]
            transport = ShadowTransport(middle, self._upstream, self.listings, self.latency_s)
            return make_http(BASE_URL, connections, transport=transport)

        async def connect(nursery: trio.Nursery) -> Socket:
            return await self._connect(nursery, clock)

        exchange = self.settings.exchange
        return Ports(
            base_url=BASE_URL,
            data_http=client(exchange.data_connections),
            control_http=client(exchange.control_connections),
            connect=connect,
        )

    async def _connect(self, nursery: trio.Nursery, clock: ServerClock) -> Socket:
        upstream = await self._upstream.connect(nursery)
        session = self.exchange.open_socket(self.signer.headers("GET", SOCKET_PATH, clock.now_ms()))
        if isinstance(session, HandshakeRefused):
            await upstream.aclose()
            raise AuthenticationFailed(session.status, "handshake_refused", session.body.decode())
        socket = ShadowSocket(upstream, session, self.listings, self._take_frame)
        socket.start(nursery)
        return socket

    def _take_frame(self, frame: Mapping[str, Any]) -> None:
        if frame.get("type") == "market_lifecycle_v2":
            self.listings.take_frame(frame)
        else:
            self.markets.take_frame(frame)

    async def aclose(self) -> None:
        """Closes the connections to the real exchange."""
        await self._upstream.aclose()


async def open_shadow(settings: Settings, upstream: Upstream, seams: Seams, log: Log) -> ShadowExchange:
    """Returns an exchange in the middle, once the real one has answered and knows the key. Raises CannotStart."""
    try:
        with trio.fail_after(settings.exchange.data_deadline_s * (MEASURED_READS + 1)):
            await upstream.client.account_limits()
            shards = shards_of((await upstream.read("/exchange/status")).content)
            latency_s = await upstream.measure_round_trip_s(seams.now, MEASURED_READS)
    except AuthenticationFailed as refusal:
        await upstream.aclose()
        raise CannotStart(f"the exchange refused the key ({refusal})", ExitCode.CREDENTIALS) from refusal
    except (ExchangeError, httpx.HTTPError, trio.TooSlowError) as error:
        await upstream.aclose()
        raise CannotStart(f"the exchange at {upstream.base_url} does not answer ({error})", ExitCode.USAGE) from error
    latency_s = min(max(latency_s, LATENCY_S_MIN), LATENCY_S_MAX)
    return ShadowExchange(upstream, settings, seams, shards, latency_s, log)


def shards_of(status: bytes) -> tuple[int, ...]:
    """Returns the shards that the exchange's status names; the main one where it names none."""
    try:
        rows = msgspec.json.decode(status, type=_Status).exchange_index_statuses
    except msgspec.MsgspecError:
        rows = []
    return tuple(sorted({row.exchange_index for row in rows})) or (0,)


class _Shard(msgspec.Struct):
    exchange_index: int


class _Status(msgspec.Struct):
    exchange_index_statuses: list[_Shard] = []


def spread(cash_e6: int, shards: tuple[int, ...]) -> dict[int, int]:
    """Returns the money in equal parts of whole cents; the first shard has what is left over."""
    share_e6 = cash_e6 // len(shards) // _CENT_E6 * _CENT_E6
    return dict.fromkeys(shards, share_e6) | {shards[0]: cash_e6 - share_e6 * (len(shards) - 1)}


def banner(model: QueueModel, base_url: str, latency_s: float) -> str:
    """Returns what is said when mode `shadow` starts."""
    return (
        f"SHADOW: real data from {base_url}; {NOTHING_IS_SENT} "
        f"(queue model {model}, {latency_s * 1000:.0f} ms to the exchange)"
    )
