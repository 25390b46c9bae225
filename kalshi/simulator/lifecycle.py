"""The clock's work on markets and orders: opening, expiry, close, determination, settlement, pauses.

    initialized -> active (by the clock) -> closed (by the clock) -> determined (the result is known, a timer
    runs) -> finalized (paid); active <-> inactive for a halt; closed -> active where it is reopened

Rules (kalshi-rest.md §7.1, §7.3; kalshi-websocket.md §8-§9):
1. An expired order is cancelled within 100 ms of its time, with reason ExpiryCancel.
2. At close_time a market takes no more orders and its resting ones are cancelled; about 5 s later an empty
   book snapshot is sent unasked; then the result is known (determined), the timer runs, and positions are
   paid (finalized).
3. The markets of one event settle by one truth (fair_values.py, rule 3): exactly one outcome of an exclusive
   event, a consistent cut of a ladder.
4. A pause cancels the orders that asked for it; a market that is activated again loses all its orders.
5. Orders that rest on the old grid survive a change of it.
6. A fee waiver of a market ends at its time, at the next tick.
7. A closed market whose result is not known yet can be reopened with a new close time; its book is empty then.

Every market has one alarm, the time of its next step, so that a tick costs nothing when nothing is due.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

import attrs

from kalshi.simulator.events import BookEmptied, MarketChanged, Settled
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fair_values import EventFair, FairValues
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Reason
from kalshi.simulator.price_grid import STRUCTURES
from kalshi.simulator.wire_numbers import DOLLAR_E4, price_text
from kalshi.types import MarketStatus

_OPEN_STATES: Final = (MarketStatus.ACTIVE, MarketStatus.INACTIVE)
_UNSETTLED: Final = (*_OPEN_STATES, MarketStatus.INITIALIZED)

ChangeHook = Callable[[MarketState, str], None]


class Lifecycle:
    """Drives markets and orders through their lives; `tick` is called every `settings.tick_ms`.

    `hooks` hear of every change of a market, after the listeners: besides the words of the lifecycle channel "closed",
    "opened" (by the clock, or again) and "delisted".
    """

    def __init__(self, core: ExchangeCore, fairs: FairValues) -> None:
        self._core = core
        self._fairs = fairs
        self._empty_snapshots: list[tuple[int, str]] = []
        self._waivers: list[tuple[int, str]] = []
        self._due: list[tuple[int, int, str]] = []
        self._alarms: dict[str, int] = {}
        self._number = 0
        self.hooks: list[ChangeHook] = []
        for market in core.markets.values():
            self._set_alarm(market)
            self._watch_waiver(market)

    def tick(self) -> None:
        """Does everything that is due by now."""
        now_ms = self._core.now_ms()
        self._core.expire_orders(now_ms)
        while self._waivers and self._waivers[0][0] <= now_ms:
            clearing = self._core.clearings.get(heapq.heappop(self._waivers)[1])
            if clearing is not None:  # else delisted before its waiver ended
                clearing.waives_fees = False
        while self._due and self._due[0][0] <= now_ms:
            due_ms, _, ticker = heapq.heappop(self._due)
            if self._alarms.get(ticker) == due_ms:
                self._advance(self._core.markets[ticker], now_ms)
        while self._empty_snapshots and self._empty_snapshots[0][0] <= now_ms:
            self._core.publish(BookEmptied(ticker=heapq.heappop(self._empty_snapshots)[1]))

    def announce(self, event_ticker: str) -> None:
        """Says that an event's markets are listed, and follows them from now on."""
        for listing in self._core.events[event_ticker].markets:
            market = self._core.markets[listing.ticker]
            self._change(market, "created")
            self._set_alarm(market)
            self._watch_waiver(market)

    def delist(self, event_ticker: str) -> None:
        """Forgets an event whose markets are all finalized."""
        for listing in self._core.events[event_ticker].markets:
            self._alarms.pop(listing.ticker, None)
            self._change(self._core.markets[listing.ticker], "delisted")
        self._fairs.remove(event_ticker)
        self._core.delist_event(event_ticker)

    def schedule_close(self, ticker: str, close_ms: int) -> None:
        """Moves a market's close time. Raises KeyError for an unknown ticker."""
        market = self._core.markets[ticker]
        market.close_ms = close_ms
        self._fair(market).move_close(close_ms)
        self._set_alarm(market)
        self._change(market, "close_date_updated")

    def determine(self, ticker: str, result: str, settlement_value_e4: int | None = None) -> None:
        """Closes the market if it is open and sets its result ("yes", "no", "scalar" with a value); payout follows."""
        market, now_ms = self._core.markets[ticker], self._core.now_ms()
        if market.status in _UNSETTLED:
            if now_ms < market.close_ms:
                # An early close is announced by its new date.
                market.close_ms = now_ms
                self._change(market, "close_date_updated")
            self._close(market, now_ms)
        self._determine(market, result, now_ms, settlement_value_e4)

    def deactivate(self, ticker: str) -> None:
        """Halts trading in one market; its orders rest on."""
        market = self._core.markets[ticker]
        market.status = MarketStatus.INACTIVE
        self._change(market, "deactivated")

    def activate(self, ticker: str) -> None:
        """Ends a halt; every resting order of the market is cancelled (rule 4)."""
        market = self._core.markets[ticker]
        self._cancel_resting(market, Reason.HALT, self._core.now_ms())
        market.status = MarketStatus.ACTIVE
        self._change(market, "activated")

    def reopen(self, ticker: str, close_ms: int) -> None:
        """Lets a closed market trade again until `close_ms` (rule 7). Raises KeyError for an unknown ticker, and
        ValueError where the market is not closed or the time is not to come.
        """
        market = self._core.markets[ticker]
        if market.status is not MarketStatus.CLOSED or close_ms <= self._core.now_ms():
            raise ValueError(f"{ticker} is {market.status.value} and cannot reopen until {close_ms}")
        # The empty snapshot that follows a close would be a lie about the new book.
        self._empty_snapshots = [one for one in self._empty_snapshots if one[1] != ticker]
        heapq.heapify(self._empty_snapshots)
        market.status = MarketStatus.ACTIVE
        market.next_step_ms = None
        self._fair(market).reopen()
        self.schedule_close(ticker, close_ms)
        if self._core.settings.announces_reopening:
            self._change(market, "activated")
        self._change(market, "opened")

    def change_grid(self, ticker: str, structure: str) -> None:
        """Gives a market another price grid (rule 5). Raises KeyError for an unknown ticker or structure."""
        market = self._core.markets[ticker]
        if structure not in STRUCTURES:
            raise KeyError(structure)
        market.listing = attrs.evolve(market.listing, structure=structure)
        self._change(market, "price_level_structure_updated")

    def set_pause(self, *, trading_active: bool, exchange_active: bool = True) -> None:
        """Starts or ends a pause of trading or of the whole exchange."""
        core = self._core
        starts = (core.trading_active and not trading_active) or (core.exchange_active and not exchange_active)
        core.trading_active = trading_active and exchange_active
        core.exchange_active = exchange_active
        if starts:
            for order in tuple(core.open_orders.values()):
                if order.is_open and order.cancel_on_pause:
                    core.cancel(order, Reason.HALT, core.now_ms())

    def _fair(self, market: MarketState) -> EventFair:
        return self._fairs.of(market.event, self._core.now_ms())

    def _watch_waiver(self, market: MarketState) -> None:
        if market.clearing.waives_fees and market.listing.fee_waiver_until_ms is not None:
            heapq.heappush(self._waivers, (market.listing.fee_waiver_until_ms, market.ticker))

    def _set_alarm(self, market: MarketState) -> None:
        match market.status:
            case MarketStatus.INITIALIZED:
                due_ms: int | None = market.listing.open_ms
            case MarketStatus.ACTIVE | MarketStatus.INACTIVE:
                due_ms = market.close_ms
            case _:
                due_ms = market.next_step_ms
        if due_ms is None:
            self._alarms.pop(market.ticker, None)
        else:
            self._number += 1
            self._alarms[market.ticker] = due_ms
            heapq.heappush(self._due, (due_ms, self._number, market.ticker))

    def _advance(self, market: MarketState, now_ms: int) -> None:
        match market.status:
            case MarketStatus.INITIALIZED:
                self._open(market, now_ms)
            case MarketStatus.ACTIVE | MarketStatus.INACTIVE:
                self._close(market, now_ms)
            case MarketStatus.CLOSED:
                self._determine(market, self._result(market), now_ms)
                market.expiration_value = self._fair(market).figure() or market.expiration_value
            case MarketStatus.DETERMINED:
                self._finalise(market, now_ms)
            case _:
                pass

    def _open(self, market: MarketState, now_ms: int) -> None:
        market.status = MarketStatus.ACTIVE
        index = [listing.ticker for listing in market.event.markets].index(market.ticker)
        strike = self._fair(market).fix_strike(index)
        if strike is not None:
            market.listing = attrs.evolve(market.listing, floor_strike=strike)
            self._change(market, "metadata_updated")
        self._set_alarm(market)
        if self._core.settings.announces_opening:
            self._change(market, "activated")
        self._change(market, "opened")

    def _close(self, market: MarketState, now_ms: int) -> None:
        market.status = MarketStatus.CLOSED
        self._cancel_resting(market, Reason.CLOSE, now_ms)
        self._fair(market).close()
        settings = self._core.settings
        heapq.heappush(self._empty_snapshots, (now_ms + settings.empty_snapshot_delay_ms, market.ticker))
        market.next_step_ms = now_ms + settings.determination_delay_ms
        self._set_alarm(market)
        self._change(market, "closed")

    def _determine(self, market: MarketState, result: str, now_ms: int, settlement_value_e4: int | None = None) -> None:
        market.status = MarketStatus.DETERMINED
        market.result = result
        plain_e4 = DOLLAR_E4 if result == "yes" else 0
        market.settlement_value_e4 = plain_e4 if settlement_value_e4 is None else settlement_value_e4
        market.expiration_value = price_text(market.settlement_value_e4) if result == "scalar" else result
        market.next_step_ms = now_ms + self._core.settings.settlement_timer_ms
        self._set_alarm(market)
        self._change(market, "determined")

    def _result(self, market: MarketState) -> str:
        siblings = [self._core.markets[listing.ticker] for listing in market.event.markets]
        known = {index: one.result == "yes" for index, one in enumerate(siblings) if one.result in ("yes", "no")}
        results = self._fair(market).results(known)
        return "yes" if results[siblings.index(market)] else "no"

    def _finalise(self, market: MarketState, now_ms: int) -> None:
        market.status = MarketStatus.FINALIZED
        market.settled_ms = now_ms
        market.next_step_ms = None
        self._set_alarm(market)
        for account in self._core.accounts.values():
            position = account.positions.get(market.ticker)
            if position is None or position.count_e2 == 0:
                continue
            held_e2, cost_e6 = position.count_e2, position.cost_e6
            value_e4 = market.settlement_value_e4 or 0
            revenue_e6 = market.clearing.pay_out(account, position, value_e4)
            position.updated_ms = now_ms
            if account.is_house:
                continue
            self._core.publish(
                Settled(
                    account_id=account.account_id,
                    ticker=market.ticker,
                    exchange_index=market.exchange_index,
                    result=market.result,
                    settlement_value_e4=value_e4,
                    position_e2=held_e2,
                    cost_e6=cost_e6,
                    fees_e6=position.fees_e6,
                    revenue_e6=revenue_e6,
                    ts_ms=now_ms,
                )
            )
            self._core.publish_position(account, market.ticker, now_ms)
            self._core.publish_cash(account, now_ms)
        self._change(market, "settled")

    def _cancel_resting(self, market: MarketState, reason: Reason, now_ms: int) -> None:
        for book in (market.engine.bids, market.engine.asks):
            for order in tuple(book.orders()):
                if order.is_open:
                    self._core.cancel(order, reason, now_ms)

    def _change(self, market: MarketState, kind: str) -> None:
        market.updated_ms = self._core.now_ms()
        self._core.publish(MarketChanged(ticker=market.ticker, kind=kind, ts_ms=market.updated_ms))
        for hook in self.hooks:
            hook(market, kind)
