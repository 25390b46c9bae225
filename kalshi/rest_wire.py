"""The shapes of REST answers, and their translation into the values of `kalshi.types`.

Every parser takes the body of a successful answer and returns values, or raises one of PARSE_ERRORS. Unknown
keys are ignored; keys that came or went during 2026 are optional, so that older recordings parse as well.

Source: Kalshi OpenAPI 3.34.0 of October 2026; recorded answers of January and June 2026.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeVar

import attrs
import msgspec

from kalshi.errors import describe
from kalshi.numbers import (
    CountE2,
    MoneyE6,
    NumberFormatError,
    PriceE4,
    complement,
    parse_count,
    parse_money,
    parse_price,
)
from kalshi.times import parse_time_ms
from kalshi.types import (
    AccountLimits,
    AmendAck,
    Balance,
    BookSnapshot,
    BucketLimits,
    CancelAck,
    CreateAck,
    DecreaseAck,
    Event,
    ExchangePosition,
    ExchangeStatus,
    Fill,
    ItemRejection,
    Level,
    Market,
    MarketStatus,
    Order,
    OrderGroup,
    OrderStatus,
    Series,
    Side,
)
from kalshi.wire import RangeWire, WireError, direction, price_ranges

# What a parser may raise. Number, time and direction errors are all ValueErrors.
PARSE_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_CENT_E6: Final = 10_000
_CENTI_CENT_E6: Final = 100
_MULTIPLIER_SCALE: Final = 10_000

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class PublicTrade:
    """One print of the public tape. Block trades do not come from the book."""

    trade_id: str
    ticker: str
    price_e4: PriceE4
    count_e2: CountE2
    taker_side: Side
    ts_ms: int
    is_block: bool


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
class SeriesFeeChange:
    """An announced change of a series' fees."""

    series_ticker: str
    fee_type: str
    fee_multiplier_e4: int
    scheduled_time_ms: int


@attrs.frozen(kw_only=True)
class EndpointCosts:
    """What requests cost, in tokens: the default, and exceptions by (method, path pattern)."""

    default: int
    exceptions: tuple[tuple[str, str, int], ...]


@attrs.frozen(kw_only=True)
class IncentiveProgram:
    """One reward program of one market."""

    program_id: str
    ticker: str
    kind: str
    start_time_ms: int
    end_time_ms: int
    period_reward_e6: MoneyE6
    is_paid_out: bool
    discount_factor_bps: int | None = None
    target_size_e2: CountE2 | None = None


class _Series(msgspec.Struct, gc=False):
    ticker: str
    title: str = ""
    category: str = ""
    fee_type: str = ""
    fee_multiplier: Decimal = Decimal(1)
    exchange_index: int = 0


class _SeriesAnswer(msgspec.Struct):
    series: _Series


class _SeriesListAnswer(msgspec.Struct):
    series: list[_Series] | None = None


class _Market(msgspec.Struct, gc=False):
    ticker: str
    event_ticker: str
    status: str
    open_time: str
    close_time: str
    created_time: str
    yes_bid_dollars: str
    yes_ask_dollars: str
    last_price_dollars: str
    volume_fp: str
    volume_24h_fp: str
    open_interest_fp: str
    price_ranges: list[RangeWire]
    market_type: str = "binary"
    title: str = ""
    yes_sub_title: str = ""
    yes_bid_size_fp: str = "0.00"
    yes_ask_size_fp: str = "0.00"
    result: str = ""
    settlement_value_dollars: str | None = None
    exchange_index: int = 0


class _MarketAnswer(msgspec.Struct):
    market: _Market


class _MarketsAnswer(msgspec.Struct):
    markets: list[_Market] | None = None
    cursor: str = ""


class _Event(msgspec.Struct, gc=False):
    event_ticker: str
    series_ticker: str
    title: str = ""
    category: str = ""
    mutually_exclusive: bool = False
    markets: list[_Market] | None = None
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None
    exchange_index: int = 0


class _EventAnswer(msgspec.Struct):
    event: _Event
    markets: list[_Market] | None = None


class _EventsAnswer(msgspec.Struct):
    events: list[_Event] | None = None
    cursor: str = ""


class _BookSides(msgspec.Struct, gc=False):
    yes_dollars: list[tuple[str, str]] | None = None
    no_dollars: list[tuple[str, str]] | None = None


class _BookAnswer(msgspec.Struct):
    orderbook_fp: _BookSides


class _StatusAnswer(msgspec.Struct):
    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: str | None = None


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


class _GroupCreatedAnswer(msgspec.Struct):
    order_group_id: str


class _AckItem(msgspec.Struct, gc=False):
    order_id: str | None = None
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    reduced_by: str | None = None
    ts_ms: int | None = None
    error: msgspec.Raw | None = None


class _BatchAnswer(msgspec.Struct):
    orders: list[_AckItem]


class _Trade(msgspec.Struct, gc=False):
    trade_id: str
    ticker: str
    count_fp: str
    yes_price_dollars: str
    created_time: str
    taker_book_side: str = ""
    taker_outcome_side: str = ""
    is_block_trade: bool = False


class _TradesAnswer(msgspec.Struct):
    trades: list[_Trade] | None = None
    cursor: str = ""


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


class _SettlementsAnswer(msgspec.Struct):
    settlements: list[_Settlement] | None = None
    cursor: str = ""


class _FeeChange(msgspec.Struct, gc=False):
    series_ticker: str
    fee_type: str
    fee_multiplier: Decimal
    scheduled_ts: str


class _FeeChangesAnswer(msgspec.Struct):
    series_fee_change_arr: list[_FeeChange] | None = None


class _Cost(msgspec.Struct, gc=False):
    method: str
    path: str
    cost: int


class _CostsAnswer(msgspec.Struct):
    default_cost: int
    endpoint_costs: list[_Cost] | None = None


class _Program(msgspec.Struct, gc=False):
    id: str
    market_ticker: str
    incentive_type: str
    start_date: str
    end_date: str
    period_reward: int
    paid_out: bool
    discount_factor_bps: int | None = None
    target_size_fp: str | None = None
    target_size: int | None = None  # its name until early 2026, in whole contracts


class _ProgramsAnswer(msgspec.Struct):
    incentive_programs: list[_Program] | None = None
    next_cursor: str = ""


def _decode(body: bytes, shape: type[T]) -> T:
    return msgspec.json.decode(body, type=shape)


def parse_exchange_status(body: bytes) -> ExchangeStatus:
    """Returns the state of the exchange; the same body also comes with 500, 503 and 504."""
    answer = _decode(body, _StatusAnswer)
    return ExchangeStatus(
        exchange_active=answer.exchange_active,
        trading_active=answer.trading_active,
        estimated_resume_time=answer.exchange_estimated_resume_time,
    )


def parse_as_of_ms(body: bytes) -> int:
    """Returns how fresh portfolio reads are, in Unix milliseconds."""
    return parse_time_ms(_decode(body, _AsOfAnswer).as_of_time)


def parse_series(body: bytes) -> Series:
    return _series(_decode(body, _SeriesAnswer).series)


def parse_series_list(body: bytes) -> tuple[Series, ...]:
    return tuple(_series(item) for item in _decode(body, _SeriesListAnswer).series or ())


def parse_event(body: bytes) -> Event:
    """Returns an event; its markets may stand beside it (the older place) or inside it."""
    answer = _decode(body, _EventAnswer)
    if not answer.event.markets and answer.markets:
        answer.event.markets = answer.markets
    return _event(answer.event)


def parse_events(body: bytes) -> tuple[tuple[Event, ...], str]:
    answer = _decode(body, _EventsAnswer)
    return tuple(_event(item) for item in answer.events or ()), answer.cursor


def parse_market(body: bytes) -> Market:
    return _market(_decode(body, _MarketAnswer).market)


def parse_markets(body: bytes) -> tuple[tuple[Market, ...], str]:
    answer = _decode(body, _MarketsAnswer)
    return tuple(_market(item) for item in answer.markets or ()), answer.cursor


def parse_book(body: bytes, ticker: str, read_time_ms: int | None) -> BookSnapshot:
    """Returns a book on the YES leg, best levels first; the answer holds bids of both outcomes, best last."""
    sides = _decode(body, _BookAnswer).orderbook_fp
    bids = [_level(parse_price(price), count) for price, count in sides.yes_dollars or ()]
    asks = [_level(complement(parse_price(price)), count) for price, count in sides.no_dollars or ()]
    return BookSnapshot(
        ticker=ticker,
        bids=tuple(sorted(bids, key=lambda level: -level.price_e4)),
        asks=tuple(sorted(asks, key=lambda level: level.price_e4)),
        read_time_ms=read_time_ms,
    )


def parse_balance(body: bytes) -> Balance:
    """Returns cash by shard; without a breakdown everything counts as shard 0."""
    answer = _decode(body, _BalanceAnswer)
    shards = tuple((item.exchange_index, parse_money(item.balance)) for item in answer.balance_breakdown or ())
    total = parse_money(answer.balance_dollars)
    return Balance(total_e6=total, by_shard_e6=shards or ((0, total),), updated_ts_s=answer.updated_ts)


def parse_positions(body: bytes) -> tuple[tuple[ExchangePosition, ...], str]:
    answer = _decode(body, _PositionsAnswer)
    return tuple(_position(item) for item in answer.market_positions or ()), answer.cursor


def parse_fills(body: bytes) -> tuple[tuple[Fill, ...], str]:
    answer = _decode(body, _FillsAnswer)
    return tuple(_fill(item) for item in answer.fills or ()), answer.cursor


def parse_order(body: bytes) -> Order:
    return _order(_decode(body, _OrderAnswer).order)


def parse_orders(body: bytes) -> tuple[tuple[Order, ...], str]:
    answer = _decode(body, _OrdersAnswer)
    return tuple(_order(item) for item in answer.orders or ()), answer.cursor


def parse_account_limits(body: bytes) -> AccountLimits:
    answer = _decode(body, _LimitsAnswer)
    return AccountLimits(usage_tier=answer.usage_tier, read=_limits(answer.read), write=_limits(answer.write))


def parse_order_groups(body: bytes) -> tuple[OrderGroup, ...]:
    return tuple(_group(item, item.id) for item in _decode(body, _GroupsAnswer).order_groups or ())


def parse_order_group(body: bytes, group_id: str) -> OrderGroup:
    """Returns one group; its answer does not repeat the id."""
    return _group(_decode(body, _Group), group_id)


def parse_group_created(body: bytes) -> str:
    return _decode(body, _GroupCreatedAnswer).order_group_id


def parse_create_ack(body: bytes, client_order_id: str) -> CreateAck:
    """Returns the answer to a create; `client_order_id` stands in where the answer leaves it out."""
    return _create_ack(_decode(body, _AckItem), client_order_id)


def parse_amend_ack(body: bytes) -> AmendAck:
    item = _decode(body, _AckItem)
    return AmendAck(
        order_id=_given(item.order_id, "order_id"),
        remaining_e2=None if item.remaining_count is None else parse_count(item.remaining_count),
        filled_e2=None if item.fill_count is None else parse_count(item.fill_count),
        ts_ms=_given(item.ts_ms, "ts_ms"),
    )


def parse_decrease_ack(body: bytes) -> DecreaseAck:
    item = _decode(body, _AckItem)
    return DecreaseAck(
        order_id=_given(item.order_id, "order_id"),
        remaining_e2=parse_count(_given(item.remaining_count, "remaining_count")),
        ts_ms=_given(item.ts_ms, "ts_ms"),
    )


def parse_cancel_ack(body: bytes) -> CancelAck:
    return _cancel_ack(_decode(body, _AckItem))


def parse_batch_create(body: bytes, client_order_ids: tuple[str, ...]) -> tuple[CreateAck | ItemRejection, ...]:
    """Returns one answer per order of the batch, in its order."""
    items = _batch_items(body, len(client_order_ids))
    return tuple(
        _create_ack(item, client_order_id) if item.error is None else _rejection(item.error)
        for item, client_order_id in zip(items, client_order_ids, strict=True)
    )


def parse_batch_cancel(body: bytes, order_ids: tuple[str, ...]) -> tuple[CancelAck | ItemRejection, ...]:
    """Returns one answer per order of the batch, in its order."""
    items = _batch_items(body, len(order_ids))
    answers: list[CancelAck | ItemRejection] = []
    for item, order_id in zip(items, order_ids, strict=True):
        if item.order_id is not None and item.order_id != order_id:
            raise WireError("a batch answer names another order than the request at the same place")
        answers.append(_cancel_ack(item) if item.error is None else _rejection(item.error))
    return tuple(answers)


def parse_trades(body: bytes) -> tuple[tuple[PublicTrade, ...], str]:
    answer = _decode(body, _TradesAnswer)
    trades = tuple(
        PublicTrade(
            trade_id=item.trade_id,
            ticker=item.ticker,
            price_e4=parse_price(item.yes_price_dollars),
            count_e2=parse_count(item.count_fp),
            taker_side=direction(item.taker_book_side, item.taker_outcome_side),
            ts_ms=parse_time_ms(item.created_time),
            is_block=item.is_block_trade,
        )
        for item in answer.trades or ()
    )
    return trades, answer.cursor


def parse_settlements(body: bytes) -> tuple[tuple[Settlement, ...], str]:
    """Returns settlements; revenue and value come in whole cents."""
    answer = _decode(body, _SettlementsAnswer)
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
            value_e4=None if item.value is None else PriceE4(item.value * 100),
            exchange_index=item.exchange_index,
        )
        for item in answer.settlements or ()
    )
    return settlements, answer.cursor


def parse_fee_changes(body: bytes) -> tuple[SeriesFeeChange, ...]:
    return tuple(
        SeriesFeeChange(
            series_ticker=item.series_ticker,
            fee_type=item.fee_type,
            fee_multiplier_e4=_multiplier(item.fee_multiplier),
            scheduled_time_ms=parse_time_ms(item.scheduled_ts),
        )
        for item in _decode(body, _FeeChangesAnswer).series_fee_change_arr or ()
    )


def parse_endpoint_costs(body: bytes) -> EndpointCosts:
    answer = _decode(body, _CostsAnswer)
    exceptions = tuple((item.method, item.path, item.cost) for item in answer.endpoint_costs or ())
    return EndpointCosts(default=answer.default_cost, exceptions=exceptions)


def parse_incentive_programs(body: bytes) -> tuple[tuple[IncentiveProgram, ...], str]:
    """Returns reward programs; rewards come in hundredths of a cent."""
    answer = _decode(body, _ProgramsAnswer)
    return tuple(_program(item) for item in answer.incentive_programs or ()), answer.next_cursor


def _series(item: _Series) -> Series:
    return Series(
        ticker=item.ticker,
        title=item.title,
        category=item.category,
        fee_type=item.fee_type,
        fee_multiplier_e4=_multiplier(item.fee_multiplier),
        exchange_index=item.exchange_index,
    )


def _event(item: _Event) -> Event:
    override = item.fee_multiplier_override
    return Event(
        ticker=item.event_ticker,
        series_ticker=item.series_ticker,
        title=item.title,
        category=item.category,
        mutually_exclusive=item.mutually_exclusive,
        markets=tuple(_market(market) for market in item.markets or ()),
        fee_type_override=item.fee_type_override or None,
        fee_multiplier_override_e4=None if override is None else _multiplier(override),
        exchange_index=item.exchange_index,
    )


def _market(item: _Market) -> Market:
    settled = item.settlement_value_dollars
    return Market(
        ticker=item.ticker,
        event_ticker=item.event_ticker,
        status=_market_status(item.status),
        market_type=item.market_type,
        title=item.title or item.yes_sub_title,
        open_time_ms=parse_time_ms(item.open_time),
        close_time_ms=parse_time_ms(item.close_time),
        created_time_ms=parse_time_ms(item.created_time),
        yes_bid_e4=parse_price(item.yes_bid_dollars),
        yes_ask_e4=parse_price(item.yes_ask_dollars),
        yes_bid_size_e2=parse_count(item.yes_bid_size_fp),
        yes_ask_size_e2=parse_count(item.yes_ask_size_fp),
        last_price_e4=parse_price(item.last_price_dollars),
        volume_e2=parse_count(item.volume_fp),
        volume_24h_e2=parse_count(item.volume_24h_fp),
        open_interest_e2=parse_count(item.open_interest_fp),
        price_ranges=price_ranges(item.price_ranges),
        result=item.result,
        settlement_value_e4=parse_price(settled) if settled else None,
        exchange_index=item.exchange_index,
    )


def _market_status(word: str) -> MarketStatus:
    try:
        return MarketStatus(word)
    except ValueError:
        return MarketStatus.UNKNOWN


def _level(price_e4: PriceE4, count: str) -> Level:
    count_e2 = parse_count(count)
    if count_e2 <= 0 or not 0 < price_e4 < 10_000:
        raise WireError(f"a book holds {count} contracts at {price_e4} / 10,000 dollar")
    return Level(price_e4=price_e4, count_e2=count_e2)


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
    ts_ms = parse_time_ms(item.created_time) if item.created_time else _given(seconds, "ts") * 1000
    return Fill(
        fill_id=_given(item.fill_id or item.trade_id or None, "fill_id"),
        order_id=item.order_id,
        ticker=_given(item.ticker or item.market_ticker or None, "ticker"),
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
        group_id=_given(group_id or None, "id"),
        is_auto_cancel_enabled=item.is_auto_cancel_enabled,
        contracts_limit_e2=parse_count(limit) if limit else None,
        exchange_index=item.exchange_index,
        order_ids=tuple(item.orders or ()),
    )


def _create_ack(item: _AckItem, client_order_id: str) -> CreateAck:
    if item.client_order_id and item.client_order_id != client_order_id:
        raise WireError("the answer to a create names another client_order_id than the request")
    return CreateAck(
        order_id=_given(item.order_id, "order_id"),
        client_order_id=client_order_id,
        filled_e2=parse_count(_given(item.fill_count, "fill_count")),
        remaining_e2=parse_count(_given(item.remaining_count, "remaining_count")),
        ts_ms=_given(item.ts_ms, "ts_ms"),
    )


def _cancel_ack(item: _AckItem) -> CancelAck:
    return CancelAck(
        order_id=_given(item.order_id, "order_id"),
        reduced_by_e2=parse_count(_given(item.reduced_by, "reduced_by")),
        ts_ms=_given(item.ts_ms, "ts_ms"),
    )


def _rejection(error: msgspec.Raw) -> ItemRejection:
    # The item's error is what stands under "error" in the answer to a single request.
    code, message, details = describe(400, b'{"error":' + bytes(error) + b"}", "")
    return ItemRejection(code=code, message=f"{message} ({details})" if details else message)


def _batch_items(body: bytes, count: int) -> list[_AckItem]:
    items = _decode(body, _BatchAnswer).orders
    if len(items) != count:
        raise WireError(f"a batch of {count} orders was answered with {len(items)} items")
    return items


def _program(item: _Program) -> IncentiveProgram:
    if item.target_size_fp is not None:
        target: CountE2 | None = parse_count(item.target_size_fp)
    else:
        target = None if item.target_size is None else CountE2(item.target_size * 100)
    return IncentiveProgram(
        program_id=item.id,
        ticker=item.market_ticker,
        kind=item.incentive_type,
        start_time_ms=parse_time_ms(item.start_date),
        end_time_ms=parse_time_ms(item.end_date),
        period_reward_e6=MoneyE6(item.period_reward * _CENTI_CENT_E6),
        is_paid_out=item.paid_out,
        discount_factor_bps=item.discount_factor_bps,
        target_size_e2=target,
    )


def _multiplier(value: Decimal) -> int:
    scaled = value * _MULTIPLIER_SCALE
    if not scaled.is_finite() or scaled != int(scaled) or scaled < 0:
        raise NumberFormatError(f"expected a fee multiplier with at most four decimals, found {value}")
    return int(scaled)


def _given(value: T | None, name: str) -> T:
    if value is None:
        raise WireError(f"the answer lacks {name}")
    return value
