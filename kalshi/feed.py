"""The client's side of one WebSocket connection, without the socket: frames in, events and commands out.

The owner feeds `receive()` every frame that has arrived, sends what `outbox()` returns, and calls `tick()`
when `next_deadline()` has come. A new connection takes a new FeedProtocol, for nothing survives a socket.

How a book is kept:

1. A sequenced subscription counts every frame that carries a `seq`: snapshots, deltas, `ok`, `unsubscribed`,
   scoped errors and types unknown to us. Whatever breaks the count, a frame that cannot be read, and a change
   that does not fit its book make *every* book of that subscription stale at once: one lost frame may belong
   to any of them.
2. BookStale events come first in what `receive()` returns. A stale book takes no deltas until a snapshot
   replaces it.
3. A match reaches us as several frames with one `ts_ms`, between which the book may be crossed or locked.
   Such a book is HELD: no BookChanged, not to be quoted on. Any frame that uncrosses it ends that; after
   HOLD_S it is stale. (2.7 million recorded deltas held 513 such episodes, every one over within its own
   `ts_ms`. Waiting for a later `ts_ms` before releasing was rejected: a quiet market may not send one for
   minutes.)
4. Recovery climbs: `get_snapshot` on the same subscription, then a new subscription, then ReconnectNeeded.
   Subscribing again is no recovery (tickers already held get nothing), REST is none either (it has no
   sequence).
5. Where other books of the channel are well, a market without a snapshot is not the connection's fault (the
   exchange takes unknown tickers silently): it stays stale and is asked for every ABANDONED_RETRY_S.
6. Unsolicited snapshots replace the book. Frames of unknown types, sids and tickers are counted and ignored.
7. `ticker` frames never touch a book: they lag it.

Source: Kalshi asyncapi 2.0.0 of October 2026; recorded sessions of May to July 2026.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from kalshi.book import BookCorrupt, OrderBook
from kalshi.errors import excerpt
from kalshi.feed_events import (
    BookChanged,
    BookStale,
    CommandFailed,
    FeedEvent,
    FrameMalformed,
    GapDetected,
    MarketLimitReached,
    ReconnectNeeded,
    SubscriptionDied,
    UnknownFrame,
)
from kalshi.feed_frames import (
    DECODE_ERRORS,
    KNOWN_TYPES,
    AnyFrame,
    DeltaFrame,
    ErrorFrame,
    OkFrame,
    SnapshotFrame,
    SubscribedFrame,
    UnsubscribedFrame,
    book_count,
    book_price,
    decode_envelope,
    decode_frame,
    snapshot_levels,
)
from kalshi.feed_subscriptions import ERROR_MARKET_LIMIT, ERRORS_TERMINAL, ORDERBOOK, Channel, Subscriptions
from kalshi.feed_translation import event_of
from kalshi.numbers import ONE_DOLLAR_E4, PriceE4
from kalshi.types import Side

# How long a crossed book may be the middle of a match; recorded episodes last one ts_ms, a few frames.
HOLD_S: Final = 0.25
# A snapshot comes within a round trip of its request; the first one waits for the acknowledgement as well.
SNAPSHOT_TIMEOUT_S: Final = 2.0
FIRST_SNAPSHOT_TIMEOUT_S: Final = 5.0
# Rule 5: how often a market that gets no snapshot is asked for again.
ABANDONED_RETRY_S: Final = 30.0

Probe = Callable[[str, int, OrderBook], None]


class BookState(enum.Enum):
    AWAITING_SNAPSHOT = "awaiting snapshot"
    LIVE = "live"
    HELD = "held"
    STALE = "stale"


class _Rung(enum.Enum):
    # The rungs of rule 4, and rule 5's end of the ladder.
    FIRST_SNAPSHOT = enum.auto()
    GET_SNAPSHOT = enum.auto()
    NEW_SUBSCRIPTION = enum.auto()
    ABANDONED = enum.auto()


class TrackedBook:
    """One market's book with what is known about its trustworthiness. Read it; only the protocol writes."""

    __slots__ = ("book", "last_ts_ms", "rung", "sequence", "state")

    def __init__(self) -> None:
        self.book = OrderBook()
        self.state = BookState.AWAITING_SNAPSHOT
        self.sequence = 0  # bumped by every applied change
        self.last_ts_ms = 0  # engine time of the last applied delta, 0 before the first
        self.rung = _Rung.FIRST_SNAPSHOT

    @property
    def is_usable(self) -> bool:
        """Whether the book may be quoted on now."""
        return self.state is BookState.LIVE


@attrs.define
class FeedCounters:
    """What has passed through one connection, for status and tests."""

    frames: int = 0
    deltas: int = 0
    snapshots: int = 0
    gaps: int = 0
    malformed: int = 0
    unknown_types: int = 0
    unknown_sids: int = 0  # late frames of a subscription that we ended
    unknown_tickers: int = 0  # late frames of a market that we took out
    unknown_ids: int = 0  # answers to commands that we did not send, or gave up
    discarded_deltas: int = 0  # for a book that waits for a snapshot


class FeedProtocol:
    """Keeps the books and subscriptions of one connection.

    `probe(ticker, ts_ms, book)` is called before a delta with another `ts_ms` than the market's previous one
    is applied, with that previous time: the book as it was when that time ended. See also flush_probe().
    """

    def __init__(self, now: Callable[[], float], probe: Probe | None = None) -> None:
        self.books: dict[str, TrackedBook] = {}
        self.counters = FeedCounters()
        self._now = now
        self._probe = probe
        self._subscriptions = Subscriptions(now)
        self._deadlines: dict[str, float] = {}  # of books that are held or wait for a snapshot
        self._changed: dict[str, TrackedBook] = {}
        self._stale: list[FeedEvent] = []
        self._events: list[FeedEvent] = []
        self._snapshots_needed: dict[str, None] = {}
        self._reconnect_announced = False

    # What the owner wants.

    def subscribe(self, channel: str, tickers: Iterable[str] = ()) -> None:
        """Wants these markets on this channel (everything where none is named); see outbox()."""
        new = self._subscriptions.want(channel, tickers)
        if channel == ORDERBOOK:
            deadline = self._now() + FIRST_SNAPSHOT_TIMEOUT_S
            for ticker in new:
                self.books[ticker] = TrackedBook()
                self._deadlines[ticker] = deadline

    def unsubscribe_markets(self, channel: str, tickers: Iterable[str]) -> None:
        """Wants these markets no more; their books are gone at once, late frames for them are ignored."""
        leaving = list(tickers)
        self._subscriptions.unwant(channel, leaving)
        if channel == ORDERBOOK:
            for ticker in leaving:
                self.books.pop(ticker, None)
                self._deadlines.pop(ticker, None)
                self._snapshots_needed.pop(ticker, None)

    def request_snapshot(self, tickers: Iterable[str]) -> None:
        """Asks for fresh snapshots of these markets; their books stay as they are until those come."""
        self._subscriptions.request_snapshots([ticker for ticker in tickers if ticker in self.books])

    def outbox(self) -> list[str]:
        """Returns the commands to send, in order, and forgets them."""
        return self._subscriptions.outbox()

    def next_deadline(self) -> float | None:
        """Returns when tick() should be called, on the injected clock, or None while nothing is awaited."""
        commands = self._subscriptions.next_deadline()
        books = min(self._deadlines.values(), default=None)
        if commands is None or books is None:
            return books if commands is None else commands
        return min(commands, books)

    # What the connection brings.

    def receive(self, frames: Iterable[str | bytes]) -> list[FeedEvent]:
        """Applies frames in order and returns what happened; never raises for what the exchange may send."""
        counters = self.counters
        for frame in frames:
            counters.frames += 1
            try:
                decoded: AnyFrame = decode_frame(frame)
            except DECODE_ERRORS as error:
                self._unreadable(frame, error)
                continue
            if type(decoded) is DeltaFrame:
                self._delta(decoded, frame)
            else:
                self._other(decoded, frame)
        return self._finish()

    def tick(self) -> list[FeedEvent]:
        """Acts on deadlines that have passed and returns what that means."""
        now = self._now()
        for overdue in self._subscriptions.tick():
            if overdue.needs_reconnect:
                self._reconnect(f"the end of {overdue.channel.name} was not acknowledged in time")
            else:
                self._new_subscription(overdue.channel, "a command was not answered in time")
        for ticker in [ticker for ticker, deadline in self._deadlines.items() if deadline <= now]:
            # One escalation may have moved the deadlines of others.
            if self._deadlines.get(ticker, now + 1) <= now:
                self._book_overdue(ticker, self.books[ticker])
        return self._finish()

    def flush_probe(self) -> None:
        """Shows the probe every book that has had a delta, as it is at the end."""
        if self._probe is not None:
            for ticker, tracked in self.books.items():
                if tracked.last_ts_ms:
                    self._probe(ticker, tracked.last_ts_ms, tracked.book)

    # Frames.

    def _delta(self, frame: DeltaFrame, raw: str | bytes) -> None:
        channel = self._subscriptions.by_sid.get(frame.sid)
        if channel is None:
            self.counters.unknown_sids += 1
            return
        if frame.seq != channel.next_seq:
            self._gap(channel, frame.sid, frame.seq)
        else:
            channel.next_seq += 1
        msg = frame.msg
        tracked = self.books.get(msg.market_ticker)
        if tracked is None:
            self.counters.unknown_tickers += 1
            return
        state = tracked.state
        if state is BookState.STALE or state is BookState.AWAITING_SNAPSHOT:
            self.counters.discarded_deltas += 1
            return
        try:
            price = book_price(msg.price_dollars)
            delta = book_count(msg.delta_fp)
            if msg.ts_ms and msg.ts_ms != tracked.last_ts_ms:
                if self._probe is not None and tracked.last_ts_ms:
                    self._probe(msg.market_ticker, tracked.last_ts_ms, tracked.book)
                tracked.last_ts_ms = msg.ts_ms
            if msg.side == "yes":
                tracked.book.apply_delta(Side.BID, price, delta)
            else:
                tracked.book.apply_delta(Side.ASK, PriceE4(ONE_DOLLAR_E4 - price), delta)
        except (ValueError, BookCorrupt) as error:
            self._malformed(channel, raw, str(error))
            return
        tracked.sequence += 1
        self.counters.deltas += 1
        self._changed[msg.market_ticker] = tracked

    def _other(self, frame: AnyFrame, raw: str | bytes) -> None:
        channel = self._consume(frame.sid, frame.seq)
        match frame:
            case SnapshotFrame():
                self._snapshot(frame, channel, raw)
            case SubscribedFrame(msg=msg):
                self._subscriptions.on_subscribed(frame.id, msg.channel, msg.sid)
            case OkFrame():
                self._subscriptions.on_ok(frame.id, frame.sid, frame.seq)
            case UnsubscribedFrame():
                died = self._subscriptions.on_unsubscribed(frame.id, frame.sid)
                if died is not None:
                    self._died(died, 0, "the exchange ended the subscription")
            case ErrorFrame():
                self._error(frame, channel)
            case _:
                try:
                    event = event_of(frame)
                except ValueError as error:
                    self._malformed(channel, raw, str(error))
                    return
                if event is not None:
                    self._events.append(event)

    def _consume(self, sid: int | None, seq: int | None) -> Channel | None:
        # Counts a frame in its subscription's sequence, where it has one (rule 1).
        if sid is None:
            return None
        channel = self._subscriptions.by_sid.get(sid)
        if channel is None:
            self.counters.unknown_sids += 1
        elif seq is not None:
            if seq != channel.next_seq:
                self._gap(channel, sid, seq)
            else:
                channel.next_seq += 1
        return channel

    def _snapshot(self, frame: SnapshotFrame, channel: Channel | None, raw: str | bytes) -> None:
        if channel is None:
            return
        tracked = self.books.get(frame.msg.market_ticker)
        if tracked is None:
            self.counters.unknown_tickers += 1
            return
        try:
            if frame.seq is None:
                raise ValueError("a snapshot without its place in the sequence")
            tracked.book.apply_snapshot(*snapshot_levels(frame.msg))
        except (ValueError, BookCorrupt) as error:
            self._malformed(channel, raw, str(error))
            return
        self.counters.snapshots += 1
        tracked.state = BookState.LIVE
        tracked.rung = _Rung.FIRST_SNAPSHOT
        tracked.sequence += 1
        self._deadlines.pop(frame.msg.market_ticker, None)
        self._snapshots_needed.pop(frame.msg.market_ticker, None)
        self._changed[frame.msg.market_ticker] = tracked

    def _error(self, frame: ErrorFrame, channel: Channel | None) -> None:
        code, message = frame.msg.code, frame.msg.msg
        if channel is not None and code in ERRORS_TERMINAL:
            self._died(channel, code, f"error {code}, {excerpt(message)}")
            return
        refused = self._subscriptions.on_error(frame.id, code)
        for ticker in refused:
            self._abandon(ticker, f"the exchange refused the subscription: error {code}, {excerpt(message)}")
        self._events.append(CommandFailed(id=frame.id or 0, code=code, message=excerpt(message)))
        still_wanted = tuple(ticker for ticker in refused if ticker in self.books)
        if still_wanted and code == ERROR_MARKET_LIMIT:
            self._events.append(MarketLimitReached(tickers=still_wanted))

    def _unreadable(self, raw: str | bytes, error: Exception) -> None:
        envelope = decode_envelope(raw)
        if envelope is None or not envelope.type:
            # Nobody knows whose sequence this frame was part of, so no book can be trusted.
            self._malformed(None, raw, str(error))
            self._all_stale("a frame could not be read")
            return
        channel = self._consume(envelope.sid, envelope.seq)
        if envelope.type in KNOWN_TYPES:
            self._malformed(channel, raw, str(error))
        else:
            self.counters.unknown_types += 1
            self._events.append(UnknownFrame(type=excerpt(envelope.type)))

    # What frames and deadlines lead to.

    def _gap(self, channel: Channel, sid: int, found: int) -> None:
        self.counters.gaps += 1
        expected = channel.next_seq
        # An old number shows that the sequence is broken, but it does not turn our count back.
        channel.next_seq = max(expected, found + 1)
        if channel.name == ORDERBOOK:
            self._all_stale(f"the sequence broke: expected {expected}, found {found}")
        self._events.append(GapDetected(channel=channel.name, sid=sid, expected=expected, found=found))

    def _malformed(self, channel: Channel | None, raw: str | bytes, reason: str) -> None:
        self.counters.malformed += 1
        if channel is not None and channel.name == ORDERBOOK:
            self._all_stale(f"a frame does not fit: {excerpt(reason)}")
        self._events.append(FrameMalformed(reason=excerpt(reason), excerpt=excerpt(raw)))

    def _died(self, channel: Channel, code: int, reason: str) -> None:
        self._events.append(SubscriptionDied(channel=channel.name, sid=channel.sid or 0, code=code))
        self._new_subscription(channel, reason, is_dead=True)

    def _all_stale(self, reason: str) -> None:
        deadline = self._now() + SNAPSHOT_TIMEOUT_S
        for ticker, tracked in self.books.items():
            self._mark_stale(ticker, tracked, reason)
            if tracked.rung is _Rung.FIRST_SNAPSHOT:
                # Those further up the ladder have been asked for already; their own deadlines watch them.
                tracked.rung = _Rung.GET_SNAPSHOT
                self._deadlines[ticker] = deadline
                self._snapshots_needed[ticker] = None

    def _mark_stale(self, ticker: str, tracked: TrackedBook, reason: str) -> None:
        self._changed.pop(ticker, None)
        if tracked.state is not BookState.STALE:
            tracked.state = BookState.STALE
            self._stale.append(BookStale(ticker=ticker, reason=reason))

    def _book_overdue(self, ticker: str, tracked: TrackedBook) -> None:
        if tracked.state is BookState.HELD:
            self._mark_stale(ticker, tracked, f"crossed or locked for more than {HOLD_S} s")
        match tracked.rung:
            case _Rung.FIRST_SNAPSHOT:
                tracked.rung = _Rung.GET_SNAPSHOT
                self._deadlines[ticker] = self._now() + SNAPSHOT_TIMEOUT_S
                self._snapshots_needed[ticker] = None
            case _Rung.GET_SNAPSHOT if self._subscriptions.can_restart(self._orderbook):
                self._new_subscription(self._orderbook, f"no snapshot of {ticker} came")
            case _Rung.GET_SNAPSHOT | _Rung.NEW_SUBSCRIPTION:
                if any(other.state in (BookState.LIVE, BookState.HELD) for other in self.books.values()):
                    self._abandon(ticker, "the exchange sends no snapshot of this market")
                    self._deadlines[ticker] = self._now() + ABANDONED_RETRY_S
                else:
                    self._reconnect("a new subscription brought no snapshot either")
                    self._deadlines.pop(ticker, None)
            case _Rung.ABANDONED:
                self._deadlines[ticker] = self._now() + ABANDONED_RETRY_S
                self._snapshots_needed[ticker] = None

    def _abandon(self, ticker: str, reason: str) -> None:
        tracked = self.books.get(ticker)
        if tracked is not None:
            if tracked.state is BookState.STALE:
                self._stale.append(BookStale(ticker=ticker, reason=reason))
            self._mark_stale(ticker, tracked, reason)
            tracked.rung = _Rung.ABANDONED
            self._deadlines.pop(ticker, None)
            self._snapshots_needed.pop(ticker, None)

    def _new_subscription(self, channel: Channel, reason: str, *, is_dead: bool = False) -> None:
        may_restart = self._subscriptions.can_restart(channel)
        if channel.name == ORDERBOOK:
            deadline = self._now() + FIRST_SNAPSHOT_TIMEOUT_S
            for ticker, tracked in self.books.items():
                self._mark_stale(ticker, tracked, reason)
                self._snapshots_needed.pop(ticker, None)
                if tracked.rung is not _Rung.ABANDONED:
                    tracked.rung = _Rung.NEW_SUBSCRIPTION
                    self._deadlines[ticker] = deadline
        if may_restart:
            self._subscriptions.restart(channel, is_dead=is_dead)
        else:
            self._reconnect(f"{channel.name} failed again within a short time: {reason}")

    def _reconnect(self, reason: str) -> None:
        if not self._reconnect_announced:
            self._reconnect_announced = True
            self._events.append(ReconnectNeeded(reason=reason))

    def _finish(self) -> list[FeedEvent]:
        if self._snapshots_needed:
            needed, self._snapshots_needed = self._snapshots_needed, {}
            self._subscriptions.request_snapshots(needed)
        self.counters.unknown_ids = self._subscriptions.unknown_ids
        events = self._stale + self._events if self._stale or self._events else []
        if events:
            self._stale, self._events = [], []
        if self._changed:
            changed, self._changed = self._changed, {}
            for ticker, tracked in changed.items():
                if tracked.book.is_crossed:
                    if tracked.state is not BookState.HELD:
                        tracked.state = BookState.HELD
                        self._deadlines[ticker] = self._now() + HOLD_S
                    continue
                if tracked.state is BookState.HELD:
                    tracked.state = BookState.LIVE
                    self._deadlines.pop(ticker, None)
                events.append(BookChanged(ticker=ticker))
        return events

    @property
    def _orderbook(self) -> Channel:
        return self._subscriptions.channel(ORDERBOOK)
