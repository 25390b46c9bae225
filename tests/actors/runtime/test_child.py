"""One life of a child: whatever happens at whichever checkpoint, there is exactly one report of it (I16)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

from actors.runtime.child import Life, silent_log
from actors.runtime.lifecycle import ExitKind
from actors.runtime.supervision import Restart, RestartWindow
from actors.runtime.supervisor import BootFailed, ChildContext
from tests.actors.runtime.stage import Script, Stage, child, crashing_after, live_on

# The worker passes this many checkpoints: two before started(), the others in two tasks and a cleanup.
CHECKPOINTS = 7


class Probe:
    """Counts checkpoints and acts at one of them."""

    def __init__(self, at: int, action: Callable[[], None]) -> None:
        self._at = at
        self._action = action
        self.passed = 0

    async def checkpoint(self) -> None:
        self.passed += 1
        if self.passed == self._at + 1:
            self._action()
        await trio.lowlevel.checkpoint()


def worker(probe: Probe) -> Script:
    """Returns a script with a life of ordinary complexity: a start, two tasks, a cleanup."""

    async def helper() -> None:
        await probe.checkpoint()
        await probe.checkpoint()
        await trio.sleep(1)

    async def script(_: ChildContext, started: Callable[[], None]) -> None:
        await probe.checkpoint()
        await probe.checkpoint()
        started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(helper)
                await probe.checkpoint()
                await trio.sleep(2)
        finally:
            with trio.move_on_after(1, shield=True):
                await probe.checkpoint()
                await trio.sleep(0.1)
        await probe.checkpoint()

    return script


def fail() -> None:
    raise ValueError("fault")


@pytest.mark.parametrize("at", range(CHECKPOINTS))
async def test_a_fault_at_any_checkpoint_is_one_crash_and_nothing_is_swallowed(
    at: int, autojump_clock: MockClock
) -> None:
    stage = Stage()
    probe = Probe(at, fail)
    supervisor = stage.supervisor(child("a", worker(probe), Restart.TEMPORARY), child("b", live_on))
    if at < 2:
        with pytest.raises(BootFailed, match="fault"):
            await supervisor.run()
    else:
        async with stage.running(supervisor):
            await trio.sleep(10)
    expected = ExitKind.ESCALATED if at < 2 else ExitKind.CRASHED
    assert [(event.kind, event.error) for event in stage.exits("a")] == [(expected, "ValueError: fault")]


def test_the_worker_has_as_many_checkpoints_as_the_tests_say() -> None:
    probe = Probe(-1, fail)
    trio.run(worker(probe), None, lambda: None, clock=MockClock(autojump_threshold=0))  # type: ignore[arg-type]
    assert probe.passed == CHECKPOINTS


@pytest.mark.parametrize("at", range(CHECKPOINTS))
async def test_a_stop_at_any_checkpoint_is_one_clean_stop(at: int, autojump_clock: MockClock) -> None:
    stage = Stage()
    stop = trio.Event()
    probe = Probe(at, stop.set)
    supervisor = stage.supervisor()

    async def stop_when_told() -> None:
        await stop.wait()
        await supervisor.remove_child("a")

    async with stage.running(supervisor):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_when_told)
            await supervisor.add_child(child("a", worker(probe)))
        await trio.sleep(10)
    assert len(stage.exits("a")) == 1
    assert stage.exits("a")[0].error == ""


@pytest.mark.parametrize("at", range(CHECKPOINTS))
async def test_a_kill_at_any_checkpoint_is_one_crash_and_one_restart(at: int, autojump_clock: MockClock) -> None:
    stage = Stage()
    supervisor = stage.supervisor(window=RestartWindow(1, 60))
    probe = Probe(at, lambda: assert_killed())

    def assert_killed() -> None:
        assert supervisor.kill("a")

    async def script(context: ChildContext, started: Callable[[], None]) -> None:
        await (worker(probe) if context.incarnation == 1 else live_on)(context, started)

    async with stage.running(supervisor):
        await supervisor.add_child(child("a", script))
        await trio.sleep(10)
    assert stage.kinds("a") == [ExitKind.CRASHED, ExitKind.STOPPED]


async def test_a_crash_grouped_with_a_cancellation_is_seen_and_the_cancellation_goes_on(
    autojump_clock: MockClock,
) -> None:
    """Fact 5: a nursery makes one group of both, which a plain `except Exception` would miss."""
    stage = Stage()

    async def clumsy_helper() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in a helper")

    async def script(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clumsy_helper)
            nursery.start_soon(trio.sleep_forever)

    async with stage.running(stage.supervisor(child("a", script))) as supervisor:
        assert supervisor.kill("a", "chaos")
        await trio.sleep(0.1)
    killed, stopped = stage.exits("a")
    assert killed.error == "KilledForTest: chaos"
    assert "in a helper" in killed.traceback
    assert (stopped.kind, stopped.error) == (ExitKind.CRASHED, "ValueError: in a helper")


async def test_several_errors_at_once_are_one_crash_that_names_them_all(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def fail_with(error: Exception) -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()
        raise error

    async def script(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_with, ValueError("one"))
            nursery.start_soon(fail_with, KeyError("two"))

    async with stage.running(stage.supervisor(child("a", script, Restart.TEMPORARY))):
        await trio.sleep(1)
    (event,) = stage.exits("a")
    assert set(event.error.split("; ")) == {"ValueError: one", "KeyError: 'two'"}


async def test_an_actor_that_swallows_its_cancellation_is_cancelled_again(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def stubborn(_: ChildContext, started: Callable[[], None]) -> None:
        started()
        for _attempt in range(3):
            with suppress(trio.Cancelled):
                await trio.sleep_forever()
        await trio.sleep_forever()

    async with stage.running(stage.supervisor(child("a", stubborn))):
        pass
    assert stage.kinds("a") == [ExitKind.STOPPED]


async def test_the_event_of_an_exit_says_how_long_it_served(autojump_clock: MockClock) -> None:
    stage = Stage()

    async def slow_start(context: ChildContext, started: Callable[[], None]) -> None:
        await trio.sleep(2)
        await crashing_after(5)(context, started)

    async with stage.running(stage.supervisor(child("a", slow_start))):
        await trio.sleep(8)
    event = stage.exits("a")[0]
    assert (event.ran_s, event.at_s, event.has_served, event.supervisor) == (5, 7, True, "root")


def test_a_life_that_has_not_begun_is_nowhere() -> None:
    assert Life(incarnation=1, spawned_at_s=0, scope=trio.CancelScope()).whereabouts() == "not begun yet"


def test_the_silent_log_takes_every_level() -> None:
    log = silent_log("a")
    for write in (log.debug, log.info, log.warning, log.error):
        write("line")
