"""Public reads of what is listed: series, events, markets, fee changes (kalshi-rest.md §7.2, §7.3)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Final

from kalshi.simulator.listings import EventListing
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.refusals import QueryInvalid, Refused, invalid, not_found
from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.views import Json, market_view
from kalshi.simulator.views_listings import (
    SETTLEMENT_SOURCE,
    event_fee_change_view,
    event_view,
    series_fee_change_view,
    series_view,
)
from kalshi.types import MarketStatus

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1_000
MARKET_TAGS: Final = ("gte", "lte")
_EVENTS_MAX: Final = 200
_FILTERS: Final = {
    "unopened": (MarketStatus.INITIALIZED,),
    "open": (MarketStatus.ACTIVE,),
    "paused": (MarketStatus.INACTIVE,),
    "closed": (MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED),
    "settled": (MarketStatus.FINALIZED,),
}
# Which status filters a pair of time filters may stand beside; none at all is always right.
_STATUS_BESIDE: Final[dict[str, tuple[str, ...]]] = {
    "created": ("unopened", "open"),
    "close": ("closed",),
    "settled": ("settled",),
    "updated": (),
}


def list_series(call: Call) -> Answer:
    category, tags, min_updated_s = call.text("category"), call.texts("tags"), call.integer("min_updated_ts")
    rows = [
        _series_json(call, series.ticker)
        for series in call.services.core.catalogue.series
        if category in (None, series.category)
        and (not tags or any(tag in series.tags for tag in tags))
        and (min_updated_s is None or _series_updated_ms(call, series.ticker) > min_updated_s * 1000)
    ]
    return Answer(body={"series": rows})


def get_series(call: Call) -> Answer:
    return Answer(body={"series": _series_json(call, call.path_parameters["series_ticker"])})


def _series_json(call: Call, ticker: str) -> Json:
    core = call.services.core
    series = next((one for one in core.catalogue.series if one.ticker == ticker), None)
    if series is None:
        raise not_found()
    volume_e2 = None
    if call.flag("include_volume"):
        volume_e2 = sum(market.volume_e2 for market in core.markets.values() if market.listing.series_ticker == ticker)
    fee = call.services.fee_changes.series_fee(ticker)
    view = series_view(series, fee, _series_updated_ms(call, ticker), volume_e2)
    return view | {"product_metadata": {}} if call.flag("include_product_metadata") else view


def _series_updated_ms(call: Call, ticker: str) -> int:
    markets = call.services.core.markets.values()
    return max((market.updated_ms for market in markets if market.listing.series_ticker == ticker), default=0)


def series_fee_changes(call: Call) -> Answer:
    series_ticker, now_ms = call.text("series_ticker"), call.services.core.now_ms()
    rows = [
        series_fee_change_view(change)
        for change in call.services.fee_changes.announced
        if change.event_ticker is None
        and series_ticker in (None, change.series_ticker)
        and (call.flag("show_historical") or change.scheduled_ms > now_ms)
    ]
    return Answer(body={"series_fee_change_arr": rows})


def event_fee_changes(call: Call) -> Answer:
    limit = call.limit("GetEventFeeChanges", PAGE_DEFAULT, PAGE_MAX)
    wanted = call.text("event_ticker")
    rows = [
        change
        for change in call.services.fee_changes.announced
        if change.event_ticker is not None and wanted in (None, change.event_ticker)
    ]
    chosen, cursor = call.page(rows, lambda change: (-change.scheduled_ms, change.change_id), limit)
    return Answer(body={"event_fee_changes": [event_fee_change_view(change) for change in chosen], "cursor": cursor})


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
    matches, numbers = _status_filter(call), {ticker: n for n, ticker in enumerate(call.services.core.events)}
    tickers, series_ticker = call.texts("tickers"), call.text("series_ticker")
    min_close_s, min_updated_s = call.integer("min_close_ts"), call.integer("min_updated_ts")

    def is_wanted(event: EventListing) -> bool:
        markets = _markets_of(call, event)
        return (
            series_ticker in (None, event.series_ticker)
            and (not tickers or event.ticker in tickers)
            and (min_close_s is None or any(market.close_ms > min_close_s * 1000 for market in markets))
            and (min_updated_s is None or any(market.updated_ms > min_updated_s * 1000 for market in markets))
            and any(matches(market) for market in markets)
        )

    rows = [event for event in call.services.core.events.values() if is_wanted(event)]
    chosen, cursor = call.page(rows, lambda event: (numbers[event.ticker], event.ticker), limit)
    nested = call.flag("with_nested_markets")
    body: Json = {"events": [_event_json(call, event, nested=nested) for event in chosen], "cursor": cursor}
    return Answer(body=body | {"milestones": []} if call.flag("with_milestones") else body)


def multivariate_events(call: Call) -> Answer:
    """Lists combos: none are listed here, so every filter gives an empty page."""
    call.limit("GetMultivariateEvents", PAGE_DEFAULT, _EVENTS_MAX)
    if call.text("series_ticker") and call.text("collection_ticker"):
        raise invalid("series_ticker and collection_ticker exclude each other")
    return Answer(body={"events": [], "cursor": ""})


def get_event(call: Call) -> Answer:
    event = _event(call)
    nested, bare = call.flag("with_nested_markets"), call.flag("exclude_markets")
    if nested and bare:
        raise invalid("exclude_markets and with_nested_markets exclude each other")
    markets = [] if nested or bare else _market_rows(call, _live_markets_of(call, event))
    return Answer(body={"event": _event_json(call, event, nested=nested), "markets": markets})


def event_metadata(call: Call) -> Answer:
    event = _event(call)
    details = [
        {
            "market_ticker": market.ticker,
            "image_url": "",
            "color_code": f"#{zlib.crc32(market.ticker.encode()):08x}"[:7],
        }
        for market in event.markets
    ]
    return Answer(body={"image_url": "", "settlement_sources": [SETTLEMENT_SOURCE], "market_details": details})


def _event(call: Call) -> EventListing:
    event = call.services.core.events.get(call.path_parameters["event_ticker"])
    if event is None:
        raise not_found()
    return event


def _markets_of(call: Call, event: EventListing) -> list[MarketState]:
    markets = call.services.core.markets
    return [markets[market.ticker] for market in event.markets if market.ticker in markets]


def _live_markets_of(call: Call, event: EventListing) -> list[MarketState]:
    return [market for market in _markets_of(call, event) if not call.services.archive.has_market(market)]


def _event_json(call: Call, event: EventListing, *, nested: bool) -> Json:
    updated_ms = max((market.updated_ms for market in _markets_of(call, event)), default=event.created_ms)
    rows = _market_rows(call, _live_markets_of(call, event)) if nested else None
    return event_view(event, updated_ms, rows, call.services.fee_changes.override(event.ticker))


def _market_rows(call: Call, markets: Iterable[MarketState]) -> list[Json]:
    now_ms = call.services.core.now_ms()
    return [market_view(market, now_ms) for market in markets]


def list_markets(call: Call) -> Answer:
    limit = call.limit("GetMarkets", PAGE_DEFAULT, PAGE_MAX, MARKET_TAGS)
    if call.text("mve_filter") not in (None, "only", "exclude"):
        raise QueryInvalid("GetMarkets", "MveFilter", "oneof")
    _check_time_filters(call)
    archive = call.services.archive
    rows = [] if call.text("mve_filter") == "only" else _matching_markets(call)
    live = [market for market in rows if not archive.has_market(market)]
    chosen, cursor = call.page(live, _order_of(call.text("status")), limit)
    return Answer(body={"markets": _market_rows(call, chosen), "cursor": cursor})


def historical_markets(call: Call) -> Answer:
    limit = call.limit("GetHistoricalMarkets", PAGE_DEFAULT, PAGE_MAX, MARKET_TAGS)
    if call.text("mve_filter") not in (None, "exclude"):
        raise QueryInvalid("GetHistoricalMarkets", "MveFilter", "oneof")
    rows = [market for market in _matching_markets(call) if call.services.archive.has_market(market)]
    chosen, cursor = call.page(rows, _order_of("settled"), limit)
    return Answer(body={"markets": _market_rows(call, chosen), "cursor": cursor})


def _order_of(status: str | None) -> Callable[[MarketState], tuple[int, str]]:
    """Returns the order that was seen: newest first; latest close first for closed; latest settled first."""
    match status:
        case "closed":
            return lambda market: (-market.close_ms, market.ticker)
        case "settled":
            return lambda market: (-(market.settled_ms or 0), market.ticker)
        case _:
            return lambda market: (-market.listing.created_ms, market.ticker)


def _check_time_filters(call: Call) -> None:
    """Raises Refused where time filters and other filters do not go together (rules of `GET /markets`)."""
    named = [
        name
        for name in _STATUS_BESIDE
        if call.integer(f"min_{name}_ts") is not None or call.integer(f"max_{name}_ts") is not None
    ]
    if not named:
        return
    if len(named) > 1:
        raise Refused(400, "bad_request", details=f"{named[0]} and {named[1]} time filters exclude each other")
    status = call.text("status")
    if status is not None and status not in _STATUS_BESIDE[named[0]]:
        raise Refused(400, "bad_request", details=f"{named[0]} time filters do not go with status {status}")
    others = [name for name in ("event_ticker", "tickers") if call.text(name)]
    if named == ["updated"] and (others or call.text("mve_filter") != "exclude"):
        raise Refused(400, "bad_request", details="updated time filters need mve_filter=exclude and no other filter")


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
        and _inside(call, "updated", market.updated_ms)
    ]


def _inside(call: Call, name: str, time_ms: int | None) -> bool:
    earliest_s, latest_s = call.integer(f"min_{name}_ts"), call.integer(f"max_{name}_ts")
    if earliest_s is None and latest_s is None:
        return True
    if time_ms is None:
        return False
    if earliest_s is not None and (time_ms < earliest_s * 1000 or (name == "updated" and time_ms == earliest_s * 1000)):
        return False  # updated times are later than the filter, the others are from it on
    return latest_s is None or time_ms <= latest_s * 1000


def find_market(call: Call, *, historical: bool = False) -> MarketState:
    """Returns the market of the path from the live or the historical half. Raises Refused."""
    market = call.services.core.markets.get(call.path_parameters["ticker"])
    if market is None or call.services.archive.has_market(market) is not historical:
        raise not_found()
    return market


def get_market(call: Call) -> Answer:
    return Answer(body={"market": market_view(find_market(call), call.services.core.now_ms())})


def historical_market(call: Call) -> Answer:
    return Answer(body={"market": market_view(find_market(call, historical=True), call.services.core.now_ms())})
