"""REST: order writes, single and in batches.

Rules:
1. Writes name their shard (`exchange_index`) always: automatic routing bills every shard's bucket.
2. Orders go through the V2 endpoints; the older ones answer 410.
3. A write that was answered with success and an unreadable body has an unknown outcome.
4. Nothing here is sent twice. A 429 and a connection that never was are told as such, and the caller decides.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

from typing import Final

import trio

from kalshi import rest_write_answers as write_answers
from kalshi.budget import COST_CANCEL, COST_CREATE, COST_DEFAULT, Priority
from kalshi.numbers import format_count, format_price
from kalshi.rest_area import RestArea, acked, segment
from kalshi.rest_send import BeforeSend, Query
from kalshi.types import (
    AmendAck,
    AmendOrder,
    CancelAck,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseAck,
    DecreaseOrder,
    ItemRejection,
)

_ORDERS: Final = "/portfolio/events/orders"


class OrderWrites(RestArea):
    """Places, changes and cancels orders."""

    async def create_order(
        self,
        order: CreateOrder,
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> CreateAck:
        """Places one order."""
        answer = await self._sender.write(
            "POST",
            _ORDERS,
            {},
            _create_body(order),
            cost=COST_CREATE,
            priority=priority,
            before_send=before_send,
        )
        return acked(answer, lambda body: write_answers.parse_create_ack(body, order.client_order_id))

    async def batch_create(
        self,
        orders: tuple[CreateOrder, ...],
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> tuple[CreateAck | ItemRejection, ...]:
        """Places several orders with one request; each is answered by itself, in the order given.

        Raises BudgetError where the batch as a whole cannot fit in the write bucket.
        """
        if not orders:
            await trio.lowlevel.checkpoint()
            return ()
        answer = await self._sender.write(
            "POST",
            f"{_ORDERS}/batched",
            {},
            {"orders": [_create_body(order) for order in orders]},
            cost=COST_CREATE * len(orders),
            priority=priority,
            before_send=before_send,
        )
        client_order_ids = tuple(order.client_order_id for order in orders)
        return acked(answer, lambda body: write_answers.parse_batch_create(body, client_order_ids))

    async def amend_order(
        self,
        amend: AmendOrder,
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> AmendAck:
        """Changes price, total count or expiry of a resting order. An amend has no post-only: it may take."""
        body: dict[str, object] = {
            "ticker": amend.ticker,
            "side": amend.side.value,
            "price": format_price(amend.price_e4),
            "count": format_count(amend.total_count_e2),
            "exchange_index": amend.exchange_index,
        }
        if amend.expiration_ts_s is not None:
            body["expiration_time"] = amend.expiration_ts_s
        path = f"{_ORDERS}/{segment(amend.order_id)}/amend"
        answer = await self._sender.write(
            "POST", path, {}, body, cost=COST_DEFAULT, priority=priority, before_send=before_send
        )
        return acked(answer, write_answers.parse_amend_ack)

    async def decrease_order(
        self,
        decrease: DecreaseOrder,
        *,
        priority: Priority = Priority.CANCEL,
        before_send: BeforeSend | None = None,
    ) -> DecreaseAck:
        """Lowers the resting count of an order, which keeps its place in the queue."""
        body = {
            "reduce_to": format_count(decrease.reduce_to_e2),
            "market_ticker": decrease.ticker,
            "exchange_index": decrease.exchange_index,
        }
        path = f"{_ORDERS}/{segment(decrease.order_id)}/decrease"
        answer = await self._sender.write(
            "POST", path, {}, body, cost=COST_DEFAULT, priority=priority, before_send=before_send
        )
        return acked(answer, write_answers.parse_decrease_ack)

    async def cancel_order(
        self,
        cancel: CancelOrder,
        *,
        priority: Priority = Priority.CANCEL,
        before_send: BeforeSend | None = None,
    ) -> CancelAck:
        """Cancels one order. `not_found` does not tell whether it was cancelled or filled before."""
        query: Query = {"exchange_index": cancel.exchange_index, "market_ticker": cancel.ticker}
        path = f"{_ORDERS}/{segment(cancel.order_id)}"
        answer = await self._sender.write(
            "DELETE", path, query, None, cost=COST_CANCEL, priority=priority, before_send=before_send
        )
        return acked(answer, write_answers.parse_cancel_ack)

    async def batch_cancel(
        self,
        cancels: tuple[CancelOrder, ...],
        *,
        priority: Priority = Priority.CANCEL,
        before_send: BeforeSend | None = None,
    ) -> tuple[CancelAck | ItemRejection, ...]:
        """Cancels several orders with one request; each is answered by itself, in the order given."""
        if not cancels:
            await trio.lowlevel.checkpoint()
            return ()
        items = [
            {
                "order_id": cancel.order_id,
                "exchange_index": cancel.exchange_index,
                "market_ticker": cancel.ticker,
            }
            for cancel in cancels
        ]
        answer = await self._sender.write(
            "DELETE",
            f"{_ORDERS}/batched",
            {},
            {"orders": items},
            cost=COST_CANCEL * len(cancels),
            priority=priority,
            before_send=before_send,
        )
        order_ids = tuple(cancel.order_id for cancel in cancels)
        return acked(answer, lambda body: write_answers.parse_batch_cancel(body, order_ids))

    async def cancel_all_orders(
        self, *, priority: Priority = Priority.EXIT_GUARD, before_send: BeforeSend | None = None
    ) -> None:
        """Cancels every order of the account on all shards, a person's and other programs' too.

        Orders placed within about a minute afterwards may be cancelled as well.
        """
        await self._sender.write(
            "DELETE", _ORDERS, {}, None, cost=COST_CANCEL, priority=priority, before_send=before_send
        )


def _create_body(order: CreateOrder) -> dict[str, object]:
    body: dict[str, object] = {
        "ticker": order.ticker,
        "client_order_id": order.client_order_id,
        "side": order.side.value,
        "count": format_count(order.count_e2),
        "price": format_price(order.price_e4),
        "time_in_force": order.time_in_force.value,
        "self_trade_prevention_type": order.self_trade_prevention.value,
        "post_only": order.post_only,
        "cancel_order_on_pause": order.cancel_order_on_pause,
        "exchange_index": order.exchange_index,
    }
    if order.reduce_only:
        body["reduce_only"] = True
    if order.order_group_id is not None:
        body["order_group_id"] = order.order_group_id
    if order.expiration_ts_s is not None:
        body["expiration_time"] = order.expiration_ts_s
    return body
