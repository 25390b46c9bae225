"""Who hears what: turns the exchange's events into frames for the subscriptions that want them.

Deltas are encoded once per price mode, whoever listens. Tickers are conflated: about one a second per market,
and only when something changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from kalshi.simulator.accounts import Account
from kalshi.simulator.events import (
    BookDelta,
    BookEmptied,
    Event,
    FillHappened,
    GroupChanged,
    MarketChanged,
    OrderChanged,
    PositionChanged,
    TradeHappened,
)
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.market_state import Quote
from kalshi.simulator.socket_commands import BUFFER_OVERFLOW
from kalshi.simulator.socket_session import SocketSession, Subscription
from kalshi.simulator.socket_views import (
    delta_text,
    empty_snapshot_msg,
    encode,
    fill_msg,
    group_msg,
    lifecycle_msg,
    market_position_msg,
    snapshot_msg,
    ticker_msg,
    trade_msg,
    user_order_msg,
)

_Watchers = dict[Subscription, None]


class SocketHub:
    """The index of all subscriptions, by channel and ticker."""

    def __init__(self, core: ExchangeCore) -> None:
        self._core = core
        self._sessions: dict[SocketSession, None] = {}
        self._filtered: dict[tuple[str, str], _Watchers] = {}
        self._unfiltered: dict[str, _Watchers] = {}
        self._changed: dict[str, None] = {}
        self._ticker_sent: dict[str, tuple[int, Quote, int]] = {}

    def now_ms(self) -> int:
        return self._core.now_ms()

    def open_session(self, account: Account) -> SocketSession:
        """Returns a fresh session of the account."""
        settings = self._core.settings
        session = SocketSession(
            self,
            account,
            buffer_frames=settings.socket_buffer_frames,
            stamps_sending=settings.sending_ts_ms,
        )
        self._sessions[session] = None
        return session

    def sessions(self) -> tuple[SocketSession, ...]:
        """Returns the open sessions, oldest first."""
        return tuple(self._sessions)

    def forget(self, session: SocketSession) -> None:
        self._sessions.pop(session, None)

    def add(self, subscription: Subscription, tickers: Iterable[str] | None) -> None:
        """Lets the subscription hear these tickers, or everything."""
        channel = subscription.channel.name
        if tickers is None:
            self._unfiltered.setdefault(channel, {})[subscription] = None
            return
        for ticker in tickers:
            self._filtered.setdefault((channel, ticker), {})[subscription] = None

    def remove(self, subscription: Subscription, tickers: Iterable[str] | None = None) -> None:
        """Ends what the subscription hears: these tickers, or all."""
        channel = subscription.channel.name
        if tickers is None:
            self._unfiltered.get(channel, {}).pop(subscription, None)
            tickers = tuple(subscription.tickers or ())
        for ticker in tickers:
            watchers = self._filtered.get((channel, ticker))
            if watchers is not None:
                watchers.pop(subscription, None)
                if not watchers:
                    del self._filtered[channel, ticker]

    def send_snapshot(self, subscription: Subscription, ticker: str, command_id: int | None = None) -> None:
        """Sends a market's book; an unknown ticker is passed over in silence, as the exchange seems to do."""
        market = self._core.markets.get(ticker)
        if market is not None:
            msg = encode(snapshot_msg(market, yes_price=subscription.yes_price))
            subscription.session.send_data(subscription, "orderbook_snapshot", msg, command_id)

    def send_tickers(self, subscription: Subscription, tickers: Iterable[str] | None) -> None:
        """Sends the present ticker of these markets, or of all."""
        for ticker in self._core.markets if tickers is None else tickers:
            if ticker in self._core.markets:
                msg = encode(ticker_msg(self._core.markets[ticker], self._core.now_ms()))
                subscription.session.send_data(subscription, "ticker", msg)

    def take(self, event: Event) -> None:
        """Listens to the exchange."""
        match event:
            case BookDelta():
                self._send_delta(event)
                self._changed[event.ticker] = None
            case TradeHappened(trade=trade):
                self._changed[trade.ticker] = None
                self._broadcast("trade", trade.ticker, "trade", lambda: trade_msg(trade))
            case FillHappened(fill=fill):
                self._private("fill", fill.account_id, fill.ticker, "fill", lambda: fill_msg(fill))
            case OrderChanged(order=order):
                self._private(
                    "user_orders", order.account_id, order.ticker, "user_order", lambda: user_order_msg(order)
                )
            case PositionChanged(account_id=account_id, position=position):
                self._private(
                    "market_positions",
                    account_id,
                    position.ticker,
                    "market_position",
                    lambda: market_position_msg(account_id, position),
                )
            case GroupChanged(account_id=account_id):
                self._private("order_group_updates", account_id, "", "order_group_updates", lambda: group_msg(event))
            case MarketChanged(ticker=ticker):
                msg = lifecycle_msg(event, self._core.markets[ticker])
                if msg is not None:
                    self._broadcast("market_lifecycle_v2", ticker, "market_lifecycle_v2", lambda: msg)
            case BookEmptied(ticker=ticker):
                self._broadcast("orderbook_delta", ticker, "orderbook_snapshot", lambda: empty_snapshot_msg(ticker))
            case _:
                pass

    def fault_gap(self, channel: str, ticker: str | None = None) -> None:
        """Skips one sequence number of the channel, of those subscriptions that hear the ticker."""
        for session in self.sessions():
            subscription = session.subscription(channel)
            if subscription is not None and (
                ticker is None or subscription.tickers is None or ticker in subscription.tickers
            ):
                subscription.next_seq()

    def fault_drop_all(self) -> None:
        """Closes every connection."""
        for session in self.sessions():
            session.close()

    def fault_silence(self, seconds: float) -> None:
        """Sends nothing on any present connection for so long; what waits goes out after it."""
        for session in self.sessions():
            session.silent_until_ms = self.now_ms() + round(seconds * 1000)

    def fault_kick_slow(self) -> None:
        """Ends every subscription with error 25, as if its reader were too slow."""
        for session in self.sessions():
            for subscription in session.subscriptions():
                session.end_subscription(subscription, BUFFER_OVERFLOW)

    def tick(self) -> None:
        """Sends the tickers that changed and are due, and ends silences that are over."""
        now_ms = self._core.now_ms()
        for session in self.sessions():
            if session.silent_until_ms and session.silent_until_ms <= now_ms:
                session.end_silence()
        for ticker in tuple(self._changed):
            sent_ms, quote, traded_e2 = self._ticker_sent.get(ticker, (0, None, 0))
            if now_ms - sent_ms < self._core.settings.ticker_interval_ms:
                continue
            del self._changed[ticker]
            market = self._core.markets[ticker]
            present = market.quote()
            if (present, market.traded_e2) == (quote, traded_e2):
                continue
            self._ticker_sent[ticker] = (now_ms, present, market.traded_e2)
            self._broadcast("ticker", ticker, "ticker", partial(ticker_msg, market, now_ms))

    def _watchers(self, channel: str, ticker: str) -> Iterator[Subscription]:
        # Copies, because a full buffer ends a subscription while it is being served.
        yield from tuple(self._filtered.get((channel, ticker), ()))
        yield from tuple(self._unfiltered.get(channel, ()))

    def _send_delta(self, delta: BookDelta) -> None:
        texts: dict[tuple[bool, bool], str] = {}
        for subscription in self._watchers("orderbook_delta", delta.ticker):
            is_own = subscription.session.account.account_id == delta.account_id
            key = (subscription.yes_price, is_own)
            if key not in texts:
                texts[key] = delta_text(delta, yes_price=subscription.yes_price, is_own=is_own)
            subscription.session.send_data(subscription, "orderbook_delta", texts[key])

    def _broadcast(self, channel: str, ticker: str, kind: str, make: Callable[[], object]) -> None:
        text: str | None = None
        for subscription in self._watchers(channel, ticker):
            text = text if text is not None else encode(make())
            subscription.session.send_data(subscription, kind, text)

    def _private(self, channel: str, account_id: str, ticker: str, kind: str, make: Callable[[], object]) -> None:
        for subscription in self._watchers(channel, ticker):
            if subscription.session.account.account_id == account_id:
                subscription.session.send_data(subscription, kind, encode(make()))
