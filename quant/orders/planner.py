"""From what should rest and what does rest: the fewest and cheapest commands.

Pure: everything that the decision needs comes in, commands and reasons come out. The rules, in the order they
apply:

1. Nothing wanted, or withdrawal demanded: cancel. Cancels need no permit.
2. One command in flight per order; an order of unknown fate blocks its side, because a second one could
   double it.
3. Keep what is good enough: price within the threshold and size between the regrow share and the target
   (priority in the queue is worth more than a cent of precision).
4. Shrink by decrease (keeps the place). Move or grow by amend, and only to a price a tick behind the opposite
   touch of a live book, because an amend has no post-only. The exchange keeps the place of an amend that only
   renews the expiry.
5. A create is post-only, in our group, with an expiry, on the grid, inside the collar, not crossing our own
   other side, within position cap, cash and order count, counting everything that may still fill (I8).

Rejected: cancel-and-create as the normal way to move. It costs 12 tokens instead of 10 and leaves a moment
without a quote.
"""

from __future__ import annotations

import math

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import (
    AmendOrder,
    CancelOrder,
    CreateOrder,
    DecreaseOrder,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from quant.orders.commands import CommandClass, PlannedCommand
from quant.orders.parameters import DeskParameters
from quant.orders.table import OrderTable, order_cost_e6
from quant.orders.tracked import OrderState, TrackedOrder


@attrs.frozen(kw_only=True)
class Wanted:
    price_e4: PriceE4
    count_e2: CountE2


@attrs.frozen(kw_only=True)
class SideContext:
    """Everything a plan for one side of one market depends on besides the orders themselves."""

    ticker: str
    side: Side
    exchange_index: int
    grid: PriceGrid
    best_bid_e4: PriceE4 | None  # of the whole book, our own orders included
    best_ask_e4: PriceE4 | None
    book_is_live: bool
    position_e2: CountE2
    cap_e2: CountE2  # how far the position may go in this side's direction (positive)
    cash_available_e6: MoneyE6
    may_quote: bool
    must_withdraw: bool
    group_id: str | None
    lease_s: float
    now_s: float
    wall_s: float
    last_change_s: float | None  # when this side was last created or moved


@attrs.frozen(kw_only=True)
class SidePlan:
    commands: tuple[PlannedCommand, ...]
    reasons: tuple[str, ...] = ()


def plan_side(
    wanted: Wanted | None,
    context: SideContext,
    table: OrderTable,
    parameters: DeskParameters,
    new_client_order_id: str,
) -> SidePlan:
    """Returns the commands that bring one side of one market closer to what is wanted."""
    orders = [o for o in table.in_market(context.ticker) if o.side is context.side and o.is_quote and o.is_live]
    if context.must_withdraw or wanted is None:
        return SidePlan(commands=tuple(c for o in orders for c in _cancel(o, context, parameters)))
    surplus = [o for o in orders if o.must_cancel] or orders[1:]
    if surplus:
        return SidePlan(commands=tuple(c for o in surplus for c in _cancel(o, context, parameters)))
    present = orders[0] if orders else None
    return _plan_one(wanted, present, context, table, parameters, new_client_order_id)


def _plan_one(
    wanted: Wanted,
    present: TrackedOrder | None,
    context: SideContext,
    table: OrderTable,
    parameters: DeskParameters,
    new_client_order_id: str,
) -> SidePlan:
    if present is not None and (present.pending is not None or context.now_s < present.next_try_s):
        return SidePlan(commands=())
    allowed_e2 = allowed_count_e2(wanted, present, context, table)
    if allowed_e2 <= 0:
        reason = f"{context.side}: no room: position, open orders and cash leave nothing"
        return SidePlan(commands=_cancel(present, context, parameters) if present else (), reasons=(reason,))
    wanted = attrs.evolve(wanted, count_e2=allowed_e2)
    if present is None or present.state is OrderState.UNKNOWN:
        return _plan_create(wanted, present, context, table, parameters, new_client_order_id)
    if present.state is OrderState.SENT:
        return SidePlan(commands=())
    return _plan_change(wanted, present, context, table, parameters)


def allowed_count_e2(wanted: Wanted, present: TrackedOrder | None, context: SideContext, table: OrderTable) -> CountE2:
    """Returns how much of the wanted size fits under position cap and cash with all that may still fill."""
    others_e2 = table.open_e2(context.ticker, context.side, without=present)
    held_e2 = context.position_e2 * context.side.sign
    room_e2 = context.cap_e2 - held_e2 - others_e2
    # What closes an opposite position takes no cash.
    closing_e2 = max(0, -held_e2 - others_e2)
    unit_cost_e4 = order_cost_e6(context.side, (wanted.price_e4, wanted.price_e4), CountE2(1))
    free_e6 = context.cash_available_e6 - table.bound_e6(context.exchange_index, without=present)
    affordable_e2 = closing_e2 + max(0, free_e6 // unit_cost_e4 if unit_cost_e4 else room_e2)
    return CountE2(max(0, min(wanted.count_e2, room_e2, affordable_e2)))


def _cancel(order: TrackedOrder, context: SideContext, parameters: DeskParameters) -> tuple[PlannedCommand, ...]:
    if order.order_id is None or order.pending is not None or context.now_s < order.next_try_s:
        return ()
    request = CancelOrder(order_id=order.order_id, ticker=order.ticker, exchange_index=order.request.exchange_index)
    return (
        PlannedCommand(
            kind=CommandClass.CANCEL,
            client_order_id=order.client_order_id,
            request=request,
            valid_s=parameters.exit_valid_s,
        ),
    )


def price_objection(
    price_e4: PriceE4, context: SideContext, table: OrderTable, parameters: DeskParameters
) -> str | None:
    """Returns why this price must not be sent now, or None: grid, live book, a tick from crossing, own side,
    collar.
    """
    if not context.grid.is_valid(price_e4):
        return "price is off the market's grid"
    if not context.book_is_live:
        return "book is not live"
    best_bid_e4, best_ask_e4 = context.best_bid_e4, context.best_ask_e4
    if context.side is Side.BID:
        crosses = best_ask_e4 is not None and price_e4 >= best_ask_e4
        touch_e4 = best_bid_e4
    else:
        crosses = best_bid_e4 is not None and price_e4 <= best_bid_e4
        touch_e4 = best_ask_e4
    if crosses:
        return "price would cross the book"
    own_e4 = table.own_extreme_e4(context.ticker, context.side.opposite)
    if own_e4 is not None and (price_e4 - own_e4) * context.side.sign >= 0:
        return "price would cross our own other side: it moves first"
    if touch_e4 is not None and abs(price_e4 - touch_e4) > parameters.collar_e4:
        return "price is outside the collar round the touch"
    return None


def _expiry_ts_s(context: SideContext) -> int:
    return math.ceil(context.wall_s + context.lease_s)


def _may_act(context: SideContext) -> str | None:
    if not context.may_quote:
        return "no permit"
    if context.group_id is None:
        return "no order group on this shard yet"
    return None


def _is_cooling(context: SideContext, parameters: DeskParameters) -> bool:
    return context.last_change_s is not None and context.now_s - context.last_change_s < parameters.cooldown_s


def _plan_create(
    wanted: Wanted,
    unknown: TrackedOrder | None,
    context: SideContext,
    table: OrderTable,
    parameters: DeskParameters,
    new_client_order_id: str,
) -> SidePlan:
    objection = _may_act(context) or price_objection(wanted.price_e4, context, table, parameters)
    if objection is None and unknown is None and len(table) >= parameters.orders_max:
        objection = f"{parameters.orders_max} orders are open already"
    if objection is not None:
        return SidePlan(commands=(), reasons=(f"{context.side}: {objection}",))
    if _is_cooling(context, parameters) or (unknown is not None and unknown.has_landed):
        return SidePlan(commands=())  # a landed one must be found by the list; repeating it proves nothing more
    request = CreateOrder(
        ticker=context.ticker,
        client_order_id=unknown.client_order_id if unknown else new_client_order_id,
        side=context.side,
        price_e4=wanted.price_e4,
        count_e2=wanted.count_e2,
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
        exchange_index=context.exchange_index,
        post_only=True,
        cancel_order_on_pause=True,
        order_group_id=context.group_id,
        expiration_ts_s=_expiry_ts_s(context),
    )
    return SidePlan(commands=(_quote_command(request, request.client_order_id, parameters),))


def _quote_command(
    request: CreateOrder | AmendOrder,
    client_order_id: str,
    parameters: DeskParameters,
    *,
    is_renewal: bool = False,
) -> PlannedCommand:
    kind = CommandClass.RENEW if is_renewal else CommandClass.QUOTE
    return PlannedCommand(
        kind=kind,
        client_order_id=client_order_id,
        request=request,
        valid_s=parameters.exit_valid_s if is_renewal else parameters.command_valid_s,
    )


def _plan_change(
    wanted: Wanted, present: TrackedOrder, context: SideContext, table: OrderTable, parameters: DeskParameters
) -> SidePlan:
    assert present.order_id is not None
    remaining_e2 = present.remaining_e2
    threshold_e4 = max(parameters.replace_threshold_e4, _tick_e4(present.price_e4, context))
    moves = abs(wanted.price_e4 - present.price_e4) >= threshold_e4
    grows = remaining_e2 < parameters.regrow_below_share * wanted.count_e2
    shrinks = remaining_e2 > wanted.count_e2
    if (moves or grows or shrinks) and not _is_cooling(context, parameters):
        if shrinks and not moves:
            request = DecreaseOrder(
                order_id=present.order_id,
                ticker=present.ticker,
                reduce_to_e2=wanted.count_e2,
                exchange_index=context.exchange_index,
            )
            command = PlannedCommand(
                kind=CommandClass.CANCEL,
                client_order_id=present.client_order_id,
                request=request,
                valid_s=parameters.exit_valid_s,
            )
            return SidePlan(commands=(command,))
        return _plan_amend(wanted, present, context, table, parameters)
    return _plan_renewal(present, context, parameters)


def _tick_e4(price_e4: PriceE4, context: SideContext) -> int:
    above = context.grid.step_above(price_e4)
    return 0 if above is None else above - price_e4


def _plan_amend(
    wanted: Wanted, present: TrackedOrder, context: SideContext, table: OrderTable, parameters: DeskParameters
) -> SidePlan:
    objection = _may_act(context) or price_objection(wanted.price_e4, context, table, parameters)
    if objection is not None:
        return SidePlan(commands=(), reasons=(f"{context.side}: {objection}",))
    assert present.order_id is not None
    filled_e2 = max(present.filled_seen_e2, present.filled_booked_e2)
    request = AmendOrder(
        order_id=present.order_id,
        ticker=present.ticker,
        side=present.side,
        price_e4=wanted.price_e4,
        total_count_e2=CountE2(filled_e2 + wanted.count_e2),
        exchange_index=context.exchange_index,
        expiration_ts_s=_expiry_ts_s(context),
    )
    return SidePlan(commands=(_quote_command(request, present.client_order_id, parameters),))


def _plan_renewal(present: TrackedOrder, context: SideContext, parameters: DeskParameters) -> SidePlan:
    expiry_s = present.expiry_ts_s
    if expiry_s is None or context.wall_s < expiry_s - context.lease_s / 2:
        return SidePlan(commands=())
    objection = _may_act(context) or (None if context.book_is_live else "book is not live: the lease runs out")
    if objection is not None:
        return SidePlan(commands=(), reasons=(f"{context.side}: {objection}",))
    assert present.order_id is not None
    request = AmendOrder(
        order_id=present.order_id,
        ticker=present.ticker,
        side=present.side,
        price_e4=present.price_e4,
        total_count_e2=present.count_e2,
        exchange_index=context.exchange_index,
        expiration_ts_s=_expiry_ts_s(context),
    )
    return SidePlan(commands=(_quote_command(request, present.client_order_id, parameters, is_renewal=True),))


def lease_seconds(orders: int, write_refill_per_s: float, floor_s: float) -> float:
    """Returns how long a lease must be so that renewals (10 tokens each half-life) stay under a fifth of the
    budget.
    """
    return max(floor_s, 100.0 * orders / write_refill_per_s)
