"""What is known of markets beyond the exchange's list: tapes, books, reward programs, how long nothing has moved.

Everything here is read at the discovery's pace, for few markets, and kept with its age:

1. Reward programs: all that run, page by page, when the last list is older than `programs_every_s`. A list that could
   not be read whole leaves the older one in place; programs end by their own dates in any case.
2. Books: of the markets that a selection names, in requests of a hundred, our own orders taken out.
3. Tapes: of the leading markets, the longest unread first, at most `tapes_max` a run. A tape that is older than
   `TAPE_VALID_FACTOR` readings is no knowledge any more.
4. Standstill: since when the list has shown the same volume, price and touch. A touch where we rest ourselves says
   nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import attrs
import trio

from actors.messages.orders import WorkingOrders
from actors.messages.selection import BooksRead, IncentivePage, ReadBooks, ReadIncentives, ReadTape, TapeRead
from actors.runtime.listing_views import terms_of
from actors.runtime.paced_reader import PacedReader, longest_unread
from actors.runtime.seams import Seams
from actors.runtime.series_fees import FeeParameters
from kalshi.rest_markets import BOOKS_PER_REQUEST_MAX
from kalshi.types import BookSnapshot, Market, Side
from quant.bounded import put_newest
from quant.programs import Book
from quant.quoting.own_orders import OwnOrder, others_levels
from quant.rewards.terms import LiquidityTerms, TermsChoices
from quant.selection.activity import HOUR_MS, Activity, activity
from quant.selection.admission import AdmissionFacts, AdmissionParameters, admission_refusals
from quant.selection.toxicity import ToxicityParameters
from quant.steps import slices

PROGRAM_PAGES_MAX: Final = 80  # of five hundred: five times what has ever run at once
MARKETS_MAX: Final = 2_000  # tapes, standstills and own orders kept
TAPE_VALID_FACTOR: Final = 3.0


def _default_admission() -> AdmissionParameters:
    """Returns the checks of admission as discovery makes them: by a tape of half an hour, windows already applied."""
    return AdmissionParameters(trades_min=0, sides_judged_from=20, time_to_close_max_s=366 * 86_400.0)


@attrs.frozen(kw_only=True)
class FactsParameters:
    """How much is read about markets, how often, and what is made of it; seconds."""

    read_every_s: float = 0.25  # a fifth of the read budget of a basic account
    programs_every_s: float = 300.0
    tapes_every_s: float = 300.0
    tapes_max: int = 40  # in one run: ten seconds of reading
    terms: TermsChoices = attrs.field(factory=TermsChoices)
    admission: AdmissionParameters = attrs.field(factory=_default_admission)
    toxicity: ToxicityParameters = attrs.field(factory=ToxicityParameters)
    fees: FeeParameters = attrs.field(factory=FeeParameters)


@attrs.frozen
class _Standstill:
    """What the list showed of a market, and since when (monotonic)."""

    shown: tuple[int, ...]
    since_s: float


@attrs.define(eq=False)
class SelectionFacts:
    """The knowledge and its readers; see the module."""

    parameters: FactsParameters
    recent_window_s: float
    reader: PacedReader
    seams: Seams
    programs: dict[str, tuple[LiquidityTerms, ...]] = attrs.field(factory=dict, init=False)
    programs_at_s: float = attrs.field(default=-math.inf, init=False)
    _tapes: dict[str, Activity] = attrs.field(factory=dict, init=False)
    _standstills: dict[str, _Standstill] = attrs.field(factory=dict, init=False)
    own: dict[str, tuple[OwnOrder, ...]] = attrs.field(factory=dict, init=False)

    def working_orders(self, working: WorkingOrders) -> None:
        """Takes our orders in one market."""
        if working.orders:
            put_newest(self.own, working.ticker, working.as_own(), MARKETS_MAX)
        else:
            self.own.pop(working.ticker, None)

    async def read_programs(self) -> None:
        """Reads the running programs where the last list is too old."""
        if self.seams.now() < self.programs_at_s + self.parameters.programs_every_s:
            return
        found: dict[str, list[LiquidityTerms]] = {}
        cursor = ""
        for _ in range(PROGRAM_PAGES_MAX):
            page = await self.reader.read(ReadIncentives(cursor=cursor), IncentivePage)
            if page is None:
                return
            for part in slices(page.programs):
                for program in part:
                    if (terms := terms_of(program, self.parameters.terms)) is not None:
                        found.setdefault(program.ticker, []).append(terms)
                await trio.lowlevel.checkpoint()
            if not page.cursor or page.cursor == cursor:
                break
            cursor = page.cursor
        self.programs = {ticker: tuple(terms) for ticker, terms in found.items()}
        self.programs_at_s = self.seams.now()

    async def read_books(self, tickers: Iterable[str]) -> dict[str, Book]:
        """Returns the books of others in the markets named; one that could not be read is missing."""
        wanted = tuple(dict.fromkeys(tickers))
        books: dict[str, Book] = {}
        for start in range(0, len(wanted), BOOKS_PER_REQUEST_MAX):
            read = await self.reader.read(ReadBooks(tickers=wanted[start : start + BOOKS_PER_REQUEST_MAX]), BooksRead)
            for book in () if read is None else read.books:
                books[book.ticker] = self._of_others(book)
        return books

    def _of_others(self, book: BookSnapshot) -> Book:
        own = self.own.get(book.ticker, ())
        return Book(
            bids=others_levels(book.bids, own, Side.BID),
            asks=others_levels(book.asks, own, Side.ASK),
        )

    async def read_tapes(self, leading: Iterable[str]) -> None:
        """Reads the tapes of the leading markets that were not read lately, the longest unread first."""
        now_ms = self.seams.wall_ms()
        fresh_ms = now_ms - self.parameters.tapes_every_s * 1000
        due = longest_unread(leading, {ticker: tape.read_ms for ticker, tape in self._tapes.items()}, fresh_ms)
        for ticker in due[: self.parameters.tapes_max]:
            read = await self.reader.read(ReadTape(ticker=ticker, min_ts_s=(now_ms - HOUR_MS) // 1000), TapeRead)
            if read is not None:
                found = activity(read.trades, self.seams.wall_ms(), self.recent_window_s)
                put_newest(self._tapes, ticker, found, MARKETS_MAX)

    def tape(self, ticker: str) -> Activity | None:
        """Returns what the market's tape said, or None where it was not read or too long ago."""
        found = self._tapes.get(ticker)
        if found is None:
            return None
        valid_ms = TAPE_VALID_FACTOR * self.parameters.tapes_every_s * 1000
        return found if self.seams.wall_ms() - found.read_ms <= valid_ms else None

    def watch(self, market: Market) -> None:
        """Notes what the list shows of a leading market."""
        shown: tuple[int, ...] = (market.volume_e2, market.last_price_e4)
        if market.ticker not in self.own:
            shown += (market.yes_bid_e4, market.yes_ask_e4, market.yes_bid_size_e2, market.yes_ask_size_e2)
        before = self._standstills.get(market.ticker)
        is_still = before is not None and _is_same(before.shown, shown)
        since_s = before.since_s if before is not None and is_still else self.seams.now()
        put_newest(self._standstills, market.ticker, _Standstill(shown, since_s), MARKETS_MAX)

    def refusals(self, market: Market, now_ms: int) -> tuple[str, ...]:
        """Returns why the market may not be quoted now, by what is known of it."""
        tape, still = self.tape(market.ticker), self._standstills.get(market.ticker)
        last_ms = None if tape is None else tape.last_trade_ms or tape.read_ms - HOUR_MS
        facts = AdmissionFacts(
            seconds_to_close=(market.close_time_ms - now_ms) / 1000,
            taker_buys=None if tape is None else tape.taker_buys,
            taker_sells=None if tape is None else tape.taker_sells,
            last_trade_age_s=None if tape is None or last_ms is None else (tape.read_ms - last_ms) / 1000,
            last_change_age_s=None if still is None else self.seams.now() - still.since_s,
        )
        return admission_refusals(facts, self.parameters.admission)


def _is_same(before: tuple[int, ...], shown: tuple[int, ...]) -> bool:
    """Whether nothing moved of what both show: the touch is left out where one of them does not have it."""
    both = min(len(before), len(shown))
    return before[:both] == shown[:both]
