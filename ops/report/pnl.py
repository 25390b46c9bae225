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
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from kalshi.numbers import ONE_DOLLAR_E4
from ops.report.figures import Figures
from ops.report.reading import Configured, LedgerReader, Run, SessionOutcome
from ops.report.tally import Tally, tallies

BUCKETS_MAX: Final = 200  # points of a chart; each market has a stretch in each at most
# What a bucket may be; each divides the next and a day, so that no bucket lies in two days.
BUCKETS_MS: Final = tuple(60_000 * minutes for minutes in (1, 5, 15, 60, 240, 1_440))
UNKNOWN: Final = "(unknown)"

Prices = tuple[int | None, int | None]  # bid and ask
_NO_PRICES: Final[Prices] = (None, None)


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


class Stretch:
    """One piece of one market's time, and what the fills in it did, if there were any."""

    __slots__ = ("bucket_ms", "configured", "from_ms", "tally", "to_ms")

    def __init__(self, from_ms: int, to_ms: int, bucket_ms: int, configured: Configured | None) -> None:
        self.from_ms, self.to_ms, self.bucket_ms, self.configured = from_ms, to_ms, bucket_ms, configured
        self.tally: Tally | None = None


class Calendar:
    """Cuts the time of markets into stretches."""

    def __init__(self, start_ms: int, end_ms: int, bucket_ms: int, configured: Iterable[Configured]) -> None:
        self.start_ms, self.end_ms, self.bucket_ms = start_ms, end_ms, bucket_ms
        self._times: dict[str, list[int]] = {}
        self._configured: dict[str, list[Configured]] = {}
        for one in configured:
            kept = self._configured.setdefault(one.ticker, [])
            if not kept or _terms(kept[-1]) != _terms(one):
                kept.append(one)
                self._times.setdefault(one.ticker, []).append(one.at_ms)

    def stretch(self, ticker: str, at_ms: int) -> Stretch:
        """Returns the stretch of a moment, empty."""
        times = self._times.get(ticker, [])
        place = bisect_right(times, at_ms)
        bucket = at_ms // self.bucket_ms * self.bucket_ms
        from_ms = max(self.start_ms, bucket, times[place - 1] if place else bucket)
        to_ms = min(self.end_ms, bucket + self.bucket_ms, times[place] if place < len(times) else self.end_ms)
        return Stretch(from_ms, to_ms, bucket, self._configured[ticker][place - 1] if place else None)

    def tally(self, ticker: str, at_ms: int) -> Tally:
        """Returns an empty tally for the stretch of a moment."""
        stretch = self.stretch(ticker, at_ms)
        return Tally(stretch.from_ms, stretch.to_ms)


def bucket_for(length_ms: int) -> int:
    """Returns the smallest bucket of which the time needs at most BUCKETS_MAX, at most a day."""
    return next((bucket for bucket in BUCKETS_MS if length_ms <= bucket * BUCKETS_MAX), BUCKETS_MS[-1])


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
    bucket_ms = bucket_for(end_ms - start_ms)
    calendar = Calendar(start_ms, end_ms, bucket_ms, reader.configurations())
    sums = _Sums(by)
    prices: dict[str, dict[int, tuple[int, Prices]]] = {}
    for time in reader.quote_times(start_ms, end_ms, bucket_ms):
        moment_ms = max(start_ms, time.last_minute_ms)
        at = calendar.stretch(time.ticker, moment_ms)
        here = sums.of(time.ticker, at)
        for name in ("live_ms", "bid_ms", "ask_ms", "both_ms", "bid_touch_ms", "ask_touch_ms"):
            for figures in here:
                setattr(figures, name, getattr(figures, name) + getattr(time, name))
        of_market = prices.setdefault(time.ticker, {})
        if at.bucket_ms not in of_market or of_market[at.bucket_ms][0] <= time.last_minute_ms:
            of_market[at.bucket_ms] = (time.last_minute_ms, (time.bid_e4, time.ask_e4))
    found = tallies(reader.fills(start_ms, end_ms), calendar.tally, advance)
    for count in reader.orders(start_ms, end_ms, bucket_ms):
        for figures in sums.of(count.ticker, calendar.stretch(count.ticker, count.at_ms)):
            figures.orders += count.orders
            figures.orders_filled += count.orders_filled
            figures.placed_e2 += count.placed_e2
            figures.filled_e2 += count.filled_e2
    for reward in reader.rewards():
        if start_ms <= reward.at_ms < end_ms:
            for figures in sums.of(reward.ticker, calendar.stretch(reward.ticker, reward.at_ms)):
                figures.rewards_e6 += reward.money_e6
    before_e2, settled = reader.positions_before(start_ms), reader.settlements()
    open_positions, unpriced = 0, []
    for ticker in sorted(before_e2.keys() | found.keys()):
        worth = Worth(reader, ticker, prices.get(ticker, {}), settled.get(ticker), calendar)
        position_e2 = before_e2.get(ticker, 0)
        value_e6 = worth.at_start_e6(position_e2)
        for stretch in _walk(ticker, position_e2, found.get(ticker, {}), calendar):
            here = sums.of(ticker, stretch)
            if stretch.tally is not None:
                position_e2 += stretch.tally.net_e2
                done = stretch.tally.figures()
                for figures in here:
                    figures.add(done)
            before_e6, value_e6 = value_e6, worth.at_end_e6(stretch, position_e2)
            for figures in here:
                figures.value_change_e6 += value_e6 - before_e6
        open_positions += position_e2 != 0
        if position_e2 and worth.is_unknown:
            unpriced.append(ticker)
    return Report(
        by=by,
        run=run,
        start_ms=start_ms,
        end_ms=end_ms,
        bucket_ms=bucket_ms,
        groups=sums.groups(),
        total=sums.total(),
        curve=tuple(sorted(sums.by_bucket.items())),
        sessions=reader.sessions(start_ms, end_ms),
        open_positions=open_positions,
        unpriced=tuple(unpriced),
    )


def _walk(ticker: str, position_e2: int, found: dict[int, Tally], calendar: Calendar) -> Iterator[Stretch]:
    """Yields a market's stretches in order of time: those with fills, and those without in which it held a position."""
    at_ms = calendar.start_ms
    for from_ms in sorted(found):
        if position_e2:
            yield from _empty(ticker, at_ms, from_ms, calendar)
        stretch = calendar.stretch(ticker, from_ms)
        stretch.tally = found[from_ms]
        yield stretch
        position_e2 += stretch.tally.net_e2
        at_ms = stretch.to_ms
    if position_e2:
        yield from _empty(ticker, at_ms, calendar.end_ms, calendar)


def _empty(ticker: str, at_ms: int, until_ms: int, calendar: Calendar) -> Iterator[Stretch]:
    while at_ms < until_ms:
        stretch = calendar.stretch(ticker, at_ms)
        yield stretch
        at_ms = stretch.to_ms


class Worth:
    """What a position of one market is worth, going forward in time."""

    def __init__(
        self,
        reader: LedgerReader,
        ticker: str,
        by_bucket: dict[int, tuple[int, Prices]],
        settled: tuple[int, int] | None,
        calendar: Calendar,
    ) -> None:
        self._reader, self._ticker, self._settled, self._calendar = reader, ticker, settled, calendar
        self._prices = [(bucket, prices) for bucket, (_, prices) in sorted(by_bucket.items())]
        self._place = 0
        self._known: Prices = _NO_PRICES
        self.is_unknown = True  # no price was ever recorded

    def at_start_e6(self, position_e2: int) -> int:
        if position_e2:
            self._see(self._reader.prices_at(self._ticker, self._calendar.start_ms))
        return self._value_e6(position_e2, self._calendar.start_ms)

    def at_end_e6(self, stretch: Stretch, position_e2: int) -> int:
        """Returns the value where a stretch ends; stretches come in order."""
        is_cut = stretch.to_ms < min(stretch.bucket_ms + self._calendar.bucket_ms, self._calendar.end_ms)
        while self._place < len(self._prices) and self._prices[self._place][0] < stretch.bucket_ms + (not is_cut):
            self._see(self._prices[self._place][1])
            self._place += 1
        if is_cut and position_e2:
            self._see(self._reader.prices_at(self._ticker, stretch.to_ms))
        return self._value_e6(position_e2, stretch.to_ms)

    def _see(self, prices: Prices) -> None:
        self._known = prices
        self.is_unknown = self.is_unknown and prices == _NO_PRICES

    def _value_e6(self, position_e2: int, at_ms: int) -> int:
        """As YES-equivalents: what a short owes counts negative, against the cash that it brought."""
        if self._settled is not None and self._settled[0] <= at_ms:
            self.is_unknown = False
            return position_e2 * self._settled[1]
        bid_e4, ask_e4 = self._known
        if position_e2 >= 0:
            return position_e2 * (bid_e4 or 0)
        return position_e2 * (int(ONE_DOLLAR_E4) if ask_e4 is None else ask_e4)


class _Sums:
    def __init__(self, by: By) -> None:
        self._by = by
        self._by_group: dict[str, Figures] = {}
        self.by_bucket: dict[int, Figures] = {}

    def of(self, ticker: str, stretch: Stretch) -> tuple[Figures, Figures]:
        """Returns where the figures of a stretch are summed up: its group and its bucket."""
        label = self._label(ticker, stretch)
        group = self._by_group.get(label)
        if group is None:
            group = self._by_group[label] = Figures()
        bucket = self.by_bucket.get(stretch.bucket_ms)
        if bucket is None:
            bucket = self.by_bucket[stretch.bucket_ms] = Figures()
        return group, bucket

    def _label(self, ticker: str, stretch: Stretch) -> str:
        configured = stretch.configured
        match self._by:
            case By.MARKET:
                return ticker
            case By.DAY:
                return datetime.datetime.fromtimestamp(stretch.bucket_ms / 1000, tz=datetime.UTC).date().isoformat()
            case By.STRATEGY:
                return configured.strategy if configured else UNKNOWN
            case By.PROGRAM:
                return configured.program if configured else UNKNOWN
            case By.CATEGORY:
                return (configured.category if configured else "") or UNKNOWN

    def groups(self) -> tuple[tuple[str, Figures], ...]:
        if self._by is By.DAY:
            return tuple(sorted(self._by_group.items()))
        return tuple(sorted(self._by_group.items(), key=lambda each: (-each[1].pnl_half_e6, each[0])))

    def total(self) -> Figures:
        total = Figures()
        for figures in self._by_group.values():
            total.add(figures)
        return total


def _terms(one: Configured) -> tuple[str, str, str]:
    return one.program, one.strategy, one.category
