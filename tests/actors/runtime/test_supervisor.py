"""The supervisor under one_for_one: starts, restarts, back-off, escalation, kills, and children that come and go."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.runtime.lifecycle import ExitKind
from actors.runtime.seams import VirtualWallClock
from actors.runtime.supervision import BackOff, Restart, RestartWindow
from actors.runtime.supervisor import (
    BootFailed,
    ChildContext,
    ChildSpec,
    ChildState,
    Escalated,
    KilledForTest,
    NotRunning,
    StartTimedOut,
    Supervisor,
    UnknownChild,
)
from actors.runtime.switchboard import ChannelSpec, Policy, WiringError
from tests.actors.runtime.stage import (
    Stage,
    child,
    crash_at_once,
    crashing_after,
    live_on,
    return_at_once,
    state_of,
    status_of,
)

# Starting.


async def test_children_start_in_order_each_after_the_one_before_serves(autojump_clock: MockClock) -> None:
    """I15."""
    stage = Stage()

    async def slow(context: ChildContext, started: Callable[[], None]) -> None:
        await trio.sleep(3)
        await live_on(context, started)

    supervisor = stage.supervisor(child("a", slow), child("b", live_on), child("c", slow))
    assert [status.state for status in supervisor.children()] == [ChildState.WAITING] * 3
    async with stage.running(supervisor):
        assert [(event.name, event.at_s) for event in stage.starts()] == [("a", 3), ("b", 3), ("c", 6)]
        assert [status.state for status in supervisor.children()] == [ChildState.RUNNING] * 3


async def test_all_mailboxes_exist_before_the_first_child_starts(autojump_clock: MockClock) -> None:
    @attrs.frozen
    class Hello:
        pass

    stage = Stage((ChannelSpec(Hello, Policy.BLOCK, 1, ("a",), ("b",)),))
    heard: list[object] = []

    async def speak(context: ChildContext, started: Callable[[], None]) -> None:
        await context.outbox.send(Hello())
        await live_on(context, started)

    async def listen(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        heard.extend(await context.mailbox.receive())
        await trio.sleep_forever()

    async with stage.running(stage.supervisor(child("a", speak), child("b", listen))):
        await trio.sleep(1)
    assert heard == [Hello()]


async def test_a_child_gets_all_that_an_incarnation_needs(autojump_clock: MockClock) -> None:
    stage = Stage()
    contexts: list[ChildContext] = []

    async def keep(context: ChildContext, started: Callable[[], None]) -> None:
        contexts.append(context)
        await crashing_after(1)(context, started)

    async with stage.running(stage.supervisor(child("a", keep))):
        await trio.sleep(5)
    first, second = contexts
    assert (first.name, first.incarnation, second.incarnation) == ("a", 1, 2)
    assert first.mailbox is second.mailbox is stage.switchboard.mailbox("a")
    assert first.mailbox.incarnation == 2
    assert first.seams is stage.seams
    assert first.outbox.actor_name == "a"


@pytest.mark.parametrize("strategy_of_failure", ["raises", "factory", "returns", "hangs"])
async def test_a_failed_first_start_aborts_the_boot_without_a_retry(
    strategy_of_failure: str, autojump_clock: MockClock
) -> None:
    stage = Stage()

    async def fail(_: ChildContext, started: Callable[[], None]) -> None:
        if strategy_of_failure == "raises":
            raise LookupError("no account")
        if strategy_of_failure == "hangs":
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    def factory(_: ChildContext) -> None:
        raise LookupError("no account")

    failing = child("b", fail)
    if strategy_of_failure == "factory":
        failing = ChildSpec("b", factory)  # type: ignore[arg-type]
    supervisor = stage.supervisor(child("a", live_on), failing, child("c", live_on), start_timeout_s=5)
    with pytest.raises(BootFailed, match="because of b: it failed at its first start") as failed:
        await supervisor.run()
    assert stage.told() == ["a started", "b escalated", "a stopped"]
    assert stage.exits("b")[0].has_served is False
    expected = {"hangs": "StartTimedOut", "returns": "ReturnedBeforeStarted"}
    assert type(failed.value.cause).__name__ == expected.get(strategy_of_failure, "LookupError")
    assert failed.value.__cause__ is failed.value.cause


async def test_a_later_failed_start_is_a_crash_that_counts_and_is_tried_again(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def script(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation in (2, 3):
            raise ValueError("not yet")
        started()
        await trio.sleep(1)
        if context.incarnation == 1:
            raise ValueError("once")
        await trio.sleep_forever()

    async with stage.running(stage.supervisor(child("a", script))) as supervisor:
        await trio.sleep(10)
        assert state_of(supervisor, "a") is ChildState.RUNNING
    assert [event.at_s for event in stage.exits("a")[:3]] == [1, 1, 1.5]
    assert [event.restart_in_s for event in stage.exits("a")[:3]] == [0, 0.5, 1]
    assert [event.has_served for event in stage.exits("a")[:3]] == [True, False, False]


async def test_a_later_start_that_hangs_is_ended_after_the_start_timeout(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def script(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation == 2:
            await trio.sleep_forever()
        await crashing_after(1)(context, started)

    async with stage.running(stage.supervisor(child("a", script), start_timeout_s=7)):
        await trio.sleep(20)
    assert [event.at_s for event in stage.exits("a")] == [1, 8, 20]
    assert StartTimedOut.__name__ in stage.exits("a")[1].error


async def test_started_counts_once_and_not_after_the_start_timeout(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def eager(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        await live_on(context, started)

    async def late(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation > 1:
            with trio.CancelScope(shield=True):
                await trio.sleep(6)
        await (crash_at_once if context.incarnation == 1 else live_on)(context, started)

    supervisor = stage.supervisor(child("a", eager), child("b", late), start_timeout_s=5)
    async with stage.running(supervisor):
        await trio.sleep(8)
        assert [event.name for event in stage.starts()] == ["a", "b"]
        assert StartTimedOut.__name__ in stage.exits("b")[1].error


# Restarting.


async def test_only_the_crashed_child_is_restarted_and_at_once_the_first_time(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = (child("a", live_on), child("b", crashing_after(5)), child("c", live_on))
    async with stage.running(stage.supervisor(*children)) as supervisor:
        await trio.sleep(10)
        assert [status.incarnation for status in supervisor.children()] == [1, 2, 1]
        assert [status.restarts for status in supervisor.children()] == [0, 1, 0]
        assert status_of(supervisor, "b").started_at_s == 5
        assert status_of(supervisor, "b").last_exit == stage.exits("b")[0]


async def test_the_exit_is_told_before_the_back_off_sleep(autojump_clock: MockClock) -> None:
    stage = Stage()
    script = crashing_after(1, 1, 1)
    async with stage.running(stage.supervisor(child("a", script))) as supervisor:
        await trio.sleep(3.25)
        assert [event.at_s for event in stage.exits("a")] == [1, 2]
        await trio.sleep(0.75)
        assert state_of(supervisor, "a") is ChildState.BACKING_OFF
        assert stage.exits("a")[-1].restart_in_s == 1
        await trio.sleep(1)
        assert [event.at_s for event in stage.starts("a")] == [0, 1, 2.5, 4.5]


async def test_back_off_of_one_child_delays_no_other(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = (child("a", crashing_after(1, 0, 0)), child("b", crashing_after(1.2)))
    async with stage.running(stage.supervisor(*children, window=RestartWindow(10, 60))):
        await trio.sleep(1.3)
        assert [event.at_s for event in stage.starts("b")] == [0, 1.2]


async def test_jitter_comes_from_the_injected_randomness(autojump_clock: MockClock) -> None:
    async def second_delay(seed: int) -> float | None:
        stage = Stage(seed=seed)
        supervisor = stage.supervisor(child("a", crashing_after(0, 0)), back_off=BackOff())
        async with stage.running(supervisor):
            await trio.sleep(1)
        return stage.exits("a")[1].restart_in_s

    delays = [await second_delay(seed) for seed in (1, 1, 2)]
    assert delays[0] == delays[1] != delays[2]


async def test_a_permanent_child_that_returns_is_restarted_and_reported(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def return_once(context: ChildContext, started: Callable[[], None]) -> None:
        await (return_at_once if context.incarnation == 1 else live_on)(context, started)

    async with stage.running(stage.supervisor(child("a", return_once))):
        await trio.sleep(1)
    event = stage.exits("a")[0]
    assert (event.kind, event.will_restart) == (ExitKind.NORMAL, True)
    assert "a permanent child returned, which is a bug" in stage.log.errors()


async def test_a_transient_child_may_finish_and_a_temporary_one_is_gone(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = (
        child("a", return_at_once, Restart.TRANSIENT),
        child("b", return_at_once, Restart.TEMPORARY),
        child("c", crash_at_once, Restart.TEMPORARY),
    )
    async with stage.running(stage.supervisor(*children)) as supervisor:
        await trio.sleep(1)
        assert [(status.name, status.state) for status in supervisor.children()] == [("a", ChildState.FINISHED)]
        assert stage.switchboard.statistics() == {}
    assert {event.name: event.kind for event in stage.exits()} == {
        "a": ExitKind.NORMAL,
        "b": ExitKind.NORMAL,
        "c": ExitKind.CRASHED,
    }


async def test_a_transient_child_is_restarted_after_a_crash(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with stage.running(stage.supervisor(child("a", crashing_after(1), Restart.TRANSIENT))):
        await trio.sleep(2)
    assert len(stage.starts("a")) == 2


# Giving up.


async def test_n_restarts_do_not_escalate_and_one_more_does(autojump_clock: MockClock) -> None:
    """I14, through the whole supervisor."""
    stage = Stage()
    calm = stage.supervisor(child("a", crashing_after(1, 1, 1)), window=RestartWindow(3, 300))
    async with stage.running(calm):
        await trio.sleep(100)
        assert state_of(calm, "a") is ChildState.RUNNING
    stage = Stage()
    wild = stage.supervisor(child("a", crashing_after(1, 1, 1, 1)), window=RestartWindow(3, 300))
    with trio.fail_after(1_000), pytest.raises(Escalated, match="more than 3 times in 300 s"):
        await wild.run()
    assert stage.kinds("a") == [ExitKind.CRASHED] * 3 + [ExitKind.ESCALATED]


async def test_i21_a_step_of_the_wall_clock_empties_no_restart_window(autojump_clock: MockClock) -> None:
    stage = Stage()
    wall = stage.seams.wall_ms
    assert isinstance(wall, VirtualWallClock)

    async def crash_after_a_step(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        await trio.sleep(1)
        wall.step_ms(3_600_000)
        raise ValueError(f"crash {context.incarnation}")

    supervisor = stage.supervisor(child("a", crash_after_a_step), window=RestartWindow(3, 300))
    with trio.move_on_after(100), pytest.raises(Escalated):
        await supervisor.run()
    assert stage.kinds("a") == [ExitKind.CRASHED] * 3 + [ExitKind.ESCALATED]


async def test_escalation_raises_after_the_siblings_were_stopped_in_reverse(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = (child("a", live_on), child("b", crashing_after(1)), child("c", live_on))
    supervisor = stage.supervisor(*children, window=RestartWindow(0, 1))
    with pytest.raises(Escalated) as escalated:
        await supervisor.run()
    assert stage.told()[3:] == ["b escalated", "c stopped", "a stopped"]
    assert (escalated.value.supervisor, escalated.value.offender) == ("root", "b")
    assert isinstance(escalated.value.cause, ValueError)
    assert not escalated.value.is_fatal
    assert "supervisor root gives up because of b" in stage.exits("a")[0].reason


async def test_a_fatal_error_escalates_at_once_also_from_inside_a_group(autojump_clock: MockClock) -> None:
    class InvariantViolation(Exception):
        pass

    async def violate(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        async with trio.open_nursery():
            raise InvariantViolation("I7")

    stage = Stage()
    with pytest.raises(Escalated, match=r"never restarted \(InvariantViolation: I7\)") as escalated:
        await stage.supervisor(child("a", violate), fatal=(InvariantViolation,)).run()
    assert escalated.value.is_fatal
    assert stage.kinds("a") == [ExitKind.ESCALATED]
    assert isinstance(escalated.value.cause, InvariantViolation)


async def test_a_quarantined_child_stays_down_and_its_siblings_go_on(autojump_clock: MockClock) -> None:
    """I13."""
    stage = Stage()
    children = (child("a", live_on), child("b", crash_at_once))
    supervisor = stage.supervisor(*children, window=RestartWindow(10, 60), quarantine=RestartWindow(4, 300))
    async with stage.running(supervisor):
        await trio.sleep(1000)
        assert state_of(supervisor, "b") is ChildState.QUARANTINED
        assert status_of(supervisor, "a").incarnation == 1
        assert set(stage.switchboard.statistics()) == {"a"}
        assert not supervisor.kill("b")
    assert stage.kinds("b") == [ExitKind.CRASHED] * 4 + [ExitKind.QUARANTINED]
    assert "b quarantined" in stage.log.errors()


# Kills and stalls.


async def test_a_killed_child_has_crashed_and_comes_back(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with stage.running(stage.supervisor(child("a", live_on), child("b", live_on))) as supervisor:
        assert supervisor.kill("a", "chaos monkey")
        await trio.sleep(1)
        assert status_of(supervisor, "a").incarnation == 2
    assert stage.kinds("a")[0] is ExitKind.CRASHED
    assert stage.exits("a")[0].error == f"{KilledForTest.__name__}: chaos monkey"


async def test_a_crash_report_has_the_traceback_and_what_the_actor_was_told_last(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def crash_on_mail(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        (message, *_) = await context.mailbox.receive()
        raise ValueError(f"cannot take {message!r}")

    async with stage.running(stage.supervisor(child("a", crash_on_mail))) as supervisor:
        await trio.testing.wait_all_tasks_blocked()
        stage.switchboard.mailbox("a").reply_slot().put("the last straw")
        await trio.sleep(0.1)
        assert status_of(supervisor, "a").incarnation == 2
    report = stage.log.errors()
    assert "ValueError: cannot take 'the last straw'" in report
    assert "the last messages before, newest last:\n'the last straw'" in report


async def test_killing_one_that_finishes_in_that_instant_is_still_a_crash(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def finish(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        if context.incarnation > 1:
            await trio.sleep_forever()
        with trio.CancelScope(shield=True):
            await trio.sleep(5)

    async with stage.running(stage.supervisor(child("a", finish, Restart.TRANSIENT))) as supervisor:
        await trio.sleep(1)
        assert supervisor.kill("a")
        await trio.sleep(10)
        assert state_of(supervisor, "a") is ChildState.RUNNING


async def test_only_a_living_child_can_be_killed(autojump_clock: MockClock) -> None:
    stage = Stage()
    supervisor = stage.supervisor(child("a", crashing_after(0, 0, 0)), child("b", live_on))
    assert not supervisor.kill("b")
    with pytest.raises(UnknownChild, match="root has no child nobody"):
        supervisor.kill("nobody")
    async with stage.running(supervisor):
        await trio.sleep(0.25)
        assert state_of(supervisor, "a") is ChildState.BACKING_OFF
        assert not supervisor.kill("a")


async def test_a_stalled_child_hears_nothing_for_that_time(autojump_clock: MockClock) -> None:
    @attrs.frozen
    class Ping:
        pass

    stage = Stage((ChannelSpec(Ping, Policy.LATEST, 1, ("main",), ("a",)),))
    heard_s: list[float] = []

    async def listen(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        await context.mailbox.receive()
        heard_s.append(trio.current_time())
        await trio.sleep_forever()

    async with stage.running(stage.supervisor(child("a", listen))) as supervisor:
        supervisor.stall("a", 12)
        stage.switchboard.outbox("main").publish(Ping())
        await trio.sleep(20)
    assert heard_s == [12]


# Children that come and go.


async def test_an_added_child_is_started_and_supervised(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with stage.running(stage.supervisor()) as supervisor:
        assert await supervisor.add_child(child("market:A", crashing_after(1)))
        await trio.sleep(2)
        assert status_of(supervisor, "market:A").incarnation == 2


async def test_an_added_child_whose_first_start_fails_is_tried_again(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def second_time_lucky(context: ChildContext, started: Callable[[], None]) -> None:
        if context.incarnation == 1:
            raise ValueError("unlucky")
        await live_on(context, started)

    async with stage.running(stage.supervisor()) as supervisor:
        assert not await supervisor.add_child(child("a", second_time_lucky))
        await trio.sleep(1)
        assert state_of(supervisor, "a") is ChildState.RUNNING


async def test_a_removed_child_is_stopped_and_forgotten(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with stage.running(stage.supervisor(child("a", live_on))) as supervisor:
        assert await supervisor.remove_child("a", "unassigned")
        assert supervisor.children() == ()
        assert stage.switchboard.statistics() == {}
        with pytest.raises(UnknownChild):
            await supervisor.remove_child("a")
    assert [(event.kind, event.reason) for event in stage.exits()] == [(ExitKind.STOPPED, "unassigned")]


async def test_a_child_that_comes_back_goes_on_counting_its_incarnations(autojump_clock: MockClock) -> None:
    """I18: an answer to the first life must not reach the second."""
    stage = Stage()
    async with stage.running(stage.supervisor(child("a", live_on))) as supervisor:
        slot = stage.switchboard.mailbox("a").reply_slot()
        await supervisor.remove_child("a")
        await supervisor.add_child(child("a", live_on))
        slot.put("late")
        assert status_of(supervisor, "a").incarnation == 2
        assert stage.switchboard.mailbox("a").depth == 0


async def test_removing_a_child_ends_its_back_off(autojump_clock: MockClock) -> None:
    stage = Stage()
    supervisor = stage.supervisor(child("a", crash_at_once), window=RestartWindow(50, 1))
    async with stage.running(supervisor):
        await trio.sleep(5)
        assert state_of(supervisor, "a") is ChildState.BACKING_OFF
        starts = len(stage.starts("a"))
        assert await supervisor.remove_child("a")
        await trio.sleep(100)
        assert len(stage.starts("a")) == starts


async def test_a_removed_child_that_overruns_keeps_its_name_until_it_is_over(autojump_clock: MockClock) -> None:
    """I18: one life per name at a time."""
    stage = Stage()

    async def stubborn(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        with trio.CancelScope(shield=True):
            await trio.sleep(10)
        await trio.sleep_forever()

    async with stage.running(stage.supervisor(child("a", stubborn))) as supervisor:
        assert not await supervisor.remove_child("a")
        assert trio.current_time() == 2
        assert state_of(supervisor, "a") is ChildState.STOPPING
        with pytest.raises(ValueError, match="already has a child a"):
            await supervisor.add_child(child("a", live_on))
        await trio.sleep(9)
        assert supervisor.children() == ()
        assert "a overran its stop of 2 s" in stage.log.errors()
        assert "stubborn" in stage.log.errors()
        await supervisor.add_child(child("a", live_on))


async def test_a_removed_child_that_crashes_while_stopping_is_not_restarted(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def clumsy(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("clumsy")

    async with stage.running(stage.supervisor(child("a", clumsy), window=RestartWindow(0, 1))) as supervisor:
        await supervisor.remove_child("a")
        await trio.sleep(5)
    assert [(event.kind, event.error) for event in stage.exits()] == [(ExitKind.CRASHED, "ValueError: clumsy")]


async def test_children_can_be_added_only_while_the_supervisor_runs(autojump_clock: MockClock) -> None:
    stage = Stage()
    supervisor = stage.supervisor()
    with pytest.raises(NotRunning, match="does not run"):
        await supervisor.add_child(child("a", live_on))
    async with stage.running(supervisor):
        pass
    with pytest.raises(NotRunning):
        await supervisor.add_child(child("a", live_on))
    with pytest.raises(NotRunning, match="has run already"):
        await supervisor.run()


async def test_names_are_unique_and_children_bounded(autojump_clock: MockClock) -> None:
    """I11."""
    stage = Stage()
    with pytest.raises(ValueError, match="already has a child a"):
        stage.supervisor(child("a", live_on), child("a", live_on))
    async with stage.running(stage.supervisor(child("a", live_on), children_max=1)) as supervisor:
        with pytest.raises(ValueError, match="its bound"):
            await supervisor.add_child(child("b", live_on))


async def test_a_child_with_impossible_mailbox_keys_is_refused_and_not_kept(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with stage.running(stage.supervisor()) as supervisor:
        with pytest.raises(WiringError):
            await supervisor.add_child(attrs.evolve(child("a", live_on), mailbox_keys={int: "x"}))
        assert supervisor.children() == ()


# Trees.


async def test_a_supervisor_is_an_actor_and_shows_its_children_in_the_tree(autojump_clock: MockClock) -> None:
    stage = Stage()

    def markets(_: ChildContext) -> Supervisor:
        return stage.supervisor(child("market:A", live_on), name="markets")

    root = stage.supervisor(ChildSpec("markets", markets), child("b", live_on))
    async with stage.running(root):
        assert [status.name for status in status_of(root, "markets").children] == ["market:A"]
        assert status_of(root, "b").children == ()
    assert stage.told() == [
        "market:A started",
        "markets started",
        "b started",
        "b stopped",
        "market:A stopped",
        "markets stopped",
    ]
    assert status_of(root, "markets").children == ()


async def test_a_nested_supervisor_that_gives_up_is_restarted_whole_by_its_parent(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()

    def markets(context: ChildContext) -> Supervisor:
        script = crashing_after(1, 1) if context.incarnation == 1 else live_on
        return stage.supervisor(child("m", script), name="markets", window=RestartWindow(1, 60))

    root = stage.supervisor(ChildSpec("markets", markets))
    async with stage.running(root):
        await trio.sleep(10)
        assert status_of(root, "markets").incarnation == 2
        assert status_of(root, "markets").children[0].incarnation == 3
    assert stage.kinds("m") == [ExitKind.CRASHED, ExitKind.ESCALATED, ExitKind.STOPPED]
    assert "Escalated" in stage.exits("markets")[0].error


async def test_a_transient_supervisor_that_gave_up_is_left_alone(autojump_clock: MockClock) -> None:
    stage = Stage()

    def markets(_: ChildContext) -> Supervisor:
        return stage.supervisor(child("m", crashing_after(1)), name="markets", window=RestartWindow(0, 60))

    root = stage.supervisor(ChildSpec("markets", markets, Restart.TRANSIENT), child("b", live_on))
    async with stage.running(root):
        await trio.sleep(10)
        assert state_of(root, "markets") is ChildState.FINISHED
        assert state_of(root, "b") is ChildState.RUNNING


async def test_a_fatal_error_goes_all_the_way_up(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def fail(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        await trio.lowlevel.checkpoint()
        raise PermissionError("wrong key")

    def markets(_: ChildContext) -> Supervisor:
        return stage.supervisor(child("m", fail), name="markets", fatal=(PermissionError,))

    with pytest.raises(Escalated) as escalated:
        await stage.supervisor(ChildSpec("markets", markets)).run()
    assert escalated.value.is_fatal
    assert isinstance(escalated.value.cause, Escalated)
    assert isinstance(escalated.value.cause.cause, PermissionError)
