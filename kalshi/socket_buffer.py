"""What has arrived on a connection and waits for its consumer, and how the connection ended."""

from __future__ import annotations

import trio

from kalshi.socket import SOCKET_BUFFER_BYTES, SocketClosed, SocketOverflow


class SocketBuffer:
    """The bounded buffer between a connection's reader and its consumer; putting never waits."""

    def __init__(self, frames_max: int, bytes_max: int = SOCKET_BUFFER_BYTES) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._frames: list[str | bytes] = []
        self._bytes = 0
        self._arrived = trio.Event()
        self.end: SocketClosed | None = None

    def put(self, frames: list[str | bytes], size: int) -> SocketOverflow | None:
        """Takes frames of `size` bytes together in; returns the overflow where they are too many."""
        if len(self._frames) + len(frames) > self._frames_max:
            return SocketOverflow(f"more than {self._frames_max} frames waited for the consumer")
        if self._bytes + size > self._bytes_max:
            return SocketOverflow(f"more than {self._bytes_max:,} bytes waited for the consumer")
        if self._frames:
            self._frames += frames
        else:
            self._frames = frames
        self._bytes += size
        self._arrived.set()
        return None

    def fail(self, end: SocketClosed) -> None:
        """Ends the connection for its consumer; the first end is the true one."""
        if self.end is None:
            self.end = end
        self._arrived.set()

    def raise_if_ended(self) -> None:
        """Raises SocketClosed where the connection has ended, a new one each time."""
        if self.end is not None:
            raise type(self.end)(self.end.reason)

    async def receive_batch(self) -> list[str | bytes]:
        """Waits for frames and returns all; see `kalshi.socket.Socket`."""
        await trio.lowlevel.checkpoint()
        while not self._frames:
            self.raise_if_ended()
            self._arrived = trio.Event()
            await self._arrived.wait()
        if isinstance(self.end, SocketOverflow):
            self.raise_if_ended()
        batch, self._frames, self._bytes = self._frames, [], 0
        return batch
