"""What discovery and the feed tell of a market, for tests of actors."""

from __future__ import annotations

from actors.messages.market import BookCondition, BookView, MarketRules
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, PriceRange


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


def live_book(ticker: str) -> BookView:
    """Returns a live book of ten contracts at 45 and at 55 cents."""
    return BookView(
        ticker=ticker,
        condition=BookCondition.LIVE,
        reason="",
        generation=1,
        sequence=1,
        bids=(Level(price_e4=PriceE4(4_500), count_e2=CountE2(1_000)),),
        asks=(Level(price_e4=PriceE4(5_500), count_e2=CountE2(1_000)),),
        ts_ms=1,
        published_at_s=0.0,
    )
