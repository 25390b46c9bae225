"""A stage for the DiscoveryActor: a wire that answers from a universe given to it, the real Ledger, what was said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from actors.discovery import Discovery, DiscoveryTiming
from actors.ledger import Ledger
from actors.messages.market import (
    DiscoveryReport,
    EventPage,
    MarketRules,
    ProgramClaims,
    ProgramTerms,
    ReadEvents,
)
from actors.messages.money import RecordFills
from actors.messages.orders import ReadFailed, ReadRequest
from actors.messages.selection import (
    BooksRead,
    FeeChangesRead,
    IncentivePage,
    ReadBooks,
    ReadFeeChanges,
    ReadIncentives,
    ReadSeries,
    ReadTape,
    SeriesRead,
    TapeRead,
)
from actors.messages.table import CHANNELS
from actors.runtime.child import silent_log
from actors.runtime.seams import Seams, virtual_seams
from actors.runtime.selection_facts import FactsParameters
from actors.runtime.supervisor import ChildContext
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.rest_exchange_answers import SeriesFeeChange
from kalshi.rest_market_answers import IncentiveProgram, PublicTrade
from kalshi.types import BookSnapshot, Event, Fill, Level, Market, MarketStatus, PriceRange, Series, Side
from quant.programs import Program
from quant.selection.discovery import DiscoveryParameters

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
CENTS = (PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(100)),)


def market(ticker: str, **changes: Any) -> Market:
    """Returns a market at 48 to 50 cents that closes in a week and that every program may select."""
    return attrs.evolve(
        Market(
            ticker=ticker,
            event_ticker=ticker.rpartition("-")[0],
            status=MarketStatus.ACTIVE,
            market_type="binary",
            title=ticker,
            open_time_ms=NOW_MS - DAY_MS,
            close_time_ms=NOW_MS + 7 * DAY_MS,
            created_time_ms=NOW_MS - DAY_MS,
            yes_bid_e4=PriceE4(4_800),
            yes_ask_e4=PriceE4(5_000),
            yes_bid_size_e2=CountE2(50_000),
            yes_ask_size_e2=CountE2(50_000),
            last_price_e4=PriceE4(4_900),
            volume_e2=CountE2(1_000_000),
            volume_24h_e2=CountE2(1_000_000),
            open_interest_e2=CountE2(0),
            price_ranges=CENTS,
        ),
        **changes,
    )


def event(*markets: Market, category: str = "Economics") -> Event:
    """Returns the event of the markets, which are its outcomes."""
    ticker = markets[0].event_ticker
    return Event(
        ticker=ticker,
        series_ticker=ticker.partition("-")[0],
        title=ticker,
        category=category,
        mutually_exclusive=False,
        markets=markets,
    )


def liquidity(ticker: str, dollars: int = 400) -> IncentiveProgram:
    """Returns a program of one day with a target of 300 contracts a side."""
    return IncentiveProgram(
        program_id=f"program of {ticker}",
        ticker=ticker,
        kind="liquidity",
        start_time_ms=NOW_MS - DAY_MS // 2,
        end_time_ms=NOW_MS + DAY_MS // 2,
        period_reward_e6=MoneyE6(dollars * 1_000_000),
        is_paid_out=False,
        discount_factor_bps=5_000,
        target_size_e2=CountE2(30_000),
    )


def book(ticker: str) -> BookSnapshot:
    """Returns a book of 500 contracts on each side of 49 cents."""
    return BookSnapshot(
        ticker=ticker,
        bids=(Level(price_e4=PriceE4(4_800), count_e2=CountE2(50_000)),),
        asks=(Level(price_e4=PriceE4(5_000), count_e2=CountE2(50_000)),),
    )


def fill(ticker: str, number: int, at_ms: int, *, contracts: int = 60) -> Fill:
    """Returns a purchase of ours at 49 cents."""
    return Fill(
        fill_id=f"f{number}",
        order_id="o",
        ticker=ticker,
        side=Side.BID,
        price_e4=PriceE4(4_900),
        count_e2=CountE2(contracts * 100),
        fee_e6=MoneyE6(0),
        is_taker=False,
        ts_ms=at_ms,
    )


@attrs.define(eq=False)
class Exchange:
    """What the wire answers from; tests change it while the actor runs."""

    pages: list[tuple[Event, ...]]
    programs: list[IncentiveProgram] = attrs.field(factory=list)
    programs_per_page: int = 1
    books: dict[str, BookSnapshot] = attrs.field(factory=dict)
    tapes: dict[str, tuple[PublicTrade, ...]] = attrs.field(factory=dict)
    fee_types: dict[str, str] = attrs.field(factory=dict)  # of series whose makers pay, or pay by another formula
    fee_changes: tuple[SeriesFeeChange, ...] = ()
    failures: int = 0  # of the next reads
    reads: list[tuple[float, object]] = attrs.field(factory=list)

    def answer(self, read: object) -> object:
        self.reads.append((trio.current_time(), read))
        if self.failures:
            self.failures -= 1
            return ReadFailed(read=read, reason="no answer")
        match read:
            case ReadEvents(cursor=cursor):
                number = int(cursor or 0)
                following = str(number + 1) if number + 1 < len(self.pages) else ""
                return EventPage(events=self.pages[number], cursor=following)
            case ReadIncentives(cursor=cursor):
                end = int(cursor or 0) + self.programs_per_page
                page = tuple(self.programs[end - self.programs_per_page : end])
                return IncentivePage(programs=page, cursor=str(end) if end < len(self.programs) else "")
            case ReadBooks(tickers=tickers):
                return BooksRead(books=tuple(self.books[one] for one in tickers if one in self.books))
            case ReadTape(ticker=ticker):
                return TapeRead(trades=self.tapes.get(ticker, ()))
            case ReadSeries(ticker=ticker):
                return SeriesRead(series=self._series(ticker))
            case ReadFeeChanges():
                return FeeChangesRead(changes=self.fee_changes)
        raise AssertionError(read)

    def _series(self, ticker: str) -> Series:
        fee_type = self.fee_types.get(ticker, "quadratic")
        return Series(ticker=ticker, title=ticker, category="", fee_type=fee_type, fee_multiplier_e4=10_000)

    def asked(self, kind: type) -> list[Any]:
        return [read for _, read in self.reads if isinstance(read, kind)]


@attrs.define(eq=False)
class Stage:
    """The actor between a wire, a Ledger and those who listen; `claims`, `terms` and `rules` are the newest said."""

    exchange: Exchange
    programs: Mapping[str, Program]
    ledger_path: Path
    seams: Seams = attrs.field(factory=lambda: virtual_seams(1, NOW_MS))
    parameters: DiscoveryParameters = attrs.field(factory=DiscoveryParameters)
    facts: FactsParameters = attrs.field(factory=lambda: FactsParameters(tapes_max=0))
    timing: DiscoveryTiming = attrs.field(factory=DiscoveryTiming)
    switchboard: Switchboard = attrs.field(init=False)
    claims: dict[str, ProgramClaims] = attrs.field(factory=dict, init=False)
    reports: dict[str, DiscoveryReport] = attrs.field(factory=dict, init=False)
    terms: dict[str, ProgramTerms] = attrs.field(factory=dict, init=False)
    rules: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    incarnation: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.switchboard = Switchboard(CHANNELS, trio.current_time)

    def context(self, name: str) -> ChildContext:
        return ChildContext(
            name=name,
            incarnation=max(1, self.incarnation if name == "discovery" else 1),
            mailbox=self.switchboard.mailbox(name),
            outbox=self.switchboard.outbox(name),
            seams=self.seams,
            log=silent_log(name),
        )

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Runs wire, Ledger and listeners while the body runs."""
        for name in ("wire", "ledger", "allocation", "market:any", "snapshot", "discovery"):
            self.switchboard.mailbox(name)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wire)
            nursery.start_soon(self._listen, "allocation")
            nursery.start_soon(self._listen, "market:any")
            nursery.start_soon(self._listen, "snapshot")
            nursery.start_soon(self._ledger)
            yield
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Runs one life of the actor while the body runs."""
        self.incarnation += 1
        if self.incarnation > 1:
            self.switchboard.reincarnate("discovery", self.incarnation)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._actor)
            yield
            nursery.cancel_scope.cancel()

    def say(self, sender: str, message: object) -> None:
        self.switchboard.outbox(sender).publish(message)

    async def record_fill(self, filled: Fill) -> None:
        """Gives the Ledger a fill, which numbers it and tells everybody."""
        slot = self.switchboard.mailbox("fill_reconciler").reply_slot()
        await self.switchboard.outbox("fill_reconciler").send(RecordFills(fills=(filled,), source="test", reply=slot))
        await slot.get()

    def claimed(self, program: str = "it") -> list[str]:
        return [claim.ticker for claim in self.claims[program].claims] if program in self.claims else []

    async def wait_until(self, holds: Callable[[], bool], within_s: float = 120.0) -> None:
        for _ in range(round(within_s * 2)):
            if holds():
                return
            await trio.sleep(0.5)
        raise AssertionError(f"not within {within_s:g} s; claimed is {self.claims}")

    async def _ledger(self) -> None:
        await Ledger(self.context("ledger"), self.ledger_path).run(lambda: None)

    async def _actor(self) -> None:
        actor = Discovery(self.context("discovery"), self.parameters, self.timing, self.programs, self.facts)
        await actor.run(lambda: None)

    async def _wire(self) -> None:
        mailbox = self.switchboard.mailbox("wire")
        while True:
            for message in await mailbox.receive():
                if isinstance(message, ReadRequest):
                    message.reply.put(self.exchange.answer(message.read))

    async def _listen(self, name: str) -> None:
        mailbox = self.switchboard.mailbox(name)
        while True:
            for message in await mailbox.receive():
                match message:
                    case ProgramClaims():
                        self.claims[message.program] = message
                    case ProgramTerms():
                        self.terms[message.ticker] = message
                    case DiscoveryReport():
                        self.reports[message.program] = message
                    case MarketRules():
                        self.rules[message.ticker] = message
                    case _:
                        pass
