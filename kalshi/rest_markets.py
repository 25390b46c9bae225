"""REST: events, markets, their books, trades and candles.

Public reads stand behind a cache of about 15 s unless they are signed, and this client signs them all.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

from typing import Final, Literal

from kalshi import rest_candle_answers as candle_answers
from kalshi import rest_market_answers as market_answers
from kalshi.budget import COST_DEFAULT, Priority
from kalshi.rest_area import RestArea, flag, parsed, segment
from kalshi.rest_send import Query
from kalshi.types import BookSnapshot, Event, Market

# The exchange answers 400 beyond these.
BOOKS_PER_REQUEST_MAX: Final = 100
CANDLE_TICKERS_MAX: Final = 100

CandleMinutes = Literal[1, 60, 1440]


class MarketReads(RestArea):
    """Public reads about events and markets."""

    async def event(self, ticker: str, *, priority: Priority = Priority.BACKGROUND) -> Event:
        """Returns one event with its markets."""
        query = {"with_nested_markets": "true"}
        return await self._read(f"/events/{segment(ticker)}", query, market_answers.parse_event, priority)

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
        return await self._read(f"/markets/{segment(ticker)}", {}, market_answers.parse_market, priority)

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
        path = f"/markets/{segment(ticker)}/orderbook"
        answer = await self._sender.read(path, {}, cost=COST_DEFAULT, priority=priority)
        return parsed(path, answer, lambda body: market_answers.parse_book(body, ticker, answer.read_time_ms))

    async def order_books(
        self, tickers: tuple[str, ...], *, priority: Priority = Priority.BACKGROUND
    ) -> tuple[BookSnapshot, ...]:
        """Returns the full books of several markets, at most BOOKS_PER_REQUEST_MAX, in the exchange's order."""
        _check_count(tickers, BOOKS_PER_REQUEST_MAX)
        path = "/markets/orderbooks"
        answer = await self._sender.read(path, {"tickers": tickers}, cost=COST_DEFAULT, priority=priority)
        return parsed(path, answer, lambda body: market_answers.parse_books(body, answer.read_time_ms))

    async def trades_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        ticker: str | None = None,
        min_ts_s: int | None = None,
        max_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[market_answers.PublicTrade, ...], str]:
        """Returns one page of the public tape, newest first, and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor, "ticker": ticker, "min_ts": min_ts_s, "max_ts": max_ts_s}
        return await self._read("/markets/trades", query, market_answers.parse_trades, priority)

    async def candlesticks(
        self,
        series_ticker: str,
        ticker: str,
        *,
        start_ts_s: int,
        end_ts_s: int,
        minutes: CandleMinutes,
        include_latest_before_start: bool | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[candle_answers.Candle, ...]:
        """Returns the candles of one market that end in this stretch of Unix seconds, oldest first."""
        path = f"/series/{segment(series_ticker)}/markets/{segment(ticker)}/candlesticks"
        query: Query = {
            "start_ts": start_ts_s,
            "end_ts": end_ts_s,
            "period_interval": minutes,
            "include_latest_before_start": flag(include_latest_before_start),
        }
        return await self._read(path, query, candle_answers.parse_candles, priority)

    async def batch_candlesticks(
        self,
        tickers: tuple[str, ...],
        *,
        start_ts_s: int,
        end_ts_s: int,
        minutes: CandleMinutes,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[str, tuple[candle_answers.Candle, ...]], ...]:
        """Returns (ticker, candles) for several markets, at most CANDLE_TICKERS_MAX and 10,000 candles in all."""
        _check_count(tickers, CANDLE_TICKERS_MAX)
        query: Query = {
            "market_tickers": ",".join(tickers),
            "start_ts": start_ts_s,
            "end_ts": end_ts_s,
            "period_interval": minutes,
        }
        return await self._read("/markets/candlesticks", query, candle_answers.parse_candle_batch, priority)

    async def historical_markets_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        event_ticker: str | None = None,
        series_ticker: str | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[Market, ...], str]:
        """Returns one page of markets that have left the live endpoints."""
        query: Query = {
            "limit": limit,
            "cursor": cursor,
            "event_ticker": event_ticker,
            "series_ticker": series_ticker,
        }
        return await self._read("/historical/markets", query, market_answers.parse_markets, priority)

    async def historical_trades_page(
        self,
        cursor: str = "",
        *,
        limit: int = 1000,
        ticker: str | None = None,
        min_ts_s: int | None = None,
        max_ts_s: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> tuple[tuple[market_answers.PublicTrade, ...], str]:
        """Returns one page of trades that have left the live endpoints."""
        query: Query = {"limit": limit, "cursor": cursor, "ticker": ticker, "min_ts": min_ts_s, "max_ts": max_ts_s}
        return await self._read("/historical/trades", query, market_answers.parse_trades, priority)


def _check_count(tickers: tuple[str, ...], maximum: int) -> None:
    if not 0 < len(tickers) <= maximum:
        raise ValueError(f"expected 1 to {maximum} tickers in one request, found {len(tickers)}: split the list")
