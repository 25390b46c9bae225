"""Short ways to say what the specifications of orders talk about."""

from __future__ import annotations

from typing import Any

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import (
    AmendAck,
    AmendOrder,
    CancelAck,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseAck,
    DecreaseOrder,
    Fill,
    Order,
    OrderStatus,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from quant.orders.commands import CommandOutcome, OrderAck, OrderRequest, OutcomeKind
from quant.orders.planner import SideContext, Wanted
from quant.orders.tracked import OrderState, TrackedOrder
from tests.quant.builders import CENT_GRID

RETRY_S = 1.0
EXPIRY_TS_S = 10_000
SERVER_MS = 5_000


def wanted(price_e4: int, count_e2: int = 100) -> Wanted:
    return Wanted(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


def create(
    client_order_id: str = "us-1",
    side: Side = Side.BID,
    price_e4: int = 4_400,
    count_e2: int = 100,
    *,
    ticker: str = "M",
    group_id: str | None = "g1",
    expiry_ts_s: int | None = EXPIRY_TS_S,
    exchange_index: int = 0,
) -> CreateOrder:
    return CreateOrder(
        ticker=ticker,
        client_order_id=client_order_id,
        side=side,
        price_e4=PriceE4(price_e4),
        count_e2=CountE2(count_e2),
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
        exchange_index=exchange_index,
        post_only=True,
        order_group_id=group_id,
        expiration_ts_s=expiry_ts_s,
    )


def exit_create(client_order_id: str = "us-x", side: Side = Side.ASK, count_e2: int = 100) -> CreateOrder:
    return attrs.evolve(
        create(client_order_id, side, 4_000, count_e2, group_id=None, expiry_ts_s=None),
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        self_trade_prevention=SelfTradePrevention.MAKER,
        post_only=False,
        reduce_only=True,
    )


def amend(total_e2: int, price_e4: int = 4_400, expiry_ts_s: int | None = None, order_id: str = "o-1") -> AmendOrder:
    return AmendOrder(
        order_id=order_id,
        ticker="M",
        side=Side.BID,
        price_e4=PriceE4(price_e4),
        total_count_e2=CountE2(total_e2),
        exchange_index=0,
        expiration_ts_s=expiry_ts_s,
    )


def decrease(to_e2: int) -> DecreaseOrder:
    return DecreaseOrder(order_id="o-1", ticker="M", reduce_to_e2=CountE2(to_e2), exchange_index=0)


CANCEL = CancelOrder(order_id="o-1", ticker="M", exchange_index=0)


def created(filled_e2: int = 0, remaining_e2: int = 100, ts_ms: int = 1_000, order_id: str = "o-1") -> CreateAck:
    return CreateAck(
        order_id=order_id,
        client_order_id="us-1",
        filled_e2=CountE2(filled_e2),
        remaining_e2=CountE2(remaining_e2),
        ts_ms=ts_ms,
    )


def amended(ts_ms: int = 2_000, remaining_e2: int | None = None, filled_e2: int | None = None) -> AmendAck:
    return AmendAck(
        order_id="o-1",
        remaining_e2=None if remaining_e2 is None else CountE2(remaining_e2),
        filled_e2=None if filled_e2 is None else CountE2(filled_e2),
        ts_ms=ts_ms,
    )


def decreased(remaining_e2: int, ts_ms: int = 2_000) -> DecreaseAck:
    return DecreaseAck(order_id="o-1", remaining_e2=CountE2(remaining_e2), ts_ms=ts_ms)


def cancelled(reduced_by_e2: int, ts_ms: int = 3_000) -> CancelAck:
    return CancelAck(order_id="o-1", reduced_by_e2=CountE2(reduced_by_e2), ts_ms=ts_ms)


def answered(
    order: TrackedOrder,
    request: OrderRequest,
    kind: OutcomeKind = OutcomeKind.ACCEPTED,
    ack: OrderAck | None = None,
    *,
    code: str = "",
    now_s: float = 0.0,
    server_ms: int = SERVER_MS,
) -> None:
    """The order hears what became of `request`."""
    outcome = CommandOutcome(
        client_order_id=order.client_order_id, kind=kind, request=request, server_ms=server_ms, ack=ack, code=code
    )
    order.command_answered(outcome, now_s=now_s, retry_s=RETRY_S)


def done(order: TrackedOrder, request: OrderRequest, ack: OrderAck) -> None:
    """A whole command: sent, and accepted."""
    order.command_sent(request)
    answered(order, request, OutcomeKind.ACCEPTED, ack)


def failed(
    order: TrackedOrder, request: OrderRequest, kind: OutcomeKind, code: str = "", *, server_ms: int = SERVER_MS
) -> None:
    """A whole command: sent, and not accepted."""
    order.command_sent(request)
    answered(order, request, kind, code=code, server_ms=server_ms)


def sent(request: CreateOrder | None = None) -> TrackedOrder:
    request = request or create()
    order = TrackedOrder(request=request, is_quote=not request.reduce_only)
    order.command_sent(request)
    return order


def resting(request: CreateOrder | None = None, order_id: str = "o-1", ts_ms: int = 1_000) -> TrackedOrder:
    order = sent(request)
    answered(order, order.request, ack=created(remaining_e2=order.request.count_e2, ts_ms=ts_ms, order_id=order_id))
    assert order.state is OrderState.RESTING
    return order


def unknown(request: CreateOrder | None = None) -> TrackedOrder:
    order = sent(request)
    answered(order, order.request, OutcomeKind.UNKNOWN)
    assert order.state is OrderState.UNKNOWN
    return order


def report(
    remaining_e2: int = 100,
    filled_e2: int = 0,
    *,
    client_order_id: str = "us-1",
    order_id: str = "o-1",
    status: OrderStatus = OrderStatus.RESTING,
    side: Side = Side.BID,
    price_e4: int = 4_400,
    at_ms: int = 1_000,
    ticker: str = "M",
    group_id: str | None = "g1",
    reason: str | None = None,
) -> Order:
    return Order(
        order_id=order_id,
        client_order_id=client_order_id,
        ticker=ticker,
        side=side,
        status=status,
        price_e4=PriceE4(price_e4),
        initial_e2=CountE2(filled_e2 + remaining_e2),
        filled_e2=CountE2(filled_e2),
        remaining_e2=CountE2(remaining_e2),
        order_group_id=group_id,
        expiration_ts_s=EXPIRY_TS_S,
        last_update_ms=at_ms,
        reason=reason,
    )


def filled(
    count_e2: int,
    order_id: str = "o-1",
    at_ms: int = 1_500,
    client_order_id: str | None = None,
    *,
    side: Side = Side.BID,
) -> Fill:
    return Fill(
        fill_id=f"{order_id}-{at_ms}-{count_e2}",
        order_id=order_id,
        ticker="M",
        side=side,
        price_e4=PriceE4(4_400),
        count_e2=CountE2(count_e2),
        fee_e6=MoneyE6(0),
        is_taker=False,
        ts_ms=at_ms,
        client_order_id=client_order_id,
    )


def context(side: Side = Side.BID, **changes: Any) -> SideContext:
    """A side where everything is allowed: book 45 to 55 cents, room for 100 contracts, plenty of cash."""
    usual = SideContext(
        ticker="M",
        side=side,
        exchange_index=0,
        grid=CENT_GRID,
        best_bid_e4=PriceE4(4_500),
        best_ask_e4=PriceE4(5_500),
        book_is_live=True,
        position_e2=CountE2(0),
        cap_e2=CountE2(10_000),
        cash_available_e6=MoneyE6(10**12),
        may_quote=True,
        must_withdraw=False,
        group_id="g1",
        lease_s=120.0,
        now_s=100.0,
        wall_s=9_900.0,
        cooling_until_s=0.0,
    )
    return attrs.evolve(usual, **changes)


def book(order: TrackedOrder, count_e2: int, at_ms: int) -> None:
    """A numbered fill of the order is added to our position."""
    order.fill_booked(CountE2(count_e2), at_ms)
