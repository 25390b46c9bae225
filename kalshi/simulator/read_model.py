"""What portfolio reads see: the engine's past, 50 to 500 ms late, with an exact statement of how late.

Rules:
1. A change made at engine time t shows in reads once the watermark has reached t; changes show in the order
   they were made.
2. The watermark never goes back. `as_of_ms` is the watermark: every change up to and including it is visible.
3. The lag is drawn anew at each step of 50 ms, so that reads are now fresher, now staler, and never staler
   than the bound.

Rejected: a random delay per change. Then no single time would say what a read contains, and the exchange's
own `user_data_timestamp` promises just that.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs

from kalshi.simulator.accounts import Account, Position
from kalshi.simulator.events import (
    CashChanged,
    Event,
    FillHappened,
    MarketChanged,
    OrderChanged,
    PositionChanged,
    Settled,
)
from kalshi.simulator.orders import Fill, Order

STEP_MS: Final = 50
# The live endpoints forget as well (finished orders after two weeks, fills after three months); these are
# generous for a run.
FINISHED_ORDERS_MAX: Final = 50_000
FILLS_MAX: Final = 200_000
SETTLEMENTS_MAX: Final = 10_000

# What the read model listens to; the rest is public, or of no account.
PRIVATE_KINDS: Final = (OrderChanged, FillHappened, PositionChanged, CashChanged, Settled, MarketChanged)

_Change = OrderChanged | FillHappened | PositionChanged | CashChanged | Settled


@attrs.define(kw_only=True, eq=False)
class AccountView:
    """One account as reads see it. Orders and fills are in the order they were made; copies, never live objects."""

    cash_by_shard_e6: Mapping[int, int]
    cash_updated_ms: int
    orders: dict[str, Order] = attrs.field(factory=dict)
    resting: dict[str, Order] = attrs.field(factory=dict)
    fills: deque[Fill] = attrs.field(factory=lambda: deque(maxlen=FILLS_MAX))
    fill_numbers: deque[int] = attrs.field(factory=lambda: deque(maxlen=FILLS_MAX))
    positions: dict[str, Position] = attrs.field(factory=dict)
    settlements: deque[Settled] = attrs.field(factory=lambda: deque(maxlen=SETTLEMENTS_MAX))

    def numbered_fills(self) -> Iterator[tuple[int, Fill]]:
        """Yields the fills with numbers that grow over all accounts in the order in which they were made."""
        return zip(self.fill_numbers, self.fills, strict=True)

    def apply(self, number: int, change: _Change) -> None:
        """Takes one change in; `number` grows from change to change."""
        match change:
            case OrderChanged(order=order):
                self._apply_order(order)
            case FillHappened(fill=fill):
                self.fills.append(fill)
                self.fill_numbers.append(number)
            case PositionChanged(position=position):
                self.positions[position.ticker] = position
            case CashChanged():
                self.cash_by_shard_e6 = change.cash_by_shard_e6
                self.cash_updated_ms = change.ts_ms
            case Settled():
                self.settlements.append(change)

    def _apply_order(self, order: Order) -> None:
        self.orders[order.order_id] = order
        if order.is_open:
            self.resting[order.order_id] = order
            return
        self.resting.pop(order.order_id, None)
        if len(self.orders) - len(self.resting) > FINISHED_ORDERS_MAX:
            oldest = next(one.order_id for one in self.orders.values() if not one.is_open)
            del self.orders[oldest]


class ReadModel:
    """Views of all customer accounts behind one watermark."""

    def __init__(self, *, now_ms: Callable[[], int], lag_ms: tuple[int, int], rng: random.Random) -> None:
        low_ms, high_ms = lag_ms
        self._now_ms = now_ms
        self._lag_low_ms = low_ms
        # The watermark stands still for one step, which is part of the promised bound.
        self._lag_high_ms = max(low_ms, high_ms - STEP_MS)
        self._rng = rng
        self._views: dict[str, AccountView] = {}
        self._pending: deque[tuple[int, str, _Change]] = deque()
        self._watermark_ms = now_ms() - high_ms
        self._stepped_ms = now_ms() - STEP_MS
        self.extra_lag_ms = 0  # ordered by a fault, on top of the usual lag
        self._applied = 0

    def open_account(self, account: Account) -> None:
        """Starts a view; the opening cash is visible at once."""
        self._views[account.account_id] = AccountView(
            cash_by_shard_e6=dict(account.cash_by_shard_e6), cash_updated_ms=self._now_ms()
        )

    def take(self, event: Event) -> None:
        """Listens to the exchange: remembers private changes until the watermark passes them."""
        match event:
            case OrderChanged(order=order):
                self._pending.append((order.updated_ms, order.account_id, event))
            case FillHappened(fill=fill):
                self._pending.append((fill.ts_ms, fill.account_id, event))
            case PositionChanged() | CashChanged() | Settled():
                self._pending.append((event.ts_ms, event.account_id, event))
            case MarketChanged(ticker=ticker, kind="delisted"):
                for view in self._views.values():
                    view.positions.pop(ticker, None)
            case _:
                pass

    def view(self, account: Account) -> AccountView:
        """Returns the account as reads see it now."""
        self.advance()
        return self._views[account.account_id]

    def as_of_ms(self) -> int:
        """Returns the engine time up to which every change is visible."""
        self.advance()
        return self._watermark_ms

    def advance(self) -> None:
        """Moves the watermark if a step has passed; without any lag it always stands at the last whole millisecond."""
        now_ms = self._now_ms()
        if self._lag_high_ms == 0 and not self.extra_lag_ms:
            # A change may still come within this very millisecond, so only the one before is complete.
            self._watermark_ms = max(self._watermark_ms, now_ms - 1)
            self._apply_until(now_ms)
        elif now_ms - self._stepped_ms >= STEP_MS:
            self._stepped_ms = now_ms
            lag_ms = self._rng.randint(self._lag_low_ms, self._lag_high_ms) + self.extra_lag_ms
            self._watermark_ms = max(self._watermark_ms, now_ms - max(1, lag_ms))
            self._apply_until(self._watermark_ms)

    def _apply_until(self, time_ms: int) -> None:
        while self._pending and self._pending[0][0] <= time_ms:
            _, account_id, change = self._pending.popleft()
            self._applied += 1
            self._views[account_id].apply(self._applied, change)
