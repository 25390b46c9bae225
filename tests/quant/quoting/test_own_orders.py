"""The book without ourselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.quoting.own_orders import OthersSide, OwnOrder, best_of_others, counts_by_price, others_levels


def _level(price_e4: int, count_e2: int) -> Level:
    return Level(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


def _own(side: Side, price_e4: int, count_e2: int) -> OwnOrder:
    return OwnOrder(side=side, price_e4=PriceE4(price_e4), remaining_e2=CountE2(count_e2))


def test_our_size_is_taken_out_of_its_level_and_others_stay() -> None:
    levels = (_level(5_000, 1_500), _level(4_900, 700))
    own = (_own(Side.BID, 5_000, 1_000), _own(Side.ASK, 4_900, 700))

    assert others_levels(levels, own, Side.BID) == (_level(5_000, 500), _level(4_900, 700))


def test_a_level_that_is_all_ours_is_gone_so_that_we_do_not_outbid_ourselves() -> None:
    levels = (_level(5_100, 1_000), _level(5_000, 300))

    assert others_levels(levels, (_own(Side.BID, 5_100, 1_000),), Side.BID) == (_level(5_000, 300),)


def test_a_book_that_lags_our_own_picture_leaves_no_negative_level() -> None:
    assert others_levels((_level(5_100, 400),), (_own(Side.BID, 5_100, 1_000),), Side.BID) == ()


@given(
    counts=st.lists(st.integers(1, 10_000), max_size=5),
    own=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 10_000)), max_size=6),
)
def test_what_is_left_is_never_more_than_there_was_and_keeps_its_order(
    counts: list[int], own: list[tuple[int, int]]
) -> None:
    levels = tuple(_level(5_000 - 100 * n, count) for n, count in enumerate(counts))
    mine = [_own(Side.BID, 5_000 - 100 * n, count) for n, count in own]

    left = others_levels(levels, mine, Side.BID)

    by_price = {level.price_e4: level.count_e2 for level in levels}
    assert [level.price_e4 for level in left] == sorted((level.price_e4 for level in left), reverse=True)
    for level in left:
        assert 0 < level.count_e2 <= by_price[level.price_e4]


_COUNTS = st.lists(st.integers(1, 3), min_size=0, max_size=4)
_OWN = st.lists(st.tuples(st.sampled_from(Side), st.integers(0, 4), st.integers(1, 3)), max_size=3)


@given(steps=st.lists(st.tuples(st.one_of(st.none(), _COUNTS), st.one_of(st.none(), _OWN)), max_size=8))
def test_a_side_that_is_followed_is_what_it_would_be_anew(
    steps: list[tuple[list[int] | None, list[tuple[Side, int, int]] | None]],
) -> None:
    """None: the side, or our orders, have not changed."""
    side = OthersSide(Side.BID)
    levels: tuple[Level, ...] = ()
    own: tuple[OwnOrder, ...] = ()
    for counts, mine in steps:
        if counts is not None:
            levels = tuple(_level(5_000 - 100 * n, count) for n, count in enumerate(counts))
        if mine is not None:
            own = tuple(_own(which, 5_000 - 100 * n, count) for which, n, count in mine)
            side.orders_seen(own)
        side.book_seen(levels)
        ours: dict[int, int] = {}
        for order in own:
            if order.side is Side.BID:
                ours[order.price_e4] = ours.get(order.price_e4, 0) + order.remaining_e2
        plain = [(level.price_e4, level.count_e2 - ours.get(level.price_e4, 0)) for level in levels]
        assert [(level.price_e4, level.count_e2) for level in side.levels] == [each for each in plain if each[1] > 0]
        assert side.best == (side.levels[0] if side.levels else None)
        expected = others_levels(levels, own, Side.BID)
        assert side.levels == expected
        assert side.depth_e2 == sum(level.count_e2 for level in expected)
        best = best_of_others(levels, counts_by_price(own, Side.BID))
        assert best == (expected[0].price_e4 if expected else None)
