"""A Wire with its neighbours: OrderDesk's ends of the channels, a scripted exchange, and a journal that can fail."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import attrs
import trio

from actors.messages.lifecycle import Alert
from actors.messages.orders import (
    OpenGroup,
    PermitView,
    RaiseIncarnation,
    ReadRequest,
    Recovered,
    WireCommand,
    WireHealth,
    WireOutcome,
    WireRequest,
)
from actors.messages.table import CHANNELS
from actors.runtime.journal import Journal
from actors.runtime.latch import ExitLatch
from actors.runtime.mailbox import Mailbox, ReplySlot
from actors.runtime.seams import virtual_seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.switchboard import Switchboard
from actors.runtime.wire import Wire
from kalshi.budget import RateBudget
from kalshi.numbers import CountE2
from kalshi.rest import RestClient
from kalshi.types import AmendOrder, BucketLimits, CancelOrder, CreateOrder, DecreaseOrder
from quant.orders.commands import CommandClass, OrderAck
from tests.actors.runtime.stage import ListLog
from tests.quant.orders.sentences import amended, cancelled, created, decreased

LIMITS = BucketLimits(refill_per_s=100.0, capacity=100.0)


@attrs.define(eq=False)
class ScriptedClient:
    """A RestClient whose requests wait for tokens, are checked, leave, and end as told.

    From the first byte on a request cannot be cancelled, as the real one's.
    """

    token_wait_s: float = 0.0
    connect_s: float = 0.0
    latency_s: float = 0.05
    ends: list[Exception] = attrs.field(factory=list)
    sent: list[object] = attrs.field(factory=list)  # whose bytes have left
    on_check: Callable[[], None] = lambda: None
    triggers: list[str] = attrs.field(factory=list)
    trigger_ends: list[Exception] = attrs.field(factory=list)

    def client(self) -> RestClient:
        return cast("RestClient", self)

    async def _write(self, request: object, before_send: Callable[[], None]) -> None:
        await trio.sleep(self.token_wait_s)
        before_send()  # before signing
        await trio.sleep(self.connect_s)
        self.on_check()
        before_send()  # before the first byte
        self.sent.append(request)
        with trio.CancelScope(shield=True):
            await trio.sleep(self.latency_s)
        if self.ends:
            raise self.ends.pop(0)

    async def create_order(self, request: CreateOrder, *, before_send: Callable[[], None], **_: object) -> OrderAck:
        await self._write(request, before_send)
        return created(order_id=f"o-{request.client_order_id}")

    async def amend_order(self, request: AmendOrder, *, before_send: Callable[[], None], **_: object) -> OrderAck:
        await self._write(request, before_send)
        return amended()

    async def decrease_order(self, request: DecreaseOrder, *, before_send: Callable[[], None], **_: object) -> OrderAck:
        await self._write(request, before_send)
        return decreased(request.reduce_to_e2)

    async def cancel_order(self, request: CancelOrder, *, before_send: Callable[[], None], **_: object) -> OrderAck:
        await self._write(request, before_send)
        return cancelled(100)

    async def create_order_group(
        self, limit_e2: CountE2, exchange_index: int, *, before_send: Callable[[], None]
    ) -> str:
        await self._write((limit_e2, exchange_index), before_send)
        return f"group-{exchange_index}"

    async def trigger_order_group(self, group_id: str, exchange_index: int, **_: object) -> int:
        self.triggers.append(group_id)
        await trio.sleep(self.latency_s)
        if self.trigger_ends:
            raise self.trigger_ends.pop(0)
        return 7_000


class WireStage:
    """See the module."""

    def __init__(self, data: ScriptedClient | None = None) -> None:
        self.data = data or ScriptedClient()
        self.control = ScriptedClient()
        self.seams = virtual_seams(1, 1_700_000_000_000)
        self.switchboard = Switchboard(CHANNELS, trio.current_time)
        self.latch = ExitLatch()
        self.log = ListLog()
        self.disk_is_full = False
        self.lines: list[bytes] = []
        self.journal = Journal(self._append)
        self.budget = RateBudget(trio.current_time, LIMITS, LIMITS)
        self.clock = ServerClock(now=trio.current_time, wall_ms=self.seams.wall_ms)
        self.desk_mailbox = self.switchboard.mailbox("order_desk")
        self.snapshot_mailbox = self.switchboard.mailbox("snapshot")
        self.desk_outbox = self.switchboard.outbox("order_desk")
        self.records = self.switchboard.mailbox("records")
        self.wire = Wire(
            data=self.data.client(),
            control=self.control.client(),
            journal=self.journal,
            latch=self.latch,
            budget=self.budget,
            clock=self.clock,
            mailbox=self.switchboard.mailbox("wire"),
            outbox=self.switchboard.outbox("wire"),
            seams=self.seams,
            log=self.log,
        )
        self.incarnation = 0
        self.commands = 0

    def _append(self, line: bytes) -> None:
        if self.disk_is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lines.append(line)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[WireStage]:
        """Runs the Wire, with a first OrderDesk that has a permit."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.wire.run)
            self.permit(True)
            await self.take_over()
            yield self
            nursery.cancel_scope.cancel()

    def permit(self, may_quote: bool) -> None:
        self.desk_outbox.publish(
            PermitView(may_quote=may_quote, must_withdraw=False, reasons=(), decided_at_s=trio.current_time())
        )

    async def take_over(self) -> Recovered:
        """A new OrderDesk starts."""
        self.incarnation += 1
        slot = await self.post(RaiseIncarnation(incarnation=self.incarnation), "", CommandClass.CANCEL)
        recovered = await slot.get()
        assert isinstance(recovered, Recovered)
        return recovered

    async def post(
        self,
        request: WireRequest,
        client_order_id: str = "us-1",
        kind: CommandClass = CommandClass.QUOTE,
        *,
        valid_s: float = 0.25,
    ) -> ReplySlot:
        """Sends a command and returns the slot of its answer."""
        self.commands += 1
        slot = self.desk_mailbox.reply_slot()
        await self.desk_outbox.send(
            WireCommand(
                command_id=self.commands,
                client_order_id=client_order_id,
                incarnation=self.incarnation,
                kind=kind,
                valid_until_s=trio.current_time() + valid_s,
                request=request,
                reply=slot,
            )
        )
        return slot

    async def command(
        self,
        request: WireRequest,
        client_order_id: str = "us-1",
        kind: CommandClass = CommandClass.QUOTE,
        *,
        valid_s: float = 0.25,
    ) -> WireOutcome:
        """Sends a command and returns what became of it."""
        slot = await self.post(request, client_order_id, kind, valid_s=valid_s)
        outcome = await slot.get()
        assert isinstance(outcome, WireOutcome)
        return outcome

    async def read(self, what: object) -> object:
        slot = self.desk_mailbox.reply_slot()
        await self.desk_outbox.send(ReadRequest(read=what, reply=slot))
        return await slot.get()

    async def open_group(self, exchange_index: int = 0) -> WireOutcome:
        request = OpenGroup(exchange_index=exchange_index, contracts_limit_e2=CountE2(100))
        return await self.command(request, "", valid_s=2.0)

    async def health(self) -> WireHealth:
        """The newest health, after a moment."""
        await trio.sleep(0.3)
        return [m for m in await self.snapshot_mailbox.receive() if isinstance(m, WireHealth)][-1]

    def alerts(self) -> list[str]:
        return [m.code for m in drained(self.records) if isinstance(m, Alert)]

    def kinds_written(self) -> list[str]:
        """The names of the journal's records, in order."""
        return [line.split(b'"')[1].decode() for line in self.lines]


def drained(mailbox: Mailbox) -> tuple[object, ...]:
    return mailbox._drain()
