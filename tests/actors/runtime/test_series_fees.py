"""C1: how often fee terms are read, how many in a run, and from when on an announced change counts."""

from __future__ import annotations

from typing import cast

import attrs
import trio
import trio.testing

from actors.messages.selection import FeeChangesRead, ReadFeeChanges, ReadSeries, SeriesRead
from actors.runtime.paced_reader import PacedReader
from actors.runtime.seams import virtual_seams
from actors.runtime.series_fees import FeeParameters, SeriesFees
from kalshi.rest_exchange_answers import SeriesFeeChange
from kalshi.types import Series
from tests.actors.discovery_stage import NOW_MS, event, market

EVENT, MARKET = event(market("KXA-1-X")), market("KXA-1-X")


@attrs.define(eq=False)
class Reader:
    """Answers at once, or not at all."""

    changes: tuple[SeriesFeeChange, ...] = ()
    is_down: bool = False
    asked: list[str] = attrs.field(factory=list)

    async def read(self, request: object, answer: type[object]) -> object | None:
        await trio.lowlevel.checkpoint()
        match request:
            case ReadSeries(ticker=ticker):
                self.asked.append(ticker)
                series = Series(ticker=ticker, title="", category="", fee_type="quadratic", fee_multiplier_e4=10_000)
                return None if self.is_down else SeriesRead(series=series)
            case ReadFeeChanges():
                self.asked.append("changes")
                return None if self.is_down else FeeChangesRead(changes=self.changes)
        raise AssertionError(request)


def fees_by(reader: Reader, parameters: FeeParameters | None = None) -> SeriesFees:
    return SeriesFees(parameters or FeeParameters(), cast(PacedReader, reader), virtual_seams(1, NOW_MS))


async def test_terms_are_an_hour_old_before_they_are_read_anew(autojump_clock: trio.testing.MockClock) -> None:
    reader = Reader()
    fees = fees_by(reader)
    await fees.read(["KXA"], lambda: True)
    await trio.sleep(3_599.5)
    await fees.read(["KXA"], lambda: True)
    assert reader.asked == ["changes", "KXA"]
    await trio.sleep(0.5)
    await fees.read(["KXA", "KXB"], lambda: True)
    assert reader.asked == ["changes", "KXA", "changes", "KXB", "KXA"]


async def test_a_run_reads_twenty_series_and_the_next_one_the_others(autojump_clock: trio.testing.MockClock) -> None:
    reader, names = Reader(), [f"KX{number:02}" for number in range(21)]
    fees = fees_by(reader)
    await fees.read(names, lambda: True)
    assert reader.asked[1:] == names[:20]
    await fees.read(names, lambda: True)
    assert reader.asked[21:] == names[20:]


async def test_a_run_that_is_due_is_not_held_up(autojump_clock: trio.testing.MockClock) -> None:
    reader = Reader()
    fees = fees_by(reader)
    await fees.read(["KXA", "KXB", "KXC"], lambda: len(reader.asked) < 3)
    assert reader.asked == ["changes", "KXA", "KXB"]


async def test_where_nothing_answers_it_stops_asking_for_this_run(autojump_clock: trio.testing.MockClock) -> None:
    reader = Reader(is_down=True)
    fees = fees_by(reader)
    await fees.read(["KXA", "KXB"], lambda: True)
    assert reader.asked == ["changes"]
    reader.is_down = False
    await fees.read(["KXA"], lambda: True)
    assert fees.of(EVENT, MARKET, NOW_MS).schedule is not None


async def test_an_announced_change_counts_from_its_millisecond_on(autojump_clock: trio.testing.MockClock) -> None:
    def change(multiplier_e4: int, at_ms: int, series: str = "KXA") -> SeriesFeeChange:
        return SeriesFeeChange(
            series_ticker=series, fee_type="quadratic", fee_multiplier_e4=multiplier_e4, scheduled_time_ms=at_ms
        )

    later = (change(3_000, NOW_MS + 2_000), change(2_000, NOW_MS + 1_000), change(1, NOW_MS + 500, "KXOTHER"))
    fees = fees_by(Reader(changes=(*later, change(9_000, NOW_MS))))  # the last one is in the terms already

    def multiplier_e4(after_ms: int) -> int:
        schedule = fees.of(EVENT, MARKET, NOW_MS + after_ms).schedule
        assert schedule is not None
        return schedule.multiplier_e4

    await fees.read(["KXA"], lambda: True)
    found = [multiplier_e4(after_ms) for after_ms in (0, 999, 1_000, 1_999, 2_000, 10_000)]
    assert found == [10_000, 10_000, 2_000, 2_000, 3_000, 3_000]
