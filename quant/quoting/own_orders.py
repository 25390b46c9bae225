"""The book without ourselves: our resting orders taken out of its levels, so that a strategy never chases its own
quotes.

A book may lag our own picture of our orders by a message, either way; a level is therefore never left negative, and one
of which nothing remains is dropped with it.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    mine: dict[PriceE4, int] = {}
    for order in own:
        if order.side is side:
            mine[order.price_e4] = mine.get(order.price_e4, 0) + order.remaining_e2
    if not mine:
        return tuple([level for level in levels if level.count_e2 > 0])
    return tuple(
        [
            left
            for level in levels
            if (left := level if level.price_e4 not in mine else _without(level, mine[level.price_e4])).count_e2 > 0
        ]
    )


def _without(level: Level, own_e2: int) -> Level:
    return Level(price_e4=level.price_e4, count_e2=CountE2(level.count_e2 - own_e2))


def own_levels(own: Iterable[OwnOrder], side: Side) -> tuple[Level, ...]:
    """Returns our own orders of a side as levels, in the order in which they were given."""
    return tuple(Level(price_e4=order.price_e4, count_e2=order.remaining_e2) for order in own if order.side is side)
