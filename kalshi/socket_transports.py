"""The transports behind the `Socket` port, by the names that the configuration uses."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final, Protocol

import trio

from kalshi.socket import CONNECT_S_MAX, SOCKET_BUFFER_FRAMES, Socket
from kalshi.socket_fast import open_fast_websocket
from kalshi.socket_network import OpenStream
from kalshi.socket_trio_websocket import open_trio_websocket


class OpenWebSocket(Protocol):
    """Opens a connection whose tasks live in `nursery`; raises as the transports say."""

    async def __call__(
        self,
        nursery: trio.Nursery,
        url: str,
        headers: list[tuple[str, str]],
        *,
        ssl_context: ssl.SSLContext | None = None,
        connect_s_max: float = CONNECT_S_MAX,
        buffer_frames: int = SOCKET_BUFFER_FRAMES,
        open_stream: OpenStream | None = None,
    ) -> Socket: ...


TRANSPORTS: Final[Mapping[str, OpenWebSocket]] = {
    "trio-websocket": open_trio_websocket,
    "fast": open_fast_websocket,
}
