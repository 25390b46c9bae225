"""RefillMaker: the actor of one stake of a refill program, in the place of a MarketMaker.

It differs from that one in what it must not lose: totals, rounds, stops and alerts outlive it in the Ledger. It opens
its stake there, replays the fills that came since, and stores a new round before it wants it
(`quant.quoting.refill_maker` says why). The thinking is that module's; this is the shell that hears, asks and speaks.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from actors.market import DECIDE_EVERY_S, limits_of
from actors.market_voice import HEARTBEAT_S, MarketVoice
from actors.messages.lifecycle import Alert
from actors.messages.market import BookCondition, BookView, MarketRules
from actors.messages.money import FillTape, PositionView, RiskView
from actors.messages.orders import WorkingOrders
from actors.messages.refill import OpenStake, StakeOpened, StakeStored, StoreStake
from actors.runtime.asking import ask_until_answered
from actors.runtime.supervisor import ChildContext
from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6
from kalshi.types import Side
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.maker import Limits
from quant.quoting.own_orders import OwnOrder, others_levels
from quant.quoting.refill import EventParameters, RefillAlert
from quant.quoting.refill_maker import Committed, StakeMaker, committed
from quant.quoting.refill_state import StakeParameters, StakeState
from quant.quoting.refill_storage import decoded, encoded

# A refused round is tried once more with what the store said of the others; after that the next look decides.
TRIES_PER_DECISION = 2


@attrs.define(eq=False)
class RefillMaker:
    """The actor; see the module."""

    context: ChildContext
    ticker: str
    program: str
    event: EventParameters
    max_position_e2: CountE2
    _voice: MarketVoice = attrs.field(init=False)
    _book: BookView | None = attrs.field(default=None, init=False)
    _rules: MarketRules | None = attrs.field(default=None, init=False)
    _grid: PriceGrid | None = attrs.field(default=None, init=False)
    _position_e2: CountE2 = attrs.field(default=CountE2(0), init=False)
    _own: tuple[OwnOrder, ...] = attrs.field(default=(), init=False)
    _limits: Limits = attrs.field(factory=Limits, init=False)
    _counted_seq: int = attrs.field(default=0, init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Quotes until cancelled. Raises StoredStateBroken where the Ledger's row cannot be read."""
        self._voice = MarketVoice(self.context, self.ticker, self.max_position_e2)
        stake = next((each for each in self.event.stakes if each.ticker == self.ticker), None)
        started()  # before the Ledger answers: the supervisor of all markets waits for this
        maker = None if stake is None else await self._opened(stake)
        while True:
            batch = await self.context.mailbox.receive(timeout_s=HEARTBEAT_S)
            has_gap = self._take(batch, maker)
            if maker is None:
                self._voice.state(QuoteDecision.nothing("the program has no stake in this market"), self._book)
                continue
            if has_gap:
                maker = await self._opened(maker.stake)
            decision = await self._decide(maker)
            ceilings = maker.ceiling_e2(Side.BID), maker.ceiling_e2(Side.ASK)
            self._voice.state(decision, self._book, *ceilings)
            await trio.sleep(DECIDE_EVERY_S)

    # -- in --

    async def _opened(self, stake: StakeParameters) -> StakeMaker:
        """Returns the stake as the Ledger has it, with every fill since."""
        opened = await ask_until_answered(
            self.context, lambda slot: OpenStake(program=self.program, ticker=self.ticker, reply=slot)
        )
        assert isinstance(opened, StakeOpened)
        if opened.state:
            state = decoded(opened.state, stake, self.event)
        else:
            state = StakeState(ticker=self.ticker, last_fill_number=opened.opened_seq)
        before_e2 = {Side.BID: int(opened.bought_e2), Side.ASK: int(opened.sold_e2)}
        for numbered in opened.fills:
            before_e2[numbered.fill.side] -= numbered.fill.count_e2
        stored = Committed(count_e2=opened.committed_e2, money_e6=opened.committed_e6)
        maker = StakeMaker(self.event, stake, state, before_e2, stored)
        for numbered in opened.fills:
            maker.fill(numbered.fill_seq, numbered.fill)
        self._counted_seq = opened.last_seq
        self.context.log.info(
            f"the stake has filled {maker.state.filled_e2 / 100:g} contracts for ${maker.state.spent_e6 / 1_000_000:g}"
        )
        return maker

    def _take(self, batch: tuple[object, ...], maker: StakeMaker | None) -> bool:
        """Takes in messages; says whether numbered fills are missing."""
        has_gap = False
        for message in batch:
            match message:
                case BookView():
                    self._book = message
                case WorkingOrders():
                    self._own = message.as_own()
                case MarketRules():
                    self._rules, self._grid = message, PriceGrid(message.price_ranges)
                case PositionView():
                    self._position_e2 = message.position_e2
                case RiskView():
                    self._limits = limits_of(message, self.ticker)
                case FillTape():
                    has_gap = maker is not None and self._take_fills(message, maker)
                case _:
                    pass
        return has_gap

    def _take_fills(self, tape: FillTape, maker: StakeMaker) -> bool:
        if tape.last_seq <= self._counted_seq:
            return False
        if not tape.fills or tape.fills[0].fill_seq > self._counted_seq + 1:
            return True
        for numbered in tape.fills:
            if numbered.fill_seq > self._counted_seq and numbered.fill.ticker == self.ticker:
                maker.fill(numbered.fill_seq, numbered.fill)
        self._counted_seq = tape.last_seq
        return False

    # -- out --

    async def _decide(self, maker: StakeMaker) -> QuoteDecision:
        book, rules, grid = self._book, self._rules, self._grid
        if maker.exceeds_what_is_stored:
            await self._store(maker, maker.state, is_bounded=False)
        if book is None or rules is None or grid is None:
            return QuoteDecision.nothing("waiting for the book and the market's rules")
        if book.condition is not BookCondition.LIVE:
            return QuoteDecision.nothing(f"book is stale: {book.reason}")
        if not rules.is_tradable:
            return QuoteDecision.nothing("the market is not tradable now")
        inputs = self._inputs(book)
        for _ in range(TRIES_PER_DECISION):
            step = maker.proposed(inputs, self.context.seams.wall_ms(), grid)
            if step.state == maker.state:
                return step.decision
            if await self._store(maker, step.state, is_bounded=True):
                self._alert(step.alerts)
                return step.decision
        return QuoteDecision.nothing("the event's other stakes leave no room")

    async def _store(self, maker: StakeMaker, state: StakeState, *, is_bounded: bool) -> bool:
        """Stores a state and takes it over; says no where the event's caps refuse it."""
        now = committed(state)
        text = encoded(state, maker.stake, self.event)
        answer = await ask_until_answered(
            self.context,
            lambda slot: StoreStake(
                program=self.program,
                ticker=self.ticker,
                state=text,
                committed_e2=CountE2(now.count_e2),
                committed_e6=MoneyE6(now.money_e6),
                max_e2=self.event.max_count_e2 if is_bounded else None,
                max_e6=self.event.max_money_e6 if is_bounded else None,
                reply=slot,
            ),
        )
        assert isinstance(answer, StakeStored)
        if answer.is_stored:
            maker.stored(state)
        else:
            maker.refused(Committed(count_e2=answer.others_e2, money_e6=answer.others_e6))
        return answer.is_stored

    def _alert(self, alerts: tuple[RefillAlert, ...]) -> None:
        for alert in alerts:
            text = f"{alert.ticker}: {alert.reason}"
            self.context.log.warning(text)
            self.context.outbox.publish(
                Alert(
                    code="refill_stopped",
                    severity="warning",
                    actor=self.context.name,
                    text=text,
                    at_ms=self.context.seams.wall_ms(),
                )
            )

    def _inputs(self, book: BookView) -> QuoteInputs:
        bids, asks = others_levels(book.bids, self._own, Side.BID), others_levels(book.asks, self._own, Side.ASK)
        limits = self._limits
        return QuoteInputs(
            best_bid=bids[0] if bids else None,
            best_ask=asks[0] if asks else None,
            position_e2=self._position_e2,
            max_position_e2=self.max_position_e2,
            order_size_e2=self.max_position_e2,
            sigma_dollars_per_sqrt_s=0.0,
            max_long_e2=limits.max_long_e2,
            max_short_e2=limits.max_short_e2,
            bid_allowed=Side.BID not in limits.closed_sides,
            ask_allowed=Side.ASK not in limits.closed_sides,
        )
