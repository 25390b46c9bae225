"""The clock of a simulation: virtual time passes only by waiting, and a standstill is told."""

from __future__ import annotations

import math

import pytest
import trio

from ops.simulation_clock import IDLE_PASS_S, IDLE_PASSES_MAX, JumpingClock, NothingEverHappens


def test_waiting_costs_no_time_and_ends_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await trio.sleep(seconds)
        seen.append((name, trio.current_time()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "late", 86_400.0)
            nursery.start_soon(wait, "soon", 0.25)
            nursery.start_soon(wait, "next", 7.0)

    trio.run(main, clock=JumpingClock())
    assert seen == [("soon", 0.25), ("next", 7.0), ("late", 86_400.0)]


def test_time_stands_still_while_a_task_can_run() -> None:
    async def main() -> float:
        with trio.move_on_after(5.0):
            for _ in range(1_000):
                await trio.lowlevel.checkpoint()
        return trio.current_time()

    assert trio.run(main, clock=JumpingClock()) == 0.0


def test_a_deadline_ends_a_wait() -> None:
    async def main() -> float:
        with trio.move_on_after(5.0):
            await trio.sleep_forever()
        return trio.current_time()

    assert trio.run(main, clock=JumpingClock()) == 5.0


def test_a_world_in_which_all_wait_for_ever_is_told() -> None:
    clock = JumpingClock()
    for _ in range(IDLE_PASSES_MAX):
        assert clock.deadline_to_sleep_time(math.inf) == IDLE_PASS_S
    with pytest.raises(NothingEverHappens):
        clock.deadline_to_sleep_time(math.inf)


def test_the_short_waits_of_the_loop_itself_are_no_standstill() -> None:
    clock = JumpingClock()
    for moment_s in range(2 * IDLE_PASSES_MAX):
        clock.deadline_to_sleep_time(math.inf)
        assert clock.deadline_to_sleep_time(float(moment_s)) == 0.0
    assert clock.current_time() == 2 * IDLE_PASSES_MAX - 1
