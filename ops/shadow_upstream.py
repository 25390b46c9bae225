"""The way to the real exchange in mode `shadow`: it can read, and it cannot do anything else (I27).

Rules:
1. Below every client lies a transport that lets GET pass and raises `WouldWrite` for anything else, before a name
   is looked up or a connection opened. No setting and no argument turns that off.
2. The socket lets subscriptions to public channels pass. Private channels are about an account that does not trade
   here; asking for one is a defect of ours as well.
3. Requests are signed with the operator's key, here and nowhere else. The bot has another key, which only the
   exchange in the middle knows, so even a request that got round rule 1 would be refused by the real exchange.

`WouldWrite` is an invariant violation: nobody restarts after it, the bot ends.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final

import httpx
import msgspec
import trio

from actors.runtime.seams import Seams
from actors.runtime.server_clock import ServerClock
from kalshi.budget import RateBudget
from kalshi.rest import RestClient, make_http
from kalshi.rest_send import KEEP_ALIVE_S
from kalshi.signing import Signer
from kalshi.socket import Socket
from kalshi.times import parse_http_date_ms
from ops.credentials import Credentials
from ops.life import BASIC_READ, BASIC_WRITE
from ops.modes import Endpoints
from ops.ports import Connect, network_connect
from ops.settings import ExchangeSettings
from quant.invariants import InvariantViolation

PUBLIC_CHANNELS: Final = frozenset({"orderbook_delta", "ticker", "trade", "market_lifecycle_v2"})
_COMMANDS: Final = frozenset({"subscribe", "unsubscribe", "update_subscription", "list_subscriptions"})


class WouldWrite(InvariantViolation):
    """Something other than a read was about to go to the real exchange; it was not sent."""

    def __init__(self, what: str) -> None:
        super().__init__("I27", f"mode `shadow` sends nothing that writes, and this would have: {what}")


class ReadOnlyTransport(httpx.AsyncBaseTransport):
    """Carries GET requests; raises WouldWrite for all others (rule 1)."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carries one read. Raises WouldWrite, and what the transport below raises."""
        if request.method != "GET":
            raise WouldWrite(f"{request.method} {request.url.path}")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Closes the transport below."""
        await self._inner.aclose()


class ReadOnlySocket:
    """A connection that carries subscriptions to public channels only (rule 2)."""

    def __init__(self, inner: Socket) -> None:
        self._inner = inner

    async def receive_batch(self) -> list[str | bytes]:
        """Returns every frame that has arrived. Raises SocketClosed."""
        return await self._inner.receive_batch()

    async def send(self, text: str) -> None:
        """Sends a subscription command. Raises WouldWrite for anything else, SocketClosed."""
        command = msgspec.json.decode(text)
        params = command.get("params", {})
        if command.get("cmd") not in _COMMANDS or not PUBLIC_CHANNELS.issuperset(params.get("channels", ())):
            raise WouldWrite(f"the socket command {command.get('cmd')} {params.get('channels', '')}")
        await self._inner.send(text)

    async def ping(self, deadline_s: float) -> None:
        """Returns when the exchange has answered a ping. Raises SocketClosed."""
        await self._inner.ping(deadline_s)

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._inner.aclose()


def network_transport(connections: int, context: ssl.SSLContext | None) -> httpx.AsyncHTTPTransport:
    """Returns a pool of connections without proxies; without a context for addresses that are not encrypted."""
    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEP_ALIVE_S
    )
    return httpx.AsyncHTTPTransport(
        verify=context if context is not None else False, trust_env=False, http2=False, limits=limits
    )


class Upstream:
    """The real exchange, to read from: raw answers, typed answers, sockets, and its time.

    `network` and `connect` replace the network, for tests; what they return is fenced in as everything else is.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        credentials: Credentials,
        settings: ExchangeSettings,
        seams: Seams,
        *,
        transport: str = "trio-websocket",
        network: Callable[[], httpx.AsyncBaseTransport] | None = None,
        connect: Connect | None = None,
    ) -> None:
        self.base_url = endpoints.base_url.rstrip("/")
        self.clock = ServerClock(now=seams.now, wall_ms=seams.wall_ms)
        self._wall_ms = seams.wall_ms
        self._signer = Signer(credentials.key_id, credentials.private_key_pem)
        context = ssl.create_default_context() if self.base_url.startswith("https") else None

        def fenced_http(connections: int) -> httpx.AsyncClient:
            inner = network_transport(connections, context) if network is None else network()
            return make_http(self.base_url, connections, transport=ReadOnlyTransport(inner))

        self._http = fenced_http(settings.data_connections)
        self._client_http = fenced_http(settings.control_connections)
        self._connect = connect or network_connect(endpoints, self._signer, self.clock.now_ms, context, transport)
        self.client = RestClient(
            http=self._client_http,
            base_url=self.base_url,
            signer=self._signer,
            budget=RateBudget(seams.now, BASIC_READ, BASIC_WRITE),
            wall_ms=self.clock.now_ms,
            connections=settings.control_connections,
            deadline_s=settings.data_deadline_s,
            on_server_date=lambda date_ms, wall_ms: self.clock.observe_date(date_ms, wall_ms - self.clock.offset_ms),
        )

    async def read(self, path_and_query: str) -> httpx.Response:
        """Returns the complete answer to a signed GET below the base address. Raises httpx.HTTPError."""
        request = self._http.build_request("GET", self.base_url + path_and_query)
        path = request.url.raw_path.partition(b"?")[0].decode("ascii")
        request.headers.update(self._signer.headers("GET", path, self.clock.now_ms()))
        response = await self._http.send(request)
        date_ms = parse_http_date_ms(response.headers.get("Date", ""))
        if date_ms is not None:
            self.clock.observe_date(date_ms, self._wall_ms())
        return response

    async def connect(self, nursery: trio.Nursery) -> ReadOnlySocket:
        """Opens a connection. Raises AuthenticationFailed, Rejected or Unavailable."""
        return ReadOnlySocket(await self._connect(nursery))

    async def measure_round_trip_s(self, now: Callable[[], float], times: int) -> float:
        """Returns the shortest round trip of some cheap reads, in seconds. Raises httpx.HTTPError."""
        trips = []
        for _ in range(times):
            began_s = now()
            await self.read("/exchange/status")
            trips.append(now() - began_s)
        return min(trips)

    async def aclose(self) -> None:
        """Closes both pools."""
        await self._http.aclose()
        await self._client_http.aclose()
