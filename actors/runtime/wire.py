"""The Wire: the only part that sends orders, and the last to stop.

It lives in the outer scope and is never restarted: its tasks outlive OrderDesk, so an answer that comes while
OrderDesk is being rebuilt is journaled, not lost. It owns the HTTP clients, the one rate budget of the account
and the journal.

Rules:
1. The intent of a create is in the journal before its bytes leave (I3). When the journal cannot be written
   creates and amends do not go out; cancels, decreases and triggers still do.
2. The last check runs just before the first byte: exit latch, incarnation, newest permit, `valid_until`. What
   fails it comes back as never sent (I9). Cancels and decreases always pass: they only reduce.
3. A write ends as accepted, rejected, unknown or never sent, and nothing in between (I2). What ends before its
   intent was written leaves nothing in the journal, or it would seem to answer an earlier intent.
4. The Wire waits for nobody: an answer travels in the request's own reply slot, and what is too much at once
   comes back unsent. So a permit that was withdrawn is known before the next byte leaves.
5. A new OrderDesk gets the journal after the older one's unsent commands have come back as never sent (I18).
"""

from __future__ import annotations

import math
from collections import Counter

import attrs
import trio

from actors.messages.lifecycle import Alert
from actors.messages.orders import (
    CloseOrder,
    JournaledOrder,
    OpenGroup,
    OrderList,
    PermitView,
    RaiseIncarnation,
    ReadFailed,
    ReadOrders,
    ReadRequest,
    Recovered,
    WireCommand,
    WireHealth,
    WireOutcome,
    WireRequest,
)
from actors.runtime.child import Log
from actors.runtime.journal import (
    AmendAnswered,
    AmendIntended,
    CancelIntended,
    ChangeAnswered,
    CreateAnswered,
    CreateIntended,
    DecreaseAnswered,
    DecreaseIntended,
    GroupOpened,
    GroupTriggered,
    Journal,
    JournalBroken,
    OrderClosed,
)
from actors.runtime.latch import ExitLatch
from actors.runtime.mailbox import Mailbox
from actors.runtime.pause_watch import PauseWatch
from actors.runtime.seams import Seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.sweep import trigger_until_answered
from actors.runtime.switchboard import Outbox
from actors.runtime.wire_reads import WireReads
from kalshi.budget import Priority, RateBudget
from kalshi.errors import ExchangeError, OutcomeUnknown, Rejected, SendRefused
from kalshi.numbers import CountE2
from kalshi.rest import RestClient
from kalshi.types import (
    AmendAck,
    AmendOrder,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseOrder,
    ExchangeStatus,
)
from quant.orders.commands import CommandClass, OrderAck, OutcomeKind

# Commands under way at once, waiting for tokens included. A basic account sends ten a second and a quote waits a
# quarter of one, so beyond this the rest would only get old. Cancels may be more: one for every order we may have.
COMMANDS_MAX = 128
CANCELS_MAX = 1_024
# What reduces must find a place however many quotes wait (I10, I19).
UNCROWDED = (CommandClass.CANCEL, CommandClass.EXIT)
# Reads wait for read tokens of their own; each actor has one or two under way.
READS_MAX = 64
HEALTH_EVERY_S = 0.25
# Tokens kept back for the exit guard: a trigger per group, a cancel per order.
RESERVE_PER_GROUP = 10
RESERVE_PER_ORDER = 2

_PRIORITY = {
    CommandClass.CANCEL: Priority.CANCEL,
    CommandClass.EXIT: Priority.EXIT,
    CommandClass.RENEW: Priority.RENEW,
    CommandClass.QUOTE: Priority.CREATE,
}


@attrs.define(eq=False)
class _UnderWay:
    """One command between its intent and its answer."""

    command: WireCommand
    scope: trio.CancelScope  # ends the wait for tokens and a place, and only that
    left_or_over: trio.Event = attrs.field(factory=trio.Event)


class Wire:
    """Carries out commands and reads; see the module's rules."""

    def __init__(
        self,
        *,
        data: RestClient,
        control: RestClient,
        journal: Journal,
        latch: ExitLatch,
        budget: RateBudget,
        clock: ServerClock,
        mailbox: Mailbox,
        outbox: Outbox,
        seams: Seams,
        log: Log,
    ) -> None:
        self._data = data
        self._control = control
        self._journal = journal
        self._latch = latch
        self._budget = budget
        self._clock = clock
        self._mailbox = mailbox
        self._outbox = outbox
        self._seams = seams
        self._log = log
        self._read_carrier = WireReads(data, seams.now)
        self._incarnation = 0
        self._permit: PermitView | None = None
        self._shut_groups: list[str] = []
        self._commands = 0
        self._reads = 0
        self._waiting: set[_UnderWay] = set()
        self._pause = PauseWatch(self._read_status, self._publish_health_now, log)

    # -- the loop --

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carries out what comes, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._publish_health)
            nursery.start_soon(self._tell_of_the_latch)
            nursery.start_soon(self._pause.run)
            task_status.started()
            while True:
                for message in await self._mailbox.receive():
                    self._take(message, nursery)

    def _take(self, message: object, nursery: trio.Nursery) -> None:
        match message:
            case PermitView():
                self._permit = message
            case WireCommand(request=RaiseIncarnation(incarnation=incarnation)):
                self._incarnation = max(self._incarnation, incarnation)
                nursery.start_soon(self._hand_over, message)
            case WireCommand(request=CloseOrder() as close):
                self._journal.note(OrderClosed(client_order_id=close.client_order_id, outcome=close.outcome))
            case WireCommand():
                self._take_command(message, nursery)
            case ReadRequest():
                self._take_read(message, nursery)

    def _take_command(self, command: WireCommand, nursery: trio.Nursery) -> None:
        bound = CANCELS_MAX if command.kind in UNCROWDED else COMMANDS_MAX
        if self._commands >= bound:
            self._refuse(command, "busy", f"{self._commands} commands are under way already")
            return
        self._commands += 1
        nursery.start_soon(self._carry_out, command)

    def _take_read(self, request: ReadRequest, nursery: trio.Nursery) -> None:
        if self._reads >= READS_MAX:
            request.reply.put(_failed(request, f"{self._reads} reads are under way already"))
            return
        self._reads += 1
        nursery.start_soon(self._read, request)

    async def _publish_health(self) -> None:
        while True:
            # Without a permit nothing is sent and nothing written, so this is what finds the disk free again.
            self._journal.probe()
            self._publish_health_now()
            await trio.sleep(HEALTH_EVERY_S)

    async def _tell_of_the_latch(self) -> None:
        # At once, so that the desk does not take our own fence for somebody else's.
        await self._latch.closed()
        self._publish_health_now()

    def _publish_health_now(self) -> None:
        state = self._journal.state
        self._budget.set_reserve(
            RESERVE_PER_GROUP * len(state.groups_to_fence()) + RESERVE_PER_ORDER * len(state.orders)
        )
        snapshot = self._budget.snapshot()
        waiting = Counter(each.command.kind for each in self._waiting if not each.left_or_over.is_set())
        self._outbox.publish(
            WireHealth(
                journal_healthy=self._journal.is_healthy,
                clock_sane=self._clock.is_sane(),
                clock_offset_ms=self._clock.offset_ms,
                latch_open=self._latch.is_open,
                shut_groups=tuple(self._shut_groups),
                write_tokens=snapshot.write.tokens - snapshot.write.reserve,
                write_reserve=snapshot.write.reserve,
                exits_waiting=waiting[CommandClass.EXIT],
                quotes_waiting=waiting[CommandClass.QUOTE] + waiting[CommandClass.RENEW],
                write_refill_per_s=snapshot.write.refill_per_s,
                read_refill_per_s=snapshot.read.refill_per_s,
                exchange_pause=self._pause.reason,
                published_at_s=self._seams.now(),
            )
        )

    # -- what a new OrderDesk needs --

    async def _hand_over(self, command: WireCommand) -> None:
        """Answers a new OrderDesk with what the journal holds, once its predecessor's unsent commands are back."""
        older = [
            under_way
            for under_way in self._waiting
            if not under_way.left_or_over.is_set()
            and under_way.command.kind is not CommandClass.CANCEL
            and under_way.command.incarnation < self._incarnation
        ]
        for under_way in older:
            under_way.scope.cancel(reason="a newer OrderDesk has taken over")
        for under_way in older:
            await under_way.left_or_over.wait()
        command.reply.put(self._recovered())

    def _recovered(self) -> Recovered:
        orders: tuple[JournaledOrder, ...] = tuple(self._journal.state.orders.values())
        groups = tuple(
            (group.exchange_index, group.group_id)
            for group in self._journal.state.groups.values()
            if not group.triggered and group.group_id not in self._shut_groups
        )
        return Recovered(orders=orders, groups=groups)

    @property
    def open_groups(self) -> dict[str, int]:
        """The groups of this boot that may still hold orders, with their shards."""
        return self._journal.state.groups_to_fence()

    async def shut_groups(self, why: str) -> None:
        """Triggers every open group of this boot: the desk is silent, so nothing of ours may rest unattended."""
        self._outbox.publish(
            Alert(code="epoch_shut", severity="error", actor="wire", text=why, at_ms=self._seams.wall_ms())
        )
        async with trio.open_nursery() as nursery:
            for group_id, exchange_index in self.open_groups.items():
                if group_id not in self._shut_groups:
                    self._shut_groups.append(group_id)
                    nursery.start_soon(self._trigger, group_id, exchange_index)
            # Before the answers: who hears of a trigger from the exchange first would take it for somebody else's.
            self._publish_health_now()

    async def _trigger(self, group_id: str, exchange_index: int) -> None:
        at_ms = await trigger_until_answered(
            self._control, group_id, exchange_index, server_ms=self._clock.latest_ms, tell=self._log.warning
        )
        self._journal.note(GroupTriggered(group_id=group_id, at_ms=at_ms))

    # -- commands --

    async def _carry_out(self, command: WireCommand) -> None:
        try:
            self._last_check(command)  # what must not leave needs no intent either
            self._journal_intent(command)
        except SendRefused as refusal:
            self._refuse(command, "last_check", refusal.reason)
        except JournalBroken as broken:
            self._refuse(command, "journal", str(broken))
        else:
            await self._send_and_tell(command)
        finally:
            self._commands -= 1

    async def _send_and_tell(self, command: WireCommand) -> None:
        scope = trio.CancelScope(deadline=trio.current_time() + command.valid_until_s - self._seams.now())
        under_way = _UnderWay(command, scope)
        self._waiting.add(under_way)
        try:
            with scope:
                ack = await self._send(command, under_way)
        except SendRefused as refusal:
            self._finish(command, OutcomeKind.NEVER_SENT, code="last_check", message=refusal.reason)
        except Rejected as refusal:
            self._pause.refused(refusal.code)
            self._finish(command, OutcomeKind.REJECTED, code=refusal.code, message=str(refusal))
        except OutcomeUnknown as unknown:
            self._finish(command, OutcomeKind.UNKNOWN, message=str(unknown))
        except ExchangeError as error:  # unavailable: certainly nothing was done
            self._finish(command, OutcomeKind.NEVER_SENT, code="unavailable", message=str(error))
        else:
            if scope.cancelled_caught:
                self._finish(command, OutcomeKind.NEVER_SENT, code="late", message="no token came in time")
            else:
                self._finish(command, OutcomeKind.ACCEPTED, ack=ack)
        finally:
            self._waiting.discard(under_way)
            under_way.left_or_over.set()

    def _journal_intent(self, command: WireCommand) -> None:
        client_order_id = command.client_order_id
        match command.request:
            case CreateOrder() as create:
                self._journal.write(CreateIntended(request=create))
            case AmendOrder() as amend:
                self._journal.write(
                    AmendIntended(
                        client_order_id=client_order_id,
                        order_id=amend.order_id,
                        price_e4=amend.price_e4,
                        total_count_e2=amend.total_count_e2,
                        expiration_ts_s=amend.expiration_ts_s,
                    )
                )
            case DecreaseOrder() as decrease:
                self._journal.note(DecreaseIntended(client_order_id=client_order_id, order_id=decrease.order_id))
            case CancelOrder():
                self._journal.note(CancelIntended(client_order_id=client_order_id))
            case _:
                if not self._journal.is_healthy:
                    raise JournalBroken("the journal cannot be written, so no group is opened")

    async def _send(self, command: WireCommand, under_way: _UnderWay) -> OrderAck | str:
        def last_check() -> None:
            self._last_check(command)
            under_way.scope.deadline = math.inf  # from here on bytes may leave, and the answer is waited for
            under_way.left_or_over.set()

        priority = _PRIORITY[command.kind]
        match command.request:
            case CreateOrder() as create:
                return await self._data.create_order(create, priority=priority, before_send=last_check)
            case AmendOrder() as amend:
                return await self._data.amend_order(amend, priority=priority, before_send=last_check)
            case DecreaseOrder() as decrease:
                return await self._data.decrease_order(decrease, priority=priority, before_send=last_check)
            case CancelOrder() as cancel:
                return await self._data.cancel_order(cancel, priority=priority, before_send=last_check)
            case group:
                assert isinstance(group, OpenGroup)
                return await self._data.create_order_group(
                    group.contracts_limit_e2, group.exchange_index, before_send=last_check
                )

    def _last_check(self, command: WireCommand) -> None:
        if command.kind is CommandClass.CANCEL:
            return
        if not self._latch.is_open:
            raise SendRefused("the exit latch is closed")
        if command.incarnation != self._incarnation:
            raise SendRefused(f"a newer OrderDesk ({self._incarnation}) has taken over")
        late_s = self._seams.now() - command.valid_until_s
        if late_s > 0:
            raise SendRefused(f"{late_s:.3f} s too late")
        if command.kind is CommandClass.EXIT or isinstance(command.request, OpenGroup):
            return
        if self._permit is None or not self._permit.may_quote:
            raise SendRefused("no permit")
        if isinstance(command.request, CreateOrder) and command.request.order_group_id in self._shut_groups:
            raise SendRefused("the order group is shut")

    def _refuse(self, command: WireCommand, code: str, message: str) -> None:
        """It ends before its intent was written, so the journal hears nothing of it (rule 3)."""
        self._tell(command, OutcomeKind.NEVER_SENT, self._clock.latest_ms(), code=code, message=message)

    def _finish(
        self,
        command: WireCommand,
        kind: OutcomeKind,
        *,
        ack: OrderAck | str | None = None,
        code: str = "",
        message: str = "",
    ) -> None:
        server_ms = self._clock.latest_ms()
        self._journal_outcome(command.client_order_id, command.request, kind, ack, code, server_ms)
        self._tell(command, kind, server_ms, ack=ack, code=code, message=message)

    def _tell(
        self,
        command: WireCommand,
        kind: OutcomeKind,
        server_ms: int,
        *,
        ack: OrderAck | str | None = None,
        code: str = "",
        message: str = "",
    ) -> None:
        if kind is not OutcomeKind.ACCEPTED:
            self._log.debug(f"{type(command.request).__name__} {kind}: {code} {message}")
        command.reply.put(
            WireOutcome(
                command_id=command.command_id,
                client_order_id=command.client_order_id,
                kind=kind,
                request=command.request,
                ack=ack,
                code=code,
                message=message,
                server_ms=server_ms,
            )
        )

    def _journal_outcome(
        self,
        client_order_id: str,
        request: WireRequest,
        kind: OutcomeKind,
        ack: OrderAck | str | None,
        code: str,
        server_ms: int,
    ) -> None:
        match request, ack:
            case CreateOrder(), CreateAck():
                self._journal.note(
                    CreateAnswered(
                        client_order_id=client_order_id,
                        kind=kind.value,
                        order_id=ack.order_id,
                        filled_e2=ack.filled_e2,
                        remaining_e2=ack.remaining_e2,
                        ts_ms=ack.ts_ms,
                    )
                )
            case CreateOrder(), _:
                self._journal.note(
                    CreateAnswered(
                        client_order_id=client_order_id,
                        kind=kind.value,
                        order_id=None,
                        filled_e2=CountE2(0),
                        remaining_e2=CountE2(0),
                        ts_ms=server_ms,
                        code=code,
                    )
                )
            case AmendOrder() as amend, _:
                self._journal.note(
                    AmendAnswered(
                        client_order_id=client_order_id,
                        kind=kind.value,
                        price_e4=amend.price_e4,
                        total_count_e2=amend.total_count_e2,
                        expiration_ts_s=amend.expiration_ts_s,
                        ts_ms=ack.ts_ms if isinstance(ack, AmendAck) else 0,
                        code=code,
                    )
                )
            case DecreaseOrder(), _:
                self._journal.note(DecreaseAnswered(client_order_id=client_order_id, kind=kind.value, code=code))
            case OpenGroup() as group, str() as group_id:
                self._journal.note(GroupOpened(group_id=group_id, exchange_index=group.exchange_index))
            case _:
                self._journal.note(ChangeAnswered(client_order_id=client_order_id, kind=kind.value, code=code))

    # -- reads --

    async def _read_status(self) -> ExchangeStatus:
        return await self._data.exchange_status(priority=Priority.EXIT)

    async def _read(self, request: ReadRequest) -> None:
        try:
            result = await self._read_carrier.carry_out(request)
        except ExchangeError as error:
            self._log.debug(f"{request.read} failed: {error}")
            result = _failed(request, str(error))
        finally:
            self._reads -= 1
        request.reply.put(result)


def _failed(request: ReadRequest, reason: str) -> object:
    """A list that failed is told as an empty one of no time, so that its asker knows it is over."""
    if isinstance(request.read, ReadOrders):
        return OrderList(ticker=request.read.ticker, as_of_ms=0, orders=())
    return ReadFailed(read=request.read, reason=reason)
