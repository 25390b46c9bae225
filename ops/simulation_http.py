"""HTTP without bytes: requests and answers as plain objects, for simulations on the wire "ports".

They have the attributes of httpx's that our client and the tests use, at a tenth of the price: a campaign makes
millions of them. What httpx itself does is tested on the wire "full".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit

import attrs

_PATH_SAFE = "/%:@!$&'()*+,;=~"


@attrs.define(eq=False)
class PortUrl:
    """An address, split as it is needed."""

    scheme: str
    host: str
    path: str
    raw_path: bytes
    query: bytes


class PortHeaders(dict[str, str]):
    """Header fields under lower-case names."""

    def get(self, key: str, default: str = "", /) -> str:  # type: ignore[override]
        return super().get(key.lower(), default)


@attrs.define(eq=False)
class PortRequest:
    """A request as the exchange's application is given it."""

    method: str
    url: PortUrl
    headers: dict[str, str]
    content: bytes

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Returns the header fields as ASGI puts them."""
        return [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]


@attrs.define(eq=False)
class PortResponse:
    """An answer as the application gave it."""

    status_code: int
    headers: PortHeaders
    content: bytes


@attrs.define
class PortClient:
    """A client that hands requests to `carry`; see kalshi.http_client."""

    carry: Callable[[PortRequest], Awaitable[PortResponse]]

    def build_request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        extensions: dict[str, Any] | None = None,
    ) -> PortRequest:
        """Returns a request; nothing traces its bytes, as there are none."""
        parts = urlsplit(url)
        path = quote(parts.path, safe=_PATH_SAFE)
        raw_path = f"{path}?{parts.query}" if parts.query else path
        return PortRequest(
            method=method,
            url=PortUrl(parts.scheme, parts.netloc, parts.path, raw_path.encode(), parts.query.encode()),
            headers=dict(headers or {}),
            content=content or b"",
        )

    async def send(self, request: PortRequest, /) -> PortResponse:
        """Carries one request. Raises httpx.ConnectError."""
        return await self.carry(request)

    async def aclose(self) -> None:
        """Has nothing to close."""
