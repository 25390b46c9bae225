"""All our orders that are not closed, by client id and by exchange id, and what they may still cost us.

The table applies events to the right order, adopts what a predecessor left, and answers the exposure
questions. It decides nothing: that is `planner.py`.

Lists come with two times. `as_of_ms` was read before the list, so every change up to it shows. But a list may
show newer changes as well, up to `heard_ms`, an upper bound of the exchange's time when it came in. What a
list shows to be over has therefore ended by `heard_ms`, not by `as_of_ms`; taking the earlier one would close
orders whose last fills are still on their way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Order, Side
from quant.bounded import keep_newest
from quant.orders.totals import Totals
from quant.orders.tracked import OrderState, TrackedOrder

# Fills that come before their order is known by its exchange id wait here for it. The oldest go first: a
# person's fills, and those of history that a new desk reads, wait for orders that never come.
EARLY_FILLS_MAX = 512
# A list can be older than our closing of an order; so many closed ids are remembered to know them again.
CLOSED_IDS_MAX = 2_048
# Whose group an order was in is asked within seconds of its fills; this is minutes of the fastest trading.
GROUPS_OF_ORDERS_MAX = 4_096
# A boot opens a handful of groups; more means that something trips them in a row.
SHUT_GROUPS_MAX = 256


@attrs.frozen(kw_only=True)
class ListVerdict:
    """What a resting list showed: orders of ours that nobody tracks, and whether it told anything new of the others."""

    strays: tuple[Order, ...]
    is_news: bool


class OrderTable:
    """Our open orders. The prefix tells by the client id whether an order belongs to this bot and boot."""

    def __init__(self, is_ours_prefix: str) -> None:
        self._prefix = is_ours_prefix
        self._orders: dict[str, TrackedOrder] = {}
        self._totals = Totals()
        self._by_ticker: dict[str, dict[str, TrackedOrder]] = {}
        self._by_order_id: dict[str, str] = {}
        self._early_fills: list[Fill] = []
        self._closed_ms: dict[str, int] = {}
        self._groups_of: dict[str, tuple[str | None, ...]] = {}
        self._shut_ms: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[TrackedOrder]:
        return iter(self._orders.values())

    def get(self, client_order_id: str) -> TrackedOrder | None:
        return self._orders.get(client_order_id)

    def add(self, order: TrackedOrder) -> None:
        """Takes up a new order, or one that the journal remembers."""
        self._orders[order.client_order_id] = order
        self._totals.add(order)
        self._by_ticker.setdefault(order.ticker, {})[order.client_order_id] = order
        self.index(order)

    def index(self, order: TrackedOrder) -> None:
        """Makes the order findable by its exchange id, and gives it the fills that came too early."""
        if order.order_id is None:
            return
        self._groups_of[order.order_id] = order.group_ids
        keep_newest(self._groups_of, GROUPS_OF_ORDERS_MAX)
        if order.order_id in self._by_order_id:
            return
        self._by_order_id[order.order_id] = order.client_order_id
        mine = [fill for fill in self._early_fills if fill.order_id == order.order_id]
        self._early_fills = [fill for fill in self._early_fills if fill.order_id != order.order_id]
        for fill in mine:
            order.fill_booked(fill.count_e2, fill.ts_ms)

    def in_market(self, ticker: str) -> list[TrackedOrder]:
        """Returns the open orders of one market, oldest first."""
        return list(self._by_ticker.get(ticker, {}).values())

    def unknown(self) -> list[TrackedOrder]:
        """Returns the orders of unknown fate, oldest first."""
        return list(self._totals.in_states(OrderState.UNKNOWN))

    def groups_of(self, order_id: str) -> tuple[str | None, ...] | None:
        """The group or groups in which the order may have been; None for one that this table never knew."""
        return self._groups_of.get(order_id)

    # -- what the exchange tells --

    def reported(self, report: Order) -> TrackedOrder | None:
        """Applies a streamed or listed order; returns it, or None where it is not one we track."""
        client_order_id = report.client_order_id or self._by_order_id.get(report.order_id, "")
        order = self._orders.get(client_order_id)
        if order is not None:
            order.reported(report)
            self.index(order)
        return order

    def group_shut(self, group_id: str, at_ms: int) -> None:
        """The exchange triggered a group by `at_ms`: nothing that is sent into it can land any more."""
        self._shut_ms.setdefault(group_id, at_ms)
        keep_newest(self._shut_ms, SHUT_GROUPS_MAX)

    def resting_list(self, as_of_ms: int, reports: Iterable[Order], heard_ms: int) -> ListVerdict:
        """Applies a complete list of all resting orders."""
        before = [(order, attrs.astuple(order, recurse=False)) for order in self._orders.values()]
        listed = set()
        strays = []
        for report in reports:
            if report.client_order_id.startswith(self._prefix):
                listed.add(report.client_order_id)
                if self._is_stray(report, as_of_ms):
                    strays.append(report)
        for order in self._orders.values():
            if order.client_order_id in listed or order.pending is not None:
                continue
            if order.state is OrderState.RESTING and order.last_change_ms < as_of_ms:
                order.end(heard_ms, outcome="no longer listed")
            elif order.state is OrderState.UNKNOWN and self._would_show(order, as_of_ms):
                order.end(heard_ms, outcome="absent where it would show")
        is_news = any(attrs.astuple(order, recurse=False) != known for order, known in before)
        return ListVerdict(strays=tuple(strays), is_news=is_news)

    def _is_stray(self, report: Order, as_of_ms: int) -> bool:
        order = self.reported(report)
        if order is None:
            # A list from before we closed it may still show it; one from after shows that we were wrong.
            return as_of_ms > self._closed_ms.get(report.client_order_id, 0)
        if order.state is OrderState.ENDED and (order.ended_ms or 0) < as_of_ms:
            order.revive(report)
        return False

    def full_list(self, as_of_ms: int, ticker: str, reports: Iterable[Order], heard_ms: int) -> None:
        """Applies a list of a market's newest orders in every state; what is absent and can land no more is over."""
        listed = set()
        for report in reports:
            listed.add(report.client_order_id)
            self.reported(report)
        for order in self.in_market(ticker):
            is_missing = order.client_order_id not in listed and order.pending is None
            if is_missing and order.state is OrderState.UNKNOWN and self._would_show(order, as_of_ms):
                order.end(heard_ms, outcome="absent where it would show")

    def _would_show(self, order: TrackedOrder, as_of_ms: int) -> bool:
        """Whether an unknown order that rests would be in a list of this time: it surely landed before, or can
        land no more, because its expiry has passed or every group that it can be in was triggered.
        """
        if order.landed_by_ms is not None and order.landed_by_ms < as_of_ms:
            return True
        shut_ms = [None if group_id is None else self._shut_ms.get(group_id) for group_id in order.group_ids]
        is_fenced = all(at_ms is not None and at_ms < as_of_ms for at_ms in shut_ms)
        return is_fenced or as_of_ms > order.lands_before_ms

    # -- fills --

    def fill_booked(self, fill: Fill) -> TrackedOrder | None:
        """A numbered fill; returns its order, or None where the order is unknown (yet)."""
        client_order_id = self._by_order_id.get(fill.order_id) or fill.client_order_id
        order = self._orders.get(client_order_id) if client_order_id else None
        if order is None:
            self._early_fills.append(fill)
            del self._early_fills[:-EARLY_FILLS_MAX]
            return None
        if order.order_id is None:
            order.order_id = fill.order_id
        self.index(order)
        order.fill_booked(fill.count_e2, fill.ts_ms)
        return order

    def fills_complete_to(self, complete_to_ms: int) -> list[TrackedOrder]:
        """Closes what can be closed now and forgets it; returns those orders."""
        closed = [
            order
            for order in self._totals.in_states(OrderState.CLOSED, OrderState.ENDED)
            if order.state is OrderState.CLOSED or order.fills_complete_to(complete_to_ms)
        ]
        for order in closed:
            self._forget(order)
            self._closed_ms[order.client_order_id] = order.ended_ms or 0
            if order.order_id is not None:
                self._by_order_id.pop(order.order_id, None)
        keep_newest(self._closed_ms, CLOSED_IDS_MAX)
        return closed

    def _forget(self, order: TrackedOrder) -> None:
        del self._orders[order.client_order_id]
        self._totals.remove(order.client_order_id)
        in_market = self._by_ticker[order.ticker]
        del in_market[order.client_order_id]
        if not in_market:
            del self._by_ticker[order.ticker]

    # -- exposure --

    def open_e2(self, ticker: str, side: Side, *, without: TrackedOrder | None = None) -> CountE2:
        """What may still fill on one side of a market."""
        return CountE2(sum(o.open_e2 for o in self.in_market(ticker) if o.side is side and o is not without))

    def bounds_e6(self, exchange_index: int, *, without: TrackedOrder | None = None) -> tuple[MoneyE6, MoneyE6]:
        """Cash that our open orders on a shard, and on all, could take, as if each opened a position."""
        return self._totals.bounds_e6(exchange_index, without=without)

    def own_extreme_e4(self, ticker: str, side: Side) -> PriceE4 | None:
        """Our most aggressive live price on one side: the highest bid or the lowest ask that may rest."""
        prices = [order.worst_price_e4 for order in self.in_market(ticker) if order.side is side and order.is_live]
        if not prices:
            return None
        return max(prices) if side is Side.BID else min(prices)
