"""What the clock does to markets and orders: expiry, close, determination, payout; and pauses on demand.

Rules (kalshi-rest.md §7.1, §7.3; kalshi-websocket.md §8):
1. An expired order goes at the next tick (`TICK_MS`), reason ExpiryCancel.
2. At close_time a market takes no more orders and its resting ones are cancelled; about 5 s later an empty
   book snapshot is sent unasked; then the result is known (determined), the timer runs, and positions are
   paid (finalized).
3. The markets of one event settle by one draw: exactly one outcome of an exclusive event, a consistent cut of
   a ladder.
4. A pause cancels the orders that asked for it; a market that is activated again loses all its orders.
"""

from __future__ import annotations

import heapq
import random
from typing import Final

from kalshi.simulator.events import BookEmptied, MarketChanged, Settled
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Reason
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import MarketStatus

TICK_MS: Final = 50
_OPEN_STATES: Final = (MarketStatus.ACTIVE, MarketStatus.INACTIVE)


class Lifecycle:
    """Drives markets and orders through their lives; `tick` is called every `TICK_MS`."""

    def __init__(self, core: ExchangeCore) -> None:
        self._core = core
        self._empty_snapshots: list[tuple[int, str]] = []

    def tick(self) -> None:
        """Does everything that is due by now."""
        now_ms = self._core.now_ms()
        self._core.expire_orders(now_ms)
        for market in self._core.markets.values():
            if market.status in _OPEN_STATES and now_ms >= market.close_ms:
                self._close(market, now_ms)
            elif market.next_step_ms is not None and now_ms >= market.next_step_ms:
                self._advance(market, now_ms)
        while self._empty_snapshots and self._empty_snapshots[0][0] <= now_ms:
            self._core.publish(BookEmptied(ticker=heapq.heappop(self._empty_snapshots)[1]))

    def schedule_close(self, ticker: str, close_ms: int) -> None:
        """Moves a market's close time. Raises KeyError for an unknown ticker."""
        market = self._core.markets[ticker]
        market.close_ms = close_ms
        self._change(market, "close_date_updated")

    def determine(self, ticker: str, result: str, settlement_value_e4: int | None = None) -> None:
        """Closes the market if it is open and sets its result ("yes", "no", "scalar" with a value); payout follows."""
        market, now_ms = self._core.markets[ticker], self._core.now_ms()
        if market.status in _OPEN_STATES:
            market.close_ms = min(market.close_ms, now_ms)
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

    def _close(self, market: MarketState, now_ms: int) -> None:
        market.status = MarketStatus.CLOSED
        self._cancel_resting(market, Reason.CLOSE, now_ms)
        settings = self._core.settings
        heapq.heappush(self._empty_snapshots, (now_ms + settings.empty_snapshot_delay_ms, market.ticker))
        market.next_step_ms = now_ms + settings.determination_delay_ms
        market.updated_ms = now_ms
        self._core.publish(MarketChanged(ticker=market.ticker, kind="closed", ts_ms=now_ms))

    def _advance(self, market: MarketState, now_ms: int) -> None:
        if market.status is MarketStatus.CLOSED:
            self._determine(market, self._draw_result(market), now_ms)
        elif market.status is MarketStatus.DETERMINED:
            self._finalise(market, now_ms)

    def _determine(self, market: MarketState, result: str, now_ms: int, settlement_value_e4: int | None = None) -> None:
        market.status = MarketStatus.DETERMINED
        market.result = result
        plain_e4 = DOLLAR_E4 if result == "yes" else 0
        market.settlement_value_e4 = plain_e4 if settlement_value_e4 is None else settlement_value_e4
        market.next_step_ms = now_ms + self._core.settings.settlement_timer_ms
        self._change(market, "determined")

    def _draw_result(self, market: MarketState) -> str:
        # One draw per event, from the seed and the event's name, so that it does not depend on the hour.
        draw = random.Random(f"{self._core.seed}:{market.event.ticker}:result").random()
        if not market.event.mutually_exclusive:
            return "yes" if draw * DOLLAR_E4 < market.listing.fair_e4 else "no"
        total_e4 = sum(outcome.fair_e4 for outcome in market.event.markets)
        passed_e4 = 0
        for outcome in market.event.markets:
            passed_e4 += outcome.fair_e4
            if draw * total_e4 < passed_e4:
                return "yes" if outcome.ticker == market.ticker else "no"
        return "no"

    def _finalise(self, market: MarketState, now_ms: int) -> None:
        market.status = MarketStatus.FINALIZED
        market.settled_ms = now_ms
        market.next_step_ms = None
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
