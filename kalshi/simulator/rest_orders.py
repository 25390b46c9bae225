"""Order writes over REST, single and batched (kalshi-rest.md §7.5): bodies in, acknowledgements out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kalshi.simulator.api_keys import locked
from kalshi.simulator.order_entry import AmendRequest
from kalshi.simulator.orders import NewOrder, Order
from kalshi.simulator.refusals import Refused, invalid
from kalshi.simulator.rest_body import Body
from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.views import Json
from kalshi.simulator.wire_numbers import DOLLAR_E4, count_text, price_text
from kalshi.types import SelfTradePrevention, Side, TimeInForce

WRITE_COST: Final = 10
CANCEL_COST: Final = 2
_CLIENT_ID_LENGTH_MAX: Final = 64
_EXPIRATION_S_MAX: Final = 253_402_300_799  # the last second that RFC 3339 can write
_CREATE_FIELDS: Final = (
    "ticker",
    "client_order_id",
    "side",
    "count",
    "price",
    "expiration_time",
    "time_in_force",
    "post_only",
    "self_trade_prevention_type",
    "cancel_order_on_pause",
    "reduce_only",
    "subaccount",
    "order_group_id",
    "exchange_index",
)


def create_order(call: Call) -> Answer:
    body = call.body("CreateOrderV2Request", _CREATE_FIELDS)
    call.spend_write(WRITE_COST, body.integer("exchange_index"))
    return Answer(status=201, body=_ack(_create(call, body)))


def _create(call: Call, body: Body) -> Order:
    account, request = call.subaccount(body.integer("subaccount")), _new_order(body)
    call.services.keys.check_region(call.account, request.ticker)
    return call.services.entry.create(account, request)


def batch_create(call: Call) -> Answer:
    items = call.body("BatchCreateOrdersV2Request").objects("orders")
    if not items:
        raise invalid("orders is required")
    call.spend_write(WRITE_COST * len(items), 0)
    _check_locked_key(call, items)
    return Answer(status=201, body={"orders": [_create_item(call, item) for item in items]})


def _check_locked_key(call: Call, items: tuple[Mapping[str, object], ...]) -> None:
    """Raises Refused for the whole batch where a locked key names another subaccount in any item (documented)."""
    own = call.key.subaccount if call.key is not None else None
    if own is not None and any(item.get("subaccount") not in (None, own) for item in items):
        raise locked()


def _create_item(call: Call, item: Mapping[str, object]) -> Json:
    client_order_id = item.get("client_order_id")
    try:
        return _ack(_create(call, call.body_of("CreateOrderV2Request", item, _CREATE_FIELDS)))
    except Refused as refusal:
        client_order_id = client_order_id if isinstance(client_order_id, str) else None
        return {"client_order_id": client_order_id, "error": refusal.error}


def cancel_order(call: Call) -> Answer:
    exchange_index = call.integer("exchange_index")
    call.spend_write(CANCEL_COST, exchange_index)
    account = call.subaccount(call.integer("subaccount"))
    order, removed_e2 = call.services.entry.cancel(
        account, call.path_parameters["order_id"], exchange_index, call.text("market_ticker")
    )
    return Answer(body=_cancelled(order, removed_e2))


def batch_cancel(call: Call) -> Answer:
    items = call.body("BatchCancelOrdersV2Request").objects("orders")
    if not items:
        raise invalid("orders is required")
    call.spend_write(CANCEL_COST * len(items), 0)
    _check_locked_key(call, items)
    return Answer(body={"orders": [_cancel_item(call, item) for item in items]})


def _cancel_item(call: Call, item: Mapping[str, object]) -> Json:
    try:
        body = call.body_of("BatchCancelOrdersV2RequestOrder", item)
        order, removed_e2 = call.services.entry.cancel(
            call.subaccount(body.integer("subaccount")),
            body.required_text("order_id"),
            body.integer("exchange_index"),
            body.text("market_ticker"),
        )
        return _cancelled(order, removed_e2)
    except Refused as refusal:
        order_id = item.get("order_id")
        order_id = order_id if isinstance(order_id, str) else ""
        return {"order_id": order_id, "reduced_by": "0.00", "error": refusal.error}


def cancel_all(call: Call) -> Answer:
    call.spend_write(CANCEL_COST, 0)
    refusals: list[Refused] = []
    for account in call.subaccounts():
        try:
            call.services.entry.cancel_all(account)
        except Refused as refusal:
            # What one subaccount cannot cancel does not spare the others.
            refusals.append(refusal)
    if refusals:
        raise refusals[0]
    return Answer(status=204)


def amend_order(call: Call) -> Answer:
    body = call.body("AmendOrderV2Request")
    exchange_index = body.integer("exchange_index")
    call.spend_write(WRITE_COST, exchange_index)
    order_id = call.path_parameters["order_id"]
    before = call.services.core.open_orders.get(order_id)
    earlier = before.snapshot() if before is not None else None
    request = AmendRequest(
        ticker=body.required_text("ticker"),
        side=_side(body),
        price_e4=body.required_decimal("price", 4, "invalid_price"),
        total_e2=body.required_decimal("count", 2, "invalid_order_size"),
        client_order_id=body.text("client_order_id"),
        updated_client_order_id=_client_order_id(body, "updated_client_order_id"),
        expiration_ts_s=_expiration_s(body),
        exchange_index=exchange_index,
    )
    call.services.keys.check_region(call.account, request.ticker)
    order = call.services.entry.amend(call.subaccount(call.integer("subaccount")), order_id, request)
    return Answer(body=_amended(order, earlier or order))


def decrease_order(call: Call) -> Answer:
    body = call.body("DecreaseOrderV2Request")
    exchange_index = body.integer("exchange_index")
    call.spend_write(WRITE_COST, exchange_index)
    order = call.services.entry.decrease(
        call.subaccount(call.integer("subaccount")),
        call.path_parameters["order_id"],
        by_e2=body.decimal("reduce_by", 2, "invalid_order_size"),
        to_e2=body.decimal("reduce_to", 2, "invalid_order_size"),
        exchange_index=exchange_index,
        ticker=body.text("market_ticker"),
    )
    return Answer(
        body={
            "order_id": order.order_id,
            "client_order_id": order.client_order_id,
            "remaining_count": count_text(order.remaining_e2),
            "ts_ms": order.updated_ms,
        }
    )


def legacy_write(call: Call) -> Answer:
    """Refuses the order writes of version one, gone since June 2026."""
    raise Refused(410, "deprecated_v1_order_endpoint", "Please switch to the V2 endpoints")


def _side(body: Body) -> Side:
    text = body.required_text("side")
    if text not in tuple(Side):
        raise invalid("side must be bid or ask")
    return Side(text)


def _client_order_id(body: Body, name: str) -> str | None:
    text = body.text(name)
    if text is not None and ("." in text or len(text) > _CLIENT_ID_LENGTH_MAX):
        raise invalid(f"{name} must have at most {_CLIENT_ID_LENGTH_MAX} characters and no '.'")
    return text or None


def _expiration_s(body: Body) -> int | None:
    expiration_s = body.integer("expiration_time")
    if expiration_s is not None and not 0 <= expiration_s <= _EXPIRATION_S_MAX:
        raise invalid("expiration_time is out of range")
    return expiration_s


def _new_order(body: Body) -> NewOrder:
    time_in_force = body.required_text("time_in_force")
    if time_in_force not in tuple(TimeInForce):
        raise invalid("time_in_force is unknown")
    prevention = body.required_text("self_trade_prevention_type")
    if prevention not in tuple(SelfTradePrevention):
        raise invalid("self_trade_prevention_type is unknown")
    return NewOrder(
        ticker=body.required_text("ticker"),
        side=_side(body),
        count_e2=body.required_decimal("count", 2, "invalid_order_size"),
        price_e4=body.required_decimal("price", 4, "invalid_price"),
        time_in_force=TimeInForce(time_in_force),
        self_trade_prevention=SelfTradePrevention(prevention),
        client_order_id=_client_order_id(body, "client_order_id"),
        post_only=body.flag("post_only"),
        reduce_only=body.flag("reduce_only"),
        cancel_on_pause=body.flag("cancel_order_on_pause"),
        group_id=body.text("order_group_id") or None,
        expiration_ts_s=_expiration_s(body),
        exchange_index=body.integer("exchange_index"),
    )


def _averages(side: Side, count_e2: int, cost_e6: int, fees_e6: int) -> Json:
    own_e4 = (cost_e6 + count_e2 // 2) // count_e2
    fee_e4 = (fees_e6 + count_e2 // 2) // count_e2
    return {
        "average_fill_price": price_text(own_e4 if side is Side.BID else DOLLAR_E4 - own_e4),
        "average_fee_paid": price_text(fee_e4),
    }


def _ack(order: Order) -> Json:
    """Returns the create answer; averages only where something filled."""
    view: Json = {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "fill_count": count_text(order.filled_e2),
        "remaining_count": count_text(order.remaining_e2),
        "ts_ms": order.updated_ms,
    }
    if order.filled_e2:
        view |= _averages(order.side, order.filled_e2, order.taker_cost_e6, order.taker_fees_e6)
    return view


def _amended(order: Order, earlier: Order) -> Json:
    """Returns the amend answer; counts only where it filled or changed what rests."""
    view: Json = {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "ts_ms": order.updated_ms,
    }
    filled_e2 = order.filled_e2 - earlier.filled_e2
    if filled_e2 or order.remaining_e2 != earlier.remaining_e2:
        view |= {"remaining_count": count_text(order.remaining_e2), "fill_count": count_text(filled_e2)}
    if filled_e2:
        view |= _averages(
            order.side,
            filled_e2,
            order.taker_cost_e6 - earlier.taker_cost_e6,
            order.taker_fees_e6 - earlier.taker_fees_e6,
        )
    return view


def _cancelled(order: Order, removed_e2: int) -> Json:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "reduced_by": count_text(removed_e2),
        "ts_ms": order.updated_ms,
    }
