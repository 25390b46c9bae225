"""One side of one market's book: price levels in priority order, orders in time order inside each level."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from kalshi.simulator.orders import Order
from kalshi.types import Side


class PriceLevel:
    """The orders that rest at one price, oldest first, and their sum in 1/100 contract."""

    __slots__ = ("orders", "total_e2")

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.total_e2 = 0


class SideBook:
    """Resting orders of one side. Keys are signed prices, so that the best level is always the last one."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = side.sign
        self._keys: list[int] = []
        self._levels: dict[int, PriceLevel] = {}

    def best_price_e4(self) -> int | None:
        """Returns the best price, None where the side is empty."""
        return self._keys[-1] * self._sign if self._keys else None

    def front(self, price_e4: int) -> Order:
        """Returns the order that trades first at `price_e4`. Raises KeyError where nothing rests there."""
        return next(iter(self._levels[price_e4].orders.values()))

    def add(self, order: Order) -> None:
        """Puts the order at the back of its price level."""
        level = self._levels.get(order.price_e4)
        if level is None:
            level = self._levels[order.price_e4] = PriceLevel()
            insort(self._keys, order.price_e4 * self._sign)
        level.orders[order.order_id] = order
        level.total_e2 += order.remaining_e2

    def reduce(self, order: Order, by_e2: int) -> None:
        """Takes `by_e2` off a resting order, keeping its place; a level that empties goes."""
        level = self._levels[order.price_e4]
        order.remaining_e2 -= by_e2
        level.total_e2 -= by_e2
        if order.remaining_e2 == 0:
            del level.orders[order.order_id]
        if not level.orders:
            del self._levels[order.price_e4]
            del self._keys[bisect_left(self._keys, order.price_e4 * self._sign)]

    def levels(self, depth: int = 0) -> list[tuple[int, int]]:
        """Returns (price, total) best first; `depth` zero means all."""
        keys = self._keys[-depth:] if depth else self._keys
        return [(key * self._sign, self._levels[key * self._sign].total_e2) for key in reversed(keys)]

    def top_size_e2(self) -> int:
        """Returns what rests at the best price, zero where the side is empty."""
        return self._levels[self._keys[-1] * self._sign].total_e2 if self._keys else 0

    def orders(self) -> Iterator[Order]:
        """Yields every resting order, best price and oldest first."""
        for key in reversed(self._keys):
            yield from self._levels[key * self._sign].orders.values()

    def volume_at_or_better_e2(self, limit_e4: int) -> int:
        """Returns what an incoming order with this limit could meet here."""
        limit_key = limit_e4 * self._sign
        total_e2 = 0
        for key in reversed(self._keys):
            if key < limit_key:
                break
            total_e2 += self._levels[key * self._sign].total_e2
        return total_e2

    def ahead_of_e2(self, order: Order) -> int:
        """Returns the contracts that trade before `order`: better levels, then older orders of its level."""
        total_e2 = 0
        for resting in self.orders():
            if resting is order:
                break
            total_e2 += resting.remaining_e2
        return total_e2
