"""How the exchange writes its objects over REST: one function per object, names and number forms as recorded.

Source: kalshi-rest.md §7, spec 3.34 schemas, demo answers of 2026-06-11.
"""

from __future__ import annotations

from collections.abc import Iterable

from kalshi.simulator.accounts import Position
from kalshi.simulator.events import Settled
from kalshi.simulator.history import Candle
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Fill, Order, Reason, Trade
from kalshi.simulator.price_grid import GridRange
from kalshi.simulator.side_book import SideBook
from kalshi.simulator.timestamps import rfc3339
from kalshi.simulator.wire_numbers import DOLLAR_E4, count_text, money_text, price_text
from kalshi.types import Side

Json = dict[str, object]


def direction_view(side: Side, *, legacy: bool) -> Json:
    """Returns the direction fields; the legacy words say the same on the YES leg (recorded for V2 orders)."""
    view: Json = {
        "outcome_side": "yes" if side is Side.BID else "no",
        "book_side": side.value,
    }
    if legacy:
        view |= {"side": "yes", "action": "buy" if side is Side.BID else "sell"}
    return view


def order_view(order: Order, user_id: str, subaccount: int, *, legacy: bool, with_reason: bool) -> Json:
    """Returns an order as `GET /portfolio/orders` shows it; the price is the limit, not the fill price."""
    view: Json = {
        "order_id": order.order_id,
        "user_id": user_id,
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        "type": "limit",
        "status": order.status.value,
        "yes_price_dollars": price_text(order.price_e4),
        "no_price_dollars": price_text(DOLLAR_E4 - order.price_e4),
        "initial_count_fp": count_text(order.initial_e2),
        "fill_count_fp": count_text(order.filled_e2),
        "remaining_count_fp": count_text(order.remaining_e2),
        "taker_fill_cost_dollars": money_text(order.taker_cost_e6),
        "maker_fill_cost_dollars": money_text(order.maker_cost_e6),
        "taker_fees_dollars": money_text(order.taker_fees_e6),
        "maker_fees_dollars": money_text(order.maker_fees_e6),
        "created_time": rfc3339(order.created_ms),
        "last_update_time": rfc3339(order.updated_ms),
        "self_trade_prevention_type": order.self_trade_prevention.value,
        "cancel_order_on_pause": order.cancel_on_pause,
        "subaccount_number": subaccount,
        "exchange_index": order.exchange_index,
        **direction_view(order.side, legacy=legacy),
    }
    if order.expiration_ts_s is not None:
        view["expiration_time"] = rfc3339(order.expiration_ts_s * 1000)
    if order.group_id is not None:
        view["order_group_id"] = order.group_id
    if with_reason and order.reason is not Reason.NONE:
        view["last_update_reason"] = order.reason.value
    return view


def fill_view(fill: Fill, subaccount: int, *, legacy: bool) -> Json:
    """Returns a fill as `GET /portfolio/fills` shows it: no client order id, the net fee with six decimals."""
    return {
        "fill_id": fill.trade_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "ticker": fill.ticker,
        "market_ticker": fill.ticker,
        "count_fp": count_text(fill.count_e2),
        "yes_price_dollars": price_text(fill.price_e4),
        "no_price_dollars": price_text(DOLLAR_E4 - fill.price_e4),
        "is_taker": fill.is_taker,
        "fee_cost": money_text(fill.fee_e6),
        "created_time": rfc3339(fill.ts_ms),
        "ts": fill.ts_ms // 1000,
        "subaccount_number": subaccount,
        "exchange_index": fill.exchange_index,
        **direction_view(fill.side, legacy=legacy),
    }


def position_view(position: Position) -> Json:
    return {
        "ticker": position.ticker,
        "exchange_index": position.exchange_index,
        "position_fp": count_text(position.count_e2),
        "total_traded_dollars": money_text(position.traded_e6),
        "market_exposure_dollars": money_text(position.cost_e6),
        "realized_pnl_dollars": money_text(position.realized_e6),
        "fees_paid_dollars": money_text(position.fees_e6),
        "last_updated_ts": rfc3339(position.updated_ms),
    }


def event_position_view(event_ticker: str, positions: Iterable[Position]) -> Json:
    """Returns the sums of an event's positions."""
    rows = tuple(positions)
    return {
        "event_ticker": event_ticker,
        "total_cost_dollars": money_text(sum(row.traded_e6 for row in rows)),
        "total_cost_shares_fp": count_text(sum(abs(row.count_e2) for row in rows)),
        "event_exposure_dollars": money_text(sum(row.cost_e6 for row in rows)),
        "realized_pnl_dollars": money_text(sum(row.realized_e6 for row in rows)),
        "fees_paid_dollars": money_text(sum(row.fees_e6 for row in rows)),
    }


def settlement_view(settled: Settled, event_ticker: str) -> Json:
    """Returns a settlement; revenue and value are whole cents."""
    is_yes = settled.position_e2 > 0
    return {
        "ticker": settled.ticker,
        "event_ticker": event_ticker,
        "exchange_index": settled.exchange_index,
        "market_result": settled.result,
        "yes_count_fp": count_text(settled.position_e2 if is_yes else 0),
        "yes_total_cost_dollars": money_text(settled.cost_e6 if is_yes else 0),
        "no_count_fp": count_text(0 if is_yes else -settled.position_e2),
        "no_total_cost_dollars": money_text(0 if is_yes else settled.cost_e6),
        "revenue": settled.revenue_e6 // 10_000,
        "value": settled.settlement_value_e4 // 100,
        "settled_time": rfc3339(settled.ts_ms),
        "fee_cost": money_text(settled.fees_e6),
    }


def range_view(part: GridRange) -> Json:
    return {
        "start": price_text(part.start_e4),
        "end": price_text(part.end_e4),
        "step": price_text(part.step_e4),
    }


def _market_facts(market: MarketState) -> Json:
    listing = market.listing
    view: Json = {
        "ticker": listing.ticker,
        "event_ticker": listing.event_ticker,
        "market_type": "binary",
        "title": listing.title,
        "yes_sub_title": listing.yes_sub_title,
        "no_sub_title": listing.yes_sub_title,
        "created_time": rfc3339(listing.created_ms),
        "updated_time": rfc3339(market.updated_ms),
        "open_time": rfc3339(listing.open_ms),
        "close_time": rfc3339(market.close_ms),
        "expected_expiration_time": rfc3339(market.close_ms),
        "expiration_time": rfc3339(market.close_ms),
        "latest_expiration_time": rfc3339(market.close_ms),
        "settlement_timer_seconds": 20,
        "notional_value_dollars": "1.0000",
        "can_close_early": True,
        "early_close_condition": "This market closes and expires early if the event occurs.",
        "occurrence_datetime": rfc3339(market.close_ms),
        "settlement_bounds_type": "default",
        "expiration_value": market.expiration_value,
        "rules_primary": f"If the outcome is {listing.yes_sub_title}, then the market resolves to Yes.",
        "rules_secondary": "",
        "strike_type": listing.strike_type,
        "price_level_structure": listing.structure,
        "price_ranges": [range_view(part) for part in listing.price_ranges],
        "exchange_index": listing.exchange_index,
    }
    if listing.fee_waiver_until_ms is not None:
        view["fee_waiver_expiration_time"] = rfc3339(listing.fee_waiver_until_ms)
    if listing.floor_strike is not None:
        view["floor_strike"] = listing.floor_strike
    if listing.strike_type == "custom":
        view["custom_strike"] = {"outcome": listing.yes_sub_title}
    return view


def market_view(market: MarketState, now_ms: int) -> Json:
    """Returns a market as `GET /markets` shows it; there is no series ticker on it."""
    quote = market.quote()
    last = price_text(market.last_price_e4)
    status = "closed" if market.status == "active" and now_ms >= market.close_ms else market.status.value
    view = _market_facts(market) | {
        "status": status,
        "yes_bid_dollars": price_text(quote.bid_e4),
        "yes_bid_size_fp": count_text(quote.bid_e2),
        "yes_ask_dollars": price_text(quote.ask_e4),
        "yes_ask_size_fp": count_text(quote.ask_e2),
        "no_bid_dollars": price_text(DOLLAR_E4 - quote.ask_e4),
        "no_ask_dollars": price_text(DOLLAR_E4 - quote.bid_e4),
        "last_price_dollars": last,
        "previous_yes_bid_dollars": price_text(market.listing.fair_e4 // 100 * 100),
        "previous_yes_ask_dollars": price_text(market.listing.fair_e4 // 100 * 100 + 100),
        "previous_price_dollars": price_text(market.listing.fair_e4 // 100 * 100),
        "volume_fp": count_text(market.volume_e2),
        "volume_24h_fp": count_text(market.volume_24h_e2),
        "open_interest_fp": count_text(market.open_interest_e2),
        "result": market.result,
    }
    if market.settlement_value_e4 is not None:
        view["settlement_value_dollars"] = price_text(market.settlement_value_e4)
    if market.settled_ms is not None:
        view["settlement_ts"] = rfc3339(market.settled_ms)
    return view


def trade_view(trade: Trade, *, legacy: bool) -> Json:
    outcome = "yes" if trade.taker_side is Side.BID else "no"
    view: Json = {
        "trade_id": trade.trade_id,
        "ticker": trade.ticker,
        "count_fp": count_text(trade.count_e2),
        "yes_price_dollars": price_text(trade.price_e4),
        "no_price_dollars": price_text(DOLLAR_E4 - trade.price_e4),
        "taker_outcome_side": outcome,
        "taker_book_side": trade.taker_side.value,
        "created_time": rfc3339(trade.ts_ms),
        "is_block_trade": False,
    }
    return view | {"taker_side": outcome} if legacy else view


def ladder_view(book: SideBook, depth: int = 0) -> list[list[str]]:
    """Returns one side as bids of its own outcome, ascending, best last; asks become NO bids."""
    rows = reversed(book.levels(depth))
    if book.side is Side.BID:
        return [[price_text(price_e4), count_text(count_e2)] for price_e4, count_e2 in rows]
    return [[price_text(DOLLAR_E4 - price_e4), count_text(count_e2)] for price_e4, count_e2 in rows]


def orderbook_view(market: MarketState, depth: int = 0) -> Json:
    return {
        "yes_dollars": ladder_view(market.engine.bids, depth),
        "no_dollars": ladder_view(market.engine.asks, depth),
    }


def candle_view(
    candle: Candle, previous_e4: int | None, half_spread_e4: int, open_interest_e2: int, *, historical: bool = False
) -> Json:
    """Returns a candle; bid and ask are the trade prices less and plus a typical half spread.

    Without trades the prices are left away on the live endpoints and null on the historical ones, whose names have
    no unit. `previous_e4` is the last traded price before the period.
    """
    unit = "" if historical else "_dollars"
    unit_fp = "" if historical else "_fp"

    def stretch(offset_e4: int) -> Json:
        return {
            f"{name}{unit}": price_text(min(max(value + offset_e4, 0), DOLLAR_E4))
            for name, value in (
                ("open", candle.open_e4),
                ("low", candle.low_e4),
                ("high", candle.high_e4),
                ("close", candle.close_e4),
            )
        }

    price: Json = {}
    if candle.volume_e2:
        price = stretch(0) | {f"mean{unit}": price_text((candle.open_e4 + candle.close_e4) // 2)}
    elif historical:
        price = dict.fromkeys(("open", "low", "high", "close", "mean"))
    if previous_e4 is not None:
        price[f"previous{unit}"] = price_text(previous_e4)
    elif historical:
        price["previous"] = None
    return {
        "end_period_ts": candle.end_s,
        "yes_bid": stretch(-half_spread_e4),
        "yes_ask": stretch(half_spread_e4),
        "price": price,
        f"volume{unit_fp}": count_text(candle.volume_e2),
        f"open_interest{unit_fp}": count_text(open_interest_e2),
    }
