"""The queue model: each rule by a case, and what must hold of every stream by hypothesis."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.simulator.queue_model import (
    SETTLE_MS,
    BookReplaced,
    ClockMoved,
    LevelMoved,
    OwnFilled,
    OwnPlaced,
    OwnReduced,
    OwnTook,
    PublicTrade,
    QueueBook,
    QueueEvent,
    QueueModel,
)
from kalshi.types import Side

FRONT, RISK_AVERSE, PROBABILISTIC = QueueModel.FRONT, QueueModel.RISK_AVERSE, QueueModel.PROBABILISTIC
MODELS = tuple(QueueModel)
PRICE = 4_500


def book_of(model: QueueModel, *, size_e2: int = 10_000, latency_ms: int = 0) -> QueueBook:
    """A book with one bid level, in which our bid of 10 contracts was placed at time 0."""
    book = QueueBook(model, latency_ms)
    book.apply(BookReplaced(bids={PRICE: size_e2}, asks={5_000: 700}, at_ms=0))
    book.apply(placed())
    return book


def placed(order_id: str = "a", price_e4: int = PRICE, count_e2: int = 1_000, at_ms: int = 0) -> OwnPlaced:
    return OwnPlaced(order_id=order_id, side=Side.BID, price_e4=price_e4, count_e2=count_e2, at_ms=at_ms)


def moved(delta_e2: int, at_ms: int, price_e4: int = PRICE, side: Side = Side.BID) -> LevelMoved:
    return LevelMoved(side=side, price_e4=price_e4, delta_e2=delta_e2, ts_ms=at_ms, at_ms=at_ms)


def sold(count_e2: int, at_ms: int, price_e4: int = PRICE, ts_ms: int | None = -1) -> PublicTrade:
    """Somebody sold into the bids."""
    return PublicTrade(
        taker_side=Side.ASK, price_e4=price_e4, count_e2=count_e2, ts_ms=at_ms if ts_ms == -1 else ts_ms, at_ms=at_ms
    )


def filled_e2(book: QueueBook, events: Iterable[QueueEvent]) -> int:
    return sum(fill.count_e2 for event in events for fill in book.apply(event))


@pytest.mark.parametrize("model", MODELS)
def test_a_trade_takes_who_is_ahead_first_and_then_us(model: QueueModel) -> None:
    book = book_of(model)
    assert filled_e2(book, [sold(10_400, 100), moved(-10_000, 100)]) == (1_000 if model is FRONT else 400)
    assert filled_e2(book, [sold(10_000, 200)]) == (0 if model is FRONT else 600)
    assert not book.orders


@pytest.mark.parametrize("model", MODELS)
def test_a_match_told_on_two_channels_in_either_order_counts_once(model: QueueModel) -> None:
    """Neither is its decrease taken for a cancel, nor does the trade move the queue twice."""
    trade, decrease = sold(4_000, 100), moved(-4_000, 100)
    orders: tuple[tuple[QueueEvent, ...], ...] = ((trade, decrease), (decrease, trade))
    for halves in orders:
        book = book_of(model)
        filled_e2(book, halves)
        filled_e2(book, [ClockMoved(at_ms=100 + 2 * SETTLE_MS)])
        if model is not FRONT:
            assert book.ahead_e2("a") == 6_000


def test_an_unexplained_decrease_is_a_cancel_and_the_models_place_it_differently() -> None:
    """9,900 of 10,000 ahead and 10,000 behind; then a cancel of 4,000: behind us, on both sides, or nobody asks."""
    ahead = {}
    for model in MODELS:
        book = book_of(model)
        filled_e2(book, [moved(10_000, 50), moved(-4_000, 100), ClockMoved(at_ms=100 + SETTLE_MS)])
        ahead[model] = book.ahead_e2("a")
    assert ahead == {FRONT: 0, RISK_AVERSE: 10_000, PROBABILISTIC: 8_000}


def test_risk_averse_moves_up_once_the_level_is_smaller_than_what_was_ahead() -> None:
    book = book_of(RISK_AVERSE)
    filled_e2(book, [moved(-7_000, 100), ClockMoved(at_ms=100 + SETTLE_MS - 1)])
    assert book.ahead_e2("a") == 10_000
    filled_e2(book, [ClockMoved(at_ms=100 + SETTLE_MS)])
    assert book.ahead_e2("a") == 3_000


def test_a_longer_part_of_the_queue_gives_more_than_its_share_of_a_cancel() -> None:
    book = book_of(PROBABILISTIC)
    # 10,000 ahead, 20,000 behind: 1/9 of the cancel came from ahead, where proportion would say 1/3.
    filled_e2(book, [moved(20_000, 50), moved(-900, 100), ClockMoved(at_ms=100 + SETTLE_MS)])
    assert book.ahead_e2("a") == 10_000 - 100


@pytest.mark.parametrize("model", MODELS)
def test_a_trade_through_our_price_fills_us_with_no_more_than_its_size(model: QueueModel) -> None:
    book = book_of(model)
    assert filled_e2(book, [sold(300, 100, PRICE - 100)]) == 300
    assert filled_e2(book, [sold(5_000, 101, PRICE - 200)]) == 700


@pytest.mark.parametrize("model", MODELS)
def test_a_trade_at_a_worse_price_for_the_taker_than_ours_is_not_ours(model: QueueModel) -> None:
    book = book_of(model)
    assert filled_e2(book, [sold(50_000, 100, PRICE + 100)]) == 0
    bought = PublicTrade(taker_side=Side.BID, price_e4=PRICE, count_e2=50_000, ts_ms=100, at_ms=100)
    assert filled_e2(book, [bought]) == 0


@pytest.mark.parametrize("model", MODELS)
def test_nothing_meets_an_order_before_it_has_arrived(model: QueueModel) -> None:
    book = book_of(model, latency_ms=50)
    assert filled_e2(book, [sold(50_000, 49), sold(50_000, 49, PRICE - 100)]) == 0
    assert filled_e2(book, [sold(50_000, 50)]) == 1_000


@pytest.mark.parametrize("model", [RISK_AVERSE, PROBABILISTIC])
def test_an_order_joins_behind_what_rests_when_it_arrives(model: QueueModel) -> None:
    book = book_of(model, latency_ms=50)
    filled_e2(book, [moved(-6_000, 20), moved(1_000, 60)])
    assert book.ahead_e2("a") == 4_000
    # The trade that made it smaller is told late: it was before our time and moves nobody ahead of us.
    filled_e2(book, [sold(6_000, 70, ts_ms=20)])
    assert book.ahead_e2("a") == 4_000


@pytest.mark.parametrize("model", [RISK_AVERSE, PROBABILISTIC])
def test_who_comes_between_a_trade_and_its_decrease_does_not_queue_behind_the_dead(model: QueueModel) -> None:
    book = QueueBook(model)
    book.apply(BookReplaced(bids={PRICE: 10_000}, asks={}, at_ms=0))
    filled_e2(book, [sold(9_000, 10), placed(at_ms=10), moved(-9_000, 10)])
    assert book.ahead_e2("a") == 1_000


def test_a_print_without_its_time_explains_an_older_decrease() -> None:
    book = book_of(RISK_AVERSE)
    filled_e2(book, [moved(-4_000, 100), sold(4_000, 900, ts_ms=None), ClockMoved(at_ms=5_000)])
    assert book.ahead_e2("a") == 6_000


def test_two_orders_of_ours_share_one_trade_older_first() -> None:
    book = book_of(FRONT)
    book.apply(placed("b", at_ms=1))
    fills = book.apply(sold(1_500, 100))
    assert [(fill.order_id, fill.count_e2) for fill in fills] == [("a", 1_000), ("b", 500)]


def test_a_younger_order_of_ours_never_overtakes_an_older_one() -> None:
    """The younger one knows that the level has shrunk; whether that was a trade, the older one still waits to hear."""
    book = book_of(RISK_AVERSE)
    filled_e2(book, [moved(-8_000, 100), placed("b", at_ms=101)])
    assert (book.ahead_e2("a"), book.ahead_e2("b")) == (10_000, 2_000)
    assert filled_e2(book, [sold(3_000, 110)]) == 0


def test_a_snapshot_is_a_new_truth_and_never_sets_us_back() -> None:
    book = book_of(RISK_AVERSE)
    filled_e2(book, [BookReplaced(bids={PRICE: 3_000}, asks={}, at_ms=10)])
    assert book.ahead_e2("a") == 3_000
    filled_e2(book, [BookReplaced(bids={PRICE: 9_000}, asks={}, at_ms=20)])
    assert book.ahead_e2("a") == 3_000


def test_what_was_taken_stays_taken_until_the_level_is_gone() -> None:
    book = book_of(FRONT)
    book.apply(OwnTook(side=Side.ASK, price_e4=5_000, count_e2=500, at_ms=1))
    assert book.available(Side.ASK) == [(5_000, 200)]
    book.apply(moved(-400, 2, 5_000, Side.ASK))  # 300 are left of 700, and they are those that we took
    assert book.available(Side.ASK) == []
    book.apply(moved(500, 3, 5_000, Side.ASK))  # newcomers can be taken
    assert book.available(Side.ASK) == [(5_000, 500)]
    book.apply(moved(-800, 4, 5_000, Side.ASK))
    book.apply(moved(250, 5, 5_000, Side.ASK))
    assert book.available(Side.ASK) == [(5_000, 250)]


def test_a_decrease_keeps_the_place_and_a_whole_one_ends_the_order() -> None:
    book = book_of(RISK_AVERSE)
    filled_e2(book, [moved(5_000, 5), OwnReduced(order_id="a", by_e2=400, at_ms=6)])
    assert (book.ahead_e2("a"), book.orders["a"].remaining_e2) == (10_000, 600)
    book.apply(OwnReduced(order_id="a", by_e2=600, at_ms=7))
    assert filled_e2(book, [sold(50_000, 100)]) == 0


# -- every stream --

PRICES = (4_400, 4_500, 4_600)
_sizes = st.integers(1, 30).map(lambda n: n * 50)
_step = st.tuples(
    st.sampled_from(("grow", "cancel", "trade", "half", "print", "place", "reduce", "wait", "snapshot")),
    st.sampled_from(PRICES),
    st.sampled_from(tuple(Side)),
    _sizes,
    st.booleans(),
)


@attrs.define
class Stream:
    """Builds one stream of events that a real exchange could send, with our own orders between."""

    book: dict[tuple[Side, int], int] = attrs.field(factory=dict)
    events: list[QueueEvent] = attrs.field(factory=list)
    placed: list[OwnPlaced] = attrs.field(factory=list)
    trades: list[PublicTrade] = attrs.field(factory=list)
    at_ms: int = 1

    def add(self, step: tuple[str, int, Side, int, bool]) -> None:
        kind, price_e4, side, size_e2, flag = step
        self.at_ms += 900 if kind == "wait" else 40
        held_e2 = self.book.get((side, price_e4), 0)
        if kind == "grow":
            self._move(side, price_e4, size_e2)
        elif kind == "cancel":
            self._move(side, price_e4, -min(size_e2, held_e2))
        elif kind in ("trade", "half", "print") and held_e2:
            count_e2 = min(size_e2, held_e2)
            trade = PublicTrade(
                taker_side=side.opposite,
                price_e4=price_e4,
                count_e2=count_e2,
                ts_ms=None if kind == "print" else self.at_ms,
                at_ms=self.at_ms,
            )
            self.trades.append(trade)
            if flag and kind != "print":
                self.events.append(trade)
            # A "half" is a trade whose decrease never comes: a gap, or a frame that was not for us.
            if kind != "half":
                self._move(side, price_e4, -count_e2)
            if not flag or kind == "print":
                self.events.append(trade)
        elif kind == "place":
            order = OwnPlaced(
                order_id=str(len(self.placed)), side=side, price_e4=price_e4, count_e2=size_e2, at_ms=self.at_ms
            )
            self.placed.append(order)
            self.events.append(order)
        elif kind == "reduce" and self.placed:
            order = self.placed[size_e2 % len(self.placed)]
            self.events.append(OwnReduced(order_id=order.order_id, by_e2=size_e2, at_ms=self.at_ms))
        elif kind == "snapshot" and flag:
            sides = [{p: n for (s, p), n in self.book.items() if s is one and n} for one in Side]
            self.events.append(BookReplaced(bids=sides[0], asks=sides[1], at_ms=self.at_ms))
        else:
            self.events.append(ClockMoved(at_ms=self.at_ms))

    def _move(self, side: Side, price_e4: int, delta_e2: int) -> None:
        if delta_e2:
            self.book[side, price_e4] = self.book.get((side, price_e4), 0) + delta_e2
            self.events.append(
                LevelMoved(side=side, price_e4=price_e4, delta_e2=delta_e2, ts_ms=self.at_ms, at_ms=self.at_ms)
            )


def stream_of(steps: Iterable[tuple[str, int, Side, int, bool]]) -> Stream:
    stream = Stream()
    for step in steps:
        stream.add(step)
    return stream


def run(model: QueueModel, stream: Stream, latency_ms: int) -> list[OwnFilled]:
    book = QueueBook(model, latency_ms)
    fills: list[OwnFilled] = []
    for event in stream.events:
        fills += book.apply(event)
        assert all((order.ahead_e2 or 0) >= 0 and order.remaining_e2 > 0 for order in book.orders.values())
    return fills


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(_step, max_size=60), latency_ms=st.sampled_from((0, 30, 100)))
def test_what_holds_of_every_stream(steps: list[tuple[str, int, Side, int, bool]], latency_ms: int) -> None:
    """Rules 1, 3 and 5: never more than was traded at or through our price, never early, and models in order."""
    stream = stream_of(steps)
    placed_by_id = {order.order_id: order for order in stream.placed}
    totals = {}
    for model in MODELS:
        fills = run(model, stream, latency_ms)
        totals[model] = sum(fill.count_e2 for fill in fills)
        for fill in fills:
            assert fill.at_ms >= placed_by_id[fill.order_id].at_ms + latency_ms
        for side in Side:
            for price_e4 in PRICES:
                through_e2 = sum(
                    trade.count_e2
                    for trade in stream.trades
                    if trade.taker_side is side.opposite and (price_e4 - trade.price_e4) * side.sign >= 0
                )
                mine_e2 = sum(
                    fill.count_e2
                    for fill in fills
                    if placed_by_id[fill.order_id].side is side and (price_e4 - fill.price_e4) * side.sign >= 0
                )
                assert mine_e2 <= through_e2
        for order in stream.placed:
            assert sum(f.count_e2 for f in fills if f.order_id == order.order_id) <= order.count_e2
    assert totals[FRONT] >= totals[PROBABILISTIC] >= totals[RISK_AVERSE]
