"""What commands do to the subscriptions of one session.

Rules (kalshi-websocket.md §5, §6):
1. Subscribing again to a channel merges and answers `ok` with the full sorted list; tickers already held get
   nothing.
2. Each channel of a subscribe command gets an answer of its own under the one id; a bad channel spoils no good
   one.
3. The book of a market is heard from its snapshot on, so that the snapshot precedes the first delta however late
   it comes. `get_snapshot` answers in the stream, with the command's id.
4. An error that is about the state of one subscription (18, 26) carries its sid and takes its next number.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from kalshi.simulator.socket_channels import (
    AUTHENTICATION_REQUIRED,
    BOOK,
    CHANNELS,
    COMMAND_TIMEOUT,
    COMMUNICATIONS,
    MARKET_LIMIT,
    TICKER,
    Channel,
    CommandError,
)
from kalshi.simulator.socket_commands import Command, Markets, SubscribeOptions
from kalshi.simulator.socket_indices import INDEX_FEEDS, IndexFeed
from kalshi.simulator.socket_subscription import Subscription
from kalshi.simulator.socket_views import encode, ok_msg

if TYPE_CHECKING:
    from kalshi.simulator.socket_hub import SocketHub
    from kalshi.simulator.socket_session import SocketSession

_ALL: Final = "all"


class CommandDesk:
    """Carries out the commands of one session."""

    def __init__(self, hub: SocketHub, session: SocketSession) -> None:
        self._hub = hub
        self._session = session
        self._sids = 0
        self.subscriptions: dict[str, Subscription] = {}

    def obey(self, command: Command) -> None:
        """Carries out one command. Raises CommandError, and has changed nothing then."""
        match command.name:
            case "subscribe":
                channels, options = command.channels(), command.options()
                for name in channels:
                    self._subscribe_one(name, options, command)
            case "unsubscribe":
                self._unsubscribe(command)
            case "update_subscription":
                self._update(command)
            case _:
                rows = [{"channel": one.channel.name, "sid": one.sid} for one in self.subscriptions.values()]
                self._session.send_answer("ok", encode(rows), command.command_id)

    def drop(self, subscription: Subscription) -> None:
        """Ends a subscription without a word."""
        subscription.is_live = False
        self._hub.remove(subscription)
        self.subscriptions.pop(subscription.channel.name, None)

    def end_all(self) -> None:
        """Ends every subscription without a word."""
        for subscription in tuple(self.subscriptions.values()):
            self.drop(subscription)

    def _subscribe_one(self, name: str, options: SubscribeOptions, command: Command) -> None:
        held: Subscription | None = None
        try:
            channel = CHANNELS.get(name)
            if channel is None:
                raise CommandError(8)
            held = self.subscriptions.get(name)
            self._check_access(channel, options.markets, command)
            if held is None:
                self._open(channel, options, command)
            else:
                self._check_timeout()
                self._add(held, self._markets_of(channel, options.markets), options.initial_ticker, command)
        except CommandError as error:
            is_scoped = error.code in (COMMAND_TIMEOUT, MARKET_LIMIT)
            self._session.send_error(error, command.command_id, held if is_scoped else None)

    def _check_access(self, channel: Channel, markets: Markets, command: Command) -> None:
        if channel.kind == "index":
            if not self._hub.settings.socket_index_channels:
                raise CommandError(AUTHENTICATION_REQUIRED)
            return
        if channel.name == COMMUNICATIONS:
            command.check_communications()
        if channel.tickers != "ignored" and markets.ids is not None and channel.name != TICKER:
            raise CommandError(11)
        if channel.tickers == "required" and markets.tickers is None:
            raise CommandError(14)

    def _markets_of(self, channel: Channel, markets: Markets) -> Markets:
        """Returns the markets as this channel sees them: a channel that knows no filter hears everything."""
        return Markets() if channel.tickers == "ignored" else markets

    def _open(self, channel: Channel, options: SubscribeOptions, command: Command) -> None:
        markets = self._markets_of(channel, options.markets)
        tickers = self._tickers_of(markets)
        self._check_room(0, tickers)
        feed = INDEX_FEEDS.get(channel.name)
        names = self._index_names(feed, command) if feed is not None else ()
        self._sids += 1
        yes_price = options.yes_price
        subscription = Subscription(
            session=self._session,
            channel=channel,
            sid=self._sids,
            account_id=self._session.account.account_id,
            tickers=None if tickers is None else dict.fromkeys(tickers),
            ids=dict.fromkeys(markets.ids or ()),
            names=dict.fromkeys(names),
            yes_price=self._hub.settings.socket_yes_price_default if yes_price is None else yes_price,
            skip_ack=options.skip_ack,
        )
        self.subscriptions[channel.name] = subscription
        answer = encode({"channel": channel.name, "sid": subscription.sid})
        self._session.send_answer("subscribed", answer, command.command_id)
        self._hear(subscription, tickers)
        if channel.name == TICKER and options.initial_ticker:
            self._hub.send_tickers(subscription, tickers)

    def _add(self, held: Subscription, markets: Markets, initial_ticker: bool, command: Command) -> None:
        tickers = self._tickers_of(markets)
        added: tuple[str, ...] = ()
        if held.tickers is not None and tickers is not None:
            added = tuple(ticker for ticker in dict.fromkeys(tickers) if ticker not in held.tickers)
            self._check_room(len(held.tickers), added)
            held.tickers.update(dict.fromkeys(added))
            held.ids.update(dict.fromkeys(markets.ids or ()))
        elif held.tickers is not None:
            # No tickers named means all markets from here on; channels that need tickers never come this far.
            self._hub.remove(held)
            held.tickers = None
        if added or tickers is None or self._hub.settings.socket_merge_of_nothing_is_answered:
            self._acknowledge(held, command)
        if added or tickers is None:
            self._hear(held, added if tickers is not None else None)
        if held.channel.name == TICKER and initial_ticker:
            self._hub.send_tickers(held, added)

    def _hear(self, subscription: Subscription, tickers: tuple[str, ...] | None) -> None:
        if subscription.channel.name != BOOK:
            self._hub.add(subscription, tickers)
            return
        for ticker in dict.fromkeys(tickers or ()):
            start = partial(self._start_book, subscription, ticker)
            delay_ms = self._hub.snapshot_delay_ms()
            if delay_ms:
                self._session.defer(delay_ms, start)
            else:
                start()

    def _start_book(self, subscription: Subscription, ticker: str) -> None:
        # The client may have changed its mind while the snapshot was on its way.
        if subscription.is_live and subscription.tickers is not None and ticker in subscription.tickers:
            self._hub.add(subscription, (ticker,))
            self._hub.send_snapshot(subscription, ticker)

    def _acknowledge(self, subscription: Subscription, command: Command) -> None:
        msg = None if subscription.skip_ack else encode(ok_msg(subscription.tickers, subscription.ids))
        self._session.send(subscription, "ok", msg, command.command_id)

    def _unsubscribe(self, command: Command) -> None:
        for sid in command.sids():
            subscription = self._by_sid(sid)
            if subscription is None:
                self._session.send_error(CommandError(7), command.command_id)
                continue
            self.drop(subscription)
            self._session.send(subscription, "unsubscribed", None, command.command_id, seq=subscription.last_seq())

    def _update(self, command: Command) -> None:
        subscription = self._by_sid(command.one_sid())
        if subscription is None:
            raise CommandError(7)
        action = command.action()
        try:
            feed = INDEX_FEEDS.get(subscription.channel.name)
            if feed is not None:
                self._update_indices(subscription, feed, action, command)
            else:
                self._update_markets(subscription, action, command)
        except CommandError as error:
            is_scoped = error.code in (COMMAND_TIMEOUT, MARKET_LIMIT)
            self._session.send_error(error, command.command_id, subscription if is_scoped else None)

    def _update_markets(self, subscription: Subscription, action: str, command: Command) -> None:
        channel = subscription.channel
        if channel.tickers == "ignored" or action not in ("add_markets", "delete_markets", "get_snapshot"):
            raise CommandError(13)
        if action == "get_snapshot" and channel.name != BOOK:
            raise CommandError(13)
        markets, initial_ticker = command.markets(), command.flag("send_initial_snapshot")
        if markets.ids is not None and channel.name != TICKER:
            raise CommandError(11)
        tickers = self._tickers_of(markets)
        if tickers is None:
            raise CommandError(14)
        self._check_timeout()
        if action == "add_markets":
            self._add(subscription, markets, initial_ticker, command)
        elif action == "delete_markets":
            self._delete(subscription, tickers, markets.ids or (), command)
        else:
            if self._hub.settings.socket_get_snapshot_is_acknowledged:
                self._acknowledge(subscription, command)
            for ticker in tickers:
                self._hub.send_snapshot(subscription, ticker, command.command_id)

    def _update_indices(self, subscription: Subscription, feed: IndexFeed, action: str, command: Command) -> None:
        if action == feed.list_action:
            msg = encode({feed.key: list(feed.available)})
            self._session.send(subscription, feed.list_type, msg, command.command_id)
            return
        if action not in (feed.add_action, feed.remove_action):
            raise CommandError(13)
        names = command.names(feed.key, feed.missing_code)
        for name in names:
            if action == feed.add_action:
                subscription.names[name] = None
            else:
                subscription.names.pop(name, None)
        held = [_ALL] if _ALL in subscription.names else sorted(subscription.names)
        self._session.send(subscription, "ok", encode({feed.key: held}), command.command_id)

    def _index_names(self, feed: IndexFeed, command: Command) -> tuple[str, ...]:
        return command.names(feed.key, feed.missing_code) if command.params.get(feed.key) else ()

    def _delete(self, subscription: Subscription, tickers: Iterable[str], ids: Iterable[str], command: Command) -> None:
        if subscription.tickers is not None:
            gone = [ticker for ticker in dict.fromkeys(tickers) if ticker in subscription.tickers]
            for ticker in gone:
                del subscription.tickers[ticker]
            for one in ids:
                subscription.ids.pop(one, None)
            self._hub.remove(subscription, gone)
        self._acknowledge(subscription, command)

    def _tickers_of(self, markets: Markets) -> tuple[str, ...] | None:
        # An id that no market has is kept out in silence, as an unknown ticker is (error 16 is retired).
        if markets.ids is not None:
            return self._hub.tickers_of(markets.ids)
        return markets.tickers

    def _check_room(self, held: int, added: tuple[str, ...] | None) -> None:
        if added is not None and held + len(added) > self._hub.settings.socket_markets_max:
            raise CommandError(MARKET_LIMIT, tickers=added)

    def _check_timeout(self) -> None:
        if self._hub.command_times_out():
            raise CommandError(COMMAND_TIMEOUT)

    def _by_sid(self, sid: int) -> Subscription | None:
        return next((one for one in self.subscriptions.values() if one.sid == sid), None)
