"""A refill stake's actor: it stores a round before it wants it, and begins again where its predecessor left."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio
import trio.testing

from actors.ledger import Ledger
from actors.messages.lifecycle import Alert
from actors.messages.money import RecordFills
from actors.messages.orders import TargetQuotes
from actors.messages.refill import StoreStake
from actors.messages.table import CHANNELS
from actors.refill import RefillMaker
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Fill, Side
from quant.quoting.refill import EventParameters
from quant.quoting.refill_state import StakeParameters, StakeSides
from tests.actors.listings import live_book, tradable
from tests.quant.builders import fill

STAKE = StakeParameters(
    ticker="M",
    count_e2=CountE2(1_000),
    sides=StakeSides.YES,
    yes_price_e4=PriceE4(4_500),
    max_count_e2=CountE2(2_000),
    cooldown_s=0.0,
)
EVENT = EventParameters(stakes=(STAKE,))


class Stage:
    """One stake's actor over a real Ledger, between a feed, a desk and a reconciler that the test plays."""

    def __init__(self, path: Path) -> None:
        self.switchboard = Switchboard(CHANNELS, trio.current_time)
        self.desk, self.records = self.switchboard.mailbox("order_desk"), self.switchboard.mailbox("records")
        self.reconciler = self.switchboard.mailbox("fill_reconciler")
        self._path = path
        self._lives = 0

    def _context(self, name: str) -> ChildContext:
        self._lives += 1
        self.switchboard.mailbox(name)
        self.switchboard.reincarnate(name, self._lives)
        return ChildContext(
            name=name,
            incarnation=self._lives,
            mailbox=self.switchboard.mailbox(name),
            outbox=self.switchboard.outbox(name),
            seams=virtual_seams(1, 1_700_000_000_000),
            log=silent_log(name),
        )

    def start_ledger(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(Ledger(self._context("ledger"), self._path).run, lambda: None)

    def start_maker(self, nursery: trio.Nursery, event: EventParameters = EVENT) -> trio.CancelScope:
        scope = trio.CancelScope()
        maker = RefillMaker(self._context("market:M"), "M", "stakes", event, CountE2(100_000))

        async def live() -> None:
            with scope:
                await maker.run(lambda: None)

        nursery.start_soon(live)
        return scope

    def show(self) -> None:
        self.switchboard.outbox("discovery").publish(tradable("M"))
        self.switchboard.outbox("feed").publish(live_book("M"))

    async def fill(self, one: Fill) -> None:
        slot = self.reconciler.reply_slot()
        await self.switchboard.outbox("fill_reconciler").send(RecordFills(fills=(one,), source="rest", reply=slot))
        await slot.get()

    async def wish(self) -> TargetQuotes:
        await trio.sleep(2.5)
        return [m for m in await self.desk.receive() if isinstance(m, TargetQuotes)][-1]


def bought(count_e2: int, number: int) -> Fill:
    return fill(Side.BID, 4_500, count_e2, fill_id=f"f{number}", ts_ms=1_700_000_000_000)


async def test_rounds_follow_fills_stop_at_the_cap_with_one_alert_and_outlive_the_actor(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage(tmp_path / "ledger.sqlite")
        stage.start_ledger(nursery)
        await trio.sleep(0.1)
        await stage.fill(bought(300, 0))  # before the stake: not its own
        scope = stage.start_maker(nursery)
        stage.show()
        first = await stage.wish()
        assert first.bid is not None
        assert (first.bid.price_e4, first.bid.count_e2, first.bid.filled_max_e2) == (4_500, 1_000, 1_300)

        await stage.fill(bought(400, 1))
        partly = await stage.wish()
        assert partly.bid is not None
        assert (partly.bid.count_e2, partly.bid.filled_max_e2) == (600, 1_300)

        scope.cancel()
        await trio.sleep(0.1)
        await stage.fill(bought(100, 2))  # while nobody is there
        scope = stage.start_maker(nursery)
        again = await stage.wish()
        assert again.bid is not None
        assert (again.bid.count_e2, again.bid.filled_max_e2) == (500, 1_300)

        await stage.fill(bought(500, 3))
        second = await stage.wish()
        assert second.bid is not None
        assert (second.bid.count_e2, second.bid.filled_max_e2) == (1_000, 2_300)

        await stage.fill(bought(1_000, 4))
        stopped = await stage.wish()
        assert (stopped.bid, stopped.reasons) == (None, ("bid: stopped, max shares of the stake reached",))
        alerts = [m for m in await stage.records.receive() if isinstance(m, Alert)]
        assert [(alert.code, alert.text) for alert in alerts] == [
            ("refill_stopped", "M: max shares of the stake reached")
        ]

        scope.cancel()
        await trio.sleep(0.1)
        scope = stage.start_maker(nursery)
        assert (await stage.wish()).bid is None
        assert [m for m in await stage.records.receive(timeout_s=0.0) if isinstance(m, Alert)] == []
        scope.cancel()
        await trio.sleep(0.1)
        raised = attrs.evolve(EVENT, stakes=(attrs.evolve(STAKE, max_count_e2=CountE2(3_000)),))
        stage.start_maker(nursery, raised)
        onward = await stage.wish()
        assert onward.bid is not None
        assert (onward.bid.count_e2, onward.bid.filled_max_e2) == (1_000, 3_300)
        nursery.cancel_scope.cancel()


async def test_nothing_is_wanted_before_the_ledger_has_stored_it(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage(tmp_path / "ledger.sqlite")
        with trio.CancelScope() as life:
            async with trio.open_nursery() as ledger_nursery:
                stage.start_ledger(ledger_nursery)
                await trio.sleep(0.1)
                stage.start_maker(nursery)
                await trio.sleep(1.5)
                await stage.desk.receive(timeout_s=0.0)
                life.cancel()
        stage.show()
        await trio.sleep(3.0)
        wishes = [m for m in await stage.desk.receive(timeout_s=0.0) if isinstance(m, TargetQuotes)]
        assert all(wish.bid is None for wish in wishes), "a round was wanted that nobody has stored"
        stage.start_ledger(nursery)
        assert (await stage.wish()).bid is not None
        nursery.cancel_scope.cancel()


async def test_a_market_without_a_stake_says_so(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage(tmp_path / "ledger.sqlite")
        stage.start_ledger(nursery)
        stage.start_maker(nursery, EventParameters())
        stage.show()
        assert (await stage.wish()).reasons == ("the program has no stake in this market",)
        nursery.cancel_scope.cancel()


def test_storing_is_a_message_that_waits() -> None:
    assert next(spec for spec in CHANNELS if spec.message is StoreStake).policy.value == "block"
