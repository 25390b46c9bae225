"""Asking another part and waiting for its answer, from inside an actor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import trio

from actors.messages.orders import ReadRequest
from actors.runtime.mailbox import ReplySlot

# A live Ledger answers within milliseconds; a crashed one is back after its back-off.
ASK_AGAIN_S: Final = 2.0


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


async def ask_until_answered(
    context: _Context, question: Callable[[ReplySlot], object], *, again_after_s: float = ASK_AGAIN_S
) -> object:
    """Returns the answer to a question sent to an actor, asking again where none comes.

    An actor that crashes loses the message in hand, and with it the question: without this its asker would wait for
    ever. The question must bear repeating; a late answer to an older one is a dead letter.
    """
    while True:
        slot = context.mailbox.reply_slot()
        await context.outbox.send(question(slot))
        with trio.move_on_after(again_after_s):
            return await slot.get()
