"""The position episodes as risk follows them, and their rows for reports.

Rules:
1. An episode is told when it has ended, and while it is open whenever it has been further than was told, at most every
   TOLD_EVERY_S: what a crash takes away of an open one is that much.
2. Nobody waits for the Ledger: what finds no room is told later; of ended ones WAITING_MAX at most are kept for that.
3. A beginning goes on with what was told of the episodes that are open still. Told ones that are not have ended while
   nobody looked: they get the present as their end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import attrs

from actors.messages.money import Books, Record
from actors.runtime.stepwise import stepwise
from actors.runtime.supervisor import ChildContext
from kalshi.numbers import PriceE4
from quant.accounting import Mark
from quant.bounded import put_newest
from quant.episodes import Episode, Episodes, begun_again
from quant.fills import NumberedFill

TOLD_EVERY_S: Final = 5.0
WAITING_MAX: Final = 1_000


@attrs.define(eq=False)
class EpisodeLog:
    """The open episodes, and what was told of them."""

    context: ChildContext
    _episodes: Episodes = attrs.field(factory=Episodes, init=False)
    _told: dict[str, Episode] = attrs.field(factory=dict, init=False)
    _ended: dict[tuple[str, int], Episode] = attrs.field(factory=dict, init=False)  # and not told yet
    _next_s: float = attrs.field(default=-math.inf, init=False)

    async def begin(self, books: Books) -> None:
        """Begins with what the Ledger has, and with what was known before where this is not the first time."""
        known = (*books.episodes, *self._episodes.open_ones(self.context.seams.wall_ms()).items())
        episodes = await stepwise(begun_again(books.fills, dict(books.settlements)))
        episodes.recall(known)
        self._episodes, self._told = episodes, {}
        for ticker, stored in known:
            if episodes.opened_seq(ticker) != stored.opened_seq:
                self._end(ticker, attrs.evolve(stored, ended_ms=self.context.seams.wall_ms()))

    def filled(self, fills: Iterable[NumberedFill]) -> None:
        """Takes new fills, in the order of their numbers."""
        for numbered in fills:
            self._end(numbered.fill.ticker, self._episodes.filled(numbered))

    def marked(self, ticker: str, mark: Mark) -> None:
        """Takes a market's touch."""
        self._episodes.marked(ticker, mark, self.context.seams.wall_ms())

    def settled(self, ticker: str, value_e4: PriceE4) -> None:
        """Takes a settlement."""
        self._end(ticker, self._episodes.settled(ticker, value_e4, self.context.seams.wall_ms()))

    def opened_seq(self, ticker: str) -> int | None:
        """Returns the name of a market's open episode, None while it is flat."""
        return self._episodes.opened_seq(ticker)

    def tell(self) -> None:
        """Hands rows to the Ledger as far as it has room."""
        for key, episode in tuple(self._ended.items()):
            if not self._handed_over(key[0], episode):
                return
            del self._ended[key]
        now_s = self.context.seams.now()
        if now_s < self._next_s:
            return
        self._next_s = now_s + TOLD_EVERY_S
        for ticker, episode in self._episodes.open_ones(self.context.seams.wall_ms()).items():
            told = self._told.get(ticker)
            # Its integral grows all the time and can be computed anew: no reason to write.
            if told is None or attrs.evolve(told, held_e2_ms=episode.held_e2_ms) != episode:
                if not self._handed_over(ticker, episode):
                    return
                self._told[ticker] = episode

    def _end(self, ticker: str, episode: Episode | None) -> None:
        if episode is not None:
            self._told.pop(ticker, None)
            put_newest(self._ended, (ticker, episode.opened_seq), episode, WAITING_MAX)

    def _handed_over(self, ticker: str, episode: Episode) -> bool:
        values = (("ticker", ticker), *attrs.asdict(episode).items())
        return self.context.outbox.try_send(Record(table="episodes", values=values))
