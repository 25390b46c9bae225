"""Frames of the channels without books become events in integers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.feed import FeedProtocol
from kalshi.feed_events import (
    EventFeesChanged,
    EventListed,
    FeedEvent,
    FillReported,
    FrameMalformed,
    GroupReported,
    MarketLifecycle,
    OrderReported,
    PositionReported,
    TickerUpdated,
    TradePrinted,
    UnknownFrame,
)
from kalshi.feed_frames import book_count, book_price, decode_envelope
from kalshi.numbers import CountE2, MoneyE6, NumberFormatError, PriceE4, parse_count
from kalshi.types import Fill, Order, OrderStatus, PriceRange, Side
from tests.kalshi.frames import private

TICKER_MSG = {
    "market_ticker": "A",
    "price_dollars": "0.9740",
    "yes_bid_dollars": "0.9710",
    "yes_ask_dollars": "1.0000",
    "yes_bid_size_fp": "81.00",
    "yes_ask_size_fp": "0.00",
    "volume_fp": "525942.00",
    "dollar_volume": -5,
    "ts": 1778689590,
    "ts_ms": 1778689590453,
}
TRADE_MSG = {
    "trade_id": "4a7f",
    "market_ticker": "A",
    "yes_price_dollars": "0.3520",
    "no_price_dollars": "0.6480",
    "count_fp": "15.78",
    "taker_side": "yes",
    "taker_outcome_side": "no",
    "taker_book_side": "ask",
    "ts": 1783339223,
    "ts_ms": 1783339223261,
}
FILL_MSG = {
    "trade_id": "a750",
    "order_id": "d44d",
    "market_ticker": "A",
    "is_taker": True,
    "side": "no",
    "ts": 1782873396,
    "ts_ms": 1782873396915,
    "yes_price_dollars": "0.1600",
    "count_fp": "1.16",
    "fee_cost": "0.011000",
    "action": "buy",
    "post_position_fp": "-4.36",
    "purchased_side": "no",
    "outcome_side": "no",
    "book_side": "ask",
    "subaccount": 0,
}
ORDER_MSG = {
    "order_id": "o-1",
    "user_id": "u",
    "ticker": "A",
    "exchange_index": 2,
    "status": "canceled",
    "side": "yes",
    "is_yes": True,
    "outcome_side": "no",
    "book_side": "ask",
    "yes_price_dollars": "0.4400",
    "fill_count_fp": "1.50",
    "remaining_count_fp": "0.00",
    "initial_count_fp": "4.00",
    "client_order_id": "c-1",
    "order_group_id": "",
    "created_ts_ms": 1_000,
    "last_updated_ts_ms": 2_000,
    "expiration_ts_ms": 9_999,
    "last_update_reason": "ExpiryCancel",
}


def single(kind: str, msg: dict[str, Any]) -> FeedEvent:
    (event,) = FeedProtocol(lambda: 0.0).receive([private(kind, msg)])
    return event


def test_a_ticker() -> None:
    assert single("ticker", TICKER_MSG) == TickerUpdated(
        ticker="A",
        yes_bid_e4=PriceE4(9_710),
        yes_ask_e4=PriceE4(10_000),
        yes_bid_size_e2=CountE2(8_100),
        yes_ask_size_e2=CountE2(0),
        last_price_e4=PriceE4(9_740),
        volume_e2=CountE2(52_594_200),
        ts_ms=1778689590453,
        dollar_volume=-5,
    )


def test_a_trade_goes_the_way_of_its_taker() -> None:
    event = single("trade", TRADE_MSG)
    assert event == TradePrinted(
        ticker="A",
        price_e4=PriceE4(3_520),
        count_e2=CountE2(1_578),
        taker_side=Side.ASK,
        ts_ms=1783339223261,
        is_block=False,
        trade_id="4a7f",
    )
    older = single("trade", {**TRADE_MSG, "taker_book_side": "", "taker_outcome_side": "yes", "is_block_trade": True})
    assert isinstance(older, TradePrinted)
    assert (older.taker_side, older.is_block) == (Side.BID, True)


def test_a_fill_reads_the_new_direction_words_only() -> None:
    assert single("fill", FILL_MSG) == FillReported(
        fill=Fill(
            fill_id="a750",
            order_id="d44d",
            ticker="A",
            side=Side.ASK,
            price_e4=PriceE4(1_600),
            count_e2=CountE2(116),
            fee_e6=MoneyE6(11_000),
            is_taker=True,
            ts_ms=1782873396915,
            exchange_index=0,
            client_order_id=None,
            post_position_e2=CountE2(-436),
        ),
        subaccount=0,
    )


def test_an_order() -> None:
    assert single("user_order", ORDER_MSG) == OrderReported(
        order=Order(
            order_id="o-1",
            client_order_id="c-1",
            ticker="A",
            side=Side.ASK,
            status=OrderStatus.CANCELED,
            price_e4=PriceE4(4_400),
            initial_e2=CountE2(400),
            filled_e2=CountE2(150),
            remaining_e2=CountE2(0),
            order_group_id=None,
            expiration_ts_s=9,
            last_update_ms=2_000,
            exchange_index=2,
            reason="ExpiryCancel",
        ),
        created_ms=1_000,
    )


def test_an_order_of_unknown_status_says_nothing() -> None:
    assert single("user_order", {**ORDER_MSG, "status": "unknown"}) == UnknownFrame(type="user_order, status unknown")


def test_an_order_without_optional_fields() -> None:
    optional = ("expiration_ts_ms", "last_updated_ts_ms", "last_update_reason", "order_group_id", "exchange_index")
    event = single("user_order", {name: value for name, value in ORDER_MSG.items() if name not in optional})
    assert isinstance(event, OrderReported)
    assert (event.order.expiration_ts_s, event.order.last_update_ms, event.order.reason) == (None, 1_000, None)


def test_a_position_is_signed() -> None:
    event = single("market_position", {"market_ticker": "A", "position_fp": "-3.50"})
    assert event == PositionReported(ticker="A", position_e2=CountE2(-350))


def test_lifecycle_events_carry_what_they_have() -> None:
    determined = {
        "market_ticker": "A",
        "event_type": "determined",
        "determination_ts": 5,
        "result": "yes",
        "settlement_value": "1.0000",
    }
    assert single("market_lifecycle_v2", determined) == MarketLifecycle(
        ticker="A",
        kind="determined",
        close_time_ms=None,
        result="yes",
        settlement_value_e4=PriceE4(10_000),
        price_ranges=None,
        determined_ms=5_000,
    )
    regrid = {
        "market_ticker": "A",
        "event_type": "price_level_structure_updated",
        "close_ts": 12,
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}],
    }
    event = single("market_lifecycle_v2", regrid)
    assert isinstance(event, MarketLifecycle)
    assert event.close_time_ms == 12_000
    assert event.price_ranges == (PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(10)),)


def test_a_group_update() -> None:
    msg = {"event_type": "triggered", "order_group_id": "g-1", "ts_ms": 77}
    assert single("order_group_updates", msg) == GroupReported(group_id="g-1", kind="triggered", ts_ms=77)


def test_an_event_that_is_listed() -> None:
    msg = {
        "event_ticker": "E-26",
        "exchange_index": 2,
        "title": "T",
        "subtitle": "S",
        "collateral_return_type": "MECNET",
        "series_ticker": "E",
        "strike_date": 1_790_000_000,
    }
    assert single("event_lifecycle", msg) == EventListed(
        event_ticker="E-26",
        series_ticker="E",
        title="T",
        subtitle="S",
        is_exclusive=True,
        strike_date_ms=1_790_000_000_000,
        strike_period="",
        exchange_index=2,
    )


@pytest.mark.parametrize(("multiplier", "expected_e4"), [(0.5, 5_000), (1, 10_000), (0.0035, 35), (None, None)])
def test_an_event_s_fees_change(multiplier: float | None, expected_e4: int | None) -> None:
    kind = None if multiplier is None else "quadratic"
    msg = {"event_ticker": "E", "fee_type_override": kind, "fee_multiplier_override": multiplier}
    assert single("event_fee_update", msg) == EventFeesChanged(
        event_ticker="E", fee_type_override=kind, fee_multiplier_override_e4=expected_e4
    )


def test_all_that_is_documented_of_orders_positions_tickers_and_groups_is_read() -> None:
    order = single(
        "user_order",
        {
            **ORDER_MSG,
            "taker_fill_cost_dollars": "0.100000",
            "maker_fill_cost_dollars": "0.560000",
            "taker_fees_dollars": "0.010000",
            "maker_fees_dollars": "0.002500",
            "self_trade_prevention_type": "maker",
            "subaccount_number": 3,
        },
    )
    assert isinstance(order, OrderReported)
    assert (order.taker_cost_e6, order.maker_cost_e6, order.taker_fees_e6, order.maker_fees_e6) == (
        100_000,
        560_000,
        10_000,
        2_500,
    )
    assert (order.self_trade_prevention, order.created_ms, order.subaccount) == ("maker", 1_000, 3)
    position = single(
        "market_position",
        {
            "user_id": "u",
            "market_ticker": "A",
            "position_fp": "-3.50",
            "position_cost_dollars": "1.200000",
            "realized_pnl_dollars": "-0.300000",
            "fees_paid_dollars": "0.020000",
            "position_fee_cost_dollars": "0.010000",
            "volume_fp": "12.00",
            "subaccount": 1,
        },
    )
    assert position == PositionReported(
        ticker="A",
        position_e2=CountE2(-350),
        cost_e6=MoneyE6(1_200_000),
        realised_e6=MoneyE6(-300_000),
        fees_e6=MoneyE6(20_000),
        open_fees_e6=MoneyE6(10_000),
        volume_e2=CountE2(1_200),
        subaccount=1,
    )
    ticker = single("ticker", {**TICKER_MSG, "open_interest_fp": "7.00", "last_trade_size_fp": "0.50"})
    assert isinstance(ticker, TickerUpdated)
    assert (ticker.open_interest_e2, ticker.last_trade_e2, ticker.dollar_volume) == (700, 50, -5)
    group = {"event_type": "created", "order_group_id": "g", "contracts_limit_fp": "500.00", "ts_ms": 1}
    created = single("order_group_updates", group)
    assert isinstance(created, GroupReported)
    assert created.contracts_limit_e2 == 50_000


def test_a_market_that_is_created_tells_its_event_and_times() -> None:
    msg = {
        "event_type": "created",
        "market_ticker": "A",
        "exchange_index": 1,
        "open_ts": 10,
        "close_ts": 20,
        "additional_metadata": {
            "name": "n",
            "title": "t",
            "yes_sub_title": "y",
            "event_ticker": "E",
            "can_close_early": True,
            "expected_expiration_ts": 30,
            "floor_strike": 1.5,
            "custom_strike": {"a": "b"},
        },
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    }
    event = single("market_lifecycle_v2", msg)
    assert isinstance(event, MarketLifecycle)
    assert (event.event_ticker, event.title, event.yes_sub_title, event.can_close_early) == ("E", "t", "y", True)
    assert (event.open_time_ms, event.close_time_ms, event.expected_expiration_ms) == (10_000, 20_000, 30_000)
    assert (event.exchange_index, event.price_level_structure) == (1, "linear_cent")
    paused = single("market_lifecycle_v2", {"event_type": "deactivated", "market_ticker": "A", "is_deactivated": True})
    assert isinstance(paused, MarketLifecycle)
    assert paused.is_deactivated is True
    renamed = {"event_type": "metadata_updated", "market_ticker": "A", "floor_strike": 2.5, "yes_sub_title": "new"}
    event = single("market_lifecycle_v2", renamed)
    assert isinstance(event, MarketLifecycle)
    assert event.yes_sub_title == "new"


@pytest.mark.parametrize(
    ("kind", "msg", "change"),
    [
        ("ticker", TICKER_MSG, {"yes_bid_dollars": "x"}),
        ("ticker", TICKER_MSG, {"volume_fp": 5}),
        ("trade", TRADE_MSG, {"taker_book_side": "sideways"}),
        ("trade", TRADE_MSG, {"count_fp": "1.2.3"}),
        ("fill", FILL_MSG, {"book_side": "", "outcome_side": ""}),
        ("fill", FILL_MSG, {"fee_cost": 0.01}),
        ("user_order", ORDER_MSG, {"maker_fees_dollars": "much"}),
        ("market_position", {"market_ticker": "A", "position_fp": "1.00"}, {"realized_pnl_dollars": 5}),
        ("event_fee_update", {"event_ticker": "E"}, {"fee_multiplier_override": 0.00001}),
        ("event_fee_update", {"event_ticker": "E"}, {"fee_multiplier_override": 1e300}),
        ("event_lifecycle", {"event_ticker": "E"}, {"event_ticker": 5}),
        ("user_order", ORDER_MSG, {"initial_count_fp": None}),
        ("market_lifecycle_v2", {"market_ticker": "A", "event_type": "x"}, {"price_ranges": [{"start": "0"}]}),
        ("order_group_updates", {"event_type": "x", "order_group_id": "g"}, {"ts_ms": "soon"}),
    ],
)
def test_values_that_make_no_sense_are_malformed(kind: str, msg: dict[str, Any], change: dict[str, Any]) -> None:
    assert isinstance(single(kind, {**msg, **change}), FrameMalformed)


def test_the_envelope_is_read_where_the_body_is_not() -> None:
    envelope = decode_envelope('{"type":"x","sid":3,"seq":9,"msg":[[]]}')
    assert envelope is not None
    assert (envelope.type, envelope.sid, envelope.seq) == ("x", 3, 9)
    assert decode_envelope("{") is None


@given(st.one_of(st.text(max_size=12), st.decimals(-(10**6), 10**6, places=2).map(str)))
def test_the_fast_count_reads_and_refuses_exactly_what_the_slow_one_does(text: str) -> None:
    try:
        expected = parse_count(text)
    except NumberFormatError:
        with pytest.raises(NumberFormatError):
            book_count(text)
    else:
        assert book_count(text) == expected


@given(st.integers(0, 10_000))
def test_every_price_of_a_book_reads_exactly(price: int) -> None:
    assert book_price(f"{price // 10_000}.{price % 10_000:04d}") == price
    assert book_price(str(Decimal(price) / 10_000)) == price


def test_json_numbers_are_no_prices() -> None:
    frame = json.loads(private("ticker", TICKER_MSG))
    frame["msg"]["price_dollars"] = 0.5
    (event,) = FeedProtocol(lambda: 0.0).receive([json.dumps(frame)])
    assert isinstance(event, FrameMalformed)
