"""Fee changes: what is announced for series and events, what is in force, and how it reaches the clearing of trades.

Rules (kalshi-rest.md §8, fee change endpoints):
1. A series has one fee; an event may override type and multiplier, from its listing on or by a change, and clears the
   override with None.
2. A change is announced as soon as it is scheduled and takes effect at its time, at the next tick; that an event's
   override has changed is then told on the lifecycle channel.
3. Every market of the series or event, also one that is listed later, is charged by what is in force.
"""

from __future__ import annotations

import heapq
from typing import Final

import attrs

from kalshi.simulator.events import EventFeesChanged
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fees import FeeTerms
from kalshi.simulator.market_state import MarketState

CHANGES_MAX: Final = 10_000  # the real list of a whole year is some hundred long


@attrs.frozen(kw_only=True)
class FeeChange:
    """One announced change; `event_ticker` None means the whole series; None as a fee clears an override."""

    change_id: str
    series_ticker: str
    event_ticker: str | None
    fee_type: str | None
    multiplier_e4: int | None
    scheduled_ms: int


@attrs.frozen(kw_only=True)
class FeeOverride:
    """What an event has in the place of its series' fee; None in a field leaves that part to the series."""

    fee_type: str | None
    multiplier_e4: int | None


@attrs.frozen
class Fee:
    """A fee in force; the multiplier in 1/10,000."""

    fee_type: str
    multiplier_e4: int


class FeeChanges:
    """All announced changes of one exchange, and the fees in force."""

    def __init__(self, core: ExchangeCore) -> None:
        self._core = core
        self.announced: list[FeeChange] = []
        self._due: list[tuple[int, int, FeeChange]] = []
        self._number = 0
        self._series: dict[str, Fee] = {}
        self._events: dict[str, FeeChange] = {}
        self._charged: dict[str, Fee] = {}

    def schedule_series(self, series_ticker: str, fee_type: str, multiplier_e4: int, at_ms: int) -> FeeChange:
        """Announces a new fee of a series. Raises KeyError for an unknown series."""
        self._listed_fee(series_ticker)
        return self._announce(
            FeeChange(
                change_id=self._core.new_id(),
                series_ticker=series_ticker,
                event_ticker=None,
                fee_type=fee_type,
                multiplier_e4=multiplier_e4,
                scheduled_ms=at_ms,
            )
        )

    def schedule_event(
        self, event_ticker: str, fee_type: str | None, multiplier_e4: int | None, at_ms: int
    ) -> FeeChange:
        """Announces an override of an event, or its end with None. Raises KeyError for an unknown event."""
        return self._announce(
            FeeChange(
                change_id=self._core.new_id(),
                series_ticker=self._core.events[event_ticker].series_ticker,
                event_ticker=event_ticker,
                fee_type=fee_type,
                multiplier_e4=multiplier_e4,
                scheduled_ms=at_ms,
            )
        )

    def series_fee(self, series_ticker: str) -> Fee:
        """Returns the fee of a series in force now. Raises KeyError for an unknown series."""
        return self._series.get(series_ticker) or self._listed_fee(series_ticker)

    def override(self, event_ticker: str) -> FeeOverride | None:
        """Returns the override of an event in force now. Raises KeyError for an unknown event."""
        change, listed = self._events.get(event_ticker), self._core.events[event_ticker]
        if change is not None:
            override = FeeOverride(fee_type=change.fee_type, multiplier_e4=change.multiplier_e4)
        else:
            override = FeeOverride(fee_type=listed.fee_type_override, multiplier_e4=listed.fee_multiplier_override_e4)
        return None if override == FeeOverride(fee_type=None, multiplier_e4=None) else override

    def tick(self) -> None:
        """Brings due changes into force, also for markets that were listed since."""
        now_ms = self._core.now_ms()
        while self._due and self._due[0][0] <= now_ms:
            change = heapq.heappop(self._due)[2]
            if change.event_ticker is not None:
                self._events[change.event_ticker] = change
                self._tell(change.event_ticker, change, now_ms)
            elif change.fee_type is not None and change.multiplier_e4 is not None:
                self._series[change.series_ticker] = Fee(change.fee_type, change.multiplier_e4)
            self._charged.clear()
        if (self._series or self._events) and self._charged.keys() != self._core.markets.keys():
            self._charged = {ticker: self._charge(market) for ticker, market in self._core.markets.items()}

    def _tell(self, event_ticker: str, change: FeeChange, now_ms: int) -> None:
        self._core.publish(
            EventFeesChanged(
                event_ticker=event_ticker,
                fee_type=change.fee_type,
                fee_multiplier_e4=change.multiplier_e4,
                ts_ms=now_ms,
            )
        )

    def _charge(self, market: MarketState) -> Fee:
        fee = self.series_fee(market.listing.series_ticker)
        override = self.override(market.listing.event_ticker)
        if override is not None:
            multiplier_e4 = fee.multiplier_e4 if override.multiplier_e4 is None else override.multiplier_e4
            fee = Fee(override.fee_type or fee.fee_type, multiplier_e4)
        terms = market.clearing.terms
        if (terms.fee_type, terms.multiplier_e4) != (fee.fee_type, fee.multiplier_e4):
            market.clearing.terms = FeeTerms(
                fee_type=fee.fee_type, multiplier_e4=fee.multiplier_e4, rounding=terms.rounding
            )
        return fee

    def _announce(self, change: FeeChange) -> FeeChange:
        if len(self.announced) >= CHANGES_MAX:
            del self.announced[0]
        self.announced.append(change)
        self._number += 1
        heapq.heappush(self._due, (change.scheduled_ms, self._number, change))
        return change

    def _listed_fee(self, series_ticker: str) -> Fee:
        for series in self._core.catalogue.series:
            if series.ticker == series_ticker:
                return Fee(series.fee_type, series.fee_multiplier_e4)
        raise KeyError(series_ticker)
