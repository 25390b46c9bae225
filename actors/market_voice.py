"""How a market's actor speaks: its wishes where they changed, its heartbeat, and a log line when quoting changes."""

from __future__ import annotations

import math

import attrs

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import BookView
from actors.messages.orders import QuoteTarget, TargetQuotes
from actors.runtime.supervisor import ChildContext
from kalshi.numbers import CountE2, PriceE4
from quant.quoting import decision as decisions
from quant.quoting.decision import QuoteDecision

HEARTBEAT_S = 1.0


@attrs.define(eq=False)
class MarketVoice:
    """One actor's voice in one market."""

    context: ChildContext
    ticker: str
    position_max_e2: CountE2
    _said: TargetQuotes | None = attrs.field(default=None, init=False)
    _said_of: tuple[object, ...] = attrs.field(default=(), init=False)  # what it was made from
    _beat_s: float = attrs.field(default=-math.inf, init=False)

    def state(
        self,
        decision: QuoteDecision,
        book: BookView | None,
        bid_ceiling_e2: CountE2 | None = None,
        ask_ceiling_e2: CountE2 | None = None,
    ) -> None:
        """Publishes what a decision wants where that is news, and a sign of life.

        The ceilings are those of `QuoteTarget.filled_max_e2`.
        """
        generation = book.generation if book is not None else -1
        # Compared before anything is built: most decisions want what the last one wanted.
        wish = (decision.bid, decision.ask, bid_ceiling_e2, ask_ceiling_e2, generation, decision.reasons)
        if wish != self._said_of:
            self._said_of = wish
            self._say(decision, generation, book, bid_ceiling_e2, ask_ceiling_e2)
        self.beat()

    def _say(
        self,
        decision: QuoteDecision,
        generation: int,
        book: BookView | None,
        bid_ceiling_e2: CountE2 | None,
        ask_ceiling_e2: CountE2 | None,
    ) -> None:
        target = TargetQuotes(
            ticker=self.ticker,
            bid=_target(decision.bid, bid_ceiling_e2),
            ask=_target(decision.ask, ask_ceiling_e2),
            reasons=decision.reasons,
            generation=generation,
            sequence=book.sequence if book is not None else -1,
            incarnation=self.context.incarnation,
            decided_at_s=self.context.seams.now(),
            fair_value_e4=None if decision.fair_value is None else PriceE4(round(decision.fair_value * 10_000)),
            position_max_e2=self.position_max_e2,
        )
        if self._said is None or not _same_wish(self._said, target):
            self._tell_change(target)
            self._said = target
            self.context.outbox.publish(target)

    def beat(self) -> None:
        """Publishes a sign of life where one is due."""
        now_s = self.context.seams.now()
        if now_s - self._beat_s >= HEARTBEAT_S:
            self._beat_s = now_s
            self.context.outbox.publish(
                Heartbeat(actor=self.context.name, incarnation=self.context.incarnation, at_s=now_s)
            )

    def _tell_change(self, target: TargetQuotes) -> None:
        """One log line when quoting begins, ends or changes its sides or reasons; prices only at DEBUG."""
        said = self._said
        sides = (target.bid is not None, target.ask is not None)
        if said is None or sides != (said.bid is not None, said.ask is not None) or target.reasons != said.reasons:
            words = {(True, True): "both sides", (True, False): "bid only", (False, True): "ask only"}
            self.context.log.info("; ".join((words.get(sides, "no quotes"), *target.reasons)))
        self.context.log.debug(f"bid {_words(target.bid)}, ask {_words(target.ask)}, fair {target.fair_value_e4}")


def _words(quote: QuoteTarget | None) -> str:
    return "none" if quote is None else f"{quote.count_e2 / 100:g} at {quote.price_e4 / 100:g}¢"


def _target(quote: decisions.QuoteTarget | None, ceiling_e2: CountE2 | None) -> QuoteTarget | None:
    if quote is None:
        return None
    return QuoteTarget(price_e4=quote.price_e4, count_e2=quote.count_e2, filled_max_e2=ceiling_e2)


def _same_wish(before: TargetQuotes, after: TargetQuotes) -> bool:
    return (before.bid, before.ask, before.generation, before.reasons) == (
        after.bid,
        after.ask,
        after.generation,
        after.reasons,
    )
