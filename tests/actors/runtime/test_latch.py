"""The exit latch closes once, at once and for ever."""

from __future__ import annotations

import trio
import trio.testing

from actors.runtime.latch import ExitLatch


def test_a_new_latch_is_open_and_has_no_reason() -> None:
    latch = ExitLatch()
    assert latch.is_open
    assert latch.reason is None


def test_closing_takes_effect_at_once_and_keeps_the_first_reason() -> None:
    latch = ExitLatch()
    assert latch.close("SIGTERM")
    assert not latch.close("crash")
    assert not latch.is_open
    assert latch.reason == "SIGTERM"


async def test_everybody_who_waits_is_told_the_reason(autojump_clock: trio.testing.MockClock) -> None:
    latch = ExitLatch()
    told: list[str] = []

    async def wait() -> None:
        told.append(await latch.closed())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await trio.sleep(1)
        assert told == []
        latch.close("drift")
    assert told == ["drift", "drift"]


async def test_waiting_for_a_closed_latch_returns_at_once_but_is_a_checkpoint() -> None:
    latch = ExitLatch()
    latch.close("done")
    with trio.testing.assert_checkpoints():
        assert await latch.closed() == "done"
