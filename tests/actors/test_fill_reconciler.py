"""F1: every fill reaches the Ledger, though messages in hand are lost when an actor crashes."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing

from actors import fill_pages
from actors.fill_pages import PAGES_KEPT
from actors.fill_reconciler import FillParameters, FillReconciler
from actors.messages.lifecycle import Alert
from actors.messages.money import (
    CutoffRead,
    FillMark,
    FillPage,
    FillsComplete,
    FillsRecorded,
    JoinFills,
    OrderRead,
    PrivateFillSeen,
    ReadCutoff,
    ReadFillMark,
    ReadFills,
    ReadOrder,
    RecordFills,
)
from actors.messages.orders import ReadFailed, ReadRequest
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Order, OrderStatus, Side


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


def _order(order_id: str, client_order_id: str) -> Order:
    return Order(
        order_id=order_id,
        client_order_id=client_order_id,
        ticker="T",
        side=Side.BID,
        status=OrderStatus.EXECUTED,
        price_e4=PriceE4(5_000),
        initial_e2=CountE2(100),
        filled_e2=CountE2(100),
        remaining_e2=CountE2(0),
    )


def _at(n: int, ts_ms: int, order_id: str = "o", client_order_id: str | None = None) -> Fill:
    return attrs.evolve(_fill(n), ts_ms=ts_ms, order_id=order_id, client_order_id=client_order_id)


UNKNOWN = FillMark(complete_to_ms=0, seen=())


@attrs.define(eq=False)
class Stage:
    """The reconciler between an exchange and a Ledger that the test plays."""

    pages: list[tuple[Fill, ...]]
    lose_first: int = 0  # so many RecordFills are lost, as in a crash of the Ledger
    fail_reads: int = 0
    stored: list[Fill] = attrs.field(factory=list)
    complete: list[int] = attrs.field(factory=list)
    history: list[tuple[Fill, ...]] = attrs.field(factory=list)  # pages of the historical list
    mark: FillMark = UNKNOWN
    cutoff_ms: int = 0
    by_socket: tuple[tuple[float, Fill], ...] = ()
    owners: dict[str, str] = attrs.field(factory=dict)  # client order ids by order id
    asked: list[object] = attrs.field(factory=list)
    alerts: list[Alert] = attrs.field(factory=list)
    joined: list[JoinFills] = attrs.field(factory=list)

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
        reconciler = FillReconciler(context, FillParameters(), "ours-")
        feed = switchboard.outbox("feed")
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, wire, self._read)
                nursery.start_soon(self._serve, ledger, self._record)
                nursery.start_soon(self._serve, switchboard.mailbox("records"), self._hear)
                nursery.start_soon(reconciler.run, lambda: None)
                for at_s, fill in self.by_socket:
                    await trio.sleep(at_s)
                    feed.publish(PrivateFillSeen(fill=fill))

    async def _serve(self, mailbox: Mailbox, answer: Callable[[object], None]) -> None:
        while True:
            for message in await mailbox.receive():
                answer(message)

    def _read(self, message: object) -> None:
        assert isinstance(message, ReadRequest)
        self.asked.append(message.read)
        match message.read:
            case ReadCutoff():
                message.reply.put(CutoffRead(fills_ms=self.cutoff_ms))
                return
            case ReadOrder(order_id=order_id):
                named = self.owners.get(order_id)
                message.reply.put(
                    OrderRead(order_id=order_id, order=None if named is None else _order(order_id, named))
                )
                return
            case _:
                assert isinstance(message.read, ReadFills)
        if self.fail_reads > 0:
            self.fail_reads -= 1
            message.reply.put(ReadFailed(read=message.read, reason="no answer"))
            return
        place = int(message.read.cursor or 0)
        pages = self.history if message.read.is_historical else self.pages
        following = str(place + 1) if place + 1 < len(pages) else ""
        as_of_ms = 2_000_000 + round(trio.current_time() * 1000)
        since_ms = (message.read.min_ts_s or 0) * 1000
        fills = tuple(fill for fill in (pages[place] if pages else ()) if fill.ts_ms >= since_ms)
        message.reply.put(FillPage(as_of_ms=as_of_ms, fills=fills, cursor=following))

    def _hear(self, message: object) -> None:
        if isinstance(message, Alert):
            self.alerts.append(message)

    def _record(self, message: object) -> None:
        match message:
            case RecordFills() if self.lose_first > 0:
                self.lose_first -= 1
            case RecordFills():
                self.stored += message.fills
                message.reply.put(FillsRecorded(new=len(message.fills), last_seq=len(self.stored)))
            case ReadFillMark():
                message.reply.put(self.mark)
            case JoinFills():
                self.joined.append(message)
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
    stage = Stage([(_at(1, 2_010_000),)])  # so young that every look of ten seconds shows it
    await stage.run(10)
    assert len(stage.complete) > 5
    assert len(stage.stored) == 1


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


def _ids(stage: Stage) -> list[str]:
    return [fill.fill_id for fill in stage.stored]


KNOWN = FillMark(complete_to_ms=1_000_000, seen=())


async def test_a_fill_lost_by_the_socket_is_found_though_a_much_newer_one_came_by_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    # REST fails meanwhile: the newest known fill is ten minutes past the lost one.
    stage = Stage([(_at(2, 1_600_000), _at(1, 1_000_000))], fail_reads=2, mark=KNOWN)
    stage.by_socket = ((0.1, _at(2, 1_600_000)),)
    await stage.run(5)
    assert sorted(_ids(stage)) == ["f1", "f2"]


async def test_a_restart_reads_on_from_the_mark_less_the_overlap_and_hands_over_nothing_known(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage([(_at(3, 2_000_000), _at(2, 990_000), _at(1, 5_000))])
    stage.mark = FillMark(complete_to_ms=1_000_000, seen=(("o", "f2"),))
    await stage.run(0.5)
    assert _ids(stage) == ["f3"]
    assert [read.min_ts_s for read in stage.asked if isinstance(read, ReadFills)] == [940]


async def test_a_mark_behind_the_cut_off_reads_the_historical_list_too_and_first_hands_over_what_is_older(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage([(_at(4, 5_000_000),), (_at(3, 4_000_000),)], mark=KNOWN, cutoff_ms=3_000_000)
    stage.history = [(_at(2, 2_000_000),), (_at(1, 1_500_000),)]
    await trio.sleep(2_000)  # past the time after which a mark is old
    await stage.run(0.5)
    assert _ids(stage) == ["f1", "f2", "f3", "f4"]


async def test_a_mark_that_is_young_asks_for_no_cut_off(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage([()], mark=KNOWN)
    await stage.run(3)
    assert ReadCutoff() not in stage.asked


async def test_without_a_mark_everything_is_read_and_old_fills_are_no_news(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage([(_at(2, 2_000, "theirs"),)], history=[(_at(1, 1_000, "theirs"),)])
    await stage.run(0.5)
    assert _ids(stage) == ["f1", "f2"]
    assert stage.alerts == []


async def test_after_a_long_outage_a_bounded_number_of_pages_is_held_and_the_order_is_still_that_of_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    count = 3 * PAGES_KEPT
    stage = Stage([(_fill(n),) for n in reversed(range(count))], mark=KNOWN)
    await stage.run(0.5)
    assert _ids(stage) == [f"f{n}" for n in range(count)]
    read_again = sum(isinstance(read, ReadFills) for read in stage.asked) - count
    assert read_again == count - PAGES_KEPT - 1, "the pages let go are read again, the first and the kept ones not"


async def test_pages_without_end_are_told_and_nothing_counts_as_complete(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_pages, "PAGES_MAX", 3)
    stage = Stage([(_fill(n),) for n in range(9)], mark=KNOWN)
    await stage.run(0.5)
    assert stage.complete == []
    assert [alert.code for alert in stage.alerts] == ["fills_endless"]


async def test_both_sides_of_a_trade_with_ourselves_are_two_fills(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage([(_at(1, 2_000_000, "a"), _at(1, 2_000_000, "b"))], mark=KNOWN)
    await stage.run(0.5)
    assert sorted(fill.order_id for fill in stage.stored) == ["a", "b"]


async def test_a_listed_fill_is_joined_to_its_order_and_only_anothers_is_alarmed_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fills = (_at(4, 2_000_000, "gone"), _at(3, 2_000_000, "b"), _at(2, 2_000_000, "b"), _at(1, 2_000_000, "a"))
    stage = Stage([fills], mark=KNOWN, owners={"a": "ours-1", "b": "by-hand"})
    await stage.run(5)
    assert len(stage.stored) == 4, "booked like any other"
    assert [(join.order_id, join.client_order_id) for join in stage.joined] == [("a", "ours-1"), ("b", "by-hand")]
    assert [alert.code for alert in stage.alerts] == ["foreign_fill", "foreign_fill"]
    assert ["(b)" in stage.alerts[0].text, "(gone)" in stage.alerts[1].text] == [True, True]
    assert sum(isinstance(read, ReadOrder) for read in stage.asked) == 3


async def test_a_streamed_fill_says_itself_whose_it_is(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage([()], mark=KNOWN)
    stage.by_socket = ((0.1, _at(1, 2, "a", "ours-1")), (0.1, _at(2, 2, "b", "other")), (0.1, _at(3, 2, "b", "other")))
    await stage.run(2)
    assert [alert.code for alert in stage.alerts] == ["foreign_fill"]
    assert not any(isinstance(read, ReadOrder) for read in stage.asked)
