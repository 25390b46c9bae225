"""From what should rest and what does rest: the fewest and cheapest commands.

Pure: everything that the decision needs comes in, commands and reasons come out. The rules, in the order they
apply:

1. Nothing wanted, or withdrawal demanded: cancel. Cancels need no permit.
2. One command in flight per order; an order of unknown fate blocks its side, because a second one could
   double it. It is repeated under its own client id.
3. More rests than the limits allow now: cancel or decrease at once, without permit, cooldown or book.
4. Keep what is good enough: price within the threshold and size between the regrow share and the target
   (priority in the queue is worth more than a cent of precision).
5. Shrink by decrease (keeps the place). Move or grow by amend, and only to a price a tick behind the opposite
   touch of a live book, because an amend has no post-only. The exchange keeps the place of an amend that only
   renews the expiry; it repeats the total, so it waits until the total is sure.
6. A create is post-only, in our group, with an expiry, on the grid, inside the collar, not crossing our own
   other side, within position cap, cash and order count, counting everything that may still fill (I8).

Rejected: cancel-and-create as the normal way to move. It costs 12 tokens instead of 10 and leaves a moment
without a quote.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

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
from quant.orders.table import OrderTable
from quant.orders.totals import order_cost_e6
from quant.orders.tracked import OrderState, TrackedOrder


@attrs.frozen(kw_only=True)
class Wanted:
    """One order that should rest; `filled_max_e2` bounds what all numbered fills of its side may ever come to."""

    price_e4: PriceE4
    count_e2: CountE2
    filled_max_e2: CountE2 | None = None


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
    cooling_until_s: float  # no create, move or wanted shrink of this side before
    may_fill_e2: int | None = None  # by all orders of this side together, beyond the booked fills; None: no such bound


@attrs.frozen(kw_only=True)
class SidePlan:
    commands: tuple[PlannedCommand, ...]
    reasons: tuple[str, ...] = ()
    is_cooling: bool = False  # there would be another command, were it not for the cooldown


_NOTHING = SidePlan(commands=())
_COOLING = SidePlan(commands=(), is_cooling=True)


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
        return SidePlan(commands=withdraw(orders, context.now_s, parameters))
    surplus = [o for o in orders if o.must_cancel] or orders[1:]
    if surplus:
        return SidePlan(commands=withdraw(surplus, context.now_s, parameters))
    if not orders:
        return _plan_new(wanted, None, context, table, parameters, new_client_order_id)
    present = orders[0]
    if present.pending is not None or present.state is OrderState.SENT:
        return _NOTHING
    if present.state is OrderState.UNKNOWN:
        return _plan_new(wanted, present, context, table, parameters, new_client_order_id)
    return _plan_present(wanted, present, context, table, parameters)


def withdraw(orders: Iterable[TrackedOrder], now_s: float, parameters: DeskParameters) -> tuple[PlannedCommand, ...]:
    """Returns a cancel for each order that can be cancelled now: it is known to the exchange, nothing is in flight."""
    return tuple(
        _to_reduce(
            CancelOrder(order_id=order.order_id, ticker=order.ticker, exchange_index=order.request.exchange_index),
            order,
            parameters,
        )
        for order in orders
        if order.order_id is not None and order.pending is None and now_s >= order.next_cancel_s
    )


def _to_reduce(request: CancelOrder | DecreaseOrder, order: TrackedOrder, parameters: DeskParameters) -> PlannedCommand:
    return PlannedCommand(
        kind=CommandClass.CANCEL,
        client_order_id=order.client_order_id,
        request=request,
        valid_s=parameters.exit_valid_s,
    )


# -- limits --


@attrs.frozen(kw_only=True)
class Room:
    """What one side of a market may still take, at any price."""

    held_e2: CountE2  # in this side's direction, with all that may still fill elsewhere
    unbooked_e2: int  # fills of the present order that are known but not yet in the position
    free_e6: int
    side: Side
    cap_e2: CountE2
    may_fill_e2: int | None  # beyond what other orders of the side may still fill

    def at_e2(self, price_e4: PriceE4) -> CountE2:
        """Returns how much may rest at this price."""
        unit_cost_e4 = max(1, order_cost_e6(self.side, price_e4, CountE2(1)))
        # What closes an opposite position takes no cash.
        affordable_e2 = max(0, -self.held_e2) + max(0, self.free_e6 // unit_cost_e4)
        bound_e2 = self.cap_e2 - self.held_e2
        if self.may_fill_e2 is not None:
            bound_e2 = min(bound_e2, self.may_fill_e2)
        return CountE2(max(0, min(bound_e2, affordable_e2) - self.unbooked_e2))


def room_of(present: TrackedOrder | None, context: SideContext, table: OrderTable, parameters: DeskParameters) -> Room:
    """Returns the room under position cap and cash for an order in the place of `present`."""
    held_e2 = context.position_e2 * context.side.sign + table.open_e2(context.ticker, context.side, without=present)
    elsewhere_e2 = held_e2 - context.position_e2 * context.side.sign
    shard_e6, total_e6 = table.bounds_e6(context.exchange_index, without=present)
    return Room(
        held_e2=CountE2(held_e2),
        unbooked_e2=0 if present is None else present.filled_known_e2 - present.filled_booked_e2,
        free_e6=min(context.cash_available_e6 - shard_e6, parameters.resting_value_max_e6 - total_e6),
        side=context.side,
        cap_e2=context.cap_e2,
        may_fill_e2=None if context.may_fill_e2 is None else context.may_fill_e2 - elsewhere_e2,
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
    is_bid = context.side is Side.BID
    touch_e4, opposite_e4 = context.best_bid_e4, context.best_ask_e4
    if not is_bid:
        touch_e4, opposite_e4 = opposite_e4, touch_e4
    if opposite_e4 is not None and (price_e4 - opposite_e4) * context.side.sign >= 0:
        return "price would cross the book"
    own_e4 = table.own_extreme_e4(context.ticker, context.side.opposite)
    if own_e4 is not None and (price_e4 - own_e4) * context.side.sign >= 0:
        return "price would cross our own other side: it moves first"
    if touch_e4 is not None and abs(price_e4 - touch_e4) > parameters.collar_e4:
        return "price is outside the collar round the touch"
    return None


def _objection(price_e4: PriceE4, context: SideContext, table: OrderTable, parameters: DeskParameters) -> str | None:
    return _withheld(context) or price_objection(price_e4, context, table, parameters)


def _withheld(context: SideContext) -> str | None:
    if not context.may_quote:
        return "no permit"
    if context.group_id is None:
        return "no order group on this shard yet"
    return None


def _because(context: SideContext, reason: str) -> tuple[str, ...]:
    return (f"{context.side}: {reason}",)


_NO_ROOM = "no room: position, open orders and cash leave nothing"


# -- creates --


def _plan_new(
    wanted: Wanted,
    unknown: TrackedOrder | None,
    context: SideContext,
    table: OrderTable,
    parameters: DeskParameters,
    new_client_order_id: str,
) -> SidePlan:
    """A new order, or the repeat of one of unknown fate under its own client id, with what is wanted now."""
    if unknown is not None and (unknown.has_landed or context.now_s < unknown.next_change_s):
        return _NOTHING  # a landed one must be found by the list; repeating it proves nothing more
    allowed_e2 = min(wanted.count_e2, room_of(unknown, context, table, parameters).at_e2(wanted.price_e4))
    if allowed_e2 <= 0:
        return SidePlan(commands=(), reasons=_because(context, _NO_ROOM))
    objection = _objection(wanted.price_e4, context, table, parameters)
    if objection is None and unknown is None and len(table) >= parameters.orders_max:
        objection = f"{parameters.orders_max} orders are open already"
    if objection is not None:
        return SidePlan(commands=(), reasons=_because(context, objection))
    if context.now_s < context.cooling_until_s:
        return _COOLING
    client_order_id = new_client_order_id if unknown is None else unknown.client_order_id
    request = _create(wanted.price_e4, allowed_e2, client_order_id, context)
    return SidePlan(commands=(_quote(request, client_order_id, parameters),))


def _create(price_e4: PriceE4, count_e2: CountE2, client_order_id: str, context: SideContext) -> CreateOrder:
    return CreateOrder(
        ticker=context.ticker,
        client_order_id=client_order_id,
        side=context.side,
        price_e4=price_e4,
        count_e2=count_e2,
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
        exchange_index=context.exchange_index,
        post_only=True,
        cancel_order_on_pause=True,
        order_group_id=context.group_id,
        expiration_ts_s=_expiry_ts_s(context),
    )


def _expiry_ts_s(context: SideContext) -> int:
    return math.ceil(context.wall_s + context.lease_s)


def _quote(request: CreateOrder | AmendOrder, client_order_id: str, parameters: DeskParameters) -> PlannedCommand:
    return PlannedCommand(
        kind=CommandClass.QUOTE,
        client_order_id=client_order_id,
        request=request,
        valid_s=parameters.command_valid_s,
    )


# -- changes --


def _plan_present(
    wanted: Wanted, present: TrackedOrder, context: SideContext, table: OrderTable, parameters: DeskParameters
) -> SidePlan:
    room = room_of(present, context, table, parameters)
    limit_e2 = room.at_e2(present.price_e4)
    if limit_e2 <= 0:
        commands = withdraw((present,), context.now_s, parameters)
        return SidePlan(commands=commands, reasons=_because(context, _NO_ROOM))
    remaining_e2 = present.remaining_e2
    if context.now_s < present.next_change_s or remaining_e2 == 0:
        return _NOTHING  # with nothing left it has filled, and its fills are on their way
    if remaining_e2 > limit_e2:
        return _decrease(present, min(limit_e2, wanted.count_e2), context, parameters)
    is_same_price = wanted.price_e4 == present.price_e4
    allowed_e2 = min(wanted.count_e2, limit_e2 if is_same_price else room.at_e2(wanted.price_e4))
    if allowed_e2 <= 0:
        return SidePlan(commands=(), reasons=_because(context, _NO_ROOM))
    return _plan_change(Wanted(price_e4=wanted.price_e4, count_e2=allowed_e2), present, context, table, parameters)


def _plan_change(
    wanted: Wanted, present: TrackedOrder, context: SideContext, table: OrderTable, parameters: DeskParameters
) -> SidePlan:
    threshold_e4 = max(parameters.replace_threshold_e4, _tick_e4(present.price_e4, context))
    moves = abs(wanted.price_e4 - present.price_e4) >= threshold_e4
    remaining_e2 = present.remaining_e2
    grows = remaining_e2 < parameters.regrow_below_share * wanted.count_e2
    shrinks = remaining_e2 > wanted.count_e2
    if not (moves or grows or shrinks):
        return _plan_renewal(present, context, parameters)
    if context.now_s < context.cooling_until_s:
        return attrs.evolve(_plan_renewal(present, context, parameters), is_cooling=True)
    if shrinks and not moves:
        return _decrease(present, wanted.count_e2, context, parameters)
    objection = _objection(wanted.price_e4, context, table, parameters)
    if objection is None:
        return _amend(wanted, present, context, parameters)
    reasons = _because(context, objection)
    if shrinks:  # it cannot move, but it can shrink where it is
        return attrs.evolve(_decrease(present, wanted.count_e2, context, parameters), reasons=reasons)
    return SidePlan(commands=(), reasons=reasons)


def _tick_e4(price_e4: PriceE4, context: SideContext) -> int:
    above = context.grid.step_above(price_e4)
    return 0 if above is None else above - price_e4


def _decrease(present: TrackedOrder, to_e2: CountE2, context: SideContext, parameters: DeskParameters) -> SidePlan:
    assert present.order_id is not None
    request = DecreaseOrder(
        order_id=present.order_id,
        ticker=present.ticker,
        reduce_to_e2=to_e2,
        exchange_index=context.exchange_index,
    )
    return SidePlan(commands=(_to_reduce(request, present, parameters),))


def _amend(wanted: Wanted, present: TrackedOrder, context: SideContext, parameters: DeskParameters) -> SidePlan:
    assert present.order_id is not None
    request = AmendOrder(
        order_id=present.order_id,
        ticker=present.ticker,
        side=present.side,
        price_e4=wanted.price_e4,
        total_count_e2=CountE2(present.filled_known_e2 + wanted.count_e2),
        exchange_index=context.exchange_index,
        expiration_ts_s=_expiry_ts_s(context),
    )
    return SidePlan(commands=(_quote(request, present.client_order_id, parameters),))


def _plan_renewal(present: TrackedOrder, context: SideContext, parameters: DeskParameters) -> SidePlan:
    expiry_s = present.expiry_ts_s
    if expiry_s is None or context.wall_s < expiry_s - context.lease_s / 2:
        return _NOTHING
    objection = _withheld(context) or (None if context.book_is_live else "book is not live: the lease runs out")
    if objection is not None:
        return SidePlan(commands=(), reasons=_because(context, objection))
    if not present.is_total_sure:
        return _NOTHING  # repeating a total that is only a bound could make the order grow
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
    command = attrs.evolve(
        _quote(request, present.client_order_id, parameters), kind=CommandClass.RENEW, valid_s=parameters.exit_valid_s
    )
    return SidePlan(commands=(command,))


def lease_seconds(orders: int, write_refill_per_s: float, floor_s: float) -> float:
    """Returns how long a lease must be so that renewals (10 tokens each half-life) stay under a fifth of the
    budget.
    """
    return max(floor_s, 100.0 * orders / write_refill_per_s)
