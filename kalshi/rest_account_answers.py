"""Answers about the account: cash, positions, fills, orders, limits. Their shapes, and their translation into values.

Source: Kalshi OpenAPI 3.34.0 of October 2026; recorded answers of June 2026.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from kalshi.numbers import (
    CountE2,
    MoneyE6,
    PriceE4,
    parse_count,
    parse_money,
    parse_price,
)
from kalshi.rest_wire import decode, given
from kalshi.times import parse_time_ms
from kalshi.types import (
    AccountLimits,
    Balance,
    BucketLimits,
    ExchangePosition,
    Fill,
    Order,
    OrderGroup,
    OrderStatus,
)
from kalshi.wire import WireError, direction

_CENT_E6: Final = 10_000
_CENT_E4: Final = 100


@attrs.frozen(kw_only=True)
class Settlement:
    """One market paid out to us."""

    ticker: str
    event_ticker: str
    result: str
    yes_count_e2: CountE2
    no_count_e2: CountE2
    revenue_e6: MoneyE6
    fee_e6: MoneyE6
    settled_time_ms: int
    value_e4: PriceE4 | None = None
    exchange_index: int = 0


@attrs.frozen(kw_only=True)
class EndpointCosts:
    """What requests cost, in tokens: the default, and exceptions by (method, path pattern)."""

    default: int
    exceptions: tuple[tuple[str, str, int], ...]


@attrs.frozen(kw_only=True)
class QueuePosition:
    """How many contracts stand ahead of one of our orders; zero is the front."""

    order_id: str
    ticker: str
    ahead_e2: CountE2


class _AsOfAnswer(msgspec.Struct):
    as_of_time: str


class _ShardBalance(msgspec.Struct, gc=False):
    exchange_index: int
    balance: str


class _BalanceAnswer(msgspec.Struct):
    balance_dollars: str
    updated_ts: int
    balance_breakdown: list[_ShardBalance] | None = None


class _Position(msgspec.Struct, gc=False):
    ticker: str
    position_fp: str
    market_exposure_dollars: str
    realized_pnl_dollars: str
    fees_paid_dollars: str
    exchange_index: int = 0


class _PositionsAnswer(msgspec.Struct):
    market_positions: list[_Position] | None = None
    cursor: str = ""


class _Fill(msgspec.Struct, gc=False):
    order_id: str
    count_fp: str
    yes_price_dollars: str
    is_taker: bool
    fee_cost: str
    fill_id: str = ""
    trade_id: str = ""
    ticker: str = ""
    market_ticker: str = ""
    book_side: str = ""
    outcome_side: str = ""
    created_time: str | None = None
    ts: int | None = None
    exchange_index: int = 0


class _FillsAnswer(msgspec.Struct):
    fills: list[_Fill] | None = None
    cursor: str = ""


class _Order(msgspec.Struct, gc=False):
    order_id: str
    ticker: str
    status: str
    yes_price_dollars: str
    initial_count_fp: str
    fill_count_fp: str
    remaining_count_fp: str
    client_order_id: str = ""
    book_side: str = ""
    outcome_side: str = ""
    order_group_id: str | None = None
    expiration_time: str | None = None
    created_time: str | None = None
    last_update_time: str | None = None
    last_update_reason: str | None = None
    exchange_index: int = 0


class _OrderAnswer(msgspec.Struct):
    order: _Order


class _OrdersAnswer(msgspec.Struct):
    orders: list[_Order] | None = None
    cursor: str = ""


class _Bucket(msgspec.Struct, gc=False):
    refill_rate: float
    bucket_capacity: float


class _LimitsAnswer(msgspec.Struct):
    usage_tier: str
    read: _Bucket
    write: _Bucket


class _Group(msgspec.Struct, gc=False):
    is_auto_cancel_enabled: bool
    id: str = ""
    contracts_limit_fp: str | None = None
    exchange_index: int = 0
    orders: list[str] | None = None


class _GroupsAnswer(msgspec.Struct):
    order_groups: list[_Group] | None = None


class _Settlement(msgspec.Struct, gc=False):
    ticker: str
    market_result: str
    yes_count_fp: str
    no_count_fp: str
    revenue: int
    settled_time: str
    fee_cost: str
    event_ticker: str = ""
    value: int | None = None
    exchange_index: int = 0


class _QueuePositionAnswer(msgspec.Struct):
    queue_position_fp: str


class _QueuePosition(msgspec.Struct, gc=False):
    order_id: str
    market_ticker: str
    queue_position_fp: str


class _QueuePositionsAnswer(msgspec.Struct):
    queue_positions: list[_QueuePosition] | None = None


class _SettlementsAnswer(msgspec.Struct):
    settlements: list[_Settlement] | None = None
    cursor: str = ""


class _Cost(msgspec.Struct, gc=False):
    method: str
    path: str
    cost: int


class _CostsAnswer(msgspec.Struct):
    default_cost: int
    endpoint_costs: list[_Cost] | None = None


def parse_as_of_ms(body: bytes) -> int:
    """Returns how fresh portfolio reads are, in Unix milliseconds."""
    return parse_time_ms(decode(body, _AsOfAnswer).as_of_time)


def parse_balance(body: bytes) -> Balance:
    """Returns cash by shard; without a breakdown everything counts as shard 0."""
    answer = decode(body, _BalanceAnswer)
    shards = tuple((item.exchange_index, parse_money(item.balance)) for item in answer.balance_breakdown or ())
    total = parse_money(answer.balance_dollars)
    return Balance(total_e6=total, by_shard_e6=shards or ((0, total),), updated_ts_s=answer.updated_ts)


def parse_positions(body: bytes) -> tuple[tuple[ExchangePosition, ...], str]:
    answer = decode(body, _PositionsAnswer)
    return tuple(_position(item) for item in answer.market_positions or ()), answer.cursor


def parse_fills(body: bytes) -> tuple[tuple[Fill, ...], str]:
    answer = decode(body, _FillsAnswer)
    return tuple(_fill(item) for item in answer.fills or ()), answer.cursor


def parse_order(body: bytes) -> Order:
    return _order(decode(body, _OrderAnswer).order)


def parse_orders(body: bytes) -> tuple[tuple[Order, ...], str]:
    answer = decode(body, _OrdersAnswer)
    return tuple(_order(item) for item in answer.orders or ()), answer.cursor


def parse_queue_position(body: bytes) -> CountE2:
    return parse_count(decode(body, _QueuePositionAnswer).queue_position_fp)


def parse_queue_positions(body: bytes) -> tuple[QueuePosition, ...]:
    return tuple(
        QueuePosition(order_id=item.order_id, ticker=item.market_ticker, ahead_e2=parse_count(item.queue_position_fp))
        for item in decode(body, _QueuePositionsAnswer).queue_positions or ()
    )


def parse_account_limits(body: bytes) -> AccountLimits:
    answer = decode(body, _LimitsAnswer)
    return AccountLimits(usage_tier=answer.usage_tier, read=_limits(answer.read), write=_limits(answer.write))


def parse_order_groups(body: bytes) -> tuple[OrderGroup, ...]:
    return tuple(_group(item, item.id) for item in decode(body, _GroupsAnswer).order_groups or ())


def parse_order_group(body: bytes, group_id: str) -> OrderGroup:
    """Returns one group; its answer does not repeat the id."""
    return _group(decode(body, _Group), group_id)


def parse_settlements(body: bytes) -> tuple[tuple[Settlement, ...], str]:
    """Returns settlements; revenue and value come in whole cents."""
    answer = decode(body, _SettlementsAnswer)
    settlements = tuple(
        Settlement(
            ticker=item.ticker,
            event_ticker=item.event_ticker,
            result=item.market_result,
            yes_count_e2=parse_count(item.yes_count_fp),
            no_count_e2=parse_count(item.no_count_fp),
            revenue_e6=MoneyE6(item.revenue * _CENT_E6),
            fee_e6=parse_money(item.fee_cost),
            settled_time_ms=parse_time_ms(item.settled_time),
            value_e4=None if item.value is None else PriceE4(item.value * _CENT_E4),
            exchange_index=item.exchange_index,
        )
        for item in answer.settlements or ()
    )
    return settlements, answer.cursor


def parse_endpoint_costs(body: bytes) -> EndpointCosts:
    answer = decode(body, _CostsAnswer)
    exceptions = tuple((item.method, item.path, item.cost) for item in answer.endpoint_costs or ())
    return EndpointCosts(default=answer.default_cost, exceptions=exceptions)


def _position(item: _Position) -> ExchangePosition:
    return ExchangePosition(
        ticker=item.ticker,
        position_e2=parse_count(item.position_fp),
        market_exposure_e6=parse_money(item.market_exposure_dollars),
        realized_pnl_e6=parse_money(item.realized_pnl_dollars),
        fees_paid_e6=parse_money(item.fees_paid_dollars),
        exchange_index=item.exchange_index,
    )


def _fill(item: _Fill) -> Fill:
    seconds = item.ts
    ts_ms = parse_time_ms(item.created_time) if item.created_time else given(seconds, "ts") * 1000
    return Fill(
        fill_id=given(item.fill_id or item.trade_id or None, "fill_id"),
        order_id=item.order_id,
        ticker=given(item.ticker or item.market_ticker or None, "ticker"),
        side=direction(item.book_side, item.outcome_side),
        price_e4=parse_price(item.yes_price_dollars),
        count_e2=parse_count(item.count_fp),
        fee_e6=parse_money(item.fee_cost),
        is_taker=item.is_taker,
        ts_ms=ts_ms,
        exchange_index=item.exchange_index,
    )


def _order(item: _Order) -> Order:
    updated = item.last_update_time or item.created_time
    return Order(
        order_id=item.order_id,
        client_order_id=item.client_order_id,
        ticker=item.ticker,
        side=direction(item.book_side, item.outcome_side),
        status=OrderStatus(item.status),
        price_e4=parse_price(item.yes_price_dollars),
        initial_e2=parse_count(item.initial_count_fp),
        filled_e2=parse_count(item.fill_count_fp),
        remaining_e2=parse_count(item.remaining_count_fp),
        order_group_id=item.order_group_id or None,
        expiration_ts_s=parse_time_ms(item.expiration_time) // 1000 if item.expiration_time else None,
        last_update_ms=parse_time_ms(updated) if updated else 0,
        exchange_index=item.exchange_index,
        reason=item.last_update_reason or None,
    )


def _limits(item: _Bucket) -> BucketLimits:
    if item.refill_rate <= 0 or item.bucket_capacity <= 0:
        raise WireError(f"expected a rate limit above zero, found {item}")
    return BucketLimits(refill_per_s=item.refill_rate, capacity=item.bucket_capacity)


def _group(item: _Group, group_id: str) -> OrderGroup:
    limit = item.contracts_limit_fp
    return OrderGroup(
        group_id=given(group_id or None, "id"),
        is_auto_cancel_enabled=item.is_auto_cancel_enabled,
        contracts_limit_e2=parse_count(limit) if limit else None,
        exchange_index=item.exchange_index,
        order_ids=tuple(item.orders or ()),
    )
