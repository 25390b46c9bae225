"""The index feeds of the socket: simulated coin prices that agree with what the coin's ladder of markets believes.

The price of a coin is read off its ladder: the strike that is as likely as not to be exceeded, interpolated between
the listed strikes. So the feed and the markets tell one story, as an index and the markets on it do.

Rules (kalshi-asyncapi.yaml, channels cfbenchmarks_value, cfbenchmarks_value_5hz, pyth_value):
1. One tick a second, or five, per index, and only while somebody listens.
2. The average covers the 60 s before a tick; without earlier ticks it is the tick's own value. In the last minute
   of a quarter hour a second average covers that minute, its start excluded, its end included.
3. The real feeds are paid for: without the switch `socket_index_channels` a subscribe is error 9. Nothing is
   simulated behind pyth_value: it can be subscribed to and stays silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final

import attrs

from kalshi.simulator.market_state import MarketState
from kalshi.simulator.views import Json

_MINUTE_MS: Final = 60_000
_QUARTER_MS: Final = 15 * _MINUTE_MS
_EVEN_E4: Final = 5_000
_COINS: Final = {"BRTI": "KXBTCD", "ETHUSD_RTI": "KXETHD"}
# Ticks that a tape keeps: the longest window of rule 2 at five a second.
TICKS_MAX: Final = 5 * 60 + 10


@attrs.frozen(kw_only=True)
class IndexFeed:
    """The words of one feed: its key for names, its actions, its list frame, the error without names."""

    key: str
    add_action: str
    remove_action: str
    list_action: str
    list_type: str
    missing_code: int
    period_ms: int
    available: tuple[str, ...]


def _coin_feed(name: str, period_ms: int) -> IndexFeed:
    return IndexFeed(
        key="index_ids",
        add_action="subscribe_indices",
        remove_action="unsubscribe_indices",
        list_action="indexlist",
        list_type=f"{name}_indexlist",
        missing_code=24,
        period_ms=period_ms,
        available=tuple(_COINS),
    )


INDEX_FEEDS: Final[Mapping[str, IndexFeed]] = {
    "cfbenchmarks_value": _coin_feed("cfbenchmarks_value", 1_000),
    "cfbenchmarks_value_5hz": _coin_feed("cfbenchmarks_value_5hz", 200),
    "pyth_value": IndexFeed(
        key="underlying_tickers",
        add_action="subscribe_underlyings",
        remove_action="unsubscribe_underlyings",
        list_action="underlying_list",
        list_type="pyth_value_underlying_list",
        missing_code=28,
        period_ms=1_000,
        available=(),
    ),
}


class IndexTape:
    """The ticks of one feed: `advance` makes what is due and returns it by index."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._feed = INDEX_FEEDS[channel]
        self._next_ms = 0
        self._ticks: dict[str, deque[tuple[int, int]]] = {}

    def advance(self, markets: Iterable[MarketState], now_ms: int) -> dict[str, Json]:
        """Returns the msg of each index that ticks now; values in 1/100,000,000 dollar on the way."""
        if now_ms < self._next_ms:
            return {}
        self._next_ms = now_ms - now_ms % self._feed.period_ms + self._feed.period_ms
        ladders = _ladders(markets)
        messages: dict[str, Json] = {}
        for index_id in self._feed.available:
            value_e8 = implied_value_e8(ladders.get(_COINS[index_id], ()))
            if value_e8 is not None:
                messages[index_id] = self._message(index_id, value_e8, now_ms)
        return messages

    def _message(self, index_id: str, value_e8: int, now_ms: int) -> Json:
        ticks = self._ticks.setdefault(index_id, deque(maxlen=TICKS_MAX))
        raw = f'{{"type":"value","id":"{index_id}","time":{now_ms},"value":"{_text(value_e8)[:-6]}"}}'
        view: Json = {"index_id": index_id, "received_at": now_ms, "data": raw}
        if self.channel == "cfbenchmarks_value_5hz":
            return view | {"value_usd": _text(value_e8), "source_ts_ms": now_ms}
        before = [value for at_ms, value in ticks if now_ms - _MINUTE_MS <= at_ms < now_ms]
        view["avg_60s_data"] = _average(before, value_e8, now_ms - _MINUTE_MS, now_ms)
        ticks.append((now_ms, value_e8))
        quarter_ms = -(-now_ms // _QUARTER_MS) * _QUARTER_MS
        if now_ms > quarter_ms - _MINUTE_MS:
            inside = [value for at_ms, value in ticks if at_ms > quarter_ms - _MINUTE_MS]
            view["last_60s_windowed_average_15min"] = _average(inside, value_e8, quarter_ms - _MINUTE_MS, quarter_ms)
        return view


def _average(values: list[int], fallback_e8: int, start_ms: int, end_ms: int) -> Json:
    value_e8 = sum(values) // len(values) if values else fallback_e8
    return {
        "value": _text(value_e8),
        "window_size": len(values),
        "window_start_ts_ms": start_ms,
        "window_end_ts_exclusive": end_ms,
    }


def _text(value_e8: int) -> str:
    return f"{value_e8 // 10**8}.{value_e8 % 10**8:08d}"


def _ladders(markets: Iterable[MarketState]) -> dict[str, list[tuple[float, int]]]:
    ladders: dict[str, list[tuple[float, int]]] = {}
    for market in markets:
        listing = market.listing
        if listing.floor_strike is not None and listing.series_ticker in _COINS.values():
            ladders.setdefault(listing.series_ticker, []).append((listing.floor_strike, market.fair_e4))
    return ladders


def implied_value_e8(ladder: Iterable[tuple[float, int]]) -> int | None:
    """Returns where a ladder of (strike in dollars, chance in 1/10,000) crosses one half; None for no ladder."""
    rungs = sorted(ladder)
    if not rungs:
        return None
    low, high = rungs[0], rungs[-1]
    for below, above in pairwise(rungs):
        if below[1] >= _EVEN_E4 > above[1]:
            low, high = below, above
            break
    if low[1] == high[1]:
        return round(low[0] * 10**8)
    # Outside the ladder the line through its ends goes on, held within one ladder's width.
    share = min(max((low[1] - _EVEN_E4) / (low[1] - high[1]), -1.0), 2.0)
    return round((low[0] + share * (high[0] - low[0])) * 10**8)
