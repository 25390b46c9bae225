"""The fees of the markets that are claimed: the terms of their series, what is announced for them, what overrides them.

1. They are read while the next run is not due, so no run is later for them. A series that was not read yet has no known
   fees: that refuses nothing, and is known at the next run. (Of fourteen thousand series all but some 160 let makers
   trade for nothing, so quoting for a moment without knowing costs less than not quoting wherever a read fails.)
2. A series is read anew when its terms are older than `series_every_s`. What the exchange has announced is read before
   them and holds from its own time on, so that nobody is surprised in the hour of a change.
3. A fee type that cannot be computed here is no free one: such a market is not quoted.

Source: fees and fee changes, kalshi-rest.md §7 and §8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from actors.messages.selection import FeeChangesRead, ReadFeeChanges, ReadSeries, SeriesRead
from actors.runtime.paced_reader import PacedReader, longest_unread
from actors.runtime.seams import Seams
from kalshi.fees import FeeRounding, FeeSchedule, FeeTypeError, fee_schedule
from kalshi.rest_exchange_answers import SeriesFeeChange
from kalshi.types import Event, Market, Series
from quant.bounded import put_newest

SERIES_KEPT_MAX: Final = 1_000
CHANGES_KEPT_MAX: Final = 1_000


@attrs.frozen(kw_only=True)
class FeeParameters:
    """How often fee terms are read, in seconds, and which text of the exchange's rounding rules is believed."""

    series_every_s: float = 3_600.0
    series_max: int = 20  # in one run: five seconds of reading
    rounding: FeeRounding = "2026-10"


@attrs.frozen(kw_only=True)
class MarketFees:
    """The fees of one market now; None where they are not known. `refusals` say why it must not be quoted."""

    schedule: FeeSchedule | None = None
    refusals: tuple[str, ...] = ()


_UNKNOWN: Final = MarketFees()


@attrs.define(eq=False)
class SeriesFees:
    """The knowledge and its reader; see the module."""

    parameters: FeeParameters
    reader: PacedReader
    seams: Seams
    _series: dict[str, tuple[Series, int]] = attrs.field(factory=dict, init=False)  # with its Unix milliseconds
    _changes: tuple[SeriesFeeChange, ...] = attrs.field(default=(), init=False)
    _changes_at_s: float = attrs.field(default=-math.inf, init=False)

    async def read(self, series_tickers: Iterable[str], may_go_on: Callable[[], bool]) -> None:
        """Reads the series named that were not read lately, the longest unread first, while it may go on; stops where
        nothing answers.
        """
        fresh_ms = self.seams.wall_ms() - self.parameters.series_every_s * 1000
        read_ms = {ticker: at_ms for ticker, (_, at_ms) in self._series.items()}
        due = longest_unread(series_tickers, read_ms, fresh_ms)
        if not due or not may_go_on() or not await self._read_changes():
            return
        for ticker in due[: self.parameters.series_max]:
            if not may_go_on():
                return
            read = await self.reader.read(ReadSeries(ticker=ticker), SeriesRead)
            if read is None:
                return
            put_newest(self._series, ticker, (read.series, self.seams.wall_ms()), SERIES_KEPT_MAX)

    async def _read_changes(self) -> bool:
        if self.seams.now() < self._changes_at_s + self.parameters.series_every_s:
            return True
        read = await self.reader.read(ReadFeeChanges(), FeeChangesRead)
        if read is None:
            return False
        soonest_first = sorted(read.changes, key=lambda one: one.scheduled_time_ms)
        self._changes = tuple(soonest_first[:CHANGES_KEPT_MAX])
        self._changes_at_s = self.seams.now()
        return True

    def of(self, event: Event, market: Market, now_ms: int) -> MarketFees:
        """Returns the fees of a market at `now_ms` (Unix milliseconds)."""
        known = self._series.get(event.series_ticker)
        if known is None:
            return _UNKNOWN
        series = self._changed(*known, now_ms)
        try:
            schedule = fee_schedule(series, event, market, at_ms=now_ms, rounding=self.parameters.rounding)
        except FeeTypeError as unknown:
            return MarketFees(refusals=(str(unknown),))
        return MarketFees(schedule=schedule)

    def _changed(self, series: Series, read_ms: int, now_ms: int) -> Series:
        """Returns the series with the announced changes that have come since it was read, the last one winning."""
        for change in self._changes:
            if change.series_ticker == series.ticker and read_ms < change.scheduled_time_ms <= now_ms:
                series = attrs.evolve(series, fee_type=change.fee_type, fee_multiplier_e4=change.fee_multiplier_e4)
        return series
