"""The book without ourselves: our resting orders taken out of its levels, so that a strategy never chases its own
quotes.

A book may lag our own picture of our orders by a message, either way; a level is therefore never left negative, and one
of which nothing remains is dropped with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

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
    """One side of the last book less our last orders, worked out anew only when one of them has changed.

    A book says by identity that a side has not (`kalshi.book`, rule 4); levels that are merely equal are worked out.
    Most strategies look at the best level and the depth alone, so the others wait until somebody asks.
    """

    __slots__ = ("_left", "_mine", "_seen", "_side", "best", "depth_e2")

    def __init__(self, side: Side) -> None:
        self._side = side
        self._mine: dict[PriceE4, int] = {}
        self._seen: tuple[Level, ...] = ()
        self._left: tuple[Level, ...] | None = None
        self.best: Level | None = None
        self.depth_e2 = 0  # over all levels that were seen

    @property
    def levels(self) -> tuple[Level, ...]:
        """The side's levels, best first, empty ones left out."""
        if self._left is None:
            self._left = _less(self._seen, self._mine)
        return self._left

    def orders_seen(self, own: Iterable[OwnOrder]) -> None:
        """Takes in all our orders in the market."""
        self._mine = counts_by_price(own, self._side)
        self._work_out()

    def book_seen(self, levels: tuple[Level, ...]) -> None:
        """Takes in the side's levels, best first, with our orders in them."""
        if levels is self._seen:
            return
        self._seen = levels
        self._work_out()

    def _work_out(self) -> None:
        levels, mine = self._seen, self._mine
        self._left = None
        self.best = next(_left(levels, mine), None)
        self.depth_e2 = sum(
            [
                max(0, level.count_e2 - mine[level.price_e4]) if level.price_e4 in mine else level.count_e2
                for level in levels
            ]
        )


def _less(levels: Iterable[Level], mine: Mapping[PriceE4, int]) -> tuple[Level, ...]:
    return tuple(_left(levels, mine))


def _left(levels: Iterable[Level], mine: Mapping[PriceE4, int]) -> Iterator[Level]:
    for level in levels:
        own_e2 = mine.get(level.price_e4, 0)
        if level.count_e2 > own_e2:
            yield level if own_e2 == 0 else Level(price_e4=level.price_e4, count_e2=CountE2(level.count_e2 - own_e2))


def own_levels(own: Iterable[OwnOrder], side: Side) -> tuple[Level, ...]:
    """Returns our own orders of a side as levels, in the order in which they were given."""
    return tuple(Level(price_e4=order.price_e4, count_e2=order.remaining_e2) for order in own if order.side is side)
