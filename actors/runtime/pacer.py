"""Waiting for a moment together: many tasks that pause for a moment each share the timers of it.

A timer of its own (`trio.sleep`) is a cancel scope, a deadline and an exception through the task: some 40 microseconds.
Two hundred market makers that wait after every decision took a fifth of a core for that.

Rules:
1. Nobody is woken before its time; it may be later by GRAIN_S.
2. Of those that wait for one grain the first sleeps, and wakes the others. One that is cancelled before wakes them too,
   and the next of them sleeps on.
3. Waiting is a checkpoint, and can be cancelled at any time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import trio

GRAIN_S: Final = 0.005  # a tenth of what a market maker waits between two decisions


class Pacer:
    """See the module; `now` is the clock of the moments, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: dict[int, dict[trio.lowlevel.Task, None]] = {}  # by grain, in the order in which they came

    async def until(self, at_s: float) -> None:
        """Waits until `at_s`, or up to a grain longer."""
        grain = math.ceil(at_s / GRAIN_S)
        while True:
            others = self._waiting.get(grain)
            if others is None:
                return await self._lead(grain)
            await self._follow(others)
            if self._now() >= at_s:
                return None

    async def _lead(self, grain: int) -> None:
        others = self._waiting[grain] = {}
        try:
            await trio.sleep(max(0.0, grain * GRAIN_S - self._now()))
        finally:
            del self._waiting[grain]
            for task in others:
                trio.lowlevel.reschedule(task)

    @staticmethod
    async def _follow(others: dict[trio.lowlevel.Task, None]) -> None:
        task = trio.lowlevel.current_task()
        others[task] = None

        def leave(_: Callable[[], BaseException]) -> trio.lowlevel.Abort:
            del others[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)
