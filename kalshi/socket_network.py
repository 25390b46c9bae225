"""What every transport behind the `Socket` port needs: a stream to the exchange, and what a failed opening means."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import trio

from kalshi.errors import ExchangeError, Rejected, Unavailable, excerpt, parse_error

# One read of this size is one batch: sixty deltas, half a millisecond of work.
READ_BYTES: Final = 16_384

OpenStream = Callable[[], Awaitable[trio.abc.Stream]]


async def open_network_stream(url: str, ssl_context: ssl.SSLContext | None) -> trio.abc.Stream:
    """Opens TCP, and TLS for wss:// addresses. Raises ValueError for other addresses, OSError, or trio's errors."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or parts.hostname is None:
        raise ValueError(f"expected a ws:// or wss:// address, found {excerpt(url)!r}")
    if parts.scheme == "ws":
        return await trio.open_tcp_stream(parts.hostname, parts.port or 80)
    context = ssl_context if ssl_context is not None else ssl.create_default_context()
    stream = await trio.open_ssl_over_tcp_stream(
        parts.hostname, parts.port or 443, ssl_context=context, https_compatible=True
    )
    is_secure = False
    try:
        await stream.do_handshake()
        is_secure = True
    finally:
        if not is_secure:
            await trio.aclose_forcefully(stream)
    return stream


def first_error(group: BaseExceptionGroup[Exception]) -> Exception:
    """Returns the first error inside nested groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error


def opening_error(failure: Exception, connect_s_max: float) -> Exception:
    """Returns what a connection that did not open means to its opener."""
    match failure:
        case ExchangeError() | ValueError():
            return failure
        case trio.TooSlowError():
            return Unavailable(f"no WebSocket handshake within {connect_s_max:g} s")
        case _:
            # A certificate that does not verify, for instance, stands behind trio's own error.
            cause = failure.__cause__ or failure
            return Unavailable(f"the WebSocket cannot be reached: {type(cause).__name__}: {excerpt(str(cause))}")


def refused_handshake(status: int, headers: Mapping[str, str], body: bytes) -> Rejected | Unavailable:
    """Returns the error that an answer other than 101 means; header names in lower case."""
    return parse_error(status, body, headers.get("content-type", ""))


def describe_close(code: int, name: str, reason: str | None) -> str:
    """Returns in words how the peer closed."""
    return f"the peer closed with {code} {name}" + (f": {excerpt(reason)}" if reason else "")
