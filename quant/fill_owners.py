"""Whose order a fill belongs to: ours by any boot, or another's on the same account.

A streamed fill names its client order id, a listed one does not; there the order must be asked for once. What is known
of an order holds for all its fills, so each order is asked for and told of once.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.types import Fill
from quant.bounded import keep_newest

ORDERS_MAX: Final = 8_192
QUESTIONS_MAX: Final = 1_024  # the oldest question is dropped: the fills are booked all the same


@attrs.define
class FillOwners:
    """What is known of the orders behind fills; `prefix` begins the client order ids of all our boots."""

    prefix: str
    _is_ours: dict[str, bool] = attrs.field(factory=dict, init=False)
    _asked_for: dict[str, Fill] = attrs.field(factory=dict, init=False)

    def take(self, fill: Fill) -> bool:
        """Returns whether this is the first fill of an order that is not ours."""
        if fill.order_id in self._is_ours:
            return False
        if fill.client_order_id is None:
            self._asked_for.setdefault(fill.order_id, fill)
            keep_newest(self._asked_for, QUESTIONS_MAX)
            return False
        return not self._know(fill.order_id, fill.client_order_id)

    def questions(self, limit: int) -> tuple[Fill, ...]:
        """Returns the first fills of up to `limit` orders that must be asked for, the oldest first."""
        return tuple(self._asked_for.values())[:limit]

    def answer(self, order_id: str, client_order_id: str) -> bool:
        """Takes an order's client id; returns whether the order is ours."""
        return self._know(order_id, client_order_id)

    def give_up(self, order_id: str) -> None:
        """Takes that nothing can be learned of an order: it is nobody's, and told of by the caller."""
        self._know(order_id, "")

    def _know(self, order_id: str, client_order_id: str) -> bool:
        self._asked_for.pop(order_id, None)
        is_ours = bool(client_order_id) and client_order_id.startswith(self.prefix)
        self._is_ours[order_id] = is_ours
        keep_newest(self._is_ours, ORDERS_MAX)
        return is_ours
