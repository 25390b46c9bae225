"""Exits: reduce-only IOC orders that close a position the stop loss has claimed.

An exit is in no group (a tripped fence must not stop it), needs no permit, and asks self-trade mode `maker`,
so that a quote of ours that still rests gives way. Where somebody else's order of the account rests in the
market it asks `taker_at_cross` instead: cancelling a person's order is not ours to do (I28).
"""

from __future__ import annotations

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import CreateOrder, SelfTradePrevention, Side, TimeInForce
from quant.orders.commands import CommandClass, PlannedCommand
from quant.orders.parameters import DeskParameters
from quant.orders.table import OrderTable


@attrs.frozen(kw_only=True)
class ExitContext:
    ticker: str
    exchange_index: int
    side: Side
    wanted_e2: CountE2
    limit_e4: PriceE4
    position_e2: CountE2
    masked_since_s: float
    now_s: float
    foreign_orders_rest: bool
    attempts: int


# The market's quotes get this long to go before the exit is sent regardless.
WITHDRAW_WAIT_S = 0.25
# One IOC attempt after another, not a storm: the book needs a moment to refill.
ATTEMPT_EVERY_S = 0.5


def plan_exit(
    context: ExitContext, table: OrderTable, parameters: DeskParameters, new_client_order_id: str
) -> PlannedCommand | None:
    """Returns the next exit order, or None while one is open, quotes are still leaving, or nothing is left to
    close.
    """
    orders = table.in_market(context.ticker)
    if any(not order.is_quote for order in orders):
        return None  # one exit at a time, until its fills are all booked (I10)
    quotes_rest = any(order.is_quote and order.is_live for order in orders)
    if quotes_rest and context.now_s - context.masked_since_s < WITHDRAW_WAIT_S:
        return None
    if context.attempts >= parameters.exit_attempts_max:
        return None
    reducible_e2 = -context.position_e2 * context.side.sign
    count_e2 = CountE2(min(context.wanted_e2, reducible_e2))
    if count_e2 <= 0:
        return None
    mode = SelfTradePrevention.TAKER_AT_CROSS if context.foreign_orders_rest else SelfTradePrevention.MAKER
    request = CreateOrder(
        ticker=context.ticker,
        client_order_id=new_client_order_id,
        side=context.side,
        price_e4=context.limit_e4,
        count_e2=count_e2,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        self_trade_prevention=mode,
        exchange_index=context.exchange_index,
        reduce_only=True,
        cancel_order_on_pause=True,
    )
    return PlannedCommand(
        kind=CommandClass.EXIT,
        client_order_id=new_client_order_id,
        request=request,
        valid_s=parameters.exit_valid_s,
    )
