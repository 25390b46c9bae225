"""Signed reads of one's own balance, positions, fills, orders and settlements, from the lagging read model (§7.4)."""

from __future__ import annotations

from typing import Final

from kalshi.simulator.accounts import Position
from kalshi.simulator.orders import Fill, Order
from kalshi.simulator.refusals import Refused, invalid, not_found
from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.views import (
    Json,
    event_position_view,
    fill_view,
    order_view,
    position_view,
    settlement_view,
)
from kalshi.simulator.wire_numbers import DOLLAR_E4, cash_text, count_text
from kalshi.types import OrderStatus

_PAGE_MAX: Final = 1_000
_PAGE_DEFAULT: Final = 100
_CENT_E6: Final = 10_000


def get_balance(call: Call) -> Answer:
    view, wanted = call.view, call.integer("exchange_index")
    core = call.services.core
    cash = {shard: cash_e6 for shard, cash_e6 in view.cash_by_shard_e6.items() if wanted in (None, shard)}
    if core.settings.balance_net_of_resting:
        entry = call.services.entry
        cash = {shard: cash_e6 - entry.resting_cost_e6(call.account, shard) for shard, cash_e6 in cash.items()}
    total_e6 = sum(cash.values())
    breakdown = [{"exchange_index": shard, "balance": cash_text(cash_e6)} for shard, cash_e6 in cash.items()]
    return Answer(
        body={
            "balance": total_e6 // _CENT_E6,
            "balance_dollars": cash_text(total_e6),
            "portfolio_value": _portfolio_value_e6(call, wanted) // _CENT_E6,
            "updated_ts": view.cash_updated_ms // 1000,
            "balance_breakdown": breakdown,
        }
    )


def _portfolio_value_e6(call: Call, exchange_index: int | None) -> int:
    total_e6 = 0
    for position in call.view.positions.values():
        if exchange_index in (None, position.exchange_index):
            last_e4 = call.services.core.markets[position.ticker].last_price_e4
            each_e4 = last_e4 if position.count_e2 > 0 else DOLLAR_E4 - last_e4
            total_e6 += abs(position.count_e2) * each_e4
    return total_e6


def list_positions(call: Call) -> Answer:
    limit = call.limit("GetPositions", _PAGE_DEFAULT, _PAGE_MAX)
    rows = [position for position in call.view.positions.values() if _is_wanted_position(call, position)]
    rows.sort(key=lambda position: position.ticker)
    chosen, cursor = call.page(rows, lambda position: position.ticker, limit)
    by_event: dict[str, list[Position]] = {}
    for position in chosen:
        event_ticker = call.services.core.markets[position.ticker].listing.event_ticker
        by_event.setdefault(event_ticker, []).append(position)
    return Answer(
        body={
            "cursor": cursor,
            "market_positions": [position_view(position) for position in chosen],
            "event_positions": [event_position_view(event, mine) for event, mine in by_event.items()],
        }
    )


def _is_wanted_position(call: Call, position: Position) -> bool:
    status = call.text("settlement_status") or "unsettled"
    if status not in ("unsettled", "settled", "all"):
        raise invalid("settlement_status must be unsettled, settled or all")
    event_ticker = call.services.core.markets[position.ticker].listing.event_ticker
    filters = call.texts("count_filter")
    kept = {"position": position.count_e2 != 0, "total_traded": position.traded_e6 != 0}
    return (
        (status == "all" or position.is_settled == (status == "settled"))
        and call.text("ticker") in (None, position.ticker)
        and call.text("event_ticker") in (None, event_ticker)
        and call.integer("exchange_index") in (None, position.exchange_index)
        and (not filters or any(kept.get(name, False) for name in filters))
        and call.integer("subaccount") in (None, 0)
    )


def list_fills(call: Call) -> Answer:
    limit = call.limit("GetFills", _PAGE_DEFAULT, _PAGE_MAX)
    tickers, order_id = call.texts("ticker"), call.text("order_id")
    rows: list[Fill] = [
        fill
        for fill in reversed(call.view.fills)
        if (not tickers or fill.ticker in tickers)
        and order_id in (None, fill.order_id)
        and _inside(call, fill.ts_ms)
        and call.integer("exchange_index") in (None, fill.exchange_index)
    ]
    # Two fills of one trade never belong to one account, so order and trade id name a fill.
    chosen, cursor = call.page(rows, lambda fill: f"{fill.order_id}/{fill.trade_id}", limit)
    legacy = call.services.core.settings.legacy_direction_fields
    return Answer(body={"fills": [fill_view(fill, legacy=legacy) for fill in chosen], "cursor": cursor})


def _inside(call: Call, time_ms: int) -> bool:
    min_s, max_s = call.integer("min_ts"), call.integer("max_ts")
    return (min_s is None or time_ms >= min_s * 1000) and (max_s is None or time_ms <= max_s * 1000)


def list_orders(call: Call) -> Answer:
    limit = call.limit("GetOrders", _PAGE_DEFAULT, _PAGE_MAX)
    status = call.text("status")
    if status is not None and status not in tuple(OrderStatus):
        raise Refused(400, "bad_request", details="invalid status filter")
    view = call.view
    source = view.resting if status == OrderStatus.RESTING else view.orders
    tickers, events = call.texts("ticker"), call.texts("event_ticker")
    markets = call.services.core.markets
    rows: list[Order] = [
        order
        for order in source.values()
        if status in (None, order.status.value)
        and (not tickers or order.ticker in tickers)
        and (not events or markets[order.ticker].listing.event_ticker in events)
        and _inside(call, order.created_ms)
        and call.integer("exchange_index") in (None, order.exchange_index)
    ]
    rows.sort(key=lambda order: -order.created_ms)
    chosen, cursor = call.page(rows, lambda order: order.order_id, limit)
    return Answer(body={"orders": [_order_json(call, order) for order in chosen], "cursor": cursor})


def get_order(call: Call) -> Answer:
    order = call.view.orders.get(call.path_parameters["order_id"])
    if order is None:
        raise not_found()
    return Answer(body={"order": _order_json(call, order)})


def _order_json(call: Call, order: Order) -> Json:
    settings = call.services.core.settings
    return order_view(
        order,
        call.account.account_id,
        legacy=settings.legacy_direction_fields,
        with_reason=settings.last_update_reason_in_rest,
    )


def _ahead_text(call: Call, order_id: str) -> str:
    core = call.services.core
    order = core.open_orders.get(order_id)
    if order is None or order.account_id != call.account.account_id:
        raise not_found()
    return count_text(core.markets[order.ticker].engine.book(order.side).ahead_of_e2(order))


def get_queue_position(call: Call) -> Answer:
    return Answer(body={"queue_position_fp": _ahead_text(call, call.path_parameters["order_id"])})


def list_queue_positions(call: Call) -> Answer:
    tickers, event_ticker = call.texts("market_tickers"), call.text("event_ticker")
    if not tickers and event_ticker is None:
        raise invalid("market_tickers or event_ticker is required")
    core = call.services.core
    mine = [order for order in core.open_orders.values() if order.account_id == call.account.account_id]
    rows = [
        {
            "order_id": order.order_id,
            "market_ticker": order.ticker,
            "queue_position_fp": _ahead_text(call, order.order_id),
        }
        for order in mine
        if order.ticker in tickers or core.markets[order.ticker].listing.event_ticker == event_ticker
    ]
    return Answer(body={"queue_positions": rows})


def list_settlements(call: Call) -> Answer:
    limit = call.limit("GetSettlements", _PAGE_DEFAULT, _PAGE_MAX)
    markets, ticker = call.services.core.markets, call.text("ticker")
    rows = [
        settled
        for settled in reversed(call.view.settlements)
        if ticker in (None, settled.ticker) and _inside(call, settled.ts_ms)
    ]
    chosen, cursor = call.page(rows, lambda settled: settled.ticker, limit)
    views = [settlement_view(settled, markets[settled.ticker].listing.event_ticker) for settled in chosen]
    return Answer(body={"settlements": views, "cursor": cursor})


def total_resting_order_value(call: Call) -> Answer:
    entry = call.services.entry
    shards = call.account.cash_by_shard_e6
    by_shard = {shard: entry.resting_cost_e6(call.account, shard) // _CENT_E6 for shard in shards}
    rows = [{"exchange_index": shard, "total_resting_order_value": cents} for shard, cents in by_shard.items()]
    return Answer(body={"total_resting_order_value": sum(by_shard.values()), "breakdown": rows})


def nothing_moved(key: str) -> Json:
    """Returns an empty page of deposits or withdrawals: nobody moves money here."""
    return {key: [], "cursor": ""}


def list_deposits(call: Call) -> Answer:
    return Answer(body=nothing_moved("deposits"))


def list_withdrawals(call: Call) -> Answer:
    return Answer(body=nothing_moved("withdrawals"))
