"""What is listed: series, events and markets as fixed facts, before anything trades.

Times in ms, prices in 1/10,000 dollar, counts in 1/100 contract.
"""

from __future__ import annotations

import attrs

from kalshi.simulator.price_grid import STRUCTURES, GridRange


@attrs.frozen(kw_only=True)
class SeriesListing:
    ticker: str
    title: str
    category: str
    frequency: str
    tags: tuple[str, ...] = ()
    fee_type: str = "quadratic"
    fee_multiplier_e4: int = 10_000
    exchange_index: int = 0


@attrs.frozen(kw_only=True)
class MarketListing:
    """One binary market; `fair_e4` is the hidden truth at boot, `half_spread_e4` how wide its makers quote."""

    ticker: str
    event_ticker: str
    series_ticker: str
    title: str
    yes_sub_title: str
    created_ms: int
    open_ms: int
    close_ms: int
    structure: str
    exchange_index: int
    fair_e4: int
    half_spread_e4: int
    trades_per_minute: float
    volume_e2: int
    volume_24h_e2: int
    open_interest_e2: int
    fee_waiver_until_ms: int | None = None  # no trade costs a fee before
    floor_strike: float | None = None
    strike_type: str = "custom"
    # How this market's traders differ from the usual: sizes as multiples, time between two looks of a maker too.
    maker_size: float = 1.0
    taker_size: float = 1.0
    look_scale: float = 1.0

    @property
    def price_ranges(self) -> tuple[GridRange, ...]:
        return STRUCTURES[self.structure]


@attrs.frozen(kw_only=True)
class EventListing:
    """A question with its markets. In a ladder (not mutually exclusive) a higher strike is less likely.

    `coin` names the coin whose price decides it; `volatility` is a multiple of the usual movement.
    """

    ticker: str
    series_ticker: str
    title: str
    sub_title: str
    category: str
    mutually_exclusive: bool
    strike_ms: int
    exchange_index: int
    created_ms: int
    markets: tuple[MarketListing, ...]
    coin: str = ""
    volatility: float = 1.0
    fee_type_override: str | None = None
    fee_multiplier_override_e4: int | None = None


@attrs.frozen(kw_only=True)
class Catalogue:
    """Everything listed, in listing order."""

    series: tuple[SeriesListing, ...]
    events: tuple[EventListing, ...]

    @property
    def markets(self) -> tuple[MarketListing, ...]:
        return tuple(market for event in self.events for market in event.markets)
