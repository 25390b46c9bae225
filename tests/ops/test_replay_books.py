"""The exact replay's own arithmetic, and that its comparison misses nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from kalshi.book import OrderBook
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from ops.replay_books import DIFFERENCES_TOLD_MAX, Bell, Comparison, ExactBook, scaled

TICKER = "KX-1"
SNAPSHOT = {
    "market_ticker": TICKER,
    "yes_dollars_fp": [["0.4500", "120.00"], ["0.0010", "7.77"]],
    "no_dollars_fp": [["0.5300", "80.50"]],
}


def exact(ts_ms: int = 1_000) -> ExactBook:
    book = ExactBook()
    book.replace(SNAPSHOT)
    book.ts_ms = ts_ms
    return book


def shown(*, bid_e2: int = 12_000, ask_e4: int = 4_700) -> OrderBook:
    """The book that a bot should have of SNAPSHOT, or one that differs."""
    book = OrderBook()
    book.apply_snapshot(
        [(PriceE4(4_500), CountE2(bid_e2)), (PriceE4(10), CountE2(777))], [(PriceE4(ask_e4), CountE2(8_050))]
    )
    return book


def change(side: str, price: str, delta: str, ts_ms: int = 2_000) -> dict[str, object]:
    return {"market_ticker": TICKER, "side": side, "price_dollars": price, "delta_fp": delta, "ts_ms": ts_ms}


@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_a_text_is_scaled_exactly(number: int, digits: int) -> None:
    text = str(Decimal(number).scaleb(-digits))
    assert scaled(text, digits) == number


@pytest.mark.parametrize("text", ["0.12345", "x", "", "nan", "inf"])
def test_what_cannot_be_scaled_exactly_is_refused(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        scaled(text, 4)


def test_a_no_bid_is_an_ask_at_the_rest_of_the_dollar() -> None:
    assert exact().bids == {4_500: 12_000, 10: 777}
    assert exact().asks == {4_700: 8_050}


def test_changes_add_up_and_an_empty_level_is_gone() -> None:
    book = exact()
    assert book.change(change("no", "0.5300", "-80.50")) is None
    assert book.change(change("yes", "0.4500", "0.50")) is None
    assert (book.bids, book.asks) == ({4_500: 12_050, 10: 777}, {})
    assert book.ts_ms == 2_000


def test_a_change_below_zero_is_a_fault_of_the_recording() -> None:
    fault = exact().change(change("yes", "0.4500", "-120.01"))
    assert fault == "the recording takes 120.01 from 45 cents, where 120 rest"


def test_a_book_is_crossed_where_the_best_prices_meet() -> None:
    book = exact()
    assert not book.is_crossed
    book.change(change("yes", "0.4700", "1.00"))
    assert book.is_crossed


def test_a_book_written_as_a_snapshot_reads_the_same() -> None:
    again = ExactBook()
    again.replace(exact().snapshot_message(TICKER))
    assert (again.bids, again.asks) == (exact().bids, exact().asks)


def test_an_equal_book_is_no_mismatch() -> None:
    comparison = Comparison()
    comparison.expect(TICKER, exact())
    assert comparison.outstanding == 1
    comparison.probe(TICKER, 1_000, shown())
    assert (comparison.compared, comparison.expected, comparison.mismatches, comparison.outstanding) == (1, 1, 0, 0)


def test_the_announced_book_is_the_one_of_that_moment() -> None:
    comparison, book = Comparison(), exact()
    comparison.expect(TICKER, book)
    book.change(change("yes", "0.4500", "1.00"))
    comparison.probe(TICKER, 1_000, shown())
    assert comparison.mismatches == 0


@pytest.mark.parametrize(
    ("book", "sentence"),
    [
        (shown(bid_e2=11_999), "11999 rest at bid 4500, in the recording 12000"),
        (shown(ask_e4=4_800), "the best ask is 4800, the recording's 4700"),
        (OrderBook(), "the best bid is None, the recording's 4500"),
    ],
)
def test_any_difference_is_a_mismatch(book: OrderBook, sentence: str) -> None:
    comparison = Comparison()
    comparison.expect(TICKER, exact())
    comparison.probe(TICKER, 1_000, book)
    assert comparison.mismatches == 1
    assert sentence in comparison.differences[0]


def test_one_level_more_is_a_mismatch() -> None:
    comparison, book = Comparison(), shown()
    book.apply_delta(Side.BID, PriceE4(5), CountE2(1))
    comparison.expect(TICKER, exact())
    comparison.probe(TICKER, 1_000, book)
    assert "there are 3 bid levels, in the recording 2" in comparison.differences[0]


def test_a_book_that_nobody_announced_is_a_mismatch() -> None:
    comparison = Comparison()
    comparison.probe(TICKER, 1_000, shown())
    assert comparison.mismatches == 1


def test_a_book_that_is_skipped_is_a_mismatch_and_the_next_one_is_compared() -> None:
    comparison = Comparison()
    comparison.expect(TICKER, exact(1_000))
    comparison.expect(TICKER, exact(2_000))
    comparison.probe(TICKER, 2_000, shown())
    assert (comparison.mismatches, comparison.outstanding) == (1, 0)
    assert "ts_ms 1000 was never shown" in comparison.differences[0]


def test_a_book_of_an_earlier_moment_takes_no_other_ones_place() -> None:
    comparison = Comparison()
    comparison.expect(TICKER, exact(2_000))
    comparison.probe(TICKER, 1_000, shown())
    comparison.probe(TICKER, 2_000, shown())
    assert (comparison.mismatches, comparison.outstanding) == (1, 0)


def test_a_recorded_book_that_stays_crossed_is_a_mismatch() -> None:
    comparison, book = Comparison(), exact()
    book.change(change("yes", "0.4700", "1.00"))
    comparison.expect(TICKER, book)
    assert "crossed at the end of ts_ms 2000" in comparison.differences[0]


def test_giving_up_counts_all_that_was_announced() -> None:
    comparison = Comparison()
    for ticker in (TICKER, TICKER, "KX-2"):
        comparison.expect(ticker, exact())
    comparison.give_up(TICKER)
    assert (comparison.mismatches, comparison.outstanding) == (2, 1)
    comparison.give_up()
    assert (comparison.mismatches, comparison.outstanding) == (3, 0)


def test_only_the_first_differences_are_told() -> None:
    comparison = Comparison()
    for number in range(10):
        comparison.differ(str(number))
    assert comparison.mismatches == 10
    assert comparison.differences == [str(number) for number in range(DIFFERENCES_TOLD_MAX)]


async def test_a_bell_wakes_who_waits_for_what_has_come_about(autojump_clock: trio.testing.MockClock) -> None:
    bell, things = Bell(), []

    async def bring() -> None:
        for thing in ("one", "two"):
            await trio.sleep(1)
            things.append(thing)
            bell.ring()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bring)
        assert await bell.wait_until(lambda: len(things) == 2, within_s=5)
        assert trio.current_time() == 2


async def test_a_wait_ends_when_its_time_is_over(autojump_clock: trio.testing.MockClock) -> None:
    assert not await Bell().wait_until(lambda: False, within_s=3)
    assert trio.current_time() == 3
    assert await Bell().wait_until(lambda: True, within_s=0)
