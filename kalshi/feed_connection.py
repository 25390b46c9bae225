"""One market-data connection for as long as it is wanted: opened, kept alive, read, and opened again.

What it owns: the socket, the FeedProtocol of the present one, and the back-off between two. What it brings it tells its
owner by plain calls, at once; it never waits for the owner.

Rules:
1. One task reads: it drains every frame that has arrived, applies it, then tells the events, the stale books first.
2. Proof of life is any frame, or the answer to our own ping. A ping that is late ends the connection.
3. When a connection ends, the owner hears so before anything else happens; then comes a jittered back-off, which
   begins anew after a connection that has held.
4. Only a refused key is an error (AuthenticationFailed); everything else is a reason and another try, a signature
   whose time was refused as well: the clock was stepped, and the next answer of the exchange corrects ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol

import attrs
import trio

from kalshi.errors import AuthenticationFailed, ExchangeError
from kalshi.feed import FeedProtocol, Probe, TrackedBook
from kalshi.feed_events import FeedEvent, ReconnectNeeded
from kalshi.feed_subscriptions import ORDERBOOK
from kalshi.socket import Socket, SocketClosed

MARKET_CHANNELS: Final = (ORDERBOOK, "ticker", "trade")
# How long the protocol's deadlines may be overlooked at most, when none was known.
TICK_S_MAX: Final = 0.5
_TICK_S_MIN: Final = 0.01

Connect = Callable[[trio.Nursery], Awaitable[Socket]]


@attrs.frozen(kw_only=True)
class FeedParameters:
    """Pings, their deadline, and the back-off between connections, in seconds; how many markets one carries."""

    ping_every_s: float = 2.0
    ping_deadline_s: float = 2.0
    reconnect_first_s: float = 0.5
    reconnect_max_s: float = 30.0
    connect_deadline_s: float = 10.0
    max_markets_per_connection: int = 100


class FeedOwner(Protocol):
    """Who hears of a connection."""

    def now(self) -> float:
        """Returns the present time in seconds, monotonic."""
        ...

    def jitter(self) -> float:
        """Returns a random factor of a back-off."""
        ...

    def next_generation(self) -> int:
        """Returns a number that no connection has had."""
        ...

    def connected(self, connection: FeedConnection) -> None:
        """A connection has opened; nothing has been subscribed on it yet."""
        ...

    def happened(self, connection: FeedConnection, event: FeedEvent) -> None:
        """Something came, or a deadline passed."""
        ...

    def disconnected(self, connection: FeedConnection, reason: str) -> None:
        """A connection has ended; none of its books may be trusted."""
        ...


class _ConnectionOver(Exception):
    """This connection cannot be used any further; the reason is its text."""


@attrs.define(eq=False)
class FeedConnection:
    """One connection; see the module. `number` tells it from the others of its owner."""

    number: int
    parameters: FeedParameters
    connect: Connect
    owner: FeedOwner
    probe: Probe | None = None
    generation: int = attrs.field(default=0, init=False)
    is_connected: bool = attrs.field(default=False, init=False)
    proof_at_s: float = attrs.field(default=0.0, init=False)
    reconnects: int = attrs.field(default=0, init=False)
    gaps: int = attrs.field(default=0, init=False)
    reason: str = attrs.field(default="not connected yet", init=False)
    markets: frozenset[str] = attrs.field(default=frozenset(), init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _protocol: FeedProtocol = attrs.field(init=False)
    _bookless: frozenset[str] = attrs.field(default=frozenset(), init=False)
    _subscribed: dict[str, frozenset[str]] = attrs.field(factory=dict, init=False)  # by channel
    _socket: Socket | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._protocol = FeedProtocol(self.owner.now, self.probe)

    # What the owner wants.

    def want(self, tickers: Iterable[str], bookless: Iterable[str] = ()) -> None:
        """Wants these markets and no others, those in `bookless` without their books; flush() sends what that takes."""
        self.markets, self._bookless = frozenset(tickers), frozenset(bookless)
        if self.is_connected:
            self._subscribe_markets()

    def subscribe(self, channels: Iterable[str]) -> None:
        """Wants whole channels, on the present connection only."""
        for channel in channels:
            self._protocol.subscribe(channel, ())

    def book(self, ticker: str) -> TrackedBook | None:
        """Returns the book of a market, None where there is none."""
        return self._protocol.books.get(ticker)

    def close(self) -> None:
        """Ends run(), for good."""
        self.is_connected = False
        self._scope.cancel(reason="the owner has closed this connection")

    async def flush(self) -> None:
        """Sends what waits to be sent; the reader tells of an end."""
        if self._socket is not None:
            with suppress(SocketClosed):
                await self._send_all(self._socket)

    # Its life.

    async def run(self) -> None:
        """Connects, reads and reconnects until cancelled. Raises AuthenticationFailed when the key is refused."""
        failures = 0
        with self._scope:
            while True:
                began_s = self.owner.now()
                reason = await self._one_connection()
                self._ended(reason)
                has_held = self.owner.now() - began_s > self.parameters.reconnect_max_s
                failures = 0 if has_held else failures + 1
                await trio.sleep(self._back_off_s(failures))
        # Only where the owner has closed us: on the network it is gone already, with its tasks.
        if self._socket is not None:
            await self._socket.aclose()

    def _back_off_s(self, failures: int) -> float:
        parameters = self.parameters
        delay_s = min(parameters.reconnect_max_s, parameters.reconnect_first_s * 2 ** min(failures - 1, 16))
        return float(delay_s) * self.owner.jitter()

    async def _one_connection(self) -> str:
        """Returns why the connection ended."""
        reason = "closed"
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(self.parameters.connect_deadline_s):
                    socket = await self.connect(nursery)
                self._began(socket)
                nursery.start_soon(self._ping, socket)
                nursery.start_soon(self._keep_time, socket)
                await self._read(socket)
        except* AuthenticationFailed as refused:
            if not all(isinstance(one, AuthenticationFailed) and one.is_about_time for one in _leaves(refused)):
                raise
            reason = "; ".join(str(one) for one in _leaves(refused))
        except* (SocketClosed, _ConnectionOver, ExchangeError, trio.TooSlowError, OSError) as ended:
            reason = "; ".join(str(error) or type(error).__name__ for error in _leaves(ended))
        return reason

    def _began(self, socket: Socket) -> None:
        self.generation = self.owner.next_generation()
        self.is_connected = True
        self.reason = "connected"
        self.proof_at_s = self.owner.now()
        self._socket = socket
        self._protocol = FeedProtocol(self.owner.now, self.probe)
        self._subscribed = {}
        self.owner.connected(self)
        self._subscribe_markets()

    def _ended(self, reason: str) -> None:
        self.is_connected = False
        self.reason = reason
        self.reconnects += 1
        self._socket = None
        self.owner.disconnected(self, reason)

    def _subscribe_markets(self) -> None:
        for channel in MARKET_CHANNELS:
            wanted = self.markets - self._bookless if channel == ORDERBOOK else self.markets
            held = self._subscribed.get(channel, frozenset())
            if new := sorted(wanted - held):
                self._protocol.subscribe(channel, new)
            if gone := sorted(held - wanted):
                self._protocol.unsubscribe_markets(channel, gone)
            self._subscribed[channel] = wanted

    async def _read(self, socket: Socket) -> None:
        await self._send_all(socket)
        while True:
            frames = await socket.receive_batch()
            self.proof_at_s = self.owner.now()
            self._tell(self._protocol.receive(frames))
            await self._send_all(socket)

    async def _ping(self, socket: Socket) -> None:
        while True:
            await trio.sleep(self.parameters.ping_every_s)
            await socket.ping(self.parameters.ping_deadline_s)
            self.proof_at_s = self.owner.now()

    async def _keep_time(self, socket: Socket) -> None:
        """Acts on the protocol's deadlines."""
        while True:
            deadline_s = self._protocol.next_deadline()
            left_s = TICK_S_MAX if deadline_s is None else deadline_s - self.owner.now()
            await trio.sleep(min(TICK_S_MAX, max(_TICK_S_MIN, left_s)))
            self._tell(self._protocol.tick())
            await self._send_all(socket)

    async def _send_all(self, socket: Socket) -> None:
        for text in self._protocol.outbox():
            await socket.send(text)

    def _tell(self, events: Iterable[FeedEvent]) -> None:
        for event in events:
            self.owner.happened(self, event)
            if isinstance(event, ReconnectNeeded):
                raise _ConnectionOver(event.reason)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
