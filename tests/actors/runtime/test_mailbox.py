"""What a mailbox promises its reader: order, nothing lost, nothing unbounded, and no answer to a former life."""

from __future__ import annotations

import attrs
import hypothesis.strategies as st
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from trio.testing import MockClock

from actors.runtime import mailbox as mailbox_module
from actors.runtime.channels import ChannelSpec, Policy, WiringError
from actors.runtime.mailbox import LAST_MESSAGES, Mailbox
from actors.runtime.switchboard import Switchboard


@attrs.frozen
class Command:
    number: int


@attrs.frozen
class Order:
    number: int


@attrs.frozen
class Book:
    ticker: str
    sequence: int


@attrs.frozen
class Health:
    number: int


@attrs.frozen
class Beat:
    number: int


@attrs.frozen
class Level:
    price: int
    count: int


@attrs.frozen
class Trade:
    number: int


@attrs.frozen
class Tick:
    number: int


TABLE = (
    ChannelSpec(Command, Policy.BLOCK, 3, ("sender",), ("reader",)),
    ChannelSpec(Order, Policy.BLOCK, 3, ("sender",), ("reader",)),
    ChannelSpec(Book, Policy.LATEST, 2, ("sender",), ("reader",), lambda book: book.ticker),
    ChannelSpec(Health, Policy.LATEST, 1, ("sender",), ("reader",)),
    ChannelSpec(Beat, Policy.LATEST, 1, ("sender",), ("reader", "watcher"), quiet_to=("reader",)),
    ChannelSpec(
        Level,
        Policy.LATEST,
        1,
        ("sender",),
        ("reader", "watcher"),
        quiet_unless_moved_to=("reader",),
        has_moved=lambda before, after: before.price != after.price,
    ),
    ChannelSpec(Trade, Policy.SAMPLE, 3, ("sender",), ("reader",)),
    ChannelSpec(Tick, Policy.SAMPLE, 3, ("sender",), ("reader",)),
)


@pytest.fixture
def board() -> Switchboard:
    return Switchboard(TABLE, trio.current_time)


async def test_everything_that_waits_comes_in_the_order_block_replies_latest_samples(
    board: Switchboard,
    autojump_clock: MockClock,
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    outbox.publish(Trade(1))
    outbox.publish(Book("A", 1))
    mailbox.reply_slot().put("reply")
    await outbox.send(Command(1))
    outbox.publish(Tick(2))
    await outbox.send(Order(2))
    outbox.publish(Trade(3))
    await outbox.send(Command(3))
    assert await mailbox.receive() == (
        Command(1),
        Order(2),
        Command(3),
        "reply",
        Book("A", 1),
        Trade(1),
        Tick(2),
        Trade(3),
    )
    assert await mailbox.receive(timeout_s=0) == ()


async def test_receiving_waits_for_anything(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")

    async def send_later() -> None:
        await trio.sleep(5)
        outbox.publish(Health(1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_later)
        assert await mailbox.receive() == (Health(1),)
    assert trio.current_time() == 5


async def test_receiving_gives_up_after_its_timeout(board: Switchboard, autojump_clock: MockClock) -> None:
    assert await board.mailbox("reader").receive(timeout_s=2.5) == ()
    assert trio.current_time() == 2.5


async def test_receiving_is_a_checkpoint_also_when_something_waits(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox = board.mailbox("reader")
    board.outbox("sender").publish(Health(1))
    with trio.testing.assert_checkpoints():
        await mailbox.receive()


async def test_a_leftover_wake_up_is_not_taken_for_a_message(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    outbox.publish(Health(1))
    await mailbox.receive()
    assert await mailbox.receive(timeout_s=1) == ()
    outbox.publish(Health(2))
    assert await mailbox.receive() == (Health(2),)


async def test_a_cancelled_reader_loses_nothing(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    await outbox.send(Command(1))
    with trio.move_on_after(1) as scope:
        scope.cancel()
        await mailbox.receive()
    assert mailbox.depth == 1
    assert await mailbox.receive() == (Command(1),)


async def test_a_reader_cancelled_in_the_instant_of_arrival_loses_nothing(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    batches: list[tuple[object, ...]] = []

    async def read(scope: trio.CancelScope) -> None:
        with scope:
            batches.append(await mailbox.receive())

    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, scope)
        await trio.sleep(1)
        outbox.publish(Health(1))
        scope.cancel()
    assert [*batches, await mailbox.receive(timeout_s=0)] in ([(Health(1),), ()], [(Health(1),)])


async def test_a_second_reader_is_refused_and_the_first_goes_on(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox = board.mailbox("reader")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.receive)
        await trio.sleep(1)
        with pytest.raises(trio.BusyResourceError, match="two tasks"):
            await mailbox.receive()
        with pytest.raises(trio.BusyResourceError, match="two tasks"):
            mailbox.receive_nowait()
        board.outbox("sender").publish(Health(1))


async def test_what_waits_can_be_taken_without_waiting(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    assert mailbox.receive_nowait() == ()
    outbox.publish(Health(1))
    outbox.publish(Health(2))
    mailbox.stall(1.0)
    assert mailbox.receive_nowait() == ()
    await trio.sleep(1)
    assert mailbox.receive_nowait() == (Health(2),)
    assert mailbox.receive_nowait() == ()


async def test_a_newer_value_replaces_an_unread_one_and_keeps_its_place(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    for book in (Book("A", 1), Book("B", 1), Book("A", 2), Book("A", 3)):
        outbox.publish(book)
    assert await mailbox.receive() == (Book("A", 3), Book("B", 1))
    assert mailbox.statistics().replaced == 2


async def test_samples_drop_their_oldest_and_count_it(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    for number in range(5):
        outbox.publish(Trade(number))
    assert mailbox.depth == 3
    assert await mailbox.receive() == (Trade(2), Trade(3), Trade(4))
    assert mailbox.statistics().dropped == 2


async def test_a_full_block_channel_makes_its_sender_wait_and_only_its_own(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    sent: list[object] = []

    async def send(*messages: object) -> None:
        for message in messages:
            await outbox.send(message)
            sent.append(message)
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, *(Command(number) for number in range(5)))
        await trio.sleep(1)
        assert sent == [Command(0), Command(1), Command(2)]
        assert mailbox.statistics().senders_waiting == 1
        await outbox.send(Order(9))
        assert await mailbox.receive() == (Command(0), Command(1), Command(2), Command(3), Order(9))
        await trio.sleep(1)
        assert await mailbox.receive() == (Command(4),)


async def test_a_sender_cancelled_while_waiting_has_sent_nothing(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    for number in range(3):
        await outbox.send(Command(number))
    with trio.move_on_after(1) as scope:
        await outbox.send(Command(3))
    assert scope.cancelled_caught
    assert await mailbox.receive() == (Command(0), Command(1), Command(2))
    assert await mailbox.receive(timeout_s=1) == ()


async def test_unread_values_of_ever_new_keys_are_bounded(board: Switchboard, autojump_clock: MockClock) -> None:
    """I11: a stuck reader must not keep every key that ever was; two lives of each key fit."""
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    for number in range(100):
        outbox.publish(Book(str(number), number))
        board.forget(Book, str(number))
    assert mailbox.depth == 10
    assert mailbox.statistics().dropped == 90
    assert (await mailbox.receive())[-1] == Book("99", 99)


async def test_statistics_tell_peak_received_and_the_time_of_the_last_receive(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    assert mailbox.statistics().last_receive_s is None
    for number in range(3):
        outbox.publish(Trade(number))
    await trio.sleep(7)
    await mailbox.receive()
    statistics = board.statistics()["reader"]
    assert (statistics.depth, statistics.peak, statistics.received, statistics.last_receive_s) == (0, 3, 3, 7)


async def test_what_is_quiet_wakes_nobody_and_comes_with_the_next_batch(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    outbox.publish(Beat(1))
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def speak() -> None:
            await trio.sleep(1)
            outbox.publish(Beat(2))
            await trio.sleep(1)
            outbox.publish(Trade(7))

        assert await mailbox.receive() == (Beat(2), Trade(7))
        assert trio.current_time() == 2


async def test_what_is_quiet_comes_when_the_time_is_over(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    outbox.publish(Trade(1))
    await mailbox.receive()
    outbox.publish(Beat(1))
    assert await mailbox.receive(timeout_s=3) == (Beat(1),)
    assert trio.current_time() == 3


async def test_what_is_quiet_to_one_reader_wakes_another(board: Switchboard, autojump_clock: MockClock) -> None:
    watcher, outbox = board.mailbox("watcher"), board.outbox("sender")
    outbox.publish(Beat(1))
    assert await watcher.receive() == (Beat(1),)
    assert trio.current_time() == 0


async def test_a_stalled_mailbox_delivers_nothing_until_the_stall_ends(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")

    async def stall() -> None:
        await trio.sleep(1)
        mailbox.stall(10)
        outbox.publish(Health(1))
        await trio.sleep(1)
        outbox.publish(Health(2))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stall)
        assert await mailbox.receive() == (Health(2),)
    assert trio.current_time() == 11


async def test_a_slow_mailbox_delivers_each_message_later_and_then_as_fast_as_ever(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    mailbox.slow(0.5, 10)
    outbox.publish(Trade(1))
    outbox.publish(Trade(2))
    assert await mailbox.receive() == (Trade(1), Trade(2))
    assert trio.current_time() == 1.0
    await trio.sleep(9)
    outbox.publish(Trade(3))
    assert await mailbox.receive() == (Trade(3),)
    assert trio.current_time() == 10.0


# Replies.


async def test_an_awaited_reply_is_returned_in_place_and_not_delivered_again(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox = board.mailbox("reader")
    slot = mailbox.reply_slot()

    async def answer() -> None:
        await trio.sleep(1)
        slot.put(42)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        assert await slot.get() == 42
    assert mailbox.depth == 0


async def test_a_reply_that_came_before_get_is_found_there(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox = board.mailbox("reader")
    slot = mailbox.reply_slot()
    slot.put(42)
    with trio.testing.assert_checkpoints():
        assert await slot.get() == 42
    assert await mailbox.receive(timeout_s=0) == ()


async def test_a_reply_nobody_awaits_wakes_the_mailbox(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox = board.mailbox("reader")
    slot = mailbox.reply_slot()

    async def answer() -> None:
        await trio.sleep(1)
        slot.put("later")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        assert await mailbox.receive() == ("later",)


async def test_a_second_answer_is_a_dead_letter(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox = board.mailbox("reader")
    slot = mailbox.reply_slot()
    slot.put(1)
    slot.put(2)
    assert await mailbox.receive() == (1,)
    assert mailbox.statistics().dead_letters == 1


async def test_an_answer_after_the_asker_gave_up_is_a_dead_letter(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox = board.mailbox("reader")
    slot = mailbox.reply_slot()
    with trio.move_on_after(1):
        await slot.get()
    slot.put("too late")
    assert await mailbox.receive(timeout_s=0) == ()
    assert mailbox.statistics().dead_letters == 1


async def test_an_answer_has_one_reader(board: Switchboard, autojump_clock: MockClock) -> None:
    mailbox = board.mailbox("reader")
    delivered = mailbox.reply_slot()
    delivered.put(1)
    await mailbox.receive()
    with pytest.raises(WiringError, match="already used"):
        await delivered.get()
    awaited = mailbox.reply_slot()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(awaited.get)
        await trio.sleep(1)
        with pytest.raises(WiringError, match="already used"):
            await awaited.get()
        awaited.put(2)


def test_asking_without_reading_answers_is_refused_at_the_bound(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_module, "REPLIES_WAITING_MAX", 2)
    mailbox = board.mailbox("reader")
    for _ in range(2):
        mailbox.reply_slot().put("answer")
    with pytest.raises(WiringError, match="asks without reading"):
        mailbox.reply_slot()


# Restarts.


async def test_a_restart_keeps_what_waits_and_primes_latest_values_again(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    outbox.publish(Book("A", 1))
    outbox.publish(Health(7))
    await mailbox.receive()
    await outbox.send(Command(1))
    outbox.publish(Trade(2))
    board.reincarnate("reader", 1)
    assert await mailbox.receive() == (Command(1), Book("A", 1), Health(7), Trade(2))


async def test_answers_to_an_older_incarnation_change_nothing_and_are_counted(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    """I18: one answer waits at the restart, one comes after it; both belong to a life that is over."""
    mailbox = board.mailbox("reader")
    board.reincarnate("reader", 1)
    waiting, late = mailbox.reply_slot(), mailbox.reply_slot()
    waiting.put("before")
    board.reincarnate("reader", 2)
    late.put("after")
    assert await mailbox.receive(timeout_s=0) == ()
    assert mailbox.statistics().dead_letters == 2
    mailbox.reply_slot().put("present")
    assert await mailbox.receive() == ("present",)


def test_incarnations_only_rise(board: Switchboard) -> None:
    board.mailbox("reader")
    board.reincarnate("reader", 2)
    with pytest.raises(WiringError, match="incarnation"):
        board.reincarnate("reader", 2)


# Against a model.

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("command"), st.just("")),
        st.tuples(st.just("order"), st.just("")),
        st.tuples(st.just("book"), st.sampled_from("AB")),
        st.tuples(st.just("trade"), st.just("")),
        st.tuples(st.just("tick"), st.just("")),
        st.tuples(st.just("reply"), st.just("")),
        st.tuples(st.just("receive"), st.just("")),
        st.tuples(st.just("restart"), st.just("")),
    ),
    max_size=40,
)


class Model:
    """A mailbox of plain lists that says what must come out."""

    def __init__(self) -> None:
        self.blocks: list[object] = []
        self.replies: list[object] = []
        self.unread: dict[str, object] = {}
        self.retained: dict[str, object] = {}
        self.samples: list[object] = []

    def sample(self, message: object) -> None:
        same = [waiting for waiting in self.samples if type(waiting) is type(message)]
        if len(same) == 3:
            self.samples.remove(same[0])
        self.samples.append(message)

    def restart(self) -> None:
        self.replies.clear()
        for key, value in self.retained.items():
            self.unread[key] = value

    def receive(self) -> tuple[object, ...]:
        batch = (*self.blocks, *self.replies, *self.unread.values(), *self.samples)
        self.blocks, self.replies, self.unread, self.samples = [], [], {}, []
        return batch


async def act(kind: str, key: str, number: int, board: Switchboard, mailbox: Mailbox, model: Model) -> None:
    outbox = board.outbox("sender")
    match kind:
        case "command" | "order":
            message = (Command if kind == "command" else Order)(number)
            same = [waiting for waiting in model.blocks if type(waiting) is type(message)]
            is_sent = outbox.try_send(message)
            assert is_sent is (len(same) < 3)
            model.blocks += [message] * is_sent
        case "book":
            book = Book(key, number)
            outbox.publish(book)
            model.unread[key] = book
            model.retained.pop(key, None)  # the newest last: a new reader gets them in the order of their news
            model.retained[key] = book
        case "trade" | "tick":
            sample = (Trade if kind == "trade" else Tick)(number)
            outbox.publish(sample)
            model.sample(sample)
        case "reply":
            mailbox.reply_slot().put(number)
            model.replies.append(number)
        case "restart":
            board.reincarnate("reader", mailbox.incarnation + 1)
            model.restart()
        case _:
            assert mailbox.depth == len(model.blocks + model.replies + model.samples) + len(model.unread)
            assert await mailbox.receive(timeout_s=0) == model.receive()
    await trio.lowlevel.checkpoint()


@settings(max_examples=60)
@given(ACTIONS)
def test_any_history_delivers_what_the_model_says(actions: list[tuple[str, str]]) -> None:
    async def main() -> None:
        board, model = Switchboard(TABLE, trio.current_time), Model()
        mailbox = board.mailbox("reader")
        for number, (kind, key) in enumerate([*actions, ("receive", "")]):
            await act(kind, key, number, board, mailbox, model)
        await trio.lowlevel.checkpoint()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_what_was_given_last_is_remembered_up_to_a_bound_for_a_crash_report(board: Switchboard) -> None:
    mailbox, outbox = board.mailbox("reader"), board.outbox("sender")
    assert mailbox.last_messages() == ()
    for number in range(LAST_MESSAGES + 5):
        outbox.publish(Health(number))
        await mailbox.receive()
    outbox.publish(Health(99))  # still waits, so nobody has acted on it
    last = mailbox.last_messages()
    assert len(last) == LAST_MESSAGES
    assert last[-1] == repr(Health(LAST_MESSAGES + 4))


async def test_what_has_not_moved_wakes_nobody_who_looks_at_moves_alone(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    reader, watcher, outbox = board.mailbox("reader"), board.mailbox("watcher"), board.outbox("sender")
    outbox.publish(Level(1, 1))
    assert await reader.receive(timeout_s=1.0) == await watcher.receive(timeout_s=1.0) == (Level(1, 1),)
    assert trio.current_time() == 0.0
    outbox.publish(Level(1, 2))
    assert await watcher.receive(timeout_s=1.0) == (Level(1, 2),)
    assert trio.current_time() == 0.0
    assert await reader.receive(timeout_s=1.0) == (Level(1, 2),)  # when its time was over
    assert trio.current_time() == 1.0
    outbox.publish(Level(2, 2))
    outbox.publish(Level(2, 3))  # what follows a move unread does not undo the news
    assert await reader.receive(timeout_s=1.0) == (Level(2, 3),)
    assert trio.current_time() == 1.0
