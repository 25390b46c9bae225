"""The frames of the exchange's WebSocket: their shapes. Their translation into events is `kalshi.feed_translation`.

One decoder for a tagged union reads a frame in a single pass; the tag is the top-level `type`, wherever it
stands. Unknown keys are ignored everywhere, unknown types are reported by the envelope decoder.

Rules:
1. No leg is guessed: the books come in no-leg mode (`use_yes_price: false` is sent explicitly), so a no bid
   at n is an ask at 1 - n.
2. A number where a text belongs, or the other way round, is malformed. So is a size or price that is no plain
   decimal.
3. The legacy fields (`side`, `action`, `purchased_side`, `is_yes`) are not read, except on order book deltas,
   where `side` names the side whose bids rest.
4. Required is only what we cannot do without: recordings of May 2026 lack fields that the present spec requires.
   `sending_ts_ms`, `ts`, `time` and the deprecated texts of times are ignored.

Source: Kalshi asyncapi 2.0.0 of October 2026; recorded frames of May to July 2026.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from kalshi.numbers import (
    ONE_DOLLAR_E4,
    CountE2,
    PriceE4,
    complement,
    format_price,
    parse_count,
    parse_price,
)
from kalshi.wire import RangeWire


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
    ts_ms: int = 0  # not promised; without it the last known time of the market stays


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
    open_interest_fp: str | None = None
    last_trade_size_fp: str | None = None
    dollar_volume: int | None = None
    dollar_open_interest: int | None = None


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
    trade_id: str = ""


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
    subaccount: int | None = None


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
    taker_fill_cost_dollars: str | None = None
    maker_fill_cost_dollars: str | None = None
    taker_fees_dollars: str | None = None
    maker_fees_dollars: str | None = None
    self_trade_prevention_type: str | None = None
    subaccount_number: int | None = None


class OrderFrame(Frame, tag="user_order", kw_only=True):
    msg: OrderMsg


class PositionMsg(msgspec.Struct, gc=False):
    market_ticker: str
    position_fp: str
    position_cost_dollars: str | None = None
    realized_pnl_dollars: str | None = None
    fees_paid_dollars: str | None = None
    position_fee_cost_dollars: str | None = None
    volume_fp: str | None = None
    subaccount: int | None = None


class PositionFrame(Frame, tag="market_position", kw_only=True):
    msg: PositionMsg


class LifecycleMetadata(msgspec.Struct, gc=False):
    """What is told of a market when it is created; the rules and strikes are read over REST."""

    event_ticker: str = ""
    title: str = ""
    yes_sub_title: str = ""
    can_close_early: bool = False
    expected_expiration_ts: int | None = None


class LifecycleMsg(msgspec.Struct, gc=False):
    market_ticker: str
    event_type: str
    exchange_index: int | None = None
    open_ts: int | None = None
    close_ts: int | None = None
    determination_ts: int | None = None
    settled_ts: int | None = None
    result: str = ""
    settlement_value: str | None = None
    is_deactivated: bool | None = None
    price_level_structure: str | None = None
    price_ranges: list[RangeWire] | None = None
    additional_metadata: LifecycleMetadata | None = None
    yes_sub_title: str | None = None


class LifecycleFrame(Frame, tag="market_lifecycle_v2", kw_only=True):
    msg: LifecycleMsg


class EventLifecycleMsg(msgspec.Struct, gc=False):
    event_ticker: str
    exchange_index: int = 0
    title: str = ""
    subtitle: str = ""
    collateral_return_type: str = ""
    series_ticker: str = ""
    strike_date: int | None = None
    strike_period: str | None = None


class EventLifecycleFrame(Frame, tag="event_lifecycle", kw_only=True):
    msg: EventLifecycleMsg


class EventFeeMsg(msgspec.Struct, gc=False):
    event_ticker: str
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None


class EventFeeFrame(Frame, tag="event_fee_update", kw_only=True):
    msg: EventFeeMsg


class GroupMsg(msgspec.Struct, gc=False):
    order_group_id: str
    event_type: str
    ts_ms: int
    contracts_limit_fp: str | None = None


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
