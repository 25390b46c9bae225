"""Notices when something blocks the event loop: a trio instrument that times every step of every task.

A step is what a task does between two waits; while it lasts, nobody else runs: no ping is answered, no order
cancelled. Longer than 50 ms is a defect (I24). Time comes from an injected clock, the real one, as a virtual
clock stands still during a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
import trio

BLOCK_S: Final = 0.050


@attrs.frozen(kw_only=True)
class LoopReport:
    """How many steps blocked the loop, the longest step of all in seconds, and the task that made it."""

    blocks: int
    worst_s: float
    worst_task: str


class LoopWatch(trio.abc.Instrument):
    """Counts loop blocks; pass it as an instrument to `trio.run`."""

    def __init__(
        self,
        clock_s: Callable[[], float],
        *,
        block_s: float = BLOCK_S,
        on_block: Callable[[str, float], None] | None = None,
    ) -> None:
        self._clock_s = clock_s
        self._block_s = block_s
        self._on_block = on_block
        self._step_began_s = 0.0
        self._blocks = 0
        self._worst_s = 0.0
        self._worst_task = ""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._step_began_s = self._clock_s()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        step_s = self._clock_s() - self._step_began_s
        if step_s > self._worst_s:
            self._worst_s = step_s
            self._worst_task = task.name
        if step_s > self._block_s:
            self._blocks += 1
            if self._on_block is not None:
                self._on_block(task.name, step_s)

    def report(self) -> LoopReport:
        """Returns what was seen since the start."""
        return LoopReport(blocks=self._blocks, worst_s=self._worst_s, worst_task=self._worst_task)
