"""F1: every fill reaches the Ledger, though messages in hand are lost when an actor crashes."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs
import trio
import trio.testing

from actors.fill_reconciler import FillParameters, FillReconciler
from actors.messages.money import FillPage, FillsComplete, FillsRecorded, ReadFills, RecordFills
from actors.messages.orders import ReadFailed, ReadRequest
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side


def _fill(n: int) -> Fill:
    return Fill(
        fill_id=f"f{n}",
        order_id="o",
        ticker="T",
        side=Side.BID,
        price_e4=PriceE4(5_000),
        count_e2=CountE2(100),
        fee_e6=MoneyE6(0),
        is_taker=False,
        ts_ms=1_000_000 + n,
    )


@attrs.define(eq=False)
class Stage:
    """The reconciler between an exchange and a Ledger that the test plays."""

    pages: list[tuple[Fill, ...]]
    lose_first: int = 0  # so many RecordFills are lost, as in a crash of the Ledger
    fail_reads: int = 0
    stored: list[Fill] = attrs.field(factory=list)
    complete: list[int] = attrs.field(factory=list)

    async def run(self, seconds: float) -> None:
        switchboard = Switchboard(CHANNELS, trio.current_time)
        seams = Seams(
            now=trio.current_time,
            wall_ms=lambda: round(trio.current_time() * 1000),
            rng=random.Random(1),
            new_id=lambda: "id",
            offload=None,  # type: ignore[arg-type]
        )
        wire, ledger = switchboard.mailbox("wire"), switchboard.mailbox("ledger")
        context = ChildContext(
            name="fill_reconciler",
            incarnation=1,
            mailbox=switchboard.mailbox("fill_reconciler"),
            outbox=switchboard.outbox("fill_reconciler"),
            seams=seams,
            log=silent_log("fill_reconciler"),
        )
        reconciler = FillReconciler(context, FillParameters())
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, wire, self._read)
                nursery.start_soon(self._serve, ledger, self._record)
                nursery.start_soon(reconciler.run, lambda: None)

    async def _serve(self, mailbox: Mailbox, answer: Callable[[object], None]) -> None:
        while True:
            for message in await mailbox.receive():
                answer(message)

    def _read(self, message: object) -> None:
        assert isinstance(message, ReadRequest)
        assert isinstance(message.read, ReadFills)
        if self.fail_reads > 0:
            self.fail_reads -= 1
            message.reply.put(ReadFailed(read=message.read, reason="no answer"))
            return
        place = int(message.read.cursor or 0)
        following = str(place + 1) if place + 1 < len(self.pages) else ""
        as_of_ms = 2_000_000 + round(trio.current_time() * 1000)
        fills = self.pages[place] if self.pages else ()
        message.reply.put(FillPage(as_of_ms=as_of_ms, fills=fills, cursor=following))

    def _record(self, message: object) -> None:
        match message:
            case RecordFills() if self.lose_first > 0:
                self.lose_first -= 1
            case RecordFills():
                self.stored += message.fills
                message.reply.put(FillsRecorded(new=len(message.fills), last_seq=len(self.stored)))
            case FillsComplete():
                self.complete.append(message.complete_to_ms)
            case _:
                pass


async def test_pages_come_newest_first_and_reach_the_ledger_oldest_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage([(_fill(4), _fill(3)), (_fill(2), _fill(1))])
    await stage.run(0.5)
    assert [fill.fill_id for fill in stage.stored] == ["f1", "f2", "f3", "f4"]


async def test_a_fill_is_handed_over_once_however_often_it_is_read(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage([(_fill(1),)])
    await stage.run(10)
    assert len(stage.stored) == 1
    assert len(stage.complete) > 5


async def test_a_delivery_lost_in_a_crash_of_the_ledger_is_made_again(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage([(_fill(1),)], lose_first=2)
    await stage.run(10)
    assert [fill.fill_id for fill in stage.stored] == ["f1"]
    assert stage.complete, "completeness was never announced again"


async def test_completeness_is_announced_only_after_every_page_was_read(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage([(_fill(1),)], fail_reads=3)
    await stage.run(1.6)
    assert stage.complete == []
    await stage.run(3)
    assert stage.complete
