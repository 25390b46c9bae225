"""Makes the figures of a report out of a Ledger: every sum once over everything, by group and over time.

1. Time is cut into buckets, and each market's time also where its program, strategy or category changed. Such a piece,
   a stretch, belongs to one group and one bucket, whatever the report is grouped by.
2. A stretch earns its cash, plus what the position is worth at its end, less what it was worth at its start. Over a
   market's stretches the values in between cancel out, so groups and buckets add up to the whole, exactly.
3. A position is worth what it could be closed at, long at the bid and short at the ask, by the last minute recorded
   before; nothing where nobody would trade or nothing was ever recorded. After its settlement it is worth that.
4. Fills may come in any order: sums do not care.

Rejected: marks at mids, which let half the spread of every open position look like a profit.
"""

from __future__ import annotations

import datetime
import enum
import functools
from collections.abc import Callable
from typing import Final

import attrs

from ops.report.ahead import ReadAhead
from ops.report.calendar import Calendar, Stretch, Traded, bucket_for, walk
from ops.report.figures import Figures
from ops.report.reading import MINUTE_MS, LedgerReader, Run, SessionOutcome
from ops.report.tally import SumsByKey, add_fills, fills_in_stretches, read_ahead
from ops.report.worth import Prices, Worth

UNKNOWN: Final = "(unknown)"
_DATES_CACHED: Final = 1_024


class By(enum.StrEnum):
    """What the rows of the report are."""

    MARKET = "market"
    STRATEGY = "strategy"
    PROGRAM = "program"
    CATEGORY = "category"
    DAY = "day"


@attrs.frozen(kw_only=True)
class Report:
    """Everything that texts, pages and tables are made of."""

    by: By
    run: Run | None
    start_ms: int
    end_ms: int
    bucket_ms: int
    groups: tuple[tuple[str, Figures], ...]  # the largest PnL first, days in their order
    total: Figures
    curve: tuple[tuple[int, Figures], ...]  # by the start of each bucket
    sessions: tuple[SessionOutcome, ...]
    open_positions: int
    unpriced: tuple[str, ...]  # markets whose open position has no price, and counts as worth nothing


def make_report(
    reader: LedgerReader,
    by: By,
    start_ms: int | None = None,
    end_ms: int | None = None,
    run: Run | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Report:
    """Returns the report of a time, by default of all that is recorded; `advance` hears of fills that were counted."""
    first_ms, last_ms = reader.time_span() or (0, 0)
    start_ms = first_ms if start_ms is None else start_ms
    end_ms = max(start_ms, last_ms + 1 if end_ms is None else min(end_ms, last_ms + 1))
    calendar = Calendar(start_ms, end_ms, bucket_for(end_ms - start_ms), reader.configurations())
    making = _Making(reader, calendar, by)
    with read_ahead(reader, calendar) as ahead:
        making.add_quoting()
        making.add_orders(ahead)
        making.add_episodes()
        making.add_rewards()
        making.add_trading(ahead, advance)
    return Report(
        by=by,
        run=run,
        start_ms=start_ms,
        end_ms=end_ms,
        bucket_ms=calendar.bucket_ms,
        groups=making.sums.groups(),
        total=making.sums.total(),
        curve=tuple(sorted(making.sums.by_bucket.items())),
        sessions=reader.sessions(start_ms, end_ms),
        open_positions=making.open_positions,
        unpriced=tuple(making.unpriced),
    )


class _Making:
    """A report being made: what each part of the Ledger adds to the sums."""

    def __init__(self, reader: LedgerReader, calendar: Calendar, by: By) -> None:
        self.reader, self.calendar = reader, calendar
        self.sums = _Sums(by)
        self.open_positions = 0
        self.unpriced: list[str] = []
        # By market and bucket: the last minute in it, and its prices.
        self._prices: dict[str, dict[int, tuple[int, Prices]]] = {}

    def add_quoting(self) -> None:
        calendar = self.calendar
        for time in self.reader.quote_times(calendar.start_ms, calendar.end_ms, calendar.bucket_ms):
            # By its end, when the market surely had the program that quoted it: one begins in the middle of a minute.
            ends_ms = min(calendar.end_ms, time.last_minute_ms + MINUTE_MS) - 1
            stretch = calendar.stretch(time.ticker, max(calendar.start_ms, ends_ms))
            for figures in self.sums.of(time.ticker, stretch):
                figures.live_ms += time.live_ms
                figures.bid_ms += time.bid_ms
                figures.ask_ms += time.ask_ms
                figures.both_ms += time.both_ms
                figures.bid_touch_ms += time.bid_touch_ms
                figures.ask_touch_ms += time.ask_touch_ms
            of_market = self._prices.setdefault(time.ticker, {})
            if of_market.get(stretch.bucket_ms, (-1,))[0] <= time.last_minute_ms:
                of_market[stretch.bucket_ms] = (time.last_minute_ms, (time.bid_e4, time.ask_e4))

    def add_orders(self, ahead: ReadAhead) -> None:
        calendar = self.calendar
        for count in ahead.orders():
            for figures in self.sums.of(count.ticker, calendar.stretch(count.ticker, count.at_ms)):
                figures.orders += count.orders
                figures.orders_filled += count.orders_filled
                figures.placed_e2 += count.placed_e2
                figures.filled_e2 += count.filled_e2

    def add_episodes(self) -> None:
        calendar = self.calendar
        for sums in self.reader.episodes(calendar.start_ms, calendar.end_ms, calendar.bucket_ms):
            for figures in self.sums.of(sums.ticker, calendar.stretch(sums.ticker, sums.ended_ms)):
                figures.episodes += sums.episodes
                figures.open_ms += sums.open_ms
                figures.held_e2_ms += sums.held_e2_ms
                figures.adverse_e4 += sums.adverse_e4
                figures.favourable_e4 += sums.favourable_e4

    def add_rewards(self) -> None:
        calendar = self.calendar
        for reward in self.reader.rewards():
            if calendar.start_ms <= reward.at_ms < calendar.end_ms:
                for figures in self.sums.of(reward.ticker, calendar.stretch(reward.ticker, reward.at_ms)):
                    figures.rewards_e6 += reward.money_e6

    def add_trading(self, ahead: ReadAhead, advance: Callable[[int], None]) -> None:
        """Adds fills and what positions did; after the quoting, which tells the prices."""
        calendar = self.calendar
        found = self._add_fills(ahead, advance)
        before_e2, settled = self.reader.positions_before(calendar.start_ms), self.reader.settlements()
        for ticker in sorted(before_e2.keys() | found.keys()):
            worth = Worth(self.reader, ticker, self._prices.get(ticker, {}), settled.get(ticker), calendar)
            self._add_market(ticker, before_e2.get(ticker, 0), found.get(ticker, {}), worth)

    def _add_fills(self, ahead: ReadAhead, advance: Callable[[int], None]) -> dict[str, Traded]:
        """Adds the fills; returns the stretches that have some, by market and start."""
        found: dict[str, Traded] = {}
        sums = SumsByKey()
        for stretch, fills in fills_in_stretches(self.reader, self.calendar, ahead, advance):
            traded = found.setdefault(fills.ticker, {})
            before_e2 = traded[stretch.from_ms][1] if stretch.from_ms in traded else 0
            traded[stretch.from_ms] = stretch, before_e2 + fills.net_e2
            sums.add((self.sums.label(fills.ticker, stretch), stretch.bucket_ms, fills.unknown), fills)
        for (label, bucket_ms, _), total in sums.totals():
            add_fills(self.sums.group(label), total)
            add_fills(self.sums.bucket(bucket_ms), total)
        return found

    def _add_market(self, ticker: str, position_e2: int, found: Traded, worth: Worth) -> None:
        value_e6 = worth.at_start_e6(position_e2)
        for stretch, net_e2 in walk(ticker, position_e2, found, self.calendar):
            position_e2 += net_e2
            before_e6, value_e6 = value_e6, worth.at_end_e6(stretch, position_e2)
            for figures in self.sums.of(ticker, stretch):  # also of nothing: it has a row, and a point in the chart
                figures.value_change_e6 += value_e6 - before_e6
        self.open_positions += position_e2 != 0
        if position_e2 and worth.is_unknown:
            self.unpriced.append(ticker)


def _day(_: str, stretch: Stretch) -> str:
    return _date(stretch.bucket_ms)


@functools.lru_cache(maxsize=_DATES_CACHED)
def _date(at_ms: int) -> str:
    return datetime.datetime.fromtimestamp(at_ms / 1000, tz=datetime.UTC).date().isoformat()


# What a stretch of a market is counted under.
_LABELS: Final[dict[By, Callable[[str, Stretch], str]]] = {
    By.MARKET: lambda ticker, _: ticker,
    By.DAY: _day,
    By.STRATEGY: lambda _, stretch: stretch.configured.strategy if stretch.configured else UNKNOWN,
    By.PROGRAM: lambda _, stretch: stretch.configured.program if stretch.configured else UNKNOWN,
    By.CATEGORY: lambda _, stretch: (stretch.configured.category if stretch.configured else "") or UNKNOWN,
}


class _Sums:
    def __init__(self, by: By) -> None:
        self._by = by
        self.label = _LABELS[by]
        self._by_group: dict[str, Figures] = {}
        self.by_bucket: dict[int, Figures] = {}

    def of(self, ticker: str, stretch: Stretch) -> tuple[Figures, Figures]:
        """Returns where the figures of a stretch are summed up: its group and its bucket."""
        return self.group(self.label(ticker, stretch)), self.bucket(stretch.bucket_ms)

    def group(self, label: str) -> Figures:
        found = self._by_group.get(label)
        if found is None:
            found = self._by_group[label] = Figures()
        return found

    def bucket(self, bucket_ms: int) -> Figures:
        found = self.by_bucket.get(bucket_ms)
        if found is None:
            found = self.by_bucket[bucket_ms] = Figures()
        return found

    def groups(self) -> tuple[tuple[str, Figures], ...]:
        if self._by is By.DAY:
            return tuple(sorted(self._by_group.items()))
        return tuple(sorted(self._by_group.items(), key=lambda each: (-each[1].pnl_half_e6, each[0])))

    def total(self) -> Figures:
        total = Figures()
        for figures in self._by_group.values():
            total.add(figures)
        return total
