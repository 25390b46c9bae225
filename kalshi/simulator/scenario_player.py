"""Does what a scenario, or the control port, wants to happen: pauses, halts, results, news, fees, grids, regimes."""

from __future__ import annotations

from collections import deque
from fnmatch import fnmatchcase
from typing import Protocol

from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fee_changes import FeeChanges
from kalshi.simulator.lifecycle import Lifecycle
from kalshi.simulator.pauses import Pauses
from kalshi.simulator.scenario import (
    E4_PER_CENT,
    E4_PER_ONE,
    ChangeGrid,
    CloseEarly,
    EventFee,
    Halt,
    MarketEvent,
    News,
    Pause,
    Reopen,
    Resume,
    Scenario,
    ScenarioEvent,
    SeriesFee,
    Settle,
    Unhalt,
)
from kalshi.types import MarketStatus

_ENDED = (MarketStatus.DETERMINED, MarketStatus.FINALIZED)


class Traders(Protocol):
    """What a scenario can tell the traders about a market."""

    def set_regime(self, ticker: str, regime: str) -> None:
        """Changes how the market's hidden value moves."""
        ...

    def news(self, ticker: str, jump_e4: int) -> None:
        """Moves the market's hidden value at once, by 1/10,000 dollar."""
        ...


class ScenarioPlayer:
    """Plays one scenario's events when they are due, and its regimes on every market as it is listed."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        core: ExchangeCore,
        lifecycle: Lifecycle,
        pauses: Pauses,
        traders: Traders,
        fee_changes: FeeChanges,
    ) -> None:
        self._scenario = scenario
        self._core = core
        self._lifecycle = lifecycle
        self._pauses = pauses
        self._traders = traders
        self._fee_changes = fee_changes
        self._due = deque(sorted(scenario.events, key=lambda event: event.at_s))
        self._has_regimes = any(rule.regime is not None for rule in scenario.markets.values())
        self._known: set[str] = set()

    def tick(self, elapsed_s: float) -> None:
        """Does everything that is due by now."""
        if self._has_regimes:
            self._set_regimes()
        while self._due and self._due[0].at_s <= elapsed_s:
            self.play(self._due.popleft())

    def play(self, event: ScenarioEvent) -> int:
        """Lets an event happen now; returns how many markets it concerned (pauses: none)."""
        match event:
            case Pause(what=what):
                self._pauses.set("operator", trading=True, exchange=what == "exchange")
            case Resume():
                self._pauses.set("operator", trading=False)
            case SeriesFee():
                return self._change_series_fee(event)
            case EventFee():
                return self._change_event_fee(event)
            case MarketEvent(market=pattern):
                tickers = [ticker for ticker in self._core.markets if fnmatchcase(ticker, pattern)]
                return sum(self._play_market(event, ticker) for ticker in tickers)
            case _:
                raise AssertionError(f"{event.kind} is no event")
        return 0

    def _play_market(self, event: MarketEvent, ticker: str) -> bool:
        """Says whether the market was in a state in which the event means something."""
        market = self._core.markets[ticker]
        match event:
            case Halt() if market.status is MarketStatus.ACTIVE:
                self._lifecycle.deactivate(ticker)
            case Unhalt() if market.status is MarketStatus.INACTIVE:
                self._lifecycle.activate(ticker)
            case Settle(result=result, value_cents=cents) if market.status not in _ENDED:
                value_e4 = round(cents * E4_PER_CENT) if cents is not None and result == "scalar" else None
                self._lifecycle.determine(ticker, result, value_e4)
            case CloseEarly(in_s=in_s) if market.status in (MarketStatus.ACTIVE, MarketStatus.INACTIVE):
                close_ms = self._core.now_ms() + round(in_s * 1000)
                self._lifecycle.schedule_close(ticker, min(market.close_ms, close_ms))
            case Reopen(closes_in_s=closes_in_s) if market.status is MarketStatus.CLOSED:
                self._lifecycle.reopen(ticker, self._core.now_ms() + max(1, round(closes_in_s * 1000)))
            case ChangeGrid(structure=structure) if market.status not in _ENDED:
                self._lifecycle.change_grid(ticker, structure)
            case News(jump_cents=jump_cents):
                self._traders.news(ticker, round(jump_cents * E4_PER_CENT))
            case _:
                return False
        return True

    def _change_series_fee(self, event: SeriesFee) -> int:
        known = {series.ticker for series in self._core.catalogue.series if fnmatchcase(series.ticker, event.series)}
        multiplier_e4, at_ms = round(event.multiplier * E4_PER_ONE), self._core.now_ms() + round(event.in_s * 1000)
        for series_ticker in sorted(known):
            self._fee_changes.schedule_series(series_ticker, event.fee_type, multiplier_e4, at_ms)
        return sum(market.listing.series_ticker in known for market in self._core.markets.values())

    def _change_event_fee(self, event: EventFee) -> int:
        multiplier_e4 = None if event.multiplier is None else round(event.multiplier * E4_PER_ONE)
        at_ms = self._core.now_ms() + round(event.in_s * 1000)
        tickers = [ticker for ticker in self._core.events if fnmatchcase(ticker, event.event)]
        for event_ticker in tickers:
            self._fee_changes.schedule_event(event_ticker, event.fee_type, multiplier_e4, at_ms)
        return sum(len(self._core.events[ticker].markets) for ticker in tickers)

    def _set_regimes(self) -> None:
        for ticker in [one for one in self._core.markets if one not in self._known]:
            self._known.add(ticker)
            rule = self._scenario.rule_for(ticker)
            if rule is not None and rule.regime is not None:
                self._traders.set_regime(ticker, rule.regime)
