"""The one way out: bounded, whatever hangs or crashes on it, and honest about how it ended."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.runtime.exit_guard import FINAL_CODES, ExitCode, ExitGuard, ExitReport, conclude, write_report
from actors.runtime.journal import CreateIntended, GroupOpened, Journal
from actors.runtime.latch import ExitLatch
from actors.runtime.sweep import SweepReport
from tests.actors.runtime.exchange_stub import DOWN, ExchangeStub
from tests.actors.runtime.stage import ListLog
from tests.actors.runtime.test_sweep import sweep_of
from tests.quant.orders.sentences import create

DEADLINE_S = 20.0


def guard_of(latch: ExitLatch | None = None) -> ExitGuard:
    return ExitGuard(latch=latch or ExitLatch(), deadline_s=DEADLINE_S, now=trio.current_time)


async def at_once() -> None:
    await trio.lowlevel.checkpoint()


async def never() -> None:
    await trio.sleep_forever()


async def in_a_shield() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(5.0)


async def run(guard: ExitGuard, exchange: ExchangeStub, stop: object = at_once) -> SweepReport:
    return await guard.run(reason="asked", sweep=sweep_of(exchange, {"g1": 0}), stop_actors=stop)  # type: ignore[arg-type]


class TestTheWayOut:
    async def test_closes_the_latch_before_anything_else(self, autojump_clock: MockClock) -> None:
        latch = ExitLatch()
        seen: list[bool] = []

        async def stop() -> None:
            seen.append(latch.is_open)
            await trio.lowlevel.checkpoint()

        await run(guard_of(latch), ExchangeStub(), stop)
        assert (seen, latch.reason) == ([False], "asked")

    async def test_ends_verified_when_the_exchange_answers(self, autojump_clock: MockClock) -> None:
        exchange = ExchangeStub()
        exchange.put("o-1")
        report = await run(guard_of(), exchange)
        assert (report.verified, exchange.resting) == (True, {})

    async def test_does_not_wait_for_actors_before_it_fences(self, autojump_clock: MockClock) -> None:
        exchange = ExchangeStub()
        exchange.put("o-1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, guard_of(), exchange, in_a_shield)
            await trio.sleep(0.1)
            assert exchange.resting == {}

    async def test_fences_a_group_in_which_nothing_rests_for_what_may_still_land(
        self, autojump_clock: MockClock
    ) -> None:
        exchange = ExchangeStub()
        report = await run(guard_of(), exchange)
        assert (report.verified, exchange.shut) == (True, {"g1": 0})

    async def test_is_not_ended_by_actors_that_crash_while_stopping(self, autojump_clock: MockClock) -> None:
        async def crash() -> None:
            await trio.lowlevel.checkpoint()
            raise ValueError("a bug in an actor's end")

        exchange = ExchangeStub()
        exchange.put("o-1", group_id=None)
        report = await run(guard_of(), exchange, crash)
        assert (report.verified, exchange.resting) == (True, {})
        assert report.reason.startswith("two clean lists")
        assert "on the way out: ValueError: a bug in an actor's end" in report.reason

    async def test_ends_in_a_report_even_when_the_sweep_itself_has_a_defect(self, autojump_clock: MockClock) -> None:
        exchange = ExchangeStub()
        exchange.resting["o-1"] = None  # type: ignore[assignment]
        report = await run(guard_of(), exchange)
        assert not report.verified
        assert "on the way out" in report.reason
        assert "AttributeError" in report.reason

    async def test_ends_not_verified_at_its_deadline_when_nobody_answers(self, autojump_clock: MockClock) -> None:
        report = await run(guard_of(), ExchangeStub(hangs={"as_of", "trigger g1"}))
        assert (report.verified, trio.current_time()) == (False, DEADLINE_S)

    async def test_ends_at_its_deadline_when_an_actor_hangs(self, autojump_clock: MockClock) -> None:
        report = await run(guard_of(), ExchangeStub(), never)
        assert (report.verified, trio.current_time()) == (True, DEADLINE_S)

    async def test_cannot_be_cancelled_from_outside(self, autojump_clock: MockClock) -> None:
        exchange = ExchangeStub()
        exchange.put("o-1")
        with trio.CancelScope() as outside:
            outside.cancel()
            report = await run(guard_of(), exchange)
            assert report.verified
        assert exchange.resting == {}


class TestHurry:
    async def test_shortens_the_deadline_once_it_is_under_way(self, autojump_clock: MockClock) -> None:
        guard = guard_of()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, guard, ExchangeStub(always={"as_of": DOWN}))
            await trio.sleep(3.0)
            guard.hurry(1.0)
        assert trio.current_time() == 4.0

    async def test_never_lengthens_it(self, autojump_clock: MockClock) -> None:
        guard = guard_of()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, guard, ExchangeStub(always={"as_of": DOWN}))
            await trio.sleep(19.5)
            guard.hurry(1.0)
        assert trio.current_time() == DEADLINE_S

    @pytest.mark.parametrize(("within_s", "ends_s"), [(1.0, 1.0), (50.0, DEADLINE_S)])
    async def test_counts_from_the_start_where_it_came_first(
        self, autojump_clock: MockClock, within_s: float, ends_s: float
    ) -> None:
        guard = guard_of()
        guard.hurry(within_s)
        await run(guard, ExchangeStub(always={"as_of": DOWN}))
        assert trio.current_time() == ends_s


SWEPT = SweepReport(
    verified=True,
    groups_triggered=("g1",),
    groups_not_triggered=(),
    orders_cancelled=0,
    orders_left=(),
    lists_read=2,
    seconds=1.0,
    reason="two clean lists",
)
UNSWEPT = attrs.evolve(SWEPT, verified=False, groups_triggered=(), groups_not_triggered=("g1",))


def journal_with_an_open_order() -> Journal:
    journal = Journal(lambda line: None)
    journal.write(GroupOpened(group_id="g1", exchange_index=0))
    journal.write(CreateIntended(request=create()))
    return journal


def report_of(journal: Journal, sweep: SweepReport, wanted: ExitCode) -> ExitReport:
    return conclude(journal=journal, sweep=sweep, boot="b", venue="v", reason="why", wanted=wanted, at_ms=9)


class TestTheVerdict:
    @pytest.mark.parametrize("wanted", list(ExitCode))
    def test_of_a_verified_end_is_what_was_wanted(self, wanted: ExitCode) -> None:
        report = report_of(journal_with_an_open_order(), SWEPT, wanted)
        assert (report.exit_code, report.wanted_code, report.verdict) == (wanted, wanted, "verified flat")

    @pytest.mark.parametrize("wanted", list(ExitCode))
    def test_of_an_unverified_end_is_3_except_where_nobody_may_start_us_again(self, wanted: ExitCode) -> None:
        report = report_of(journal_with_an_open_order(), UNSWEPT, wanted)
        assert report.exit_code == (wanted if wanted in FINAL_CODES else ExitCode.NOT_VERIFIED)
        assert report.verdict == "NOT verified"

    def test_knows_the_codes_of_the_design(self) -> None:
        assert {code.name: code.value for code in ExitCode} == {
            "VERIFIED_FLAT": 0,
            "NOT_VERIFIED": 3,
            "FENCED_FROM_OUTSIDE": 4,
            "GAVE_UP_VERIFIED": 5,
            "INVARIANT_BROKEN": 6,  # beyond the design: a service manager must not start that again
            "USAGE": 64,
            "CREDENTIALS": 77,
        }
        assert {4, 6, 64, 77} == FINAL_CODES

    def test_names_every_open_order_unless_nothing_can_rest(self) -> None:
        assert report_of(journal_with_an_open_order(), UNSWEPT, ExitCode.VERIFIED_FLAT).unresolved_orders == ("us-1",)
        assert report_of(journal_with_an_open_order(), SWEPT, ExitCode.VERIFIED_FLAT).unresolved_orders == ()

    def test_is_journaled_so_that_the_next_boot_need_not_fence_again(self) -> None:
        journal = journal_with_an_open_order()
        report_of(journal, SWEPT, ExitCode.VERIFIED_FLAT)
        assert (journal.state.groups_to_fence(), journal.state.orders) == ({}, {})

    def test_is_journaled_so_that_the_next_boot_fences_what_is_not_verified(self) -> None:
        journal = journal_with_an_open_order()
        half_way = attrs.evolve(SWEPT, verified=False)
        report_of(journal, half_way, ExitCode.VERIFIED_FLAT)
        assert (journal.state.groups["g1"].triggered, journal.state.groups_to_fence()) == (True, {"g1": 0})


class TestTheReport:
    def test_is_kept_as_a_file_for_people(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "exit-report.json"
        write_report(report_of(journal_with_an_open_order(), UNSWEPT, ExitCode.VERIFIED_FLAT), path, ListLog())
        told = json.loads(path.read_text())
        assert (told["exit_code"], told["unresolved_orders"], told["reason"]) == (3, ["us-1"], "why")
        assert told["sweep"]["groups_not_triggered"] == ["g1"]

    def test_that_cannot_be_written_is_told_and_survived(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        log = ListLog()
        path = tmp_path / "file" / "exit-report.json"
        write_report(report_of(journal_with_an_open_order(), SWEPT, ExitCode.VERIFIED_FLAT), path, log)
        assert "could not be written" in log.errors()
