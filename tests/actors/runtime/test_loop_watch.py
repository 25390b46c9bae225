"""The loop watch: which steps it counts, and that it sees what really blocks (I24)."""

from __future__ import annotations

import trio

from actors.runtime.loop_watch import LoopReport, LoopWatch


class HandClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def watch_blocking(steps_s: list[float]) -> tuple[LoopReport, list[tuple[str, float]]]:
    clock = HandClock()
    blocks: list[tuple[str, float]] = []
    watch = LoopWatch(clock, on_block=lambda task, step_s: blocks.append((task, round(step_s, 6))))

    async def block(step_s: float) -> None:
        clock.now_s += step_s
        await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for step_s in steps_s:
                nursery.start_soon(block, step_s, name=f"step of {step_s}")

    trio.run(main, instruments=[watch])
    return watch.report(), blocks


def test_a_quiet_loop_has_no_blocks() -> None:
    report, blocks = watch_blocking([0.0, 0.01, 0.049])
    assert report.blocks == 0
    assert round(report.worst_s, 6) == 0.049
    assert blocks == []


def test_every_step_over_the_limit_counts_and_the_worst_is_named() -> None:
    report, blocks = watch_blocking([0.2, 0.051, 0.01])
    assert report.blocks == 2
    assert report.worst_task == "step of 0.2"
    assert sorted(blocks) == [("step of 0.051", 0.051), ("step of 0.2", 0.2)]


def test_without_a_listener_blocks_are_only_counted() -> None:
    clock = HandClock()
    watch = LoopWatch(clock, block_s=0.5)

    async def main() -> None:
        clock.now_s += 1
        await trio.lowlevel.checkpoint()

    trio.run(main, instruments=[watch])
    assert watch.report().blocks == 1
