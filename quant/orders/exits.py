"""Exits: reduce-only IOC orders that close a position the stop loss has claimed.

An exit is in no group (a tripped fence must not stop it), needs no permit, and asks self-trade mode `maker`,
so that a quote of ours that still rests gives way. Where somebody else's order of the account rests in the
market it asks `taker_at_cross` instead: cancelling a person's order is not ours to do (I28).

Rules:
1. One exit at a time, until its fills are all booked (I10). An exit of unknown fate is repeated under the
   same client id, as quotes are: were it only waited for, one lost answer would starve the stop loss.
2. Attempts are ATTEMPT_EVERY_S apart, because a book needs a moment to refill. After `exit_attempts_max`
   of them a person is called, and they go on ATTEMPT_WHEN_STUCK_EVERY_S apart: reducing late is better than
   not reducing.
3. What the Wire never sent was no attempt.
"""

from __future__ import annotations

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import CreateOrder, SelfTradePrevention, Side, TimeInForce
from quant.orders.commands import CommandClass, PlannedCommand
from quant.orders.parameters import DeskParameters
from quant.orders.table import OrderTable
from quant.orders.tracked import OrderState, TrackedOrder


@attrs.frozen(kw_only=True)
class ExitContext:
    ticker: str
    exchange_index: int
    grid: PriceGrid
    side: Side
    wanted_e2: CountE2
    limit_e4: PriceE4
    position_e2: CountE2
    masked_since_s: float
    now_s: float
    foreign_orders_rest: bool
    attempts: int
    last_attempt_s: float | None


@attrs.frozen(kw_only=True)
class ExitPlan:
    """The next exit order, if one is due, and what a person should know."""

    command: PlannedCommand | None
    reasons: tuple[str, ...] = ()


# The market's quotes get this long to go before the exit is sent regardless.
WITHDRAW_WAIT_S = 0.25
ATTEMPT_EVERY_S = 0.5
ATTEMPT_WHEN_STUCK_EVERY_S = 15.0


def plan_exit(
    context: ExitContext, table: OrderTable, parameters: DeskParameters, new_client_order_id: str
) -> ExitPlan:
    """Returns the next exit order; none while one is open, quotes are still leaving, or nothing is left to close."""
    orders = table.in_market(context.ticker)
    open_exits = [order for order in orders if not order.is_quote]
    unknown = open_exits[0] if len(open_exits) == 1 and _may_repeat(open_exits[0], context) else None
    if open_exits and unknown is None:
        return ExitPlan(command=None)
    quotes_rest = any(order.is_quote and order.is_live for order in orders)
    if quotes_rest and context.now_s - context.masked_since_s < WITHDRAW_WAIT_S:
        return ExitPlan(command=None)
    reasons = _stuck(context, parameters)
    every_s = ATTEMPT_WHEN_STUCK_EVERY_S if reasons else ATTEMPT_EVERY_S
    if unknown is None and context.last_attempt_s is not None and context.now_s - context.last_attempt_s < every_s:
        return ExitPlan(command=None, reasons=reasons)
    reducible_e2 = -context.position_e2 * context.side.sign
    count_e2 = CountE2(min(context.wanted_e2, reducible_e2))
    if count_e2 <= 0:
        return ExitPlan(command=None, reasons=reasons)
    if not context.grid.is_valid(context.limit_e4):
        return ExitPlan(command=None, reasons=(*reasons, "exit: its limit is off the market's grid"))
    client_order_id = unknown.client_order_id if unknown is not None else new_client_order_id
    return ExitPlan(command=_command(context, count_e2, client_order_id, parameters), reasons=reasons)


def _may_repeat(order: TrackedOrder, context: ExitContext) -> bool:
    return (
        order.state is OrderState.UNKNOWN
        and order.side is context.side
        and order.pending is None
        and not order.has_landed  # then the list must find it: repeating proves nothing more
        and context.now_s >= order.next_change_s
    )


def _stuck(context: ExitContext, parameters: DeskParameters) -> tuple[str, ...]:
    if context.attempts < parameters.exit_attempts_max:
        return ()
    return (f"exit: {context.attempts} attempts did not close it, a person should look",)


def _command(
    context: ExitContext, count_e2: CountE2, client_order_id: str, parameters: DeskParameters
) -> PlannedCommand:
    mode = SelfTradePrevention.TAKER_AT_CROSS if context.foreign_orders_rest else SelfTradePrevention.MAKER
    request = CreateOrder(
        ticker=context.ticker,
        client_order_id=client_order_id,
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
        kind=CommandClass.EXIT, client_order_id=client_order_id, request=request, valid_s=parameters.exit_valid_s
    )
