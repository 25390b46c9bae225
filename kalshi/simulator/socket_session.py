"""One client's WebSocket conversation, without a socket: text in, text out.

Rules (kalshi-websocket.md §5-§9, §15):
1. One sid per channel per connection, counted from 1. Subscribing again merges and answers `ok`; tickers
   already held get nothing.
2. On sequenced channels `ok`, `unsubscribed`, scoped errors, snapshots and data share one counter per sid,
   from 1.
3. A market's snapshot goes out before its first delta. `get_snapshot` answers in the stream, with the
   command's id.
4. A subscription that the reader leaves unread beyond the buffer ends with error 25; the socket stays.
5. Frames end with a newline. Nothing survives the connection.
Commands are answered in the order they come; the real exchange may answer pipelined ones in any order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from kalshi.simulator.accounts import Account
from kalshi.simulator.refusals import Refused
from kalshi.simulator.socket_commands import (
    BUFFER_OVERFLOW,
    CHANNEL_ERROR,
    CHANNELS,
    ERROR_TEXTS,
    Channel,
    Command,
    CommandError,
    read_command,
)
from kalshi.simulator.socket_views import encode

if TYPE_CHECKING:
    from kalshi.simulator.socket_hub import SocketHub


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


@attrs.define(kw_only=True, eq=False)
class Subscription:
    """One channel of one connection; `tickers` None means every market."""

    session: SocketSession
    channel: Channel
    sid: int
    tickers: dict[str, None] | None
    yes_price: bool = False
    skip_ack: bool = False
    seq: int = 0
    unread: int = 0

    def next_seq(self) -> int | None:
        if not self.channel.is_sequenced:
            return None
        self.seq += 1
        return self.seq


class SocketSession:
    """The server side of one connection. `receive_text` and `close` never block; `next_frames` waits."""

    def __init__(self, hub: SocketHub, account: Account, *, buffer_frames: int, stamps_sending: bool) -> None:
        self._hub = hub
        self.account = account
        self._buffer_frames = buffer_frames
        self._stamps_sending = stamps_sending
        self._subscriptions: dict[str, Subscription] = {}
        self._sids = 0
        self._outbound: deque[tuple[Subscription | None, str]] = deque()
        self._wake = trio.Event()
        self.is_closed = False
        self.silent_until_ms = 0  # a fault: until then frames wait

    async def next_frames(self) -> list[str]:
        """Waits for at least one frame and returns all that wait. Raises SessionClosed after the last one."""
        # First, so that a reader of a busy session lets others run and is cancelled without losing frames.
        await trio.lowlevel.checkpoint()
        while not self._outbound or (self.silent_until_ms and not self.is_closed):
            if self.is_closed:
                raise SessionClosed
            self._wake = trio.Event()
            await self._wake.wait()
        return self.drain_frames()

    def drain_frames(self) -> list[str]:
        """Returns the frames that wait, without waiting."""
        frames = [text for _, text in self._outbound]
        self._outbound.clear()
        for subscription in self._subscriptions.values():
            subscription.unread = 0
        return frames

    def close(self) -> None:
        """Ends the session from either side; may be called again."""
        if not self.is_closed:
            self.is_closed = True
            for subscription in self._subscriptions.values():
                self._hub.remove(subscription)
            self._subscriptions.clear()
            self._hub.forget(self)
            self._wake.set()

    def receive_text(self, text: str) -> None:
        """Carries out one command; a bad one is answered with an error frame."""
        if self.is_closed:
            return
        command_id: int | None = None
        try:
            command = read_command(text)
            command_id = command.command_id
            self._obey(command)
        except CommandError as error:
            self._send_error(error.code, error.command_id or command_id)

    def send_data(self, subscription: Subscription, kind: str, msg: str, command_id: int | None = None) -> None:
        """Sends a data frame of a subscription, in sequence; `msg` is JSON text."""
        if subscription.unread >= self._buffer_frames:
            self.end_subscription(subscription, BUFFER_OVERFLOW)
            return
        self._send(subscription, kind, msg, command_id)

    def end_subscription(self, subscription: Subscription, code: int = CHANNEL_ERROR) -> None:
        """Ends a subscription with a terminal error; what still waits of it is lost, the socket stays (rule 4)."""
        kept = [item for item in self._outbound if item[0] is not subscription]
        self._outbound = deque(kept)
        self._drop(subscription)
        self._send(subscription, "error", encode({"code": code, "msg": ERROR_TEXTS[code]}))

    def subscription(self, channel: str) -> Subscription | None:
        """Returns the live subscription of a channel; for tests that break one deliberately."""
        return self._subscriptions.get(channel)

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Returns the live subscriptions, oldest first."""
        return tuple(self._subscriptions.values())

    def end_silence(self) -> None:
        """Lets what waited go out."""
        self.silent_until_ms = 0
        self._wake.set()

    def _obey(self, command: Command) -> None:
        match command.name:
            case "subscribe":
                for name in command.channels():
                    self._subscribe(name, command)
            case "unsubscribe":
                self._unsubscribe(command)
            case "update_subscription":
                self._update(command)
            case _:
                rows = [{"channel": one.channel.name, "sid": one.sid} for one in self._subscriptions.values()]
                self._push(None, self._frame("ok", encode(rows), command.command_id))

    def _subscribe(self, name: str, command: Command) -> None:
        channel, tickers = CHANNELS.get(name), command.tickers()
        if channel is None:
            self._send_error(8, command.command_id)
            return
        if channel.tickers == "required" and tickers is None:
            self._send_error(14, command.command_id)
            return
        held = self._subscriptions.get(name)
        if held is None:
            self._open(channel, tickers, command)
        else:
            self._add(held, tickers, command)

    def _open(self, channel: Channel, tickers: tuple[str, ...] | None, command: Command) -> None:
        self._sids += 1
        is_filtered = tickers is not None and channel.tickers != "ignored"
        subscription = Subscription(
            session=self,
            channel=channel,
            sid=self._sids,
            tickers=dict.fromkeys(tickers) if tickers is not None and is_filtered else None,
            yes_price=command.flag("use_yes_price"),
            skip_ack=command.flag("skip_ticker_ack"),
        )
        self._subscriptions[channel.name] = subscription
        answer = encode({"channel": channel.name, "sid": subscription.sid})
        self._push(None, self._frame("subscribed", answer, command.command_id))
        self._hub.add(subscription, tickers if is_filtered else None)
        self._send_initial(subscription, tickers, command)

    def _add(self, held: Subscription, tickers: tuple[str, ...] | None, command: Command) -> None:
        added: tuple[str, ...] = ()
        if held.tickers is not None and tickers is not None:
            added = tuple(ticker for ticker in dict.fromkeys(tickers) if ticker not in held.tickers)
            held.tickers.update(dict.fromkeys(added))
            self._hub.add(held, added)
        elif held.tickers is not None:
            # No tickers named means all markets from here on; channels that need tickers never come this far.
            self._hub.remove(held)
            held.tickers = None
            self._hub.add(held, None)
        self._acknowledge(held, command)
        self._send_initial(held, added, command)

    def _send_initial(self, subscription: Subscription, tickers: tuple[str, ...] | None, command: Command) -> None:
        if subscription.channel.name == "orderbook_delta":
            for ticker in tickers or ():
                self._hub.send_snapshot(subscription, ticker)
        elif subscription.channel.name == "ticker" and command.flag("send_initial_snapshot"):
            self._hub.send_tickers(subscription, tickers)

    def _acknowledge(self, subscription: Subscription, command: Command) -> None:
        held = sorted(subscription.tickers) if subscription.tickers is not None else []
        msg = None if subscription.skip_ack else encode({"market_tickers": held})
        self._send(subscription, "ok", msg, command.command_id)

    def _unsubscribe(self, command: Command) -> None:
        for sid in command.sids():
            subscription = self._by_sid(sid)
            if subscription is None:
                self._send_error(7, command.command_id)
                continue
            self._drop(subscription)
            self._send(subscription, "unsubscribed", None, command.command_id)

    def _update(self, command: Command) -> None:
        subscription = self._by_sid(command.one_sid())
        if subscription is None:
            raise CommandError(7)
        action, tickers = command.action(), command.tickers()
        if action not in ("add_markets", "delete_markets", "get_snapshot"):
            raise CommandError(13)
        is_book = subscription.channel.name == "orderbook_delta"
        if subscription.channel.tickers == "ignored" or (action == "get_snapshot" and not is_book):
            raise CommandError(13)
        if tickers is None:
            raise CommandError(14)
        if action == "add_markets":
            self._add(subscription, tickers, command)
        elif action == "delete_markets":
            self._delete(subscription, tickers, command)
        else:
            for ticker in tickers:
                self._hub.send_snapshot(subscription, ticker, command.command_id)

    def _delete(self, subscription: Subscription, tickers: tuple[str, ...], command: Command) -> None:
        if subscription.tickers is not None:
            gone = [ticker for ticker in tickers if ticker in subscription.tickers]
            for ticker in gone:
                del subscription.tickers[ticker]
            self._hub.remove(subscription, gone)
        self._acknowledge(subscription, command)

    def _by_sid(self, sid: int) -> Subscription | None:
        return next((one for one in self._subscriptions.values() if one.sid == sid), None)

    def _drop(self, subscription: Subscription) -> None:
        self._hub.remove(subscription)
        self._subscriptions.pop(subscription.channel.name, None)

    def _send_error(self, code: int, command_id: int | None) -> None:
        msg = encode({"code": code, "msg": ERROR_TEXTS[code]})
        self._push(None, self._frame("error", msg, command_id))

    def _send(self, subscription: Subscription, kind: str, msg: str | None, command_id: int | None = None) -> None:
        seq = subscription.next_seq()
        self._push(subscription, self._frame(kind, msg, command_id, subscription.sid, seq))
        subscription.unread += 1

    def _frame(
        self,
        kind: str,
        msg: str | None,
        command_id: int | None = None,
        sid: int | None = None,
        seq: int | None = None,
    ) -> str:
        parts = [f'{{"type":"{kind}"']
        if command_id is not None:
            parts.append(f'"id":{command_id}')
        if self._stamps_sending:
            parts.append(f'"sending_ts_ms":{self._hub.now_ms()}')
        if sid is not None:
            parts.append(f'"sid":{sid}')
        if seq is not None:
            parts.append(f'"seq":{seq}')
        if msg is not None:
            parts.append(f'"msg":{msg}')
        return ",".join(parts) + "}\n"

    def _push(self, subscription: Subscription | None, frame: str) -> None:
        self._outbound.append((subscription, frame))
        self._wake.set()
