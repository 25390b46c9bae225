"""MarketActor: quotes one market. It owns nothing that it could not rebuild; it states what it wants and never sends.

Decides at most every DECIDE_EVERY_S, on the newest input. The thinking is that of the strategy which its program has
chosen (`quant.quoting.strategies`); own orders are taken out of
the book before it thinks, or it would chase itself. How the feed is does not concern it: a book that is not live quotes
nothing here, and the desk freezes and withdraws.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import BookCondition, BookView, MarketRules
from actors.messages.money import PositionView
from actors.messages.orders import QuoteTarget, TargetQuotes, WorkingOrders
from actors.runtime.supervisor import ChildContext
from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.own_orders import OwnOrder, others_levels
from quant.quoting.strategies import Memory, StrategyParameters, decide, horizon_cap_s, position_seen
from quant.signals.volatility import VolatilityParameters, VolatilityState, initial, observe, sigma

DECIDE_EVERY_S = 0.05
HEARTBEAT_S = 1.0


@attrs.frozen(kw_only=True)
class MarketParameters:
    """The sizes of one market maker, in 1/100 contracts."""

    order_size_e2: CountE2 = CountE2(1_000)  # ten contracts a quote: small against any book that discovery lets in
    max_position_e2: CountE2 = CountE2(10_000)  # a hundred contracts; risk may allow less


@attrs.define(eq=False)
class MarketMaker:
    """The actor; see the module."""

    context: ChildContext
    ticker: str
    sizes: MarketParameters
    strategy: StrategyParameters
    volatility: VolatilityParameters
    _book: BookView | None = attrs.field(default=None, init=False)
    _rules: MarketRules | None = attrs.field(default=None, init=False)
    _grid: PriceGrid | None = attrs.field(default=None, init=False)
    _position: PositionView | None = attrs.field(default=None, init=False)
    _working: WorkingOrders | None = attrs.field(default=None, init=False)
    _sigma: VolatilityState = attrs.field(init=False)
    _memory: Memory = attrs.field(factory=Memory, init=False)
    _said: TargetQuotes | None = attrs.field(default=None, init=False)
    _beat_s: float = attrs.field(default=-math.inf, init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Quotes until cancelled."""
        self._sigma = initial(self.volatility)
        started()
        now = self.context.seams.now
        next_decision_s = now()
        while True:
            self._take(await self.context.mailbox.receive(timeout_s=HEARTBEAT_S))
            if (wait_s := next_decision_s - now()) > 0:
                self._take(await self.context.mailbox.receive(timeout_s=wait_s))
            if now() >= next_decision_s:
                next_decision_s = now() + DECIDE_EVERY_S
                self._state_wishes()

    def _take(self, batch: tuple[object, ...]) -> None:
        for message in batch:
            match message:
                case BookView():
                    self._book = message
                case MarketRules():
                    self._rules, self._grid = message, PriceGrid(message.price_ranges)
                case PositionView():
                    self._position = message
                    self._memory = position_seen(
                        self._memory,
                        message.position_e2,
                        message.average_entry_e4,
                        message.mark_e4,
                        self.context.seams.now(),
                    )
                case WorkingOrders():
                    self._working = message
                case _:
                    pass

    def _state_wishes(self) -> None:
        decision = self._decide()
        book = self._book
        target = TargetQuotes(
            ticker=self.ticker,
            bid=None if decision.bid is None else _target(decision.bid.price_e4, decision.bid.count_e2),
            ask=None if decision.ask is None else _target(decision.ask.price_e4, decision.ask.count_e2),
            reasons=decision.reasons,
            generation=book.generation if book is not None else -1,
            sequence=book.sequence if book is not None else -1,
            incarnation=self.context.incarnation,
            decided_at_s=self.context.seams.now(),
            fair_value_e4=None if decision.fair_value is None else PriceE4(round(decision.fair_value * 10_000)),
        )
        if self._said is None or not _same_wish(self._said, target):
            self._tell_change(target)
            self._said = target
            self.context.outbox.publish(target)
        self._beat()

    def _beat(self) -> None:
        now_s = self.context.seams.now()
        if now_s - self._beat_s >= HEARTBEAT_S / 2:
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

    def _decide(self) -> QuoteDecision:
        book, rules, grid = self._book, self._rules, self._grid
        if book is None or rules is None or grid is None:
            return QuoteDecision.nothing("waiting for the book and the market's rules")
        if book.condition is not BookCondition.LIVE:
            return QuoteDecision.nothing(f"book is stale: {book.reason}")
        if not rules.is_tradable:
            return QuoteDecision.nothing("the market is not tradable now")
        own = tuple(
            OwnOrder(side=order.side, price_e4=order.price_e4, remaining_e2=order.remaining_e2)
            for order in (self._working.orders if self._working is not None else ())
        )
        bids = others_levels(book.bids, own, Side.BID)
        asks = others_levels(book.asks, own, Side.ASK)
        if not bids or not asks:
            return QuoteDecision.nothing("nobody else quotes both sides")
        mid = (bids[0].price_e4 + asks[0].price_e4) / 20_000
        now_s = self.context.seams.now()
        self._sigma = observe(self._sigma, now_s, mid, self.volatility)
        to_close_s = (rules.close_time_ms - self.context.seams.wall_ms()) / 1000
        step_above = grid.step_above(bids[0].price_e4)
        step_e4 = step_above - bids[0].price_e4 if step_above is not None else 100
        horizon_s = max(1.0, min(to_close_s, horizon_cap_s(self.strategy)))
        inputs = QuoteInputs(
            best_bid=bids[0],
            best_ask=asks[0],
            position_e2=self._position.position_e2 if self._position is not None else CountE2(0),
            max_position_e2=self.sizes.max_position_e2,
            order_size_e2=self.sizes.order_size_e2,
            sigma_dollars_per_sqrt_s=sigma(self._sigma, step_e4=step_e4, price=mid, remaining_s=horizon_s),
            seconds_to_close=to_close_s,
        )
        self._memory, decision = decide(self._memory, inputs, self.strategy, grid, now_s)
        return decision


def _words(quote: QuoteTarget | None) -> str:
    return "none" if quote is None else f"{quote.count_e2 / 100:g} at {quote.price_e4 / 100:g}¢"


def _target(price_e4: PriceE4, count_e2: CountE2) -> QuoteTarget:
    return QuoteTarget(price_e4=price_e4, count_e2=count_e2)


def _same_wish(before: TargetQuotes, after: TargetQuotes) -> bool:
    return (before.bid, before.ask, before.generation, before.reasons) == (
        after.bid,
        after.ask,
        after.generation,
        after.reasons,
    )
