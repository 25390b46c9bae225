"""The reads that actors may ask of the Wire, each a request class with a result class of its own."""

from __future__ import annotations

from collections.abc import Callable

from actors.messages.market import BookRead, EventPage, MarketRead, ReadBook, ReadEvents, ReadMarket
from actors.messages.money import AccountRead, FillPage, ReadAccount, ReadFills
from actors.messages.orders import OrderList, ReadOrders, ReadRequest
from kalshi.budget import Priority
from kalshi.rest import RestClient, read_all
from kalshi.types import ExchangePosition, Order

PAGES_MAX = 50
FILLS_PER_PAGE = 200


async def carry_out_read(request: ReadRequest, client: RestClient, now: Callable[[], float]) -> object:
    """Returns the result of one read. Raises ExchangeError as the client does.

    Where a result carries `as_of_ms`, that was read *before* the data, so the data is complete at least up to it.
    """
    priority = Priority.EXIT if request.is_urgent else Priority.BACKGROUND
    match request.read:
        case ReadOrders() as read:
            return await _orders(read, client, priority)
        case ReadFills(cursor=cursor, min_ts_s=min_ts_s):
            as_of_ms = await client.user_data_timestamp(priority=priority)
            fills, following = await client.fills_page(
                cursor, limit=FILLS_PER_PAGE, min_ts_s=min_ts_s, priority=priority
            )
            return FillPage(as_of_ms=as_of_ms, fills=fills, cursor=following)
        case ReadAccount():
            return await _account(client, priority)
        case ReadEvents(cursor=cursor):
            events, following = await client.events_page(
                cursor, status="open", with_nested_markets=True, priority=priority
            )
            return EventPage(events=events, cursor=following)
        case ReadMarket(ticker=ticker):
            return MarketRead(market=await client.market(ticker, priority=priority), heard_at_s=now())
        case ReadBook(ticker=ticker):
            return BookRead(ticker=ticker, book=await client.order_book(ticker, priority=priority))
        case _:
            raise TypeError(f"the Wire does not know the read {type(request.read).__name__}")


async def _orders(read: ReadOrders, client: RestClient, priority: Priority) -> OrderList:
    status = "resting" if read.resting_only else None

    async def page(cursor: str) -> tuple[tuple[Order, ...], str]:
        return await client.orders_page(cursor, status=status, ticker=read.ticker, priority=priority)

    as_of_ms = await client.user_data_timestamp(priority=priority)
    if read.resting_only:
        return OrderList(ticker=read.ticker, as_of_ms=as_of_ms, orders=await read_all(page, PAGES_MAX))
    orders, _ = await page("")  # newest first: an order of unknown fate is young
    return OrderList(ticker=read.ticker, as_of_ms=as_of_ms, orders=orders)


async def _account(client: RestClient, priority: Priority) -> AccountRead:
    async def page(cursor: str) -> tuple[tuple[ExchangePosition, ...], str]:
        return await client.positions_page(cursor, priority=priority)

    as_of_ms = await client.user_data_timestamp(priority=priority)
    balance = await client.balance(priority=priority)
    return AccountRead(as_of_ms=as_of_ms, balance=balance, positions=await read_all(page, PAGES_MAX))
