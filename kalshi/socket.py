"""The port to one WebSocket connection. The transports behind it are modules of their own.

Rules for every transport:
1. `receive_batch` hands over *every* frame that has arrived, so that one wake-up serves a burst.
2. Server pings are answered however slow the consumer is. The buffer between is bounded; when it runs over,
   the consumer is told (SocketOverflow) instead of silently losing frames.
3. A send that is cancelled half way ends the connection: the peer would read garbage.
4. No call waits for ever on a dead peer: `ping` has its deadline, `aclose` takes CLOSE_S_MAX at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

# About twenty seconds of the busiest recorded market (798 frames/s), some five megabytes.
SOCKET_BUFFER_FRAMES: Final = 16_384
# The same in bytes, for frames can be large: four of the largest.
SOCKET_BUFFER_BYTES: Final = 64 * 1024 * 1024
# Full-depth snapshots of wide books exceed the usual megabyte; sixteen is far beyond any seen.
MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
CLOSE_S_MAX: Final = 2.0
# Name look-up, TCP, TLS and the upgrade, all together.
CONNECT_S_MAX: Final = 10.0


class SocketClosed(Exception):
    """The connection is gone; `reason` says how. Open a new one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SocketOverflow(SocketClosed):
    """We read too slowly and frames are lost; the connection was ended, every book of it is stale."""


class Socket(Protocol):
    """One open connection."""

    async def receive_batch(self) -> list[str | bytes]:
        """Waits for at least one frame and returns all that have arrived.

        Raises SocketClosed once everything that came before the end has been handed over, SocketOverflow at
        once.
        """
        ...

    async def send(self, text: str) -> None:
        """Sends one text frame. Raises SocketClosed."""
        ...

    async def ping(self, deadline_s: float) -> None:
        """Returns when the peer has answered a ping; closes and raises SocketClosed where it is late."""
        ...

    async def aclose(self) -> None:
        """Closes the connection; may be called twice."""
        ...


Connect = Callable[[], Awaitable[Socket]]
"""Opens a connection. Raises AuthenticationFailed, Rejected or Unavailable."""
