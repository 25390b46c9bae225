"""Byte-level faults: a stream between the servers and the network that cuts, loses or trickles what is sent.

Rules:
1. On a REST connection one decision holds for one answer (until the client sends again), on a WebSocket for one
   write, which is a frame.
2. A half-open stream takes what is sent and loses it, and stays open until its client closes it.
3. The servers shield their writes from cancellation, so everything that waits here also ends with `release`.
"""

from __future__ import annotations

from typing import Literal

import trio

from kalshi.simulator.fault_plan import FaultPlan, StreamPlan

Door = Literal["rest", "websocket"]


class StreamFaults:
    """Makes the streams of one exchange; the plan decides about their bytes."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self.released = trio.Event()

    def release(self) -> None:
        """Ends every wait, because the servers end."""
        self.released.set()

    def decide(self, door: Door) -> StreamPlan:
        return StreamPlan() if self._plan.is_idle else self._plan.stream(door)

    async def pause(self, seconds: float) -> None:
        """Waits that long, or until the servers end."""
        with trio.move_on_after(seconds):
            await self.released.wait()


class FaultyStream(trio.abc.HalfCloseableStream):
    """A stream of one connection. Its `socket` is the real one, which the servers ask for their peer's name."""

    def __init__(self, inner: trio.SocketStream, faults: StreamFaults, door: Door) -> None:
        self._inner = inner
        self._faults = faults
        self._door = door
        self._plan: StreamPlan | None = None
        self._sent_bytes = 0
        self._is_half_open = False

    @property
    def socket(self) -> trio.socket.SocketType:
        return self._inner.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sends, or does what the plan says. Raises BrokenResourceError after a cut."""
        if self._is_half_open:
            await trio.lowlevel.checkpoint()
            return
        if self._plan is None or self._door == "websocket":
            self._plan, self._sent_bytes = self._faults.decide(self._door), 0
        match self._plan.action:
            case "none":
                await self._inner.send_all(data)
            case "trickle":
                await self._trickle(bytes(data), self._plan)
            case "cut" | "hold":
                await self._send_until(bytes(data), self._plan)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receives; a client's next request ends what was decided about the answer before."""
        data = await self._inner.receive_some(max_bytes)
        self._plan = None
        return data

    async def send_eof(self) -> None:
        await self._inner.send_eof()

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _trickle(self, data: bytes, plan: StreamPlan) -> None:
        for start in range(0, len(data), plan.chunk_bytes):
            await self._inner.send_all(data[start : start + plan.chunk_bytes])
            await self._faults.pause(plan.every_s)

    async def _send_until(self, data: bytes, plan: StreamPlan) -> None:
        allowed = max(0, plan.after_bytes - self._sent_bytes)
        self._sent_bytes += len(data)
        if len(data) <= allowed:
            await self._inner.send_all(data)
            return
        if allowed:
            await self._inner.send_all(data[:allowed])
        if plan.action == "cut":
            await self.aclose()
            raise trio.BrokenResourceError("a fault cut the connection")
        self._is_half_open = True


class FaultyListener(trio.abc.Listener[FaultyStream]):
    """Accepts connections and puts the faults into them."""

    def __init__(self, inner: trio.SocketListener, faults: StreamFaults, door: Door) -> None:
        self._inner = inner
        self._faults = faults
        self._door = door

    async def accept(self) -> FaultyStream:
        """Waits for the next connection."""
        return FaultyStream(await self._inner.accept(), self._faults, self._door)

    async def aclose(self) -> None:
        await self._inner.aclose()
