"""Asking another part and waiting for its answer, from inside an actor."""

from __future__ import annotations

from typing import Protocol

from actors.messages.orders import ReadRequest
from actors.runtime.mailbox import ReplySlot


class _Context(Protocol):
    """What asking needs of an actor's context."""

    @property
    def mailbox(self) -> _Slots: ...

    @property
    def outbox(self) -> _Sends: ...


class _Slots(Protocol):
    def reply_slot(self) -> ReplySlot: ...


class _Sends(Protocol):
    async def send(self, message: object) -> None: ...


async def ask_wire(context: _Context, read: object, *, is_urgent: bool = False) -> object:
    """Returns the Wire's answer to a read: the read's result class, or ReadFailed. Waits; nothing else is read
    meanwhile.
    """
    slot = context.mailbox.reply_slot()
    await context.outbox.send(ReadRequest(read=read, reply=slot, is_urgent=is_urgent))
    return await slot.get()


async def post_to_wire(context: _Context, read: object, *, is_urgent: bool = False) -> None:
    """Asks the Wire for a read whose answer comes into the mailbox, among the other messages."""
    slot = context.mailbox.reply_slot()
    await context.outbox.send(ReadRequest(read=read, reply=slot, is_urgent=is_urgent))
