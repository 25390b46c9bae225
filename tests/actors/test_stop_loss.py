"""G2, A5: how old prices are and when they are read over REST; what a position has been through outlives the actor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from actors.messages.market import FeedHealth, ReadMarket, TickerView
from actors.messages.money import KeepExcursion, PositionView, ReadExcursions
from actors.messages.orders import ExitClaim, ReadRequest
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from actors.stop_loss import RECALL_S, StopLoss
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from quant.stop_loss import ExitReason, SeenExcursion, StopLossParameters
from tests.actors.listings import tradable

RULES = tradable("A")
POSITION = PositionView(
    ticker="A",
    position_e2=CountE2(100),
    average_entry_e4=PriceE4(5_000),
    realised_e6=MoneyE6(0),
    unrealised_e6=MoneyE6(0),
    fees_e6=MoneyE6(0),
    mark_e4=None,
    watermark=1,
    opened_seq=1,
)


TRAILING = StopLossParameters(trailing_e4_per_contract=400, take_profit_e4_per_contract=None)


@attrs.define(eq=False)
class Stage:
    """The actor between a feed, risk, a Wire that is asked for prices, and a Ledger that may not answer."""

    parameters: StopLossParameters = attrs.field(factory=StopLossParameters)
    stored: dict[str, SeenExcursion] = attrs.field(factory=dict)
    has_ledger: bool = True
    reads: list[str] = attrs.field(factory=list)
    claims: list[ExitClaim] = attrs.field(factory=list)
    switchboard: Switchboard = attrs.field(factory=lambda: Switchboard(CHANNELS, trio.current_time))

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Runs one life of the actor while the body runs."""
        async with trio.open_nursery() as nursery:
            for name, hear in (("wire", self._wire), ("ledger", self._ledger), ("order_desk", self._desk)):
                nursery.start_soon(self._hear, self.switchboard.mailbox(name), hear)
            nursery.start_soon(self._actor)
            self.switchboard.outbox("discovery").publish(RULES)
            yield
            nursery.cancel_scope.cancel()

    def price(self, bid_e4: int) -> None:
        self.switchboard.outbox("feed").publish(
            TickerView(
                ticker="A",
                yes_bid_e4=PriceE4(bid_e4),
                yes_ask_e4=PriceE4(bid_e4 + 200),
                last_price_e4=None,
                volume_e2=None,
                ts_ms=0,
                heard_at_s=trio.current_time(),
            )
        )

    def position(self, position: PositionView) -> None:
        self.switchboard.outbox("portfolio_risk").publish(position)

    def health(self, silent: frozenset[str] = frozenset()) -> None:
        self.switchboard.outbox("feed").publish(
            FeedHealth(
                connected=True,
                generation=1,
                proof_at_s=trio.current_time(),
                published_at_s=trio.current_time(),
                reconnects=0,
                gaps=0,
                reason="connected",
                silent=silent,
            )
        )

    def _context(self) -> ChildContext:
        return ChildContext(
            name="stop_loss",
            incarnation=1,
            mailbox=self.switchboard.mailbox("stop_loss"),
            outbox=self.switchboard.outbox("stop_loss"),
            seams=virtual_seams(1, 0),
            log=silent_log("stop_loss"),
        )

    async def _actor(self) -> None:
        await StopLoss(self._context(), self.parameters).run(lambda: None)

    async def _hear(self, mailbox: Mailbox, hear: Callable[[object], None]) -> None:
        while True:
            for message in await mailbox.receive(timeout_s=1.0):
                hear(message)

    def _wire(self, message: object) -> None:
        if isinstance(message, ReadRequest) and isinstance(message.read, ReadMarket):
            self.reads.append(message.read.ticker)

    def _ledger(self, message: object) -> None:
        match message:
            case ReadExcursions(reply=reply) if self.has_ledger:
                reply.put(tuple(self.stored.values()))
            case KeepExcursion(seen=seen):
                self.stored[seen.ticker] = seen
            case _:
                pass

    def _desk(self, message: object) -> None:
        if isinstance(message, ExitClaim):
            self.claims.append(message)


@pytest.mark.parametrize(("silent", "is_read"), [(frozenset[str](), False), (frozenset({"A"}), True)])
async def test_a_price_from_a_connection_that_is_down_ages_though_others_are_up(
    silent: frozenset[str], is_read: bool, autojump_clock: trio.testing.MockClock
) -> None:
    stage = Stage()
    async with stage.playing():
        stage.price(4_900)
        stage.position(POSITION)
        for _ in range(140):
            await trio.sleep(0.5)
            stage.health(silent)
        assert bool(stage.reads) is is_read


async def seen_at_its_best() -> Stage:
    """A life that has seen a long of 50 cents at 60, and ended."""
    stage = Stage(TRAILING)
    async with stage.playing():
        stage.position(POSITION)
        stage.price(6_000)
        await trio.sleep(3)
    assert [(seen.opened_seq, seen.excursion.best_touch_e4) for seen in stage.stored.values()] == [(1, 6_000)]
    assert stage.claims == []
    return Stage(TRAILING, stored=stage.stored)


async def test_the_next_life_knows_what_the_position_has_been_through(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = await seen_at_its_best()
    async with stage.playing():
        stage.position(POSITION)
        stage.price(5_600)
        await trio.sleep(1)
    assert [claim.reason for claim in stage.claims] == [ExitReason.TRAILING]


async def test_another_position_of_the_same_side_inherits_nothing(autojump_clock: trio.testing.MockClock) -> None:
    stage = await seen_at_its_best()
    async with stage.playing():
        stage.position(attrs.evolve(POSITION, opened_seq=2))
        stage.price(5_600)
        await trio.sleep(1)
        assert stage.claims == []
        stage.price(6_000)
        await trio.sleep(1)
        stage.position(attrs.evolve(POSITION, opened_seq=3))  # flat and back before anybody was told
        stage.price(5_600)
        await trio.sleep(3)
    assert stage.claims == []
    assert stage.stored["A"].opened_seq == 3


async def test_without_the_ledger_it_begins_anew_within_seconds(autojump_clock: trio.testing.MockClock) -> None:
    stage = await seen_at_its_best()
    stage.has_ledger = False
    async with stage.playing():
        stage.position(POSITION)
        stage.price(5_600)
        await trio.sleep(1)
        stage.price(3_000)
        await trio.sleep(RECALL_S)
    assert [claim.reason for claim in stage.claims] == [ExitReason.STOP_LOSS]
