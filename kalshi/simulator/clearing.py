"""The money of a trade: funds, fees, cash, positions, and the conservation that all of it obeys.

At every moment: the cash of all accounts, the fees taken, and one dollar for each YES contract held (its NO
twin is held by somebody else) add up to what was deposited. `imbalance_e6` is zero, always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kalshi.simulator.accounts import Account, CashFlow, Position, cash_flow
from kalshi.simulator.engine import Executed
from kalshi.simulator.fees import FeeCharge, FeeTerms, charge, trade_fee_e6
from kalshi.simulator.orders import Fill, Order, Trade
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import Side

_CENT_E6 = 10_000


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
        self.terms = terms
        self.fees_taken_e6 = 0
        self.open_interest_e2 = 0

    def affords(self, order: Order, price_e4: int, count_e2: int, *, is_taker: bool) -> bool:
        """Says whether the owner's cash on this shard covers the execution and its fee."""
        if order.is_house:
            return True
        account = self._accounts[order.account_id]
        flow = cash_flow(account.position_e2(self._ticker), order.side, price_e4, count_e2)
        cost = self._charge(order, price_e4, count_e2, flow, is_taker=is_taker)
        cash_e6 = account.cash_by_shard_e6.get(self._exchange_index, 0)
        return cash_e6 + flow.revenue_e6 - cost.net_e6 >= 0

    def entry_cost_e6(self, account: Account, order: Order, count_e2: int) -> int:
        """Returns what the order would take from the account at its limit, fee included; zero where it frees money."""
        flow = cash_flow(account.position_e2(self._ticker), order.side, order.price_e4, count_e2)
        cost = self._charge(order, order.price_e4, count_e2, flow, is_taker=not order.post_only)
        return max(0, cost.net_e6 - flow.revenue_e6)

    def execute(self, maker: Order, taker: Order, count_e2: int, now_ms: int) -> Executed:
        """Books the trade at the maker's price for both owners."""
        trade = Trade(
            trade_id=self._new_trade_id(),
            ticker=self._ticker,
            price_e4=maker.price_e4,
            count_e2=count_e2,
            taker_side=taker.side,
            ts_ms=now_ms,
        )
        fills = (self._book(maker, trade, is_taker=False), self._book(taker, trade, is_taker=True))
        return Executed(trade=trade, maker=maker, taker=taker, fills=fills)

    def _charge(self, order: Order, price_e4: int, count_e2: int, flow: CashFlow, *, is_taker: bool) -> FeeCharge:
        fee_e6 = trade_fee_e6(self.terms, price_e4, count_e2, is_taker=is_taker)
        return charge(fee_e6, flow.revenue_e6, order.fee_accumulator_e6, self.terms.rounding)

    def _book(self, order: Order, trade: Trade, *, is_taker: bool) -> Fill:
        account = self._accounts[order.account_id]
        position = account.position(self._ticker, self._exchange_index)
        flow = cash_flow(position.count_e2, order.side, trade.price_e4, trade.count_e2)
        billed = self._charge(order, trade.price_e4, trade.count_e2, flow, is_taker=is_taker)
        yes_before_e2 = max(0, position.count_e2)
        account.book_execution(position, flow, order.side, billed.net_e6)
        position.updated_ms = trade.ts_ms
        self.open_interest_e2 += max(0, position.count_e2) - yes_before_e2
        self.fees_taken_e6 += billed.net_e6
        order.fee_accumulator_e6 = billed.accumulator_e6
        self._add_to_order(order, trade, billed, is_taker=is_taker)
        return Fill(
            trade_id=trade.trade_id,
            account_id=order.account_id,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            ticker=trade.ticker,
            exchange_index=self._exchange_index,
            side=order.side,
            price_e4=trade.price_e4,
            count_e2=trade.count_e2,
            fee_e6=billed.net_e6,
            is_taker=is_taker,
            post_position_e2=position.count_e2,
            ts_ms=trade.ts_ms,
        )

    @staticmethod
    def _add_to_order(order: Order, trade: Trade, billed: FeeCharge, *, is_taker: bool) -> None:
        own_e4 = trade.price_e4 if order.side is Side.BID else DOLLAR_E4 - trade.price_e4
        if is_taker:
            order.taker_cost_e6 += own_e4 * trade.count_e2
            order.taker_fees_e6 += billed.net_e6
        else:
            order.maker_cost_e6 += own_e4 * trade.count_e2
            order.maker_fees_e6 += billed.net_e6

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
