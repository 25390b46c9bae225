"""Stop signals: three levels, and a watcher that leaves without letting a late signal kill the process."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing

from actors.runtime.stop_signals import watch_stop_signals


class Levels:
    def __init__(self) -> None:
        self.called: list[tuple[str, str]] = []

    def begin(self, name: str) -> None:
        self.called.append(("begin", name))

    def shorten(self, name: str) -> None:
        self.called.append(("shorten", name))

    def exit_now(self, name: str) -> None:
        self.called.append(("exit now", name))

    def kill_switch(self, name: str) -> None:
        self.called.append(("kill switch", name))


class Injected:
    """A receiver of the signals given."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = list(numbers)

    def __aiter__(self) -> Injected:
        return self

    async def __anext__(self) -> int:
        await trio.lowlevel.checkpoint()
        if not self._numbers:
            raise StopAsyncIteration
        return self._numbers.pop(0)


def watching(levels: Levels, receiver: AsyncIterator[int] | None = None) -> Callable[..., Awaitable[None]]:
    return partial(
        watch_stop_signals,
        begin_stop=levels.begin,
        shorten_deadline=levels.shorten,
        exit_now=levels.exit_now,
        others={signal.SIGUSR1: levels.kill_switch},
        receiver=receiver,
    )


async def test_first_begins_second_shortens_and_every_later_one_ends_now() -> None:
    levels = Levels()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)
    await watching(levels, Injected(*numbers))()
    assert levels.called == [
        ("begin", "SIGINT"),
        ("shorten", "SIGTERM"),
        ("exit now", "SIGINT"),
        ("exit now", "SIGTERM"),
    ]


async def test_other_signals_have_their_own_action_and_count_as_no_level() -> None:
    levels = Levels()
    await watching(levels, Injected(signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1))()
    assert levels.called == [("kill switch", "SIGUSR1"), ("begin", "SIGTERM"), ("kill switch", "SIGUSR1")]


async def wait_for(levels: Levels, count: int) -> None:
    # The signal comes from the operating system, so there is nothing to wait for but what it does.
    for _ in range(5_000):
        await trio.sleep(0.001)
        if len(levels.called) >= count:
            return
    pytest.fail("the signal did not arrive")


async def test_real_signals_to_ourselves_are_levels() -> None:
    levels = Levels()
    async with trio.open_nursery() as nursery:
        await nursery.start(watching(levels))
        for count, number in enumerate((signal.SIGTERM, signal.SIGUSR1, signal.SIGINT), start=1):
            os.kill(os.getpid(), number)
            await wait_for(levels, count)
        nursery.cancel_scope.cancel()
    assert [level for level, _ in levels.called] == ["begin", "kill switch", "shorten"]


async def test_a_signal_in_the_moment_of_leaving_does_not_kill_the_process() -> None:
    """S15: an undelivered signal at the end of trio's block would be raised again with its default action."""
    levels = Levels()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "raise_signal", lambda number: pytest.fail(f"signal {number} was raised again"))
        async with trio.open_nursery() as nursery:
            await nursery.start(watching(levels))
            nursery.cancel_scope.cancel()
            os.kill(os.getpid(), signal.SIGTERM)
    assert levels.called == []


async def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with trio.open_nursery() as nursery:
        await nursery.start(watching(Levels()))
        assert signal.getsignal(signal.SIGTERM) is not before
        nursery.cancel_scope.cancel()
    assert signal.getsignal(signal.SIGTERM) is before
