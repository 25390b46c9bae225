"""The one place that reaches into trio: its scheduler, seeded.

trio shuffles the tasks that are ready in one pass, on purpose and from its own generator. A deterministic run
needs that shuffle to follow the seed. trio has a private switch for exactly this (its own test suite and
hypothesis use it); as it is private, this module checks that it is still there, and a canary test checks that
it still works.

Source: trio 0.35, `_core/_run.py`, `_ALLOW_DETERMINISTIC_SCHEDULING` and `_r`; supervision.md §6.
"""

from __future__ import annotations

import random

import trio._core._run as trio_scheduler

_SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"
_GENERATOR = "_r"


class SchedulerHookMissing(RuntimeError):
    """The installed trio lacks the private hook; install the version of requirements.lock."""


def make_scheduler_deterministic(seed: int) -> None:
    """Makes every `trio.run` of this process that starts from now on schedule its tasks in the order that
    `seed` gives.

    Call it before each run that shall be repeatable: the generator moves on while a run lasts. Raises
    SchedulerHookMissing when this version of trio has no such hook.
    """
    generator = getattr(trio_scheduler, _GENERATOR, None)
    if not hasattr(trio_scheduler, _SWITCH) or not isinstance(generator, random.Random):
        raise SchedulerHookMissing(
            f"trio has no {_SWITCH} and {_GENERATOR} in trio._core._run; a deterministic run needs the pinned trio"
        )
    setattr(trio_scheduler, _SWITCH, True)
    generator.seed(seed)
