"""Candles: what a market did in stretches of a minute, an hour or a day.

Prices without a trade in the stretch are absent or null. The live endpoints put the unit into the names
(`open_dollars`, `volume_fp`), the historical one does not (`open`, `volume`); both are read here.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from kalshi.numbers import CountE2, MoneyE6, PriceE4, parse_count, parse_money, parse_price
from kalshi.rest_wire import decode, given


@attrs.frozen(kw_only=True)
class Range:
    """Open, high, low and close of a quote in a stretch, YES prices."""

    open_e4: PriceE4
    high_e4: PriceE4
    low_e4: PriceE4
    close_e4: PriceE4


@attrs.frozen(kw_only=True)
class Candle:
    """One stretch, named by its inclusive end. `traded` and `mean_e6` are None where nothing traded."""

    end_ts_s: int
    yes_bid: Range
    yes_ask: Range
    traded: Range | None
    mean_e6: MoneyE6 | None  # a mean is finer than any grid
    previous_e4: PriceE4 | None
    volume_e2: CountE2
    open_interest_e2: CountE2


Texts = dict[str, Any]


class _Candle(msgspec.Struct, gc=False):
    end_period_ts: int
    yes_bid: Texts
    yes_ask: Texts
    price: Texts = {}
    volume_fp: str | None = None
    open_interest_fp: str | None = None
    volume: str | None = None
    open_interest: str | None = None


class _CandlesAnswer(msgspec.Struct):
    candlesticks: list[_Candle] | None = None


class _MarketCandles(msgspec.Struct):
    market_ticker: str
    candlesticks: list[_Candle] | None = None


class _BatchAnswer(msgspec.Struct):
    markets: list[_MarketCandles] | None = None


def parse_candles(body: bytes) -> tuple[Candle, ...]:
    return tuple(_candle(item) for item in decode(body, _CandlesAnswer).candlesticks or ())


def parse_candle_batch(body: bytes) -> tuple[tuple[str, tuple[Candle, ...]], ...]:
    """Returns (ticker, candles) for each market."""
    return tuple(
        (item.market_ticker, tuple(_candle(candle) for candle in item.candlesticks or ()))
        for item in decode(body, _BatchAnswer).markets or ()
    )


def _candle(item: _Candle) -> Candle:
    mean, previous = _text(item.price, "mean"), _text(item.price, "previous")
    return Candle(
        end_ts_s=item.end_period_ts,
        yes_bid=given(_range(item.yes_bid), "yes_bid"),
        yes_ask=given(_range(item.yes_ask), "yes_ask"),
        traded=_range(item.price),
        mean_e6=None if mean is None else parse_money(mean),
        previous_e4=None if previous is None else parse_price(previous),
        volume_e2=parse_count(given(item.volume_fp or item.volume, "volume_fp")),
        open_interest_e2=parse_count(given(item.open_interest_fp or item.open_interest, "open_interest_fp")),
    )


def _range(texts: Texts) -> Range | None:
    first, high, low, last = (_text(texts, name) for name in ("open", "high", "low", "close"))
    if first is None or high is None or low is None or last is None:
        return None
    return Range(
        open_e4=parse_price(first), high_e4=parse_price(high), low_e4=parse_price(low), close_e4=parse_price(last)
    )


def _text(texts: Texts, name: str) -> str | None:
    value = texts.get(f"{name}_dollars", texts.get(name))
    if value is not None and not isinstance(value, str):
        raise ValueError(f"expected {name} as text, found {value!r}")
    return value
