"""Where the bot may trade, and what must be said before it does so for real.

    simulated   its own exchange on this machine (the default); needs nothing
    demo        the exchange's demo environment: play money; needs demo credentials
    shadow      live data with orders matched locally; needs credentials to read with, and sends nothing that writes
    live        real money; needs the mode, credentials and LIVE_TRADING_ENABLED=true, all three (I27)

`shadow` may read from anywhere encrypted and from this machine, for it cannot write (ops.shadow_upstream).

The address is held against the mode as well: a base URL of the live exchange under `mode: demo` is refused,
so that no single variable left in a shell can turn play into trade.

Source: docs.kalshi.com, getting started pages on environments, October 2026.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import attrs

from ops.credentials import ACCESS_KEY_VARIABLE, PRIVATE_KEY_VARIABLE, CredentialsError, credentials_from

if TYPE_CHECKING:
    from ops.settings import Settings

LIVE_SWITCH_VARIABLE = "LIVE_TRADING_ENABLED"
# What status, console and the first line say in mode `shadow`.
NOTHING_IS_SENT = "nothing is sent, orders are matched here"
_DEMO_DOMAIN = "kalshi.co"  # every host of the demo environment ends in it; live hosts end in kalshi.com


class Mode(enum.StrEnum):
    SIMULATED = "simulated"
    DEMO = "demo"
    SHADOW = "shadow"
    LIVE = "live"


@attrs.frozen(kw_only=True)
class Endpoints:
    """The two addresses of an exchange, REST including its version path."""

    base_url: str
    websocket_url: str


_LIVE = Endpoints(
    base_url="https://external-api.kalshi.com/trade-api/v2",
    websocket_url="wss://external-api-ws.kalshi.com/trade-api/ws/v2",
)
_ENDPOINTS = {
    Mode.DEMO: Endpoints(
        base_url="https://external-api.demo.kalshi.co/trade-api/v2",
        websocket_url="wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2",
    ),
    Mode.LIVE: _LIVE,
    Mode.SHADOW: _LIVE,
}


def endpoints_for(settings: Settings) -> Endpoints | None:
    """Returns the addresses to use; None means: start the embedded exchange and use its own."""
    base_url, websocket_url = settings.exchange.base_url, settings.exchange.websocket_url
    by_mode = _ENDPOINTS.get(settings.mode)
    if base_url is None and by_mode is None:
        return None
    if base_url is None and by_mode is not None:
        return attrs.evolve(by_mode, websocket_url=websocket_url or by_mode.websocket_url)
    assert base_url is not None
    return Endpoints(base_url=base_url, websocket_url=websocket_url or _websocket_beside(base_url))


def check_mode(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Returns what is missing before the bot may start in its mode, as sentences; empty means: go."""
    missing = [*_wrong_address(settings), *_missing_credentials(settings, environ)]
    if settings.mode is Mode.SHADOW and not settings.websockets.enabled:
        missing.append("mode `shadow` needs websockets.enabled: true, for orders are matched against the live feed")
    if settings.mode is Mode.LIVE and not _is_switched_on(environ):
        missing.append(f"mode `live` needs {LIVE_SWITCH_VARIABLE}=true in the environment")
    if missing and settings.mode is Mode.LIVE:
        missing.append(
            "without money at stake use `mode: shadow` (live data, no order is sent), `mode: demo` (the "
            "exchange's play money) or `mode: simulated`"
        )
    return tuple(missing)


def may_send_live(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether all three agree that real orders may go out: mode, credentials and the switch (I27)."""
    return settings.mode is Mode.LIVE and not check_mode(settings, environ)


def _is_switched_on(environ: Mapping[str, str]) -> bool:
    # Only the one word counts: "1", "yes" or "on" may have been meant for something else.
    return environ.get(LIVE_SWITCH_VARIABLE, "").strip().lower() == "true"


def _missing_credentials(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    if settings.mode is Mode.SIMULATED and settings.exchange.base_url is None:
        return []
    try:
        found = credentials_from(environ)
    except CredentialsError as error:
        return [str(error).rstrip(".")]
    if found is None:
        where = "an exchange at exchange.base_url" if settings.mode is Mode.SIMULATED else f"mode `{settings.mode}`"
        return [f"{where} needs credentials: {ACCESS_KEY_VARIABLE} and {PRIVATE_KEY_VARIABLE} (path or PEM text)"]
    return []


def _wrong_address(settings: Settings) -> list[str]:
    addresses = {
        "exchange.base_url": settings.exchange.base_url,
        "exchange.websocket_url": settings.exchange.websocket_url,
    }
    wrong = [
        f"{key} {url} does not belong to mode `{settings.mode}`: {_allowed_hosts(settings.mode)}"
        for key, url in addresses.items()
        if url is not None and not _may_use(settings.mode, urlsplit(url))
    ]
    if addresses["exchange.websocket_url"] and settings.mode is Mode.SIMULATED and not addresses["exchange.base_url"]:
        wrong.append("exchange.websocket_url without exchange.base_url: the embedded exchange has its own addresses")
    return wrong


def _may_use(mode: Mode, url: SplitResult) -> bool:
    host = (url.hostname or "").lower()
    if mode is Mode.SIMULATED:
        return is_loopback(host)
    if mode is Mode.DEMO:
        return is_loopback(host) or host == _DEMO_DOMAIN or host.endswith("." + _DEMO_DOMAIN)
    is_encrypted = url.scheme in ("https", "wss")
    if mode is Mode.SHADOW:
        return is_encrypted or is_loopback(host)
    return is_encrypted and not host.endswith("." + _DEMO_DOMAIN)


def _allowed_hosts(mode: Mode) -> str:
    return {
        Mode.SIMULATED: "only addresses of this machine (localhost, 127.0.0.1, ::1)",
        Mode.DEMO: "only hosts of the demo environment or of this machine",
        Mode.SHADOW: "only encrypted addresses (https, wss), or those of this machine",
    }.get(mode, "only encrypted addresses (https, wss) that are not the demo environment's")


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _websocket_beside(base_url: str) -> str:
    """Returns the socket's address when only the REST address is given: same host, the socket's path."""
    parts = urlsplit(base_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    path = parts.path.rstrip("/").removesuffix("/v2")
    return f"{scheme}://{parts.netloc}{path}/ws/v2"
