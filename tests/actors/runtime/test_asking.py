"""Asking another part from inside an actor: in place, by post, and again where no answer comes."""

from __future__ import annotations

import attrs
import trio
from trio.testing import MockClock

from actors.messages.money import ReadNumberedFills
from actors.messages.orders import ReadOrders, ReadRequest
from actors.messages.table import CHANNELS
from actors.runtime.asking import ASK_AGAIN_S, ask_until_answered, ask_wire, post_to_wire
from actors.runtime.mailbox import Mailbox
from actors.runtime.switchboard import Outbox, Switchboard


@attrs.frozen
class Context:
    mailbox: Mailbox
    outbox: Outbox


class Room:
    """An asker, and the two that can be asked."""

    def __init__(self) -> None:
        switchboard = Switchboard(CHANNELS, trio.current_time)
        self.asker = Context(switchboard.mailbox("order_desk"), switchboard.outbox("order_desk"))
        self.wire = switchboard.mailbox("wire")
        self.ledger = switchboard.mailbox("ledger")

    async def wire_answers(self, answer: object) -> ReadRequest:
        (request,) = await self.wire.receive()
        assert isinstance(request, ReadRequest)
        request.reply.put(answer)
        return request


async def test_a_question_is_answered_in_place(autojump_clock: MockClock) -> None:
    room = Room()
    answers: list[object] = []

    async def ask() -> None:
        answers.append(await ask_wire(room.asker, ReadOrders(), is_urgent=True))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        request = await room.wire_answers("the list")
    assert (answers, request.read, request.is_urgent) == (["the list"], ReadOrders(), True)
    assert room.asker.mailbox.depth == 0


async def test_a_posted_question_is_answered_among_the_other_messages(autojump_clock: MockClock) -> None:
    room = Room()
    await post_to_wire(room.asker, ReadOrders(ticker="M"))
    request = await room.wire_answers("the list")
    assert (request.read, request.is_urgent) == (ReadOrders(ticker="M"), False)
    assert await room.asker.mailbox.receive() == ("the list",)


async def test_a_question_that_nobody_answers_is_asked_again_and_late_answers_are_dropped(
    autojump_clock: MockClock,
) -> None:
    room = Room()
    answers: list[object] = []

    async def ask() -> None:
        question = ask_until_answered(room.asker, lambda slot: ReadNumberedFills(after_seq=7, reply=slot))
        answers.append(await question)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(ASK_AGAIN_S * 1.5)
        first, second = await room.ledger.receive()
        assert isinstance(first, ReadNumberedFills)
        assert isinstance(second, ReadNumberedFills)
        first.reply.put("too late")
        second.reply.put("the fills")
    assert answers == ["the fills"]
    assert room.asker.mailbox.depth == 0
