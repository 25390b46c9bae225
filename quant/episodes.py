"""Position episodes, from flat to flat: how far each went against us and for us, and how long inventory was held.

1. An episode begins with the fill that leaves flat and ends with the one that returns there; a fill through zero ends
   one and begins the next.
2. The worst and best are of the open position at liquidation marks: (mark - average entry) * sign, by contract and as
   money. They are looked at after every fill and every new mark, never sampled between.
3. Inventory is piecewise constant, so its integrals over time are sums: |q| dt for the time-weighted size, and the age
   of the open lots, which first in, first out resets as they close.

Money is in millionths of a dollar, sizes in 1/100 contract, times in Unix milliseconds; all of it integers. The money
excursion is exact, the one by contract is rounded towards zero to 1/10,000 dollar.

Source: the project's strategy reference, PnL and risk.
"""

from __future__ import annotations

from collections import deque

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill


@attrs.frozen(kw_only=True)
class Episode:
    """One way from flat to flat; `ended_ms` is None while it is open. Excursions are zero or more."""

    began_ms: int
    ended_ms: int | None = None
    largest_e2: CountE2 = CountE2(0)
    adverse_e6: MoneyE6 = MoneyE6(0)  # the most that the open position was behind
    favourable_e6: MoneyE6 = MoneyE6(0)
    adverse_e4: PriceE4 = PriceE4(0)  # the same by contract
    favourable_e4: PriceE4 = PriceE4(0)


@attrs.frozen
class _AgedLot:
    count_e2: int
    price_e4: int
    opened_ms: int


@attrs.define
class Inventory:
    """One market's inventory over time. Fills and marks come in the order of time; an earlier time counts as now."""

    position_e2: int = 0
    held_e2_ms: int = 0  # the integral of |q| dt since the beginning
    episode: Episode | None = None
    last: Episode | None = None  # the one that ended last
    _lots: deque[_AgedLot] = attrs.field(factory=deque, init=False)
    _now_ms: int | None = attrs.field(default=None, init=False)
    _mark_e4: PriceE4 | None = attrs.field(default=None, init=False)

    def fill(self, fill: Fill) -> None:
        """Takes a fill."""
        now_ms = self._advance(fill.ts_ms)
        sign = fill.side.sign
        closing = min(int(fill.count_e2), max(0, -sign * self.position_e2))
        opening = fill.count_e2 - closing
        self._close(closing)
        self.position_e2 += sign * closing
        if closing and self.position_e2 == 0:
            self._end(now_ms)
        if opening:
            if self.episode is None:
                self.episode = Episode(began_ms=now_ms)
                self._mark_e4 = None  # a mark of before was of the other side, or of nothing
            self._lots.append(_AgedLot(opening, fill.price_e4, now_ms))
            self.position_e2 += sign * opening
        self._look()

    def mark(self, mark_e4: PriceE4, at_ms: int) -> None:
        """Takes the liquidation mark of the open position."""
        self._advance(at_ms)
        self._mark_e4 = mark_e4
        self._look()

    def settle(self, value_e4: PriceE4, at_ms: int) -> None:
        """Takes the settlement: an exit of everything at its value."""
        self.mark(value_e4, at_ms)
        self._lots.clear()
        self.position_e2 = 0
        if self.episode is not None:
            self._end(at_ms)

    def held_until_e2_ms(self, at_ms: int) -> int:
        """Returns the integral of |q| dt up to `at_ms`."""
        since_ms = 0 if self._now_ms is None else max(0, at_ms - self._now_ms)
        return self.held_e2_ms + abs(self.position_e2) * since_ms

    def age_e2_ms(self, at_ms: int) -> int:
        """Returns the sum over the open lots of size times age: what is stuck."""
        return sum(lot.count_e2 * max(0, at_ms - lot.opened_ms) for lot in self._lots)

    def _advance(self, at_ms: int) -> int:
        now_ms = at_ms if self._now_ms is None else max(at_ms, self._now_ms)
        self.held_e2_ms = self.held_until_e2_ms(now_ms)
        self._now_ms = now_ms
        return now_ms

    def _close(self, count_e2: int) -> None:
        while count_e2:
            lot = self._lots.popleft()
            taken = min(count_e2, lot.count_e2)
            count_e2 -= taken
            if taken < lot.count_e2:
                self._lots.appendleft(attrs.evolve(lot, count_e2=lot.count_e2 - taken))

    def _end(self, at_ms: int) -> None:
        assert self.episode is not None
        self.last, self.episode = attrs.evolve(self.episode, ended_ms=at_ms), None

    def _look(self) -> None:
        episode, size = self.episode, abs(self.position_e2)
        if episode is None:
            return
        largest = CountE2(max(size, episode.largest_e2))
        if self._mark_e4 is None:
            self.episode = attrs.evolve(episode, largest_e2=largest)
            return
        sign = 1 if self.position_e2 > 0 else -1
        ahead_e6 = sign * sum(lot.count_e2 * (self._mark_e4 - lot.price_e4) for lot in self._lots)
        behind_e6, best_e6 = max(0, -ahead_e6), max(0, ahead_e6)
        self.episode = attrs.evolve(
            episode,
            largest_e2=largest,
            adverse_e6=MoneyE6(max(behind_e6, episode.adverse_e6)),
            favourable_e6=MoneyE6(max(best_e6, episode.favourable_e6)),
            adverse_e4=PriceE4(max(behind_e6 // size, episode.adverse_e4)),
            favourable_e4=PriceE4(max(best_e6 // size, episode.favourable_e4)),
        )
