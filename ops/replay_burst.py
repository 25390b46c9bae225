"""A TCP door whose connections send in bursts, as a busy exchange does.

A WebSocket library writes each frame by itself. Written like that, a replay at full speed wakes the whole bot
for every single frame and measures little else; a real burst arrives as a few full segments. So bytes are
held until BURST_BYTES of them are there or BURST_S have passed.
"""

from __future__ import annotations

from typing import Final

import trio

BURST_BYTES: Final = 16_384  # one read of the client
BURST_S: Final = 0.001  # too short for anybody to notice


class BurstStream(trio.abc.Stream):
    """A stream whose writes leave together; `flush_in_time` must run beside it."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self._inner = inner
        self._held = bytearray()
        self._is_holding = trio.Event()
        self._sending = trio.Lock()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Takes bytes; returns once less than a burst waits."""
        self._held += data
        self._is_holding.set()
        if len(self._held) >= BURST_BYTES:
            await self._flush()
        else:
            await trio.lowlevel.checkpoint()

    async def _flush(self) -> None:
        async with self._sending:
            data, self._held = self._held, bytearray()
            self._is_holding = trio.Event()
            if data:
                await self._inner.send_all(data)

    async def flush_in_time(self) -> None:
        """Sends what has been held for long enough, until the connection is over."""
        try:
            while True:  # ends with the connection
                await self._is_holding.wait()
                await trio.sleep(BURST_S)
                await self._flush()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # whoever reads or writes learns it as well

    async def wait_send_all_might_not_block(self) -> None:
        """Returns when a write could leave at once."""
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Returns what has arrived."""
        return await self._inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Sends what is left and closes."""
        try:
            await self._flush()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # nobody is there any more to read it
        finally:
            await self._inner.aclose()
            self._is_holding.set()


class BurstListener(trio.abc.Listener[BurstStream]):
    """Accepts connections as BurstStreams; what flushes them lives in `nursery`."""

    def __init__(self, inner: trio.SocketListener, nursery: trio.Nursery) -> None:
        self._inner = inner
        self._nursery = nursery

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._inner.socket.getsockname()[1])

    async def accept(self) -> BurstStream:
        """Returns the next connection."""
        stream = BurstStream(await self._inner.accept())
        self._nursery.start_soon(stream.flush_in_time)
        return stream

    async def aclose(self) -> None:
        """Stops listening."""
        await self._inner.aclose()


async def listen_on_loopback(nursery: trio.Nursery) -> BurstListener:
    """Returns a listener on a free port of this machine, for this machine only."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    return BurstListener(listener, nursery)
