"""The exchange's REST interface, typed: one method per endpoint that the bot uses.

How a request goes out, and what Rejected, Unavailable and OutcomeUnknown mean, is told in `kalshi.rest_send`
and `kalshi.errors`; every method here may raise them. Reads also raise Malformed, writes also SendRefused.

Rules:
1. Writes name their shard (`exchange_index`) always: automatic routing bills every shard's bucket.
2. Orders go through the V2 endpoints; the older ones answer 410.
3. A write that was answered with success and an unreadable body has an unknown outcome.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx
import trio

from kalshi import rest_account_answers as account_answers
from kalshi import rest_market_answers as market_answers
from kalshi import rest_write_answers as write_answers
from kalshi.budget import COST_CANCEL, COST_CREATE, COST_DEFAULT, COST_ORDER_READ, Priority, RateBudget
from kalshi.errors import Malformed, OutcomeUnknown, excerpt
from kalshi.numbers import CountE2, format_count, format_price
from kalshi.rest_send import Answer, BeforeSend, Query, Sender, make_http, malformed_read
from kalshi.rest_wire import PARSE_ERRORS
from kalshi.signing import Signer
from kalshi.types import (
    AccountLimits,
    AmendAck,
    AmendOrder,
    Balance,
    BookSnapshot,
    CancelAck,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseAck,
    DecreaseOrder,
    Event,
    ExchangePosition,
    ExchangeStatus,
    Fill,
    ItemRejection,
    Market,
    Order,
    OrderGroup,
    Series,
)

__all__ = ["RestClient", "make_http", "read_all"]

_ORDERS = "/portfolio/events/orders"
_GROUPS = "/portfolio/order_groups"

T = TypeVar("T")


class RestClient:
    """A client of one account on one exchange; several may share a budget, each has its own pool.

    `connections` must not exceed the pool of `http`. `deadline_s` is the total for one request, from the
    moment that it has its tokens and its place. `on_server_date(date_ms, wall_ms)` hears the Date header of
    every answer.
    """

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        base_url: str,
        signer: Signer,
        budget: RateBudget,
        wall_ms: Callable[[], int],
        connections: int,
        deadline_s: float,
        on_server_date: Callable[[int, int], None] | None = None,
    ) -> None:
        self._sender = Sender(
            http=http,
            base_url=base_url,
            signer=signer,
            budget=budget,
            wall_ms=wall_ms,
            connections=connections,
            deadline_s=deadline_s,
            on_server_date=on_server_date,
        )

    # Exchange and markets.

    async def exchange_status(self, *, priority: Priority = Priority.BACKGROUND) -> ExchangeStatus:
        """Returns whether the exchange runs and trades; it says so with 5xx statuses as well."""
        path = "/exchange/status"
        answer = await self._sender.read_any(path, {}, cost=COST_DEFAULT, priority=priority)
        if answer.status in (500, 503, 504):
            try:
                return market_answers.parse_exchange_status(answer.body)
            except PARSE_ERRORS:
                pass  # An ordinary gateway error, treated as such below.
        self._sender.raise_for_status(answer)
        return _parsed(path, answer, market_answers.parse_exchange_status)

    async def user_data_timestamp(self, *, priority: Priority = Priority.BACKGROUND) -> int:
        """Returns the time up to which portfolio reads are complete, in Unix milliseconds."""
        return await self._read("/exchange/user_data_timestamp", {}, account_answers.parse_as_of_ms, priority)

    async def series(self, ticker: str, *, priority: Priority = Priority.BACKGROUND) -> Series:
        """Returns one series with its fee terms."""
        return await self._read(f"/series/{_segment(ticker)}", {}, market_answers.parse_series, priority)

    async def series_list(
        self, *, category: str | None = None, priority: Priority = Priority.BACKGROUND
    ) -> tuple[Series, ...]:
        """Returns all series; this endpoint has no pages."""
        return await self._read("/series", {"category": category}, market_answers.parse_series_list, priority)

    async def series_fee_changes(
        self, *, priority: Priority = Priority.BACKGROUND
    ) -> tuple[market_answers.SeriesFeeChange, ...]:
        """Returns the announced changes of series fees."""
        return await self._read("/series/fee_changes", {}, market_answers.parse_fee_changes, priority)

    async def event(self, ticker: str, *, priority: Priority = Priority.BACKGROUND) -> Event:
        """Returns one event with its markets."""
        query = {"with_nested_markets": "true"}
        return await self._read(f"/events/{_segment(ticker)}", query, market_answers.parse_event, priority)

    async def events_page(
        self,
        cursor: str = "",
        *,
        limit: int = 200,
        status: str | None = None,
        series_ticker: str | None = None,
        with_nested_markets: bool = False,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Event, ...], str]:
        """Returns one page of events and the cursor of the next ("" after the last)."""
        query: Query = {
            "limit": limit,
            "cursor": cursor,
            "status": status,
            "series_ticker": series_ticker,
            "with_nested_markets": "true" if with_nested_markets else None,
        }
        return await self._read("/events", query, market_answers.parse_events, priority)

    async def market(self, ticker: str, *, priority: Priority = Priority.BACKGROUND) -> Market:
        """Returns one market."""
        return await self._read(f"/markets/{_segment(ticker)}", {}, market_answers.parse_market, priority)

    async def markets_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        status: str | None = None,
        event_ticker: str | None = None,
        series_ticker: str | None = None,
        tickers: tuple[str, ...] | None = None,
        mve_filter: Literal["only", "exclude"] | None = "exclude",
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Market, ...], str]:
        """Returns one page of markets and the cursor of the next ("" after the last); no combos by default.

        `status` takes the filter words (open, closed, settled, paused, unopened), not those of
        `MarketStatus`.
        """
        query: Query = {
            "limit": limit,
            "cursor": cursor,
            "status": status,
            "event_ticker": event_ticker,
            "series_ticker": series_ticker,
            "tickers": ",".join(tickers) if tickers else None,
            "mve_filter": mve_filter,
        }
        return await self._read("/markets", query, market_answers.parse_markets, priority)

    async def order_book(self, ticker: str, *, priority: Priority = Priority.BACKGROUND) -> BookSnapshot:
        """Returns the full book on the YES leg; `read_time_ms` comes from the Date and Age headers."""
        path = f"/markets/{_segment(ticker)}/orderbook"
        answer = await self._sender.read(path, {}, cost=COST_DEFAULT, priority=priority)
        return _parsed(path, answer, lambda body: market_answers.parse_book(body, ticker, answer.read_time_ms))

    async def trades_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        ticker: str | None = None,
        min_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[market_answers.PublicTrade, ...], str]:
        """Returns one page of the public tape, newest first, and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor, "ticker": ticker, "min_ts": min_ts_s}
        return await self._read("/markets/trades", query, market_answers.parse_trades, priority)

    async def incentive_programs_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        status: str | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[market_answers.IncentiveProgram, ...], str]:
        """Returns one page of reward programs and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor, "status": status}
        return await self._read("/incentive_programs", query, market_answers.parse_incentive_programs, priority)

    # The account.

    async def balance(self, *, priority: Priority = Priority.BACKGROUND) -> Balance:
        """Returns cash by shard, in millionths of a dollar."""
        return await self._read("/portfolio/balance", {}, account_answers.parse_balance, priority)

    async def positions_page(
        self, cursor: str = "", *, limit: int = 1000, priority: Priority = Priority.BACKGROUND
    ) -> tuple[tuple[ExchangePosition, ...], str]:
        """Returns one page of open positions and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor}
        return await self._read("/portfolio/positions", query, account_answers.parse_positions, priority)

    async def fills_page(
        self,
        cursor: str = "",
        *,
        limit: int = 100,
        min_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Fill, ...], str]:
        """Returns one page of our fills, newest first, and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor, "min_ts": min_ts_s}
        return await self._read("/portfolio/fills", query, account_answers.parse_fills, priority)

    async def settlements_page(
        self, cursor: str = "", *, limit: int = 100, priority: Priority = Priority.BACKGROUND
    ) -> tuple[tuple[account_answers.Settlement, ...], str]:
        """Returns one page of our settlements and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor}
        return await self._read("/portfolio/settlements", query, account_answers.parse_settlements, priority)

    async def orders_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        status: str | None = None,
        ticker: str | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Order, ...], str]:
        """Returns one page of our orders, newest first, and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor, "status": status, "ticker": ticker}
        return await self._read("/portfolio/orders", query, account_answers.parse_orders, priority)

    async def order(self, order_id: str, *, priority: Priority = Priority.BACKGROUND) -> Order:
        """Returns one order; the view may lag its last change by about half a second."""
        path = f"/portfolio/orders/{_segment(order_id)}"
        return await self._read(path, {}, account_answers.parse_order, priority, cost=COST_ORDER_READ)

    async def account_limits(self, *, priority: Priority = Priority.BACKGROUND) -> AccountLimits:
        """Returns the account's real rate limits."""
        return await self._read("/account/limits", {}, account_answers.parse_account_limits, priority)

    async def endpoint_costs(self, *, priority: Priority = Priority.BACKGROUND) -> account_answers.EndpointCosts:
        """Returns what requests cost in tokens."""
        return await self._read("/account/endpoint_costs", {}, account_answers.parse_endpoint_costs, priority)

    async def order_groups(self, *, priority: Priority = Priority.BACKGROUND) -> tuple[OrderGroup, ...]:
        """Returns our order groups on all shards, without their orders."""
        return await self._read(_GROUPS, {}, account_answers.parse_order_groups, priority)

    async def order_group(
        self, group_id: str, exchange_index: int, *, priority: Priority = Priority.BACKGROUND
    ) -> OrderGroup:
        """Returns one order group with the ids of its orders."""
        query: Query = {"exchange_index": exchange_index}
        path = f"{_GROUPS}/{_segment(group_id)}"
        return await self._read(path, query, lambda body: account_answers.parse_order_group(body, group_id), priority)

    # Writes.

    async def create_order(
        self,
        order: CreateOrder,
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> CreateAck:
        """Places one order."""
        answer = await self._sender.write(
            "POST",
            _ORDERS,
            {},
            _create_body(order),
            cost=COST_CREATE,
            priority=priority,
            before_send=before_send,
        )
        return _acked(answer, lambda body: write_answers.parse_create_ack(body, order.client_order_id))

    async def batch_create(
        self,
        orders: tuple[CreateOrder, ...],
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> tuple[CreateAck | ItemRejection, ...]:
        """Places several orders with one request; each is answered by itself, in the order given.

        Raises BudgetError where the batch as a whole cannot fit in the write bucket.
        """
        if not orders:
            await trio.lowlevel.checkpoint()
            return ()
        answer = await self._sender.write(
            "POST",
            f"{_ORDERS}/batched",
            {},
            {"orders": [_create_body(order) for order in orders]},
            cost=COST_CREATE * len(orders),
            priority=priority,
            before_send=before_send,
        )
        client_order_ids = tuple(order.client_order_id for order in orders)
        return _acked(answer, lambda body: write_answers.parse_batch_create(body, client_order_ids))

    async def amend_order(
        self,
        amend: AmendOrder,
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> AmendAck:
        """Changes price, total count or expiry of a resting order. An amend has no post-only: it may take."""
        body: dict[str, object] = {
            "ticker": amend.ticker,
            "side": amend.side.value,
            "price": format_price(amend.price_e4),
            "count": format_count(amend.total_count_e2),
            "exchange_index": amend.exchange_index,
        }
        if amend.expiration_ts_s is not None:
            body["expiration_time"] = amend.expiration_ts_s
        path = f"{_ORDERS}/{_segment(amend.order_id)}/amend"
        answer = await self._sender.write(
            "POST", path, {}, body, cost=COST_DEFAULT, priority=priority, before_send=before_send
        )
        return _acked(answer, write_answers.parse_amend_ack)

    async def decrease_order(
        self,
        decrease: DecreaseOrder,
        *,
        priority: Priority = Priority.CANCEL,
        before_send: BeforeSend | None = None,
    ) -> DecreaseAck:
        """Lowers the resting count of an order, which keeps its place in the queue."""
        body = {
            "reduce_to": format_count(decrease.reduce_to_e2),
            "market_ticker": decrease.ticker,
            "exchange_index": decrease.exchange_index,
        }
        path = f"{_ORDERS}/{_segment(decrease.order_id)}/decrease"
        answer = await self._sender.write(
            "POST", path, {}, body, cost=COST_DEFAULT, priority=priority, before_send=before_send
        )
        return _acked(answer, write_answers.parse_decrease_ack)

    async def cancel_order(
        self,
        cancel: CancelOrder,
        *,
        priority: Priority = Priority.CANCEL,
        before_send: BeforeSend | None = None,
    ) -> CancelAck:
        """Cancels one order. `not_found` does not tell whether it was cancelled or filled before."""
        query: Query = {"exchange_index": cancel.exchange_index, "market_ticker": cancel.ticker}
        path = f"{_ORDERS}/{_segment(cancel.order_id)}"
        answer = await self._sender.write(
            "DELETE", path, query, None, cost=COST_CANCEL, priority=priority, before_send=before_send
        )
        return _acked(answer, write_answers.parse_cancel_ack)

    async def batch_cancel(
        self,
        cancels: tuple[CancelOrder, ...],
        *,
        priority: Priority = Priority.CANCEL,
        before_send: BeforeSend | None = None,
    ) -> tuple[CancelAck | ItemRejection, ...]:
        """Cancels several orders with one request; each is answered by itself, in the order given."""
        if not cancels:
            await trio.lowlevel.checkpoint()
            return ()
        items = [
            {
                "order_id": cancel.order_id,
                "exchange_index": cancel.exchange_index,
                "market_ticker": cancel.ticker,
            }
            for cancel in cancels
        ]
        answer = await self._sender.write(
            "DELETE",
            f"{_ORDERS}/batched",
            {},
            {"orders": items},
            cost=COST_CANCEL * len(cancels),
            priority=priority,
            before_send=before_send,
        )
        order_ids = tuple(cancel.order_id for cancel in cancels)
        return _acked(answer, lambda body: write_answers.parse_batch_cancel(body, order_ids))

    async def create_order_group(
        self,
        contracts_limit_e2: CountE2,
        exchange_index: int,
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> str:
        """Opens an order group with a limit of matched contracts per 15 s; returns its id."""
        body = {"contracts_limit_fp": format_count(contracts_limit_e2), "exchange_index": exchange_index}
        answer = await self._sender.write(
            "POST",
            f"{_GROUPS}/create",
            {},
            body,
            cost=COST_DEFAULT,
            priority=priority,
            before_send=before_send,
        )
        return _acked(answer, write_answers.parse_group_created)

    async def trigger_order_group(
        self,
        group_id: str,
        exchange_index: int,
        *,
        priority: Priority = Priority.EXIT_GUARD,
        before_send: BeforeSend | None = None,
    ) -> int:
        """Cancels all orders of the group and closes it for new ones.

        Returns the exchange's time of the answer in Unix milliseconds, rounded up to the next full second
        because the Date header has no fractions. Raises OutcomeUnknown where the answer has no date;
        triggering twice is harmless.
        """
        answer = await self._group_write("PUT", group_id, "/trigger", exchange_index, priority, before_send)
        if answer.date_ms is None:
            raise OutcomeUnknown("the order group was triggered, but the answer has no Date to count from")
        return answer.date_ms + 1000

    async def delete_order_group(
        self,
        group_id: str,
        exchange_index: int,
        *,
        priority: Priority = Priority.CANCEL,
        before_send: BeforeSend | None = None,
    ) -> None:
        """Cancels all orders of the group and removes it."""
        await self._group_write("DELETE", group_id, "", exchange_index, priority, before_send)

    async def _group_write(
        self,
        method: Literal["PUT", "DELETE"],
        group_id: str,
        action: str,
        exchange_index: int,
        priority: Priority,
        before_send: BeforeSend | None,
    ) -> Answer:
        path = f"{_GROUPS}/{_segment(group_id)}{action}"
        query: Query = {"exchange_index": exchange_index}
        return await self._sender.write(
            method, path, query, None, cost=COST_DEFAULT, priority=priority, before_send=before_send
        )

    async def _read(
        self,
        path: str,
        query: Query,
        parse: Callable[[bytes], T],
        priority: Priority,
        cost: int = COST_DEFAULT,
    ) -> T:
        return _parsed(path, await self._sender.read(path, query, cost=cost, priority=priority), parse)


async def read_all(page_call: Callable[[str], Awaitable[tuple[tuple[T, ...], str]]], pages_max: int) -> tuple[T, ...]:
    """Returns the items of all pages; `page_call` takes a cursor ("" first) and returns (items, next cursor).

    A page may be empty without being the last. Raises Malformed for a cursor that comes twice (the exchange
    answers an unknown one with the first page) and for more than `pages_max` pages.
    """
    items: list[T] = []
    cursors = {""}
    cursor = ""
    for _ in range(pages_max):
        page, cursor = await page_call(cursor)
        items.extend(page)
        if not cursor:
            return tuple(items)
        if cursor in cursors:
            raise Malformed(f"the pages go in a circle: the cursor {excerpt(cursor)!r} came twice")
        cursors.add(cursor)
    raise Malformed(f"the list has more than {pages_max} pages")


def _create_body(order: CreateOrder) -> dict[str, object]:
    body: dict[str, object] = {
        "ticker": order.ticker,
        "client_order_id": order.client_order_id,
        "side": order.side.value,
        "count": format_count(order.count_e2),
        "price": format_price(order.price_e4),
        "time_in_force": order.time_in_force.value,
        "self_trade_prevention_type": order.self_trade_prevention.value,
        "post_only": order.post_only,
        "cancel_order_on_pause": order.cancel_order_on_pause,
        "exchange_index": order.exchange_index,
    }
    if order.reduce_only:
        body["reduce_only"] = True
    if order.order_group_id is not None:
        body["order_group_id"] = order.order_group_id
    if order.expiration_ts_s is not None:
        body["expiration_time"] = order.expiration_ts_s
    return body


def _parsed(path: str, answer: Answer, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(answer.body)
    except PARSE_ERRORS as error:
        raise malformed_read(path, answer.body, error) from error


def _acked(answer: Answer, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(answer.body)
    except PARSE_ERRORS as error:
        reason = f"answered {answer.status}, but unreadably: {excerpt(str(error))}; {excerpt(answer.body)!r}"
        raise OutcomeUnknown(reason) from error


def _segment(text: str) -> str:
    return quote(text, safe="")
