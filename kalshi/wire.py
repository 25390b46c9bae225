"""Pieces of the exchange's JSON that REST answers and socket frames share.

Everything here turns text into the integers and words of `kalshi.types`, or raises WireError.
"""

from __future__ import annotations

import msgspec

from kalshi.numbers import parse_price
from kalshi.types import PriceRange, Side


class WireError(ValueError):
    """The other side sent a value that has the right JSON type and no meaning here."""


class RangeWire(msgspec.Struct, gc=False):
    """One stretch of a price grid, in dollar texts."""

    start: str
    end: str
    step: str


def price_ranges(ranges: list[RangeWire]) -> tuple[PriceRange, ...]:
    """Returns the ranges in 1/10,000 dollar. Raises NumberFormatError."""
    return tuple(
        PriceRange(
            start_e4=parse_price(stretch.start),
            end_e4=parse_price(stretch.end),
            step_e4=parse_price(stretch.step),
        )
        for stretch in ranges
    )


def direction(book_side: str, outcome_side: str) -> Side:
    """Returns what an order or a trade does on the YES leg.

    `book_side` decides; `outcome_side` serves where the older field is all there is. The legacy words `side`
    and `action` are never read: they name another thing on each endpoint. Raises WireError.
    """
    match book_side or outcome_side:
        case "bid" | "yes":
            return Side.BID
        case "ask" | "no":
            return Side.ASK
        case other:
            raise WireError(f"expected the direction bid/ask or yes/no, found {other!r}")
