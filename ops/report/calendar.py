"""Cuts the time of markets into stretches: buckets of the clock, and where a market's program or strategy changed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ops.report.reading import Configured

BUCKETS_MAX: Final = 200  # points of a chart; each market has a stretch in each at most
# What a bucket may be; each divides the next and a day, so that no bucket lies in two days.
BUCKETS_MS: Final = tuple(60_000 * minutes for minutes in (1, 5, 15, 60, 240, 1_440))


class Stretch(NamedTuple):
    """One piece of one market's time."""

    from_ms: int
    to_ms: int
    bucket_ms: int
    configured: Configured | None


# A market's stretches with fills, by their start, and what the fills bought, in 1/100 contract.
Traded = dict[int, tuple[Stretch, int]]


class Calendar:
    """Cuts the time of markets into stretches."""

    def __init__(self, start_ms: int, end_ms: int, bucket_ms: int, configured: Iterable[Configured]) -> None:
        self.start_ms, self.end_ms, self.bucket_ms = start_ms, end_ms, bucket_ms
        self._times: dict[str, list[int]] = {}
        self._configured: dict[str, list[Configured]] = {}
        # Of each market and bucket the stretch asked for last: quoting, orders and fills ask for nearly the same ones.
        self._last: dict[tuple[str, int], Stretch] = {}
        for one in configured:
            kept = self._configured.setdefault(one.ticker, [])
            if not kept or _terms(kept[-1]) != _terms(one):
                kept.append(one)
                self._times.setdefault(one.ticker, []).append(one.at_ms)

    def stretch(self, ticker: str, at_ms: int) -> Stretch:
        """Returns the stretch of a moment."""
        bucket = at_ms - at_ms % self.bucket_ms
        stretch = self._last.get((ticker, bucket))
        if stretch is None or not stretch.from_ms <= at_ms < stretch.to_ms:
            stretch = self._last[ticker, bucket] = self._cut(ticker, at_ms, bucket)
        return stretch

    def _cut(self, ticker: str, at_ms: int, bucket: int) -> Stretch:
        times = self._times.get(ticker, [])
        place = bisect_right(times, at_ms)
        from_ms = max(self.start_ms, bucket, times[place - 1] if place else bucket)
        to_ms = min(self.end_ms, bucket + self.bucket_ms, times[place] if place < len(times) else self.end_ms)
        return Stretch(from_ms, to_ms, bucket, self._configured[ticker][place - 1] if place else None)


def bucket_for(length_ms: int) -> int:
    """Returns the smallest bucket of which the time needs at most BUCKETS_MAX, at most a day."""
    return next((bucket for bucket in BUCKETS_MS if length_ms <= bucket * BUCKETS_MAX), BUCKETS_MS[-1])


def walk(ticker: str, position_e2: int, found: Traded, calendar: Calendar) -> Iterator[tuple[Stretch, int]]:
    """Yields a market's stretches in order of time, and what each bought: those with fills, and those without in which
    it held a position.
    """
    at_ms = calendar.start_ms
    for from_ms in sorted(found):
        if position_e2:
            yield from _empty(ticker, at_ms, from_ms, calendar)
        stretch, net_e2 = found[from_ms]
        yield stretch, net_e2
        position_e2 += net_e2
        at_ms = stretch.to_ms
    if position_e2:
        yield from _empty(ticker, at_ms, calendar.end_ms, calendar)


def _empty(ticker: str, at_ms: int, until_ms: int, calendar: Calendar) -> Iterator[tuple[Stretch, int]]:
    while at_ms < until_ms:
        stretch = calendar.stretch(ticker, at_ms)
        yield stretch, 0
        at_ms = stretch.to_ms


def _terms(one: Configured) -> tuple[str, str, str]:
    return one.program, one.strategy, one.category
