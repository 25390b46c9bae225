"""The frames of the exchange's WebSocket: their shapes, and their translation into events.

One decoder for a tagged union reads a frame in a single pass; the tag is the top-level `type`, wherever it
stands. Unknown keys are ignored everywhere, unknown types are reported by the envelope decoder.

Rules:
1. No leg is guessed: the books come in no-leg mode (`use_yes_price: false` is sent explicitly), so a no bid
   at n is an ask at 1 - n.
2. A number where a text belongs, or the other way round, is malformed. So is a size or price that is no plain
   decimal.
3. The legacy fields (`side`, `action`, `purchased_side`, `is_yes`) are not read, except on order book deltas,
   where `side` names the side whose bids rest.

Source: Kalshi asyncapi 2.0.0 of October 2026; recorded frames of May to July 2026.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from kalshi.feed_events import (
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
from kalshi.numbers import (
    ONE_DOLLAR_E4,
    CountE2,
    PriceE4,
    complement,
    format_price,
    parse_count,
    parse_money,
    parse_price,
)
from kalshi.types import Fill, Order, OrderStatus
from kalshi.wire import RangeWire, direction, price_ranges


class Frame(msgspec.Struct, tag_field="type", gc=False):
    """What any frame may carry; `seq` is None on channels that are not sequenced."""

    sid: int | None = None
    seq: int | None = None
    id: int | None = None


class DeltaMsg(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts_ms: int


class DeltaFrame(msgspec.Struct, tag_field="type", tag="orderbook_delta", gc=False):
    sid: int
    seq: int
    msg: DeltaMsg


class SnapshotMsg(msgspec.Struct, gc=False):
    market_ticker: str
    yes_dollars_fp: list[tuple[str, str]] | None = None  # the key is absent where the side is empty
    no_dollars_fp: list[tuple[str, str]] | None = None


class SnapshotFrame(Frame, tag="orderbook_snapshot", kw_only=True):
    msg: SnapshotMsg


class TickerMsg(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: str
    yes_bid_dollars: str
    yes_ask_dollars: str
    yes_bid_size_fp: str
    yes_ask_size_fp: str
    volume_fp: str
    ts_ms: int


class TickerFrame(Frame, tag="ticker", kw_only=True):
    msg: TickerMsg


class TradeMsg(msgspec.Struct, gc=False):
    market_ticker: str
    yes_price_dollars: str
    count_fp: str
    ts_ms: int
    taker_book_side: str = ""
    taker_outcome_side: str = ""
    is_block_trade: bool = False


class TradeFrame(Frame, tag="trade", kw_only=True):
    msg: TradeMsg


class FillMsg(msgspec.Struct, gc=False):
    trade_id: str
    order_id: str
    market_ticker: str
    is_taker: bool
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    ts_ms: int
    book_side: str = ""
    outcome_side: str = ""
    post_position_fp: str | None = None
    client_order_id: str | None = None
    exchange_index: int = 0


class FillFrame(Frame, tag="fill", kw_only=True):
    msg: FillMsg


class OrderMsg(msgspec.Struct, gc=False):
    order_id: str
    ticker: str
    status: str
    yes_price_dollars: str
    fill_count_fp: str
    remaining_count_fp: str
    initial_count_fp: str
    client_order_id: str = ""
    book_side: str = ""
    outcome_side: str = ""
    order_group_id: str | None = None
    expiration_ts_ms: int | None = None
    created_ts_ms: int | None = None
    last_updated_ts_ms: int | None = None
    last_update_reason: str | None = None
    exchange_index: int = 0


class OrderFrame(Frame, tag="user_order", kw_only=True):
    msg: OrderMsg


class PositionMsg(msgspec.Struct, gc=False):
    market_ticker: str
    position_fp: str


class PositionFrame(Frame, tag="market_position", kw_only=True):
    msg: PositionMsg


class LifecycleMsg(msgspec.Struct, gc=False):
    market_ticker: str
    event_type: str
    close_ts: int | None = None
    result: str = ""
    settlement_value: str | None = None
    price_ranges: list[RangeWire] | None = None


class LifecycleFrame(Frame, tag="market_lifecycle_v2", kw_only=True):
    msg: LifecycleMsg


class EventLifecycleFrame(Frame, tag="event_lifecycle"):
    """Known, and of no use here: the markets of a new event are announced one by one."""


class EventFeeFrame(Frame, tag="event_fee_update"):
    """Known, and of no use here: fees are read from the event before a market is quoted."""


class GroupMsg(msgspec.Struct, gc=False):
    order_group_id: str
    event_type: str
    ts_ms: int


class GroupFrame(Frame, tag="order_group_updates", kw_only=True):
    msg: GroupMsg


class SubscribedMsg(msgspec.Struct, gc=False):
    channel: str
    sid: int


class SubscribedFrame(Frame, tag="subscribed", kw_only=True):
    msg: SubscribedMsg


class OkFrame(Frame, tag="ok"):
    """The answer to an update, or to a subscribe that was merged into a subscription we hold."""


class UnsubscribedFrame(Frame, tag="unsubscribed"):
    """The end of a subscription."""


class ErrorMsg(msgspec.Struct, gc=False):
    code: int
    msg: str = ""


class ErrorFrame(Frame, tag="error", kw_only=True):
    msg: ErrorMsg


class Envelope(msgspec.Struct, gc=False):
    """What can be told of a frame whose body is not understood."""

    type: str = ""
    sid: int | None = None
    seq: int | None = None


AnyFrame = (
    DeltaFrame
    | SnapshotFrame
    | TickerFrame
    | TradeFrame
    | FillFrame
    | OrderFrame
    | PositionFrame
    | LifecycleFrame
    | EventLifecycleFrame
    | EventFeeFrame
    | GroupFrame
    | SubscribedFrame
    | OkFrame
    | UnsubscribedFrame
    | ErrorFrame
)

_FRAME_CLASSES: Final = AnyFrame.__args__
KNOWN_TYPES: Final = frozenset(str(frame_class.__struct_config__.tag) for frame_class in _FRAME_CLASSES)

# What a decoder may raise: wrong JSON, wrong types, text that is no UTF-8, nesting without end.
DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)

_frame_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(AnyFrame)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)

decode_frame: Final = _frame_decoder.decode
"""Returns one frame; raises one of DECODE_ERRORS for anything else."""

# Every price that a book can hold, by its usual text: one look-up instead of a parse.
_PRICE_BY_TEXT: Final[dict[str, PriceE4]] = {
    format_price(PriceE4(price)): PriceE4(price) for price in range(ONE_DOLLAR_E4 + 1)
}


def decode_envelope(frame: str | bytes) -> Envelope | None:
    """Returns type, sid and seq of a frame that was not understood, None where even they are unreadable."""
    try:
        return _envelope_decoder.decode(frame)
    except DECODE_ERRORS:
        return None


def book_price(text: str) -> PriceE4:
    """Returns a price in 1/10,000 dollar, fast for the usual four decimals. Raises NumberFormatError."""
    price = _PRICE_BY_TEXT.get(text)
    return parse_price(text) if price is None else price


def book_count(text: str) -> CountE2:
    """Returns a signed size in 1/100 contract, fast for the usual two decimals. Raises NumberFormatError."""
    if text[-3:-2] == "." and len(text) < 16:
        digits = text[:-3] + text[-2:]
        if digits.isdecimal() and digits.isascii():
            return CountE2(int(digits))
        if digits[0] == "-" and digits[1:].isdecimal() and digits.isascii():
            return CountE2(int(digits))
    return parse_count(text)


def snapshot_levels(
    msg: SnapshotMsg,
) -> tuple[list[tuple[PriceE4, CountE2]], list[tuple[PriceE4, CountE2]]]:
    """Returns (bids, asks) of a snapshot on the YES leg. Raises NumberFormatError."""
    bids = [(book_price(price), book_count(count)) for price, count in msg.yes_dollars_fp or ()]
    asks = [(complement(book_price(price)), book_count(count)) for price, count in msg.no_dollars_fp or ()]
    return bids, asks


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
            )
        case FillFrame(msg=msg):
            return FillReported(fill=_fill(msg))
        case OrderFrame(msg=msg):
            return _order(msg)
        case PositionFrame(msg=msg):
            return PositionReported(ticker=msg.market_ticker, position_e2=parse_count(msg.position_fp))
        case LifecycleFrame(msg=msg):
            return _lifecycle(msg)
        case GroupFrame(msg=msg):
            return GroupReported(group_id=msg.order_group_id, kind=msg.event_type, ts_ms=msg.ts_ms)
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
        )
    )


def _lifecycle(msg: LifecycleMsg) -> MarketLifecycle:
    return MarketLifecycle(
        ticker=msg.market_ticker,
        kind=msg.event_type,
        close_time_ms=None if msg.close_ts is None else msg.close_ts * 1000,
        result=msg.result,
        settlement_value_e4=None if not msg.settlement_value else parse_price(msg.settlement_value),
        price_ranges=None if msg.price_ranges is None else price_ranges(msg.price_ranges),
    )
