"""Selection that a person or a calendar makes: the markets of a series whose event is today, explicit tickers, whole
events, and both outcomes of a binary pair.

1. An event is today if the New York date of its strike date is today's; without a strike date, that of its close. For
   games the close lies days behind the game: where there is no strike date and the close is not today, the date
   inside the ticker decides, and a selection that rests on it says so.
2. Of the markets of today the greatest volumes are taken; equal volumes are ordered by ticker.
3. Explicit tickers, whole events and pairs keep the order in which they were asked for, and pass no filter but the
   exchange's status; what is asked for and not listed is a verdict too.

Nothing here says whether a market can be quoted now: that is quant.selection.admission.

Source: features C2 and C5.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from kalshi.numbers import CountE2
from kalshi.types import MarketStatus
from quant.selection.exchange_day import day_in_ticker, exchange_day

FROM_TICKER: Final = "today by the date inside the ticker"
_PAIR: Final = 2


@attrs.frozen(kw_only=True)
class SeriesParameters:
    """Which series, and how many of its markets."""

    series_ticker: str
    markets_max: int = 16  # as many games as one league plays on a day
    is_ticker_date_used: bool = True
    volume_min_e2: int = 0  # before a game there may be none


@attrs.frozen(kw_only=True)
class ListedMarket:
    """One market as the exchange lists it; `strike_date_ms` is its event's, None where it has none."""

    ticker: str
    event_ticker: str
    series_ticker: str
    status: MarketStatus
    close_time_ms: int
    volume_e2: CountE2
    strike_date_ms: int | None = None
    block_reason: str | None = None


@attrs.frozen(kw_only=True)
class SelectionVerdict:
    """What became of a market, and why; a selected one may have remarks."""

    ticker: str
    is_selected: bool
    reasons: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Selection:
    """The selected tickers, best first, and a verdict for everything that was looked at or asked for."""

    selected: tuple[str, ...]
    verdicts: tuple[SelectionVerdict, ...]


def select_series_of_today(markets: Iterable[ListedMarket], now_ms: int, parameters: SeriesParameters) -> Selection:
    """Returns the markets of the series whose event is today at exchange time `now_ms`, by volume."""
    listed = {market.ticker: market for market in markets if market.series_ticker == parameters.series_ticker}
    refused = {ticker: _refusals(market, now_ms, parameters) for ticker, market in listed.items()}
    passed = [market for market in listed.values() if not refused[market.ticker]]
    passed.sort(key=lambda market: (-market.volume_e2, market.ticker))
    for market in passed[parameters.markets_max :]:
        refused[market.ticker] = (f"not among the {parameters.markets_max} of the greatest volume",)
    today = exchange_day(now_ms)
    verdicts = tuple(
        SelectionVerdict(
            ticker=ticker,
            is_selected=not refused[ticker],
            reasons=refused[ticker] or _remarks(market, today),
        )
        for ticker, market in listed.items()
    )
    return Selection(selected=tuple(market.ticker for market in passed[: parameters.markets_max]), verdicts=verdicts)


def select_tickers(markets: Iterable[ListedMarket], tickers: Iterable[str]) -> Selection:
    """Returns the markets asked for by ticker, in that order."""
    listed = {market.ticker: market for market in markets}
    return _explicit([(ticker, listed.get(ticker)) for ticker in dict.fromkeys(tickers)])


def select_event(markets: Iterable[ListedMarket], event_ticker: str) -> Selection:
    """Returns every outcome of an event, by ticker; an event without any market is a verdict under its own name."""
    outcomes = sorted(_outcomes(markets, event_ticker), key=lambda market: market.ticker)
    if not outcomes:
        return _explicit([(event_ticker, None)])
    return _explicit([(market.ticker, market) for market in outcomes])


def select_pair(markets: Iterable[ListedMarket], ticker: str) -> Selection:
    """Returns both outcomes of the two-outcome event of `ticker`, that one first.

    A pair is quoted as a pair or not at all: where one outcome is missing or not active, neither is selected.
    """
    listed = tuple(markets)
    own = next((market for market in listed if market.ticker == ticker), None)
    if own is None:
        return _explicit([(ticker, None)])
    outcomes = _outcomes(listed, own.event_ticker)
    outcomes.sort(key=lambda market: (market.ticker != ticker, market.ticker))
    if len(outcomes) != _PAIR:
        reason = f"its event has {len(outcomes)} outcomes and is no pair"
        return Selection(selected=(), verdicts=(SelectionVerdict(ticker=ticker, is_selected=False, reasons=(reason,)),))
    pair = _explicit([(market.ticker, market) for market in outcomes])
    if len(pair.selected) == _PAIR:
        return pair
    return Selection(
        selected=(),
        verdicts=tuple(
            attrs.evolve(verdict, is_selected=False, reasons=verdict.reasons or ("its other outcome is refused",))
            for verdict in pair.verdicts
        ),
    )


def _outcomes(markets: Iterable[ListedMarket], event_ticker: str) -> list[ListedMarket]:
    return list({market.ticker: market for market in markets if market.event_ticker == event_ticker}.values())


def _explicit(wanted: list[tuple[str, ListedMarket | None]]) -> Selection:
    verdicts = []
    for ticker, market in wanted:
        reasons = ("the exchange does not list it",) if market is None else _status_refusals(market)
        verdicts.append(SelectionVerdict(ticker=ticker, is_selected=not reasons, reasons=reasons))
    return Selection(
        selected=tuple(verdict.ticker for verdict in verdicts if verdict.is_selected), verdicts=tuple(verdicts)
    )


def _status_refusals(market: ListedMarket) -> tuple[str, ...]:
    reasons = []
    if market.block_reason is not None:
        reasons.append(market.block_reason)
    if market.status is not MarketStatus.ACTIVE:
        reasons.append(f"status is {market.status}")
    return tuple(reasons)


def _refusals(market: ListedMarket, now_ms: int, parameters: SeriesParameters) -> tuple[str, ...]:
    """Returns every filter that the market fails, in words; empty where it passes."""
    reasons = list(_status_refusals(market))
    if market.close_time_ms <= now_ms:
        reasons.append("its close has passed")
    today = exchange_day(now_ms)
    is_today = _is_dated(market, today)
    if not is_today and not (parameters.is_ticker_date_used and _is_dated_by_ticker(market, today)):
        reasons.append("its event is not today")
    if market.volume_e2 < parameters.volume_min_e2:
        reasons.append("volume is too low")
    return tuple(reasons)


def _is_dated(market: ListedMarket, today: int) -> bool:
    """Returns whether the exchange's own dates say that the event is today."""
    dated_ms = market.close_time_ms if market.strike_date_ms is None else market.strike_date_ms
    return exchange_day(dated_ms) == today


def _is_dated_by_ticker(market: ListedMarket, today: int) -> bool:
    return market.strike_date_ms is None and day_in_ticker(market.ticker) == today


def _remarks(market: ListedMarket, today: int) -> tuple[str, ...]:
    return () if _is_dated(market, today) else (FROM_TICKER,)
