"""Cuts the time of markets into stretches: buckets of the clock, and where a market's program or strategy changed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from ops.report.reading import Configured

BUCKETS_MAX: Final = 200  # points of a chart; each market has a stretch in each at most
# What a bucket may be; each divides the next and a day, so that no bucket lies in two days.
BUCKETS_MS: Final = tuple(60_000 * minutes for minutes in (1, 5, 15, 60, 240, 1_440))


class Stretch:
    """One piece of one market's time, and what the fills in it bought, in 1/100 contract."""

    __slots__ = ("bucket_ms", "configured", "from_ms", "net_e2", "to_ms")

    def __init__(self, from_ms: int, to_ms: int, bucket_ms: int, configured: Configured | None) -> None:
        self.from_ms, self.to_ms, self.bucket_ms, self.configured = from_ms, to_ms, bucket_ms, configured
        self.net_e2 = 0


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


def bucket_for(length_ms: int) -> int:
    """Returns the smallest bucket of which the time needs at most BUCKETS_MAX, at most a day."""
    return next((bucket for bucket in BUCKETS_MS if length_ms <= bucket * BUCKETS_MAX), BUCKETS_MS[-1])


def walk(ticker: str, position_e2: int, found: dict[int, Stretch], calendar: Calendar) -> Iterator[Stretch]:
    """Yields a market's stretches in order of time: those with fills, and those without in which it held a position."""
    at_ms = calendar.start_ms
    for from_ms in sorted(found):
        if position_e2:
            yield from _empty(ticker, at_ms, from_ms, calendar)
        stretch = found[from_ms]
        yield stretch
        position_e2 += stretch.net_e2
        at_ms = stretch.to_ms
    if position_e2:
        yield from _empty(ticker, at_ms, calendar.end_ms, calendar)


def _empty(ticker: str, at_ms: int, until_ms: int, calendar: Calendar) -> Iterator[Stretch]:
    while at_ms < until_ms:
        stretch = calendar.stretch(ticker, at_ms)
        yield stretch
        at_ms = stretch.to_ms


def _terms(one: Configured) -> tuple[str, str, str]:
    return one.program, one.strategy, one.category
