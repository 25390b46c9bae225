"""The money of a trade: funds, fees, cash, positions, and the conservation that all of it obeys.

At every moment: the cash of all accounts, the fees taken, and one dollar for each YES contract held (its NO
twin is held by somebody else) add up to what was deposited. `imbalance_e6` is zero, always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from kalshi.simulator.accounts import Account, CashFlow, Position, cash_flow
from kalshi.simulator.engine import Executed
from kalshi.simulator.fees import ALIGNMENT_E6, FeeTerms, charge, fee_ratio, trade_fee_e6
from kalshi.simulator.invariants import InvariantBroken
from kalshi.simulator.orders import Fill, Order, Trade
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import Side

_CENT_E6: Final = 10_000
_BID: Final = Side.BID
_tuple_new: Final = tuple.__new__
# What rounding can add to a fee: up to a step, up to the alignment, each below one 1/10,000 dollar.
FEE_ROUNDINGS_E6: Final = 3 * ALIGNMENT_E6


class MarketClearing:
    """Clears the trades of one market; implements the engine's `Clearing`."""

    def __init__(
        self,
        *,
        ticker: str,
        exchange_index: int,
        terms: FeeTerms,
        accounts: Mapping[str, Account],
        new_trade_id: Callable[[], str],
    ) -> None:
        self._ticker = ticker
        self._exchange_index = exchange_index
        self._accounts = accounts
        self._new_trade_id = new_trade_id
        self._terms = terms
        self._waives_fees = False
        self._set_terms(terms)
        self.fees_taken_e6 = 0
        self.open_interest_e2 = 0

    @property
    def terms(self) -> FeeTerms:
        """What fees the market takes; may be set anew, and counts from the next fill on."""
        return self._terms

    @terms.setter
    def terms(self, terms: FeeTerms) -> None:
        self._set_terms(terms)

    @property
    def waives_fees(self) -> bool:
        """Whether trades cost no fee now, whatever the terms; counts from the next fill on."""
        return self._waives_fees

    @waives_fees.setter
    def waives_fees(self, waives: bool) -> None:
        self._waives_fees = waives
        self._set_terms(self._terms)

    def _set_terms(self, terms: FeeTerms) -> None:
        self._terms = terms
        if self._waives_fees:
            terms = attrs.evolve(terms, multiplier_e4=0)
        self._charged_terms = terms
        self._rounding = terms.rounding
        self._taker_ratio = fee_ratio(terms, is_taker=True)
        self._maker_ratio = fee_ratio(terms, is_taker=False)
        # More than a fill could cost in fees for each 1/100 contract, at half a dollar where the fee is highest.
        numerator, denominator, step_e6 = self._taker_ratio
        self.fee_bound_e6 = numerator * 25_000_000 * step_e6 // denominator + 1

    def affords(self, order: Order, price_e4: int, count_e2: int, *, is_taker: bool) -> bool:
        """Says whether the owner's cash on this shard covers the execution and its fee."""
        if order.is_house:
            return True
        account = self._accounts[order.account_id]
        cash_e6 = account.cash_by_shard_e6.get(self._exchange_index, 0)
        own_e4 = price_e4 if order.side is _BID else DOLLAR_E4 - price_e4
        if cash_e6 >= count_e2 * (own_e4 + self.fee_bound_e6) + FEE_ROUNDINGS_E6:
            return True
        flow = cash_flow(account.position_e2(self._ticker), order.side, price_e4, count_e2)
        return cash_e6 >= self._cost_e6(order, price_e4, count_e2, flow, is_taker=is_taker)

    def entry_cost_e6(self, account: Account, order: Order, price_e4: int, count_e2: int, *, is_taker: bool) -> int:
        """Returns what the order would take from the account at that limit, fee included; zero where it frees money."""
        flow = cash_flow(account.position_e2(self._ticker), order.side, price_e4, count_e2)
        return max(0, self._cost_e6(order, price_e4, count_e2, flow, is_taker=is_taker))

    def execute(self, maker: Order, taker: Order, count_e2: int, now_ms: int) -> Executed:
        """Books the trade at the maker's price for both owners. Raises InvariantBroken where money appears or goes."""
        price_e4 = maker.price_e4
        # The named tuples of a trade are made as plain ones, which costs a third of the class's own call.
        trade = _tuple_new(Trade, (self._new_trade_id(), self._ticker, price_e4, count_e2, taker.side, now_ms))
        interest_e2 = self.open_interest_e2
        made, maker_revenue_e6 = self._book(maker, trade, is_taker=False)
        taken, taker_revenue_e6 = self._book(taker, trade, is_taker=True)
        # What both sides paid for new pairs, or got back for closed ones, now stands behind them, fees aside.
        if maker_revenue_e6 + taker_revenue_e6 + (self.open_interest_e2 - interest_e2) * DOLLAR_E4:
            raise InvariantBroken("cash_conserved", f"trade {trade.trade_id} in {self._ticker}")
        return _tuple_new(Executed, (trade, maker, taker, (made, taken)))

    def _cost_e6(self, order: Order, price_e4: int, count_e2: int, flow: CashFlow, *, is_taker: bool) -> int:
        """Returns what an execution takes from its owner, net fee included; below zero where it brings money."""
        _, _, proceeds_e6, cost_e6 = flow
        fee_e6 = trade_fee_e6(self._charged_terms, price_e4, count_e2, is_taker=is_taker)
        net_e6, _ = charge(fee_e6, proceeds_e6 - cost_e6, order.fee_accumulator_e6, self._rounding)
        return net_e6 + cost_e6 - proceeds_e6

    def _book(self, order: Order, trade: Trade, *, is_taker: bool) -> tuple[Fill, int]:
        """Books one side of a trade; returns its fill, and the money in or out before fees."""
        account = self._accounts[order.account_id]
        position = account.positions.get(self._ticker)
        if position is None:
            position = account.position(self._ticker, self._exchange_index)
        held_e2 = position.count_e2
        side, price_e4, count_e2 = order.side, trade.price_e4, trade.count_e2
        no_price_e4 = DOLLAR_E4 - price_e4
        flow = cash_flow(held_e2, side, price_e4, count_e2)
        revenue_e6 = flow[2] - flow[3]
        numerator, denominator, step_e6 = self._taker_ratio if is_taker else self._maker_ratio
        fee_e6 = -(-numerator * count_e2 * price_e4 * no_price_e4 // denominator) * step_e6 if numerator else 0
        net_e6, order.fee_accumulator_e6 = charge(fee_e6, revenue_e6, order.fee_accumulator_e6, self._rounding)
        account.book_execution(position, flow, side, net_e6)
        position.updated_ms = trade.ts_ms
        if position.count_e2 > 0:
            self.open_interest_e2 += position.count_e2
        if held_e2 > 0:
            self.open_interest_e2 -= held_e2
        self.fees_taken_e6 += net_e6
        cost_e6 = count_e2 * (price_e4 if side is _BID else no_price_e4)
        if is_taker:
            order.taker_cost_e6 += cost_e6
            order.taker_fees_e6 += net_e6
        else:
            order.maker_cost_e6 += cost_e6
            order.maker_fees_e6 += net_e6
        values = (
            trade.trade_id,
            order.account_id,
            order.order_id,
            order.client_order_id,
            self._ticker,
            self._exchange_index,
            side,
            price_e4,
            count_e2,
            net_e6,
            is_taker,
            position.count_e2,
            trade.ts_ms,
        )
        return _tuple_new(Fill, values), revenue_e6

    def pay_out(self, account: Account, position: Position, settlement_value_e4: int) -> int:
        """Pays a position at the settlement value, rounded to whole cents; returns the money paid."""
        each_e4 = settlement_value_e4 if position.count_e2 > 0 else DOLLAR_E4 - settlement_value_e4
        exact_e6 = abs(position.count_e2) * each_e4
        paid_e6 = (exact_e6 + _CENT_E6 // 2) // _CENT_E6 * _CENT_E6
        account.cash_by_shard_e6[self._exchange_index] = account.cash_by_shard_e6.get(self._exchange_index, 0) + paid_e6
        self.fees_taken_e6 += exact_e6 - paid_e6  # the rounding's other side
        self.open_interest_e2 -= max(0, position.count_e2)
        position.realized_e6 += paid_e6 - position.cost_e6
        position.count_e2 = position.cost_e6 = 0
        position.is_settled = True
        return paid_e6


def collateral_e6(clearings: Mapping[str, MarketClearing]) -> int:
    """Returns the dollars that stand behind all open pairs."""
    return sum(clearing.open_interest_e2 * DOLLAR_E4 for clearing in clearings.values())
