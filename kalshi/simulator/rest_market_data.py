"""Public reads of what happens in markets: books, trades, candles, cut-offs (kalshi-rest.md §7.3, §7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from kalshi.simulator.history import Candle
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Trade
from kalshi.simulator.refusals import QueryInvalid, invalid, not_found
from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.rest_listings import MARKET_TAGS, PAGE_DEFAULT, PAGE_MAX, find_market
from kalshi.simulator.timestamps import rfc3339
from kalshi.simulator.views import Json, candle_view, orderbook_view, trade_view

_BOOKS_MAX: Final = 100
_CANDLES_MAX: Final = 10_000
_CANDLES_OF_ONE_MAX: Final = 5_000  # observed by others, not documented
_PERIODS: Final = (1, 60, 1_440)
_LOOK_BACK_PERIODS: Final = 1_000


def get_orderbook(call: Call) -> Answer:
    depth = call.integer("depth") or 0
    if not 0 <= depth <= 100:
        raise QueryInvalid("GetMarketOrderbook", "Depth", "max" if depth > 0 else "min")
    return Answer(body={"orderbook_fp": orderbook_view(find_market(call), depth)})


def list_orderbooks(call: Call) -> Answer:
    tickers = call.texts("tickers")
    if not 1 <= len(tickers) <= _BOOKS_MAX:
        raise QueryInvalid("GetMarketOrderbooks", "Tickers", "max" if tickers else "required")
    markets = call.services.core.markets
    rows = [
        {"ticker": ticker, "orderbook_fp": orderbook_view(markets[ticker])} for ticker in tickers if ticker in markets
    ]
    return Answer(body={"orderbooks": rows})


def list_trades(call: Call) -> Answer:
    cutoff_ms = call.services.archive.trades_cutoff_ms()
    rows = [trade for trade in _trades(call) if trade.ts_ms >= cutoff_ms]
    return _trade_page(call, "GetTrades", rows)


def historical_trades(call: Call) -> Answer:
    cutoff_ms = call.services.archive.trades_cutoff_ms()
    rows = [trade for trade in _trades(call) if trade.ts_ms < cutoff_ms]
    return _trade_page(call, "GetTradesHistorical", rows)


def _trades(call: Call) -> list[Trade]:
    ticker, min_s, max_s = call.text("ticker"), call.integer("min_ts"), call.integer("max_ts")
    if call.flag("is_block_trade"):
        return []  # nobody trades blocks here
    return [
        trade
        for market in call.services.core.markets.values()
        if ticker in (None, market.ticker)
        for trade in market.history.tape
        if (min_s is None or trade.ts_ms >= min_s * 1000) and (max_s is None or trade.ts_ms <= max_s * 1000)
    ]


def _trade_page(call: Call, operation: str, rows: list[Trade]) -> Answer:
    limit = call.limit(operation, PAGE_DEFAULT, PAGE_MAX, MARKET_TAGS)
    chosen, cursor = call.page(rows, lambda trade: (-trade.ts_ms, trade.trade_id), limit)
    legacy = call.services.core.settings.legacy_direction_fields
    return Answer(body={"trades": [trade_view(trade, legacy=legacy) for trade in chosen], "cursor": cursor})


@attrs.frozen(kw_only=True)
class _Span:
    """What candles are asked for: Unix seconds, and minutes a candle."""

    start_s: int
    end_s: int
    period_minutes: int

    @property
    def candles(self) -> int:
        return max(0, self.end_s - self.start_s) // (self.period_minutes * 60)


def _span(call: Call) -> _Span:
    start_s, end_s, period = call.integer("start_ts"), call.integer("end_ts"), call.integer("period_interval")
    if start_s is None or end_s is None or period is None:
        raise invalid("start_ts, end_ts and period_interval are required")
    if period not in _PERIODS:
        raise invalid("period_interval must be 1, 60 or 1440")
    return _Span(start_s=start_s, end_s=end_s, period_minutes=period)


def _candle_rows(
    market: MarketState, span: _Span, *, with_latest: bool = False, historical: bool = False
) -> list[Json]:
    # The candle before the span tells the price before it, and starts the list where that was asked for.
    period_s = span.period_minutes * 60
    before = market.history.candles(span.start_s - _LOOK_BACK_PERIODS * period_s, span.start_s - 1, span.period_minutes)
    candles = market.history.candles(span.start_s, span.end_s, span.period_minutes)
    latest = before[-1] if before else None
    boundary_s = -(-span.start_s // period_s) * period_s
    if with_latest and latest is not None and (not candles or candles[0].end_s > boundary_s):
        candles = [_projected(latest, boundary_s), *candles]
    return _views(market, candles, None if latest is None else latest.close_e4, historical=historical)


def _projected(latest: Candle, boundary_s: int) -> Candle:
    """Returns the last candle before the span as an empty one at its first boundary (documented)."""
    close_e4 = latest.close_e4
    return Candle(end_s=boundary_s, open_e4=close_e4, high_e4=close_e4, low_e4=close_e4, close_e4=close_e4, volume_e2=0)


def _views(market: MarketState, candles: Sequence[Candle], previous_e4: int | None, *, historical: bool) -> list[Json]:
    half_e4, interest_e2 = market.listing.half_spread_e4, market.open_interest_e2
    rows = []
    for candle in candles:
        rows.append(candle_view(candle, previous_e4, half_e4, interest_e2, historical=historical))
        previous_e4 = candle.close_e4
    return rows


def market_candlesticks(call: Call) -> Answer:
    market, span = find_market(call), _span(call)
    if market.listing.series_ticker != call.path_parameters["series_ticker"]:
        raise not_found()
    if span.candles > _CANDLES_OF_ONE_MAX:
        raise invalid(f"at most {_CANDLES_OF_ONE_MAX} candlesticks")
    rows = _candle_rows(market, span, with_latest=call.flag("include_latest_before_start"))
    return Answer(body={"ticker": market.ticker, "candlesticks": rows})


def historical_candlesticks(call: Call) -> Answer:
    market, span = find_market(call, historical=True), _span(call)
    if span.candles > _CANDLES_OF_ONE_MAX:
        raise invalid(f"at most {_CANDLES_OF_ONE_MAX} candlesticks")
    return Answer(body={"ticker": market.ticker, "candlesticks": _candle_rows(market, span, historical=True)})


def batch_candlesticks(call: Call) -> Answer:
    tickers, markets, span = call.texts("market_tickers"), call.services.core.markets, _span(call)
    if not 1 <= len(tickers) <= _BOOKS_MAX:
        raise QueryInvalid("BatchGetMarketCandlesticks", "MarketTickers", "max" if tickers else "required")
    if span.candles * len(tickers) > _CANDLES_MAX:
        raise invalid(f"at most {_CANDLES_MAX} candlesticks over all markets")
    with_latest = call.flag("include_latest_before_start")
    rows = [
        {"market_ticker": ticker, "candlesticks": _candle_rows(markets[ticker], span, with_latest=with_latest)}
        for ticker in tickers
        if ticker in markets
    ]
    return Answer(body={"markets": rows})


def event_candlesticks(call: Call) -> Answer:
    core, span = call.services.core, _span(call)
    event = core.events.get(call.path_parameters["ticker"])
    if event is None or event.series_ticker != call.path_parameters["series_ticker"]:
        raise not_found()
    markets = [core.markets[market.ticker] for market in event.markets if market.ticker in core.markets]
    # Too many candles are cut at the end, and the answer says where (documented).
    most = _CANDLES_OF_ONE_MAX // max(1, len(markets))
    if span.candles > most:
        span = attrs.evolve(span, end_s=span.start_s + most * span.period_minutes * 60)
    return Answer(
        body={
            "market_tickers": [market.ticker for market in markets],
            "market_candlesticks": [_candle_rows(market, span) for market in markets],
            "adjusted_end_ts": span.end_s,
        }
    )


def historical_cutoff(call: Call) -> Answer:
    archive = call.services.archive
    markets = rfc3339(archive.markets_cutoff_ms())
    return Answer(
        body={
            "market_settled_ts": markets,
            "trades_created_ts": rfc3339(archive.trades_cutoff_ms()),
            "orders_updated_ts": rfc3339(archive.orders_cutoff_ms()),
            "market_positions_last_updated_ts": markets,
        }
    )
