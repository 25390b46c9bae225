"""Time, randomness, identity and threads: everything that a run could differ in, behind one value.

Rules:

1. Nothing outside this file reads a clock, draws a random number, makes an id or starts a thread by itself;
   it is handed a `Seams` and uses that. This one rule is what lets the whole bot run on a virtual clock from
   a seed.
2. Durations and deadlines are monotonic seconds from `now`; wall milliseconds serve signing, expiry and
   records only.
3. Ids of a real run come from the operating system even when the run is seeded: a seed set in the
   configuration and used twice must never make the same client order id twice.

Source: architecture.md §2 and §11.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import attrs
import trio

_Result = TypeVar("_Result")

# 128 bits, as a UUID has: no two ids of all bots that ever run are equal.
_ID_BITS = 128

# trio's clock is a float: 1.001 s times 1000 is 1000.9999999999999, and truncation would lose that
# millisecond.
_MILLISECOND_SLACK = 1e-6


class Offload(Protocol):
    """Runs a blocking function so that the event loop goes on (or, in simulation, inline)."""

    async def __call__(self, function: Callable[..., _Result], /, *arguments: object) -> _Result: ...


@attrs.frozen(kw_only=True)
class Seams:
    """What a run may differ in: clocks, randomness, ids and threads."""

    now: Callable[[], float]
    wall_ms: Callable[[], int]
    rng: random.Random
    new_id: Callable[[], str]
    offload: Offload


class VirtualWallClock:
    """A wall clock that follows trio's clock from a start, in milliseconds, and that a test can step.

    It adds `trio.current_time()` itself, so it fits clocks that begin at zero, as `trio.testing.MockClock`
    does; two virtual clocks with one start therefore always agree, whenever each was made.
    """

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms

    def __call__(self) -> int:
        return self._start_ms + math.floor(trio.current_time() * 1000 + _MILLISECOND_SLACK)

    def step_ms(self, by_ms: int) -> None:
        """Steps the wall clock by `by_ms`, as a time server would, and leaves the monotonic clock alone."""
        self._start_ms += by_ms


def process_clock_s() -> float:
    """Returns real seconds of an arbitrary origin, to measure the process itself (never for decisions)."""
    return time.perf_counter()


def real_seams(seed: int | None = None) -> Seams:
    """Returns the seams of production; `seed` fixes the randomness (jitter and such) but never the ids."""
    from_system = random.SystemRandom()
    return Seams(
        now=trio.current_time,
        wall_ms=_real_wall_ms,
        rng=random.Random(from_system.getrandbits(64) if seed is None else seed),
        new_id=_id_maker(from_system),
        offload=_offload_to_thread,
    )


def virtual_seams(seed: int, wall_start_ms: int) -> Seams:
    """Returns the seams of a simulation: one seed gives one run, and wall time starts at `wall_start_ms`.

    The ids have a generator of their own, so that one more id does not shift every later random number.
    """
    return Seams(
        now=trio.current_time,
        wall_ms=VirtualWallClock(wall_start_ms),
        rng=random.Random(seed),
        new_id=_id_maker(random.Random(f"ids of {seed}")),
        offload=_offload_inline,
    )


def _real_wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _id_maker(source: random.Random) -> Callable[[], str]:
    def new_id() -> str:
        return f"{source.getrandbits(_ID_BITS):032x}"

    return new_id


async def _offload_to_thread(function: Callable[..., _Result], /, *arguments: object) -> _Result:
    # Not abandoned on cancellation: work for threads is writing files, and half a write is worse than a late
    # one.
    return await trio.to_thread.run_sync(function, *arguments)


async def _offload_inline(function: Callable[..., _Result], /, *arguments: object) -> _Result:
    # A checkpoint stands where the thread would have been, so both kinds can be cancelled and rescheduled
    # alike.
    await trio.lowlevel.checkpoint()
    return function(*arguments)
