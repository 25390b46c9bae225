"""The reads that actors may ask of the Wire, each a request class with a result class of its own.

Where a result carries `as_of_ms`, that was read *before* the data, so the data is complete at least up to it. An older
`as_of_ms` says less and stays true; so reads that begin within AS_OF_SHARED_S of one take it instead of asking again,
which spares a third of all reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import attrs

from actors.messages.market import (
    BookRead,
    EventPage,
    MarketRead,
    MarketsRead,
    ReadBook,
    ReadEvents,
    ReadMarket,
    ReadMarkets,
)
from actors.messages.money import (
    AccountRead,
    CutoffRead,
    FillPage,
    OrderRead,
    ReadAccount,
    ReadCutoff,
    ReadFills,
    ReadOrder,
)
from actors.messages.orders import OrderList, ReadOrders, ReadRequest
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
from kalshi.budget import Priority
from kalshi.errors import Rejected
from kalshi.rest import RestClient, read_all
from kalshi.types import ExchangePosition, Market, Order

PAGES_MAX = 50
FILLS_PER_PAGE = 200
# A page is parsed in one go, which holds up the loop: twenty microseconds a market, five markets an event.
EVENTS_PER_PAGE = 100
PROGRAMS_PER_PAGE = 500
TRADES_PER_PAGE = 500  # a few milliseconds to read; what is past it is a busy market in any case
AS_OF_SHARED_S: Final = 0.25


@attrs.define
class WireReads:
    """Carries out reads through a client; `now` is seconds of any steady clock."""

    client: RestClient
    now: Callable[[], float]
    _as_of_ms: int = attrs.field(default=0, init=False)
    _as_of_heard_s: float = attrs.field(default=-math.inf, init=False)

    async def carry_out(self, request: ReadRequest) -> object:
        """Returns the result of one read. Raises ExchangeError as the client does."""
        client, priority = self.client, Priority.EXIT if request.is_urgent else Priority.BACKGROUND
        match request.read:
            case ReadOrders() as read:
                return await self._orders(read, priority)
            case ReadFills(cursor=cursor, min_ts_s=min_ts_s, is_historical=is_historical):
                as_of_ms = await self._as_of(priority)
                page = client.historical_fills_page if is_historical else client.fills_page
                fills, following = await page(cursor, limit=FILLS_PER_PAGE, min_ts_s=min_ts_s, priority=priority)
                return FillPage(as_of_ms=as_of_ms, fills=fills, cursor=following)
            case ReadCutoff():
                return CutoffRead(fills_ms=(await client.historical_cutoff(priority=priority)).trades_created_ms)
            case ReadOrder(order_id=order_id):
                return OrderRead(order_id=order_id, order=await self._order(order_id, priority))
            case ReadAccount():
                return await self._account(priority)
            case ReadEvents(cursor=cursor):
                events, following = await client.events_page(
                    cursor, limit=EVENTS_PER_PAGE, status="open", with_nested_markets=True, priority=priority
                )
                return EventPage(events=events, cursor=following)
            case ReadMarket(ticker=ticker):
                return MarketRead(market=await client.market(ticker, priority=priority), heard_at_s=self.now())
            case ReadMarkets(tickers=tickers):
                return MarketsRead(markets=await self._markets(tickers, priority), heard_at_s=self.now())
            case ReadBook(ticker=ticker):
                return BookRead(ticker=ticker, book=await client.order_book(ticker, priority=priority))
            case ReadIncentives(cursor=cursor):
                programs, following = await client.incentive_programs_page(
                    cursor, limit=PROGRAMS_PER_PAGE, status="active", kind="liquidity", priority=priority
                )
                return IncentivePage(programs=programs, cursor=following)
            case ReadBooks(tickers=tickers):
                return BooksRead(books=await client.order_books(tickers, priority=priority))
            case ReadTape(ticker=ticker, min_ts_s=min_ts_s):
                trades, _ = await client.trades_page(
                    limit=TRADES_PER_PAGE, ticker=ticker, min_ts_s=min_ts_s, priority=priority
                )
                return TapeRead(trades=trades)
            case ReadSeries(ticker=ticker):
                return SeriesRead(series=await client.series(ticker, priority=priority))
            case ReadFeeChanges():
                return FeeChangesRead(changes=await client.series_fee_changes(priority=priority))
            case _:
                raise TypeError(f"the Wire does not know the read {type(request.read).__name__}")

    async def _as_of(self, priority: Priority) -> int:
        if self.now() >= self._as_of_heard_s + AS_OF_SHARED_S:
            as_of_ms = await self.client.user_data_timestamp(priority=priority)
            self._as_of_ms, self._as_of_heard_s = as_of_ms, self.now()
            return as_of_ms
        return self._as_of_ms

    async def _order(self, order_id: str, priority: Priority) -> Order | None:
        try:
            return await self.client.order(order_id, priority=priority)
        except Rejected as rejected:
            if rejected.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    async def _orders(self, read: ReadOrders, priority: Priority) -> OrderList:
        status = "resting" if read.resting_only else None

        async def page(cursor: str) -> tuple[tuple[Order, ...], str]:
            return await self.client.orders_page(cursor, status=status, ticker=read.ticker, priority=priority)

        as_of_ms = await self._as_of(priority)
        if read.resting_only:
            return OrderList(ticker=read.ticker, as_of_ms=as_of_ms, orders=await read_all(page, PAGES_MAX))
        orders, _ = await page("")  # newest first: an order of unknown fate is young
        return OrderList(ticker=read.ticker, as_of_ms=as_of_ms, orders=orders)

    async def _markets(self, tickers: tuple[str, ...], priority: Priority) -> tuple[Market, ...]:
        async def page(cursor: str) -> tuple[tuple[Market, ...], str]:
            return await self.client.markets_page(cursor, tickers=tickers, priority=priority)

        return await read_all(page, PAGES_MAX)

    async def _account(self, priority: Priority) -> AccountRead:
        async def page(cursor: str) -> tuple[tuple[ExchangePosition, ...], str]:
            return await self.client.positions_page(cursor, priority=priority)

        as_of_ms = await self._as_of(priority)
        balance = await self.client.balance(priority=priority)
        return AccountRead(as_of_ms=as_of_ms, balance=balance, positions=await read_all(page, PAGES_MAX))
