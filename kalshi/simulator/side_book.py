"""One side of one market's book: price levels in priority order, orders in time order inside each level.

A level keeps its orders in a dict, which deletes anywhere and keeps the order of arrival. What a dict does badly is to
find its first entry after many were deleted before it: it walks over the holes. So a level that has lost many orders at
its front is copied, which closes the holes; the copy costs less than the orders that were taken before it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

from kalshi.simulator.orders import Order
from kalshi.types import Side

_HOLES_MIN: Final = 64


class PriceLevel:
    """The orders that rest at one price, oldest first, their sum in 1/100 contract, and who traded last here."""

    __slots__ = ("holes", "orders", "total_e2", "traded_number")

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.total_e2 = 0
        self.holes = 0
        self.traded_number = 0

    def front(self) -> Order:
        """Returns the oldest order; a level in a book always has one."""
        if self.holes > _HOLES_MIN and self.holes > len(self.orders):
            self.orders = dict(self.orders.items())
            self.holes = 0
        return next(iter(self.orders.values()))


class SideBook:
    """Resting orders of one side. Keys are signed prices, so that the best level is always the last one."""

    __slots__ = ("_levels", "_sign", "keys", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = side.sign
        self.keys: list[int] = []
        self._levels: dict[int, PriceLevel] = {}

    def best_price_e4(self) -> int | None:
        """Returns the best price, None where the side is empty."""
        return self.keys[-1] * self._sign if self.keys else None

    def level(self, price_e4: int) -> PriceLevel:
        """Returns what rests at a price. Raises KeyError where nothing does."""
        return self._levels[price_e4]

    def front(self, price_e4: int) -> Order:
        """Returns the order that trades first at `price_e4`. Raises KeyError where nothing rests there."""
        return self._levels[price_e4].front()

    def add(self, order: Order) -> None:
        """Puts the order at the back of its price level."""
        price_e4 = order.price_e4
        level = self._levels.get(price_e4)
        if level is None:
            level = self._levels[price_e4] = PriceLevel()
            insort(self.keys, price_e4 * self._sign)
        level.orders[order.order_id] = order
        level.total_e2 += order.remaining_e2

    def reduce(self, order: Order, by_e2: int) -> None:
        """Takes `by_e2` off a resting order, keeping its place; a level that empties goes."""
        price_e4 = order.price_e4
        level = self._levels[price_e4]
        level.total_e2 -= by_e2
        order.remaining_e2 = remaining_e2 = order.remaining_e2 - by_e2
        if remaining_e2 == 0:
            orders = level.orders
            del orders[order.order_id]
            level.holes += 1
            if not orders:
                del self._levels[price_e4]
                key = price_e4 * self._sign
                keys = self.keys
                if keys[-1] == key:
                    keys.pop()
                else:
                    del keys[bisect_left(keys, key)]

    def levels(self, depth: int = 0) -> list[tuple[int, int]]:
        """Returns (price, total) best first; `depth` zero means all."""
        keys = self.keys[-depth:] if depth else self.keys
        return [(key * self._sign, self._levels[key * self._sign].total_e2) for key in reversed(keys)]

    def top_size_e2(self) -> int:
        """Returns what rests at the best price, zero where the side is empty."""
        return self._levels[self.keys[-1] * self._sign].total_e2 if self.keys else 0

    def orders(self) -> Iterator[Order]:
        """Yields every resting order, best price and oldest first."""
        for key in reversed(self.keys):
            yield from self._levels[key * self._sign].orders.values()

    def volume_at_or_better_e2(self, limit_e4: int) -> int:
        """Returns what an incoming order with this limit could meet here."""
        limit_key = limit_e4 * self._sign
        total_e2 = 0
        for key in reversed(self.keys):
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
