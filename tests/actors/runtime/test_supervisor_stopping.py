"""How a supervisor stops: in reverse, each child with its grace, whatever else happens at that moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from actors.runtime.lifecycle import ActorExited, ExitKind, LifecycleEvent
from actors.runtime.supervision import RestartWindow
from actors.runtime.supervisor import ChildContext, ChildState, Escalated
from tests.actors.runtime.stage import (
    Script,
    Stage,
    child,
    crashing_after,
    live_on,
    state_of,
)


def stopping_in(seconds: float) -> Script:
    """Returns a script that needs that long to clean up."""

    async def script(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(seconds, shield=True):
                await trio.sleep_forever()

    return script


async def test_children_stop_in_reverse_order_one_at_a_time(autojump_clock: MockClock) -> None:
    """I15."""
    stage = Stage()
    async with stage.running(stage.supervisor(*(child(name, stopping_in(1)) for name in "abc"))):
        pass
    assert [(event.name, event.kind, event.at_s) for event in stage.exits()] == [
        ("c", ExitKind.STOPPED, 1),
        ("b", ExitKind.STOPPED, 2),
        ("a", ExitKind.STOPPED, 3),
    ]
    assert stage.exits("a")[0].reason == "supervisor root is stopping"


async def test_a_child_that_overruns_its_grace_does_not_hold_up_the_others(autojump_clock: MockClock) -> None:
    """I17: the stop goes on after the grace; only the end of `run` waits, because trio cannot abandon a task."""
    stage = Stage()
    children = (child("a", live_on), child("b", stopping_in(50), grace_s=3), child("c", live_on))
    async with stage.running(stage.supervisor(*children)):
        pass
    assert [(event.name, event.at_s) for event in stage.exits()] == [("c", 0), ("a", 3), ("b", 50)]
    assert "b overran its stop of 3 s" in stage.log.errors()
    assert "test_supervisor_stopping.py" in stage.log.errors()


async def test_a_child_in_back_off_is_not_started_any_more(autojump_clock: MockClock) -> None:
    stage = Stage()
    supervisor = stage.supervisor(child("a", crashing_after(0, 0, 0, 0)), window=RestartWindow(9, 60))
    async with stage.running(supervisor):
        await trio.sleep(2)
        assert state_of(supervisor, "a") is ChildState.BACKING_OFF
    assert trio.current_time() == 2
    assert len(stage.starts("a")) == len(stage.exits("a")) == 4


async def test_a_child_that_is_still_starting_is_stopped_too(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def slow(_: ChildContext, started: Callable[[], None]) -> None:
        await trio.sleep(100)

    supervisor = stage.supervisor(child("a", live_on), child("b", slow), child("c", live_on), start_timeout_s=200)
    with trio.move_on_after(5):
        await supervisor.run()
    assert stage.told() == ["a started", "b stopped", "a stopped"]
    assert trio.current_time() == 5


async def test_a_crash_while_stopping_is_told_as_a_crash_and_not_restarted(autojump_clock: MockClock) -> None:
    """I16."""
    stage = Stage()

    async def clumsy(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in cleanup")

    async with stage.running(stage.supervisor(child("a", live_on), child("b", clumsy))):
        pass
    assert stage.told() == ["a started", "b started", "b crashed", "a stopped"]
    assert stage.exits("b")[0].restart_in_s is None


async def test_a_child_that_crashes_while_its_siblings_stop_starts_no_new_life(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    children = (child("a", crashing_after(1)), child("b", stopping_in(2), grace_s=5))
    async with stage.running(stage.supervisor(*children)):
        pass
    assert stage.told() == ["a started", "b started", "a crashed", "b stopped"]


async def test_a_kill_comes_too_late_for_a_child_that_is_being_stopped(autojump_clock: MockClock) -> None:
    stage = Stage()
    supervisor = stage.supervisor(child("a", stopping_in(1)))
    async with stage.running(supervisor), trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.remove_child, "a")
        await trio.sleep(0.5)
        assert not supervisor.kill("a")
    assert stage.kinds() == [ExitKind.STOPPED]


async def test_the_cancelled_carries_who_and_why(autojump_clock: MockClock) -> None:
    """S12."""
    stage = Stage()
    reasons: list[str] = []

    async def listen(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            reasons.append(str(cancelled))
            raise

    async with stage.running(stage.supervisor(child("a", listen))) as supervisor:
        await supervisor.remove_child("a", "the market has closed")
    assert "the market has closed" in reasons[0]


async def test_an_escalation_survives_a_cancellation_that_comes_during_its_stops(
    autojump_clock: MockClock,
) -> None:
    """I16: the error says more than the cancellation, and must not get lost under it."""
    stage = Stage()
    children = (child("a", stopping_in(1)), child("b", crashing_after(1)))
    supervisor = stage.supervisor(*children, window=RestartWindow(0, 60))
    with pytest.raises(Escalated), trio.move_on_after(1.5):
        await supervisor.run()
    assert stage.told()[2:] == ["b escalated", "a stopped"]


async def test_a_keyboard_interrupt_is_not_caught_but_the_others_are_stopped(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def interrupted(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        await trio.sleep(1)
        raise KeyboardInterrupt

    supervisor = stage.supervisor(child("a", live_on), child("b", interrupted))
    with pytest.RaisesGroup(KeyboardInterrupt):
        await supervisor.run()
    assert stage.told()[2:] == ["b crashed", "a stopped"]
    assert "Interrupted" in stage.exits("b")[0].error


async def test_a_failing_listener_ends_the_supervisor_loudly_and_in_order(autojump_clock: MockClock) -> None:
    """Who listens to lifecycles must not fail; if it does, nobody is left running and the error is not lost."""
    stage = Stage()

    def listen(event: LifecycleEvent) -> None:
        stage.events.append(event)
        if isinstance(event, ActorExited) and event.name == "b":
            raise OSError("disk full")

    supervisor = stage.supervisor(
        child("a", live_on), child("b", crashing_after(1)), child("c", live_on), on_lifecycle=listen
    )
    with pytest.RaisesGroup(OSError):
        await supervisor.run()
    assert stage.told()[-3:] == ["b crashed", "c stopped", "a stopped"]
