"""The smallest exchange that can surprise an order desk: orders with their true fate, and what is still on its way.

It keeps no rule of the desk's: a request is landed, lost or dropped as the test says, answers and reports are delivered
in whatever order, and lists show any past that their `as_of` time allows.
"""

from __future__ import annotations

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
    Side,
    TimeInForce,
)
from quant.orders.commands import OrderAck, OrderRequest

SIGNATURE_LIFE_MS = 30_000  # older requests are refused, however long they were under way


class Refusal(Exception):
    """The exchange's no; its code."""


@attrs.define(eq=False)
class TrueOrder:
    """One order as it truly is."""

    request: CreateOrder
    order_id: str
    price_e4: PriceE4
    total_e2: int
    expiry_ts_s: int | None
    updated_ms: int
    filled_e2: int = 0
    is_open: bool = True

    @property
    def rests_e2(self) -> int:
        return self.total_e2 - self.filled_e2 if self.is_open else 0

    def view(self) -> Order:
        """The order as a report shows it now."""
        closed_as = OrderStatus.EXECUTED if self.filled_e2 >= self.total_e2 else OrderStatus.CANCELED
        return Order(
            order_id=self.order_id,
            client_order_id=self.request.client_order_id,
            ticker=self.request.ticker,
            side=self.request.side,
            status=OrderStatus.RESTING if self.is_open else closed_as,
            price_e4=self.price_e4,
            initial_e2=CountE2(self.total_e2),
            filled_e2=CountE2(self.filled_e2),
            remaining_e2=CountE2(self.rests_e2),
            order_group_id=self.request.order_group_id,
            expiration_ts_s=self.expiry_ts_s,
            last_update_ms=self.updated_ms,
        )


@attrs.define(eq=False)
class Flight:
    """A request that has left us: it may land, be lost, or have its answer lost."""

    client_order_id: str
    request: OrderRequest
    signed_ms: int
    has_landed: bool = False
    answer: OrderAck | Refusal | None = None
    is_told: bool = False  # the desk has its answer, or was told that there is none


class ReferenceExchange:
    """See the module."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.orders: dict[str, TrueOrder] = {}
        self.fills: list[Fill] = []
        self.shut_ms: dict[str, int] = {}
        self.log: list[tuple[int, Order]] = []

    # -- requests --

    def land(self, flight: Flight) -> None:
        """The request reaches the engine. Two commands about one order never share a millisecond."""
        self.now_ms += 1
        self.expire()
        flight.has_landed = True
        try:
            flight.answer = self._carry_out(flight.client_order_id, flight.request, flight.signed_ms)
        except Refusal as refusal:
            flight.answer = refusal

    def _carry_out(self, client_order_id: str, request: OrderRequest, signed_ms: int) -> OrderAck:
        if self.now_ms > signed_ms + SIGNATURE_LIFE_MS:
            raise Refusal("header_timestamp_expired")
        match request:
            case CreateOrder():
                return self._create(request)
            case AmendOrder():
                return self._amend(self._open(client_order_id), request)
            case DecreaseOrder():
                return self._decrease(self._open(client_order_id), request)
            case CancelOrder():
                order = self._open(client_order_id)
                removed_e2 = order.rests_e2
                self._end(order)
                return CancelAck(order_id=order.order_id, reduced_by_e2=CountE2(removed_e2), ts_ms=self.now_ms)

    def can_land(self, flight: Flight) -> bool:
        """Whether the request could still change anything."""
        request = flight.request
        if flight.has_landed or self.now_ms + 1 > flight.signed_ms + SIGNATURE_LIFE_MS:
            return False
        if not isinstance(request, CreateOrder):
            order = self.orders.get(flight.client_order_id)
            return order is not None and order.is_open
        is_late = request.expiration_ts_s is not None and request.expiration_ts_s * 1000 <= self.now_ms + 1
        return not is_late and request.client_order_id not in self.orders and request.order_group_id not in self.shut_ms

    def _create(self, request: CreateOrder) -> CreateAck:
        if request.client_order_id in self.orders:
            raise Refusal("order_already_exists")
        if request.expiration_ts_s is not None and request.expiration_ts_s * 1000 <= self.now_ms:
            raise Refusal("invalid_parameters")
        if request.order_group_id in self.shut_ms:
            raise Refusal("exceeded_order_group_risk_limit")
        order = TrueOrder(
            request=request,
            order_id=f"id-{len(self.orders) + 1}",
            price_e4=request.price_e4,
            total_e2=request.count_e2,
            expiry_ts_s=request.expiration_ts_s,
            updated_ms=self.now_ms,
        )
        self.orders[request.client_order_id] = order
        if request.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL:
            self._take(order)
        else:
            self._note(order)
        return CreateAck(
            order_id=order.order_id,
            client_order_id=request.client_order_id,
            filled_e2=CountE2(order.filled_e2),
            remaining_e2=CountE2(order.rests_e2),
            ts_ms=self.now_ms,
        )

    def _take(self, order: TrueOrder) -> None:
        """An exit finds half of what it wants, at most what reduces the position."""
        held_e2 = -self.position_e2(order.request.ticker) * order.request.side.sign
        self._fill(order, min(order.total_e2 // 2, max(0, held_e2)))
        self._end(order)

    def _open(self, client_order_id: str) -> TrueOrder:
        order = self.orders.get(client_order_id)
        if order is None or not order.is_open:
            raise Refusal("not_found")
        return order

    def _amend(self, order: TrueOrder, request: AmendOrder) -> AmendAck:
        if request.total_count_e2 < order.filled_e2:
            raise Refusal("invalid_amend_qty_for_order")
        order.price_e4, order.total_e2 = request.price_e4, request.total_count_e2
        order.expiry_ts_s = request.expiration_ts_s or order.expiry_ts_s
        if order.total_e2 == order.filled_e2:
            self._end(order)
        else:
            self._note(order)
        return AmendAck(
            order_id=order.order_id,
            remaining_e2=CountE2(order.rests_e2),
            filled_e2=CountE2(order.filled_e2),
            ts_ms=self.now_ms,
        )

    def _decrease(self, order: TrueOrder, request: DecreaseOrder) -> DecreaseAck:
        if request.reduce_to_e2 >= order.rests_e2:
            raise Refusal("amend_order_no_op")
        order.total_e2 = order.filled_e2 + request.reduce_to_e2
        self._note(order)
        return DecreaseAck(order_id=order.order_id, remaining_e2=CountE2(order.rests_e2), ts_ms=self.now_ms)

    # -- what happens by itself --

    def pass_time(self, ms: int) -> None:
        self.now_ms += ms
        self.expire()

    def expire(self) -> None:
        for order in self.open_orders():
            if order.expiry_ts_s is not None and order.expiry_ts_s * 1000 <= self.now_ms:
                self._end(order)

    def open_orders(self) -> list[TrueOrder]:
        return [order for order in self.orders.values() if order.is_open]

    def trade(self, order: TrueOrder, count_e2: int) -> None:
        """Somebody trades with an open order."""
        self._fill(order, min(count_e2, order.rests_e2))
        if order.filled_e2 == order.total_e2:
            self._end(order)
        else:
            self._note(order)

    def shut(self, group_id: str) -> None:
        """A group is triggered."""
        self.shut_ms.setdefault(group_id, self.now_ms)
        for order in self.open_orders():
            if order.request.order_group_id == group_id:
                self._end(order)

    def _fill(self, order: TrueOrder, count_e2: int) -> None:
        if count_e2 <= 0:
            return
        order.filled_e2 += count_e2
        self.fills.append(
            Fill(
                fill_id=f"fill-{len(self.fills) + 1}",
                order_id=order.order_id,
                ticker=order.request.ticker,
                side=order.request.side,
                price_e4=order.price_e4,
                count_e2=CountE2(count_e2),
                fee_e6=MoneyE6(0),
                is_taker=False,
                ts_ms=self.now_ms,
            )
        )

    def _end(self, order: TrueOrder) -> None:
        order.is_open = False
        self._note(order)

    def _note(self, order: TrueOrder) -> None:
        order.updated_ms = self.now_ms
        self.log.append((self.now_ms, order.view()))

    # -- what can be read --

    def position_e2(self, ticker: str) -> int:
        return sum(fill.side.sign * fill.count_e2 for fill in self.fills if fill.ticker == ticker)

    def filled_e2(self, client_order_id: str, seen: int) -> int:
        """What the first `seen` fills hold of one order."""
        order = self.orders.get(client_order_id)
        return sum(f.count_e2 for f in self.fills[:seen] if order is not None and f.order_id == order.order_id)

    def listed(self, as_of_ms: int, entries_more: int) -> list[Order]:
        """The newest view of every order as a list may show it: all up to `as_of_ms`, and some that are newer."""
        certain = sum(ts_ms <= as_of_ms for ts_ms, _ in self.log)
        newest = {view.client_order_id: view for _, view in self.log[: certain + entries_more]}
        return list(newest.values())

    def side_of(self, ticker: str, side: Side) -> list[TrueOrder]:
        return [o for o in self.open_orders() if o.request.ticker == ticker and o.request.side is side]
