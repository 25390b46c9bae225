"""The book without ourselves: our resting orders taken out of its levels, so that a strategy never chases its own
quotes.

A book may lag our own picture of our orders by a message, either way; a level is therefore never left negative, and one
of which nothing remains is dropped with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side


@attrs.frozen(kw_only=True)
class OwnOrder:
    side: Side
    price_e4: PriceE4
    remaining_e2: CountE2


def others_levels(levels: Iterable[Level], own: Iterable[OwnOrder], side: Side) -> tuple[Level, ...]:
    """Returns the levels of one side, best first, less what is ours; empty levels are left out."""
    return _less(levels, counts_by_price(own, side))


def counts_by_price(own: Iterable[OwnOrder], side: Side) -> dict[PriceE4, int]:
    """Returns how much of ours rests at each price of a side, in 1/100 contract."""
    mine: dict[PriceE4, int] = {}
    for order in own:
        if order.side is side:
            mine[order.price_e4] = mine.get(order.price_e4, 0) + order.remaining_e2
    return mine


def best_of_others(levels: Iterable[Level], mine: Mapping[PriceE4, int]) -> PriceE4 | None:
    """Returns the first price where more rests than is ours, None where there is none."""
    for level in levels:
        price_e4 = level.price_e4
        if level.count_e2 > mine.get(price_e4, 0):
            return price_e4
    return None


class OthersSide:
    """One side of a book less our orders, worked out anew only when the side or our orders have changed.

    A book says by identity that a side has not (`kalshi.book`, rule 4); levels that are merely equal are worked out.
    """

    __slots__ = ("_mine", "_seen", "_side", "depth_e2", "levels")

    def __init__(self, side: Side) -> None:
        self._side = side
        self._mine: dict[PriceE4, int] = {}
        self._seen: tuple[Level, ...] | None = None
        self.levels: tuple[Level, ...] = ()  # best first, empty ones left out
        self.depth_e2 = 0  # over all these levels

    def orders_seen(self, own: Iterable[OwnOrder]) -> None:
        """Takes in all our orders in the market."""
        self._mine, self._seen = counts_by_price(own, self._side), None

    def book_seen(self, levels: tuple[Level, ...]) -> None:
        """Takes in the side's levels, best first, with our orders in them."""
        if levels is self._seen:
            return
        self._seen, self.levels = levels, _less(levels, self._mine)
        self.depth_e2 = sum([level.count_e2 for level in self.levels])


def _less(levels: Iterable[Level], mine: Mapping[PriceE4, int]) -> tuple[Level, ...]:
    left = [_without(level, mine[level.price_e4]) if level.price_e4 in mine else level for level in levels]
    return tuple([level for level in left if level.count_e2 > 0])


def _without(level: Level, own_e2: int) -> Level:
    return Level(price_e4=level.price_e4, count_e2=CountE2(level.count_e2 - own_e2))


def own_levels(own: Iterable[OwnOrder], side: Side) -> tuple[Level, ...]:
    """Returns our own orders of a side as levels, in the order in which they were given."""
    return tuple(Level(price_e4=order.price_e4, count_e2=order.remaining_e2) for order in own if order.side is side)
