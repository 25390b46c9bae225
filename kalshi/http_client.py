"""What the client needs of an HTTP library: to make a request whose exact path can be signed, and to send it.

`httpx.AsyncClient` is one as it stands. A simulation has another that carries requests in memory.
"""

from __future__ import annotations

from typing import Any, Protocol


class HttpResponse(Protocol):
    """A complete answer."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Any: ...  # with `get`, whatever the case; httpx's own type is wider than a Protocol can say

    @property
    def content(self) -> bytes: ...


class HttpClient(Protocol):
    """Makes requests and sends them; closed once, at the end."""

    def build_request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = ...,
        headers: dict[str, str] | None = ...,
        extensions: dict[str, Any] | None = ...,
    ) -> Any:
        """Returns a request with `url.raw_path`, as it will be sent, and `headers` to add to."""
        ...

    async def send(self, request: Any, /) -> HttpResponse:
        """Sends it and returns the whole answer. Raises httpx.HTTPError."""
        ...

    async def aclose(self) -> None: ...
