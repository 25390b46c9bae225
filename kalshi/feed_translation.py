"""What the frames of the channels without books say, as events in integers.

Optional fields that a frame does not carry are None; one that is there and makes no sense makes its frame malformed.

Source: Kalshi asyncapi 2.0.0 of October 2026.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from kalshi.feed_events import (
    EventFeesChanged,
    EventListed,
    FeedEvent,
    FillReported,
    GroupReported,
    MarketLifecycle,
    OrderReported,
    PositionReported,
    TickerUpdated,
    TradePrinted,
    UnknownFrame,
)
from kalshi.feed_frames import (
    AnyFrame,
    EventFeeFrame,
    EventLifecycleFrame,
    FillFrame,
    FillMsg,
    GroupFrame,
    LifecycleFrame,
    LifecycleMsg,
    OrderFrame,
    OrderMsg,
    PositionFrame,
    PositionMsg,
    TickerFrame,
    TickerMsg,
    TradeFrame,
)
from kalshi.numbers import CountE2, MoneyE6, NumberFormatError, parse_count, parse_money, parse_price
from kalshi.types import Fill, Order, OrderStatus
from kalshi.wire import direction, price_ranges

# A fee multiplier beyond this is a defect, and numbers of any length are an attack.
_MULTIPLIER_MAX: Final = 1_000


def event_of(frame: AnyFrame) -> FeedEvent | None:
    """Returns what a frame of a channel without books says, or None where it says nothing to us.

    Raises NumberFormatError or WireError for values that have no meaning.
    """
    match frame:
        case TickerFrame(msg=msg):
            return _ticker(msg)
        case TradeFrame(msg=msg):
            return TradePrinted(
                ticker=msg.market_ticker,
                price_e4=parse_price(msg.yes_price_dollars),
                count_e2=parse_count(msg.count_fp),
                taker_side=direction(msg.taker_book_side, msg.taker_outcome_side),
                ts_ms=msg.ts_ms,
                is_block=msg.is_block_trade,
                trade_id=msg.trade_id,
            )
        case FillFrame(msg=msg):
            return FillReported(fill=_fill(msg), subaccount=msg.subaccount)
        case OrderFrame(msg=msg):
            return _order(msg)
        case PositionFrame(msg=msg):
            return _position(msg)
        case LifecycleFrame(msg=msg):
            return _lifecycle(msg)
        case GroupFrame(msg=msg):
            return GroupReported(
                group_id=msg.order_group_id,
                kind=msg.event_type,
                ts_ms=msg.ts_ms,
                contracts_limit_e2=_count(msg.contracts_limit_fp),
            )
        case EventLifecycleFrame(msg=msg):
            return EventListed(
                event_ticker=msg.event_ticker,
                series_ticker=msg.series_ticker,
                title=msg.title,
                subtitle=msg.subtitle,
                is_exclusive=msg.collateral_return_type == "MECNET",
                strike_date_ms=_ms(msg.strike_date),
                strike_period=msg.strike_period or "",
                exchange_index=msg.exchange_index,
            )
        case EventFeeFrame(msg=msg):
            return EventFeesChanged(
                event_ticker=msg.event_ticker,
                fee_type_override=msg.fee_type_override,
                fee_multiplier_override_e4=_multiplier(msg.fee_multiplier_override),
            )
        case _:
            return None


def _ticker(msg: TickerMsg) -> TickerUpdated:
    return TickerUpdated(
        ticker=msg.market_ticker,
        yes_bid_e4=parse_price(msg.yes_bid_dollars),
        yes_ask_e4=parse_price(msg.yes_ask_dollars),
        yes_bid_size_e2=parse_count(msg.yes_bid_size_fp),
        yes_ask_size_e2=parse_count(msg.yes_ask_size_fp),
        last_price_e4=parse_price(msg.price_dollars),
        volume_e2=parse_count(msg.volume_fp),
        ts_ms=msg.ts_ms,
        open_interest_e2=_count(msg.open_interest_fp),
        last_trade_e2=_count(msg.last_trade_size_fp),
        dollar_volume=msg.dollar_volume,
        dollar_open_interest=msg.dollar_open_interest,
    )


def _fill(msg: FillMsg) -> Fill:
    return Fill(
        fill_id=msg.trade_id,
        order_id=msg.order_id,
        ticker=msg.market_ticker,
        side=direction(msg.book_side, msg.outcome_side),
        price_e4=parse_price(msg.yes_price_dollars),
        count_e2=parse_count(msg.count_fp),
        fee_e6=parse_money(msg.fee_cost),
        is_taker=msg.is_taker,
        ts_ms=msg.ts_ms,
        exchange_index=msg.exchange_index,
        client_order_id=msg.client_order_id,
        post_position_e2=None if msg.post_position_fp is None else parse_count(msg.post_position_fp),
    )


def _order(msg: OrderMsg) -> OrderReported | UnknownFrame:
    try:
        status = OrderStatus(msg.status)
    except ValueError:
        # The spec has a status "unknown". It says nothing, and the order list over REST will.
        return UnknownFrame(type=f"user_order, status {msg.status[:20]}")
    return OrderReported(
        order=Order(
            order_id=msg.order_id,
            client_order_id=msg.client_order_id,
            ticker=msg.ticker,
            side=direction(msg.book_side, msg.outcome_side),
            status=status,
            price_e4=parse_price(msg.yes_price_dollars),
            initial_e2=parse_count(msg.initial_count_fp),
            filled_e2=parse_count(msg.fill_count_fp),
            remaining_e2=parse_count(msg.remaining_count_fp),
            order_group_id=msg.order_group_id or None,
            expiration_ts_s=None if not msg.expiration_ts_ms else msg.expiration_ts_ms // 1000,
            last_update_ms=msg.last_updated_ts_ms or msg.created_ts_ms or 0,
            exchange_index=msg.exchange_index,
            reason=msg.last_update_reason or None,
        ),
        taker_cost_e6=_money(msg.taker_fill_cost_dollars),
        maker_cost_e6=_money(msg.maker_fill_cost_dollars),
        taker_fees_e6=_money(msg.taker_fees_dollars),
        maker_fees_e6=_money(msg.maker_fees_dollars),
        self_trade_prevention=msg.self_trade_prevention_type,
        created_ms=msg.created_ts_ms,
        subaccount=msg.subaccount_number,
    )


def _position(msg: PositionMsg) -> PositionReported:
    return PositionReported(
        ticker=msg.market_ticker,
        position_e2=parse_count(msg.position_fp),
        cost_e6=_money(msg.position_cost_dollars),
        realised_e6=_money(msg.realized_pnl_dollars),
        fees_e6=_money(msg.fees_paid_dollars),
        open_fees_e6=_money(msg.position_fee_cost_dollars),
        volume_e2=_count(msg.volume_fp),
        subaccount=msg.subaccount,
    )


def _lifecycle(msg: LifecycleMsg) -> MarketLifecycle:
    metadata = msg.additional_metadata
    return MarketLifecycle(
        ticker=msg.market_ticker,
        kind=msg.event_type,
        close_time_ms=_ms(msg.close_ts),
        result=msg.result,
        settlement_value_e4=None if not msg.settlement_value else parse_price(msg.settlement_value),
        price_ranges=None if msg.price_ranges is None else price_ranges(msg.price_ranges),
        open_time_ms=_ms(msg.open_ts),
        determined_ms=_ms(msg.determination_ts),
        settled_ms=_ms(msg.settled_ts),
        is_deactivated=msg.is_deactivated,
        price_level_structure=msg.price_level_structure,
        exchange_index=msg.exchange_index,
        event_ticker="" if metadata is None else metadata.event_ticker,
        title="" if metadata is None else metadata.title,
        yes_sub_title=msg.yes_sub_title or ("" if metadata is None else metadata.yes_sub_title),
        can_close_early=metadata is not None and metadata.can_close_early,
        expected_expiration_ms=None if metadata is None else _ms(metadata.expected_expiration_ts),
    )


def _count(text: str | None) -> CountE2 | None:
    return None if text is None else parse_count(text)


def _money(text: str | None) -> MoneyE6 | None:
    return None if text is None else parse_money(text)


def _ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


def _multiplier(value: Decimal | None) -> int | None:
    """Returns the multiplier in 1/10,000, None where the override was cleared. Raises NumberFormatError."""
    if value is None:
        return None
    if not value.is_finite() or abs(value) > _MULTIPLIER_MAX or value * 10_000 != int(value * 10_000):
        raise NumberFormatError(f"expected a fee multiplier with at most four decimals, found {value}")
    return int(value * 10_000)
