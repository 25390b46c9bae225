"""How the exchange writes the `msg` part of its WebSocket frames (kalshi-websocket.md §8-§10).

Deltas are by far the most frequent frames, so their text is put together by hand; everything else goes
through an encoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from kalshi.simulator.accounts import Position
from kalshi.simulator.events import BookDelta, EventFeesChanged, GroupChanged, MarketChanged
from kalshi.simulator.listings import EventListing
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Fill, Order, Reason, Trade
from kalshi.simulator.side_book import SideBook
from kalshi.simulator.socket_channels import ERROR_TEXTS
from kalshi.simulator.timestamps import rfc3339
from kalshi.simulator.views import Json, range_view
from kalshi.simulator.wire_numbers import DOLLAR_E4, count_text, money_text, price_text
from kalshi.types import Side


def encode(message: object) -> str:
    """Returns compact JSON text."""
    return msgspec.json.encode(message).decode()


# Markets whose id and opening words are kept; a rolling catalogue lists a few hundred at a time.
_MARKETS_KEPT: Final = 4_096
# Every price of the finest grid, on either leg.
_PRICES_KEPT: Final = 10_001

_HUNDREDTHS: Final = tuple(f"{part:02d}" for part in range(100))
_price_text = lru_cache(maxsize=_PRICES_KEPT)(price_text)


@lru_cache(maxsize=_MARKETS_KEPT)
def market_id(ticker: str) -> str:
    """Returns the market's id: a UUID made of its ticker, the same on every exchange."""
    digits = hashlib.md5(ticker.encode(), usedforsecurity=False).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=_MARKETS_KEPT)
def _delta_head(ticker: str) -> str:
    return f'{{"market_ticker":"{ticker}","market_id":"{market_id(ticker)}","clock":'


@lru_cache(maxsize=64)
def _delta_tail(time_ms: int) -> str:
    return f',"ts":"{rfc3339(time_ms)}","ts_ms":{time_ms}}}'


@lru_cache(maxsize=64)
def _timestamp(time_ms: int) -> str:
    return rfc3339(time_ms)


def error_msg(code: int, tickers: Sequence[str] = ()) -> Json:
    """Returns the msg of an error frame, with the markets that it is about."""
    msg: Json = {"code": code, "msg": ERROR_TEXTS[code]}
    return msg | {"market_tickers": list(tickers)} if tickers else msg


def ok_msg(tickers: Iterable[str] | None, ids: Iterable[str]) -> Json:
    """Returns the msg of an ok: all markets now held, sorted; by id too where the client named some by id."""
    held = sorted(tickers) if tickers is not None else []
    by_id = sorted(ids)
    return {"market_tickers": held, "market_ids": by_id} if by_id else {"market_tickers": held}


def delta_text(delta: BookDelta, clock: int, *, yes_price: bool, is_own: bool) -> str:
    """Returns the msg of an orderbook_delta; the no side in NO prices unless `yes_price`."""
    is_bid = delta.side is Side.BID
    price_e4 = delta.price_e4 if is_bid or yes_price else DOLLAR_E4 - delta.price_e4
    # The client chose this text, so it is escaped; everything else here is the exchange's own.
    own = f',"client_order_id":{encode(delta.client_order_id)}' if is_own else ""
    size_e2 = delta.delta_e2
    sign = ""
    if size_e2 < 0:
        size_e2, sign = -size_e2, "-"
    return (
        f'{_delta_head(delta.ticker)}{clock},"price_dollars":"{_price_text(price_e4)}",'
        f'"delta_fp":"{sign}{size_e2 // 100}.{_HUNDREDTHS[size_e2 % 100]}",'
        f'"side":"{"yes" if is_bid else "no"}"{own}{_delta_tail(delta.ts_ms)}'
    )


def snapshot_msg(market: MarketState, *, yes_price: bool, no_side_ascends: bool = True) -> Json:
    """Returns the msg of an orderbook_snapshot: ascending, empty sides left away."""
    view = empty_snapshot_msg(market.ticker, market.clock)
    for name, book in (("yes_dollars_fp", market.engine.bids), ("no_dollars_fp", market.engine.asks)):
        rows = _rows(book, as_is=book.side is Side.BID or yes_price)
        if yes_price and not no_side_ascends and book.side is Side.ASK:
            rows.reverse()
        if rows:
            view[name] = rows
    return view


def empty_snapshot_msg(ticker: str, clock: int) -> Json:
    """Returns the msg of a snapshot of an empty book; `clock` is the market's newest change, 0 for none."""
    return {"market_ticker": ticker, "market_id": market_id(ticker), "clock": clock}


def _rows(book: SideBook, *, as_is: bool) -> list[list[str]]:
    levels = [(price if as_is else DOLLAR_E4 - price, count) for price, count in book.levels()]
    return [[price_text(price_e4), count_text(count_e2)] for price_e4, count_e2 in sorted(levels)]


def ticker_msg(market: MarketState, ts_ms: int) -> Json:
    quote = market.quote()
    return {
        "market_id": market_id(market.ticker),
        "market_ticker": market.ticker,
        "price_dollars": price_text(market.last_price_e4),
        "yes_bid_dollars": price_text(quote.bid_e4),
        "yes_ask_dollars": price_text(quote.ask_e4),
        "yes_bid_size_fp": count_text(quote.bid_e2),
        "yes_ask_size_fp": count_text(quote.ask_e2),
        "last_trade_size_fp": count_text(market.last_trade_e2),
        "volume_fp": count_text(market.volume_e2),
        "open_interest_fp": count_text(market.open_interest_e2),
        "dollar_volume": market.dollar_volume,
        "dollar_open_interest": market.open_interest_e2 // 100,
        "ts": ts_ms // 1000,
        "ts_ms": ts_ms,
        "time": _timestamp(ts_ms),
    }


def trade_msg(trade: Trade) -> Json:
    outcome = "yes" if trade.taker_side is Side.BID else "no"
    return {
        "trade_id": trade.trade_id,
        "market_ticker": trade.ticker,
        "yes_price_dollars": price_text(trade.price_e4),
        "no_price_dollars": price_text(DOLLAR_E4 - trade.price_e4),
        "count_fp": count_text(trade.count_e2),
        "taker_side": outcome,
        "taker_outcome_side": outcome,
        "taker_book_side": trade.taker_side.value,
        "is_block_trade": False,
        "ts": trade.ts_ms // 1000,
        "ts_ms": trade.ts_ms,
    }


def fill_msg(fill: Fill) -> Json:
    """Returns the msg of a fill; the legacy side is the outcome acquired, the legacy action always "buy" (recorded)."""
    outcome = "yes" if fill.side is Side.BID else "no"
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "market_ticker": fill.ticker,
        "exchange_index": fill.exchange_index,
        "is_taker": fill.is_taker,
        "side": outcome,
        "action": "buy",
        "purchased_side": outcome,
        "outcome_side": outcome,
        "book_side": fill.side.value,
        "yes_price_dollars": price_text(fill.price_e4),
        "count_fp": count_text(fill.count_e2),
        "fee_cost": money_text(fill.fee_e6),
        "post_position_fp": count_text(fill.post_position_e2),
        "ts": fill.ts_ms // 1000,
        "ts_ms": fill.ts_ms,
        "subaccount": 0,
    }


def user_order_msg(order: Order) -> Json:
    """Returns the msg of a user_order; here the key is "ticker", not "market_ticker"."""
    outcome = "yes" if order.side is Side.BID else "no"
    view: Json = {
        "order_id": order.order_id,
        "user_id": order.account_id,
        "ticker": order.ticker,
        "exchange_index": order.exchange_index,
        "status": order.status.value,
        "side": outcome,
        "is_yes": outcome == "yes",
        "outcome_side": outcome,
        "book_side": order.side.value,
        "yes_price_dollars": price_text(order.price_e4),
        "fill_count_fp": count_text(order.filled_e2),
        "remaining_count_fp": count_text(order.remaining_e2),
        "initial_count_fp": count_text(order.initial_e2),
        "taker_fill_cost_dollars": money_text(order.taker_cost_e6),
        "maker_fill_cost_dollars": money_text(order.maker_cost_e6),
        "taker_fees_dollars": money_text(order.taker_fees_e6),
        "maker_fees_dollars": money_text(order.maker_fees_e6),
        "client_order_id": order.client_order_id,
        "self_trade_prevention_type": order.self_trade_prevention.value,
        "created_time": rfc3339(order.created_ms),
        "last_update_time": rfc3339(order.updated_ms),
        "created_ts_ms": order.created_ms,
        "last_updated_ts_ms": order.updated_ms,
        "subaccount_number": 0,
    }
    if order.group_id is not None:
        view["order_group_id"] = order.group_id
    if order.expiration_ts_s is not None:
        view["expiration_ts_ms"] = order.expiration_ts_s * 1000
        view["expiration_time"] = rfc3339(order.expiration_ts_s * 1000)
    if order.reason is not Reason.NONE:
        view["last_update_reason"] = order.reason.value
    return view


def market_position_msg(account_id: str, position: Position) -> Json:
    return {
        "user_id": account_id,
        "market_ticker": position.ticker,
        "position_fp": count_text(position.count_e2),
        "position_cost_dollars": money_text(position.cost_e6),
        "realized_pnl_dollars": money_text(position.realized_e6),
        "fees_paid_dollars": money_text(position.fees_e6),
        "position_fee_cost_dollars": money_text(position.fees_e6),
        "volume_fp": count_text(abs(position.count_e2)),
        "subaccount": 0,
    }


def lifecycle_msg(change: MarketChanged, market: MarketState) -> Json | None:
    """Returns the msg of a market_lifecycle_v2 frame; None for what that channel never says, such as the close."""
    view: Json = {"event_type": change.kind, "market_ticker": change.ticker}
    now_s = change.ts_ms // 1000
    match change.kind:
        case "created":
            return view | _created_part(market)
        case "activated" | "deactivated":
            return view | {"is_deactivated": change.kind == "deactivated"}
        case "close_date_updated":
            return view | {"close_ts": market.close_ms // 1000}
        case "determined":
            value = price_text(market.settlement_value_e4 or 0)
            return view | {"determination_ts": now_s, "result": market.result, "settlement_value": value}
        case "settled":
            return view | {"settled_ts": now_s}
        case "price_level_structure_updated":
            return view | _grid_part(market)
        case "metadata_updated":
            return view | _strike_part(market) | {"yes_sub_title": market.listing.yes_sub_title}
        case _:
            return None


def _grid_part(market: MarketState) -> Json:
    ranges = [range_view(part) for part in market.listing.price_ranges]
    return {"price_level_structure": market.listing.structure, "price_ranges": ranges}


def _strike_part(market: MarketState) -> Json:
    view: Json = {"strike_type": market.listing.strike_type}
    if market.listing.floor_strike is not None:
        view["floor_strike"] = market.listing.floor_strike
    return view


def _created_part(market: MarketState) -> Json:
    listing = market.listing
    view: Json = {
        "exchange_index": listing.exchange_index,
        "open_ts": listing.open_ms // 1000,
        "close_ts": market.close_ms // 1000,
    }
    metadata: Json = {
        "name": listing.yes_sub_title,
        "title": listing.title,
        "yes_sub_title": listing.yes_sub_title,
        "no_sub_title": listing.yes_sub_title,
        "rules_primary": f"If the outcome is {listing.yes_sub_title}, then the market resolves to Yes.",
        "rules_secondary": "",
        "can_close_early": True,
        "event_ticker": listing.event_ticker,
        "expected_expiration_ts": market.close_ms // 1000,
    }
    return view | _grid_part(market) | {"additional_metadata": metadata | _strike_part(market)}


def event_msg(event: EventListing) -> Json:
    """Returns the msg of an event_lifecycle frame, which announces a new event."""
    return {
        "event_ticker": event.ticker,
        "exchange_index": event.exchange_index,
        "title": event.title,
        "subtitle": event.sub_title,
        "collateral_return_type": "MECNET" if event.mutually_exclusive else "",
        "series_ticker": event.series_ticker,
        "strike_date": event.strike_ms // 1000,
    }


def event_fee_msg(change: EventFeesChanged) -> Json:
    """Returns the msg of an event_fee_update frame; null where an override ended."""
    multiplier_e4 = change.fee_multiplier_e4
    return {
        "event_ticker": change.event_ticker,
        "fee_type_override": change.fee_type,
        "fee_multiplier_override": None if multiplier_e4 is None else multiplier_e4 / 10_000,
    }


def group_msg(change: GroupChanged) -> Json:
    view: Json = {"event_type": change.kind, "order_group_id": change.group_id, "ts_ms": change.ts_ms}
    if change.limit_e2 is not None:
        view["contracts_limit_fp"] = count_text(change.limit_e2)
    return view
