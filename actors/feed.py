"""FeedActor: the market-data connections, and what is published of their books.

The protocol (sequence, snapshots, held books, recovery) is `kalshi.feed`, the life of one connection is
`kalshi.feed_connection`, which market goes where is `kalshi.feed_placement`; this is their shell. Each changed market
is published once per batch, into LATEST slots; nothing here waits for a consumer.

Rules:
1. A connection that ends, gaps or falls silent takes down its own markets only.
2. What is not about single markets (private channels, lifecycle) is subscribed on one connection, and on another one
   as soon as that has ended. What falls between is made good over REST by those who need it.
3. `FeedHealth.proof_at_s` is the oldest proof among the connections that are up: where a quiet market is called fresh,
   it is by the word of its own connection.
4. A book is published where a level of those that are published has changed, or its connection has: to everybody here a
   book that is said again is as good as a quiet one, and most changes lie deeper.
5. While the connection of a held market is down, its price is read over REST: for exits and marks, never for quotes
   (its book stays stale).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
import trio

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import (
    BookCondition,
    BookView,
    ConnectionHealth,
    FeedHealth,
    MarketEnded,
    MarketRead,
    ReadMarket,
    TickerView,
    TradeSeen,
    WantedMarkets,
)
from actors.messages.money import PrivateFillSeen
from actors.messages.orders import FeedRead, GroupSeen, PrivateOrderSeen
from actors.runtime.supervisor import ChildContext
from kalshi.feed import Probe
from kalshi.feed_connection import Connect, FeedConnection, FeedParameters
from kalshi.feed_events import (
    BookChanged,
    BookStale,
    FeedEvent,
    FillReported,
    FrameMalformed,
    GapDetected,
    GroupReported,
    MarketLifecycle,
    MarketLimitReached,
    OrderReported,
    SubscriptionDied,
    TickerUpdated,
    TradePrinted,
)
from kalshi.feed_placement import lowered_limit, place
from kalshi.types import Level, Market, Side

LEVELS_PUBLISHED = 5
HEALTH_EVERY_S = 0.5
SINGLE_CHANNELS: Final = ("fill", "user_orders", "order_group_updates", "market_lifecycle_v2")
ENDINGS = frozenset({"determined", "settled", "deactivated", "activated"})
# Rule 5: each held market this often; so many reads at most per look, a quarter of what a basic account may read.
PRICE_EVERY_S = 2.0
PRICE_READS_MAX = 2
HOLDER = "portfolio_risk"


@attrs.define(eq=False)
class Feed:
    """The actor; see the module. `probe` sees every book before it is conflated (tests and replay)."""

    context: ChildContext
    parameters: FeedParameters
    connect: Connect
    probe: Probe | None = None
    _wanted: dict[str, tuple[str, ...]] = attrs.field(factory=dict, init=False)
    _without_books: set[str] = attrs.field(factory=set, init=False)  # owners that do not want the books of theirs
    _placed: dict[str, int] = attrs.field(factory=dict, init=False)
    _markets_max: int = attrs.field(init=False)
    _connections: dict[int, FeedConnection] = attrs.field(factory=dict, init=False)
    _single_on: FeedConnection | None = attrs.field(default=None, init=False)
    _generation: int = attrs.field(init=False)
    _published: dict[str, BookView] = attrs.field(factory=dict, init=False)  # of live books, the newest
    _price_asked_s: dict[str, float] = attrs.field(factory=dict, init=False)
    _nursery: trio.Nursery = attrs.field(init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Connects, reads and reconnects until cancelled. Raises AuthenticationFailed when the key is refused."""
        # Generations of different incarnations must differ, or an old target would pass for a new one.
        self._generation = self.context.incarnation << 20
        self._markets_max = self.parameters.max_markets_per_connection
        started()
        async with trio.open_nursery() as self._nursery:
            self._place()
            self._nursery.start_soon(self._say_health)
            while True:
                for message in await self.context.mailbox.receive():
                    self._take(message)
                for connection in tuple(self._connections.values()):
                    await connection.flush()

    def _take(self, message: object) -> None:
        match message:
            case WantedMarkets():
                self._wanted[message.owner] = message.tickers
                (self._without_books.discard if message.has_books else self._without_books.add)(message.owner)
                self._place()
            case MarketRead(market=market, heard_at_s=heard_at_s):
                self._publish_price(market, heard_at_s)
            case _:
                pass

    def _is_wanted(self, ticker: str) -> bool:
        return any(ticker in tickers for tickers in self._wanted.values())

    def _with_books(self) -> frozenset[str]:
        owners = self._wanted.keys() - self._without_books
        return frozenset(ticker for owner in owners for ticker in self._wanted[owner])

    # -- connections --

    def _place(self) -> None:
        """Brings the connections to what is wanted of them; the first stands even without a market."""
        wanted = sorted({ticker for tickers in self._wanted.values() for ticker in tickers})
        gone = [ticker for ticker in self._placed if ticker not in set(wanted)]
        self._placed = place(self._placed, wanted, self._markets_max)
        with_books = self._with_books()
        for number in sorted({0, *self._placed.values()} - self._connections.keys()):
            self._open(number)
        for number, connection in list(self._connections.items()):
            markets = [ticker for ticker, at in self._placed.items() if at == number]
            connection.want(markets, frozenset(markets) - with_books)
            if not markets and number:
                self._close(connection)
        for ticker in gone:
            self._price_asked_s.pop(ticker, None)
        for ticker in sorted(self._published.keys() - with_books):
            self._publish_stale(ticker, "not subscribed any more", None)

    def _open(self, number: int) -> None:
        connection = FeedConnection(number, self.parameters, self.connect, self, self.probe)
        self._connections[number] = connection
        self._nursery.start_soon(connection.run)

    def _close(self, connection: FeedConnection) -> None:
        del self._connections[connection.number]
        connection.close()
        if self._single_on is connection:
            self._move_single_channels()

    def _move_single_channels(self) -> None:
        up = [connection for connection in self._connections.values() if connection.is_connected]
        self._single_on = min(up, key=lambda connection: connection.number, default=None)
        if self._single_on is not None:
            self._single_on.subscribe(SINGLE_CHANNELS)
            self._nursery.start_soon(self._single_on.flush)

    # -- what connections tell; see FeedOwner --

    def now(self) -> float:
        return self.context.seams.now()

    def jitter(self) -> float:
        return self.context.seams.rng.uniform(0.5, 1.0)

    def next_generation(self) -> int:
        self._generation += 1
        return self._generation

    def connected(self, connection: FeedConnection) -> None:
        self.context.log.info(f"connection {connection.number}: up (generation {connection.generation})")
        if self._single_on is None:
            self._move_single_channels()

    def disconnected(self, connection: FeedConnection, reason: str) -> None:
        self.context.log.warning(f"connection {connection.number}: {reason}")
        for ticker in sorted(self._published):
            if self._placed.get(ticker) == connection.number:
                self._publish_stale(ticker, f"disconnected: {reason}", connection)
        if self._single_on is connection:
            self._move_single_channels()
        self._publish_health()

    def happened(self, connection: FeedConnection, event: FeedEvent) -> None:
        outbox = self.context.outbox
        match event:
            case BookChanged(ticker=ticker):
                self._publish_book(ticker, connection)
            case BookStale(ticker=ticker, reason=reason):
                self._publish_stale(ticker, reason, connection)
            case TickerUpdated():
                outbox.publish(
                    TickerView(
                        ticker=event.ticker,
                        yes_bid_e4=event.yes_bid_e4,
                        yes_ask_e4=event.yes_ask_e4,
                        last_price_e4=event.last_price_e4,
                        volume_e2=event.volume_e2,
                        ts_ms=event.ts_ms,
                        heard_at_s=self.now(),
                        yes_bid_size_e2=event.yes_bid_size_e2,
                        yes_ask_size_e2=event.yes_ask_size_e2,
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
            # The exchange tells of every market's end; only those that are dealt with concern anybody here.
            case MarketLifecycle() if event.kind in ENDINGS and self._is_wanted(event.ticker):
                outbox.publish(
                    MarketEnded(ticker=event.ticker, kind=event.kind, settlement_e4=event.settlement_value_e4)
                )
            case MarketLimitReached(tickers=tickers):
                self._lower_limit(connection, tickers)
            case GapDetected() | SubscriptionDied() | FrameMalformed():
                connection.gaps += 1
                self.context.log.warning(f"connection {connection.number}: {event}")
            case _:
                pass

    def _lower_limit(self, connection: FeedConnection, tickers: tuple[str, ...]) -> None:
        refused = [ticker for ticker in tickers if self._placed.get(ticker) == connection.number]
        if not refused:
            return  # another channel was refused the same markets, and they have moved already
        held = len(connection.markets) - len(refused)
        self._markets_max = lowered_limit(held, len(refused), self._markets_max)
        self.context.log.warning(f"a connection takes no more than {self._markets_max} markets: opening another")
        left = connection.markets - set(refused)
        connection.want(left, left - self._with_books())  # forgets that they were refused: some may come back
        for ticker in refused:
            del self._placed[ticker]
            if ticker in self._published:
                self._publish_stale(ticker, "moved to another connection", connection)
        self._place()
        self._nursery.start_soon(connection.flush)

    # -- what is published --

    async def _say_health(self) -> None:
        while True:
            self._publish_health()
            self.context.outbox.publish(Heartbeat(actor="feed", incarnation=self.context.incarnation, at_s=self.now()))
            self._read_prices()
            await trio.sleep(HEALTH_EVERY_S)

    def _silent(self) -> frozenset[str]:
        return frozenset(
            ticker for ticker, number in self._placed.items() if not self._connections[number].is_connected
        )

    def _read_prices(self) -> None:
        """Asks over REST for the prices of held markets whose connection is down (rule 5)."""
        now_s = self.now()
        silent = self._silent()
        due = [
            ticker
            for ticker in self._wanted.get(HOLDER, ())
            if ticker in silent and now_s - self._price_asked_s.get(ticker, float("-inf")) >= PRICE_EVERY_S
        ]
        due.sort(key=lambda ticker: self._price_asked_s.get(ticker, float("-inf")))
        for ticker in due[:PRICE_READS_MAX]:
            self._price_asked_s[ticker] = now_s
            slot = self.context.mailbox.reply_slot()
            self.context.outbox.publish(FeedRead(read=ReadMarket(ticker=ticker), reply=slot, is_urgent=True))

    def _publish_price(self, market: Market, heard_at_s: float) -> None:
        if market.ticker not in self._silent():
            return  # the socket is back, and its word is newer
        self.context.outbox.publish(
            TickerView(
                ticker=market.ticker,
                yes_bid_e4=market.yes_bid_e4,
                yes_ask_e4=market.yes_ask_e4,
                last_price_e4=market.last_price_e4,
                volume_e2=market.volume_e2,
                ts_ms=self.context.seams.wall_ms(),
                heard_at_s=heard_at_s,
                yes_bid_size_e2=market.yes_bid_size_e2,
                yes_ask_size_e2=market.yes_ask_size_e2,
            )
        )

    def _publish_book(self, ticker: str, connection: FeedConnection) -> None:
        tracked = connection.book(ticker)
        if tracked is None or self._placed.get(ticker) != connection.number:
            return
        book, generation = tracked.book, connection.generation
        bids, asks = book.levels(Side.BID, LEVELS_PUBLISHED), book.levels(Side.ASK, LEVELS_PUBLISHED)
        said = self._published.get(ticker)
        if said is not None and said.bids == bids and said.asks == asks and said.generation == generation:
            return  # rule 4
        view = self._published[ticker] = BookView(
            ticker=ticker,
            condition=BookCondition.LIVE,
            reason="",
            generation=generation,
            sequence=tracked.sequence,
            bids=bids,
            asks=asks,
            ts_ms=tracked.last_ts_ms,
            published_at_s=self.now(),
        )
        self.context.outbox.publish(view)

    def _publish_stale(self, ticker: str, reason: str, connection: FeedConnection | None) -> None:
        empty: tuple[Level, ...] = ()
        tracked = None if connection is None else connection.book(ticker)
        self._published.pop(ticker, None)
        self.context.outbox.publish(
            BookView(
                ticker=ticker,
                condition=BookCondition.STALE,
                reason=reason,
                generation=self._generation if connection is None else connection.generation,
                sequence=tracked.sequence if tracked is not None else 0,
                bids=empty,
                asks=empty,
                ts_ms=tracked.last_ts_ms if tracked is not None else 0,
                published_at_s=self.now(),
            )
        )

    def _publish_health(self) -> None:
        connections = [self._connections[number] for number in sorted(self._connections)]
        up = [connection for connection in connections if connection.is_connected]
        down = [connection for connection in connections if not connection.is_connected]
        if up:
            proof_at_s = min(connection.proof_at_s for connection in up)
        else:
            proof_at_s = max((connection.proof_at_s for connection in down), default=0.0)
        self.context.outbox.publish(
            FeedHealth(
                connected=bool(up),
                generation=up[0].generation if up else 0,
                proof_at_s=proof_at_s,
                published_at_s=self.now(),
                reconnects=sum(connection.reconnects for connection in connections),
                gaps=sum(connection.gaps for connection in connections),
                reason=down[0].reason if down else "connected",
                silent=self._silent(),
                connections=tuple(
                    ConnectionHealth(
                        number=connection.number,
                        connected=connection.is_connected,
                        markets=len(connection.markets),
                        proof_at_s=connection.proof_at_s,
                        reconnects=connection.reconnects,
                        gaps=connection.gaps,
                        reason=connection.reason,
                    )
                    for connection in connections
                ),
            )
        )
