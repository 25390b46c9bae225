"""Waiting for a moment together: never early, at most a grain late, whoever is cancelled."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import pacer
from actors.runtime.pacer import GRAIN_S, Pacer

_DUST = 1e-9


class Waits:
    """So many tasks at one pacer; each comes at its time, waits for a moment, and may be cancelled before."""

    def __init__(self) -> None:
        self.woken_s: dict[int, float] = {}
        self.left: set[int] = set()
        self._pacer = Pacer(trio.current_time)

    async def one(self, n: int, comes_s: float, at_s: float, gives_up_s: float) -> None:
        await trio.sleep_until(comes_s)
        with trio.move_on_at(gives_up_s) as scope:
            await self._pacer.until(at_s)
            self.woken_s[n] = trio.current_time()
        if scope.cancelled_caught:
            self.left.add(n)


_MS = st.integers(0, 60)


@given(st.lists(st.tuples(_MS, _MS, st.one_of(st.none(), _MS)), min_size=1, max_size=12))
def test_nobody_wakes_early_or_more_than_a_grain_late_and_everybody_does(
    plans: list[tuple[int, int, int | None]],
) -> None:
    async def main() -> None:
        waits, began_s = Waits(), trio.current_time()
        moments = [(began_s + comes / 1000, began_s + (comes + lasts) / 1000) for comes, lasts, _ in plans]
        # Half a millisecond aside: whether one that is cancelled at its very moment is woken says nothing.
        ends = [
            math.inf if patience is None else came_s + (patience + 0.5) / 1000
            for (came_s, _), (_, _, patience) in zip(moments, plans, strict=True)
        ]
        async with trio.open_nursery() as nursery:
            for n, ((comes_s, at_s), gives_up_s) in enumerate(zip(moments, ends, strict=True)):
                nursery.start_soon(waits.one, n, comes_s, at_s, gives_up_s)
        for n, ((_, at_s), gives_up_s) in enumerate(zip(moments, ends, strict=True)):
            if n in waits.woken_s:
                assert at_s - _DUST <= waits.woken_s[n] <= at_s + GRAIN_S + _DUST
            else:
                assert n in waits.left
                assert gives_up_s <= at_s + GRAIN_S + _DUST

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_those_of_one_grain_share_one_timer(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = 0

    async def counted(seconds: float) -> None:
        nonlocal slept
        slept += 1
        await trio.sleep(seconds)

    class CountedTrio:
        sleep, lowlevel = staticmethod(counted), trio.lowlevel

    monkeypatch.setattr(pacer, "trio", CountedTrio)
    together = Pacer(trio.current_time)
    at_s = math.ceil(trio.current_time() / GRAIN_S) * GRAIN_S + 10 * GRAIN_S
    async with trio.open_nursery() as nursery:
        for n in range(50):
            nursery.start_soon(together.until, at_s - GRAIN_S * n / 100)
    assert slept == 1
