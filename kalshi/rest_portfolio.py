"""REST: what the account has and had: cash, positions, fills, orders, payouts, limits.

The view lags the engine by up to about half a second; `user_data_timestamp` says how far it is.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

from typing import Literal

from kalshi import rest_account_answers as account_answers
from kalshi.budget import COST_ORDER_READ, Priority
from kalshi.numbers import CountE2
from kalshi.rest_area import RestArea, segment
from kalshi.rest_send import Query
from kalshi.types import AccountLimits, Balance, ExchangePosition, Fill, Order


class PortfolioReads(RestArea):
    """Signed reads of the account."""

    async def balance(self, *, exchange_index: int | None = None, priority: Priority = Priority.BACKGROUND) -> Balance:
        """Returns cash by shard, in millionths of a dollar; of one shard alone where it is named."""
        query: Query = {"exchange_index": exchange_index}
        return await self._read("/portfolio/balance", query, account_answers.parse_balance, priority)

    async def positions_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        ticker: str | None = None,
        event_ticker: str | None = None,
        settlement_status: Literal["unsettled", "settled", "all"] | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[ExchangePosition, ...], str]:
        """Returns one page of positions (open ones, unless the settled are asked for) and the cursor of the next."""
        query: Query = {
            "limit": limit,
            "cursor": cursor,
            "ticker": ticker,
            "event_ticker": event_ticker,
            "settlement_status": settlement_status,
        }
        return await self._read("/portfolio/positions", query, account_answers.parse_positions, priority)

    async def fills_page(
        self,
        cursor: str = "",
        *,
        limit: int = 100,
        ticker: str | None = None,
        order_id: str | None = None,
        min_ts_s: int | None = None,
        max_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Fill, ...], str]:
        """Returns one page of our fills, newest first, and the cursor of the next."""
        query: Query = {
            "limit": limit,
            "cursor": cursor,
            "ticker": ticker,
            "order_id": order_id,
            "min_ts": min_ts_s,
            "max_ts": max_ts_s,
        }
        return await self._read("/portfolio/fills", query, account_answers.parse_fills, priority)

    async def settlements_page(
        self,
        cursor: str = "",
        *,
        limit: int = 100,
        ticker: str | None = None,
        min_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[account_answers.Settlement, ...], str]:
        """Returns one page of our settlements and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor, "ticker": ticker, "min_ts": min_ts_s}
        return await self._read("/portfolio/settlements", query, account_answers.parse_settlements, priority)

    async def orders_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        status: str | None = None,
        ticker: str | None = None,
        min_ts_s: int | None = None,
        max_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Order, ...], str]:
        """Returns one page of our orders, newest first, and the cursor of the next."""
        query: Query = {
            "limit": limit,
            "cursor": cursor,
            "status": status,
            "ticker": ticker,
            "min_ts": min_ts_s,
            "max_ts": max_ts_s,
        }
        return await self._read("/portfolio/orders", query, account_answers.parse_orders, priority)

    async def order(self, order_id: str, *, priority: Priority = Priority.BACKGROUND) -> Order:
        """Returns one order; the view may lag its last change by about half a second."""
        path = f"/portfolio/orders/{segment(order_id)}"
        return await self._read(path, {}, account_answers.parse_order, priority, cost=COST_ORDER_READ)

    async def queue_position(self, order_id: str, *, priority: Priority = Priority.BACKGROUND) -> CountE2:
        """Returns how many contracts stand ahead of an order, in 1/100 contract; zero is the front."""
        path = f"/portfolio/orders/{segment(order_id)}/queue_position"
        return await self._read(path, {}, account_answers.parse_queue_position, priority)

    async def queue_positions(
        self,
        *,
        market_tickers: tuple[str, ...] = (),
        event_ticker: str | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[account_answers.QueuePosition, ...]:
        """Returns the queue places of all our orders in these markets or this event; one of both is required."""
        if not market_tickers and event_ticker is None:
            raise ValueError("queue positions are asked for by markets or by event, and neither was named")
        query: Query = {"market_tickers": ",".join(market_tickers), "event_ticker": event_ticker}
        path = "/portfolio/orders/queue_positions"
        return await self._read(path, query, account_answers.parse_queue_positions, priority)

    async def historical_orders_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        ticker: str | None = None,
        min_ts_s: int | None = None,
        max_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Order, ...], str]:
        """Returns one page of finished orders that have left the live endpoint (after about two weeks)."""
        query: Query = {"limit": limit, "cursor": cursor, "ticker": ticker, "min_ts": min_ts_s, "max_ts": max_ts_s}
        return await self._read("/historical/orders", query, account_answers.parse_orders, priority)

    async def historical_fills_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        ticker: str | None = None,
        min_ts_s: int | None = None,
        max_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Fill, ...], str]:
        """Returns one page of fills that have left the live endpoint (after about three months)."""
        query: Query = {"limit": limit, "cursor": cursor, "ticker": ticker, "min_ts": min_ts_s, "max_ts": max_ts_s}
        return await self._read("/historical/fills", query, account_answers.parse_fills, priority)

    async def account_limits(self, *, priority: Priority = Priority.BACKGROUND) -> AccountLimits:
        """Returns the account's real rate limits."""
        return await self._read("/account/limits", {}, account_answers.parse_account_limits, priority)

    async def endpoint_costs(self, *, priority: Priority = Priority.BACKGROUND) -> account_answers.EndpointCosts:
        """Returns what requests cost in tokens."""
        return await self._read("/account/endpoint_costs", {}, account_answers.parse_endpoint_costs, priority)
