"""Customers of the exchange: cash by shard and one net position per market.

Rules (kalshi-rest.md §9):
1. Fully collateralised: buying YES costs p, selling YES that is not held costs 1 - p, and nothing else is
   ever owed.
2. One net position per market: trading against it closes first, at once, and frees the money.
3. What a position cost is kept as a sum; a close takes its share of it (average cost), and the difference is
   realised.
4. Cash moves only by trades, net fees, payouts and transfers; fees are kept apart from cost.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.simulator.groups import OrderGroup
from kalshi.simulator.orders import Order
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import Side

_BID: Final = Side.BID


@attrs.define(kw_only=True)
class Position:
    """A net position: YES contracts positive, NO negative; `cost_e6` is what the open part cost, fees aside."""

    ticker: str
    exchange_index: int
    count_e2: int = 0
    cost_e6: int = 0
    realized_e6: int = 0
    fees_e6: int = 0
    traded_e6: int = 0
    updated_ms: int = 0
    is_settled: bool = False

    def snapshot(self) -> Position:
        """Returns a copy that later changes do not touch."""
        return Position(
            ticker=self.ticker,
            exchange_index=self.exchange_index,
            count_e2=self.count_e2,
            cost_e6=self.cost_e6,
            realized_e6=self.realized_e6,
            fees_e6=self.fees_e6,
            traded_e6=self.traded_e6,
            updated_ms=self.updated_ms,
            is_settled=self.is_settled,
        )


# Closing count, opening count (1/100 contract), proceeds and cost (1/1,000,000 dollar) of an execution before fees. A
# plain tuple: two are made at each match.
CashFlow = tuple[int, int, int, int]


def cash_flow(position_e2: int, side: Side, price_e4: int, count_e2: int) -> CashFlow:
    """Returns closing, opening, proceeds and cost of an execution on top of `position_e2` (rules 1 and 2)."""
    if side is _BID:
        own_e4, opposed_e2 = price_e4, -position_e2
    else:
        own_e4, opposed_e2 = DOLLAR_E4 - price_e4, position_e2
    if opposed_e2 <= 0:
        return 0, count_e2, 0, count_e2 * own_e4
    closing_e2 = min(count_e2, opposed_e2)
    opening_e2 = count_e2 - closing_e2
    return closing_e2, opening_e2, closing_e2 * (DOLLAR_E4 - own_e4), opening_e2 * own_e4


@attrs.define(kw_only=True, eq=False)
class Account:
    """One customer. House accounts are the exchange's own traders: they always can pay and keep no records.

    `open_orders` and `groups` hold what the account has now, oldest first. `client_order_ids` are taken for ever, which
    is the exchange's own rule, so they have no bound; the value says whether a create request took the id.
    """

    account_id: str
    key_id: str
    tier: str = "basic"
    public_key_pem: bytes = attrs.field(default=b"", repr=False)
    is_house: bool = False
    subaccount_number: int = 0
    granted_levels: list[str] = attrs.field(factory=list)
    cash_by_shard_e6: dict[int, int] = attrs.field(factory=dict)
    positions: dict[str, Position] = attrs.field(factory=dict, repr=False)
    open_orders: dict[str, Order] = attrs.field(factory=dict, repr=False)
    groups: dict[str, OrderGroup] = attrs.field(factory=dict, repr=False)
    client_order_ids: dict[str, bool] = attrs.field(factory=dict, repr=False)

    @property
    def cash_e6(self) -> int:
        return sum(self.cash_by_shard_e6.values())

    def position_e2(self, ticker: str) -> int:
        position = self.positions.get(ticker)
        return position.count_e2 if position is not None else 0

    def position(self, ticker: str, exchange_index: int) -> Position:
        """Returns the position record, made on first use."""
        position = self.positions.get(ticker)
        if position is None:
            position = self.positions[ticker] = Position(ticker=ticker, exchange_index=exchange_index)
        return position

    def book_execution(self, position: Position, flow: CashFlow, side: Side, net_fee_e6: int) -> None:
        """Moves cash and position for one execution and its net fee."""
        closing_e2, opening_e2, proceeds_e6, cost_e6 = flow
        if closing_e2:
            freed_e6 = position.cost_e6 * closing_e2 // abs(position.count_e2)
            position.realized_e6 += proceeds_e6 - freed_e6
            position.cost_e6 -= freed_e6
        position.cost_e6 += cost_e6
        position.traded_e6 += proceeds_e6 + cost_e6
        position.fees_e6 += net_fee_e6
        count_e2 = closing_e2 + opening_e2
        position.count_e2 += count_e2 if side is _BID else -count_e2
        shard = position.exchange_index
        cash = self.cash_by_shard_e6
        cash[shard] = cash.get(shard, 0) + proceeds_e6 - cost_e6 - net_fee_e6
