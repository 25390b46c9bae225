"""Episodes and inventory over time, against a plain walk through every millisecond."""

from __future__ import annotations

from collections import deque

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import PriceE4
from kalshi.types import Fill, Side
from quant.episodes import Inventory
from tests.quant.builders import fill


def at(ts_ms: int, side: Side, price_e4: int, count_e2: int = 100) -> Fill:
    return fill(side, price_e4, count_e2, ts_ms=ts_ms)


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
        inventory.fill(attrs.evolve(at(now_ms, side, price_e4, count_e2)))
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
