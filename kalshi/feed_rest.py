"""Order books over REST, for a bot without a socket: which one to read next, and how old each is. No I/O.

Rules:
1. A book is as old as its `Date` and `Age` headers say, or as its answer's way here, whichever is more. A cache may
   have kept it; without a `Date` its age is not known and it is not used. The exchange's present time is an estimate
   that can be a second behind, so a book can be that much older than it seems.
2. A book past `age_max_s` is overdue: not to be quoted on until a newer one comes. An answer that is older than what
   we have is dropped: caches answer out of order.
3. The read budget bounds how many markets can be kept fresh. The first `markets_max` of those that are wanted are
   read in turn, the others not at all: reading all of them would make all of them stale by turns.
4. The market that was asked for longest ago is next, no market before `spacing_s` has passed, never more than
   `in_flight_max` at once, never faster than the share of the budget that belongs to books.
5. A read that is never answered is given up after `answer_s_max`.

Source: RFC 9110 §6.6.1 and RFC 9111 §5.1 for the headers; Kalshi rate limit page of October 2026 for the costs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from kalshi.budget import COST_DEFAULT
from kalshi.types import BookSnapshot

# A Date header has whole seconds, and a read takes its time: both make a book look older than it is.
AGE_UNSURE_S: Final = 1.5
# What the tier "basic" refills; the account's own figure comes with the Wire's health.
READ_REFILL_BASIC: Final = 200.0


@attrs.frozen(kw_only=True)
class RestPace:
    """How books are read over REST."""

    age_max_s: float = 4.0  # with the second of rule 1 the five after which quoting freezes
    spacing_s: float = 0.25
    in_flight_max: int = 6  # of the ten connections that orders and other reads share
    answer_s_usual: float = 0.15
    answer_s_max: float = 10.0
    budget_share: float = 0.7  # of the read tokens; fills, orders, account and discovery need the rest


@attrs.define
class _Reading:
    # One market: when it was asked for, and the time of the book that we have.
    asked_at_s: float | None = None
    is_out: bool = False
    made_at_s: float | None = None
    read_time_ms: int = 0


def made_at_s(book: BookSnapshot, *, server_ms: int, now_s: float, asked_at_s: float) -> float | None:
    """Returns when the content of a book was made, on the clock of `now_s`; None where nobody can tell (rule 1).

    `server_ms` is the exchange's present time in ms; `asked_at_s` is when the read was asked for.
    """
    if book.read_time_ms is None:
        return None
    return min(asked_at_s, now_s - max(0, server_ms - book.read_time_ms) / 1000)


class BookReads:
    """Says which market's book to read next, and which books have become too old."""

    def __init__(self, pace: RestPace) -> None:
        self._pace = pace
        self._readings: dict[str, _Reading] = {}  # of the admitted markets, in order of importance
        self._wanted: tuple[str, ...] = ()
        self._refill_per_s = READ_REFILL_BASIC
        self._next_read_s = float("-inf")

    @property
    def reads_per_s(self) -> float:
        """How many books may be read a second."""
        by_budget = self._refill_per_s * self._pace.budget_share / COST_DEFAULT
        return min(by_budget, self._pace.in_flight_max / self._pace.answer_s_usual)

    @property
    def markets_max(self) -> int:
        """How many markets can be kept fresh: each must come round before its book is too old (rule 3)."""
        return max(1, int(self.reads_per_s * (self._pace.age_max_s - AGE_UNSURE_S)))

    @property
    def admitted(self) -> tuple[str, ...]:
        """The markets that are read, the most important first."""
        return tuple(self._readings)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The markets that are wanted and not read."""
        return self._wanted[self.markets_max :]

    def want(self, tickers: Iterable[str]) -> tuple[str, ...]:
        """Wants these markets, the most important first; returns those that are not read any more."""
        self._wanted = tuple(dict.fromkeys(tickers))
        return self._admit()

    def set_refill(self, tokens_per_s: float) -> tuple[str, ...]:
        """Learns the account's read budget; returns those markets that are not read any more."""
        self._refill_per_s = tokens_per_s
        return self._admit()

    def _admit(self) -> tuple[str, ...]:
        before = self._readings
        self._readings = {ticker: before.get(ticker, _Reading()) for ticker in self._wanted[: self.markets_max]}
        return tuple(ticker for ticker in before if ticker not in self._readings)

    def due(self, now_s: float) -> list[str]:
        """Returns the markets to read now, and takes them as asked for."""
        self._give_up(now_s)
        chosen: list[str] = []
        while now_s >= self._next_read_s and self._in_flight < self._pace.in_flight_max:
            ticker = self._oldest(now_s)
            if ticker is None:
                break
            reading = self._readings[ticker]
            reading.asked_at_s, reading.is_out = now_s, True
            # What was not used is not saved up: a burst would only wait in the budget's line.
            self._next_read_s = max(self._next_read_s, now_s - self._pace.spacing_s) + 1 / self.reads_per_s
            chosen.append(ticker)
        return chosen

    def next_due_s(self, now_s: float) -> float | None:
        """Returns when due() or overdue() may have something to say, None while no market is read."""
        times = []
        for reading in self._readings.values():
            if reading.is_out:
                times.append((reading.asked_at_s or 0.0) + self._pace.answer_s_max)
            elif self._in_flight < self._pace.in_flight_max:
                times.append(max(self._next_read_s, self._free_at_s(reading)))
            if reading.made_at_s is not None:
                times.append(reading.made_at_s + self._pace.age_max_s)
        return max(now_s, min(times)) if times else None

    def answered(self, ticker: str, made_s: float | None, read_time_ms: int, now_s: float) -> bool:
        """Takes in the answer to a read; returns whether its book may be used: young, and no older than ours."""
        reading = self._readings.get(ticker)
        if reading is None:
            return False
        reading.is_out = False
        is_young = made_s is not None and now_s - made_s < self._pace.age_max_s
        if not is_young or read_time_ms < reading.read_time_ms:
            return False
        reading.made_at_s, reading.read_time_ms = made_s, read_time_ms
        return True

    def failed(self, ticker: str) -> None:
        """Takes in that a read brought nothing to use; it is asked for again in its turn."""
        reading = self._readings.get(ticker)
        if reading is not None:
            reading.is_out = False

    def asked_at_s(self, ticker: str) -> float | None:
        """Returns when the market was last asked for."""
        reading = self._readings.get(ticker)
        return None if reading is None else reading.asked_at_s

    def overdue(self, now_s: float) -> list[str]:
        """Returns the markets whose book has become too old, each once."""
        found = []
        for ticker, reading in self._readings.items():
            if reading.made_at_s is not None and now_s - reading.made_at_s >= self._pace.age_max_s:
                reading.made_at_s = None
                found.append(ticker)
        return found

    def oldest_made_at_s(self) -> float | None:
        """Returns when the oldest book in use was made, None where none is in use."""
        return min((r.made_at_s for r in self._readings.values() if r.made_at_s is not None), default=None)

    @property
    def _in_flight(self) -> int:
        return sum(reading.is_out for reading in self._readings.values())

    def _free_at_s(self, reading: _Reading) -> float:
        return float("-inf") if reading.asked_at_s is None else reading.asked_at_s + self._pace.spacing_s

    def _oldest(self, now_s: float) -> str | None:
        free = [
            (self._free_at_s(reading), place, ticker)
            for place, (ticker, reading) in enumerate(self._readings.items())
            if not reading.is_out and self._free_at_s(reading) <= now_s
        ]
        return min(free)[2] if free else None

    def _give_up(self, now_s: float) -> None:
        for reading in self._readings.values():
            if reading.is_out and now_s - (reading.asked_at_s or 0.0) >= self._pace.answer_s_max:
                reading.is_out = False
