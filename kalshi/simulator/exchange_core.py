"""The registry in the middle: accounts, markets, open orders, groups; here engine events become news.

Rules:
1. Every operation carries one engine time, so that all its deltas, trades and fills share `ts_ms`.
2. Listeners are called synchronously, in order, after the operation: a snapshot taken at any time agrees with
   the deltas sent.
3. A share of the orders that both trade and rest shows the resting part first, so that the book crosses for a
   moment inside one `ts_ms`, as recorded on the real exchange.
4. Groups that the operation's fills triggered are cancelled right after it, at the same engine time.
House orders (the exchange's own traders) are public in the book and the tape, and nowhere else.

Orders that end by themselves lie in one dict per second of expiry, and leave it when they end in another way: a heap of
orders would keep every cancelled one until its time came. The heap is of seconds.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from kalshi.simulator.accounts import Account
from kalshi.simulator.clearing import MarketClearing, collateral_e6
from kalshi.simulator.engine import EngineEvent, Executed, MatchingEngine
from kalshi.simulator.events import (
    BookDelta,
    CashChanged,
    Event,
    FillHappened,
    GroupChanged,
    Listeners,
    OrderChanged,
    PositionChanged,
    TradeHappened,
)
from kalshi.simulator.fees import FeeTerms
from kalshi.simulator.groups import OrderGroup
from kalshi.simulator.history import MarketHistory
from kalshi.simulator.invariants import InvariantBroken
from kalshi.simulator.listings import Catalogue, EventListing, MarketListing, SeriesListing
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Fill, Order, Reason
from kalshi.simulator.price_grid import floor_to_grid
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.types import MarketStatus, OrderStatus

# Ended orders whose market is remembered, to answer a late cancel as the exchange does; older ones are
# plainly unknown. Between one and two times as many are kept.
ENDED_ORDERS_MAX: Final = 20_000

_RESTING: Final = OrderStatus.RESTING
_tuple_new: Final = tuple.__new__
_ID_STRIDE: Final = 7_919


class ExchangeCore:
    """Accounts, markets, open orders and groups of one exchange, on one engine clock."""

    def __init__(
        self, *, seed: int, wall_ms: Callable[[], int], settings: SimulatorSettings, catalogue: Catalogue
    ) -> None:
        self._wall_ms = wall_ms
        self._last_ms = wall_ms()
        self.new_id = _ids(random.Random(f"{seed}:ids")).__next__
        self._crossing = random.Random(f"{seed}:crossing")
        self.seed = seed
        self.settings = settings
        self.catalogue = catalogue
        self.listeners = Listeners()
        self._delta_listeners = self.listeners.of(BookDelta)
        self._order_listeners = self.listeners.of(OrderChanged)
        self._trade_listeners = self.listeners.of(TradeHappened)
        self._fill_listeners = self.listeners.of(FillHappened)
        self._position_listeners = self.listeners.of(PositionChanged)
        self._cash_listeners = self.listeners.of(CashChanged)
        # Nothing outlives a start of the exchange, so seed and starting time name it.
        self.instance = f"{seed}-{wall_ms()}"
        self.accounts: dict[str, Account] = {}
        self.accounts_by_key: dict[str, Account] = {}
        self.open_orders = OpenOrders(self.accounts)
        self._ended_now: dict[str, str] = {}
        self._ended_before: dict[str, str] = {}
        self.groups: dict[str, OrderGroup] = {}
        self._expiry_seconds: list[int] = []
        self._expiring: dict[int, dict[str, Order]] = {}
        self.deposits_e6 = 0
        self.incentives_paid_e6 = 0
        # Counts the actions on books, so that the deltas of one action can be told from those of the next.
        self.clock = 0
        self.delisted_fees_e6 = 0
        # Met by a request: the next tick raises it, because a web framework only answers 500.
        self.defect: InvariantBroken | None = None
        self.trading_active = True
        self.exchange_active = True
        self.events = {event.ticker: event for event in catalogue.events}
        self.clearings: dict[str, MarketClearing] = {}
        self.markets = {
            market.ticker: self._open_market(event, market) for event in catalogue.events for market in event.markets
        }

    def now_ms(self) -> int:
        """Returns engine time: the wall clock, never going back."""
        wall_ms = self._wall_ms()
        if wall_ms > self._last_ms:
            self._last_ms = wall_ms
        return self._last_ms

    def add_account(self, wanted: AccountSettings) -> Account:
        """Opens a customer's account with its cash."""
        account = Account(
            account_id=self.new_id(),
            key_id=wanted.key_id,
            tier=wanted.tier,
            public_key_pem=wanted.public_key_pem,
            cash_by_shard_e6=dict(sorted(wanted.cash_by_shard_e6.items())),
        )
        self.accounts[account.account_id] = self.accounts_by_key[wanted.key_id] = account
        self.deposits_e6 += account.cash_e6
        return account

    def add_house_account(self, name: str) -> Account:
        """Opens an account for one of the exchange's own traders: it can always pay, so its cash may go below zero."""
        account = Account(account_id=f"house-{name}", key_id="", is_house=True)
        self.accounts[account.account_id] = account
        return account

    def list_market(self, series: SeriesListing, event: EventListing, listing: MarketListing) -> MarketState:
        """Lists a market while the exchange runs; its series and event are replaced by those given."""
        others = tuple(one for one in self.catalogue.series if one.ticker != series.ticker)
        self.catalogue = attrs.evolve(self.catalogue, series=(*others, series))
        self.events[event.ticker] = event
        market = self.markets[listing.ticker] = self._open_market(event, listing)
        return market

    def list_event(self, event: EventListing) -> None:
        """Adds an event with its markets. The catalogue keeps what was listed at boot."""
        self.events[event.ticker] = event
        for listing in event.markets:
            self.markets[listing.ticker] = self._open_market(event, listing)

    def delist_event(self, event_ticker: str) -> None:
        """Forgets an event whose markets are all paid out: books, history, and the accounts' empty positions."""
        for listing in self.events.pop(event_ticker).markets:
            del self.markets[listing.ticker]
            self.delisted_fees_e6 += self.clearings.pop(listing.ticker).fees_taken_e6
            for account in self.accounts.values():
                account.positions.pop(listing.ticker, None)

    def publish(self, event: Event) -> None:
        for listener in self.listeners.of(type(event)):
            listener(event)

    def market_of_ended(self, order_id: str) -> MarketState | None:
        """Returns the market of an order that has ended not long ago."""
        ticker = self._ended_now.get(order_id) or self._ended_before.get(order_id, "")
        return self.markets.get(ticker)

    def watch_expiry(self, order: Order) -> None:
        """Remembers when the order ends by itself. Whoever changes the time calls `forget_expiry` first."""
        due_s = order.expiration_ts_s
        if due_s is None or order.status is not _RESTING:
            return
        due = self._expiring.get(due_s)
        if due is None:
            due = self._expiring[due_s] = {}
            heapq.heappush(self._expiry_seconds, due_s)
        due[order.order_id] = order

    def forget_expiry(self, order: Order) -> None:
        """Takes the order out of those that end by themselves; without an expiry nothing happens."""
        if order.expiration_ts_s is not None:
            due = self._expiring.get(order.expiration_ts_s)
            if due is not None:
                due.pop(order.order_id, None)

    def expire_orders(self, now_ms: int) -> int:
        """Cancels every order whose expiry has come, oldest second first; returns how many."""
        seconds, expired = self._expiry_seconds, 0
        while seconds and seconds[0] * 1000 <= now_ms:
            due = self._expiring.pop(heapq.heappop(seconds))
            expired += len(due)
            # A group that triggers here may end some of them before their turn.
            for order in tuple(due.values()):
                if order.is_open:
                    self.cancel(order, Reason.EXPIRY, now_ms)
        return expired

    def cancel(self, order: Order, reason: Reason, now_ms: int) -> int:
        """Cancels an open order for the exchange's own reasons or its owner's; returns the count removed."""
        market = self.markets[order.ticker]
        removed_e2 = market.engine.cancel(order, reason, now_ms)
        self.drain(market, now_ms)
        return removed_e2

    def drain(self, market: MarketState, now_ms: int) -> None:
        """Publishes what the market's engine did (rules 2 to 4)."""
        engine = market.engine
        outbox, touched = engine.outbox, engine.touched
        if not outbox and not touched:
            return
        market.clock = self.clock = self.clock + 1
        if len(outbox) == 1 and len(touched) == 1:
            # One order came to rest or went: most operations are no more than this, and a single event is a delta.
            event = outbox.pop()
            for listener in self._delta_listeners:
                listener(event)  # type: ignore[arg-type]
            self._after_touch(touched.pop())
            return
        engine.outbox, engine.touched = [], []
        triggered: list[OrderGroup] = []
        if len(outbox) > 1:
            outbox = self._in_publishing_order(outbox)
        for event in outbox:
            if type(event) is BookDelta:
                for listener in self._delta_listeners:
                    listener(event)
            elif type(event) is Executed:
                self._publish_execution(market, event, now_ms, triggered)
        for order in touched:
            self._after_touch(order)
        for group in triggered:
            self.cancel_group(group, "triggered", now_ms)

    def cancel_group(self, group: OrderGroup, kind: str, now_ms: int) -> None:
        """Cancels every resting order of the group and says why (`kind` as in the group channel)."""
        for order_id in tuple(group.resting):
            order = self.open_orders.get(order_id)
            if order is not None and order.is_open:
                self.cancel(order, Reason.NONE, now_ms)
        self.publish_group(group, kind, now_ms)

    def publish_group(self, group: OrderGroup, kind: str, now_ms: int, limit_e2: int | None = None) -> None:
        self.publish(
            GroupChanged(
                account_id=group.account_id,
                group_id=group.group_id,
                kind=kind,
                limit_e2=limit_e2,
                ts_ms=now_ms,
            )
        )

    def publish_cash(self, account: Account, now_ms: int) -> None:
        self.publish(
            CashChanged(
                account_id=account.account_id,
                cash_by_shard_e6=dict(account.cash_by_shard_e6),
                ts_ms=now_ms,
            )
        )

    def publish_position(self, account: Account, ticker: str, now_ms: int) -> None:
        position = account.positions[ticker].snapshot()
        self.publish(PositionChanged(account_id=account.account_id, position=position, ts_ms=now_ms))

    def imbalance_e6(self) -> int:
        """Returns deposits and paid incentives less everything that is still there; not zero is a defect."""
        cash_e6 = sum(account.cash_e6 for account in self.accounts.values())
        fees_e6 = self.delisted_fees_e6 + sum(clearing.fees_taken_e6 for clearing in self.clearings.values())
        return self.deposits_e6 + self.incentives_paid_e6 - cash_e6 - fees_e6 - collateral_e6(self.clearings)

    def _open_market(self, event: EventListing, listing: MarketListing) -> MarketState:
        series = next(one for one in self.catalogue.series if one.ticker == listing.series_ticker)
        terms = FeeTerms(
            fee_type=event.fee_type_override or series.fee_type,
            multiplier_e4=(
                series.fee_multiplier_e4
                if event.fee_multiplier_override_e4 is None
                else event.fee_multiplier_override_e4
            ),
            rounding=self.settings.fee_rounding,
        )
        clearing = MarketClearing(
            ticker=listing.ticker,
            exchange_index=listing.exchange_index,
            terms=terms,
            accounts=self.accounts,
            new_trade_id=self.new_id,
        )
        waived_until_ms = listing.fee_waiver_until_ms
        clearing.waives_fees = waived_until_ms is not None and self._last_ms < waived_until_ms
        self.clearings[listing.ticker] = clearing
        closes_in_s = self.settings.close_in_s.get(listing.ticker)
        return MarketState(
            listing=listing,
            event=event,
            engine=MatchingEngine(clearing),
            clearing=clearing,
            history=MarketHistory(listing, self.seed, self._last_ms),
            status=MarketStatus.ACTIVE if listing.open_ms <= self._last_ms else MarketStatus.INITIALIZED,
            close_ms=listing.close_ms if closes_in_s is None else self._last_ms + closes_in_s * 1000,
            updated_ms=self._last_ms,
            last_price_e4=floor_to_grid(listing.price_ranges, listing.fair_e4),
            fair_e4=listing.fair_e4,
        )

    def _in_publishing_order(self, outbox: list[EngineEvent]) -> list[EngineEvent]:
        last = outbox[-1]
        # What rests of an order that has traded is the last event.
        if type(last) is not BookDelta or last.delta_e2 <= 0:
            return outbox
        if not any(type(event) is Executed for event in outbox):
            return outbox
        if self._crossing.random() >= self.settings.transient_cross_share:
            return outbox
        return [last, *outbox[:-1]]

    def _publish_execution(
        self, market: MarketState, executed: Executed, now_ms: int, triggered: list[OrderGroup]
    ) -> None:
        trade, maker, taker, (made, taken) = executed
        market.record_trade(trade)
        if self._trade_listeners:
            event = _tuple_new(TradeHappened, (trade,))
            for listener in self._trade_listeners:
                listener(event)
        if not maker.is_house:
            self._publish_fill(maker, made, now_ms, triggered)
        if not taker.is_house:
            self._publish_fill(taker, taken, now_ms, triggered)

    def _publish_fill(self, order: Order, fill: Fill, now_ms: int, triggered: list[OrderGroup]) -> None:
        if self._fill_listeners:
            event = _tuple_new(FillHappened, (fill,))
            for listener in self._fill_listeners:
                listener(event)
        if self._position_listeners:
            self.publish_position(self.accounts[order.account_id], order.ticker, now_ms)
        if self._cash_listeners:
            self.publish_cash(self.accounts[order.account_id], now_ms)
        if order.group_id is not None:
            group = self.groups[order.group_id]
            if group.record_fill(now_ms, fill.count_e2):
                triggered.append(group)

    def _after_touch(self, order: Order) -> None:
        """Keeps the registers of open orders right after an order changed, and says that it did."""
        if order.is_house:
            if order.status is not _RESTING:
                self.forget_expiry(order)
            return
        order_id = order.order_id
        mine = self.accounts[order.account_id].open_orders
        if order.status is _RESTING:
            mine[order_id] = order
            if order.group_id is not None:
                self.groups[order.group_id].resting[order_id] = None
        elif mine.pop(order_id, None) is not None:
            if order.group_id is not None:
                self.groups[order.group_id].resting.pop(order_id, None)
            if order.expiration_ts_s is not None:
                self.forget_expiry(order)
            self._ended_now[order_id] = order.ticker
            if len(self._ended_now) >= ENDED_ORDERS_MAX:
                self._ended_before, self._ended_now = self._ended_now, {}
        else:
            # It ended in the operation that brought it.
            self._ended_now[order_id] = order.ticker
        if self._order_listeners:
            self.publish(OrderChanged(order.snapshot()))


class OpenOrders:
    """The customers' open orders, account by account, oldest first within one: a view, and never a copy."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self._accounts = accounts

    def get(self, order_id: str) -> Order | None:
        """Returns the open order of that id, whoever owns it."""
        for account in self._accounts.values():
            order = account.open_orders.get(order_id)
            if order is not None:
                return order
        return None

    def values(self) -> Iterator[Order]:
        for account in self._accounts.values():
            yield from account.open_orders.values()

    def __contains__(self, order_id: str) -> bool:
        return self.get(order_id) is not None

    def __len__(self) -> int:
        return sum(len(account.open_orders) for account in self._accounts.values())


def _ids(rng: random.Random) -> Iterator[str]:
    """Yields ids in the form of a UUID, each once: a seeded start and a stride, so that making one costs little."""
    bits = f"{rng.getrandbits(80):020x}"
    pattern = f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-%012x"
    return map(pattern.__mod__, itertools.count(rng.getrandbits(46), _ID_STRIDE))
