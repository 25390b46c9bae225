"""Ground truth for tests and status: what really rests, what filled, who holds what, now, without any lag."""

from __future__ import annotations

from collections import deque

import attrs

from kalshi.simulator.events import Event, FillHappened
from kalshi.simulator.orders import Fill
from kalshi.simulator.read_model import FILLS_MAX
from kalshi.simulator.services import Services
from kalshi.types import Side


@attrs.frozen(kw_only=True)
class TruthOrder:
    """One order that rests now."""

    order_id: str
    client_order_id: str
    ticker: str
    side: Side
    price_e4: int
    remaining_e2: int
    group_id: str | None
    expiration_ts_s: int | None
    exchange_index: int


@attrs.frozen(kw_only=True)
class TruthGroup:
    """One order group; `matched_e2` is what its window holds now."""

    group_id: str
    exchange_index: int
    limit_e2: int
    is_triggered: bool
    matched_e2: int
    order_ids: tuple[str, ...]


class Truth:
    """Answers by API key id; an unknown key raises KeyError."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._core = services.core
        self._fills: dict[str, deque[Fill]] = {}
        self._core.listeners.append(self._take, FillHappened)

    def resting_orders(self, key_id: str) -> list[TruthOrder]:
        """Returns the orders of the account that rest now, in the order they were first seen."""
        account_id = self._core.accounts_by_key[key_id].account_id
        return [
            TruthOrder(
                order_id=order.order_id,
                client_order_id=order.client_order_id,
                ticker=order.ticker,
                side=order.side,
                price_e4=order.price_e4,
                remaining_e2=order.remaining_e2,
                group_id=order.group_id,
                expiration_ts_s=order.expiration_ts_s,
                exchange_index=order.exchange_index,
            )
            for order in self._core.open_orders.values()
            if order.account_id == account_id
        ]

    def fills(self, key_id: str) -> list[Fill]:
        """Returns every fill of the account, oldest first (bounded as the read model is)."""
        return list(self._fills.get(self._core.accounts_by_key[key_id].account_id, ()))

    def positions(self, key_id: str) -> dict[str, int]:
        """Returns signed positions in 1/100 contract by ticker, zeros left away."""
        held = self._core.accounts_by_key[key_id].positions
        return {ticker: position.count_e2 for ticker, position in held.items() if position.count_e2}

    def cash_e6(self, key_id: str) -> int:
        """Returns the cash over all shards, in 1/1,000,000 dollar."""
        return self._core.accounts_by_key[key_id].cash_e6

    def cash_by_shard_e6(self, key_id: str) -> dict[int, int]:
        return dict(self._core.accounts_by_key[key_id].cash_by_shard_e6)

    def groups(self, key_id: str) -> list[TruthGroup]:
        """Returns the account's order groups, oldest first."""
        now_ms = self._core.now_ms()
        return [
            TruthGroup(
                group_id=group.group_id,
                exchange_index=group.exchange_index,
                limit_e2=group.limit_e2,
                is_triggered=group.is_triggered,
                matched_e2=group.matched_e2(now_ms),
                order_ids=tuple(group.resting),
            )
            for group in self._services.groups.groups_of(self._core.accounts_by_key[key_id])
        ]

    def create_attempts(self, client_order_id: str) -> int:
        """Returns how many create requests with this client order id have arrived."""
        return self._services.entry.create_attempts(client_order_id)

    def write_requests(self, key_id: str) -> int:
        """Returns how many requests other than GET have named this key, whatever became of them."""
        return self._services.write_requests.get(key_id, 0)

    @property
    def write_requests_total(self) -> int:
        """The same of all keys, unknown and missing ones included."""
        return sum(self._services.write_requests.values())

    @property
    def requests_rejected_429(self) -> int:
        return self._services.limiter.rejected

    def imbalance_e6(self) -> int:
        """Returns what is missing from the sum of all money; zero, unless the exchange has a defect."""
        return self._core.imbalance_e6()

    def key_ids(self) -> tuple[str, ...]:
        return tuple(self._core.accounts_by_key)

    def _take(self, event: Event) -> None:
        if isinstance(event, FillHappened):
            self._fills.setdefault(event.fill.account_id, deque(maxlen=FILLS_MAX)).append(event.fill)
