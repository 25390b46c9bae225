"""The totals are what counting all orders anew would give, whatever happened to them."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.orders.totals import Totals, order_cost_e6
from quant.orders.tracked import OrderState, TrackedOrder
from tests.quant.orders.sentences import create

NAMES = ["us-1", "us-2", "us-3", "us-4"]
CHANGES: list[st.SearchStrategy[tuple[str, Any]]] = [
    st.tuples(st.just("state"), st.sampled_from(OrderState)),
    st.tuples(st.just("count_e2"), st.integers(0, 900).map(CountE2)),
    st.tuples(st.just("price_e4"), st.integers(1, 99).map(lambda cents: PriceE4(cents * 100))),
    st.tuples(st.just("other_prices_e4"), st.sampled_from([(), (PriceE4(6_000),), (PriceE4(200),)])),
    st.tuples(st.just("filled_booked_e2"), st.integers(0, 900).map(CountE2)),
    st.tuples(st.just("filled_final_e2"), st.none() | st.integers(0, 900).map(CountE2)),
    st.tuples(st.just("pending"), st.none() | st.just(create("us-1", price_e4=9_000, count_e2=700))),
    st.tuples(st.just("request"), st.sampled_from([create(exchange_index=0), create(exchange_index=2)])),
]
STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["add", "remove", "ask"]) | st.one_of(CHANGES)),
    min_size=1,
    max_size=40,
)


def counted(orders: dict[str, TrackedOrder], shard: int, without: TrackedOrder | None) -> tuple[int, int]:
    """The reference: every order, one by one."""
    costs = [
        (order.request.exchange_index, order_cost_e6(order.side, order.worst_price_e4, order.open_e2))
        for order in orders.values()
        if order is not without
    ]
    return sum(cost for index, cost in costs if index == shard), sum(cost for _, cost in costs)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, side=st.sampled_from(Side))
def test_i8_no_change_of_an_order_escapes_the_totals(steps: list[tuple[str, Any]], side: Side) -> None:
    totals, orders = Totals(), dict[str, TrackedOrder]()
    # All stand at first, or few of the changes drawn would concern anybody.
    for name, step in [*((name, "add") for name in NAMES), *steps]:
        if step == "add":
            order = TrackedOrder(request=create(name, side, exchange_index=len(name) % 2), is_quote=name != "us-3")
            orders.pop(name, None)
            orders[name] = order
            totals.add(order)
        elif step == "remove":
            orders.pop(name, None)
            totals.remove(name)
        elif step != "ask" and name in orders:
            attribute, value = step
            if attribute == "request":
                value = attrs.evolve(value, client_order_id=name, side=side)
            setattr(orders[name], attribute, value)
        for without in (None, orders.get(name), TrackedOrder(request=create(name), is_quote=True)):
            for shard in (0, 1, 2):
                assert totals.bounds_e6(shard, without=without) == counted(orders, shard, without)
        for state in OrderState:
            assert list(totals.in_states(state)) == [order for order in orders.values() if order.state is state]


def test_an_order_that_was_removed_tells_nobody_any_more() -> None:
    totals, order = Totals(), TrackedOrder(request=create("us-1"), is_quote=True)
    totals.add(order)
    totals.remove("us-1")
    order.count_e2 = CountE2(500)
    assert totals.bounds_e6(0) == (0, 0)
