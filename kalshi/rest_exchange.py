"""REST: the exchange itself, its series and their fees, its reward programs, and where the past begins.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

from typing import Literal

from kalshi import rest_account_answers as account_answers
from kalshi import rest_exchange_answers as exchange_answers
from kalshi import rest_market_answers as market_answers
from kalshi.budget import COST_DEFAULT, Priority
from kalshi.rest_area import RestArea, flag, parsed, segment
from kalshi.rest_send import Query
from kalshi.rest_wire import PARSE_ERRORS
from kalshi.types import ExchangeStatus, Series


class ExchangeReads(RestArea):
    """Public reads about the exchange as a whole."""

    async def exchange_status(self, *, priority: Priority = Priority.BACKGROUND) -> ExchangeStatus:
        """Returns whether the exchange runs and trades; it says so with 5xx statuses as well."""
        path = "/exchange/status"
        answer = await self._sender.read_any(path, {}, cost=COST_DEFAULT, priority=priority)
        if answer.status in (500, 503, 504):
            try:
                return exchange_answers.parse_exchange_status(answer.body)
            except PARSE_ERRORS:
                pass  # An ordinary gateway error, treated as such below.
        self._sender.raise_for_status(answer)
        return parsed(path, answer, exchange_answers.parse_exchange_status)

    async def exchange_schedule(self, *, priority: Priority = Priority.BACKGROUND) -> exchange_answers.Schedule:
        """Returns the trading hours, in exchange time (New York), and the maintenance that is announced."""
        return await self._read("/exchange/schedule", {}, exchange_answers.parse_schedule, priority)

    async def user_data_timestamp(self, *, priority: Priority = Priority.BACKGROUND) -> int:
        """Returns the time up to which portfolio reads are complete, in Unix milliseconds."""
        return await self._read("/exchange/user_data_timestamp", {}, account_answers.parse_as_of_ms, priority)

    async def historical_cutoff(self, *, priority: Priority = Priority.BACKGROUND) -> exchange_answers.HistoricalCutoff:
        """Returns since when the live endpoints know things; what is older is under `historical_*`."""
        return await self._read("/historical/cutoff", {}, exchange_answers.parse_cutoff, priority)

    async def series(self, ticker: str, *, priority: Priority = Priority.BACKGROUND) -> Series:
        """Returns one series with its fee terms."""
        return await self._read(f"/series/{segment(ticker)}", {}, market_answers.parse_series, priority)

    async def series_list(
        self, *, category: str | None = None, priority: Priority = Priority.BACKGROUND
    ) -> tuple[Series, ...]:
        """Returns all series; this endpoint has no pages."""
        return await self._read("/series", {"category": category}, market_answers.parse_series_list, priority)

    async def series_fee_changes(
        self,
        *,
        series_ticker: str | None = None,
        show_historical: bool | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[exchange_answers.SeriesFeeChange, ...]:
        """Returns the announced changes of series fees, past ones too where they are asked for."""
        query: Query = {"series_ticker": series_ticker, "show_historical": flag(show_historical)}
        return await self._read("/series/fee_changes", query, exchange_answers.parse_series_fee_changes, priority)

    async def event_fee_changes_page(
        self,
        cursor: str = "",
        *,
        limit: int = 100,
        event_ticker: str | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[exchange_answers.EventFeeChange, ...], str]:
        """Returns one page of the announced fee overrides of events and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor, "event_ticker": event_ticker}
        return await self._read("/events/fee_changes", query, exchange_answers.parse_event_fee_changes, priority)

    async def incentive_programs_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        status: str | None = None,
        kind: Literal["all", "liquidity", "volume"] | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[market_answers.IncentiveProgram, ...], str]:
        """Returns one page of reward programs and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor, "status": status, "type": kind}
        return await self._read("/incentive_programs", query, market_answers.parse_incentive_programs, priority)
