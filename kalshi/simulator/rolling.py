"""The world goes on: new events are listed when their time comes, settled ones are forgotten after a while.

Each plan has one alarm, for the listing of its next event; each event that is paid out has one, for its end. So at any
time about as many markets are open as at boot, and memory stays where it is.
"""

from __future__ import annotations

import heapq

from kalshi.simulator.catalogue import WorldBuilder, due_closes, listed_ms
from kalshi.simulator.events import EventListed
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fair_values import FairValues
from kalshi.simulator.lifecycle import Lifecycle
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.series_plans import Plan
from kalshi.types import MarketStatus


class Rolling:
    """Lists and delists events. Without a builder nothing new comes, and settled events are still forgotten."""

    def __init__(
        self, core: ExchangeCore, fairs: FairValues, lifecycle: Lifecycle, builder: WorldBuilder | None
    ) -> None:
        self._core = core
        self._fairs = fairs
        self._lifecycle = lifecycle
        self._builder = builder
        self._listings: list[tuple[int, int, int, Plan]] = []
        self._ends: list[tuple[int, str]] = []
        lifecycle.hooks.append(self._take_change)
        now_ms = core.now_ms()
        for index, plan in enumerate(builder.plans if builder is not None else ()):
            last_ms = max(due_closes(plan, now_ms), default=now_ms)
            self._await_next(index, plan, last_ms)

    def tick(self) -> None:
        """Lists and delists everything that is due by now."""
        now_ms = self._core.now_ms()
        while self._ends and self._ends[0][0] <= now_ms:
            self._end(heapq.heappop(self._ends)[1])
        while self._listings and self._listings[0][0] <= now_ms:
            _, index, close_ms, plan = heapq.heappop(self._listings)
            # After a long stall an event that would be over by now is left out.
            if close_ms > now_ms:
                self._list(plan, close_ms, now_ms)
            self._await_next(index, plan, close_ms)

    def _await_next(self, index: int, plan: Plan, after_ms: int) -> None:
        close_ms = plan.cycle.next_close(after_ms)
        heapq.heappush(self._listings, (listed_ms(plan, close_ms), index, close_ms, plan))

    def _list(self, plan: Plan, close_ms: int, now_ms: int) -> None:
        if self._builder is None:
            return
        event = self._builder.event(plan, close_ms, now_ms)
        if event.ticker not in self._core.events:
            self._core.list_event(event)
            self._fairs.add(event, now_ms)
            self._core.publish(EventListed(event_ticker=event.ticker, ts_ms=now_ms))
            self._lifecycle.announce(event.ticker)

    def _take_change(self, market: MarketState, kind: str) -> None:
        if kind == "settled" and self._is_paid_out(market.event.ticker):
            end_ms = self._core.now_ms() + self._core.settings.settled_markets_kept_ms
            heapq.heappush(self._ends, (end_ms, market.event.ticker))

    def _is_paid_out(self, event_ticker: str) -> bool:
        listed = self._core.events[event_ticker].markets
        return all(self._core.markets[one.ticker].status is MarketStatus.FINALIZED for one in listed)

    def _end(self, event_ticker: str) -> None:
        if event_ticker in self._core.events and self._is_paid_out(event_ticker):
            self._lifecycle.delist(event_ticker)
