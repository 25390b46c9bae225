"""Counts fills: which stretch of its market's time each belongs to, and what it adds to the figures.

SQLite sums fills up by market and bucket, thousands at a time. Only where a market's program or strategy changed
between two fills of such a sum they are read again, moment by moment. Markouts are sums of signed mids:
what they were measured against, the prices, is one sum for all horizons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import add
from typing import Final

from ops.report.ahead import ReadAhead
from ops.report.calendar import Calendar, Stretch
from ops.report.figures import Figures
from ops.report.reading import NOT_SUMS, FillSums, LedgerReader

AT_ONCE: Final = 20_000  # fills that are summed up at once, and between two words on how far it is


def read_ahead(reader: LedgerReader, calendar: Calendar) -> ReadAhead:
    """Begins to read the orders and the fills of the calendar's time."""
    return ReadAhead(reader, calendar, AT_ONCE)


def fills_in_stretches(
    reader: LedgerReader, calendar: Calendar, ahead: ReadAhead, advance: Callable[[int], None]
) -> Iterator[tuple[Stretch, FillSums]]:
    """Yields the sums of all fills of the calendar's time, each of one stretch; a stretch may come again."""
    for numbers, pieces in ahead.pieces():
        counted = 0
        for sums in pieces:
            counted += sums.fills
            stretch = calendar.stretch(sums.ticker, sums.first_ms)
            if sums.last_ms < stretch.to_ms:
                yield stretch, sums
                continue
            for moment in reader.moments_of(sums, numbers):
                yield calendar.stretch(moment.ticker, moment.first_ms), moment
        advance(counted)


def plus(one: FillSums | None, other: FillSums) -> FillSums:
    """Returns the sums of both, whose known mids are the same, under the name of the second."""
    if one is None:
        return other
    return FillSums._make((*other[:NOT_SUMS], *map(add, one[NOT_SUMS:], other[NOT_SUMS:])))


def add_fills(figures: Figures, sums: FillSums) -> None:
    """Adds fills to figures. Without the mid at the fill nothing is measured."""
    figures.fills += sums.fills
    figures.taker_fills += sums.takers
    figures.contracts_e2 += sums.contracts_e2
    figures.cash_e6 -= sums.paid_e6
    figures.fees_e6 += sums.fees_e6
    if sums.unknown & 1:
        return
    figures.measured_e2 += sums.contracts_e2
    figures.spread_half_e6 += sums.mids - 2 * sums.paid_e6
    later = (
        (sums.mids_1s, sums.against_1s),
        (sums.mids_5s, sums.against_5s),
        (sums.mids_10s, sums.against_10s),
        (sums.mids_60s, sums.against_60s),
    )
    for place, (markouts, (mids, against)) in enumerate(zip(figures.markouts, later, strict=True), 1):
        if not sums.unknown >> place & 1:
            markouts.fills += sums.fills
            markouts.contracts_e2 += sums.contracts_e2
            markouts.half_e6 += mids - 2 * sums.paid_e6
            markouts.against += against
