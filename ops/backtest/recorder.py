"""Writes the trace of a run while it happens: what the exchange tells of our orders, and the touch of each book.

A touch is written when it changes, and again each TOUCH_EVERY_MS while its book is there and its market open, so that a
mid that has stood still can be told from one that nobody knows any more. A book that is crossed is in the middle of a
match and has no touch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kalshi.simulator.events import Event, FillHappened, OrderChanged
from kalshi.simulator.replay_market import ReplayMarkets
from kalshi.types import Side
from ops.backtest.trace import Breached, Filled, Line, OrderSeen, Touched

TOUCH_EVERY_MS: Final = 1_000


class Recorder:
    """Keeps the lines of one run, oldest first."""

    def __init__(
        self, account_id: str, markets: ReplayMarkets, close_ms: Mapping[str, int], now_ms: Callable[[], int]
    ) -> None:
        self._account_id = account_id
        self._markets = markets
        self._close_ms = close_ms
        self._now_ms = now_ms
        self._touches: dict[str, Touched] = {}
        self.lines: list[Line] = []

    def take(self, event: Event) -> None:
        """Takes what the exchange tells."""
        match event:
            case FillHappened(fill) if fill.account_id == self._account_id:
                self.lines.append(
                    Filled(
                        at_ms=self._now_ms(),
                        order_id=fill.order_id,
                        ticker=fill.ticker,
                        side=fill.side.value,
                        price_e4=fill.price_e4,
                        count_e2=fill.count_e2,
                        fee_e6=fill.fee_e6,
                        is_taker=fill.is_taker,
                    )
                )
            case OrderChanged(order) if order.account_id == self._account_id:
                self.lines.append(
                    OrderSeen(
                        at_ms=self._now_ms(),
                        order_id=order.order_id,
                        ticker=order.ticker,
                        side=order.side.value,
                        price_e4=order.price_e4,
                        remaining_e2=order.remaining_e2 if order.is_open else 0,
                        is_exit=order.reduce_only,
                        has_group=order.group_id is not None,
                        expires_ms=None if order.expiration_ts_s is None else order.expiration_ts_s * 1000,
                    )
                )
            case _:
                pass

    def breach(self, invariant: str, text: str) -> None:
        """Notes that an invariant was broken."""
        self.lines.append(Breached(at_ms=self._now_ms(), invariant=invariant, text=text))

    def look(self, ticker: str) -> None:
        """Writes the touch of a book, if it is another one or was last written too long ago."""
        now_ms, before = self._now_ms(), self._touches.get(ticker)
        if now_ms >= self._close_ms[ticker]:
            return
        bids, asks = (self._markets.queue(ticker).levels[side] for side in Side)
        bid_e4, ask_e4 = max(bids, default=None), min(asks, default=None)
        if bid_e4 is not None and ask_e4 is not None and bid_e4 >= ask_e4:
            return
        is_same = before is not None and (before.bid_e4, before.ask_e4) == (bid_e4, ask_e4)
        is_nothing = bid_e4 is None and ask_e4 is None
        if is_same and (is_nothing or now_ms - before.at_ms < TOUCH_EVERY_MS):  # type: ignore[union-attr]
            return
        if before is None and is_nothing:
            return
        self._touches[ticker] = Touched(at_ms=now_ms, ticker=ticker, bid_e4=bid_e4, ask_e4=ask_e4)
        self.lines.append(self._touches[ticker])
