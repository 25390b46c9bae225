"""What the exchange in the middle must know of real markets: their facts when an order may come, their ends later.

A market is listed when its book is first wanted, with the event and series it belongs to; what passes by in answers
to the bot is learned from, so that most of it is known by then. Afterwards the real exchange's word decides: its
lifecycle frames, and every POLL_S a read of the exchange's state and of each market that our account has to do
with. Our own lifecycle draws no result, ever: it waits for the real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import trio

from actors.runtime.child import Log
from kalshi import rest_market_answers as answers
from kalshi.errors import ExchangeError
from kalshi.rest import RestClient
from kalshi.rest_wire import PARSE_ERRORS
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.fees import MAKER_RATES_E4
from kalshi.simulator.listings import EventListing, MarketListing, SeriesListing
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.price_grid import STRUCTURES
from kalshi.simulator.replay_market import ReplayMarkets
from kalshi.simulator.wire_numbers import read_decimal
from kalshi.types import Event, ExchangeStatus, Market, MarketStatus, PriceRange, Series

POLL_S: Final = 30.0
# Markets that were seen and may be wanted; a whole exchange has some 50,000, most of them never.
LEARNED_MAX: Final = 100_000
# A grid that we do not know by name: the finest one refuses nothing that the bot, which knows the ranges, would send.
_FINEST: Final = "center_centi_edge_centi_cent"
# Fees of a type that is not known here: the dearest one, so that nothing looks better than it is.
_DEAREST: Final = "quadratic_with_combo_maker_fees"
_OVER: Final = (MarketStatus.DETERMINED, MarketStatus.FINALIZED)


class Listings:
    """Lists real markets on the exchange in the middle, and lets them end as they really do."""

    def __init__(self, client: RestClient, exchange: SimulatedExchange, markets: ReplayMarkets, log: Log) -> None:
        self._client = client
        self._exchange = exchange
        self._markets = markets
        self._log = log
        self._events: dict[str, Event] = {}
        self._series: dict[str, Series] = {}
        self._known: dict[str, Market] = {}
        self._one_at_a_time = trio.Lock()

    def learn(self, path: str, body: bytes) -> None:
        """Learns from an answer that passes by; one that cannot be read is the reader's to judge."""
        try:
            if path == "/events":
                for event in answers.parse_events(body)[0]:
                    self._learn_event(event)
            elif path == "/series":
                self._series.update({series.ticker: series for series in answers.parse_series_list(body)})
        except PARSE_ERRORS as error:
            self._log.debug(f"nothing learned from {path}: {error}")

    def _learn_event(self, event: Event) -> None:
        if len(self._known) < LEARNED_MAX:
            self._events[event.ticker] = event
            self._known.update({market.ticker: market for market in event.markets})

    async def list_markets(self, tickers: tuple[str, ...]) -> None:
        """Lists those that are not listed yet; one that the exchange does not tell of is left out."""
        async with self._one_at_a_time:
            for ticker in tickers:
                if ticker in self._exchange.core.markets:
                    continue
                try:
                    await self._list(ticker)
                except ExchangeError as error:
                    # Orders for it will be refused as for an unknown market, which the bot survives.
                    self._log.warning(f"{ticker} cannot be listed: {error}")

    async def _list(self, ticker: str) -> None:
        market = self._known.pop(ticker, None) or await self._client.market(ticker)
        event = self._events.get(market.event_ticker) or await self._client.event(market.event_ticker)
        self._events[event.ticker] = event
        series = self._series.get(event.series_ticker) or await self._client.series(event.series_ticker)
        self._series[series.ticker] = series
        listing = market_listing(market, event)
        self._exchange.core.list_market(series_listing(series, event), event_listing(event, market, listing), listing)
        self._markets.drive(ticker)

    # -- how markets end --

    def take_frame(self, frame: Mapping[str, Any]) -> None:
        """Takes one frame of the lifecycle channel; what it does not understand, the next poll tells."""
        msg = frame.get("msg")
        state = self._exchange.core.markets.get(msg.get("market_ticker", "")) if isinstance(msg, Mapping) else None
        if state is None or not isinstance(msg, Mapping):
            return
        try:
            match msg.get("event_type"):
                case "determined":
                    value = msg.get("settlement_value")
                    self._determine(state, str(msg["result"]), None if value is None else read_decimal(value, 4))
                case "close_date_updated":
                    self._exchange.lifecycle.schedule_close(state.ticker, int(msg["close_ts"]) * 1000)
                case "deactivated":
                    self._set_status(state, MarketStatus.INACTIVE)
                case "activated":
                    self._set_status(state, MarketStatus.ACTIVE)
        except (KeyError, TypeError, ValueError) as error:
            self._log.warning(f"a lifecycle frame of {state.ticker} cannot be read: {error}")

    async def watch(self) -> None:
        """Reads whether the exchange trades, and the markets that matter to our account, every POLL_S."""
        while True:
            await trio.sleep(POLL_S)
            try:
                self._pause_as(await self._client.exchange_status())
            except ExchangeError as error:
                self._log.warning(f"the state of the exchange cannot be read: {error}")
            for ticker in self._of_our_account():
                try:
                    self._compare(self._exchange.core.markets[ticker], await self._client.market(ticker))
                except ExchangeError as error:
                    self._log.warning(f"{ticker} cannot be read: {error}")

    def _pause_as(self, real: ExchangeStatus) -> None:
        core = self._exchange.core
        if (core.trading_active, core.exchange_active) != (real.trading_active, real.exchange_active):
            self._exchange.lifecycle.set_pause(trading_active=real.trading_active, exchange_active=real.exchange_active)

    def _of_our_account(self) -> list[str]:
        core = self._exchange.core
        held = {
            ticker
            for account in core.accounts_by_key.values()
            for ticker, position in account.positions.items()
            if position.count_e2
        }
        return sorted(held | {order.ticker for order in core.open_orders.values()})

    def _compare(self, state: MarketState, real: Market) -> None:
        if real.status in _OVER and real.result:
            self._determine(state, real.result, real.settlement_value_e4)
        elif real.status is MarketStatus.CLOSED:
            if state.close_ms > self._exchange.core.now_ms():
                self._exchange.lifecycle.schedule_close(state.ticker, self._exchange.core.now_ms())
        else:
            self._set_status(state, real.status)
            if real.close_time_ms != state.close_ms:
                self._exchange.lifecycle.schedule_close(state.ticker, real.close_time_ms)

    def _set_status(self, state: MarketState, status: MarketStatus) -> None:
        lifecycle = self._exchange.lifecycle
        if (state.status, status) == (MarketStatus.ACTIVE, MarketStatus.INACTIVE):
            lifecycle.deactivate(state.ticker)
        elif (state.status, status) == (MarketStatus.INACTIVE, MarketStatus.ACTIVE):
            lifecycle.activate(state.ticker)

    def _determine(self, state: MarketState, result: str, settlement_value_e4: int | None) -> None:
        if state.status not in _OVER:
            self._log.info(f"{state.ticker} ended: {result}")
            self._exchange.lifecycle.determine(state.ticker, result, settlement_value_e4)


def structure_of(ranges: tuple[PriceRange, ...]) -> str:
    """Returns the exchange's name for a price grid, the finest one where the ranges are of no known grid."""
    wanted = [(part.start_e4, part.end_e4, part.step_e4) for part in ranges]
    for name, parts in STRUCTURES.items():
        if [(part.start_e4, part.end_e4, part.step_e4) for part in parts] == wanted:
            return name
    return _FINEST


def market_listing(market: Market, event: Event) -> MarketListing:
    """Returns the facts of a real market as the exchange in the middle keeps them."""
    return MarketListing(
        ticker=market.ticker,
        event_ticker=market.event_ticker,
        series_ticker=event.series_ticker,
        title=market.title,
        yes_sub_title="",
        created_ms=market.created_time_ms,
        open_ms=market.open_time_ms,
        close_ms=market.close_time_ms,
        structure=structure_of(market.price_ranges),
        exchange_index=market.exchange_index,
        fair_e4=market.last_price_e4 or 5_000,
        half_spread_e4=100,
        trades_per_minute=1.0,
        volume_e2=market.volume_e2,
        volume_24h_e2=market.volume_24h_e2,
        open_interest_e2=market.open_interest_e2,
    )


def event_listing(event: Event, market: Market, listing: MarketListing) -> EventListing:
    """Returns the event of one market; its other markets are listed when they are wanted."""
    return EventListing(
        ticker=event.ticker,
        series_ticker=event.series_ticker,
        title=event.title,
        sub_title="",
        category=event.category,
        mutually_exclusive=event.mutually_exclusive,
        strike_ms=market.close_time_ms,
        exchange_index=event.exchange_index,
        created_ms=market.created_time_ms,
        markets=(listing,),
    )


def series_listing(series: Series, event: Event) -> SeriesListing:
    """Returns a series with the fee terms that hold for the event."""
    override_e4 = event.fee_multiplier_override_e4
    fee_type = event.fee_type_override or series.fee_type
    return SeriesListing(
        ticker=series.ticker,
        title=series.title,
        category=series.category,
        frequency="custom",
        fee_type=fee_type if fee_type in MAKER_RATES_E4 else _DEAREST,
        fee_multiplier_e4=series.fee_multiplier_e4 if override_e4 is None else override_e4,
        exchange_index=series.exchange_index,
    )
