"""The watch over OrderDesk: its silence shuts the epoch, once, and never holds up the watch itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from trio.testing import MockClock

from actors.messages.lifecycle import Heartbeat
from actors.messages.table import CHANNELS
from actors.runtime.desk_watch import DESK_SILENCE_MAX_S, LOOK_EVERY_S, watch_desk
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from actors.runtime.wire import Wire
from tests.actors.runtime.stage import ListLog


@attrs.define(eq=False)
class Shutter:
    """Stands where the Wire stands; may hang, as when the exchange does not answer."""

    hangs: bool = False
    shut_at_s: list[float] = attrs.field(factory=list)

    async def shut_groups(self, why: str) -> None:
        self.shut_at_s.append(trio.current_time())
        assert "OrderDesk silent for over 5 s" in why
        if self.hangs:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()


class Watched:
    def __init__(self, *, hangs: bool = False) -> None:
        self.switchboard = Switchboard(CHANNELS, trio.current_time)
        self.shutter = Shutter(hangs)
        self.log = ListLog()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Watched]:
        async with trio.open_nursery() as nursery:
            mailbox = self.switchboard.mailbox("desk_watch")
            wire: Wire = self.shutter  # type: ignore[assignment]
            nursery.start_soon(watch_desk, mailbox, wire, virtual_seams(1, 0), self.log)
            yield self
            nursery.cancel_scope.cancel()

    def beat(self, actor: str = "order_desk") -> None:
        heartbeat = Heartbeat(actor=actor, incarnation=1, at_s=trio.current_time())
        self.switchboard.outbox(actor).publish(heartbeat)


async def test_a_desk_that_was_never_heard_has_no_groups_to_shut(autojump_clock: MockClock) -> None:
    async with Watched().running() as watched:
        watched.beat("ledger")
        await trio.sleep(60.0)
        assert watched.shutter.shut_at_s == []


async def test_a_desk_that_speaks_is_left_alone(autojump_clock: MockClock) -> None:
    async with Watched().running() as watched:
        for _ in range(20):
            watched.beat()
            await trio.sleep(DESK_SILENCE_MAX_S - LOOK_EVERY_S)
        assert watched.shutter.shut_at_s == []


async def test_silence_shuts_the_epoch_once(autojump_clock: MockClock) -> None:
    async with Watched().running() as watched:
        watched.beat()
        for _ in range(40):
            watched.beat("ledger")
            await trio.sleep(1.0)
        (shut_at_s,) = watched.shutter.shut_at_s
        assert DESK_SILENCE_MAX_S < shut_at_s <= DESK_SILENCE_MAX_S + 2 * LOOK_EVERY_S
        assert "silent for over 5.0 s: triggering its groups" in watched.log.errors()


async def test_each_desk_that_falls_silent_is_noticed_even_while_the_exchange_does_not_answer(
    autojump_clock: MockClock,
) -> None:
    async with Watched(hangs=True).running() as watched:
        watched.beat()
        await trio.sleep(10.0)
        watched.beat()
        await trio.sleep(10.0)
        assert len(watched.shutter.shut_at_s) == 2
