"""Signed reads of one's own balance, positions, fills, orders and settlements, from the lagging read model (§7.4).

Balance and positions are of one subaccount (0 unless named); fills, orders and settlements are of all of them. What
has left the live endpoints is under `/historical`, in the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kalshi.simulator.accounts import Account, Position
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
_MONEY_PAGE_MAX: Final = 500
_FILL_TICKERS_MAX: Final = 100
_ORDER_EVENTS_MAX: Final = 100
_CENT_E6: Final = 10_000
_SETTLEMENT_STATUSES: Final = ("unsettled", "settled", "all")


def get_balance(call: Call) -> Answer:
    account, wanted = call.subaccount(call.integer("subaccount")), call.integer("exchange_index")
    view, settings = call.view(account), call.services.core.settings
    cash = {shard: cash_e6 for shard, cash_e6 in view.cash_by_shard_e6.items() if wanted in (None, shard)}
    if settings.balance_net_of_resting:
        entry = call.services.entry
        cash = {shard: cash_e6 - entry.resting_cost_e6(account, shard) for shard, cash_e6 in cash.items()}
    total_e6 = sum(cash.values())
    breakdown = [{"exchange_index": shard, "balance": cash_text(cash_e6)} for shard, cash_e6 in cash.items()]
    return Answer(
        body={
            "balance": total_e6 // _CENT_E6,
            "balance_dollars": cash_text(total_e6),
            "portfolio_value": _portfolio_value_e6(call, account, wanted) // _CENT_E6,
            "updated_ts": view.cash_updated_ms // 1000,
            "balance_breakdown": breakdown,
        }
    )


def _portfolio_value_e6(call: Call, account: Account, exchange_index: int | None) -> int:
    total_e6, markets = 0, call.services.core.markets
    for position in call.view(account).positions.values():
        if exchange_index in (None, position.exchange_index) and position.ticker in markets:
            last_e4 = markets[position.ticker].last_price_e4
            each_e4 = last_e4 if position.count_e2 > 0 else DOLLAR_E4 - last_e4
            total_e6 += abs(position.count_e2) * each_e4
    return total_e6


def event_of(call: Call, ticker: str) -> str:
    """Returns the event of a market, also of one that is no longer listed."""
    market = call.services.core.markets.get(ticker)
    return market.listing.event_ticker if market is not None else ticker.rpartition("-")[0]


def list_positions(call: Call) -> Answer:
    limit = call.limit("GetPositions", _PAGE_DEFAULT, _PAGE_MAX)
    status = call.text("settlement_status") or "unsettled"
    if status not in _SETTLEMENT_STATUSES:
        raise invalid("settlement_status must be unsettled, settled or all")
    rows = [
        position
        for position in _wanted_positions(call)
        if (status == "all" or position.is_settled == (status == "settled")) and not _is_historical(call, position)
    ]
    if status == "unsettled":
        chosen, cursor = call.page(rows, lambda position: (0, position.ticker), limit)
        return _positions_answer(call, list(chosen), cursor)
    return _positions_by_event(call, rows, status, limit)


def historical_positions(call: Call) -> Answer:
    limit = call.limit("GetHistoricalPositions", _PAGE_DEFAULT, _PAGE_MAX)
    rows = [position for position in _wanted_positions(call) if _is_historical(call, position)]
    chosen, cursor = call.page(rows, lambda position: (0, position.ticker), limit)
    return _positions_answer(call, list(chosen), cursor)


def _positions_by_event(call: Call, rows: list[Position], status: str, limit: int) -> Answer:
    """Pages by event, under a cursor that holds for this settlement status alone."""
    by_event: dict[str, list[Position]] = {}
    for position in rows:
        by_event.setdefault(event_of(call, position.ticker), []).append(position)
    place = call.cursor()
    number = _SETTLEMENT_STATUSES.index(status)
    if place is not None and place[0] != number:
        raise invalid("the cursor belongs to another settlement_status")
    events, cursor = call.page(by_event, lambda event: (number, event), limit)
    return _positions_answer(call, [position for event in events for position in by_event[event]], cursor)


def _positions_answer(call: Call, rows: list[Position], cursor: str) -> Answer:
    by_event: dict[str, list[Position]] = {}
    for position in rows:
        by_event.setdefault(event_of(call, position.ticker), []).append(position)
    return Answer(
        body={
            "cursor": cursor,
            "market_positions": [position_view(position) for position in rows],
            "event_positions": [event_position_view(event, mine) for event, mine in by_event.items()],
        }
    )


def _wanted_positions(call: Call) -> list[Position]:
    ticker, event_ticker = call.text("ticker"), call.text("event_ticker")
    shard, filters = call.integer("exchange_index"), call.texts("count_filter")
    if any(name not in ("position", "total_traded") for name in filters):
        raise invalid("count_filter takes position and total_traded")
    account = call.subaccount(call.integer("subaccount"))
    return [
        position
        for position in call.view(account).positions.values()
        if ticker in (None, position.ticker)
        and event_ticker in (None, event_of(call, position.ticker))
        and shard in (None, position.exchange_index)
        and (not filters or _has_any(position, filters))
    ]


def _has_any(position: Position, filters: tuple[str, ...]) -> bool:
    counts = {"position": position.count_e2, "total_traded": position.traded_e6}
    return any(counts[name] != 0 for name in filters)


def _is_historical(call: Call, position: Position) -> bool:
    market = call.services.core.markets.get(position.ticker)
    if market is None:
        return position.is_settled
    return position.is_settled and call.services.archive.has_market(market)


def list_fills(call: Call) -> Answer:
    cutoff_ms = call.services.archive.trades_cutoff_ms()
    return _fill_page(call, "GetFills", lambda fill: fill.ts_ms >= cutoff_ms)


def historical_fills(call: Call) -> Answer:
    cutoff_ms = call.services.archive.trades_cutoff_ms()
    return _fill_page(call, "GetFillsHistorical", lambda fill: fill.ts_ms < cutoff_ms)


def _fill_page(call: Call, operation: str, is_here: Callable[[Fill], bool]) -> Answer:
    limit = call.limit(operation, _PAGE_DEFAULT, _PAGE_MAX)
    tickers, order_id, shard = call.texts("ticker"), call.text("order_id"), call.integer("exchange_index")
    if len(tickers) > _FILL_TICKERS_MAX:
        raise invalid(f"at most {_FILL_TICKERS_MAX} tickers")
    inside = _time_filter(call)
    rows = [
        (number, account, fill)
        for account in call.subaccounts()
        for number, fill in call.view(account).numbered_fills()
        if (not tickers or fill.ticker in tickers)
        and order_id in (None, fill.order_id)
        and inside(fill.ts_ms)
        and shard in (None, fill.exchange_index)
        and is_here(fill)
    ]
    chosen, cursor = call.page(rows, lambda row: (-row[0], ""), limit)
    legacy = call.services.core.settings.legacy_direction_fields
    fills = [fill_view(fill, account.subaccount_number, legacy=legacy) for _, account, fill in chosen]
    return Answer(body={"fills": fills, "cursor": cursor})


def _time_filter(call: Call) -> Callable[[int], bool]:
    min_s, max_s = call.integer("min_ts"), call.integer("max_ts")
    return lambda time_ms: (min_s is None or time_ms >= min_s * 1000) and (max_s is None or time_ms <= max_s * 1000)


def list_orders(call: Call) -> Answer:
    archive = call.services.archive
    return _order_page(call, "GetOrders", lambda order: not archive.has_order(order))


def historical_orders(call: Call) -> Answer:
    archive = call.services.archive
    return _order_page(call, "GetHistoricalOrders", archive.has_order)


def _order_page(call: Call, operation: str, is_here: Callable[[Order], bool]) -> Answer:
    limit = call.limit(operation, _PAGE_DEFAULT, _PAGE_MAX)
    status = call.text("status")
    if status is not None and status not in tuple(OrderStatus):
        raise Refused(400, "bad_request", details="invalid status filter")
    tickers, events, shard = call.texts("ticker"), call.texts("event_ticker"), call.integer("exchange_index")
    if len(events) > _ORDER_EVENTS_MAX:
        raise invalid(f"at most {_ORDER_EVENTS_MAX} event tickers")
    inside = _time_filter(call)
    rows = [
        (account, order)
        for account in call.subaccounts()
        for order in _orders_of(call, account, status)
        if status in (None, order.status.value)
        and (not tickers or order.ticker in tickers)
        and (not events or event_of(call, order.ticker) in events)
        and inside(order.created_ms)
        and shard in (None, order.exchange_index)
        and is_here(order)
    ]
    chosen, cursor = call.page(rows, lambda row: (-row[1].created_ms, row[1].order_id), limit)
    return Answer(body={"orders": [_order_json(call, account, order) for account, order in chosen], "cursor": cursor})


def _orders_of(call: Call, account: Account, status: str | None) -> list[Order]:
    view = call.view(account)
    return list((view.resting if status == OrderStatus.RESTING else view.orders).values())


def get_order(call: Call) -> Answer:
    order_id = call.path_parameters["order_id"]
    for account in call.subaccounts():
        order = call.view(account).orders.get(order_id)
        if order is not None and not call.services.archive.has_order(order):
            return Answer(body={"order": _order_json(call, account, order)})
    raise not_found()


def _order_json(call: Call, account: Account, order: Order) -> Json:
    settings = call.services.core.settings
    return order_view(
        order,
        call.account.account_id,
        account.subaccount_number,
        legacy=settings.legacy_direction_fields,
        with_reason=settings.last_update_reason_in_rest,
    )


def _ahead_text(call: Call, order: Order) -> str:
    return count_text(call.services.core.markets[order.ticker].engine.book(order.side).ahead_of_e2(order))


def get_queue_position(call: Call) -> Answer:
    order = call.services.core.open_orders.get(call.path_parameters["order_id"])
    if order is None or order.account_id not in [account.account_id for account in call.subaccounts()]:
        raise not_found()
    return Answer(body={"queue_position_fp": _ahead_text(call, order)})


def list_queue_positions(call: Call) -> Answer:
    tickers, event_ticker = call.texts("market_tickers"), call.text("event_ticker")
    if not tickers and event_ticker is None:
        raise invalid("market_tickers or event_ticker is required")
    account = call.subaccount(call.integer("subaccount"))
    rows = [
        {"order_id": order.order_id, "market_ticker": order.ticker, "queue_position_fp": _ahead_text(call, order)}
        for order in call.services.core.open_orders.values()
        if order.account_id == account.account_id
        and (order.ticker in tickers or event_of(call, order.ticker) == event_ticker)
    ]
    return Answer(body={"queue_positions": rows})


def list_settlements(call: Call) -> Answer:
    limit = call.limit("GetSettlements", _PAGE_DEFAULT, _PAGE_MAX)
    ticker, event_ticker, inside = call.text("ticker"), call.text("event_ticker"), _time_filter(call)
    cutoff_ms = call.services.archive.markets_cutoff_ms()
    rows = [
        settled
        for account in call.subaccounts()
        for settled in call.view(account).settlements
        if ticker in (None, settled.ticker)
        and event_ticker in (None, event_of(call, settled.ticker))
        and inside(settled.ts_ms)
        and settled.ts_ms >= cutoff_ms
    ]
    chosen, cursor = call.page(rows, lambda settled: (-settled.ts_ms, f"{settled.ticker}/{settled.account_id}"), limit)
    views = [settlement_view(settled, event_of(call, settled.ticker)) for settled in chosen]
    return Answer(body={"settlements": views, "cursor": cursor})


def total_resting_order_value(call: Call) -> Answer:
    """Sums what all resting orders would cost: cents in all, dollars by shard."""
    entry, by_shard_e6 = call.services.entry, dict[int, int]()
    for account in call.subaccounts():
        for shard in account.cash_by_shard_e6:
            by_shard_e6[shard] = by_shard_e6.get(shard, 0) + entry.resting_cost_e6(account, shard)
    rows = [{"exchange_index": shard, "balance": cash_text(cost_e6)} for shard, cost_e6 in sorted(by_shard_e6.items())]
    total_cents = sum(by_shard_e6.values()) // _CENT_E6
    return Answer(body={"total_resting_order_value": total_cents, "resting_order_value_breakdown": rows})


def list_deposits(call: Call) -> Answer:
    """Lists no deposits: an account opens with its cash, and no bank is simulated."""
    call.limit("GetDeposits", _PAGE_DEFAULT, _MONEY_PAGE_MAX)
    return Answer(body={"deposits": [], "cursor": ""})


def list_withdrawals(call: Call) -> Answer:
    """Lists no withdrawals: no bank is simulated."""
    call.limit("GetWithdrawals", _PAGE_DEFAULT, _MONEY_PAGE_MAX)
    return Answer(body={"withdrawals": [], "cursor": ""})
