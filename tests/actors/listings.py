"""What discovery tells of a market, for tests of actors."""

from __future__ import annotations

from actors.messages.market import MarketRules
from kalshi.numbers import PriceE4
from kalshi.types import PriceRange


def tradable(ticker: str) -> MarketRules:
    """Returns the rules of a market in whole cents that never closes."""
    return MarketRules(
        ticker=ticker,
        event_ticker="E",
        series_ticker="S",
        category="",
        title="",
        is_tradable=True,
        price_ranges=(PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(100)),),
        close_time_ms=10**15,
        exchange_index=0,
        mutually_exclusive=False,
    )
