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
    levels = tuple(levels)
    if not mine:
        return levels
    left = list(levels)
    for price_e4, ours_e2 in mine.items():  # few, and near the top: this runs at every change of the book
        for place, level in enumerate(left):
            if level.price_e4 == price_e4:
                if level.count_e2 > ours_e2:
                    left[place] = Level(price_e4=price_e4, count_e2=CountE2(level.count_e2 - ours_e2))
                else:
                    del left[place]
                break
    return tuple(left)
