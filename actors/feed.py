"""FeedActor: the market-data connection, the books, and what is published of them.

The protocol (sequence, snapshots, held books, recovery) is `kalshi.feed`; this is its shell. One task reads: it
drains every frame that has arrived, applies it, then publishes each changed market once, into LATEST slots. It never
waits for a
consumer.

Proof of life is any frame, or the answer to our own ping; a quiet market is not a stale one. After a disconnect every
book is
told stale before anything else, and the reconnect waits with jittered back-off.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import trio

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import (
    BookCondition,
    BookView,
    FeedHealth,
    MarketEnded,
    TickerView,
    TradeSeen,
    WantedMarkets,
)
from actors.messages.money import PrivateFillSeen
from actors.messages.orders import GroupSeen, PrivateOrderSeen
from actors.runtime.lifecycle import leaves
from actors.runtime.supervisor import ChildContext
from kalshi.errors import AuthenticationFailed, ExchangeError
from kalshi.feed import FeedProtocol, Probe
from kalshi.feed_events import (
    BookChanged,
    BookStale,
    FeedEvent,
    FillReported,
    FrameMalformed,
    GapDetected,
    GroupReported,
    MarketLifecycle,
    OrderReported,
    ReconnectNeeded,
    SubscriptionDied,
    TickerUpdated,
    TradePrinted,
)
from kalshi.socket import Socket, SocketClosed, SocketOverflow
from kalshi.types import Level, Side

LEVELS_PUBLISHED = 5
HEALTH_EVERY_S = 0.5
PRIVATE_CHANNELS = ("fill", "user_orders", "order_group_updates")
ENDINGS = frozenset({"determined", "settled", "deactivated", "activated"})

Connect = Callable[[trio.Nursery], Awaitable[Socket]]


@attrs.frozen(kw_only=True)
class FeedParameters:
    """Pings, their deadline, and the back-off between connections; in seconds."""

    ping_every_s: float = 2.0
    ping_deadline_s: float = 2.0
    reconnect_first_s: float = 0.5
    reconnect_max_s: float = 30.0
    connect_deadline_s: float = 10.0


class _ConnectionOver(Exception):
    """This connection cannot be used any further; the reason is its text."""


@attrs.define(eq=False)
class Feed:
    """The actor; see the module. `probe` sees every book before it is conflated (tests and replay)."""

    context: ChildContext
    parameters: FeedParameters
    connect: Connect
    probe: Probe | None = None
    _protocol: FeedProtocol = attrs.field(init=False)
    _wanted: dict[str, tuple[str, ...]] = attrs.field(factory=dict, init=False)
    _subscribed: set[str] = attrs.field(factory=set, init=False)
    _generation: int = attrs.field(default=0, init=False)
    _proof_at_s: float = attrs.field(default=0.0, init=False)
    _connected: bool = attrs.field(default=False, init=False)
    _socket: Socket | None = attrs.field(default=None, init=False)
    _reconnects: int = attrs.field(default=0, init=False)
    _gaps: int = attrs.field(default=0, init=False)
    _reason: str = attrs.field(default="not connected yet", init=False)
    _published: set[str] = attrs.field(factory=set, init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Connects, reads and reconnects until cancelled. Raises AuthenticationFailed when the key is refused."""
        self._protocol = FeedProtocol(self.context.seams.now, self.probe)
        # Generations of different incarnations must differ, or an old target would pass for a new one.
        self._generation = self.context.incarnation << 20
        started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen_to_wishes)
            nursery.start_soon(self._say_health)
            failures = 0
            while True:
                began_s = self.context.seams.now()
                reason = await self._one_connection()
                self._disconnected(reason)
                failures = 0 if self.context.seams.now() - began_s > self.parameters.reconnect_max_s else failures + 1
                await trio.sleep(self._back_off_s(failures))

    def _back_off_s(self, failures: int) -> float:
        parameters = self.parameters
        delay_s = min(parameters.reconnect_max_s, parameters.reconnect_first_s * 2 ** min(failures - 1, 16))
        return float(delay_s * self.context.seams.rng.uniform(0.5, 1.0))

    async def _one_connection(self) -> str:
        """Returns why the connection ended."""
        reason = "closed"
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(self.parameters.connect_deadline_s):
                    socket = await self.connect(nursery)
                self._connected_now(socket)
                nursery.start_soon(self._ping, socket)
                nursery.start_soon(self._keep_time, socket)
                await self._read(socket)
        except* AuthenticationFailed:
            raise
        except* (
            SocketClosed,
            SocketOverflow,
            _ConnectionOver,
            ExchangeError,
            trio.TooSlowError,
            OSError,
        ) as ended:
            reason = "; ".join(str(error) or type(error).__name__ for error in leaves(ended))
        return reason

    def _connected_now(self, socket: Socket) -> None:
        self._generation += 1
        self._connected = True
        self._socket = socket
        self._reason = "connected"
        self._proof_at_s = self.context.seams.now()
        self._protocol = FeedProtocol(self.context.seams.now, self.probe)
        for channel in PRIVATE_CHANNELS:
            self._protocol.subscribe(channel, ())
        self._protocol.subscribe("market_lifecycle_v2", ())
        self._subscribed = set()
        self._update_subscriptions()
        self.context.log.info(f"connected (generation {self._generation})")

    def _disconnected(self, reason: str) -> None:
        self._connected = False
        self._socket = None
        self._reconnects += 1
        self._reason = reason
        self.context.log.warning(f"disconnected: {reason}")
        for ticker in sorted(self._published):
            self._publish_stale(ticker, f"disconnected: {reason}")
        self._publish_health()

    # -- the tasks of one connection --

    async def _read(self, socket: Socket) -> None:
        await self._flush(socket)
        while True:
            frames = await socket.receive_batch()
            self._proof_at_s = self.context.seams.now()
            for event in self._protocol.receive(frames):
                self._take(event)
            await self._flush(socket)

    async def _flush(self, socket: Socket) -> None:
        for text in self._protocol.outbox():
            await socket.send(text)

    async def _ping(self, socket: Socket) -> None:
        while True:
            await trio.sleep(self.parameters.ping_every_s)
            await socket.ping(self.parameters.ping_deadline_s)
            self._proof_at_s = self.context.seams.now()

    async def _keep_time(self, socket: Socket) -> None:
        """Acts on the protocol's deadlines and on changed wishes."""
        while True:
            deadline_s = self._protocol.next_deadline()
            now_s = self.context.seams.now()
            wait_s = HEALTH_EVERY_S if deadline_s is None else min(HEALTH_EVERY_S, max(0.01, deadline_s - now_s))
            await trio.sleep(wait_s)
            for event in self._protocol.tick():
                self._take(event)
            await self._flush(socket)

    async def _listen_to_wishes(self) -> None:
        while True:
            for message in await self.context.mailbox.receive():
                if isinstance(message, WantedMarkets):
                    self._wanted[message.owner] = message.tickers
            if self._socket is not None:
                self._update_subscriptions()
                with suppress(SocketClosed):  # its reader tells of the end
                    await self._flush(self._socket)

    def _update_subscriptions(self) -> None:
        wanted = {ticker for tickers in self._wanted.values() for ticker in tickers}
        new, gone = sorted(wanted - self._subscribed), sorted(self._subscribed - wanted)
        for channel in ("orderbook_delta", "ticker", "trade"):
            if new:
                self._protocol.subscribe(channel, new)
            if gone:
                self._protocol.unsubscribe_markets(channel, gone)
        self._subscribed = wanted
        for ticker in gone:
            if ticker in self._published:
                self._publish_stale(ticker, "not subscribed any more")

    async def _say_health(self) -> None:
        while True:
            self._publish_health()
            self.context.outbox.publish(
                Heartbeat(actor="feed", incarnation=self.context.incarnation, at_s=self.context.seams.now())
            )
            await trio.sleep(HEALTH_EVERY_S)

    # -- events --

    def _take(self, event: FeedEvent) -> None:
        outbox = self.context.outbox
        match event:
            case BookChanged(ticker=ticker):
                self._publish_book(ticker)
            case BookStale(ticker=ticker, reason=reason):
                self._publish_stale(ticker, reason)
            case TickerUpdated():
                outbox.publish(
                    TickerView(
                        ticker=event.ticker,
                        yes_bid_e4=event.yes_bid_e4,
                        yes_ask_e4=event.yes_ask_e4,
                        last_price_e4=event.last_price_e4,
                        volume_e2=event.volume_e2,
                        ts_ms=event.ts_ms,
                        heard_at_s=self.context.seams.now(),
                    )
                )
            case TradePrinted(is_block=False):
                outbox.publish(
                    TradeSeen(
                        ticker=event.ticker,
                        price_e4=event.price_e4,
                        count_e2=event.count_e2,
                        taker_side=event.taker_side,
                        ts_ms=event.ts_ms,
                    )
                )
            case FillReported(fill=fill):
                outbox.publish(PrivateFillSeen(fill=fill))
            case OrderReported(order=order):
                outbox.publish(PrivateOrderSeen(order=order))
            case GroupReported():
                outbox.publish(GroupSeen(group_id=event.group_id, kind=event.kind, ts_ms=event.ts_ms))
            case MarketLifecycle() if event.kind in ENDINGS:
                outbox.publish(
                    MarketEnded(ticker=event.ticker, kind=event.kind, settlement_e4=event.settlement_value_e4)
                )
            case GapDetected() | SubscriptionDied() | FrameMalformed():
                self._gaps += 1
                self.context.log.warning(str(event))
            case ReconnectNeeded(reason=reason):
                raise _ConnectionOver(reason)
            case _:
                pass

    def _publish_book(self, ticker: str) -> None:
        tracked = self._protocol.books.get(ticker)
        if tracked is None:
            return
        self._published.add(ticker)
        self.context.outbox.publish(
            BookView(
                ticker=ticker,
                condition=BookCondition.LIVE,
                reason="",
                generation=self._generation,
                sequence=tracked.sequence,
                bids=tuple(tracked.book.levels(Side.BID, LEVELS_PUBLISHED)),
                asks=tuple(tracked.book.levels(Side.ASK, LEVELS_PUBLISHED)),
                ts_ms=tracked.last_ts_ms,
                published_at_s=self.context.seams.now(),
            )
        )

    def _publish_stale(self, ticker: str, reason: str) -> None:
        empty: tuple[Level, ...] = ()
        tracked = self._protocol.books.get(ticker)
        self._published.discard(ticker)
        self.context.outbox.publish(
            BookView(
                ticker=ticker,
                condition=BookCondition.STALE,
                reason=reason,
                generation=self._generation,
                sequence=tracked.sequence if tracked is not None else 0,
                bids=empty,
                asks=empty,
                ts_ms=tracked.last_ts_ms if tracked is not None else 0,
                published_at_s=self.context.seams.now(),
            )
        )

    def _publish_health(self) -> None:
        self.context.outbox.publish(
            FeedHealth(
                connected=self._connected,
                generation=self._generation if self._connected else 0,
                proof_at_s=self._proof_at_s,
                published_at_s=self.context.seams.now(),
                reconnects=self._reconnects,
                gaps=self._gaps,
                reason=self._reason,
            )
        )
