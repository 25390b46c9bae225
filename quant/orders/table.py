"""All our orders that are not closed, by client id and by exchange id, and what they may still cost us.

The table applies events to the right order, adopts what a predecessor left, and answers the exposure
questions. It decides nothing: that is `planner.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from kalshi.numbers import ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Order, Side
from quant.orders.tracked import OrderState, TrackedOrder

# Fills that come before their order is known by its exchange id wait here for it; more than this means a
# foreign flood.
EARLY_FILLS_MAX = 256
# A list can be older than our closing of an order; so many closed ids are remembered to know them again.
CLOSED_IDS_MAX = 2_048


@attrs.frozen(kw_only=True)
class ListVerdict:
    """What a resting list showed beyond the orders we know: ids of ours that nobody tracks."""

    strays: tuple[Order, ...]


class OrderTable:
    """Our open orders. `is_ours` tells by the client id whether an order belongs to this bot and boot."""

    def __init__(self, is_ours_prefix: str) -> None:
        self._prefix = is_ours_prefix
        self._orders: dict[str, TrackedOrder] = {}
        self._by_order_id: dict[str, str] = {}
        self._early_fills: dict[str, list[Fill]] = {}
        self._closed_ids: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[TrackedOrder]:
        return iter(self._orders.values())

    def get(self, client_order_id: str) -> TrackedOrder | None:
        return self._orders.get(client_order_id)

    def add(self, order: TrackedOrder) -> None:
        """Takes up a new order, or one that the journal remembers."""
        self._orders[order.client_order_id] = order
        self.index(order)

    def index(self, order: TrackedOrder) -> None:
        """Makes the order findable by its exchange id, and gives it the fills that came too early."""
        if order.order_id is None or order.order_id in self._by_order_id:
            return
        self._by_order_id[order.order_id] = order.client_order_id
        for fill in self._early_fills.pop(order.order_id, ()):
            order.fill_booked(fill.count_e2, fill.ts_ms)

    def in_market(self, ticker: str) -> list[TrackedOrder]:
        return [order for order in self._orders.values() if order.ticker == ticker]

    def tickers(self) -> set[str]:
        return {order.ticker for order in self._orders.values()}

    def reported(self, report: Order) -> TrackedOrder | None:
        """Applies a streamed or listed order; returns it, or None where it is not one we track."""
        order = self._orders.get(report.client_order_id)
        if order is not None:
            order.reported(report)
            if order.order_id is not None:
                self.index(order)
        return order

    def resting_list(self, as_of_ms: int, reports: Iterable[Order]) -> ListVerdict:
        """Applies a complete list of resting orders that shows the exchange as of `as_of_ms`."""
        listed = {}
        strays = []
        for report in reports:
            if not report.client_order_id.startswith(self._prefix):
                continue
            listed[report.client_order_id] = report
            order = self.reported(report)
            if order is None:
                if report.client_order_id not in self._closed_ids:
                    strays.append(report)
            elif not order.is_live and (order.ended_ms or 0) < as_of_ms:
                strays.append(report)  # held for ended, yet a later list shows it resting
        for order in self._orders.values():
            if order.state is OrderState.RESTING and order.client_order_id not in listed:
                if order.last_change_ms < as_of_ms and order.pending is None:
                    order.end(as_of_ms, outcome="no longer listed")
        return ListVerdict(strays=tuple(strays))

    def full_list(self, as_of_ms: int, ticker: str, reports: Iterable[Order], *, wall_s: float) -> None:
        """Applies a list of a market's orders in every state; an unknown order absent past its expiry never
        was.
        """
        listed = set()
        for report in reports:
            listed.add(report.client_order_id)
            self.reported(report)
        for order in self.in_market(ticker):
            if order.state is not OrderState.UNKNOWN or order.client_order_id in listed:
                continue
            expiry_s = order.expiry_ts_s
            if order.pending is None and expiry_s is not None and as_of_ms > expiry_s * 1000:
                order.end(as_of_ms, filled_final_e2=order.filled_booked_e2, outcome="absent past its expiry")

    def fence_confirmed(self, group_ids: set[str], as_of_ms: int, listed: set[str]) -> None:
        """The groups were triggered and a list from well after shows only `listed`: the rest of their orders
        ended.
        """
        for order in self._orders.values():
            if order.request.order_group_id in group_ids and order.is_live and order.client_order_id not in listed:
                order.end(as_of_ms, outcome="fenced")

    def fill_booked(self, fill: Fill) -> TrackedOrder | None:
        """A numbered fill; returns its order, or None where the order is unknown (yet)."""
        client_order_id = self._by_order_id.get(fill.order_id) or fill.client_order_id
        order = self._orders.get(client_order_id) if client_order_id else None
        if order is None:
            if len(self._early_fills) < EARLY_FILLS_MAX:
                self._early_fills.setdefault(fill.order_id, []).append(fill)
            return None
        if order.order_id is None:
            order.order_id = fill.order_id
            self._by_order_id[fill.order_id] = order.client_order_id
        order.fill_booked(fill.count_e2, fill.ts_ms)
        return order

    def fills_complete_to(self, complete_to_ms: int) -> list[TrackedOrder]:
        """Closes what can be closed now and forgets it; returns those orders."""
        closed = [order for order in self._orders.values() if order.fills_complete_to(complete_to_ms)]
        closed += [o for o in self._orders.values() if o.state is OrderState.CLOSED and o not in closed]
        for order in closed:
            del self._orders[order.client_order_id]
            self._closed_ids[order.client_order_id] = None
            if order.order_id is not None:
                self._by_order_id.pop(order.order_id, None)
        while len(self._closed_ids) > CLOSED_IDS_MAX:
            del self._closed_ids[next(iter(self._closed_ids))]
        return closed

    def open_e2(self, ticker: str, side: Side, *, without: TrackedOrder | None = None) -> CountE2:
        """What may still fill on one side of a market."""
        return CountE2(
            sum(o.open_e2 for o in self._orders.values() if o.ticker == ticker and o.side is side and o is not without)
        )

    def bound_e6(self, exchange_index: int, *, without: TrackedOrder | None = None) -> MoneyE6:
        """Cash that our open orders on a shard could take, counted as if each opened a position."""
        return MoneyE6(
            sum(
                order_cost_e6(order.side, order.price_extremes_e4(), order.open_e2)
                for order in self._orders.values()
                if order.request.exchange_index == exchange_index and order is not without
            )
        )

    def own_extreme_e4(self, ticker: str, side: Side) -> PriceE4 | None:
        """Our most aggressive live price on one side: the highest bid or the lowest ask that may rest."""
        extremes = [
            order.price_extremes_e4()
            for order in self._orders.values()
            if order.ticker == ticker and order.side is side and order.is_live
        ]
        if not extremes:
            return None
        return max(high for _, high in extremes) if side is Side.BID else min(low for low, _ in extremes)


def order_cost_e6(side: Side, price_extremes_e4: tuple[PriceE4, PriceE4], count_e2: CountE2) -> MoneyE6:
    """Returns what an order could cost: a bid its highest price, an ask one dollar less its lowest."""
    low, high = price_extremes_e4
    return MoneyE6((high if side is Side.BID else ONE_DOLLAR_E4 - low) * count_e2)
