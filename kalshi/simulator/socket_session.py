"""One client's WebSocket conversation, without a socket: text in, text out.

Rules (kalshi-websocket.md §5-§9, §15):
1. One sid per channel per connection, counted from 1.
2. On sequenced channels `ok`, `unsubscribed`, scoped errors, snapshots and data share one counter per sid, from 1.
3. A subscription that the reader leaves unread beyond the buffer ends with error 25; the socket stays.
4. Frames end with a newline. Nothing survives the connection.
5. Commands are carried out at once and in order, unless a switch or a fault delays them: then each has a time of
   its own, so that pipelined ones overtake each other, as recorded.
6. While the hub is silent nothing leaves; it waits as it would in a dead network.

What commands do is in `socket_desk`; this file numbers frames, keeps them until they are read, and lets faults
befall them.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from kalshi.simulator.accounts import Account
from kalshi.simulator.refusals import Refused
from kalshi.simulator.socket_channels import BUFFER_OVERFLOW, CHANNEL_ERROR, TOO_MANY_REQUESTS, CommandError
from kalshi.simulator.socket_commands import read_command
from kalshi.simulator.socket_desk import CommandDesk
from kalshi.simulator.socket_subscription import Subscription
from kalshi.simulator.socket_views import encode, error_msg

if TYPE_CHECKING:
    from kalshi.simulator.socket_hub import SocketHub

# The window over which a session's commands are counted against their limit.
_COMMAND_WINDOW_MS = 1_000
# A type that no client knows; the exchange adds types without notice.
_UNKNOWN_TYPE = "experimental_update"


class SessionClosed(Exception):
    """The connection is over; no more frames will come."""


@attrs.frozen(kw_only=True)
class HandshakeRefused:
    """The upgrade is answered with this status and JSON body instead."""

    status: int
    body: bytes

    @staticmethod
    def from_refusal(refusal: Refused) -> HandshakeRefused:
        return HandshakeRefused(status=refusal.status, body=msgspec.json.encode(refusal.body))


class SocketSession:
    """The server side of one connection. `receive_text` and `close` never block; `next_frames` waits."""

    def __init__(self, hub: SocketHub, account: Account, rng: random.Random) -> None:
        self._hub = hub
        self.account = account
        self._rng = rng
        self._settings = hub.settings
        self._buffer_frames = self._settings.socket_buffer_frames
        self._stamps_sending = self._settings.sending_ts_ms
        self._unknown_share = self._settings.socket_unknown_share
        self._is_special = self._stamps_sending or self._unknown_share > 0
        self._desk = CommandDesk(hub, self)
        self._outbound: deque[tuple[Subscription | None, str]] = deque()
        self._deferred: list[tuple[int, int, Callable[[], None]]] = []
        self._defer_number = 0
        self._commands_since_ms = 0
        self._commands = 0
        self._wake = trio.Event()
        self.aborted = trio.Event()
        self.is_closed = False

    async def next_frames(self) -> list[str]:
        """Waits for at least one frame and returns all that wait. Raises SessionClosed after the last one."""
        # First, so that a reader of a busy session lets others run and is cancelled without losing frames.
        await trio.lowlevel.checkpoint()
        while not self._outbound or self._hub.is_silent:
            if self.is_closed:
                raise SessionClosed
            self._wake = trio.Event()
            await self._wake.wait()
        return self.drain_frames()

    def drain_frames(self) -> list[str]:
        """Returns the frames that wait, without waiting; none while the hub is silent (rule 6)."""
        if self._hub.is_silent:
            return []
        frames = [text for _, text in self._outbound]
        self._outbound.clear()
        for subscription in self._desk.subscriptions.values():
            subscription.unread = 0
        return frames

    def wake(self) -> None:
        """Lets a waiting reader look again."""
        self._wake.set()

    def close(self) -> None:
        """Ends the session from either side; may be called again."""
        if not self.is_closed:
            self.is_closed = True
            self._desk.end_all()
            self._deferred.clear()
            self._hub.forget(self)
            self._wake.set()

    def abort(self) -> None:
        """Ends the session without a farewell: what waits is lost, and the connection breaks off."""
        self._outbound.clear()
        self.close()
        self.aborted.set()

    def receive_text(self, text: str) -> None:
        """Carries out one command, now or when its time has come; a bad one is answered with an error frame."""
        if self.is_closed:
            return
        delay_ms = self._hub.command_delay_ms(self._rng)
        if delay_ms:
            self.defer(delay_ms, partial(self._carry_out, text))
        else:
            self._carry_out(text)

    def defer(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Does something later, at the hub's tick."""
        self._defer_number += 1
        heapq.heappush(self._deferred, (self._hub.now_ms() + delay_ms, self._defer_number, act))

    def do_due(self, now_ms: int) -> None:
        """Does what was deferred until now."""
        while self._deferred and self._deferred[0][0] <= now_ms:
            heapq.heappop(self._deferred)[2]()

    def send_data(
        self, subscription: Subscription, kind: str, msg: str, *, ticker: str = "", command_id: int | None = None
    ) -> None:
        """Sends a data frame of a subscription, in sequence; `msg` is JSON text."""
        if subscription.unread >= self._buffer_frames:
            self._overflow(subscription)
            return
        if self._unknown_share and self._rng.random() < self._unknown_share:
            msg = self._sprinkle(subscription, msg)
        fault = subscription.take_fault(ticker) if subscription.faults else None
        if fault is not None and fault.kind == "lose":
            subscription.next_seq()
            return
        self.send(subscription, kind, msg, command_id)
        if fault is not None:
            self._push(*self._outbound[-1])

    def send_delta(self, subscription: Subscription, msg: str, ticker: str) -> None:
        """Sends a delta: `send_data` for by far the most frequent frame, without detours where nothing is special."""
        if self._is_special or subscription.faults or subscription.unread >= self._buffer_frames:
            self.send_data(subscription, "orderbook_delta", msg, ticker=ticker)
            return
        subscription.unread += 1
        subscription.seq = seq = subscription.seq + 1
        frame = f'{{"type":"orderbook_delta","sid":{subscription.sid},"seq":{seq},"msg":{msg}}}\n'
        self._outbound.append((subscription, frame))
        self._wake.set()

    def send(
        self,
        subscription: Subscription,
        kind: str,
        msg: str | None,
        command_id: int | None = None,
        *,
        seq: int | None = None,
    ) -> None:
        """Sends a frame of a subscription with its next number, or with the one given."""
        number = seq if seq is not None else subscription.next_seq()
        self._outbound.append((subscription, self._frame(kind, msg, command_id, subscription.sid, number)))
        subscription.unread += 1
        self._wake.set()

    def send_answer(self, kind: str, msg: str, command_id: int | None) -> None:
        """Sends an answer that belongs to no subscription."""
        self._push(None, self._frame(kind, msg, command_id))

    def send_error(self, error: CommandError, command_id: int | None, subscription: Subscription | None = None) -> None:
        """Refuses a command; an error about one subscription takes its next number."""
        msg = encode(error_msg(error.code, error.tickers))
        if subscription is None:
            self.send_answer("error", msg, command_id)
        else:
            self.send(subscription, "error", msg, command_id)

    def end_subscription(self, subscription: Subscription, code: int = CHANNEL_ERROR) -> None:
        """Ends a subscription with a terminal error; what still waits of it is lost, the socket stays (rule 3)."""
        self._outbound = deque(item for item in self._outbound if item[0] is not subscription)
        self._desk.drop(subscription)
        self.send(subscription, "error", encode(error_msg(code)))

    def subscription(self, channel: str) -> Subscription | None:
        """Returns the live subscription of a channel, None where there is none."""
        return self._desk.subscriptions.get(channel)

    def _carry_out(self, text: str) -> None:
        command_id: int | None = None
        try:
            command = read_command(text)
            command_id = command.command_id
            self._count_command()
            self._desk.obey(command)
        except CommandError as error:
            self.send_error(error, error.command_id or command_id)

    def _count_command(self) -> None:
        now_ms = self._hub.now_ms()
        if now_ms - self._commands_since_ms >= _COMMAND_WINDOW_MS:
            self._commands_since_ms, self._commands = now_ms, 0
        self._commands += 1
        if self._commands > self._settings.socket_commands_per_s:
            raise CommandError(TOO_MANY_REQUESTS)

    def _overflow(self, subscription: Subscription) -> None:
        if self._settings.socket_slow_reader_is_cut:
            self.abort()
        else:
            self.end_subscription(subscription, BUFFER_OVERFLOW)

    def _sprinkle(self, subscription: Subscription, msg: str) -> str:
        # Half of the surprises are a key that nobody knows, half a frame of a type that nobody knows.
        if self._rng.random() < 0.5:
            return f'{{"experimental":null,{msg[1:]}'
        self.send(subscription, _UNKNOWN_TYPE, '{"experimental":true}')
        return msg

    def _frame(
        self,
        kind: str,
        msg: str | None,
        command_id: int | None = None,
        sid: int | None = None,
        seq: int | None = None,
    ) -> str:
        head = f'{{"type":"{kind}"'
        if command_id is not None:
            head += f',"id":{command_id}'
        if self._stamps_sending:
            head += f',"sending_ts_ms":{self._hub.now_ms()}'
        if sid is not None:
            head += f',"sid":{sid}'
        if seq is not None:
            head += f',"seq":{seq}'
        return head + "}\n" if msg is None else f'{head},"msg":{msg}}}\n'

    def _push(self, subscription: Subscription | None, frame: str) -> None:
        self._outbound.append((subscription, frame))
        self._wake.set()
