"""Episodes and inventory over time, against a plain walk through every millisecond."""

from __future__ import annotations

from collections import deque

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.accounting import Mark
from quant.episodes import Episode, Episodes, Inventory, begun_again
from quant.fills import NumberedFill
from quant.steps import finished
from tests.quant.builders import fill


def at(ts_ms: int, side: Side, price_e4: int, count_e2: int = 100, *, fill_seq: int = 1) -> NumberedFill:
    return NumberedFill(fill_seq=fill_seq, fill=fill(side, price_e4, count_e2, ts_ms=ts_ms))


def test_an_episode_goes_from_flat_to_flat_with_its_worst_and_best() -> None:
    inventory = Inventory()
    inventory.fill(at(0, Side.BID, 5_000))
    for at_ms, mark_e4 in ((10, 4_400), (20, 5_700), (30, 5_100)):
        inventory.mark(PriceE4(mark_e4), at_ms)
    inventory.fill(at(40, Side.ASK, 5_200))
    last = inventory.last
    assert inventory.episode is None
    assert last is not None
    assert (last.began_ms, last.ended_ms, last.largest_e2) == (0, 40, 100)
    assert (last.adverse_e4, last.favourable_e4) == (600, 700)
    assert (last.adverse_e6, last.favourable_e6) == (600 * 100, 700 * 100)


def test_a_short_is_behind_when_the_mark_rises() -> None:
    inventory = Inventory()
    inventory.fill(at(0, Side.ASK, 5_000))
    inventory.mark(PriceE4(5_300), 1)
    assert inventory.episode is not None
    assert (inventory.episode.adverse_e4, inventory.episode.favourable_e4) == (300, 0)


def test_a_fill_through_zero_ends_one_episode_and_begins_the_next_without_its_mark() -> None:
    inventory = Inventory()
    inventory.fill(at(0, Side.BID, 5_000))
    inventory.mark(PriceE4(4_000), 5)
    inventory.fill(at(7, Side.ASK, 6_000, 300))
    assert inventory.last is not None
    assert inventory.episode is not None
    assert (inventory.last.ended_ms, inventory.last.adverse_e4) == (7, 1_000)
    assert (inventory.episode.began_ms, inventory.episode.largest_e2, inventory.episode.adverse_e4) == (7, 200, 0)


def test_the_settlement_is_the_last_mark_and_the_end() -> None:
    inventory = Inventory()
    inventory.fill(at(0, Side.BID, 6_000))
    inventory.settle(PriceE4(0), 9)
    assert inventory.last is not None
    assert (inventory.last.ended_ms, inventory.last.adverse_e4) == (9, 6_000)
    assert (inventory.held_until_e2_ms(1_000), inventory.age_e2_ms(1_000)) == (900, 0)


def test_a_smaller_position_may_be_further_behind_by_contract_than_a_greater_one_was() -> None:
    inventory = Inventory()
    inventory.fill(at(0, Side.BID, 5_000, 200))
    inventory.mark(PriceE4(4_900), 1)
    inventory.fill(at(2, Side.ASK, 4_900, 100))
    inventory.mark(PriceE4(4_850), 3)
    assert inventory.episode is not None
    assert (inventory.episode.adverse_e6, inventory.episode.adverse_e4) == (20_000, 150)


def test_an_episode_has_its_own_time_weighted_size() -> None:
    inventory = Inventory()
    for number, (at_ms, side, count_e2) in enumerate(
        ((0, Side.BID, 100), (10, Side.ASK, 100), (20, Side.BID, 300), (25, Side.ASK, 200)), 1
    ):
        inventory.fill(at(at_ms, side, 5_000, count_e2, fill_seq=number))
    assert inventory.last is not None
    assert (inventory.last.opened_seq, inventory.last.held_e2_ms) == (1, 1_000)
    assert inventory.open_episode(30) == Episode(opened_seq=3, began_ms=20, largest_e2=CountE2(300), held_e2_ms=2_000)


def test_an_earlier_time_counts_as_now() -> None:
    inventory = Inventory()
    inventory.fill(at(100, Side.BID, 6_000))
    inventory.mark(PriceE4(5_000), 40)
    assert inventory.held_until_e2_ms(110) == 1_000


events = st.tuples(
    st.integers(0, 40), st.sampled_from(Side), st.integers(1, 9_999), st.integers(1, 5), st.none() | st.integers(0, 9)
)


@settings(max_examples=60, deadline=None)
@given(history=st.lists(events, max_size=15))
def test_inventory_over_time_and_its_age_equal_a_walk_through_every_millisecond(
    history: list[tuple[int, Side, int, int, int | None]],
) -> None:
    inventory, units, walked, now_ms = Inventory(), deque[int](), 0, 0
    sign = 0  # the walk holds each 1/100 contract by itself, as the time when it was opened
    for wait_ms, side, price_e4, count_e2, mark_cents in history:
        for _ in range(wait_ms):
            walked += len(units)
            now_ms += 1
        if mark_cents is not None:
            inventory.mark(PriceE4(mark_cents * 100), now_ms)
        inventory.fill(at(now_ms, side, price_e4, count_e2))
        for _ in range(count_e2):
            if units and sign != side.sign:
                units.popleft()
            else:
                sign = side.sign
                units.append(now_ms)
        assert inventory.position_e2 == sign * len(units)
        assert inventory.held_until_e2_ms(now_ms) == walked
        assert inventory.age_e2_ms(now_ms) == sum(now_ms - opened for opened in units)
        assert (inventory.episode is None) == (not units)


book_events = st.tuples(
    st.sampled_from("AB"), st.sampled_from(Side), st.integers(1, 3), st.integers(1, 99), st.none() | st.integers(1, 99)
)


@settings(max_examples=100, deadline=None)
@given(
    history=st.lists(book_events, max_size=25), told_after=st.integers(0, 25), settled=st.sets(st.sampled_from("AB"))
)
def test_what_is_begun_again_goes_on_as_if_nothing_had_happened(
    history: list[tuple[str, Side, int, int, int | None]], told_after: int, settled: set[str]
) -> None:
    lived, fills, stored = Episodes(), [], dict[str, Episode]()
    for number, (ticker, side, count_e2, cents, mark_cents) in enumerate(history, 1):
        one = attrs.evolve(at(number * 10, side, cents * 100, count_e2, fill_seq=number))
        one = attrs.evolve(one, fill=attrs.evolve(one.fill, ticker=ticker))
        fills.append(one)
        lived.filled(one)
        if mark_cents is not None:
            mark = PriceE4(mark_cents * 100)
            lived.marked(ticker, Mark(bid_e4=mark, ask_e4=mark), number * 10)
        if number <= told_after:
            stored.update(lived.open_ones(number * 10))
    stored.update(lived.open_ones(len(history) * 10))  # the newest word on what is open; older ones on what is not
    again = finished(begun_again(fills, settled))
    again.recall(stored.items())
    for ticker in settled:
        lived.settled(ticker, PriceE4(0), len(history) * 10)
    assert again.open_ones(1_000) == lived.open_ones(1_000)
