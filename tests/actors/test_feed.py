"""A4, A5: several connections, each with its own life; one that ends takes down its own markets and no others."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
import trio.testing

from actors.feed import LEVELS_PUBLISHED, Feed
from actors.messages.market import (
    BookCondition,
    BookView,
    FeedHealth,
    MarketRead,
    ReadMarket,
    TickerView,
    WantedMarkets,
)
from actors.messages.orders import FeedRead, GroupSeen
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams
from actors.runtime.switchboard import Outbox, Switchboard
from kalshi.book import OrderBook
from kalshi.errors import Unavailable
from kalshi.feed_connection import FeedParameters
from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.accounts import Account
from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.orders import Order
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import HandshakeRefused, SocketSession
from kalshi.socket import Socket
from kalshi.types import Market, MarketStatus, SelfTradePrevention, Side, TimeInForce
from ops.simulation import CASH_E6, KEY_ID, MemorySocket

WALL_MS = 1_790_000_000_000
PRIVATE, PUBLIC = generate_key_pair("ed25519")


class LimitedSocket(MemorySocket):
    """A connection on which the exchange takes a few order books only (error 26)."""

    def __init__(self, session: SocketSession, markets_max: int) -> None:
        super().__init__(session, latency_s=0.005)
        self._books = session
        self._markets_max = markets_max

    async def send(self, text: str) -> None:
        command = json.loads(text)
        params = command.get("params", {})
        subscription = self._books.subscription("orderbook_delta")
        held: set[str] = set() if subscription is None else set(subscription.tickers or ())
        is_for_books = "orderbook_delta" in params.get("channels", ()) or (
            subscription is not None and params.get("action") == "add_markets" and params["sids"] == [subscription.sid]
        )
        if is_for_books and len(held | set(params["market_tickers"])) > self._markets_max:
            error = {"type": "error", "id": command["id"], "msg": {"code": 26, "msg": "limit exceeded"}}
            self._books._push(None, json.dumps(error))
            return
        await super().send(text)


@attrs.define(eq=False)
class Stage:
    """The feed on a simulated exchange, with the test in the place of everybody else."""

    exchange: SimulatedExchange
    sockets: list[MemorySocket] = attrs.field(factory=list)
    is_refused: bool = False
    limit: int | None = None  # of order books on a connection, at the exchange
    books: dict[str, BookView] = attrs.field(factory=dict)
    published: list[BookView] = attrs.field(factory=list)  # every view, as said
    changes: int = 0  # of whole books, the levels that are not published included
    prices: list[TickerView] = attrs.field(factory=list)
    groups: list[GroupSeen] = attrs.field(factory=list)
    healths: list[FeedHealth] = attrs.field(factory=list)
    reads: list[str] = attrs.field(factory=list)
    house: Account = attrs.field(
        default=attrs.Factory(lambda self: self.exchange.core.add_house_account("others"), takes_self=True)
    )
    allocation: Outbox = attrs.field(init=False)
    risk: Outbox = attrs.field(init=False)
    scanner: Outbox = attrs.field(init=False)

    def tickers(self, count: int) -> list[str]:
        return sorted(self.exchange.core.markets)[:count]

    def live(self) -> set[str]:
        return {ticker for ticker, view in self.books.items() if view.condition is BookCondition.LIVE}

    def place(self, ticker: str, *bids_e4: int) -> None:
        """Places a bid of somebody else at each of the prices."""
        core = self.exchange.core
        market = core.markets[ticker]
        for price_e4 in bids_e4:
            order = Order(
                order_id=core.new_id(),
                account_id=self.house.account_id,
                client_order_id="",
                ticker=ticker,
                side=Side.BID,
                price_e4=price_e4,
                initial_e2=100,
                remaining_e2=100,
                time_in_force=TimeInForce.GOOD_TILL_CANCELED,
                self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
                exchange_index=market.exchange_index,
                created_ms=wall_ms(),
                updated_ms=wall_ms(),
                is_house=True,
            )
            market.engine.submit(order, wall_ms())
            core.drain(market, wall_ms())

    def carried_by(self, number: int) -> set[str]:
        """Returns the markets whose order books the exchange streams on the connection that was opened as number."""
        subscription = self.sockets[number]._session.subscription("orderbook_delta")
        return set() if subscription is None else set(subscription.tickers or ())

    def with_private(self) -> list[int]:
        """Returns the connections on which the exchange streams fills."""
        return [
            number
            for number, socket in enumerate(self.sockets)
            if socket._session in self.exchange.hub.sessions() and socket._session.subscription("fill") is not None
        ]

    async def connect(self, nursery: trio.Nursery) -> Socket:
        await trio.sleep(0.02)
        if self.is_refused:
            raise Unavailable("nobody answers")
        headers = Signer(KEY_ID, PRIVATE).headers("GET", SOCKET_PATH, wall_ms())
        session = self.exchange.open_socket(headers)
        assert not isinstance(session, HandshakeRefused)
        socket = MemorySocket(session, 0.005) if self.limit is None else LimitedSocket(session, self.limit)
        self.sockets.append(socket)
        return socket

    async def watch(self, mailbox: Mailbox) -> None:
        while True:
            for message in await mailbox.receive():
                match message:
                    case BookView():
                        self.books[message.ticker] = message
                    case TickerView():
                        self.prices.append(message)
                    case GroupSeen():
                        self.groups.append(message)
                    case FeedHealth():
                        self.healths.append(message)
                    case FeedRead(read=ReadMarket(ticker=ticker)):
                        self.reads.append(ticker)
                        market = _market(ticker)
                        message.reply.put(MarketRead(market=market, heard_at_s=trio.current_time()))
                    case _:
                        pass


class _Overheard(Outbox):
    """The feed's sending end; every view that goes through it is kept."""

    def __init__(self, inner: Outbox, published: list[BookView]) -> None:
        super().__init__(inner.actor_name, inner._routes, inner._undelivered)
        self._published = published

    def publish(self, message: object) -> None:
        super().publish(message)
        if isinstance(message, BookView):
            self._published.append(message)


def _market(ticker: str) -> Market:
    return Market(
        ticker=ticker,
        event_ticker=ticker,
        status=MarketStatus.ACTIVE,
        market_type="binary",
        title="",
        open_time_ms=0,
        close_time_ms=0,
        created_time_ms=0,
        yes_bid_e4=1_234,  # type: ignore[arg-type]
        yes_ask_e4=2_345,  # type: ignore[arg-type]
        yes_bid_size_e2=0,  # type: ignore[arg-type]
        yes_ask_size_e2=0,  # type: ignore[arg-type]
        last_price_e4=0,  # type: ignore[arg-type]
        volume_e2=0,  # type: ignore[arg-type]
        volume_24h_e2=0,  # type: ignore[arg-type]
        open_interest_e2=0,  # type: ignore[arg-type]
        price_ranges=(),
    )


def wall_ms() -> int:
    return WALL_MS + round(trio.current_time() * 1000)


@asynccontextmanager
async def feed_on_stage(markets_max: int = 100, limit: int | None = None, *, flow: bool = True) -> AsyncIterator[Stage]:
    account = AccountSettings(key_id=KEY_ID, public_key_pem=PUBLIC, cash_by_shard_e6=dict(CASH_E6))
    settings = SimulatorSettings(flow=flow, flow_rate=0.2)
    stage = Stage(SimulatedExchange(seed=5, wall_ms=wall_ms, settings=settings, accounts=(account,)), limit=limit)
    switchboard = Switchboard(CHANNELS, trio.current_time)
    stage.allocation, stage.risk = switchboard.outbox("allocation"), switchboard.outbox("portfolio_risk")
    stage.scanner = switchboard.outbox("volatility_scanner")
    seams = Seams(
        now=trio.current_time,
        wall_ms=wall_ms,
        rng=random.Random(1),
        new_id=lambda: "id",
        offload=None,  # type: ignore[arg-type]
    )
    context = ChildContext(
        name="feed",
        incarnation=1,
        mailbox=switchboard.mailbox("feed"),
        outbox=_Overheard(switchboard.outbox("feed"), stage.published),
        seams=seams,
        log=silent_log("feed"),
    )
    watched = [switchboard.mailbox(name) for name in ("order_desk", "stop_loss", "wire")]

    def changed(ticker: str, at_ms: int, book: OrderBook) -> None:
        stage.changes += 1

    feed = Feed(context, FeedParameters(max_markets_per_connection=markets_max), stage.connect, changed)
    async with trio.open_nursery() as nursery:
        await nursery.start(stage.exchange.run)
        for mailbox in watched:
            nursery.start_soon(stage.watch, mailbox)
        nursery.start_soon(feed.run, lambda: None)  # noqa: ASYNC113 - nobody waits for its beginning
        yield stage
        nursery.cancel_scope.cancel()


async def test_three_connections_share_the_markets_and_one_that_is_cut_takes_down_only_its_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with feed_on_stage(markets_max=4) as stage:
        wanted = stage.tickers(10)
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=tuple(wanted)))
        await trio.sleep(3)
        assert stage.live() == set(wanted)
        assert sorted(len(stage.carried_by(number)) for number in range(3)) == [2, 4, 4]
        assert [c.markets for c in stage.healths[-1].connections] == [4, 4, 2]
        cut = next(number for number in range(3) if stage.carried_by(number) == set(wanted[4:8]))
        generations = {ticker: stage.books[ticker].generation for ticker in wanted}
        stage.is_refused = True
        stage.sockets[cut].cut()
        await trio.sleep(1)
        assert stage.live() == set(wanted) - set(wanted[4:8])
        health = stage.healths[-1]
        assert health.connected
        assert health.silent == set(wanted[4:8])
        assert [c.connected for c in health.connections] == [True, False, True]
        await trio.sleep(20)
        assert stage.live() == set(wanted) - set(wanted[4:8])
        assert trio.current_time() - stage.healths[-1].proof_at_s < 5, "the proof is that of those that are up"
        stage.is_refused = False
        await trio.sleep(35)
        assert stage.live() == set(wanted)
        assert stage.healths[-1].silent == frozenset()
        for ticker in wanted:
            assert (stage.books[ticker].generation > generations[ticker]) == (ticker in wanted[4:8])


async def test_a_change_below_the_published_levels_is_not_news_and_every_other_one_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with feed_on_stage(flow=False) as stage:
        ticker = stage.tickers(1)[0]
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(ticker,)))
        await trio.sleep(3)
        stage.place(ticker, *(9_000 - 100 * n for n in range(LEVELS_PUBLISHED)))
        await trio.sleep(1)
        stage.published.clear()
        stage.changes = 0

        stage.place(ticker, 100)
        await trio.sleep(1)
        assert stage.changes == 1
        assert stage.published == []
        stage.place(ticker, 9_000 - 100 * (LEVELS_PUBLISHED - 1))
        await trio.sleep(1)
        assert [view.condition for view in stage.published] == [BookCondition.LIVE]
        stage.sockets[0].cut()
        await trio.sleep(10)
        assert [view.condition for view in stage.published[1:]] == [BookCondition.STALE, BookCondition.LIVE], (
            "the same levels by another connection are news"
        )


async def test_private_events_come_on_one_connection_and_move_when_it_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with feed_on_stage(markets_max=2) as stage:
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=tuple(stage.tickers(5))))
        await trio.sleep(3)
        (first,) = stage.with_private()
        stage.sockets[first].cut()
        await trio.sleep(0.2)
        (second,) = stage.with_private()
        assert second != first
        assert second < 3, "one that was up already"
        await trio.sleep(5)
        assert stage.with_private() == [second], "the first one is back, and they stay where they are"
        stage.exchange.services.groups.create(stage.exchange.core.accounts_by_key[KEY_ID], 1_000, exchange_index=0)
        await trio.sleep(0.5)
        assert [seen.kind for seen in stage.groups] == ["created"], "told once"
        for socket in stage.sockets:
            socket.cut()
        await trio.sleep(5)
        assert len(stage.with_private()) == 1


async def test_markets_come_and_go_and_none_of_the_others_moves(autojump_clock: trio.testing.MockClock) -> None:
    async with feed_on_stage(markets_max=2) as stage:
        a, b, c, d = stage.tickers(4)
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(a, b)))
        await trio.sleep(2)
        assert len(stage.sockets) == 1
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(a, b, c, d)))
        await trio.sleep(2)
        assert [stage.carried_by(0), stage.carried_by(1)] == [{a, b}, {c, d}]
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(b, c)))
        await trio.sleep(2)
        assert [stage.carried_by(0), stage.carried_by(1)] == [{b}, {c}]
        assert stage.live() == {b, c}
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(b,)))
        await trio.sleep(2)
        assert len(stage.exchange.hub.sessions()) == 1, "a connection without markets is closed"
        assert stage.live() == {b}
        stage.risk.publish(WantedMarkets(owner="portfolio_risk", tickers=(a, c)))
        await trio.sleep(2)
        assert stage.live() == {a, b, c}


async def test_where_the_exchange_takes_fewer_books_the_rest_goes_to_other_connections(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with feed_on_stage(markets_max=100, limit=3) as stage:
        wanted = stage.tickers(8)
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=tuple(wanted)))
        await trio.sleep(20)
        assert stage.live() == set(wanted)
        assert max(len(stage.carried_by(number)) for number in range(len(stage.sockets))) <= 3


async def test_while_the_socket_is_down_held_markets_get_their_price_over_rest_and_no_book(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with feed_on_stage() as stage:
        held, other = stage.tickers(2)
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(held, other)))
        stage.risk.publish(WantedMarkets(owner="portfolio_risk", tickers=(held,)))
        await trio.sleep(3)
        assert len(stage.reads) <= 1, "only before the connection stood"
        stage.reads.clear()
        stage.is_refused = True
        stage.sockets[0].cut()
        await trio.sleep(10)
        assert set(stage.reads) == {held}
        assert 4 <= len(stage.reads) <= 6
        assert stage.prices[-1].yes_bid_e4 == 1_234
        assert trio.current_time() - stage.prices[-1].heard_at_s < 2.5
        assert stage.live() == set(), "a price over REST is nothing to quote on"
        assert not stage.healths[-1].connected
        assert trio.current_time() - stage.healths[-1].proof_at_s > 9
        stage.is_refused = False
        await trio.sleep(35)
        assert stage.live() == {held, other}
        reads = len(stage.reads)
        await trio.sleep(5)
        assert len(stage.reads) == reads, "the socket serves again"


async def test_who_does_without_books_gets_prices_with_sizes_and_trades_and_no_book_is_streamed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with feed_on_stage() as stage:
        both, light = stage.tickers(2)
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(both,)))
        stage.scanner.publish(WantedMarkets(owner="volatility_scanner", tickers=(both, light), has_books=False))
        await trio.sleep(30)
        assert stage.live() == stage.carried_by(0) == {both}
        told = {price.ticker: price for price in stage.prices}
        assert set(told) == {both, light}
        assert all(price.yes_bid_size_e2 is not None and price.yes_ask_size_e2 is not None for price in told.values())
        trades = stage.sockets[0]._session.subscription("trade")
        assert trades is not None
        assert set(trades.tickers or ()) == {both, light}


async def test_a_book_goes_when_only_those_without_books_still_want_the_market_and_comes_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with feed_on_stage() as stage:
        (ticker,) = stage.tickers(1)
        stage.scanner.publish(WantedMarkets(owner="volatility_scanner", tickers=(ticker,), has_books=False))
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(ticker,)))
        await trio.sleep(5)
        assert stage.live() == {ticker}
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=()))
        await trio.sleep(5)
        assert stage.books[ticker].condition is BookCondition.STALE
        assert stage.books[ticker].reason == "not subscribed any more"
        assert stage.carried_by(0) == set()
        prices = stage.sockets[0]._session.subscription("ticker")
        assert prices is not None
        assert set(prices.tickers or ()) == {ticker}
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=(ticker,)))
        await trio.sleep(5)
        assert stage.live() == {ticker}
        # After a cut everything is subscribed again, each as it is wanted.
        stage.allocation.publish(WantedMarkets(owner="allocation", tickers=()))
        await trio.sleep(1)
        stage.sockets[0].cut()
        await trio.sleep(10)
        assert stage.carried_by(1) == set()
        again = stage.sockets[1]._session.subscription("ticker")
        assert again is not None
        assert set(again.tickers or ()) == {ticker}
