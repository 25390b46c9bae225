"""The full wire of a simulation: real HTTP client and server, real WebSocket framing, over streams in memory.

Every byte that a network would carry is made and parsed here; only the kernel is missing. So the exchange's byte-level
faults strike here too (a cut inside a header, an answer that trickles), and httpx, httpcore, h11, Hypercorn and both
WebSocket libraries are part of what a seed tests.

Rules:
1. A pipe carries bytes after a latency, in order, and takes only so many: a reader that stops stops its writer.
2. A line that is cut swallows what is sent and never delivers; nobody is told, as when a machine loses its power.

httpcore asks the real clock whether an idle connection is too old to be used again. So no age is too old here, and it
is the server, on the virtual clock, that ends idle ones.

Rejected: `trio.testing.memory_stream_pair`, which takes any amount unread.
"""

from __future__ import annotations

import random
import socket as std_socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import httpcore
import httpx
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.fault_stream import Door, FaultyStream
from kalshi.simulator.http_server import server_config
from kalshi.simulator.socket_server import serve_stream

PIPE_BYTES_MAX: Final = 65_536
_ADDRESS: Final = ("127.0.0.1", 1)

IsCut = Callable[[], bool]


class Pipe:
    """One direction of a connection."""

    def __init__(self, latency_s: Callable[[], float], is_cut: IsCut) -> None:
        self._latency_s = latency_s
        self._is_cut = is_cut
        self._parts: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._last_due_s = 0.0
        self._changed = trio.Event()
        self.is_ended = False  # nothing more will be sent
        self.is_broken = False  # the reader is gone, or the connection was reset

    async def send(self, data: bytes) -> None:
        """Puts bytes on their way; waits while the pipe is full. Raises BrokenResourceError."""
        await trio.lowlevel.checkpoint()
        while self._size >= PIPE_BYTES_MAX and not self.is_broken:
            await self._change()
        if self.is_broken:
            raise trio.BrokenResourceError("the other end is gone")
        if self._is_cut() or not data:
            return
        self._last_due_s = max(self._last_due_s, trio.current_time() + self._latency_s())
        self._parts.append((self._last_due_s, data))
        self._size += len(data)
        self._wake()

    async def receive(self, bytes_max: int | None) -> bytes:
        """Waits for bytes; empty at the end. Raises BrokenResourceError."""
        await trio.lowlevel.checkpoint()
        while True:  # ends with bytes, or with the connection
            if self.is_broken:
                raise trio.BrokenResourceError("the connection was reset")
            if self._is_cut():
                await trio.sleep_forever()
            if not self._parts:
                if self.is_ended:
                    return b""
                await self._change()
            elif (wait_s := self._parts[0][0] - trio.current_time()) > 0:
                with trio.move_on_after(wait_s):
                    await self._change()
            else:
                return self._take(bytes_max)

    @property
    def is_readable(self) -> bool:
        """Whether a reader would be told something at once."""
        return self.is_broken or self.is_ended or bool(self._parts and self._parts[0][0] <= trio.current_time())

    def end(self) -> None:
        """Says that nothing more will be sent."""
        self.is_ended = True
        self._wake()

    def break_off(self) -> None:
        """Ends the connection for both ends."""
        self.is_broken = True
        self._parts.clear()
        self._size = 0
        self._wake()

    def _take(self, bytes_max: int | None) -> bytes:
        due_s, data = self._parts.popleft()
        if bytes_max is not None and len(data) > bytes_max:
            self._parts.appendleft((due_s, data[bytes_max:]))
            data = data[:bytes_max]
        self._size -= len(data)
        self._wake()
        return data

    def _wake(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _change(self) -> None:
        await self._changed.wait()


class _Address:
    """What servers ask a socket for."""

    family = std_socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        return _ADDRESS

    def getsockname(self) -> tuple[str, int]:
        return _ADDRESS


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a connection in memory."""

    socket = _Address()

    def __init__(self, outgoing: Pipe, incoming: Pipe) -> None:
        self._outgoing = outgoing
        self._incoming = incoming
        self._is_closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError("this end is closed")
        await self._outgoing.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._is_closed:
            raise trio.ClosedResourceError("this end is closed")
        return await self._incoming.receive(max_bytes)

    @property
    def is_readable(self) -> bool:
        return self._incoming.is_readable

    async def send_eof(self) -> None:
        self._outgoing.end()
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self._is_closed = True
        self._outgoing.end()
        self._incoming.break_off()
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """Opens connections to the servers of one exchange; `rng` draws their latencies."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        app: Any,
        nursery: trio.Nursery,
        rng: random.Random,
        latency_s: tuple[float, float],
    ) -> None:
        self._exchange = exchange
        self._nursery = nursery
        self._rng = rng
        self._span_s = latency_s
        self._config, self._wrapped = server_config(), ASGIWrapper(app)
        self._context = WorkerContext(None)

    async def connect(self, door: Door, is_cut: IsCut) -> MemoryStream:
        """Returns the client's end of a new connection."""
        await trio.sleep(self._latency_s())
        if is_cut():
            await trio.sleep_forever()
        there, back = Pipe(self._latency_s, is_cut), Pipe(self._latency_s, is_cut)
        theirs: Any = MemoryStream(back, there)
        self._nursery.start_soon(self._serve, FaultyStream(theirs, self._exchange.streams, door), door)
        return MemoryStream(there, back)

    async def _serve(self, stream: FaultyStream, door: Door) -> None:
        if door == "websocket":
            await serve_stream(self._exchange, stream)
        else:
            served: Any = stream
            await TCPServer(self._wrapped, self._config, self._context, ConnectionState({}), served)

    def _latency_s(self) -> float:
        return self._rng.uniform(*self._span_s)


class _HttpStream(httpcore.AsyncNetworkStream):
    """A connection in memory as httpcore wants it. Time-outs per operation are not used: ours are for the whole."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self._stream.send_all(buffer)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.is_readable if info == "is_readable" else None


class _HttpBackend(httpcore.AsyncNetworkBackend):
    """Where httpcore opens its connections."""

    def __init__(self, network: MemoryNetwork, is_cut: IsCut) -> None:
        self._network = network
        self._is_cut = is_cut

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _HttpStream(await self._network.connect("rest", self._is_cut))

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


def memory_transport(network: MemoryNetwork, connections: int, is_cut: IsCut) -> httpx.AsyncBaseTransport:
    """Returns httpx's own transport with a pool of `connections` whose network is in memory."""
    transport = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
    # httpx has no public place for a network backend; its transport is nothing but this pool.
    transport._pool = httpcore.AsyncConnectionPool(
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=None,
        network_backend=_HttpBackend(network, is_cut),
    )
    return transport
