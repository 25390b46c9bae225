"""Book shapes from a file of recorded full-depth books: one JSON object a line, floats, bids of both outcomes.

A shape says how much rests how far from the best price of its side. Laid down under a market's makers it gives the
book a depth that no three makers have. Shapes are used for any market, moved to its price and fitted to its grid.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from kalshi.simulator.price_grid import ceil_to_grid, floor_to_grid
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import Side

if TYPE_CHECKING:
    from kalshi.simulator.traders import HouseDesk

# A few hundred shapes are variety enough, and a file of thousands would slow down the start.
SHAPES_MAX: Final = 300
LEVELS_MAX: Final = 60
_LEVELS_MIN: Final = 3
_COUNT_E2_MAX: Final = 5_000_000
_FORMAT: Final = "one JSON object a line with yes_bids and no_bids as [[price, size], ...]"


class SeedBooksError(Exception):
    """The file of book shapes cannot be used; the text says why."""


class _Row(msgspec.Struct):
    yes_bids: list[tuple[float, float]]
    no_bids: list[tuple[float, float]]


@attrs.frozen
class BookShape:
    """Resting sizes of both sides as (distance from the best price, count), in 1/10,000 dollar and 1/100 contract."""

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]

    def lay_down(self, desk: HouseDesk, fair_e4: float, now_ms: int) -> None:
        """Rests the shape around the value, one order a level; levels that leave the scale are left away."""
        listing = desk.market.listing
        ranges, half_e4 = listing.price_ranges, listing.half_spread_e4
        best_bid_e4, best_ask_e4 = int(fair_e4 - half_e4), int(fair_e4 + half_e4) + 1
        for away_e4, count_e2 in self.bids:
            if (wanted_e4 := best_bid_e4 - away_e4) > 0:
                desk.post("depth", Side.BID, floor_to_grid(ranges, wanted_e4), count_e2, now_ms)
        for away_e4, count_e2 in self.asks:
            if (wanted_e4 := best_ask_e4 + away_e4) < DOLLAR_E4:
                desk.post("depth", Side.ASK, ceil_to_grid(ranges, wanted_e4), count_e2, now_ms)


def load_shapes(path: Path) -> tuple[BookShape, ...]:
    """Returns the first shapes of the file that have two sides with some depth. Raises SeedBooksError."""
    shapes = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = msgspec.json.decode(line, type=_Row)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise SeedBooksError(f"{path}: line {number} is no book ({error}); wanted is {_FORMAT}") from error
        if min(len(row.yes_bids), len(row.no_bids)) >= _LEVELS_MIN:
            shapes.append(BookShape(_side(row.yes_bids), _side(row.no_bids)))
        if len(shapes) == SHAPES_MAX:
            break
    if not shapes:
        raise SeedBooksError(f"{path}: no book with two sides in it; wanted is {_FORMAT}")
    return tuple(shapes)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield from (line for line in file if line.strip())
    except (OSError, EOFError) as error:
        raise SeedBooksError(f"{path} cannot be read: {error}") from error


def _side(levels: list[tuple[float, float]]) -> tuple[tuple[int, int], ...]:
    """Returns the levels of one outcome's bids by distance from its best, which the file lists first."""
    best = max(price for price, _ in levels)
    rows = sorted((round((best - price) * DOLLAR_E4), round(size * 100)) for price, size in levels)
    return tuple((away_e4, min(count_e2, _COUNT_E2_MAX)) for away_e4, count_e2 in rows[:LEVELS_MAX] if count_e2 > 0)
