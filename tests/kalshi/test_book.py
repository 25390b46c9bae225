"""The book against the plainest model there is: two dictionaries."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.book import BookCorrupt, OrderBook
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side

changes = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 12), st.integers(-5, 8)), max_size=120)


def price(value: int) -> PriceE4:
    return PriceE4(value)


def count(value: int) -> CountE2:
    return CountE2(value)


def level(price_e4: int, count_e2: int) -> Level:
    return Level(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


def contents(book: OrderBook, side: Side) -> dict[int, int]:
    return {item.price_e4: item.count_e2 for item in book.levels(side)}


@given(changes)
def test_a_book_equals_a_plain_dictionary_after_any_changes(moves: list[tuple[Side, int, int]]) -> None:
    book = OrderBook()
    model: dict[Side, dict[int, int]] = {Side.BID: {}, Side.ASK: {}}
    for side, price_e4, delta in moves:
        after = model[side].get(price_e4, 0) + delta
        if after < 0:
            with pytest.raises(BookCorrupt):
                book.apply_delta(side, price(price_e4), count(delta))
        else:
            book.apply_delta(side, price(price_e4), count(delta))
            model[side].pop(price_e4, None)
            if after:
                model[side][price_e4] = after
        assert contents(book, Side.BID) == model[Side.BID]
        assert contents(book, Side.ASK) == model[Side.ASK]
        assert book.best_bid_e4 == max(model[Side.BID], default=None)
        assert book.best_ask_e4 == min(model[Side.ASK], default=None)
        crossed = bool(model[Side.BID] and model[Side.ASK]) and max(model[Side.BID]) >= min(model[Side.ASK])
        assert book.is_crossed == crossed
        assert book.is_empty == (not model[Side.BID] and not model[Side.ASK])
        assert book.size_at(side, price(price_e4)) == model[side].get(price_e4, 0)


@given(
    st.dictionaries(st.integers(1, 9_999), st.integers(0, 1_000), max_size=40),
    st.dictionaries(st.integers(1, 9_999), st.integers(0, 1_000), max_size=40),
    st.integers(0, 50),
)
def test_a_snapshot_in_any_order_gives_sorted_levels(bids: dict[int, int], asks: dict[int, int], depth: int) -> None:
    book = OrderBook()
    book.apply_delta(Side.BID, price(77), count(1))
    book.apply_snapshot(
        [(price(p), count(c)) for p, c in bids.items()], [(price(p), count(c)) for p, c in asks.items()]
    )
    expected_bids = tuple(level(p, bids[p]) for p in sorted(bids, reverse=True) if bids[p])
    expected_asks = tuple(level(p, asks[p]) for p in sorted(asks) if asks[p])
    assert book.levels(Side.BID) == expected_bids
    assert book.levels(Side.ASK) == expected_asks
    assert book.levels(Side.BID, depth) == expected_bids[:depth]
    assert book.levels(Side.ASK, depth) == expected_asks[:depth]
    assert (book.depth(Side.BID), book.depth(Side.ASK)) == (len(expected_bids), len(expected_asks))
    assert book.best_bid() == (expected_bids[0] if expected_bids else None)
    assert book.best_ask() == (expected_asks[0] if expected_asks else None)


def test_a_locked_book_counts_as_crossed() -> None:
    book = OrderBook()
    book.apply_snapshot([(price(5_000), count(100))], [(price(5_000), count(100))])
    assert book.is_crossed


@pytest.mark.parametrize("bad", [(0, 100), (10_000, 100), (-5, 100), (5_000, -1)])
def test_a_snapshot_with_an_impossible_level_is_refused_and_changes_nothing(bad: tuple[int, int]) -> None:
    book = OrderBook()
    book.apply_delta(Side.BID, price(100), count(1))
    with pytest.raises(BookCorrupt):
        book.apply_snapshot([], [(price(bad[0]), count(bad[1]))])
    assert contents(book, Side.BID) == {100: 1}


def test_a_snapshot_with_a_price_twice_is_refused() -> None:
    with pytest.raises(BookCorrupt, match="twice"):
        OrderBook().apply_snapshot([(price(5), count(1)), (price(5), count(2))], [])


@pytest.mark.parametrize("bad", [0, 10_000, -3])
def test_a_change_at_an_impossible_price_is_refused(bad: int) -> None:
    with pytest.raises(BookCorrupt):
        OrderBook().apply_delta(Side.ASK, price(bad), count(100))
    with pytest.raises(BookCorrupt):
        OrderBook().apply_delta(Side.ASK, price(bad), count(0))


def test_an_emptied_book_has_nothing_left() -> None:
    book = OrderBook()
    book.apply_delta(Side.BID, price(100), count(5))
    book.clear()
    assert book.is_empty
    assert book.snapshot("T").bids == ()


def test_a_snapshot_value_has_the_best_levels_first() -> None:
    book = OrderBook()
    book.apply_snapshot(
        [(price(100), count(1)), (price(300), count(3))], [(price(900), count(9)), (price(500), count(5))]
    )
    snapshot = book.snapshot("T", depth=1)
    assert snapshot.ticker == "T"
    assert snapshot.bids == (level(300, 3),)
    assert snapshot.asks == (level(500, 5),)


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 6), st.integers(-3, 5)), max_size=30))
def test_levels_asked_for_between_changes_are_those_of_the_moment(changes: list[tuple[Side, int, int]]) -> None:
    book, sizes = OrderBook(), {side: dict[int, int]() for side in Side}
    for side, at, delta in changes:
        before = {one: book.levels(one, 3) for one in Side}
        with contextlib.suppress(BookCorrupt):
            book.apply_delta(side, price(at), count(delta))
            sizes[side][at] = sizes[side].get(at, 0) + delta
        for one in Side:
            prices = sorted((p for p, size in sizes[one].items() if size), reverse=one is Side.BID)
            for depth in (3, 1, 3):
                assert book.levels(one, depth) == tuple(level(p, sizes[one][p]) for p in prices[:depth])
        assert book.levels(side.opposite, 3) == before[side.opposite]


def test_a_side_that_has_not_changed_has_the_same_levels_by_identity() -> None:
    book = OrderBook()
    book.apply_snapshot([(price(4_000), count(100))], [(price(4_200), count(100))])
    bids, asks = book.levels(Side.BID, 5), book.levels(Side.ASK, 5)
    book.apply_delta(Side.BID, price(4_000), count(50))
    assert book.levels(Side.ASK, 5) is asks
    assert book.levels(Side.BID, 5) is not bids


@pytest.mark.parametrize("side", Side)
def test_the_best_levels_are_the_same_by_identity_after_a_change_beyond_them_and_no_other(side: Side) -> None:
    book = OrderBook()
    best, worst = (4_500, 4_300) if side is Side.BID else (5_500, 5_700)
    levels = [(price((best + worst) // 2), count(100)), (price(best), count(100)), (price(worst), count(100))]
    book.apply_snapshot(levels if side is Side.BID else [], levels if side is Side.ASK else [])
    two = book.levels(side, 2)
    book.apply_delta(side, price(worst), count(50))
    assert book.levels(side, 2) is two
    book.apply_delta(side, price((best + worst) // 2), count(50))
    assert book.levels(side, 2) is not two
    four = book.levels(side, 4)
    book.apply_delta(side, price(worst - side.sign * 100), count(50))
    assert len(book.levels(side, 4)) == 4 > len(four), "there was room for a worse one"
