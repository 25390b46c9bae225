"""Position episodes, from flat to flat: how far each went against us and for us, and how long inventory was held.

1. An episode begins with the fill that leaves flat and ends with the one that returns there; a fill through zero ends
   one and begins the next. The number of the fill that began it names it: no other episode has the same.
2. The worst and best are of the open position at liquidation marks: (mark - average entry) * sign, by contract and as
   money. They are looked at after every fill and every new mark, never sampled between.
3. Inventory is piecewise constant, so its integrals over time are sums: |q| dt for the time-weighted size, and the age
   of the open lots, which first in, first out resets as they close.
4. What is open can be begun again from the fills since it was flat (`begun_again`): times, sizes and integrals are
   those fills' own. Marks are not kept, so the excursions are the greater of those and the ones that were stored.

Money is in millionths of a dollar, sizes in 1/100 contract, times in Unix milliseconds; all of it integers. The money
excursion is exact, the one by contract is rounded towards zero to 1/10,000 dollar.

Source: the project's strategy reference, PnL and risk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from quant.accounting import Mark, liquidation_mark_e4
from quant.fills import NumberedFill
from quant.steps import Steps, slices


@attrs.frozen(kw_only=True)
class Episode:
    """One way from flat to flat; `ended_ms` is None while it is open. Excursions are zero or more."""

    opened_seq: int  # the number of the fill that began it
    began_ms: int
    ended_ms: int | None = None
    largest_e2: CountE2 = CountE2(0)
    held_e2_ms: int = 0  # the integral of |q| dt, of an open one up to what it has seen last
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
    _cost_e6: int = attrs.field(default=0, init=False)  # of the open lots, as if each had been bought
    _held_before_e2_ms: int = attrs.field(default=0, init=False)  # the integral when the episode began
    _now_ms: int | None = attrs.field(default=None, init=False)
    _mark_e4: PriceE4 | None = attrs.field(default=None, init=False)

    def fill(self, numbered: NumberedFill) -> None:
        """Takes a fill."""
        fill = numbered.fill
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
                self._begin(numbered)
            self._lots.append(_AgedLot(opening, fill.price_e4, now_ms))
            self._cost_e6 += opening * fill.price_e4
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
        self._cost_e6 = self.position_e2 = 0
        if self.episode is not None:
            self._end(at_ms)

    def recall(self, stored: Episode) -> None:
        """Takes the excursions that were stored of the open episode; those of another one say nothing."""
        episode = self.episode
        if episode is not None and episode.opened_seq == stored.opened_seq:
            self.episode = _furthest(episode, stored)

    def held_until_e2_ms(self, at_ms: int) -> int:
        """Returns the integral of |q| dt up to `at_ms`."""
        since_ms = 0 if self._now_ms is None else max(0, at_ms - self._now_ms)
        return self.held_e2_ms + abs(self.position_e2) * since_ms

    def age_e2_ms(self, at_ms: int) -> int:
        """Returns the sum over the open lots of size times age: what is stuck."""
        return sum(lot.count_e2 * max(0, at_ms - lot.opened_ms) for lot in self._lots)

    def open_episode(self, at_ms: int) -> Episode | None:
        """Returns the open episode with its integral up to `at_ms`, None while flat."""
        if self.episode is None:
            return None
        return attrs.evolve(self.episode, held_e2_ms=self.held_until_e2_ms(at_ms) - self._held_before_e2_ms)

    def _advance(self, at_ms: int) -> int:
        now_ms = at_ms if self._now_ms is None else max(at_ms, self._now_ms)
        self.held_e2_ms = self.held_until_e2_ms(now_ms)
        self._now_ms = now_ms
        return now_ms

    def _begin(self, numbered: NumberedFill) -> None:
        self.episode = Episode(opened_seq=numbered.fill_seq, began_ms=numbered.fill.ts_ms)
        self._held_before_e2_ms = self.held_e2_ms
        self._mark_e4 = None  # a mark of before was of the other side, or of nothing

    def _close(self, count_e2: int) -> None:
        while count_e2:
            lot = self._lots.popleft()
            taken = min(count_e2, lot.count_e2)
            count_e2 -= taken
            self._cost_e6 -= taken * lot.price_e4
            if taken < lot.count_e2:
                self._lots.appendleft(attrs.evolve(lot, count_e2=lot.count_e2 - taken))

    def _end(self, at_ms: int) -> None:
        assert self.episode is not None
        held_e2_ms = self.held_e2_ms - self._held_before_e2_ms
        self.last, self.episode = attrs.evolve(self.episode, ended_ms=at_ms, held_e2_ms=held_e2_ms), None

    def _look(self) -> None:
        episode, size, mark_e4 = self.episode, abs(self.position_e2), self._mark_e4
        if episode is None:
            return
        ahead_e6 = 0
        if mark_e4 is not None:
            ahead_e6 = (size * mark_e4 - self._cost_e6) * (1 if self.position_e2 > 0 else -1)
        if size <= episode.largest_e2 and -episode.adverse_e6 <= ahead_e6 <= episode.favourable_e6:
            # The sums are what they were at most; by contract they may be more on a smaller position.
            by_contract = abs(ahead_e6) // size
            if by_contract <= (episode.adverse_e4 if ahead_e6 < 0 else episode.favourable_e4):
                return
        behind_e6, best_e6 = max(0, -ahead_e6), max(0, ahead_e6)
        seen = attrs.evolve(
            episode,
            largest_e2=CountE2(size),
            adverse_e6=MoneyE6(behind_e6),
            favourable_e6=MoneyE6(best_e6),
            adverse_e4=PriceE4(behind_e6 // size),
            favourable_e4=PriceE4(best_e6 // size),
        )
        self.episode = _furthest(episode, seen)


def _furthest(episode: Episode, other: Episode) -> Episode:
    """Returns the episode with whichever is more of each of its measures."""
    return attrs.evolve(
        episode,
        largest_e2=max(episode.largest_e2, other.largest_e2),
        adverse_e6=max(episode.adverse_e6, other.adverse_e6),
        favourable_e6=max(episode.favourable_e6, other.favourable_e6),
        adverse_e4=max(episode.adverse_e4, other.adverse_e4),
        favourable_e4=max(episode.favourable_e4, other.favourable_e4),
    )


@attrs.define
class Episodes:
    """The open episode of every market that is held; fills come in the order of their numbers."""

    _held: dict[str, Inventory] = attrs.field(factory=dict)

    def filled(self, numbered: NumberedFill) -> Episode | None:
        """Takes a fill; returns the episode that it ended."""
        ticker = numbered.fill.ticker
        inventory = self._held.get(ticker) or self._held.setdefault(ticker, Inventory())
        inventory.fill(numbered)
        return self._ended(ticker, inventory)

    def marked(self, ticker: str, mark: Mark, at_ms: int) -> None:
        """Takes the touch at which a position could be closed; of a market that is not held it is nothing."""
        inventory = self._held.get(ticker)
        if inventory is not None:
            inventory.mark(liquidation_mark_e4(CountE2(inventory.position_e2), mark), at_ms)

    def settled(self, ticker: str, value_e4: PriceE4, at_ms: int) -> Episode | None:
        """Takes a settlement; returns the episode that it ended."""
        inventory = self._held.get(ticker)
        if inventory is None:
            return None
        inventory.settle(value_e4, at_ms)
        return self._ended(ticker, inventory)

    def opened_seq(self, ticker: str) -> int | None:
        """Returns the name of a market's open episode, None while it is flat."""
        inventory = self._held.get(ticker)
        return None if inventory is None or inventory.episode is None else inventory.episode.opened_seq

    def open_ones(self, at_ms: int) -> dict[str, Episode]:
        """Returns the open episodes by ticker, with their integrals up to `at_ms`."""
        found = ((ticker, inventory.open_episode(at_ms)) for ticker, inventory in self._held.items())
        return {ticker: episode for ticker, episode in found if episode is not None}

    def recall(self, stored: Iterable[tuple[str, Episode]]) -> None:
        """Takes the excursions that were stored of open episodes (rule 4)."""
        for ticker, episode in stored:
            if ticker in self._held:
                self._held[ticker].recall(episode)

    def _ended(self, ticker: str, inventory: Inventory) -> Episode | None:
        ended, inventory.last = inventory.last, None
        if inventory.position_e2 == 0:
            del self._held[ticker]
        return ended


def begun_again(fills: Sequence[NumberedFill], settled: Collection[str]) -> Steps[Episodes]:
    """Returns the episodes that are open after these fills, oldest first, in steps; `settled` markets hold nothing."""
    held: dict[str, int] = {}
    since: dict[str, list[NumberedFill]] = {}
    for part in slices(fills):
        for numbered in part:
            fill = numbered.fill
            before_e2 = held.get(fill.ticker, 0)
            after_e2 = held[fill.ticker] = before_e2 + fill.side.sign * fill.count_e2
            if before_e2 * after_e2 < 0:  # through zero: what is left of it opens the next one
                rest = attrs.evolve(fill, count_e2=CountE2(abs(after_e2)))
                since[fill.ticker] = [attrs.evolve(numbered, fill=rest)]
            elif before_e2 == 0:
                since[fill.ticker] = [numbered]
            elif after_e2 == 0:
                del since[fill.ticker]
            else:
                since[fill.ticker].append(numbered)
        yield
    episodes = Episodes()
    for ticker, opening in since.items():
        if ticker not in settled:
            for part in slices(opening):
                for numbered in part:
                    episodes.filled(numbered)
                yield
    return episodes
