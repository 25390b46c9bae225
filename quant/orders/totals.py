"""What every plan asks about all our orders together, kept as they change instead of counted anew.

With a few hundred orders, counting them at each plan would cost more than all the rest of the desk. So an order tells
of each of its changes (`TrackedOrder.on_change`), and what it stands for is worked out again when the next question
comes.

Rules:
1. An order stands here from `add` to `remove`, with what it cost and was when it was last looked at.
2. Every assignment to an attribute of an order is a change. Nothing is trusted to remember to tell.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import attrs

from kalshi.numbers import ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.orders.tracked import OrderState, TrackedOrder, unwatched


@attrs.frozen
class _Standing:
    """What one order stood for when it was last looked at."""

    exchange_index: int
    cost_e6: int
    state: OrderState


class Totals:
    """Sums and groups over our open orders, by client id."""

    def __init__(self) -> None:
        self._orders: dict[str, TrackedOrder] = {}
        self._standing: dict[str, _Standing] = {}
        self._changed: dict[str, None] = {}
        self._shards_e6: dict[int, int] = {}
        self._total_e6 = 0
        self._in_state: dict[OrderState, set[str]] = {state: set() for state in OrderState}

    def add(self, order: TrackedOrder) -> None:
        """Counts an order from now on; one of the same id is not counted any more."""
        name = order.client_order_id
        self.remove(name)
        self._orders[name] = order
        order.on_change = functools.partial(self._changed.__setitem__, name, None)
        self._changed[name] = None

    def remove(self, client_order_id: str) -> None:
        """Counts an order no more; does nothing for one that is not counted."""
        order = self._orders.pop(client_order_id, None)
        if order is not None:
            order.on_change = unwatched
            self._changed.pop(client_order_id, None)
            self._drop(client_order_id)

    def bounds_e6(self, exchange_index: int, *, without: TrackedOrder | None = None) -> tuple[MoneyE6, MoneyE6]:
        """Returns what the orders on a shard, and all, could cost, as if each opened a position."""
        self._catch_up()
        shard_e6, total_e6 = self._shards_e6.get(exchange_index, 0), self._total_e6
        if without is not None and self._orders.get(without.client_order_id) is without:
            standing = self._standing[without.client_order_id]
            total_e6 -= standing.cost_e6
            if standing.exchange_index == exchange_index:
                shard_e6 -= standing.cost_e6
        return MoneyE6(shard_e6), MoneyE6(total_e6)

    def in_states(self, *states: OrderState) -> Iterator[TrackedOrder]:
        """Yields the orders in any of these states, oldest first."""
        self._catch_up()
        names: set[str] = set()
        for state in states:
            names |= self._in_state[state]
        if names:
            yield from [order for name, order in self._orders.items() if name in names]

    def _catch_up(self) -> None:
        if not self._changed:
            return
        for name in self._changed:
            self._drop(name)
            self._take(name, self._orders[name])
        self._changed.clear()

    def _take(self, name: str, order: TrackedOrder) -> None:
        standing = _Standing(
            order.request.exchange_index,
            order_cost_e6(order.side, order.worst_price_e4, order.open_e2),
            order.state,
        )
        self._standing[name] = standing
        self._in_state[standing.state].add(name)
        self._count(standing, 1)

    def _drop(self, name: str) -> None:
        standing = self._standing.pop(name, None)
        if standing is not None:
            self._in_state[standing.state].discard(name)
            self._count(standing, -1)

    def _count(self, standing: _Standing, sign: int) -> None:
        cost_e6 = sign * standing.cost_e6
        self._total_e6 += cost_e6
        self._shards_e6[standing.exchange_index] = self._shards_e6.get(standing.exchange_index, 0) + cost_e6


def order_cost_e6(side: Side, price_e4: PriceE4, count_e2: CountE2) -> MoneyE6:
    """Returns what an order could cost: a bid its price, an ask one dollar less its price, for each contract."""
    return MoneyE6((price_e4 if side is Side.BID else ONE_DOLLAR_E4 - price_e4) * count_e2)
