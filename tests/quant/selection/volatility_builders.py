"""Markets, their listings and seeded price paths for the tests of the volatility scanner."""

from __future__ import annotations

from typing import Any

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import MarketStatus, PriceRange
from quant.selection import volatility_market, volatility_scan
from quant.selection.volatility_market import Touch
from quant.selection.volatility_scan import EventSeen, Scanner, ScanParameters
from quant.selection.volatility_tracking import Listing
from tests.quant.builders import level

NOW_MS = 1_790_000_000_000
NOW_S = 10_000.0
HOUR_MS = 3_600_000
SWEEP_S = 3
PARAMETERS = ScanParameters()
CENTS = (PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(100)),)
LIVELY = Listing(
    ticker="A",
    event_ticker="E",
    category="Economics",
    status=MarketStatus.ACTIVE,
    market_type="binary",
    close_time_ms=NOW_MS + 6 * HOUR_MS,
    yes_bid_e4=PriceE4(4_900),
    yes_ask_e4=PriceE4(5_100),
    yes_bid_size_e2=CountE2(20_000),
    yes_ask_size_e2=CountE2(20_000),
    volume_24h_e2=CountE2(5_000_000),
    price_ranges=CENTS,
)


def listing(**changes: Any) -> Listing:
    return attrs.evolve(LIVELY, **changes)


def touch(mid_cents: float, *, half_spread_cents: float = 1.0, depth_e2: int = 20_000, levels: int = 3) -> Touch:
    return Touch(
        bid=level(round(100 * (mid_cents - half_spread_cents)), depth_e2),
        ask=level(round(100 * (mid_cents + half_spread_cents)), depth_e2),
        levels=levels,
    )


def watching(*listings: Listing, parameters: ScanParameters = PARAMETERS, now_s: float = NOW_S) -> Scanner:
    scanner, _, unusable = volatility_scan.track(Scanner(), listings or (LIVELY,), now_s, parameters)
    assert not unusable
    return scanner


def run_path(
    scanner: Scanner,
    cents: list[float],
    *,
    ticker: str = "A",
    start_s: float = NOW_S,
    parameters: ScanParameters = PARAMETERS,
) -> tuple[Scanner, list[tuple[float, EventSeen]], dict[str, tuple[str, ...]]]:
    """One mid a second with a trade in each, a sweep every three; returns what was seen of events, and when."""
    events: list[tuple[float, EventSeen]] = []
    verdicts: dict[str, tuple[str, ...]] = {}
    for second, mid in enumerate(cents):
        at_s = start_s + second

        def observe(market: volatility_market.WatchedMarket, at_s: float = at_s, mid: float = mid) -> Any:
            return volatility_market.traded(volatility_market.seen(market, touch(mid), at_s), at_s)

        scanner = volatility_scan.changed(scanner, ticker, observe)
        if second % SWEEP_S == 0:
            swept = volatility_scan.sweep(scanner, at_s, NOW_MS + round(1000 * (at_s - NOW_S)), parameters)
            scanner = swept.scanner
            events += [(at_s, event) for event in swept.events]
            verdicts |= swept.verdicts
    return scanner, events, verdicts
