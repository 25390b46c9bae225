"""Where an actor's messages wait: one mailbox per actor name, outliving the actor's incarnations.

A mailbox is owned by the switchboard, never by the actor that reads it. So a crash neither closes its
channels nor loses what waits: only the batch in hand is gone. (An actor holding the only receive end of a
trio channel takes the whole buffer with it when it dies, silently; measured in supervision.md S13.)

Rules:

1. `receive` takes everything that waits, in this order: BLOCK messages in the order sent, then replies, then
   latest values, then samples. Nothing is taken unless the caller gets it: cancellation before that leaves
   all in place.
2. A latest value keeps the place in line of the unread value that it replaces, so a busy key cannot starve a
   quiet one.
3. A reply goes to whoever waits in `ReplySlot.get`, else into the mailbox. A reply to an incarnation that is
   gone, to a slot that was given up or already used, changes nothing: it is a dead letter, dropped and
   counted (I18).
4. Everything here is bounded (I11): BLOCK and SAMPLE by their row of the table, unread latest values by twice
   the keys of their channels, replies by REPLIES_WAITING_MAX.
5. A message that is quiet to this reader does not end its wait; `receive` hands it over with the next batch.
6. One task reads a mailbox at a time; a second one is refused with trio.BusyResourceError.

Rejected: one queue for all (a flood of telemetry would delay commands); a trio channel per latest key (a
wake-up per value); closing a mailbox with its actor (see above).

Source: architecture.md §4; supervision.md S13, S14.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs
import trio

from actors.runtime.channels import ChannelSpec, Policy, WiringError, kind_of
from actors.runtime.described import described

# An actor that asks this often without ever reading its answers has stopped working; more would only grow the
# memory.
REPLIES_WAITING_MAX: Final = 4_096

# What an actor was given last, kept for the report of its crash.
LAST_MESSAGES: Final = 12

# Forgotten keys may still be unread, and their successors as well: two lives of every key fit, more means a
# stuck reader.
_UNREAD_LIVES_PER_KEY: Final = 2


@attrs.frozen(kw_only=True)
class MailboxStatistics:
    """What one mailbox has seen: its depth, now and at most, and what was replaced, dropped or late."""

    depth: int
    peak: int
    received: int
    replaced: int
    dropped: int
    dead_letters: int
    senders_waiting: int
    last_receive_s: float | None


class _Lane:
    """The BLOCK channel of one message type into one mailbox."""

    def __init__(self, bound: int) -> None:
        channels: tuple[trio.MemorySendChannel[tuple[int, object]], trio.MemoryReceiveChannel[tuple[int, object]]] = (
            trio.open_memory_channel(bound)
        )
        self.sender, self.receiver = channels


class Mailbox:
    """The messages waiting for one actor; made by `Switchboard.mailbox`."""

    def __init__(self, name: str, specs: Iterable[ChannelSpec], now: Callable[[], float], incarnation: int) -> None:
        specs = tuple(specs)
        self.name = name
        self.incarnation = incarnation
        self.is_closed = False
        self._now = now
        self._lanes = {spec.message: _Lane(spec.bound) for spec in specs if spec.policy is Policy.BLOCK}
        self._replies: dict[int, object] = {}
        self._unread: dict[tuple[type, str], object] = {}
        self._unread_max = _UNREAD_LIVES_PER_KEY * sum(
            spec.bound if spec.key else 1 for spec in specs if spec.policy is Policy.LATEST
        )
        self._samples: dict[type, deque[tuple[int, object]]] = {
            spec.message: deque(maxlen=spec.bound) for spec in specs if spec.policy is Policy.SAMPLE
        }
        self._quiet = frozenset(spec.message for spec in specs if kind_of(name) in spec.quiet_to)
        self._quiet_unless_moved = frozenset(
            spec.message for spec in specs if kind_of(name) in spec.quiet_unless_moved_to
        )
        self._has_news = False  # something has come since the last batch that is not quiet
        self._serial = 0
        self._lanes_depth = 0
        self._samples_depth = 0
        self._peak = self._received = self._replaced = self._dropped = self._dead_letters = 0
        self._last_receive_s: float | None = None
        self._held_up_until_s = self._stalled_until_s = -math.inf  # chaos: the later of stall and slowness
        self._slowness_s = 0.0
        self._is_receiving = False
        self._reader: trio.lowlevel.Task | None = None  # who waits; one at a time, so a parking lot would be idle
        self._delivered: deque[object] = deque(maxlen=LAST_MESSAGES)

    # What the reading actor calls.

    @property
    def depth(self) -> int:
        """How many messages wait now, those of waiting senders not counted."""
        return self._lanes_depth + len(self._replies) + len(self._unread) + self._samples_depth

    async def receive(self, timeout_s: float | None = None) -> tuple[object, ...]:
        """Returns everything that waits, in the order of rule 1; waits for anything that is not quiet, at most
        `timeout_s` seconds.

        Returns the empty tuple when the time is over. Raises trio.BusyResourceError if another task is
        receiving.
        """
        self._refuse_second_reader()
        self._is_receiving = True
        try:
            if timeout_s == 0 or (self._has_news and self.depth):
                await trio.lowlevel.checkpoint()
            elif timeout_s is None:  # waiting is a checkpoint of its own
                await self._wait_for_arrival()
            else:
                with trio.move_on_after(timeout_s):
                    await self._wait_for_arrival()
            if self._now() < self._held_up_until_s:
                await self._hold_up()
            return self._drain()
        finally:
            self._is_receiving = False

    def receive_nowait(self) -> tuple[object, ...]:
        """Returns everything that waits, in the order of rule 1, and the empty tuple where nothing does.

        Raises trio.BusyResourceError if another task is receiving.
        """
        self._refuse_second_reader()
        if self._now() < self._held_up_until_s:
            return ()
        return self._drain()

    def reply_slot(self) -> ReplySlot:
        """Returns a one-shot slot to put into a request. Raises WiringError if answers pile up unread."""
        if len(self._replies) >= REPLIES_WAITING_MAX:
            raise WiringError(f"{self.name} has {len(self._replies)} unread answers; it asks without reading")
        self._serial += 1
        return ReplySlot(self, self.incarnation, self._serial)

    def statistics(self) -> MailboxStatistics:
        """Returns the counters of this mailbox since it was made."""
        waiting = sum(lane.sender.statistics().tasks_waiting_send for lane in self._lanes.values())
        return MailboxStatistics(
            depth=self.depth,
            peak=max(self._peak, self.depth),
            received=self._received,
            replaced=self._replaced,
            dropped=self._dropped,
            dead_letters=self._dead_letters,
            senders_waiting=waiting,
            last_receive_s=self._last_receive_s,
        )

    # What the supervisor calls.

    def last_messages(self) -> tuple[str, ...]:
        """Returns the last messages that the reader was given, each as one short text, the newest at the end."""
        return tuple(described(message) for message in self._delivered)

    def reincarnate(self, incarnation: int) -> None:
        """Hands the mailbox to a new incarnation: what waits stays, answers to older incarnations become dead
        letters.

        The switchboard primes the latest values again (see `Switchboard.reincarnate`, which calls this).
        """
        if incarnation <= self.incarnation:
            raise WiringError(f"{self.name} cannot go from incarnation {self.incarnation} to {incarnation}")
        self.incarnation = incarnation
        self._dead_letters += len(self._replies)
        self._replies.clear()

    def stall(self, seconds: float) -> None:
        """Delivers nothing for `seconds` from now, as if the reader were stuck (chaos)."""
        self._stalled_until_s = self._now() + seconds
        self._held_up_until_s = max(self._held_up_until_s, self._stalled_until_s)

    def slow(self, each_s: float, seconds: float) -> None:
        """Delivers each message `each_s` late for `seconds` from now, as if the reader worked so long on it (chaos)."""
        self._slowness_s = each_s
        self._held_up_until_s = max(self._stalled_until_s, self._now() + seconds)

    def close(self) -> None:
        """Ends the mailbox for good: waiting senders are released, and later answers are dead letters."""
        self.is_closed = True
        for lane in self._lanes.values():
            lane.receiver.close()

    # What the switchboard calls, on the sender's side. None of it blocks but `put_block`.

    def offer_block(self, message: object) -> bool:
        """Puts a BLOCK message in line and returns True, or returns False when its channel is full."""
        lane = self._lanes[type(message)]
        try:
            lane.sender.send_nowait((self._next_serial(), message))
        except trio.WouldBlock:
            return False
        self._lanes_depth += 1
        self._arrived()
        return True

    async def put_block(self, message: object) -> bool:
        """Waits for room in the BLOCK channel and puts the message; False if the mailbox closed meanwhile."""
        # No wake-up and no count: a waiting sender's message enters the buffer only in the middle of a drain,
        # and that same drain takes it (trio moves it there when the reader makes room).
        try:
            await self._lanes[type(message)].sender.send((self._next_serial(), message))
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()
            return False
        return True

    def has_room(self, message_type: type) -> bool:
        """Whether a BLOCK message of this type would find room now."""
        statistics = self._lanes[message_type].sender.statistics()
        return statistics.current_buffer_used < statistics.max_buffer_size

    def put_latest(self, message_type: type, key: str, value: object, *, has_moved: bool = True) -> None:
        """Makes `value` the unread one of its key; an older unread value is replaced and counted.

        `has_moved` says whether it wakes a reader to whom its channel is quiet unless moved.
        """
        slot = (message_type, key)
        if slot in self._unread:
            self._replaced += 1
        elif len(self._unread) >= self._unread_max:
            del self._unread[next(iter(self._unread))]
            self._dropped += 1
        self._unread[slot] = value
        if message_type not in self._quiet and (has_moved or message_type not in self._quiet_unless_moved):
            self._arrived()

    def put_sample(self, message: object) -> None:
        """Appends a sample; when its channel is full the oldest goes and is counted."""
        samples = self._samples[type(message)]
        if len(samples) == samples.maxlen:
            self._dropped += 1
        else:
            self._samples_depth += 1
        samples.append((self._next_serial(), message))
        self._arrived()

    # What a reply slot calls.

    def is_current(self, incarnation: int) -> bool:
        """Whether an answer to `incarnation` may still be delivered."""
        return not self.is_closed and incarnation == self.incarnation

    def put_reply(self, number: int, value: object) -> None:
        """Puts the answer to slot `number` in line."""
        self._replies[number] = value
        self._arrived()

    def has_reply(self, number: int) -> bool:
        """Whether the answer to slot `number` waits here, undelivered."""
        return number in self._replies

    def take_reply(self, number: int) -> object:
        """Takes the waiting answer to slot `number` out of the line."""
        return self._replies.pop(number)

    def count_dead_letter(self) -> None:
        """Counts an answer that came too late to change anything."""
        self._dead_letters += 1

    # Inside.

    def _refuse_second_reader(self) -> None:
        if self._is_receiving:
            raise trio.BusyResourceError(f"mailbox {self.name} is read by two tasks; an actor has one reader")

    async def _hold_up(self) -> None:
        if (stall_s := self._stalled_until_s - self._now()) > 0:
            await trio.sleep(stall_s)
        if self._now() < self._held_up_until_s:
            await trio.sleep(self._slowness_s * self.depth)

    async def _wait_for_arrival(self) -> None:
        self._reader = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _: Callable[[], BaseException]) -> trio.lowlevel.Abort:
        self._reader = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def _arrived(self) -> None:
        self._has_news = True
        reader, self._reader = self._reader, None
        if reader is not None:
            trio.lowlevel.reschedule(reader)

    def _drain(self) -> tuple[object, ...]:
        self._peak = max(self._peak, self.depth)
        batch = self._drain_lanes() if self._lanes_depth else []
        if self._replies:
            batch.extend(self._replies.values())
            self._replies.clear()
        if self._unread:
            batch.extend(self._unread.values())
            self._unread.clear()
        if self._samples_depth:
            samples = [entry for waiting in self._samples.values() for entry in waiting]
            batch.extend(message for _, message in sorted(samples, key=_serial_of))
            for waiting in self._samples.values():
                waiting.clear()
        self._lanes_depth = self._samples_depth = 0
        self._has_news = False
        self._received += len(batch)
        self._last_receive_s = self._now()
        self._delivered.extend(batch)
        return tuple(batch)

    def _drain_lanes(self) -> list[object]:
        entries: list[tuple[int, object]] = []
        for lane in self._lanes.values():
            # Ends: each pass takes one message, and no task that could send another runs in between.
            while True:
                try:
                    entries.append(lane.receiver.receive_nowait())
                except trio.WouldBlock:
                    break
        return [message for _, message in sorted(entries, key=_serial_of)]


class ReplySlot:
    """The one-shot way back for an answer, carried inside its request."""

    def __init__(self, mailbox: Mailbox, incarnation: int, number: int) -> None:
        self._mailbox = mailbox
        self._incarnation = incarnation
        self._number = number
        self._is_used = False
        self._answered: trio.Event | None = None
        self._value: object = None

    def put(self, value: object) -> None:
        """Answers the waiting `get`, else into the asker's mailbox; too late or twice is a dead letter."""
        if self._is_used or not self._mailbox.is_current(self._incarnation):
            self._mailbox.count_dead_letter()
            return
        self._is_used = True
        if self._answered is None:
            self._mailbox.put_reply(self._number, value)
        else:
            self._value = value
            self._answered.set()

    async def get(self) -> Any:
        """Returns the answer, waiting for it in place. Use it under a deadline: whoever was asked may have
        died.

        A cancelled wait gives the slot up: ask again with a new one. Raises WiringError if the answer was
        already delivered through `Mailbox.receive` or another `get` had it.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._mailbox.has_reply(self._number):
            value = self._mailbox.take_reply(self._number)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return value
        if self._is_used or self._answered is not None:
            raise WiringError("this reply slot was already used; a slot carries one answer to one reader")
        self._answered = trio.Event()
        try:
            await self._answered.wait()
        finally:
            self._is_used = True
        return self._value


def _serial_of(entry: tuple[int, object]) -> int:
    return entry[0]
