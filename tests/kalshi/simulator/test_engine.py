"""The matching engine against a naive model that scans a plain list, and its rules one by one."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.simulator.engine import EngineRefusal, Executed, MatchingEngine
from kalshi.simulator.events import BookDelta
from kalshi.simulator.orders import Fill, Order, Reason, Trade
from kalshi.types import OrderStatus, SelfTradePrevention, Side, TimeInForce

GTC = TimeInForce.GOOD_TILL_CANCELED
IOC = TimeInForce.IMMEDIATE_OR_CANCEL
FOK = TimeInForce.FILL_OR_KILL
AT_CROSS = SelfTradePrevention.TAKER_AT_CROSS
MAKER = SelfTradePrevention.MAKER


class RichClearing:
    """A clearing house where everybody can pay, except the accounts named poor."""

    def __init__(self) -> None:
        self.poor: set[str] = set()
        self.trades: list[tuple[str, str, int, int]] = []

    def affords(self, order: Order, price_e4: int, count_e2: int, *, is_taker: bool) -> bool:
        return order.account_id not in self.poor

    def execute(self, maker: Order, taker: Order, count_e2: int, now_ms: int) -> Executed:
        self.trades.append((maker.order_id, taker.order_id, maker.price_e4, count_e2))
        trade = Trade(
            trade_id=str(len(self.trades)),
            ticker=maker.ticker,
            price_e4=maker.price_e4,
            count_e2=count_e2,
            taker_side=taker.side,
            ts_ms=now_ms,
        )
        return Executed(trade=trade, maker=maker, taker=taker, fills=(_fill(maker, trade), _fill(taker, trade)))


def _fill(order: Order, trade: Trade) -> Fill:
    return Fill(
        trade_id=trade.trade_id,
        account_id=order.account_id,
        order_id=order.order_id,
        client_order_id="",
        ticker=order.ticker,
        exchange_index=0,
        side=order.side,
        price_e4=trade.price_e4,
        count_e2=trade.count_e2,
        fee_e6=0,
        is_taker=False,
        post_position_e2=0,
        ts_ms=trade.ts_ms,
    )


def make_order(order_id: str, side: Side, price_e4: int, count_e2: int, **changes: Any) -> Order:
    fields: dict[str, Any] = {
        "order_id": order_id,
        "account_id": order_id,
        "client_order_id": order_id,
        "ticker": "T",
        "side": side,
        "price_e4": price_e4,
        "initial_e2": count_e2,
        "remaining_e2": count_e2,
        "time_in_force": GTC,
        "self_trade_prevention": AT_CROSS,
        "exchange_index": 0,
        "created_ms": 0,
        "updated_ms": 0,
        **changes,
    }
    return Order(**fields)


class Floor:
    """An engine with its clearing and the orders it was given."""

    def __init__(self) -> None:
        self.clearing = RichClearing()
        self.engine = MatchingEngine(self.clearing)

    def submit(self, order_id: str, side: Side, price_e4: int, count_e2: int, **changes: Any) -> Order:
        order = make_order(order_id, side, price_e4, count_e2, **changes)
        self.engine.submit(order, 1)
        return order

    def resting(self, side: Side) -> list[tuple[str, int, int]]:
        return [(one.order_id, one.price_e4, one.remaining_e2) for one in self.engine.book(side).orders()]


@attrs.define
class Naive:
    """The same rules over a plain list in arrival order: slow and obvious."""

    resting: list[Order] = attrs.field(factory=list)
    trades: list[tuple[str, str, int, int]] = attrs.field(factory=list)

    def best_for(self, side: Side, limit_e4: int) -> Order | None:
        meets = [
            one for one in self.resting if one.side is side.opposite and (limit_e4 - one.price_e4) * side.sign >= 0
        ]
        return min(meets, key=lambda one: one.price_e4 * side.sign) if meets else None

    def submit(self, order: Order) -> str | None:
        if order.post_only and self.best_for(order.side, order.price_e4):
            return "post_only_cross"
        if order.time_in_force is FOK:
            volume_e2 = sum(
                one.remaining_e2
                for one in self.resting
                if one.side is order.side.opposite and (order.price_e4 - one.price_e4) * order.side.sign >= 0
            )
            if volume_e2 < order.remaining_e2:
                return "fill_or_kill"
        self.match_and_rest(order)
        return None

    def match_and_rest(self, order: Order) -> None:
        while order.remaining_e2 and (maker := self.best_for(order.side, order.price_e4)):
            if maker.account_id == order.account_id:
                if order.self_trade_prevention is AT_CROSS:
                    return
                self.resting.remove(maker)
                continue
            count_e2 = min(maker.remaining_e2, order.remaining_e2)
            self.trades.append((maker.order_id, order.order_id, maker.price_e4, count_e2))
            for one in (maker, order):
                one.remaining_e2 -= count_e2
                one.filled_e2 += count_e2
            if not maker.remaining_e2:
                self.resting.remove(maker)
        if order.remaining_e2 and order.time_in_force is GTC:
            self.resting.append(order)

    def amend(self, order: Order, price_e4: int, total_e2: int) -> None:
        wanted_e2 = total_e2 - order.filled_e2
        if wanted_e2 <= 0 or (price_e4 == order.price_e4 and wanted_e2 <= order.remaining_e2):
            order.remaining_e2 = max(wanted_e2, 0)
            if not order.remaining_e2:
                self.resting.remove(order)
            return
        self.resting.remove(order)
        order.price_e4, order.remaining_e2 = price_e4, wanted_e2
        self.match_and_rest(order)

    def side(self, side: Side) -> list[tuple[str, int, int]]:
        mine = [one for one in self.resting if one.side is side]
        mine.sort(key=lambda one: -one.price_e4 * side.sign)
        return [(one.order_id, one.price_e4, one.remaining_e2) for one in mine]


_PRICES = st.integers(45, 55).map(lambda cents: cents * 100)
_COUNTS = st.integers(1, 500)
_SUBMIT = st.tuples(
    st.just("submit"),
    st.sampled_from(list(Side)),
    _PRICES,
    _COUNTS,
    st.sampled_from([(GTC, False), (GTC, False), (GTC, True), (IOC, False), (FOK, False)]),
    st.sampled_from([AT_CROSS, MAKER]),
    st.sampled_from(["ann", "ben", "cat"]),
)
_CHANGE = st.tuples(st.sampled_from(["cancel", "decrease", "amend"]), st.integers(0, 50), _PRICES, _COUNTS)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(_SUBMIT, _SUBMIT, _CHANGE), max_size=40))
def test_engine_and_naive_model_agree(steps: list[tuple[Any, ...]]) -> None:
    floor, naive = Floor(), Naive()
    ours: dict[str, Order] = {}
    theirs: dict[str, Order] = {}
    for number, step in enumerate(steps):
        if step[0] == "submit":
            _, side, price_e4, count_e2, (tif, post_only), prevention, owner = step
            order_id = f"{number}"
            changes = {
                "time_in_force": tif,
                "post_only": post_only,
                "self_trade_prevention": prevention,
                "account_id": owner,
            }
            ours[order_id] = make_order(order_id, side, price_e4, count_e2, **changes)
            theirs[order_id] = make_order(order_id, side, price_e4, count_e2, **changes)
            refused = naive.submit(theirs[order_id])
            assert _refusal(floor, ours[order_id], number) == refused
        elif naive.resting:
            theirs_order = naive.resting[step[1] % len(naive.resting)]
            _change(step, floor, naive, ours[theirs_order.order_id], theirs_order)
        for side in Side:
            assert floor.resting(side) == naive.side(side)
        assert floor.clearing.trades == naive.trades
    _deltas_rebuild_the_book(floor)


def _refusal(floor: Floor, order: Order, now_ms: int) -> str | None:
    try:
        floor.engine.submit(order, now_ms)
    except EngineRefusal as refusal:
        return refusal.code
    return None


def _change(step: tuple[Any, ...], floor: Floor, naive: Naive, our: Order, their: Order) -> None:
    kind, _, price_e4, count_e2 = step
    if kind == "cancel":
        floor.engine.cancel(our, Reason.NONE, 1)
        naive.resting.remove(their)
    elif kind == "decrease":
        floor.engine.decrease(our, count_e2, 1)
        their.remaining_e2 = max(0, their.remaining_e2 - count_e2)
        if not their.remaining_e2:
            naive.resting.remove(their)
    else:
        total_e2 = their.filled_e2 + count_e2
        floor.engine.amend(our, price_e4, total_e2, 1)
        naive.amend(their, price_e4, total_e2)


def _deltas_rebuild_the_book(floor: Floor) -> None:
    sums: dict[tuple[Side, int], int] = {}
    for event in floor.engine.outbox:
        if isinstance(event, BookDelta):
            key = (event.side, event.price_e4)
            sums[key] = sums.get(key, 0) + event.delta_e2
            assert sums[key] >= 0
    for side in Side:
        levels = {price_e4: total for (one, price_e4), total in sums.items() if one is side and total}
        assert levels == dict(floor.engine.book(side).levels())


def test_a_trade_happens_at_the_resting_price_and_the_rest_is_booked_at_the_limit() -> None:
    floor = Floor()
    floor.submit("maker", Side.ASK, 5_200, 300)
    taker = floor.submit("taker", Side.BID, 5_500, 500)
    assert floor.clearing.trades == [("maker", "taker", 5_200, 300)]
    assert floor.resting(Side.BID) == [("taker", 5_500, 200)]
    assert taker.status is OrderStatus.RESTING


def test_self_trade_at_cross_ends_the_incoming_order_and_leaves_the_resting_one() -> None:
    floor = Floor()
    floor.submit("other", Side.ASK, 5_000, 100)
    floor.submit("mine", Side.ASK, 5_100, 100, account_id="me")
    taker = floor.submit("taker", Side.BID, 5_100, 200, account_id="me", time_in_force=FOK)
    assert (taker.filled_e2, taker.status, taker.reason) == (100, OrderStatus.CANCELED, Reason.SELF_TRADE)
    assert floor.resting(Side.ASK) == [("mine", 5_100, 100)]


def test_self_trade_maker_ends_the_resting_order_and_goes_on() -> None:
    floor = Floor()
    mine = floor.submit("mine", Side.ASK, 5_000, 100, account_id="me")
    floor.submit("other", Side.ASK, 5_100, 100)
    taker = floor.submit("taker", Side.BID, 5_100, 150, account_id="me", time_in_force=IOC, self_trade_prevention=MAKER)
    assert (mine.status, mine.reason) == (OrderStatus.CANCELED, Reason.SELF_TRADE)
    assert (taker.filled_e2, taker.status) == (100, OrderStatus.CANCELED)


def test_whoever_cannot_pay_at_the_match_is_ended_before_the_trade() -> None:
    floor = Floor()
    poor = floor.submit("poor", Side.ASK, 5_000, 100)
    floor.submit("rich", Side.ASK, 5_100, 100)
    floor.clearing.poor = {"poor", "broke"}
    floor.submit("taker", Side.BID, 5_100, 100)
    assert poor.status is OrderStatus.CANCELED
    assert floor.clearing.trades == [("rich", "taker", 5_100, 100)]
    floor.submit("rich2", Side.ASK, 5_100, 100)
    broke = floor.submit("broke", Side.BID, 5_100, 100)
    assert (broke.status, broke.filled_e2) == (OrderStatus.CANCELED, 0)


def test_shrinking_keeps_the_place_and_growing_loses_it() -> None:
    floor = Floor()
    first = floor.submit("first", Side.BID, 5_000, 500)
    second = floor.submit("second", Side.BID, 5_000, 500)
    floor.engine.amend(first, 5_000, 300, 2)
    floor.engine.decrease(second, 100, 2)
    assert floor.resting(Side.BID) == [("first", 5_000, 300), ("second", 5_000, 400)]
    assert floor.engine.bids.ahead_of_e2(second) == 300
    floor.engine.amend(first, 5_000, 400, 3)
    assert floor.resting(Side.BID) == [("second", 5_000, 400), ("first", 5_000, 400)]


def test_an_amend_to_the_filled_count_cancels_and_below_it_is_refused() -> None:
    floor = Floor()
    maker = floor.submit("maker", Side.BID, 5_000, 500)
    floor.submit("taker", Side.ASK, 5_000, 200)
    with pytest.raises(EngineRefusal):
        floor.engine.amend(maker, 5_000, 100, 2)
    floor.engine.amend(maker, 5_000, 200, 2)
    assert (maker.status, maker.reason, floor.resting(Side.BID)) == (OrderStatus.CANCELED, Reason.AMEND, [])
