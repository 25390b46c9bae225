"""The clock of a simulation: it stands still while anything can run, and jumps when all waits.

trio asks a clock how long to sleep only when no task is ready. In a simulation nothing comes from outside, so that is
the moment to jump to the next deadline, and the deadline expires in the same pass of the loop. `MockClock` with
`autojump_threshold=0` needs a second pass for it and reads a real clock at every question; together they were a tenth
of a simulation's work. Its price: `wait_all_tasks_blocked` never returns under this clock.

Source: trio 0.35, `_core/_run.py`, `unrolled_run`; `trio.abc.Clock`.
"""

from __future__ import annotations

import math
from typing import Final

import trio

IDLE_PASS_S: Final = 0.1
IDLE_PASSES_MAX: Final = 100


class NothingEverHappens(RuntimeError):
    """Every task waits, none of them for a time: the simulation would stand still for ever."""


class JumpingClock(trio.abc.Clock):
    """A clock that begins at zero and moves only from deadline to deadline."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._idle_passes = 0

    def start_clock(self) -> None:
        """Begins at zero."""

    def current_time(self) -> float:
        """Returns the virtual time in seconds."""
        return self._now_s

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jumps to `deadline` and lets the loop go on at once. Raises NothingEverHappens when there is none."""
        if deadline < math.inf:
            self._now_s, self._idle_passes = max(self._now_s, deadline), 0
            return 0.0
        self._idle_passes += 1  # trio wakes its own helper tasks through a socket, at the start and at the end
        if self._idle_passes > IDLE_PASSES_MAX:
            raise NothingEverHappens("every task waits and no deadline is set: a defect of the scenario or of the bot")
        return IDLE_PASS_S
