"""C6: the scanner between a feed, a Wire and an order desk that the test plays."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import attrs
import pytest
import trio
import trio.testing

from actors.messages.market import (
    MARKETS_PER_READ,
    BookCondition,
    BookView,
    EventPage,
    FeedHealth,
    MarketEnded,
    MarketsRead,
    ReadEvents,
    ReadMarkets,
    TickerView,
    TradeSeen,
    WantedMarkets,
)
from actors.messages.money import Record, RecordVerdicts
from actors.messages.orders import ReadFailed, ReadRequest, WorkingOrder, WorkingOrders
from actors.messages.table import CHANNELS
from actors.messages.volatility import Direction, MarketRegime, ScannerReport, VolatilityEvent
from actors.runtime.child import ChildContext
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams
from actors.runtime.switchboard import Outbox, Switchboard
from actors.volatility_scanner import STARTED_ANEW, ScannerTiming, VolatilityScanner
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Event, Level, Market, MarketStatus, PriceRange, Side
from quant.selection.volatility_events import INACTIVE, UNTRACKED
from quant.selection.volatility_scan import ScanParameters
from quant.selection.volatility_tracking import TrackingParameters
from quant.signals.regime import Regime, RegimeReason
from tests.quant.signals.series import ornstein_uhlenbeck

WALL_MS = 1_790_000_000_000
CENTS = (PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(100)),)
SIZE = CountE2(20_000)


def market(ticker: str, **changes: object) -> Market:
    listed = Market(
        ticker=ticker,
        event_ticker=f"{ticker}-E",
        status=MarketStatus.ACTIVE,
        market_type="binary",
        title="",
        open_time_ms=0,
        close_time_ms=WALL_MS + 6 * 3_600_000,
        created_time_ms=0,
        yes_bid_e4=PriceE4(4_900),
        yes_ask_e4=PriceE4(5_100),
        yes_bid_size_e2=SIZE,
        yes_ask_size_e2=SIZE,
        last_price_e4=PriceE4(5_000),
        volume_e2=CountE2(9_000_000),
        volume_24h_e2=CountE2(5_000_000),
        open_interest_e2=CountE2(0),
        price_ranges=CENTS,
    )
    return attrs.evolve(listed, **changes)  # type: ignore[arg-type]


def event(one: Market) -> Event:
    return Event(
        ticker=one.event_ticker,
        series_ticker="S",
        title="",
        category="Economics",
        mutually_exclusive=False,
        markets=(one,),
    )


def wall_ms() -> int:
    return WALL_MS + round(trio.current_time() * 1000)


class Lines:
    """A log that is read."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def debug(self, message: str, /) -> None:
        self.texts.append(message)

    info = warning = error = debug


@attrs.define(eq=False)
class Stage:
    """Everybody around the scanner."""

    switchboard: Switchboard
    pages: list[list[Event]]  # what is listed now
    parameters: ScanParameters
    timing: ScannerTiming = attrs.field(factory=ScannerTiming)
    fails: bool = False
    is_up: bool = True
    reconnects: int = 0
    silent: frozenset[str] = frozenset()
    prices: dict[str, Market] = attrs.field(factory=dict)  # over REST
    reads: list[tuple[float, object]] = attrs.field(factory=list)
    wanted: list[WantedMarkets] = attrs.field(factory=list)
    regimes: dict[str, MarketRegime] = attrs.field(factory=dict)
    report: ScannerReport | None = None
    records: list[dict[str, object]] = attrs.field(factory=list)
    verdicts: dict[str, tuple[bool, tuple[str, ...]]] = attrs.field(factory=dict)
    log: Lines = attrs.field(factory=Lines)
    feed: Outbox = attrs.field(init=False)
    incarnation: int = 0

    async def serve(self, nursery: trio.Nursery) -> None:
        self.feed = self.switchboard.outbox("feed")
        for name in ("wire", "feed", "snapshot", "ledger"):
            nursery.start_soon(self._hear, self.switchboard.mailbox(name))
        nursery.start_soon(self._say_health)

    async def _hear(self, mailbox: Mailbox) -> None:
        while True:
            for message in await mailbox.receive():
                match message:
                    case ReadRequest():
                        self.reads.append((trio.current_time(), message.read))
                        message.reply.put(self._answer(message.read))
                    case WantedMarkets():
                        self.wanted.append(message)
                    case MarketRegime():
                        self.regimes[message.ticker] = message
                    case ScannerReport():
                        self.report = message
                    case Record(table="volatility_events"):
                        self.records.append(dict(message.values))
                    case RecordVerdicts(program="volatility_scanner"):
                        for verdict in message.verdicts:
                            self.verdicts[verdict.ticker] = (verdict.is_selected, verdict.reasons)
                    case _:
                        pass

    def _answer(self, read: object) -> object:
        if self.fails:
            return ReadFailed(read=read, reason="502")
        match read:
            case ReadEvents(cursor=cursor):
                number = int(cursor or 0)
                following = str(number + 1) if number + 1 < len(self.pages) else ""
                return EventPage(events=tuple(self.pages[number]), cursor=following)
            case ReadMarkets(tickers=tickers):
                known = tuple(self.prices[ticker] for ticker in tickers if ticker in self.prices)
                return MarketsRead(markets=known, heard_at_s=trio.current_time())
            case _:
                raise AssertionError(read)

    async def _say_health(self) -> None:
        while True:
            now_s = trio.current_time()
            self.feed.publish(
                FeedHealth(
                    connected=self.is_up,
                    generation=1,
                    proof_at_s=now_s,
                    published_at_s=now_s,
                    reconnects=self.reconnects,
                    gaps=0,
                    reason="",
                    silent=self.silent,
                )
            )
            await trio.sleep(0.5)

    def start(self, nursery: trio.Nursery) -> trio.CancelScope:
        """Starts the scanner's next incarnation; cancelling the scope kills it."""
        self.incarnation += 1
        mailbox = self.switchboard.mailbox("volatility_scanner")
        if self.incarnation > 1:
            self.switchboard.reincarnate("volatility_scanner", self.incarnation)
        else:
            mailbox.reincarnate(1)
        context = ChildContext(
            name="volatility_scanner",
            incarnation=self.incarnation,
            mailbox=mailbox,
            outbox=self.switchboard.outbox("volatility_scanner"),
            seams=Seams(
                now=trio.current_time,
                wall_ms=wall_ms,
                rng=random.Random(1),
                new_id=lambda: "id",
                offload=None,  # type: ignore[arg-type]
            ),
            log=self.log,
        )
        scanner, scope = VolatilityScanner(context, self.parameters, self.timing), trio.CancelScope()

        async def run() -> None:
            with scope:
                await scanner.run(lambda: None)

        nursery.start_soon(run)
        return scope

    def tick(self, ticker: str, mid_cents: float, volume_e2: int | None = None) -> None:
        mid_e4 = round(100 * mid_cents)
        self.feed.publish(
            TickerView(
                ticker=ticker,
                yes_bid_e4=PriceE4(mid_e4 - 100),
                yes_ask_e4=PriceE4(mid_e4 + 100),
                last_price_e4=PriceE4(mid_e4),
                volume_e2=None if volume_e2 is None else CountE2(volume_e2),
                ts_ms=0,
                heard_at_s=trio.current_time(),
                yes_bid_size_e2=SIZE,
                yes_ask_size_e2=SIZE,
            )
        )

    async def swing_until_it_is_said(self, ticker: str, seed: int, *, at_most_s: int = 1_500) -> VolatilityEvent:
        """Lets a market swing until an event of it runs, and a little longer."""
        path = ornstein_uhlenbeck(random.Random(seed), half_life=10.0, stationary_sd=4.0, count=at_most_s)
        told = 0
        for mid in path:
            self.tick(ticker, mid)
            await trio.sleep(1)
            said = self.event(ticker)
            told += said is not None and not said.is_over
            if said is not None and told > 10:
                return said
        raise AssertionError(f"no event in {at_most_s} s; {self.regimes[ticker]}, {self.verdicts}")

    def event(self, ticker: str = "A") -> VolatilityEvent | None:
        """Returns the last word on the market's event."""
        return self.switchboard._routes[VolatilityEvent].retained.get(ticker)  # type: ignore[return-value]

    def read_markets(self) -> list[tuple[float, ReadMarkets]]:
        return [(at_s, read) for at_s, read in self.reads if isinstance(read, ReadMarkets)]


@asynccontextmanager
async def stage_of(
    *markets: Market, parameters: ScanParameters | None = None
) -> AsyncIterator[tuple[Stage, trio.Nursery]]:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    stage = Stage(switchboard, [[event(one)] for one in markets], parameters or ScanParameters())
    stage.prices = {one.ticker: one for one in markets}
    async with trio.open_nursery() as nursery:
        await stage.serve(nursery)
        yield stage, nursery
        nursery.cancel_scope.cancel()


async def test_a_full_scan_reads_every_page_and_watches_what_passes_without_its_books(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage_of(market("A"), market("B", volume_24h_e2=CountE2(1)), market("C")) as (stage, nursery):
        stage.timing = ScannerTiming(rediscovery_s=60.0)
        stage.start(nursery)
        await trio.sleep(10)
        (wanted,) = stage.wanted
        assert (wanted.owner, wanted.tickers, wanted.has_books) == ("volatility_scanner", ("A", "C"), False)
        cursors = [read.cursor for _, read in stage.reads if isinstance(read, ReadEvents)]
        assert cursors == ["", "1", "2"]
        assert stage.verdicts["B"] == (False, ("volume of 24 hours is too low",))
        assert stage.report is not None
        assert (stage.report.listed, stage.report.watched, stage.report.streamed) == (3, 2, 2)
        stage.pages = [[event(market("C"))], [event(market("D"))]]
        await trio.sleep(40)
        assert len(stage.wanted) == 1, "not before its time"
        await trio.sleep(20)
        assert stage.wanted[-1].tickers == ("C", "D")


async def test_whole_books_are_asked_for_where_levels_are_counted(autojump_clock: trio.testing.MockClock) -> None:
    parameters = ScanParameters(tracking=TrackingParameters(levels_min=2))
    async with stage_of(market("A"), parameters=parameters) as (stage, nursery):
        stage.start(nursery)
        await trio.sleep(10)
        assert stage.wanted[-1].has_books


async def test_a_scan_that_fails_keeps_what_is_watched_and_is_tried_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage_of(market("A")) as (stage, nursery):
        stage.fails, stage.timing = True, ScannerTiming(rediscovery_s=60.0)
        stage.start(nursery)
        await trio.sleep(20)
        assert not stage.wanted
        stage.fails = False
        await trio.sleep(20)
        assert stage.wanted[-1].tickers == ("A",)
        stage.fails = True
        await trio.sleep(80)
        assert len(stage.wanted) == 1
        assert stage.report is not None
        assert stage.report.watched == 1


async def test_a_market_that_swings_gets_an_event_and_a_still_one_none(autojump_clock: trio.testing.MockClock) -> None:
    async with stage_of(market("A"), market("B")) as (stage, nursery):
        stage.start(nursery)
        await trio.sleep(5)
        said = await stage.swing_until_it_is_said("A", 1)
        assert (said.incarnation, said.event_id, said.category, said.event_ticker) == (1, 1, "Economics", "A-E")
        assert said.close_time_ms == market("A").close_time_ms
        assert trio.current_time() - said.said_at_s < 4, "it is told again at every sweep"
        assert said.said_at_s > said.began_at_s
        assert isinstance(said.direction, Direction)
        assert stage.event("B") is None
        assert [(row["ticker"], row["state"], row["event_id"]) for row in stage.records] == [("A", "begun", 1)]
        await trio.sleep(60)
        assert stage.verdicts["A"] == (True, (said.reason,))
        is_selected, reasons = stage.verdicts["B"]
        assert not is_selected
        assert reasons[0] == "watched, without an event"
        assert "neither a jump nor enough volatility" in reasons
        assert stage.report is not None
        assert stage.report.events == ("A",)
        assert any("1 begun" in text and text.startswith("sweep ") for text in stage.log.texts)
        quiet = stage.regimes["B"]
        assert (quiet.regime, quiet.is_stable, quiet.mid_e4) == (Regime.QUIET, True, 5_000)
        assert trio.current_time() - quiet.judged_at_s < 4, "a quiet market on a live connection is fresh"


async def test_the_next_life_ends_the_events_of_the_last_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage_of(market("A")) as (stage, nursery):
        life = stage.start(nursery)
        await trio.sleep(5)
        running = await stage.swing_until_it_is_said("A", 1)
        life.cancel()
        await trio.sleep(1)
        assert stage.event() == running, "nobody has said anything else yet"
        second = stage.start(nursery)
        await trio.sleep(2)
        over = stage.event()
        assert over is not None
        assert (over.is_over, over.incarnation, over.event_id, over.reason) == (True, 1, 1, STARTED_ANEW)
        states = [(row["incarnation"], row["state"], row["event_id"]) for row in stage.records]
        assert states == [(1, "begun", 1), (1, "over", 1)]
        # A third life has nothing to end.
        second.cancel()
        await trio.sleep(1)
        stage.start(nursery)
        await trio.sleep(5)
        assert len(stage.records) == 2


@pytest.mark.parametrize("how", ["it ends", pytest.param("it is not listed any more", marks=pytest.mark.long)])
async def test_an_event_ends_with_its_market(how: str, autojump_clock: trio.testing.MockClock) -> None:
    async with stage_of(market("A"), market("B")) as (stage, nursery):
        stage.start(nursery)
        await trio.sleep(5)
        await stage.swing_until_it_is_said("A", 1)
        if how == "it ends":
            stage.feed.publish(MarketEnded(ticker="A", kind="deactivated", settlement_e4=None))
            await trio.sleep(5)
        else:
            stage.pages = [[event(market("B"))]]
            await trio.sleep(600)
        over = stage.event()
        assert over is not None
        assert (over.is_over, over.reason) == (True, INACTIVE if how == "it ends" else UNTRACKED)
        assert stage.records[-1]["state"] == "over"


async def test_while_the_socket_is_down_prices_are_read_in_batches_and_else_once_at_the_start(
    autojump_clock: trio.testing.MockClock,
) -> None:
    markets = [market(f"M{number:03}") for number in range(150)]
    async with stage_of(*markets) as (stage, nursery):
        stage.pages = [[event(one) for one in markets]]
        stage.start(nursery)
        await trio.sleep(30)
        assert [len(read.tickers) for _, read in stage.read_markets()] == [MARKETS_PER_READ, 50]
        stage.reads.clear()
        stage.is_up = False
        await trio.sleep(30)
        reads = stage.read_markets()
        assert {ticker for _, read in reads for ticker in read.tickers} == {one.ticker for one in markets}
        assert 16 <= len(reads) <= 22, "two reads for each sweep"
        age_s = trio.current_time() - min(regime.judged_at_s for regime in stage.regimes.values())
        assert age_s < 6.5, "asked at one sweep, told at the next, and that one three seconds ago"
        stage.is_up, stage.silent = True, frozenset({"M007"})
        await trio.sleep(10)
        stage.reads.clear()
        await trio.sleep(30)
        assert {read.tickers for _, read in stage.read_markets()} == {("M007",)}


async def test_no_more_reads_go_out_than_are_allowed(autojump_clock: trio.testing.MockClock) -> None:
    markets = [market(f"M{number:03}") for number in range(200)]
    async with stage_of(*markets) as (stage, nursery):
        stage.pages = [[event(one) for one in markets]]
        stage.is_up = False
        stage.timing = ScannerTiming(rest_reads_per_s_max=0.1)
        stage.start(nursery)
        await trio.sleep(40)
        per_sweep = [at_s for at_s, _ in stage.read_markets()]
        assert per_sweep
        assert len(per_sweep) == len(set(per_sweep)), "one at most for each sweep"
        asked = {ticker for _, read in stage.read_markets() for ticker in read.tickers}
        assert len(asked) == 200, "each has its turn"


@pytest.mark.parametrize(("per_s", "reads"), [(0.66, 1), (0.67, 2)])
async def test_a_sweep_reads_no_more_than_its_seconds_allow(
    per_s: float, reads: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Two hundred markets take two reads; a sweep of three seconds may make as many as its rate gives in that time."""
    markets = [market(f"M{number:03}") for number in range(200)]
    async with stage_of(*markets) as (stage, nursery):
        stage.pages = [[event(one) for one in markets]]
        stage.is_up = False
        stage.timing = ScannerTiming(rest_reads_per_s_max=per_s)
        stage.start(nursery)
        await trio.sleep(14)
        at_s = [at_s for at_s, _ in stage.read_markets()]
        assert {at_s.count(moment) for moment in at_s} == {reads}
        moments = sorted(set(at_s))
        assert {round(after - before, 6) for before, after in pairwise(moments)} == {3.0}


async def test_a_socket_that_is_back_is_believed_again_only_once_it_was_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What changed while it was down is told by nobody: the ticker speaks of changes."""
    async with stage_of(market("A")) as (stage, nursery):
        stage.start(nursery)
        await trio.sleep(10)
        stage.prices["A"] = market("A", yes_bid_e4=PriceE4(5_900), yes_ask_e4=PriceE4(6_100))
        stage.reconnects += 1  # so short that nobody has heard that it was down
        await trio.sleep(10)
        assert stage.regimes["A"].mid_e4 == 6_000


async def test_a_market_that_nobody_tells_of_is_stale(autojump_clock: trio.testing.MockClock) -> None:
    async with stage_of(market("A")) as (stage, nursery):
        stage.start(nursery)
        await trio.sleep(30)
        assert stage.regimes["A"].judged_at_s > 25
        stage.is_up, stage.fails = False, True
        await trio.sleep(10)
        stale = stage.regimes["A"]
        assert (stale.regime, stale.reason) == (Regime.UNKNOWN, RegimeReason.STALE)


def book(ticker: str, bid_cents: int, ask_cents: int, condition: BookCondition = BookCondition.LIVE) -> BookView:
    def levels(cents: int) -> tuple[Level, ...]:
        return (Level(price_e4=PriceE4(100 * cents), count_e2=SIZE),)

    return BookView(
        ticker=ticker,
        condition=condition,
        reason="",
        generation=1,
        sequence=1,
        bids=levels(bid_cents),
        asks=levels(ask_cents),
        ts_ms=0,
        published_at_s=trio.current_time(),
    )


def own_bid(cents: int | None) -> WorkingOrders:
    order = WorkingOrder(
        client_order_id="c",
        side=Side.BID,
        price_e4=PriceE4(100 * (cents or 0)),
        remaining_e2=SIZE,
        state="resting",
        is_quote=True,
    )
    return WorkingOrders(ticker="A", orders=() if cents is None else (order,), reasons=())


async def test_a_live_book_counts_more_than_the_ticker_and_without_our_own_orders(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage_of(market("A")) as (stage, nursery):
        desk = stage.switchboard.outbox("order_desk")
        stage.start(nursery)
        await trio.sleep(10)
        stage.tick("A", 50)
        stage.feed.publish(book("A", 59, 61))
        await trio.sleep(4)
        stage.tick("A", 50)
        await trio.sleep(4)
        assert stage.regimes["A"].mid_e4 == 6_000
        wide = attrs.evolve(book("A", 60, 61), bids=(*book("A", 60, 61).bids, *book("A", 57, 61).bids))
        desk.publish(own_bid(60))
        stage.feed.publish(wide)
        await trio.sleep(4)
        assert stage.regimes["A"].mid_e4 == 5_900, "57 to 61: at 60 we are alone"
        # The book goes; a touch that may be ourselves says nothing, nor does a read over REST.
        stage.feed.publish(book("A", 57, 61, BookCondition.STALE))
        for _ in range(10):
            stage.tick("A", 50)
            await trio.sleep(1)
        assert stage.regimes["A"].reason is RegimeReason.STALE
        desk.publish(own_bid(None))
        stage.tick("A", 50)
        await trio.sleep(4)
        assert stage.regimes["A"].mid_e4 == 5_000


async def test_trades_and_growing_volume_are_the_last_trade(autojump_clock: trio.testing.MockClock) -> None:
    async with stage_of(market("A"), market("B")) as (stage, nursery):
        stage.start(nursery)
        await trio.sleep(10)
        told = dict(stage.regimes)
        assert told["A"].last_trade_at_s is None
        trade_s = trio.current_time()
        stage.feed.publish(TradeSeen(ticker="A", price_e4=PriceE4(5_000), count_e2=SIZE, taker_side=Side.BID, ts_ms=0))
        stage.tick("B", 50, volume_e2=9_000_000)
        await trio.sleep(5)
        told = dict(stage.regimes)
        assert told["B"].last_trade_at_s is None
        stage.tick("B", 50, volume_e2=9_000_100)
        await trio.sleep(5)
        last_s = stage.regimes["A"].last_trade_at_s
        assert last_s is not None
        assert 0 <= last_s - trade_s <= 1
        assert stage.regimes["B"].last_trade_at_s is not None
