"""Answers about the exchange and its markets: their shapes, and their translation into values.

Source: Kalshi OpenAPI 3.34.0 of October 2026; recorded answers of January and June 2026.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs
import msgspec

from kalshi.numbers import (
    ONE_DOLLAR_E4,
    CountE2,
    MoneyE6,
    PriceE4,
    complement,
    parse_count,
    parse_price,
)
from kalshi.rest_wire import decode, fee_multiplier_e4
from kalshi.strikes import StrikeFields, strike_of
from kalshi.times import parse_time_ms
from kalshi.types import (
    BookSnapshot,
    Event,
    Level,
    Market,
    MarketStatus,
    Series,
    Side,
)
from kalshi.wire import RangeWire, WireError, direction, price_ranges

_CENTI_CENT_E6: Final = 100


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
    account_reward_max_e6: MoneyE6 | None = None


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


class _Market(StrikeFields, gc=False):
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
    fee_waiver_expiration_time: str | None = None
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


class _TickerBook(msgspec.Struct, gc=False):
    ticker: str
    orderbook_fp: _BookSides


class _BooksAnswer(msgspec.Struct):
    orderbooks: list[_TickerBook] | None = None


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
    max_reward_per_account: int | None = None


class _ProgramsAnswer(msgspec.Struct):
    incentive_programs: list[_Program] | None = None
    next_cursor: str = ""


def parse_series(body: bytes) -> Series:
    return _series(decode(body, _SeriesAnswer).series)


def parse_series_list(body: bytes) -> tuple[Series, ...]:
    return tuple(_series(item) for item in decode(body, _SeriesListAnswer).series or ())


def parse_event(body: bytes) -> Event:
    """Returns an event; its markets may stand beside it (the older place) or inside it."""
    answer = decode(body, _EventAnswer)
    if not answer.event.markets and answer.markets:
        answer.event.markets = answer.markets
    return _event(answer.event)


def parse_events(body: bytes) -> tuple[tuple[Event, ...], str]:
    answer = decode(body, _EventsAnswer)
    return tuple(_event(item) for item in answer.events or ()), answer.cursor


def parse_market(body: bytes) -> Market:
    return _market(decode(body, _MarketAnswer).market)


def parse_markets(body: bytes) -> tuple[tuple[Market, ...], str]:
    answer = decode(body, _MarketsAnswer)
    return tuple(_market(item) for item in answer.markets or ()), answer.cursor


def parse_book(body: bytes, ticker: str, read_time_ms: int | None) -> BookSnapshot:
    """Returns a book on the YES leg, best levels first; the answer holds bids of both outcomes, best last."""
    return _book(decode(body, _BookAnswer).orderbook_fp, ticker, read_time_ms)


def parse_books(body: bytes, read_time_ms: int | None) -> tuple[BookSnapshot, ...]:
    """Returns several books as `parse_book` does one."""
    books = decode(body, _BooksAnswer).orderbooks or ()
    return tuple(_book(item.orderbook_fp, item.ticker, read_time_ms) for item in books)


def _book(sides: _BookSides, ticker: str, read_time_ms: int | None) -> BookSnapshot:
    bids = [_level(parse_price(price), count) for price, count in sides.yes_dollars or ()]
    asks = [_level(complement(parse_price(price)), count) for price, count in sides.no_dollars or ()]
    return BookSnapshot(
        ticker=ticker,
        bids=tuple(sorted(bids, key=lambda level: -level.price_e4)),
        asks=tuple(sorted(asks, key=lambda level: level.price_e4)),
        read_time_ms=read_time_ms,
    )


def parse_trades(body: bytes) -> tuple[tuple[PublicTrade, ...], str]:
    answer = decode(body, _TradesAnswer)
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


def parse_incentive_programs(body: bytes) -> tuple[tuple[IncentiveProgram, ...], str]:
    """Returns reward programs; rewards come in hundredths of a cent."""
    answer = decode(body, _ProgramsAnswer)
    return tuple(_program(item) for item in answer.incentive_programs or ()), answer.next_cursor


def _series(item: _Series) -> Series:
    return Series(
        ticker=item.ticker,
        title=item.title,
        category=item.category,
        fee_type=item.fee_type,
        fee_multiplier_e4=fee_multiplier_e4(item.fee_multiplier),
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
        fee_multiplier_override_e4=None if override is None else fee_multiplier_e4(override),
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
        fee_waiver_until_ms=parse_time_ms(item.fee_waiver_expiration_time) if item.fee_waiver_expiration_time else None,
        exchange_index=item.exchange_index,
        strike=strike_of(item, item.ticker, item.event_ticker) if item.market_type == "binary" else None,
    )


def _market_status(word: str) -> MarketStatus:
    try:
        return MarketStatus(word)
    except ValueError:
        return MarketStatus.UNKNOWN


def _level(price_e4: PriceE4, count: str) -> Level:
    count_e2 = parse_count(count)
    if count_e2 <= 0 or not 0 < price_e4 < ONE_DOLLAR_E4:
        raise WireError(f"a book holds {count} contracts at {price_e4} / 10,000 dollar")
    return Level(price_e4=price_e4, count_e2=count_e2)


def _program(item: _Program) -> IncentiveProgram:
    if item.target_size_fp is not None:
        target: CountE2 | None = parse_count(item.target_size_fp)
    else:
        target = None if item.target_size is None else CountE2(item.target_size * 100)
    cap = item.max_reward_per_account
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
        account_reward_max_e6=None if cap is None else MoneyE6(cap * _CENTI_CENT_E6),
    )
