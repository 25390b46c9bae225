"""Which channels one connection holds, which it should hold, and the commands in between. No I/O, no books.

The exchange keeps one subscription (sid) per channel and connection. Commands that are under way at the same
time are carried out in any order, and a second `subscribe` for a channel is merged into the first. So:

1. At most one command that changes the existence of a subscription is under way per channel; tickers that are
   wanted meanwhile are added by `update_subscription` once the sid is known.
2. Answers are matched by (id, channel), never by position. An unknown id in `subscribed` still teaches the
   sid of the channel; it is counted.
3. A channel that would be left with no ticker is unsubscribed: an empty list might mean "all markets".
4. `unsubscribe` is answered before the next `subscribe` is sent, else the two could be carried out the wrong
   way round.
5. A subscription is restarted at most once per RESTART_WINDOW_S; whoever needs it more often needs a new
   connection.

Source: Kalshi asyncapi 2.0.0 of October 2026; recorded sessions of July 2026.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Final

import attrs
import msgspec

ORDERBOOK: Final = "orderbook_delta"
TICKER: Final = "ticker"

# Unanswered commands: the exchange answers within a round trip; five seconds is far beyond it and well before
# a person would notice.
ACK_TIMEOUT_S: Final = 5.0
# A second new subscription within this time means that the trouble is not in the subscription.
RESTART_WINDOW_S: Final = 30.0
# Error 18 and 27 ask to come back later; one second is 10,000 commands of the session's allowance. Each refusal in a
# row doubles the wait.
RETRY_AFTER_S: Final = 1.0
RETRY_AFTER_S_MAX: Final = 30.0
# A command with more tickers than this is split, to stay far below any frame limit (about 30 bytes a ticker).
COMMAND_TICKERS_MAX: Final = 500

ERRORS_TERMINAL: Final = frozenset({10, 25})
_ERROR_UNKNOWN_SID: Final = 7
_ERRORS_TRANSIENT: Final = frozenset({18, 27})
ERROR_MARKET_LIMIT: Final = 26


class Phase(enum.Enum):
    IDLE = enum.auto()
    SUBSCRIBING = enum.auto()
    ACTIVE = enum.auto()
    CLOSING = enum.auto()


class Kind(enum.Enum):
    SUBSCRIBE = enum.auto()
    ADD = enum.auto()
    DELETE = enum.auto()
    SNAPSHOT = enum.auto()
    UNSUBSCRIBE = enum.auto()


@attrs.define(kw_only=True)
class Channel:
    """One channel: what is wanted of it, and what the exchange is believed to hold for us."""

    name: str
    phase: Phase = Phase.IDLE
    sid: int | None = None
    next_seq: int = 1
    wanted: dict[str, None] = attrs.field(factory=dict)  # an ordered set of tickers
    is_unfiltered: bool = False  # wanted without tickers: everything
    held: set[str] = attrs.field(factory=set)
    refused: set[str] = attrs.field(factory=set)
    is_refused: bool = False
    retry_at: float | None = None
    refusals_in_a_row: int = 0
    restarted_at: float | None = None

    @property
    def is_wanted(self) -> bool:
        return bool(self.wanted) or self.is_unfiltered


@attrs.frozen(kw_only=True)
class Command:
    """One command under way."""

    kind: Kind
    channel: Channel
    tickers: tuple[str, ...]
    deadline: float


@attrs.frozen(kw_only=True)
class Overdue:
    """A command whose answer did not come in time, and what is left to do about it."""

    channel: Channel
    needs_reconnect: bool


class Subscriptions:
    """The channels of one connection and the commands that bring them to what is wanted."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last_id = 0
        self._texts: list[str] = []
        self._pending: dict[int, Command] = {}
        self.channels: dict[str, Channel] = {}
        self.by_sid: dict[int, Channel] = {}
        self.unknown_ids = 0

    def outbox(self) -> list[str]:
        """Returns the texts to send, oldest first, and forgets them."""
        texts, self._texts = self._texts, []
        return texts

    def channel(self, name: str) -> Channel:
        """Returns the channel, made on first mention."""
        return self.channels.setdefault(name, Channel(name=name))

    def want(self, name: str, tickers: Iterable[str]) -> list[str]:
        """Adds tickers to what is wanted (none means everything) and returns those that are new."""
        channel = self.channel(name)
        channel.is_refused = False
        asked = list(dict.fromkeys(tickers))
        if not asked:
            channel.is_unfiltered = True
        new = [ticker for ticker in asked if ticker not in channel.wanted or ticker in channel.refused]
        channel.refused.difference_update(new)
        channel.wanted.update(dict.fromkeys(new))
        self._drive(channel)
        return new

    def unwant(self, name: str, tickers: Iterable[str]) -> None:
        """Takes tickers out of what is wanted."""
        channel = self.channel(name)
        for ticker in tickers:
            channel.wanted.pop(ticker, None)
            channel.refused.discard(ticker)
        self._drive(channel)

    def request_snapshots(self, tickers: Iterable[str]) -> bool:
        """Asks for snapshots of held books; returns False where there is no subscription to ask on."""
        channel = self.channel(ORDERBOOK)
        if channel.phase is not Phase.ACTIVE:
            return False
        self._update(channel, Kind.SNAPSHOT, "get_snapshot", list(tickers))
        return True

    def can_restart(self, channel: Channel) -> bool:
        """Returns whether rule 5 still allows a new subscription."""
        return channel.restarted_at is None or self._now() - channel.restarted_at >= RESTART_WINDOW_S

    def restart(self, channel: Channel, *, is_dead: bool = False) -> None:
        """Begins a new subscription; `is_dead` says that the exchange has ended the old one."""
        channel.restarted_at = self._now()
        sid, channel.sid = channel.sid, None
        channel.held.clear()
        self._forget_commands(channel)
        if sid is not None:
            self.by_sid.pop(sid, None)
            if not is_dead:
                channel.phase = Phase.CLOSING
                self._send(Kind.UNSUBSCRIBE, channel, (), {"cmd": "unsubscribe", "params": {"sids": [sid]}})
                return
        channel.phase = Phase.IDLE
        self._drive(channel)

    def on_subscribed(self, command_id: int | None, name: str, sid: int, next_seq: int = 1) -> Channel:
        """Learns the sid of a channel; returns the channel."""
        channel = self.channel(name)
        command = self._pending.get(command_id or 0)
        is_ours = command is not None and command.kind is Kind.SUBSCRIBE and command.channel is channel
        held = set(command.tickers) if command is not None and is_ours else set(channel.wanted)
        self.unknown_ids += not is_ours
        self._forget_commands(channel)
        if channel.sid is not None:
            self.by_sid.pop(channel.sid, None)
        channel.sid, channel.next_seq, channel.phase = sid, next_seq, Phase.ACTIVE
        channel.refusals_in_a_row = 0
        channel.held = held
        self.by_sid[sid] = channel
        if is_ours or channel.is_wanted:
            # What somebody else opened and nobody wants here is left alone: a replay, for instance.
            self._drive(channel)
        return channel

    def on_ok(self, command_id: int | None, sid: int | None, seq: int | None) -> Channel | None:
        """Ends a command; returns the channel where a subscribe was merged and so taught its sid."""
        command = self._pending.get(command_id or 0)
        if command is None:
            self.unknown_ids += 1
            return None
        if command.kind is Kind.SUBSCRIBE and sid is not None:
            return self.on_subscribed(command_id, command.channel.name, sid, 1 if seq is None else seq + 1)
        self._pending.pop(command_id or 0)
        command.channel.refusals_in_a_row = 0
        return None

    def on_unsubscribed(self, command_id: int | None, sid: int | None) -> Channel | None:
        """Ends an unsubscribe of ours; returns the channel where the exchange did it on its own."""
        command = self._pending.pop(command_id or 0, None)
        if command is not None and command.kind is Kind.UNSUBSCRIBE:
            command.channel.phase = Phase.IDLE
            self._drive(command.channel)
            return None
        return self.by_sid.get(sid or 0)

    def on_error(self, command_id: int | None, code: int) -> tuple[str, ...]:
        """Ends a refused command; returns the order book tickers that the exchange will not serve."""
        command = self._pending.get(command_id or 0)
        if command is None:
            return ()
        channel = command.channel
        if command.kind is Kind.UNSUBSCRIBE and code != _ERROR_UNKNOWN_SID:
            return ()  # whether the subscription still lives is not known: the deadline ends the connection
        self._pending.pop(command_id or 0)
        if command.kind is Kind.UNSUBSCRIBE:
            channel.phase = Phase.IDLE
            self._drive(channel)
        if command.kind not in (Kind.SUBSCRIBE, Kind.ADD):
            return ()
        if command.kind is Kind.SUBSCRIBE:
            channel.phase = Phase.IDLE
        channel.held.difference_update(command.tickers)
        if code in _ERRORS_TRANSIENT or (code == ERROR_MARKET_LIMIT and channel.name != ORDERBOOK):
            # Where there are too many markets the order books decide how many stay; the rest is asked for again.
            wait_s = min(RETRY_AFTER_S_MAX, RETRY_AFTER_S * 2 ** min(channel.refusals_in_a_row, 8))
            channel.refusals_in_a_row += 1
            channel.retry_at = self._now() + wait_s
            return ()
        channel.refused.update(command.tickers)
        # Past the limit of markets a part of them may still be subscribed to.
        channel.is_refused = command.kind is Kind.SUBSCRIBE and code != ERROR_MARKET_LIMIT
        return command.tickers if channel.name == ORDERBOOK else ()

    def tick(self) -> list[Overdue]:
        """Sends what waited for its time and returns the commands that were not answered in theirs."""
        now = self._now()
        for channel in self.channels.values():
            if channel.retry_at is not None and channel.retry_at <= now:
                self._drive(channel)
        overdue = [(command_id, command) for command_id, command in self._pending.items() if command.deadline <= now]
        for command_id, _ in overdue:
            self._pending.pop(command_id)
        harmless = (Kind.SNAPSHOT, Kind.DELETE)  # their effect, or its absence, is watched by other means
        return [
            Overdue(channel=command.channel, needs_reconnect=command.kind is Kind.UNSUBSCRIBE)
            for _, command in overdue
            if command.kind not in harmless
        ]

    def next_deadline(self) -> float | None:
        """Returns when tick() has something to do, on the injected clock, or None."""
        times = [command.deadline for command in self._pending.values()]
        times.extend(channel.retry_at for channel in self.channels.values() if channel.retry_at is not None)
        return min(times, default=None)

    def _drive(self, channel: Channel) -> None:
        # Sends what brings the channel nearer to what is wanted; rule 1 says when that is nothing.
        if channel.retry_at is not None:
            if self._now() < channel.retry_at:
                return
            channel.retry_at = None
        if channel.phase is Phase.IDLE and channel.is_wanted and not channel.is_refused:
            self._subscribe(channel)
        elif channel.phase is Phase.ACTIVE:
            self._adjust(channel)

    def _adjust(self, channel: Channel) -> None:
        if not channel.is_wanted:
            sid, channel.sid = channel.sid, None
            self.by_sid.pop(sid or 0, None)
            channel.held.clear()
            channel.phase = Phase.CLOSING
            self._send(Kind.UNSUBSCRIBE, channel, (), {"cmd": "unsubscribe", "params": {"sids": [sid]}})
            return
        if channel.is_unfiltered:
            return
        missing = [ticker for ticker in channel.wanted if ticker not in channel.held and ticker not in channel.refused]
        surplus = sorted(channel.held.difference(channel.wanted))
        channel.held.update(missing)
        channel.held.difference_update(surplus)
        self._update(channel, Kind.ADD, "add_markets", missing)
        self._update(channel, Kind.DELETE, "delete_markets", surplus)

    def _subscribe(self, channel: Channel) -> None:
        params: dict[str, object] = {"channels": [channel.name]}
        tickers: tuple[str, ...] = ()
        if not channel.is_unfiltered:
            open_tickers = [ticker for ticker in channel.wanted if ticker not in channel.refused]
            tickers = tuple(open_tickers[:COMMAND_TICKERS_MAX])
            if not tickers:
                return
            params["market_tickers"] = list(tickers)
        if channel.name == ORDERBOOK:
            params["use_yes_price"] = False
        if channel.name == TICKER:
            params["send_initial_snapshot"] = True
        channel.phase = Phase.SUBSCRIBING
        self._send(Kind.SUBSCRIBE, channel, tickers, {"cmd": "subscribe", "params": params})

    def _update(self, channel: Channel, kind: Kind, action: str, tickers: list[str]) -> None:
        for start in range(0, len(tickers), COMMAND_TICKERS_MAX):
            part = tickers[start : start + COMMAND_TICKERS_MAX]
            params: dict[str, object] = {"sids": [channel.sid], "market_tickers": part, "action": action}
            if channel.name == TICKER and kind is Kind.ADD:
                params["send_initial_snapshot"] = True
            self._send(kind, channel, tuple(part), {"cmd": "update_subscription", "params": params})

    def _send(self, kind: Kind, channel: Channel, tickers: tuple[str, ...], body: dict[str, object]) -> None:
        self._last_id += 1
        deadline = self._now() + ACK_TIMEOUT_S
        self._pending[self._last_id] = Command(kind=kind, channel=channel, tickers=tickers, deadline=deadline)
        self._texts.append(msgspec.json.encode({"id": self._last_id, **body}).decode())

    def _forget_commands(self, channel: Channel) -> None:
        for command_id in [key for key, command in self._pending.items() if command.channel is channel]:
            self._pending.pop(command_id)
