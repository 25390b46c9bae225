"""The registry in the middle: accounts, markets, open orders, groups; here engine events become news.

Rules:
1. Every operation carries one engine time, so that all its deltas, trades and fills share `ts_ms`.
2. Listeners are called synchronously, in order, after the operation: a snapshot taken at any time agrees with
   the deltas sent.
3. A share of the orders that both trade and rest shows the resting part first, so that the book crosses for a
   moment inside one `ts_ms`, as recorded on the real exchange.
4. Groups that the operation's fills triggered are cancelled right after it, at the same engine time.
House orders (the exchange's own traders) are public in the book and the tape, and nowhere else.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Final

from kalshi.simulator.accounts import Account
from kalshi.simulator.clearing import MarketClearing, collateral_e6
from kalshi.simulator.engine import EngineEvent, Executed, LevelChanged, MatchingEngine
from kalshi.simulator.events import (
    BookDelta,
    CashChanged,
    Event,
    FillHappened,
    GroupChanged,
    OrderChanged,
    PositionChanged,
    TradeHappened,
)
from kalshi.simulator.fees import FeeTerms
from kalshi.simulator.groups import OrderGroup
from kalshi.simulator.history import MarketHistory
from kalshi.simulator.listings import Catalogue, EventListing, MarketListing
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Order, Reason
from kalshi.simulator.price_grid import floor_to_grid
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.types import MarketStatus

# Ended orders whose market is remembered, to answer a late cancel as the exchange does; older ones are
# plainly unknown.
ENDED_ORDERS_MAX: Final = 20_000


class ExchangeCore:
    """Accounts, markets, open orders and groups of one exchange, on one engine clock."""

    def __init__(
        self, *, seed: int, wall_ms: Callable[[], int], settings: SimulatorSettings, catalogue: Catalogue
    ) -> None:
        self._wall_ms = wall_ms
        self._last_ms = wall_ms()
        self._ids = random.Random(f"{seed}:ids")
        self._crossing = random.Random(f"{seed}:crossing")
        self.seed = seed
        self.settings = settings
        self.catalogue = catalogue
        self.listeners: list[Callable[[Event], None]] = []
        # Nothing outlives a start of the exchange, so seed and starting time name it.
        self.instance = f"{seed}-{wall_ms()}"
        self.accounts: dict[str, Account] = {}
        self.accounts_by_key: dict[str, Account] = {}
        self.open_orders: dict[str, Order] = {}
        self.ended_orders: dict[str, str] = {}
        self.groups: dict[str, OrderGroup] = {}
        self.expiries: list[tuple[int, int, Order]] = []
        self._expiry_number = 0
        self.deposits_e6 = 0
        self.delisted_fees_e6 = 0
        self.trading_active = True
        self.exchange_active = True
        self.events = {event.ticker: event for event in catalogue.events}
        self.clearings: dict[str, MarketClearing] = {}
        self.markets = {
            market.ticker: self._open_market(event, market) for event in catalogue.events for market in event.markets
        }

    def now_ms(self) -> int:
        """Returns engine time: the wall clock, never going back."""
        self._last_ms = max(self._last_ms, self._wall_ms())
        return self._last_ms

    def new_id(self) -> str:
        """Returns a fresh id in the form of a UUID, from the seed."""
        bits = f"{self._ids.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"

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
        for listener in self.listeners:
            listener(event)

    def watch_expiry(self, order: Order) -> None:
        """Remembers when the order ends by itself; an order that was renewed is watched once more."""
        if order.expiration_ts_s is not None:
            self._expiry_number += 1
            heapq.heappush(self.expiries, (order.expiration_ts_s * 1000, self._expiry_number, order))

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
        engine.outbox, engine.touched = [], {}
        triggered: list[OrderGroup] = []
        for event in self._in_publishing_order(outbox):
            if isinstance(event, LevelChanged):
                self._publish_delta(market, event, now_ms)
            else:
                self._publish_execution(market, event, now_ms, triggered)
        for order in touched.values():
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
        """Returns deposits less everything that is still there; anything but zero is a defect."""
        cash_e6 = sum(account.cash_e6 for account in self.accounts.values())
        fees_e6 = self.delisted_fees_e6 + sum(clearing.fees_taken_e6 for clearing in self.clearings.values())
        return self.deposits_e6 - cash_e6 - fees_e6 - collateral_e6(self.clearings)

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
        last = outbox[-1] if outbox else None
        rests = isinstance(last, LevelChanged) and last.delta_e2 > 0
        if not rests or not any(isinstance(event, Executed) for event in outbox):
            return outbox
        if self._crossing.random() >= self.settings.transient_cross_share:
            return outbox
        return [outbox[-1], *outbox[:-1]]

    def _publish_delta(self, market: MarketState, change: LevelChanged, now_ms: int) -> None:
        owner = change.order
        self.publish(
            BookDelta(
                ticker=market.ticker,
                side=change.side,
                price_e4=change.price_e4,
                delta_e2=change.delta_e2,
                ts_ms=now_ms,
                account_id=None if owner.is_house else owner.account_id,
                client_order_id=None if owner.is_house else owner.client_order_id,
            )
        )

    def _publish_execution(
        self, market: MarketState, executed: Executed, now_ms: int, triggered: list[OrderGroup]
    ) -> None:
        market.record_trade(executed.trade)
        self.publish(TradeHappened(trade=executed.trade))
        for order, fill in zip((executed.maker, executed.taker), executed.fills, strict=True):
            if order.is_house:
                continue
            account = self.accounts[order.account_id]
            self.publish(FillHappened(fill=fill))
            self.publish_position(account, market.ticker, now_ms)
            self.publish_cash(account, now_ms)
            group = self.groups.get(order.group_id or "")
            if group is not None and group.record_fill(now_ms, fill.count_e2):
                triggered.append(group)

    def _after_touch(self, order: Order) -> None:
        if order.is_house:
            return
        group = self.groups.get(order.group_id or "")
        if order.is_open:
            self.open_orders[order.order_id] = order
            if group is not None:
                group.resting[order.order_id] = None
        else:
            self.open_orders.pop(order.order_id, None)
            if group is not None:
                group.resting.pop(order.order_id, None)
            self.ended_orders[order.order_id] = order.ticker
            if len(self.ended_orders) > ENDED_ORDERS_MAX:
                del self.ended_orders[next(iter(self.ended_orders))]
        self.publish(OrderChanged(order=order.snapshot()))
