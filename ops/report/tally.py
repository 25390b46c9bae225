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

_Key = tuple[str, int, int]  # a group, a bucket and which mids are unknown
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


class SumsByKey:
    """Sums of fills, added up by key; the known mids of all that share one are the same."""

    def __init__(self) -> None:
        self._first: dict[_Key, FillSums] = {}
        self._sums: dict[_Key, tuple[int, ...]] = {}

    def add(self, key: _Key, fills: FillSums) -> None:
        """Adds to what the key has."""
        before = self._sums.get(key)
        if before is None:
            self._first[key] = fills
            self._sums[key] = fills[NOT_SUMS:]
        else:
            self._sums[key] = tuple(map(add, before, fills[NOT_SUMS:]))

    def totals(self) -> Iterator[tuple[_Key, FillSums]]:
        """Yields every key and its sums, under the name of the first that were added."""
        for key, sums in self._sums.items():
            yield key, FillSums._make((*self._first[key][:NOT_SUMS], *sums))


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
