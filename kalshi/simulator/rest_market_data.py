"""Public reads: exchange, series, events, markets, books, trades, candles (kalshi-rest.md §7.1-7.3, §12)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from kalshi.simulator.listings import EventListing
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Trade
from kalshi.simulator.refusals import QueryInvalid, Refused, invalid, not_found
from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.timestamps import rfc3339
from kalshi.simulator.views import (
    Json,
    candle_view,
    event_view,
    market_view,
    orderbook_view,
    series_view,
    trade_view,
)
from kalshi.simulator.wire_numbers import count_text
from kalshi.types import MarketStatus

_MARKETS_MAX: Final = 1_000
_EVENTS_MAX: Final = 200
_TRADES_MAX: Final = 1_000
_BOOKS_MAX: Final = 100
_CANDLES_MAX: Final = 10_000
_DAY_MS: Final = 86_400_000
_FILTERS: Final = {
    "unopened": (MarketStatus.INITIALIZED,),
    "open": (MarketStatus.ACTIVE,),
    "paused": (MarketStatus.INACTIVE,),
    "closed": (MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED),
    "settled": (MarketStatus.FINALIZED,),
}


def exchange_status(call: Call) -> Answer:
    core = call.services.core
    shards = sorted({market.exchange_index for market in core.markets.values()})
    flags: Json = {
        "exchange_active": core.exchange_active,
        "trading_active": core.trading_active,
        "intra_exchange_transfers_active": False,
    }
    statuses = [{"exchange_index": shard, "description": f"shard {shard}", **flags} for shard in shards]
    return Answer(body=flags | {"exchange_index_statuses": statuses})


def exchange_schedule(call: Call) -> Answer:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    hours = {day: [{"open_time": "00:00", "close_time": "00:00"}] for day in days}
    now_ms = call.services.core.now_ms()
    window = {"start_time": rfc3339(now_ms - _DAY_MS), "end_time": rfc3339(now_ms + 365 * _DAY_MS), **hours}
    return Answer(body={"schedule": {"standard_hours": [window], "maintenance_windows": []}})


def user_data_timestamp(call: Call) -> Answer:
    return Answer(body={"as_of_time": rfc3339(call.services.reads.as_of_ms())})


def list_series(call: Call) -> Answer:
    category, tags = call.text("category"), call.texts("tags")
    rows = [
        _series_json(call, series.ticker)
        for series in call.services.core.catalogue.series
        if category in (None, series.category) and (not tags or any(tag in series.tags for tag in tags))
    ]
    return Answer(body={"series": rows})


def get_series(call: Call) -> Answer:
    return Answer(body={"series": _series_json(call, call.path_parameters["series_ticker"])})


def _series_json(call: Call, ticker: str) -> Json:
    core = call.services.core
    series = next((one for one in core.catalogue.series if one.ticker == ticker), None)
    if series is None:
        raise not_found()
    mine = [market for market in core.markets.values() if market.listing.series_ticker == ticker]
    volume_e2 = sum(market.volume_e2 for market in mine) if call.flag("include_volume") else None
    return series_view(series, max((market.updated_ms for market in mine), default=0), volume_e2)


def no_fee_changes(call: Call) -> Answer:
    return Answer(body={"series_fee_change_arr": []})


def no_event_fee_changes(call: Call) -> Answer:
    return Answer(body={"event_fee_changes": [], "cursor": ""})


def _status_filter(call: Call) -> Callable[[MarketState], bool]:
    status, now_ms = call.text("status"), call.services.core.now_ms()
    if status is None:
        return lambda market: True
    if status not in _FILTERS:
        raise Refused(400, "bad_request", details="invalid status filter")
    wanted = _FILTERS[status]

    def matches(market: MarketState) -> bool:
        is_past = market.status is MarketStatus.ACTIVE and now_ms >= market.close_ms
        return (MarketStatus.CLOSED if is_past else market.status) in wanted

    return matches


def list_events(call: Call) -> Answer:
    limit = call.limit("GetEvents", _EVENTS_MAX, _EVENTS_MAX)
    matches = _status_filter(call)
    tickers, series_ticker, min_close_s = (
        call.texts("tickers"),
        call.text("series_ticker"),
        call.integer("min_close_ts"),
    )
    core = call.services.core
    rows = [
        event
        for event in core.events.values()
        if series_ticker in (None, event.series_ticker)
        and (not tickers or event.ticker in tickers)
        and (min_close_s is None or event.strike_ms >= min_close_s * 1000)
        and any(matches(core.markets[market.ticker]) for market in event.markets)
    ]
    chosen, cursor = call.page(rows, lambda event: event.ticker, limit)
    nested = call.flag("with_nested_markets")
    return Answer(body={"events": [_event_json(call, event, nested=nested) for event in chosen], "cursor": cursor})


def get_event(call: Call) -> Answer:
    event = call.services.core.events.get(call.path_parameters["event_ticker"])
    if event is None:
        raise not_found()
    nested = call.flag("with_nested_markets")
    body: Json = {"event": _event_json(call, event, nested=nested)}
    return Answer(body=body if nested else body | {"markets": _market_rows(call, _markets_of(call, event))})


def event_metadata(call: Call) -> Answer:
    if call.path_parameters["event_ticker"] not in call.services.core.events:
        raise not_found()
    return Answer(body={"image_url": "", "settlement_sources": [], "market_details": []})


def _markets_of(call: Call, event: EventListing) -> list[MarketState]:
    return [call.services.core.markets[market.ticker] for market in event.markets]


def _event_json(call: Call, event: EventListing, *, nested: bool) -> Json:
    markets = _markets_of(call, event)
    rows = _market_rows(call, markets) if nested else None
    return event_view(event, max(market.updated_ms for market in markets), rows)


def _market_rows(call: Call, markets: Iterable[MarketState]) -> list[Json]:
    now_ms = call.services.core.now_ms()
    return [market_view(market, now_ms) for market in markets]


def list_markets(call: Call) -> Answer:
    limit = call.limit("GetMarkets", 100, _MARKETS_MAX)
    if call.text("mve_filter") not in (None, "only", "exclude"):
        raise QueryInvalid("GetMarkets", "MveFilter", "oneof")
    rows = [] if call.text("mve_filter") == "only" else _matching_markets(call)
    if call.text("status") in ("closed", "settled"):
        rows.sort(key=lambda market: (-market.close_ms, market.ticker))
    else:
        rows.sort(key=lambda market: (-market.listing.created_ms, market.ticker))
    chosen, cursor = call.page(rows, lambda market: market.ticker, limit)
    return Answer(body={"markets": _market_rows(call, chosen), "cursor": cursor})


def _matching_markets(call: Call) -> list[MarketState]:
    matches, tickers = _status_filter(call), call.texts("tickers")
    event_ticker, series_ticker = call.text("event_ticker"), call.text("series_ticker")
    return [
        market
        for market in call.services.core.markets.values()
        if matches(market)
        and (not tickers or market.ticker in tickers)
        and event_ticker in (None, market.listing.event_ticker)
        and series_ticker in (None, market.listing.series_ticker)
        and _inside(call, "close", market.close_ms)
        and _inside(call, "created", market.listing.created_ms)
        and _inside(call, "settled", market.settled_ms)
    ]


def _inside(call: Call, name: str, time_ms: int | None) -> bool:
    earliest_s, latest_s = call.integer(f"min_{name}_ts"), call.integer(f"max_{name}_ts")
    if earliest_s is None and latest_s is None:
        return True
    if time_ms is None:
        return False
    return (earliest_s is None or time_ms >= earliest_s * 1000) and (latest_s is None or time_ms <= latest_s * 1000)


def _market(call: Call) -> MarketState:
    market = call.services.core.markets.get(call.path_parameters["ticker"])
    if market is None:
        raise not_found()
    return market


def get_market(call: Call) -> Answer:
    return Answer(body={"market": market_view(_market(call), call.services.core.now_ms())})


def get_orderbook(call: Call) -> Answer:
    depth = call.integer("depth") or 0
    if not 0 <= depth <= 100:
        raise QueryInvalid("GetMarketOrderbook", "Depth", "lte")
    return Answer(body={"orderbook_fp": orderbook_view(_market(call), depth)})


def list_orderbooks(call: Call) -> Answer:
    tickers = call.texts("tickers")
    if not 1 <= len(tickers) <= _BOOKS_MAX:
        raise QueryInvalid("GetMarketOrderbooks", "Tickers", "lte" if tickers else "required")
    markets = call.services.core.markets
    rows = [
        {"ticker": ticker, "orderbook_fp": orderbook_view(markets[ticker])} for ticker in tickers if ticker in markets
    ]
    return Answer(body={"orderbooks": rows})


def list_trades(call: Call) -> Answer:
    limit = call.limit("GetTrades", 100, _TRADES_MAX)
    ticker, min_s, max_s = call.text("ticker"), call.integer("min_ts"), call.integer("max_ts")
    core = call.services.core
    rows: list[Trade] = [
        trade
        for market in core.markets.values()
        if ticker in (None, market.ticker)
        for trade in market.history.tape
        if (min_s is None or trade.ts_ms >= min_s * 1000) and (max_s is None or trade.ts_ms <= max_s * 1000)
    ]
    rows.sort(key=lambda trade: -trade.ts_ms)
    chosen, cursor = call.page(rows, lambda trade: trade.trade_id, limit)
    legacy = core.settings.legacy_direction_fields
    return Answer(body={"trades": [trade_view(trade, legacy=legacy) for trade in chosen], "cursor": cursor})


def _candle_rows(call: Call, market: MarketState) -> list[Json]:
    start_s, end_s, period = call.integer("start_ts"), call.integer("end_ts"), call.integer("period_interval")
    if start_s is None or end_s is None or period is None:
        raise invalid("start_ts, end_ts and period_interval are required")
    if period not in (1, 60, 1_440):
        raise invalid("period_interval must be 1, 60 or 1440")
    if (end_s - start_s) // (period * 60) > _CANDLES_MAX:
        raise invalid(f"at most {_CANDLES_MAX} candlesticks")
    half_e4, interest_e2 = market.listing.half_spread_e4, market.open_interest_e2
    return [candle_view(candle, half_e4, interest_e2) for candle in market.history.candles(start_s, end_s, period)]


def market_candlesticks(call: Call) -> Answer:
    market = _market(call)
    if market.listing.series_ticker != call.path_parameters["series_ticker"]:
        raise not_found()
    return Answer(body={"ticker": market.ticker, "candlesticks": _candle_rows(call, market)})


def batch_candlesticks(call: Call) -> Answer:
    tickers, markets = call.texts("market_tickers"), call.services.core.markets
    if not 1 <= len(tickers) <= _BOOKS_MAX:
        raise QueryInvalid("BatchGetMarketCandlesticks", "MarketTickers", "lte" if tickers else "required")
    rows = [
        {"market_ticker": ticker, "candlesticks": _candle_rows(call, markets[ticker])}
        for ticker in tickers
        if ticker in markets
    ]
    return Answer(body={"markets": rows})


def incentive_programs(call: Call) -> Answer:
    """Lists one liquidity program for every fourth market: the wider ones of the catalogue."""
    core = call.services.core
    if call.text("type") not in (None, "all", "liquidity") or call.text("status") in ("closed", "upcoming", "paid_out"):
        return Answer(body={"incentive_programs": [], "next_cursor": ""})
    day_ms = core.now_ms() // _DAY_MS * _DAY_MS
    rows = [
        {
            "id": f"liquidity-{market.ticker}-{day_ms // _DAY_MS}",
            "market_id": market.ticker,
            "market_ticker": market.ticker,
            "incentive_type": "liquidity",
            "incentive_description": "",
            "start_date": rfc3339(day_ms),
            "end_date": rfc3339(day_ms + _DAY_MS - 1),
            "period_reward": 1_000_000,
            "paid_out": False,
            "discount_factor_bps": 5_000,
            "target_size_fp": count_text(30_000),
        }
        for market in list(core.markets.values())[::4]
        if market.is_tradable(core.now_ms())
    ]
    return Answer(body={"incentive_programs": rows, "next_cursor": ""})


def historical_cutoff(call: Call) -> Answer:
    now_ms = call.services.core.now_ms()
    old = rfc3339((now_ms - 90 * _DAY_MS) // _DAY_MS * _DAY_MS)
    return Answer(
        body={
            "market_settled_ts": old,
            "trades_created_ts": old,
            "orders_updated_ts": rfc3339((now_ms - 14 * _DAY_MS) // _DAY_MS * _DAY_MS),
        }
    )
