"""Who hears what: turns the exchange's events into frames for the subscriptions that want them.

Rules:
1. What nobody listens to costs one look into a table: handlers are there only while a channel that needs them has
   a subscription. A day of simulated trading without a socket pays nothing else.
2. A msg is encoded once per price mode, whoever listens; sid and number are put around it per subscription.
3. The listeners of a market are a tuple that is replaced when one comes or goes, so a subscription may end while it
   is being served.
4. Tickers are conflated: about one a second per market, and only when something changed.
5. A market that is listed while somebody already waits for its book shows an empty snapshot first.
6. Where chance decides (delays, timeouts, surprises) it draws from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from kalshi.simulator.accounts import Account
from kalshi.simulator.events import (
    BookDelta,
    BookEmptied,
    Event,
    EventFeesChanged,
    EventListed,
    FillHappened,
    GroupChanged,
    MarketChanged,
    OrderChanged,
    PositionChanged,
    TradeHappened,
)
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.market_state import Quote
from kalshi.simulator.refusals import TooManyRequests
from kalshi.simulator.settings import SimulatorSettings
from kalshi.simulator.socket_channels import BOOK, CHANNELS, LIFECYCLE, TICKER
from kalshi.simulator.socket_faults import SocketFaults
from kalshi.simulator.socket_indices import INDEX_FEEDS, IndexTape
from kalshi.simulator.socket_session import SocketSession
from kalshi.simulator.socket_subscription import Subscription
from kalshi.simulator.socket_views import (
    delta_text,
    empty_snapshot_msg,
    encode,
    event_fee_msg,
    event_msg,
    fill_msg,
    group_msg,
    lifecycle_msg,
    market_id,
    market_position_msg,
    snapshot_msg,
    ticker_msg,
    trade_msg,
    user_order_msg,
)

_Watchers = tuple[Subscription, ...]
_ALL: Final = "*"  # no ticker: those who hear every market
_NOBODY: Final[_Watchers] = ()


class SocketHub:
    """The index of all subscriptions, by channel and by whose or which market's news they want."""

    def __init__(self, core: ExchangeCore) -> None:
        self._core = core
        self._rng = random.Random(f"{core.seed}:socket")
        self._sessions: dict[SocketSession, None] = {}
        self._watchers: dict[str, dict[str, _Watchers]] = {name: {} for name in CHANNELS}
        self._live = dict.fromkeys(CHANNELS, 0)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {}
        self._changed: dict[str, None] = {}
        self._ticker_sent: dict[str, tuple[int, Quote, int]] = {}
        self._tapes = tuple(IndexTape(name) for name in INDEX_FEEDS)
        self.broken_off = 0  # connections that ended over bytes that are no WebSocket
        self.faults = SocketFaults(core.now_ms, self.sessions)
        # By the names that scenarios know them.
        self.fault_gap = self.faults.gap
        self.fault_duplicate = self.faults.duplicate
        self.fault_delay_acks_ms = self.faults.delay_acks_ms
        self.fault_drop_snapshots = self.faults.drop_snapshots
        self.fault_silence = self.faults.silence
        self.fault_drop_all = self.faults.drop_all
        self.fault_kick_slow = self.faults.kick_slow
        self.fault_channel_error = self.faults.channel_error

    @property
    def settings(self) -> SimulatorSettings:
        return self._core.settings

    @property
    def is_silent(self) -> bool:
        """Whether nothing may leave now (`fault_silence`)."""
        return self.faults.is_silent

    def now_ms(self) -> int:
        return self._core.now_ms()

    # Sessions and what they listen to.

    def open_session(self, account: Account) -> SocketSession:
        """Returns a fresh session of the account. Raises Refused when it has too many."""
        held = sum(session.account is account for session in self._sessions)
        if held >= self.settings.socket_connections_max:
            raise TooManyRequests(nested=self.settings.too_many_requests_shape == "nested")
        session = SocketSession(self, account, random.Random(self._rng.getrandbits(64)))
        self._sessions[session] = None
        return session

    def sessions(self) -> tuple[SocketSession, ...]:
        """Returns the open sessions, oldest first."""
        return tuple(self._sessions)

    def forget(self, session: SocketSession) -> None:
        self._sessions.pop(session, None)

    def add(self, subscription: Subscription, tickers: Iterable[str] | None) -> None:
        """Lets the subscription hear these tickers, or everything; what it hears already is no matter."""
        index = self._watchers[subscription.channel.name]
        for ticker in (_ALL,) if tickers is None else tickers:
            key = _key(subscription, ticker)
            held = index.get(key, _NOBODY)
            if subscription not in held:
                index[key] = (*held, subscription)
        self._count(subscription.channel.name)

    def remove(self, subscription: Subscription, tickers: Iterable[str] | None = None) -> None:
        """Ends what the subscription hears: these tickers, or all."""
        index = self._watchers[subscription.channel.name]
        for ticker in (_ALL, *(subscription.tickers or ())) if tickers is None else tickers:
            key = _key(subscription, ticker)
            left = tuple(one for one in index.get(key, _NOBODY) if one is not subscription)
            if left:
                index[key] = left
            else:
                index.pop(key, None)
        self._count(subscription.channel.name)

    def tickers_of(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Returns the tickers of these market ids; unknown ones are passed over."""
        by_id = {market_id(ticker): ticker for ticker in self._core.markets}
        return tuple(by_id[one] for one in ids if one in by_id)

    # Chance and delay.

    def command_delay_ms(self, rng: random.Random) -> int:
        """Returns how long a command waits until it is carried out."""
        reorder_ms = self.settings.socket_reorder_ms
        return self.faults.ack_delay_ms + (rng.randint(1, reorder_ms) if reorder_ms else 0)

    def snapshot_delay_ms(self) -> int:
        """Returns how long a first snapshot waits behind the answer that announces it."""
        reorder_ms = self.settings.socket_reorder_ms
        return self._rng.randint(1, reorder_ms) if reorder_ms else 0

    def command_times_out(self) -> bool:
        """Says whether this command ends with error 18."""
        share = self.settings.socket_timeout_share
        return share > 0 and self._rng.random() < share

    # Frames on demand.

    def send_snapshot(self, subscription: Subscription, ticker: str, command_id: int | None = None) -> None:
        """Sends a market's book; an unknown ticker is passed over in silence unless a switch says otherwise."""
        market = self._core.markets.get(ticker)
        if self.faults.takes_snapshot():
            return
        if market is not None:
            ascends = self.settings.socket_yes_price_ascends
            msg = snapshot_msg(market, yes_price=subscription.yes_price, no_side_ascends=ascends)
        elif self.settings.socket_unknown_ticker_has_snapshot:
            msg = empty_snapshot_msg(ticker, 0)
        else:
            return
        subscription.session.send_data(
            subscription, "orderbook_snapshot", encode(msg), ticker=ticker, command_id=command_id
        )

    def send_tickers(self, subscription: Subscription, tickers: Iterable[str] | None) -> None:
        """Sends the present ticker of these markets, or of all."""
        for ticker in self._core.markets if tickers is None else tickers:
            if ticker in self._core.markets:
                msg = encode(ticker_msg(self._core.markets[ticker], self._core.now_ms()))
                subscription.session.send_data(subscription, "ticker", msg, ticker=ticker)

    # News.

    def take(self, event: Event) -> None:
        """Listens to the exchange (rule 1)."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def tick(self) -> None:
        """Does what is due: deferred answers, the end of a silence, tickers, index values."""
        now_ms = self._core.now_ms()
        self.faults.tick(now_ms)
        for session in tuple(self._sessions):
            session.do_due(now_ms)
        if self._changed:
            self._send_due_tickers(now_ms)
        for tape in self._tapes:
            if self._live[tape.channel]:
                self._send_indices(tape, now_ms)

    def _count(self, channel: str) -> None:
        live = len(self._watchers[channel])
        if bool(live) == bool(self._live[channel]):
            self._live[channel] = live
            return
        self._live[channel] = live
        if not self._live[TICKER]:
            self._changed.clear()
        self._handlers = {
            kind: handler
            for kind, channels, handler in (
                (BookDelta, (BOOK, TICKER), self._take_delta),
                (TradeHappened, ("trade", TICKER), self._take_trade),
                (FillHappened, ("fill",), self._take_fill),
                (OrderChanged, ("user_orders",), self._take_order),
                (PositionChanged, ("market_positions",), self._take_position),
                (GroupChanged, ("order_group_updates",), self._take_group),
                (MarketChanged, (LIFECYCLE, BOOK, TICKER), self._take_market),
                (EventListed, (LIFECYCLE,), self._take_listing),
                (EventFeesChanged, (LIFECYCLE,), self._take_fees),
                (BookEmptied, (BOOK,), self._take_emptied),
            )
            if any(self._live[one] for one in channels)
        }

    def _take_delta(self, delta: BookDelta) -> None:
        ticker = delta.ticker
        if self._live[TICKER]:
            self._changed[ticker] = None
        watchers = self._watchers[BOOK].get(ticker)
        if watchers is None:
            return
        clock, account_id = self._core.clock, delta.account_id
        texts: dict[int, str] = {}
        for subscription in watchers:
            yes_price, is_own = subscription.yes_price, subscription.account_id == account_id
            key = 2 * yes_price + is_own
            text = texts.get(key)
            if text is None:
                text = texts[key] = delta_text(delta, clock, yes_price=yes_price, is_own=is_own)
            subscription.session.send_delta(subscription, text, ticker)

    def _take_trade(self, event: TradeHappened) -> None:
        trade = event.trade
        if self._live[TICKER]:
            self._changed[trade.ticker] = None
        self._broadcast("trade", trade.ticker, "trade", lambda: trade_msg(trade))

    def _take_fill(self, event: FillHappened) -> None:
        fill = event.fill
        self._broadcast("fill", fill.ticker, "fill", lambda: fill_msg(fill), account_id=fill.account_id)

    def _take_order(self, event: OrderChanged) -> None:
        order = event.order
        account_id = order.account_id
        self._broadcast("user_orders", order.ticker, "user_order", lambda: user_order_msg(order), account_id=account_id)

    def _take_position(self, event: PositionChanged) -> None:
        account_id, position = event.account_id, event.position
        self._broadcast(
            "market_positions",
            position.ticker,
            "market_position",
            lambda: market_position_msg(account_id, position),
            account_id=account_id,
        )

    def _take_group(self, event: GroupChanged) -> None:
        channel = "order_group_updates"
        self._broadcast(channel, _ALL, channel, lambda: group_msg(event), account_id=event.account_id)

    def _take_market(self, event: MarketChanged) -> None:
        market = self._core.markets[event.ticker]
        if event.kind in ("settled", "delisted"):
            self._ticker_sent.pop(event.ticker, None)
        msg = lifecycle_msg(event, market)
        if msg is not None:
            self._broadcast(LIFECYCLE, _ALL, LIFECYCLE, lambda: msg)
        if event.kind == "created":  # rule 5
            for subscription in self._watchers[BOOK].get(event.ticker, _NOBODY):
                self.send_snapshot(subscription, event.ticker)

    def _take_listing(self, event: EventListed) -> None:
        listing = self._core.events[event.event_ticker]
        self._broadcast(LIFECYCLE, _ALL, "event_lifecycle", lambda: event_msg(listing))

    def _take_fees(self, event: EventFeesChanged) -> None:
        self._broadcast(LIFECYCLE, _ALL, "event_fee_update", lambda: event_fee_msg(event))

    def _take_emptied(self, event: BookEmptied) -> None:
        clock = self._core.markets[event.ticker].clock
        self._broadcast(BOOK, event.ticker, "orderbook_snapshot", lambda: empty_snapshot_msg(event.ticker, clock))

    def _broadcast(
        self, channel: str, ticker: str, kind: str, make: Callable[[], object], *, account_id: str = ""
    ) -> None:
        index = self._watchers[channel]
        text: str | None = None
        for key in (ticker,) if ticker == _ALL else (ticker, _ALL):
            for subscription in index.get(account_id + key, _NOBODY):
                text = text if text is not None else encode(make())
                subscription.session.send_data(subscription, kind, text, ticker=ticker)

    def _send_due_tickers(self, now_ms: int) -> None:
        for ticker in tuple(self._changed):
            sent_ms, quote, traded_e2 = self._ticker_sent.get(ticker, (0, None, 0))
            if now_ms - sent_ms < self.settings.ticker_interval_ms:
                continue
            self._changed.pop(ticker, None)  # a broadcast may end a session, and with the last one all changes
            market = self._core.markets.get(ticker)
            if market is None:
                continue  # It has left the catalogue meanwhile.
            present = market.quote()
            if (present, market.traded_e2) == (quote, traded_e2):
                continue
            self._ticker_sent[ticker] = (now_ms, present, market.traded_e2)
            self._broadcast(TICKER, ticker, TICKER, partial(ticker_msg, market, now_ms))

    def _send_indices(self, tape: IndexTape, now_ms: int) -> None:
        watchers = self._watchers[tape.channel].get(_ALL, _NOBODY)
        for name, msg in tape.advance(self._core.markets.values(), now_ms).items():
            text = encode(msg)
            for subscription in watchers:
                if name in subscription.names or "all" in subscription.names:
                    subscription.session.send_data(subscription, tape.channel, text)


def _key(subscription: Subscription, ticker: str) -> str:
    # Account ids are UUIDs and house accounts hear nothing, so that a key of one kind is none of the other.
    return subscription.account_id + ticker if subscription.channel.is_private else ticker
