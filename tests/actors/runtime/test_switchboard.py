"""Who gets what: routing by table, kind and key; the life of mailboxes; what is refused."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.runtime import switchboard as switchboard_module
from actors.runtime.switchboard import ChannelSpec, NoReceiver, Policy, Switchboard, WiringError


@attrs.frozen
class Fill:
    number: int


@attrs.frozen
class Assignment:
    ticker: str


@attrs.frozen
class Book:
    ticker: str
    sequence: int


@attrs.frozen
class Risk:
    number: int


@attrs.frozen
class Trade:
    ticker: str


def ticker(message: Book | Trade | Assignment) -> str:
    return message.ticker


TABLE = (
    ChannelSpec(Fill, Policy.BLOCK, 2, ("feed",), ("ledger", "console")),
    ChannelSpec(Assignment, Policy.BLOCK, 2, ("feed",), ("market",), ticker),
    ChannelSpec(Book, Policy.LATEST, 3, ("feed",), ("market", "desk"), ticker),
    ChannelSpec(Risk, Policy.LATEST, 1, ("risk",), ("market",)),
    ChannelSpec(Trade, Policy.SAMPLE, 2, ("feed",), ("market",), ticker),
)


@pytest.fixture
def board() -> Switchboard:
    return Switchboard(TABLE, trio.current_time)


async def test_a_mailbox_restricted_to_a_key_gets_only_that_key(board: Switchboard, autojump_clock: MockClock) -> None:
    market = board.mailbox("market:A", keys={Book: "A", Trade: "A"})
    desk = board.mailbox("desk")
    outbox = board.outbox("feed")
    for message in (Book("A", 1), Book("B", 1), Trade("A"), Trade("B")):
        outbox.publish(message)
    assert await market.receive() == (Book("A", 1), Trade("A"))
    assert await desk.receive() == (Book("A", 1), Book("B", 1))


async def test_a_channel_without_restriction_or_with_none_gives_all_keys(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    market = board.mailbox("market:A", keys={Book: None, Assignment: "A"})
    other = board.mailbox("market:B", keys={Assignment: "B"})
    board.outbox("feed").publish(Book("B", 1))
    await board.outbox("feed").send(Assignment("A"))
    assert await market.receive() == (Assignment("A"), Book("B", 1))
    assert await other.receive() == (Book("B", 1),)


async def test_a_block_message_reaches_every_receiver_that_exists(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    ledger, console = board.mailbox("ledger"), board.mailbox("console")
    await board.outbox("feed").send(Fill(1))
    assert await ledger.receive() == await console.receive() == (Fill(1),)


async def test_a_new_subscriber_starts_with_the_present_values(board: Switchboard, autojump_clock: MockClock) -> None:
    outbox = board.outbox("feed")
    for book in (Book("A", 1), Book("B", 1), Book("A", 2)):
        outbox.publish(book)
    board.outbox("risk").publish(Risk(5))
    outbox.publish(Trade("A"))
    assert await board.mailbox("market:A", keys={Book: "A"}).receive() == (Book("A", 2), Risk(5))


async def test_a_forgotten_key_primes_nobody_but_is_still_read_where_it_was_unread(
    board: Switchboard,
    autojump_clock: MockClock,
) -> None:
    desk = board.mailbox("desk")
    board.outbox("feed").publish(Book("A", 1))
    board.forget(Book, "A")
    board.forget(Book, "never was")
    assert await desk.receive() == (Book("A", 1),)
    assert board.mailbox("market:A").depth == 0


def test_only_what_the_table_declares_for_the_senders_kind_can_be_sent(board: Switchboard) -> None:
    with pytest.raises(WiringError, match="does not let risk send"):
        board.outbox("risk").publish(Book("A", 1))
    with pytest.raises(WiringError, match="str"):
        board.outbox("feed").publish("an undeclared type")


async def test_each_policy_has_its_own_way_of_sending(board: Switchboard, autojump_clock: MockClock) -> None:
    with pytest.raises(WiringError, match="must send"):
        board.outbox("feed").publish(Fill(1))
    with pytest.raises(WiringError, match="must publish"):
        await board.outbox("feed").send(Book("A", 1))
    with pytest.raises(WiringError, match="must publish"):
        board.outbox("feed").try_send(Trade("A"))


async def test_past_its_bound_a_latest_channel_forgets_the_key_said_longest_ago(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    outbox = board.outbox("feed")
    for key in "ABC":
        outbox.publish(Book(key, 1))
    outbox.publish(Book("A", 2))
    outbox.publish(Book("D", 1))
    assert set(await board.mailbox("market:late").receive()) == {Book("A", 2), Book("C", 1), Book("D", 1)}


async def test_a_block_message_that_never_had_a_receiver_is_refused(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    with pytest.raises(NoReceiver, match="no mailbox was ever made"):
        await board.outbox("feed").send(Fill(1))


async def test_a_block_message_whose_receivers_are_gone_is_a_counted_dead_letter(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    board.mailbox("ledger")
    board.remove("ledger")
    await board.outbox("feed").send(Fill(1))
    assert board.outbox("feed").try_send(Fill(2))
    assert board.undelivered == {"Fill": 2}


async def test_removing_a_mailbox_releases_those_who_wait_for_room_in_it(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    board.mailbox("ledger")
    outbox = board.outbox("feed")
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(outbox.send, Fill(number))
        await trio.sleep(1)
        board.remove("ledger")
    assert board.undelivered == {"Fill": 2}


async def test_a_receiver_removed_while_another_one_makes_the_sender_wait_is_left_out(
    board: Switchboard,
    autojump_clock: MockClock,
) -> None:
    ledger, _ = board.mailbox("ledger"), board.mailbox("console")
    outbox = board.outbox("feed")
    await outbox.send(Fill(1))
    await outbox.send(Fill(2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.send, Fill(3))
        await trio.sleep(1)
        board.remove("console")
        assert await ledger.receive() == (Fill(1), Fill(2), Fill(3))
    assert board.undelivered == {"Fill": 1}


def test_trying_to_send_delivers_to_all_or_to_none(board: Switchboard) -> None:
    ledger, console = board.mailbox("ledger"), board.mailbox("console")
    outbox = board.outbox("feed")
    assert outbox.try_send(Fill(1))
    assert outbox.try_send(Fill(2))
    assert not outbox.try_send(Fill(3))
    assert (ledger.depth, console.depth) == (2, 2)


async def test_sending_is_a_checkpoint_and_a_cancelled_sender_sends_nothing(
    board: Switchboard, autojump_clock: MockClock
) -> None:
    ledger = board.mailbox("ledger")
    with trio.testing.assert_checkpoints():
        await board.outbox("feed").send(Fill(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await board.outbox("feed").send(Fill(2))
    assert ledger.depth == 1


def test_the_same_name_gives_the_same_mailbox_and_other_keys_are_refused(board: Switchboard) -> None:
    mailbox = board.mailbox("market:A", keys={Book: "A"})
    assert board.mailbox("market:A") is mailbox
    assert board.mailbox("market:A", keys={Book: "A"}) is mailbox
    with pytest.raises(WiringError, match="other keys"):
        board.mailbox("market:A", keys={Book: "B"})


@pytest.mark.parametrize("keys", [{Fill: "x"}, {Risk: "x"}])
def test_a_key_for_a_channel_that_has_none_is_refused(board: Switchboard, keys: dict[type, str]) -> None:
    with pytest.raises(WiringError, match="no such keyed channel"):
        board.mailbox("market:A", keys=keys)


def test_a_removed_mailbox_gets_nothing_and_its_late_answers_are_dead_letters(board: Switchboard) -> None:
    market = board.mailbox("market:A", keys={Book: "A"})
    twin = board.mailbox("market:A2", keys={Book: "A"})
    slot = market.reply_slot()
    board.remove("market:A")
    board.remove("market:A")
    board.outbox("feed").publish(Book("A", 1))
    slot.put("late")
    assert (market.depth, twin.depth) == (0, 1)
    assert market.statistics().dead_letters == 1
    assert set(board.statistics()) == {"market:A2"}
    board.remove("market:A2")
    board.outbox("feed").publish(Book("A", 2))


def test_incarnation_numbers_go_on_after_a_removal_for_as_many_names_as_are_remembered(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard_module, "INCARNATIONS_REMEMBERED_MAX", 1)
    board.mailbox("market:A")
    board.reincarnate("market:A", 4)
    board.remove("market:A")
    assert board.mailbox("market:A").incarnation == 4
    board.mailbox("market:B")
    board.remove("market:A")
    board.remove("market:B")
    assert board.mailbox("market:A").incarnation == 0


async def test_an_actor_without_channels_has_an_empty_mailbox(board: Switchboard, autojump_clock: MockClock) -> None:
    assert await board.mailbox("idler").receive(timeout_s=1) == ()
