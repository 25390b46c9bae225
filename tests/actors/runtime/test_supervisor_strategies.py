"""one_for_all and rest_for_one: whom a restart concerns, in which order, and how crashes overlap (I15)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from actors.runtime.lifecycle import ExitKind
from actors.runtime.supervision import Restart, RestartWindow, Strategy
from actors.runtime.supervisor import ChildContext, ChildState, Escalated
from tests.actors.runtime.stage import (
    Script,
    Stage,
    child,
    crash_at_once,
    crashing_after,
    live_on,
    return_at_once,
    state_of,
    status_of,
)


def incarnations(stage: Stage, supervisor_names: str) -> list[int]:
    return [len(stage.starts(name)) for name in supervisor_names]


def starting_in(seconds: float, then: Script = live_on) -> Script:
    """Returns a script whose later lives need that long to start."""

    async def script(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation > 1:
            await trio.sleep(seconds)
        await then(context, started)

    return script


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        (Strategy.ONE_FOR_ONE, ["b crashed", "b started"]),
        (Strategy.REST_FOR_ONE, ["b crashed", "d stopped", "c stopped", "b started", "c started", "d started"]),
        (
            Strategy.ONE_FOR_ALL,
            ["b crashed", "d stopped", "c stopped", "a stopped", "a started", "b started", "c started", "d started"],
        ),
    ],
)
async def test_each_strategy_restarts_whom_otp_says_in_the_order_otp_says(
    strategy: Strategy, told: list[str], autojump_clock: MockClock
) -> None:
    stage = Stage()
    scripts = {"a": live_on, "b": crashing_after(1), "c": live_on, "d": live_on}
    supervisor = stage.supervisor(*(child(name, script) for name, script in scripts.items()), strategy=strategy)
    async with stage.running(supervisor):
        await trio.sleep(5)
        assert stage.told()[4:] == told


async def test_one_crash_of_many_children_costs_one_restart(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = (child("a", live_on), child("b", crashing_after(1)), child("c", live_on))
    supervisor = stage.supervisor(*children, strategy=Strategy.ONE_FOR_ALL, window=RestartWindow(1, 60))
    async with stage.running(supervisor):
        await trio.sleep(5)
        assert incarnations(stage, "abc") == [2, 2, 2]


async def test_temporary_siblings_go_for_good_and_finished_transient_ones_come_back(
    autojump_clock: MockClock,
) -> None:
    """As in OTP: a temporary child's spec goes with it, a transient one's stays in the list and is started again."""
    stage = Stage()
    children = (
        child("a", crashing_after(1)),
        child("b", live_on, Restart.TEMPORARY),
        child("c", return_at_once, Restart.TRANSIENT),
    )
    async with stage.running(stage.supervisor(*children, strategy=Strategy.ONE_FOR_ALL)) as supervisor:
        await trio.sleep(0.5)
        assert state_of(supervisor, "c") is ChildState.FINISHED
        await trio.sleep(5)
        assert [status.name for status in supervisor.children()] == ["a", "c"]
    assert incarnations(stage, "abc") == [2, 1, 2]


async def test_a_crash_of_a_temporary_child_concerns_nobody(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = (child("a", live_on), child("b", crash_at_once, Restart.TEMPORARY))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.ONE_FOR_ALL)):
        await trio.sleep(5)
    assert incarnations(stage, "ab") == [1, 1]


async def test_a_quarantined_child_is_left_out_of_its_siblings_restart(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = (child("a", crashing_after(10)), child("b", crash_at_once))
    supervisor = stage.supervisor(
        *children, strategy=Strategy.REST_FOR_ONE, quarantine=RestartWindow(1, 100), window=RestartWindow(9, 9)
    )
    async with stage.running(supervisor):
        await trio.sleep(20)
        assert state_of(supervisor, "b") is ChildState.QUARANTINED
    assert incarnations(stage, "ab") == [2, 2]


async def test_siblings_are_down_during_the_back_off_and_start_after_it(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = (child("a", crashing_after(1, 1)), child("b", live_on))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE)) as supervisor:
        await trio.sleep(2.25)
        assert [state_of(supervisor, name) for name in "ab"] == [ChildState.BACKING_OFF, ChildState.STOPPED]
    assert [event.at_s for event in stage.starts("b")] == [0, 1]


async def test_a_sibling_that_crashes_while_it_is_being_stopped_is_absorbed(autojump_clock: MockClock) -> None:
    """Rule 3: its crash is told, but costs nothing and starts no second recovery."""
    stage = Stage()

    async def clumsy(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        try:
            await trio.sleep_forever()
        finally:
            if context.incarnation == 1:
                raise ValueError("clumsy")

    children = (child("a", crashing_after(1)), child("b", clumsy))
    supervisor = stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE, window=RestartWindow(1, 60))
    async with stage.running(supervisor):
        await trio.sleep(5)
        assert stage.told()[2:] == ["a crashed", "b crashed", "a started", "b started"]


async def test_a_failed_start_in_the_middle_is_tried_again_from_there(autojump_clock: MockClock) -> None:
    """rest_for_one: the child before the failing one stays up, as OTP's try_again does."""
    stage = Stage()

    async def unlucky(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation == 2:
            raise ValueError("unlucky")
        await live_on(context, started)

    children = (child("a", crashing_after(1)), child("b", unlucky), child("c", live_on))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE)):
        await trio.sleep(5)
        assert incarnations(stage, "abc") == [2, 2, 2]
        assert stage.told()[3:] == [
            "a crashed",
            "c stopped",
            "b stopped",
            "a started",
            "b crashed",
            "b started",
            "c started",
        ]


async def test_a_failed_start_under_one_for_all_stops_those_already_started(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def unlucky(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation == 2:
            raise ValueError("unlucky")
        await live_on(context, started)

    children = (child("a", crashing_after(1)), child("b", unlucky))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.ONE_FOR_ALL)):
        await trio.sleep(5)
        assert stage.told()[2:] == [
            "a crashed",
            "b stopped",
            "a started",
            "b crashed",
            "a stopped",
            "a started",
            "b started",
        ]


async def test_a_crash_before_a_recovery_takes_it_over(autojump_clock: MockClock) -> None:
    """c's recovery sleeps its back-off when a crashes: one recovery goes on, and everybody starts once."""
    stage = Stage()
    children = (
        child("a", crashing_after(3.25)),
        child("b", live_on),
        child("c", crashing_after(1, 1, 1)),
        child("d", live_on),
    )
    supervisor = stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE, window=RestartWindow(9, 60))
    async with stage.running(supervisor):
        await trio.sleep(20)
        assert all(status.state is ChildState.RUNNING for status in supervisor.children())
    assert [event.at_s for event in stage.starts("b")] == [0, 3.25]
    assert [event.at_s for event in stage.starts("c")] == [
        0,
        1,
        2.5,
        3.25,
    ]
    assert incarnations(stage, "abcd") == [2, 2, 4, 4]


async def test_a_crash_during_the_stops_of_a_recovery_loses_no_stop(autojump_clock: MockClock) -> None:
    """b restarts, which stops c slowly; meanwhile a crashes and takes over: c is stopped, a, b and c start once."""
    stage = Stage()

    async def slow_stop(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(1, shield=True):
                await trio.sleep_forever()

    children = (child("a", crashing_after(1.5)), child("b", crashing_after(1)), child("c", slow_stop))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE)):
        await trio.sleep(1.9)
        assert stage.told()[3:] == ["b crashed", "a crashed"]
        await trio.sleep(3)
        assert stage.told()[5:] == ["c stopped", "a started", "b started", "c started"]


async def test_a_crash_of_a_started_member_while_a_later_one_is_starting_takes_over(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    children = (
        child("a", crashing_after(1)),
        child("b", crashing_after(100, 0.5)),
        child("c", starting_in(2)),
        child("d", live_on),
    )
    async with stage.running(stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE)) as supervisor:
        await trio.sleep(20)
        assert all(status.state is ChildState.RUNNING for status in supervisor.children())
    assert incarnations(stage, "abcd") == [2, 3, 2, 2]
    assert [status.name for status in supervisor.children()] == ["a", "b", "c", "d"]


async def test_a_child_added_during_a_recovery_crashes_without_disturbing_those_that_start(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    children = (child("a", crashing_after(1)), child("b", starting_in(3)))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE)) as supervisor:
        await trio.sleep(2)
        await supervisor.add_child(child("c", crashing_after(0.5)))
        await trio.sleep(10)
        assert all(status.state is ChildState.RUNNING for status in supervisor.children())
    assert [event.at_s for event in stage.starts("b")] == [0, 4]
    assert [event.at_s for event in stage.starts("c")] == [2, 4]


async def test_a_sibling_that_overruns_is_started_only_after_it_is_over(autojump_clock: MockClock) -> None:
    """I18."""
    stage = Stage()

    async def overrun(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        with trio.CancelScope(shield=context.incarnation == 1):
            await trio.sleep(10 if context.incarnation == 1 else 1000)

    children = (child("a", crashing_after(1)), child("b", overrun))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE)):
        await trio.sleep(20)
        assert [event.at_s for event in stage.starts("a")] == [0, 3]
        assert [event.at_s for event in stage.exits("b")] == [10]
        assert [event.at_s for event in stage.starts("b")] == [0, 10]


@pytest.mark.parametrize("when_s", [1.5, 5.0])
async def test_a_sibling_removed_during_a_recovery_is_not_started(when_s: float, autojump_clock: MockClock) -> None:
    stage = Stage()

    async def overrun(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        with trio.CancelScope(shield=True):
            await trio.sleep(10)

    children = (child("a", crashing_after(1)), child("b", overrun), child("c", live_on))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE)) as supervisor:
        await trio.sleep(when_s)
        await supervisor.remove_child("b")
        await trio.sleep(20)
        assert [status.name for status in supervisor.children()] == ["a", "c"]
        assert status_of(supervisor, "c").state is ChildState.RUNNING
    assert len(stage.starts("b")) == 1


async def test_a_crash_during_the_boot_waits_until_all_have_started(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def slow(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation == 1:
            await trio.sleep(2)
        await live_on(context, started)

    children = (child("a", crashing_after(1)), child("b", slow))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.ONE_FOR_ALL)):
        await trio.sleep(5)
    assert stage.told()[:6] == ["a started", "a crashed", "b started", "b stopped", "a started", "b started"]


async def test_a_crash_during_the_boot_is_handled_at_once_under_one_for_one(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def slow(context: ChildContext, started: Callable[[], None]) -> None:
        await trio.sleep(2)
        await live_on(context, started)

    async with stage.running(stage.supervisor(child("a", crashing_after(1)), child("b", slow))):
        assert stage.told() == ["a started", "a crashed", "a started", "b started"]


async def test_a_child_removed_during_the_boot_is_never_started(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def slow(context: ChildContext, started: Callable[[], None]) -> None:
        await trio.sleep(2)
        await live_on(context, started)

    supervisor = stage.supervisor(child("a", slow), child("b", live_on))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(1)
        assert await supervisor.remove_child("b")
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert stage.starts("b") == []


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_escalation_in_the_middle_of_a_recovery_leaves_nobody_running(
    strategy: Strategy, autojump_clock: MockClock
) -> None:
    stage = Stage()

    async def broken(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation > 1:
            raise ValueError("broken for good")
        await crashing_after(1)(context, started)

    children = (child("a", live_on), child("b", broken), child("c", live_on))
    with pytest.raises(Escalated):
        await stage.supervisor(*children, strategy=strategy, window=RestartWindow(2, 60)).run()
    for name in "abc":
        assert len(stage.exits(name)) >= len(stage.starts(name))
    assert stage.kinds("b") == [ExitKind.CRASHED, ExitKind.CRASHED, ExitKind.ESCALATED]


async def test_a_crash_during_the_stops_of_an_earlier_recovery_finishes_those_stops(
    autojump_clock: MockClock,
) -> None:
    """d is added and crashes while c is stopping and b is still to be stopped: nobody is forgotten."""
    stage = Stage()

    async def slow_stop(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(1, shield=True):
                await trio.sleep_forever()

    children = (child("a", crashing_after(1)), child("b", live_on), child("c", slow_stop))
    async with stage.running(stage.supervisor(*children, strategy=Strategy.REST_FOR_ONE)) as supervisor:
        await trio.sleep(1.2)
        await supervisor.add_child(child("d", crashing_after(0.3)))
        await trio.sleep(10)
        assert all(status.state is ChildState.RUNNING for status in supervisor.children())
    assert incarnations(stage, "abcd") == [2, 2, 2, 2]
