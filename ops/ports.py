"""The doors through which one process life reaches the exchange: two HTTP clients and a way to open a socket.

Production opens them on the network; a simulation hands in doors of its own. Whoever is behind a door does not matter
to the rest of the program.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import attrs
import trio

from kalshi.http_client import HttpClient
from kalshi.rest import make_http
from kalshi.signing import Signer
from kalshi.socket import Socket
from kalshi.socket_transports import TRANSPORTS
from ops.modes import Endpoints
from ops.settings import ExchangeSettings

# The way out has seconds. A connection that died unseen, as in a cut network, must not be what it tries first.
CONTROL_KEEP_ALIVE_S = 3.0

Connect = Callable[[trio.Nursery], Awaitable[Socket]]


@attrs.frozen(kw_only=True)
class Ports:
    """The data plane for orders and reads, the control plane for fence and sweep, and the socket."""

    base_url: str
    data_http: HttpClient
    control_http: HttpClient
    connect: Connect

    async def aclose(self) -> None:
        """Closes both HTTP clients."""
        await self.data_http.aclose()
        await self.control_http.aclose()


def network_ports(
    endpoints: Endpoints,
    settings: ExchangeSettings,
    signer: Signer,
    server_ms: Callable[[], int],
    transport: str = "trio-websocket",
) -> Ports:
    """Returns doors to an exchange on the network; the control plane has a pool of its own."""
    context = ssl.create_default_context() if endpoints.base_url.startswith("https") else None
    return Ports(
        base_url=endpoints.base_url,
        data_http=make_http(endpoints.base_url, settings.data_connections, context),
        control_http=make_http(
            endpoints.base_url, settings.control_connections, context, keep_alive_s=CONTROL_KEEP_ALIVE_S
        ),
        connect=network_connect(endpoints, signer, server_ms, context, transport),
    )


def network_connect(
    endpoints: Endpoints,
    signer: Signer,
    server_ms: Callable[[], int],
    context: ssl.SSLContext | None,
    transport: str = "trio-websocket",
) -> Connect:
    """Returns what opens a socket to an exchange on the network, signed at that moment."""
    open_websocket = TRANSPORTS[transport]
    path = urlsplit(endpoints.websocket_url).path

    async def connect(nursery: trio.Nursery) -> Socket:
        headers = list(signer.headers("GET", path, server_ms()).items())
        return await open_websocket(nursery, endpoints.websocket_url, headers, ssl_context=context)

    return connect
