"""Orders, trades and fills as the exchange holds them.

`Order` is mutable and belongs to the engine; what leaves the engine is a copy, or a value that nobody changes.
Trades and fills are made at every match, hence named tuples: a frozen attrs class costs seven times as much to make.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple

import attrs

from kalshi.types import OrderStatus, SelfTradePrevention, Side, TimeInForce


class Reason(enum.StrEnum):
    """Why an order changed last, in the exchange's words."""

    NONE = ""
    TRADE = "Trade"
    AMEND = "Amend"
    DECREASE = "Decrease"
    POST_ONLY_CROSS = "PostOnlyCrossCancel"
    REDUCE_ONLY = "ReduceOnlyCancel"
    SELF_TRADE = "SelfTradeCancel"
    CLOSE = "CloseCancel"
    EXPIRY = "ExpiryCancel"
    HALT = "HaltCancel"


_RESTING: Final = OrderStatus.RESTING


@attrs.define(eq=False)
class Order:
    """One order. `remaining_e2` rests or is being matched; it is zero once `status` is final.

    `queue_number` counts the orders of one market in the order in which they took their places in the queue.
    """

    order_id: str
    account_id: str
    client_order_id: str
    ticker: str
    side: Side
    price_e4: int
    initial_e2: int
    remaining_e2: int
    time_in_force: TimeInForce
    self_trade_prevention: SelfTradePrevention
    exchange_index: int
    created_ms: int
    updated_ms: int
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    is_house: bool = False
    group_id: str | None = None
    expiration_ts_s: int | None = None
    status: OrderStatus = OrderStatus.RESTING
    reason: Reason = Reason.NONE
    filled_e2: int = 0
    taker_cost_e6: int = 0
    maker_cost_e6: int = 0
    taker_fees_e6: int = 0
    maker_fees_e6: int = 0
    fee_accumulator_e6: int = 0
    queue_number: int = 0

    @property
    def fees_e6(self) -> int:
        return self.taker_fees_e6 + self.maker_fees_e6

    @property
    def is_open(self) -> bool:
        return self.status is _RESTING

    def snapshot(self) -> Order:
        """Returns a copy that later changes do not touch."""
        return Order(*_ORDER_FIELDS(self))


_ORDER_FIELDS: Final[Callable[[Order], tuple[Any, ...]]] = attrgetter(*(field.name for field in attrs.fields(Order)))


@attrs.frozen(kw_only=True)
class NewOrder:
    """A create request after parsing. Prices in 1/10,000 dollar, counts in 1/100 contract."""

    ticker: str
    side: Side
    price_e4: int
    count_e2: int
    time_in_force: TimeInForce
    self_trade_prevention: SelfTradePrevention
    client_order_id: str | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    group_id: str | None = None
    expiration_ts_s: int | None = None
    exchange_index: int | None = None


class Trade(NamedTuple):
    """One public trade, at the resting order's price."""

    trade_id: str
    ticker: str
    price_e4: int
    count_e2: int
    taker_side: Side
    ts_ms: int


class Fill(NamedTuple):
    """One side of a trade, as its owner sees it; `fee_e6` is the net fee billed."""

    trade_id: str
    account_id: str
    order_id: str
    client_order_id: str
    ticker: str
    exchange_index: int
    side: Side
    price_e4: int
    count_e2: int
    fee_e6: int
    is_taker: bool
    post_position_e2: int
    ts_ms: int
