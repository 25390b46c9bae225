"""MarketActor: quotes one market. It owns nothing that it could not rebuild; it states what it wants and never sends.

Decides at most every DECIDE_EVERY_S, on the newest input. The thinking is that of `quant.quoting.maker`, by the
strategy which its program has chosen; this is the shell that hears and speaks. How the feed is does not concern it: a
book that is not live quotes nothing here, and the desk freezes and withdraws.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import trio

from actors.market_records import MarketRecords
from actors.market_voice import HEARTBEAT_S, MarketVoice
from actors.messages.market import BookCondition, BookView, MarketRules, ProgramTerms
from actors.messages.money import FillTape, PositionView, RiskView
from actors.messages.orders import WorkingOrders
from actors.messages.volatility import QuoteDirective
from actors.runtime.pacer import Pacer
from actors.runtime.supervisor import ChildContext
from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2
from quant.quoting.decision import QuoteDecision
from quant.quoting.directive import Directive
from quant.quoting.incentive import IncentiveParameters
from quant.quoting.maker import Limits, Maker, MakerParameters

DECIDE_EVERY_S = 0.05
ACCRUAL_TOLD_EVERY_S = 60.0


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
    program: str  # its owner: nobody else's directives count
    parameters: MakerParameters
    pacer: Pacer = attrs.Factory(lambda self: Pacer(self.context.seams.now), takes_self=True)
    _maker: Maker = attrs.field(init=False)
    _voice: MarketVoice = attrs.field(init=False)
    _records: MarketRecords = attrs.field(init=False)
    _book: BookView | None = attrs.field(default=None, init=False)
    _fills_heard: int | None = attrs.field(default=None, init=False)
    _accrual_told_s: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._maker = Maker(self.parameters)
        self._voice = MarketVoice(self.context, self.ticker, self.parameters.max_position_e2)
        self._records = MarketRecords(self.context, self.ticker, self.program)

    async def run(self, started: Callable[[], None]) -> None:
        """Quotes until cancelled."""
        started()
        try:
            await self._quote()
        finally:
            self._records.close()

    async def _quote(self) -> None:
        while True:
            # One scope for many waits: one for each, as a time limit of `receive` is, cost a tenth of the actor.
            with trio.CancelScope() as patience:
                await self._quote_on_news(patience)
            self.turn(())  # time alone may have changed what is wanted

    async def _quote_on_news(self, patience: trio.CancelScope) -> None:
        """Decides whenever something has come; cancelled by its own patience when nothing does for HEARTBEAT_S."""
        now, mailbox = self.context.seams.now, self.context.mailbox
        next_decision_s = patience_renewed_s = -math.inf
        while True:
            if now() - patience_renewed_s > HEARTBEAT_S / 2:
                patience_renewed_s = now()
                patience.deadline = patience_renewed_s + HEARTBEAT_S
            batch = await mailbox.receive()
            if now() < next_decision_s:
                # Slept through, and not listened through: in a lively market the next news have come by then.
                self._take(batch)
                await self.pacer.until(next_decision_s)
                batch = mailbox.receive_nowait()
            next_decision_s = now() + DECIDE_EVERY_S
            self.turn(batch)

    def turn(self, batch: tuple[object, ...]) -> None:
        """Takes in what has come, decides, and says what is wanted."""
        self._take(batch)
        self._voice.state(self._decide(), self._book)
        if isinstance(self.parameters.strategy, IncentiveParameters):
            self._tell_accrual()
        self._records.observe(self._book)

    def _take(self, batch: tuple[object, ...]) -> None:
        for message in batch:
            match message:
                case BookView():
                    self._book = message
                case WorkingOrders():
                    self._records.orders_seen(message)
                    self._maker.orders_seen(message.as_own())
                case MarketRules():
                    self._maker.rules_seen(
                        PriceGrid(message.price_ranges),
                        message.close_time_ms,
                        message.category,
                        is_tradable=message.is_tradable,
                        maker_fee_rate=0.0 if message.fees is None else message.fees.maker_rate,
                    )
                case PositionView():
                    now_s = self.context.seams.now()
                    self._maker.position_seen(message.position_e2, message.average_entry_e4, message.mark_e4, now_s)
                case RiskView():
                    self._maker.limits_seen(limits_of(message, self.ticker))
                case FillTape():
                    self._records.fills_seen(message)
                    self._take_fills(message)
                case ProgramTerms():
                    self._maker.programs_seen(message.programs)
                case QuoteDirective(program=self.program):
                    self._maker.directed(directive_of(message))
                case _:
                    pass

    def _take_fills(self, tape: FillTape) -> None:
        """Fills from before this actor lived say nothing about its quotes: they would be marked out at wrong times."""
        heard, self._fills_heard = self._fills_heard, tape.last_seq
        if heard is None or tape.last_seq == heard:
            return
        for numbered in tape.fills:
            fill = numbered.fill
            if numbered.fill_seq > heard and fill.ticker == self.ticker:
                self._maker.filled(fill.side, fill.price_e4, fill.count_e2, self.context.seams.now())

    def _decide(self) -> QuoteDecision:
        book = self._book
        if book is None:
            return QuoteDecision.nothing("waiting for the book and the market's rules")
        if book.condition is not BookCondition.LIVE:
            return QuoteDecision.nothing(f"book is stale: {book.reason}")
        seams = self.context.seams
        return self._maker.decide(book.bids, book.asks, seams.now(), seams.wall_ms())

    def _tell_accrual(self) -> None:
        now_s = self.context.seams.now()
        if now_s - self._accrual_told_s >= ACCRUAL_TOLD_EVERY_S:
            self._accrual_told_s = now_s
            self.context.log.info(f"shadow accrual since the start: ${self._maker.accrued_e6 / 1_000_000:.4f}")


def limits_of(view: RiskView, ticker: str) -> Limits:
    """Returns risk's word on one market; none where it says nothing of it, and the desk then quotes nothing there."""
    for cap in view.caps:
        if cap.ticker == ticker:
            return Limits(
                max_long_e2=cap.max_long_e2, max_short_e2=cap.max_short_e2, closed_sides=tuple(cap.closed_sides)
            )
    return Limits()


def directive_of(message: QuoteDirective) -> Directive:
    """Returns a directive as the maker knows it."""
    return Directive(
        mode=message.mode,
        valid_until_s=message.valid_until_s,
        exit_limit_e4=message.exit_limit_e4,
        reasons=message.reasons,
    )
