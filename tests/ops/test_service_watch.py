"""When the watchdog is fed: the pure decision over all states, and the shell on a real socket with a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.messages.control import SystemSnapshot
from actors.messages.lifecycle import Heartbeat
from actors.messages.market import WantedMarkets
from actors.messages.table import CHANNELS
from actors.runtime.mailbox import MailboxStatistics
from actors.runtime.switchboard import Switchboard
from ops.service_notifier import Notifier
from ops.service_watch import (
    CRITICAL,
    EXTEND_EVERY_S,
    LATE_S,
    LOOK_EVERY_S,
    START_MAX_S,
    Action,
    Decision,
    Limits,
    Phase,
    ServiceWatch,
    WatchState,
    decide,
    look_every_s,
    status_text,
)
from tests.ops.service_manager import NotifySocket
from tests.ops.snapshots import market, snapshot, totals

LIMITS = Limits(leave_max_s=26.0)
ages = st.floats(min_value=0.0, max_value=1_000.0)


def _decide(phase: Phase, *, in_phase_s: float, silent_s: Mapping[str, float], now_s: float = 5_000.0) -> Decision:
    state = WatchState(
        phase=phase,
        since_s=now_s - in_phase_s,
        progress_s={name: now_s - age_s for name, age_s in silent_s.items()},
    )
    return decide(state, now_s, LIMITS)


# -- the decision --


@given(st.fixed_dictionaries(dict.fromkeys(CRITICAL, ages)), ages)
def test_a_serving_bot_is_fed_if_and_only_if_nobody_is_late_and_the_late_are_named(
    silent_s: dict[str, float], in_phase_s: float
) -> None:
    decision = _decide(Phase.SERVING, in_phase_s=in_phase_s, silent_s=silent_s)
    # As the decision sees it: the difference of two clock readings, not the age that they were made from.
    late = {name for name, age_s in silent_s.items() if 5_000.0 - (5_000.0 - age_s) > LATE_S}
    assert set(decision.late) == late
    assert decision.action is (Action.WITHHOLD if late else Action.FEED)
    assert all(name in decision.reason for name in late)


@given(st.fixed_dictionaries(dict.fromkeys(CRITICAL, ages)), st.sampled_from(CRITICAL), ages)
def test_more_silence_never_turns_withheld_into_fed(silent_s: dict[str, float], name: str, more_s: float) -> None:
    before = _decide(Phase.SERVING, in_phase_s=2_000.0, silent_s=silent_s)
    after = _decide(Phase.SERVING, in_phase_s=2_000.0, silent_s={**silent_s, name: silent_s[name] + more_s})
    if before.action is Action.WITHHOLD:
        assert after.action is Action.WITHHOLD
        assert set(before.late) <= set(after.late)


@given(st.sets(st.sampled_from(CRITICAL)), ages)
def test_ready_is_said_once_every_critical_actor_has_been_heard_and_never_before(
    heard: set[str], in_phase_s: float
) -> None:
    decision = _decide(Phase.STARTING, in_phase_s=in_phase_s, silent_s=dict.fromkeys(heard, 0.0))
    if heard == set(CRITICAL):
        assert decision.action is Action.READY
    else:
        in_time = 5_000.0 - (5_000.0 - in_phase_s) <= START_MAX_S
        assert decision.action is (Action.EXTEND if in_time else Action.WITHHOLD)
        assert set(decision.late) == set(CRITICAL) - heard


@given(ages)
def test_an_exchange_that_is_away_never_ends_the_boot(in_phase_s: float) -> None:
    assert _decide(Phase.BOOTING, in_phase_s=in_phase_s, silent_s={}).action is Action.EXTEND


@given(ages)
def test_the_way_out_is_fed_until_it_should_be_over_whoever_is_silent(in_phase_s: float) -> None:
    decision = _decide(Phase.LEAVING, in_phase_s=in_phase_s, silent_s={})
    in_time = 5_000.0 - (5_000.0 - in_phase_s) <= LIMITS.leave_max_s
    assert decision.action is (Action.FEED if in_time else Action.WITHHOLD)


@given(st.sampled_from(Phase), ages, st.dictionaries(st.sampled_from(CRITICAL), ages))
def test_only_a_start_is_extended_and_only_the_serving_and_leaving_are_fed(
    phase: Phase, in_phase_s: float, silent_s: dict[str, float]
) -> None:
    decision = _decide(phase, in_phase_s=in_phase_s, silent_s=silent_s)
    assert decision.reason
    if decision.action is Action.FEED:
        assert phase in (Phase.SERVING, Phase.LEAVING)
    if decision.action in (Action.EXTEND, Action.READY):
        assert phase in (Phase.BOOTING, Phase.STARTING)


@given(st.floats(min_value=0.1, max_value=3_600.0))
def test_the_looks_are_well_under_half_of_the_interval_and_at_most_a_second_apart(watchdog_s: float) -> None:
    assert 0.0 < look_every_s(watchdog_s) < watchdog_s / 2
    assert look_every_s(watchdog_s) <= LOOK_EVERY_S


@given(st.fixed_dictionaries(dict.fromkeys(CRITICAL, ages)), st.dictionaries(st.sampled_from(CRITICAL), ages))
def test_mail_that_waits_unread_is_a_stall_whatever_beats(
    silent_s: dict[str, float], unread_s: dict[str, float]
) -> None:
    now_s = 5_000.0
    state = WatchState(
        phase=Phase.SERVING,
        since_s=0.0,
        progress_s={name: now_s - age_s for name, age_s in silent_s.items()},
        unread_since_s={name: now_s - age_s for name, age_s in unread_s.items()},
    )
    late = {
        name for ages_s in (silent_s, unread_s) for name, age_s in ages_s.items() if now_s - (now_s - age_s) > LATE_S
    }
    assert set(decide(state, now_s, LIMITS).late) == late


# -- the sentence --


def test_the_status_names_markets_permit_reason_and_money() -> None:
    picture = snapshot(
        markets=3, permit="withheld", permit_reasons=("ledger silent for 6 s",), totals=totals(is_exact=True)
    )
    picture = attrs.evolve(picture, markets=(*picture.markets[:2], market(9, own_bid=None, own_ask=None)))
    assert status_text(picture) == (
        "simulated: 2 of 3 markets quoted, permit withheld: ledger silent for 6 s, PnL +1.23"
    )


def test_the_status_says_when_the_money_does_not_add_up() -> None:
    assert status_text(snapshot(totals=totals(is_exact=False))).endswith("(NOT EXACT)")


# -- the shell --


class _Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, /) -> None:
        self.lines.append(message)

    debug = warning = error = info


@attrs.define(eq=False)
class _Stage:
    """A watch on a real switchboard and a real socket; which actors beat, and what is shown, is set by the test."""

    manager: NotifySocket
    switchboard: Switchboard
    watch: ServiceWatch
    log: _Log
    beating: set[str] = attrs.field(factory=lambda: set(CRITICAL))
    has_tree: bool = True
    picture: SystemSnapshot | None = None
    heard: list[str] = attrs.field(factory=list)

    async def listen(self) -> None:
        """Reads as a manager does: a datagram socket that nobody reads takes some ten messages and no more."""
        while True:
            self.heard += self.unread()
            await trio.sleep(0.25)

    def unread(self) -> list[str]:
        return [line for message in self.manager.take() for line in message]

    async def beat(self) -> None:
        while True:
            for name in self.beating:
                self.switchboard.outbox(name).publish(Heartbeat(actor=name, incarnation=1, at_s=trio.current_time()))
            await trio.sleep(0.5)

    def lines(self) -> list[str]:
        """Returns what has been heard since the last call."""
        new, self.heard = [*self.heard, *self.unread()], []
        return new


@asynccontextmanager
async def _stage(folder: Path, watchdog_s: float | None = 10.0) -> AsyncIterator[_Stage]:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    log = _Log()
    with NotifySocket(folder, "path") as manager:
        watch = ServiceWatch(
            notifier=Notifier(manager.address),
            watchdog_s=watchdog_s,
            limits=LIMITS,
            mailbox=switchboard.mailbox("service_watch"),
            statistics=switchboard.statistics,
            has_tree=lambda: stage.has_tree,
            snapshot=lambda: stage.picture,
            now=trio.current_time,
            log=log,
        )
        stage = _Stage(manager, switchboard, watch, log)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.beat)
            nursery.start_soon(stage.listen)
            nursery.start_soon(watch.run)  # noqa: ASYNC113 - each test waits long enough for its first look
            try:
                yield stage
            finally:
                nursery.cancel_scope.cancel()
                watch.notifier.close()


async def test_ready_comes_first_then_the_watchdog_is_fed_every_second(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with _stage(tmp_path) as stage:
        await trio.sleep(20.2)
        lines = stage.lines()
        assert lines.count("READY=1") == 1
        assert 18 <= lines.count("WATCHDOG=1") <= 20
        assert lines.index("READY=1") < lines.index("WATCHDOG=1")


async def test_without_a_wanted_watchdog_it_is_ready_and_pings_nobody(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with _stage(tmp_path, watchdog_s=None) as stage:
        await trio.sleep(10.0)
        lines = stage.lines()
        assert "READY=1" in lines
        assert "WATCHDOG=1" not in lines


@pytest.mark.parametrize("name", CRITICAL)
async def test_an_actor_without_progress_ends_the_feeding_and_is_named_once_in_log_and_in_status(
    name: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with _stage(tmp_path) as stage:
        await trio.sleep(5.0)
        stage.beating.remove(name)
        await trio.sleep(LATE_S - 2.0)
        assert "WATCHDOG=1" in stage.lines()
        await trio.sleep(4.0)
        stage.lines()
        await trio.sleep(30.0)
        lines = stage.lines()
        assert "WATCHDOG=1" not in lines
        assert any(line.startswith("STATUS=no progress of") and name in line for line in lines)
        assert sum("no progress" in line and name in line for line in stage.log.lines) == 1
        stage.beating.add(name)
        await trio.sleep(3.0)
        assert "WATCHDOG=1" in stage.lines()
        assert any(line.startswith("progress again") for line in stage.log.lines)


async def test_fill_reconciler_may_fail_to_read_fills_as_long_as_it_keeps_turning(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """An exchange that is away silences its heartbeat; a restart would not bring the exchange back."""
    async with _stage(tmp_path) as stage:
        mailbox = stage.switchboard.mailbox("fill_reconciler")

        async def turn() -> None:
            while True:
                await mailbox.receive(timeout_s=0.75)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(turn)
            await trio.sleep(2.0)
            stage.beating.remove("fill_reconciler")
            await trio.sleep(40.0)
            stage.lines()
            await trio.sleep(3.0)
            assert "WATCHDOG=1" in stage.lines()
            nursery.cancel_scope.cancel()
        await trio.sleep(LATE_S + 2.0)
        stage.lines()
        await trio.sleep(3.0)
        assert "WATCHDOG=1" not in stage.lines()


async def test_a_feed_whose_owner_hangs_is_not_fed_for_although_its_heartbeat_goes_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with _stage(tmp_path) as stage:
        mailbox = stage.switchboard.mailbox("feed")
        outbox = stage.switchboard.outbox("allocation")

        async def own() -> None:
            while True:
                await mailbox.receive()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(own)
            await trio.sleep(40.0)
            stage.lines()
            for n in range(20):  # a quiet mailbox that gets mail is no stall
                outbox.publish(WantedMarkets(owner="allocation", tickers=(f"KX-{n}",)))
                await trio.sleep(1.0)
            assert stage.lines().count("WATCHDOG=1") >= 18
            mailbox.stall(60.0)
            outbox.publish(WantedMarkets(owner="allocation", tickers=("KX-A",)))
            await trio.sleep(LATE_S + 3.0)
            stage.lines()
            await trio.sleep(5.0)
            lines = stage.lines()
            assert "WATCHDOG=1" not in lines
            assert any("no progress of feed" in line for line in lines)
            await trio.sleep(60.0)
            assert "WATCHDOG=1" in stage.lines()
            nursery.cancel_scope.cancel()


async def test_a_boot_asks_for_more_time_every_few_seconds_and_is_not_ready(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with _stage(tmp_path) as stage:
        stage.has_tree = False
        stage.watch._phase = Phase.BOOTING
        await trio.sleep(100.0)
        lines = stage.lines()
        assert lines.count("EXTEND_TIMEOUT_USEC=30000000") == pytest.approx(100.0 / EXTEND_EVERY_S, abs=2)
        assert "READY=1" not in lines
        assert "WATCHDOG=1" not in lines
        stage.has_tree = True
        await trio.sleep(2.0)
        assert "READY=1" in stage.lines()


async def test_a_status_is_said_on_change_and_at_most_once_a_second(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with _stage(tmp_path, watchdog_s=0.6) as stage:
        stage.picture = snapshot()
        await trio.sleep(5.0)
        stage.lines()
        await trio.sleep(10.0)
        assert not [line for line in stage.lines() if line.startswith("STATUS=")], "nothing has changed"
        for n in range(100):
            stage.picture = snapshot(permit_reasons=(f"reason {n}",))
            await trio.sleep(0.1)
        assert 8 <= len([line for line in stage.lines() if line.startswith("STATUS=")]) <= 11


async def test_leaving_is_said_before_anything_else_with_the_time_it_needs_and_is_fed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with _stage(tmp_path) as stage:
        await trio.sleep(5.0)
        stage.lines()
        stage.watch.stopping("SIGTERM")
        stage.beating.clear()
        assert stage.manager.take() == [("STOPPING=1", "EXTEND_TIMEOUT_USEC=26000000", "STATUS=leaving: SIGTERM")]
        await trio.sleep(20.0)
        lines = stage.lines()
        assert lines.count("WATCHDOG=1") >= 18, "actors are stopped on the way out, and that is no stall"
        assert "STOPPING=1" not in lines
        stage.watch.ended("verified flat")
        assert stage.lines() == ["STATUS=verified flat"]


async def test_a_manager_that_is_deaf_for_a_while_still_hears_ready_and_stopping(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with _stage(tmp_path) as stage:
        address, stage.watch.notifier.address = stage.watch.notifier.address, "/nowhere/notify"
        await trio.sleep(5.0)
        assert stage.lines() == []
        assert stage.watch.notifier.failures >= 4
        assert sum("cannot be told" in line for line in stage.log.lines) == 1
        stage.watch.notifier.address = address
        await trio.sleep(2.0)
        assert "READY=1" in stage.lines()
        stage.watch.notifier.address = "/nowhere/notify"
        stage.watch.stopping("SIGTERM")
        stage.watch.notifier.address = address
        await trio.sleep(2.0)
        assert stage.lines().count("STOPPING=1") == 1
        stage.watch.ended("over")
        assert "messages to the service manager were lost" in stage.log.lines[-1]


async def test_a_defect_of_the_watch_ends_the_feeding_and_not_the_bot(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with _stage(tmp_path) as stage:

        def broken() -> Mapping[str, MailboxStatistics]:
            raise RuntimeError("a defect")

        await trio.sleep(3.0)
        stage.watch.statistics = broken
        await trio.sleep(2.0)
        stage.lines()
        await trio.sleep(5.0)
        assert stage.lines() == []
        assert any("a defect" in line for line in stage.log.lines)
