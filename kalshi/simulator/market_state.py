"""One listed market while the exchange runs: its book, its money, its figures and where it is in its life."""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.simulator.clearing import MarketClearing
from kalshi.simulator.engine import MatchingEngine
from kalshi.simulator.history import MarketHistory
from kalshi.simulator.listings import EventListing, MarketListing
from kalshi.simulator.orders import Trade
from kalshi.simulator.wire_numbers import DOLLAR_E4, DOLLAR_E6
from kalshi.types import MarketStatus

_ACTIVE: Final = MarketStatus.ACTIVE


@attrs.frozen
class Quote:
    """The best of both sides; an empty side shows 0 or 1 dollar and size zero, as the exchange writes it."""

    bid_e4: int
    bid_e2: int
    ask_e4: int
    ask_e2: int


@attrs.define(kw_only=True, eq=False)
class MarketState:
    """Mutable state of one market; prices in 1/10,000 dollar, counts in 1/100 contract, times in ms."""

    listing: MarketListing
    event: EventListing
    engine: MatchingEngine
    clearing: MarketClearing
    history: MarketHistory
    close_ms: int
    updated_ms: int
    status: MarketStatus = MarketStatus.ACTIVE
    last_price_e4: int = 0
    last_trade_e2: int = 0
    traded_e2: int = 0
    traded_money_e6: int = 0
    fair_e4: int = 0
    result: str = ""
    settlement_value_e4: int | None = None
    expiration_value: str = ""  # what the result was read from, once it is known
    settled_ms: int | None = None
    next_step_ms: int | None = None
    # Every operation asks for these two, and they never change.
    ticker: str = attrs.field(init=False)
    exchange_index: int = attrs.field(init=False)
    clock: int = 0  # the action that changed it last; 0 before the first

    def __attrs_post_init__(self) -> None:
        self.ticker = self.listing.ticker
        self.exchange_index = self.listing.exchange_index

    @property
    def volume_e2(self) -> int:
        return self.listing.volume_e2 + self.traded_e2

    @property
    def volume_24h_e2(self) -> int:
        return self.listing.volume_24h_e2 + self.traded_e2

    @property
    def dollar_volume(self) -> int:
        """Whole dollars traded; what was traded before the start is taken at the value that the market began with."""
        return (self.listing.volume_e2 * self.listing.fair_e4 + self.traded_money_e6) // DOLLAR_E6

    @property
    def open_interest_e2(self) -> int:
        return self.listing.open_interest_e2 + self.clearing.open_interest_e2

    def is_tradable(self, now_ms: int) -> bool:
        """Says whether orders are taken: the clock closes a market even before its orders are gone."""
        return self.status is _ACTIVE and now_ms < self.close_ms

    def quote(self) -> Quote:
        """Returns the present best bid and ask."""
        bid_e4, ask_e4 = self.engine.bids.best_price_e4(), self.engine.asks.best_price_e4()
        return Quote(
            bid_e4=bid_e4 or 0,
            bid_e2=self.engine.bids.top_size_e2(),
            ask_e4=DOLLAR_E4 if ask_e4 is None else ask_e4,
            ask_e2=self.engine.asks.top_size_e2(),
        )

    def record_trade(self, trade: Trade) -> None:
        """Takes a trade into the market's figures, tape and candles."""
        self.last_price_e4 = trade.price_e4
        self.last_trade_e2 = trade.count_e2
        self.traded_e2 += trade.count_e2
        self.traded_money_e6 += trade.price_e4 * trade.count_e2
        self.history.record(trade)
