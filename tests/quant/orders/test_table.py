"""The table of our orders: who an event belongs to, what lists prove, and what everything may still cost."""

from __future__ import annotations

import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import OrderStatus, Side
from quant.orders.commands import OutcomeKind
from quant.orders.table import (
    CLOSED_IDS_MAX,
    EARLY_FILLS_MAX,
    GROUPS_OF_ORDERS_MAX,
    SHUT_GROUPS_MAX,
    OrderTable,
)
from quant.orders.totals import order_cost_e6
from quant.orders.tracked import ALREADY_EXISTS, OrderState, TrackedOrder
from tests.quant.orders.sentences import (
    CANCEL,
    EXPIRY_TS_S,
    answered,
    cancelled,
    create,
    done,
    exit_create,
    failed,
    filled,
    report,
    resting,
    sent,
    unknown,
)

HEARD_MS = 9_000


def table_of(*orders: TrackedOrder) -> OrderTable:
    table = OrderTable("us-")
    for order in orders:
        table.add(order)
    return table


class TestFills:
    def test_find_their_order_by_its_exchange_id(self) -> None:
        order = resting()
        assert table_of(order).fill_booked(filled(30)) is order
        assert order.filled_booked_e2 == 30

    def test_find_an_order_that_is_still_unknown_by_its_client_id(self) -> None:
        order = unknown()
        assert table_of(order).fill_booked(filled(30, client_order_id="us-1")) is order
        assert (order.order_id, order.has_landed) == ("o-1", True)

    def test_wait_for_the_order_that_they_came_before(self) -> None:
        order = unknown()
        table = table_of(order)
        assert table.fill_booked(filled(30)) is None
        assert table.fill_booked(filled(99, "somebody else's")) is None
        table.reported(report(remaining_e2=70, filled_e2=30))
        assert (order.filled_booked_e2, order.open_e2) == (30, 70)

    def test_that_waited_come_along_with_one_that_names_the_order(self) -> None:
        order = unknown()
        table = table_of(order)
        table.fill_booked(filled(30))
        table.fill_booked(filled(20, at_ms=1_600, client_order_id="us-1"))
        assert order.filled_booked_e2 == 50

    def test_of_a_foreign_flood_push_out_the_oldest_and_never_the_newest(self) -> None:
        order = unknown()
        table = table_of(order)
        for place in range(EARLY_FILLS_MAX * 2):
            table.fill_booked(filled(1, f"foreign-{place}"))
        table.fill_booked(filled(30))
        table.reported(report())
        assert order.filled_booked_e2 == 30


class TestTheRestingList:
    def test_tells_the_fate_of_an_unknown_order(self) -> None:
        order = unknown()
        assert table_of(order).resting_list(2_000, [report()], HEARD_MS).strays == ()
        assert order.state is OrderState.RESTING

    def test_says_whether_it_told_anything_new(self) -> None:
        table = table_of(resting(ts_ms=1_000))
        assert not table.resting_list(1_001, [report()], HEARD_MS).is_news
        assert table.resting_list(1_001, [report(50, 50, at_ms=1_001)], HEARD_MS).is_news
        assert table.resting_list(1_002, [], HEARD_MS).is_news

    def test_ends_an_order_that_it_must_show_and_does_not(self) -> None:
        order = resting(ts_ms=1_000)
        table_of(order).resting_list(1_001, [], HEARD_MS)
        assert (order.state, order.ended_ms) == (OrderState.ENDED, HEARD_MS)

    def test_says_nothing_of_an_order_that_changed_after_it(self) -> None:
        order = resting(ts_ms=1_000)
        table_of(order).resting_list(1_000, [], HEARD_MS)
        assert order.state is OrderState.RESTING

    def test_says_nothing_of_an_order_with_a_command_in_flight(self) -> None:
        order = resting()
        order.command_sent(CANCEL)
        table_of(order).resting_list(5_000, [], HEARD_MS)
        assert order.state is OrderState.RESTING

    def test_may_show_newer_things_than_its_time_so_late_fills_are_still_waited_for(self) -> None:
        """It was read at 1,001 or later: the order may have filled at 5,000 and be gone from it."""
        order = resting(ts_ms=1_000)
        table = table_of(order)
        table.resting_list(1_001, [], HEARD_MS)
        assert table.fills_complete_to(HEARD_MS) == []
        table.fill_booked(filled(100, at_ms=5_000))
        assert table.fills_complete_to(HEARD_MS + 1) == [order]

    def test_ignores_the_orders_of_others(self) -> None:
        assert table_of().resting_list(5_000, [report(client_order_id="theirs")], HEARD_MS).strays == ()

    def test_shows_a_stray_of_ours_that_nobody_tracks(self) -> None:
        stray = report(client_order_id="us-9", order_id="o-9")
        assert table_of().resting_list(5_000, [stray], HEARD_MS).strays == (stray,)

    def test_from_before_we_closed_an_order_may_still_show_it(self) -> None:
        order = resting()
        table = table_of(order)
        done(order, CANCEL, cancelled(100, ts_ms=3_000))
        assert table.fills_complete_to(3_001) == [order]
        assert table.resting_list(3_000, [report()], HEARD_MS).strays == ()
        assert len(table.resting_list(3_001, [report()], HEARD_MS).strays) == 1

    def test_from_after_an_orders_end_brings_it_back_to_be_cancelled(self) -> None:
        order = resting()
        table = table_of(order)
        failed(order, CANCEL, OutcomeKind.REJECTED, "not_found", server_ms=3_000)
        table.resting_list(3_000, [report(remaining_e2=80)], HEARD_MS)
        assert order.state is OrderState.ENDED
        table.resting_list(3_001, [report(remaining_e2=80)], HEARD_MS)
        assert (order.state, order.must_cancel, order.open_e2) == (OrderState.RESTING, True, 100)


class TestAnUnknownOrder:
    @pytest.mark.parametrize("is_full", [True, False])
    @pytest.mark.parametrize(("as_of_ms", "is_over"), [(EXPIRY_TS_S * 1_000, False), (EXPIRY_TS_S * 1_000 + 1, True)])
    def test_that_no_list_past_its_expiry_shows_is_over(self, is_full: bool, as_of_ms: int, is_over: bool) -> None:
        order = unknown()
        table = table_of(order)
        if is_full:
            table.full_list(as_of_ms, "M", [], as_of_ms + 500)
        else:
            table.resting_list(as_of_ms, [], as_of_ms + 500)
        assert (order.state is OrderState.ENDED) is is_over
        assert order.open_e2 == 100  # until the fills are complete past what the list showed
        assert order.ended_ms == (as_of_ms + 500 if is_over else None)

    def test_counts_while_its_repeat_is_in_flight(self) -> None:
        order = unknown()
        order.command_sent(create())
        table_of(order).full_list(EXPIRY_TS_S * 1_000 + 1, "M", [], HEARD_MS)
        assert order.state is OrderState.UNKNOWN

    def test_in_a_group_that_was_triggered_before_the_list_is_over(self) -> None:
        order = unknown()
        table = table_of(order)
        table.group_shut("g1", 4_000)
        table.group_shut("g1", 1_000)  # the first word counts
        table.resting_list(4_000, [], HEARD_MS)
        assert order.is_live
        table.resting_list(4_001, [], HEARD_MS)
        assert order.state is OrderState.ENDED

    def test_that_may_be_in_two_groups_needs_both_triggered(self) -> None:
        order = unknown(create(group_id="g1"))
        failed(order, create(group_id="g2"), OutcomeKind.UNKNOWN)
        table = table_of(order)
        table.group_shut("g1", 4_000)
        table.full_list(5_000, "M", [], HEARD_MS)
        assert order.is_live
        table.group_shut("g2", 4_500)
        table.full_list(5_000, "M", [], HEARD_MS)
        assert order.state is OrderState.ENDED

    def test_without_a_group_is_not_ended_by_any_fence(self) -> None:
        order = sent(exit_create())
        answered(order, order.request, OutcomeKind.UNKNOWN)
        table = table_of(order)
        table.full_list(6_000, "M", [], HEARD_MS)
        assert order.state is OrderState.UNKNOWN

    def test_that_surely_landed_before_the_list_and_is_absent_is_over(self) -> None:
        order = unknown()
        failed(order, create(), OutcomeKind.REJECTED, ALREADY_EXISTS, server_ms=6_000)
        table = table_of(order)
        table.resting_list(6_000, [], HEARD_MS)
        assert order.is_live
        table.resting_list(6_001, [], HEARD_MS)
        assert order.state is OrderState.ENDED

    def test_that_a_full_list_shows_as_done_is_done(self) -> None:
        order = unknown()
        table_of(order).full_list(2_000, "M", [report(0, 30, status=OrderStatus.CANCELED)], HEARD_MS)
        assert (order.state, order.open_e2) == (OrderState.ENDED, 30)

    def test_of_another_market_is_not_meant(self) -> None:
        order = unknown()
        table_of(order).full_list(EXPIRY_TS_S * 1_000 + 1, "other", [], HEARD_MS)
        assert order.state is OrderState.UNKNOWN


class TestReports:
    def test_find_an_order_by_its_exchange_id_where_the_client_id_is_missing(self) -> None:
        order = resting()
        assert table_of(order).reported(report(remaining_e2=50, client_order_id="", at_ms=2_000)) is order
        assert order.count_e2 == 50

    def test_of_orders_that_we_do_not_track_are_nobodys(self) -> None:
        assert table_of().reported(report()) is None


class TestExposure:
    def test_is_all_that_may_still_fill_on_a_side(self) -> None:
        first, second = resting(create("us-1", count_e2=100)), unknown(create("us-2", count_e2=40))
        third, other = resting(create("us-3", Side.ASK), order_id="o-3"), resting(create("us-4", ticker="N"), "o-4")
        table = table_of(first, second, third, other)
        assert table.open_e2("M", Side.BID) == 140
        assert table.open_e2("M", Side.BID, without=second) == 100
        assert (table.open_e2("M", Side.ASK), table.open_e2("N", Side.BID)) == (100, 100)

    def test_binds_the_price_of_a_bid_and_the_complement_of_an_ask(self) -> None:
        assert order_cost_e6(Side.BID, PriceE4(3_000), CountE2(200)) == 600_000
        assert order_cost_e6(Side.ASK, PriceE4(3_000), CountE2(200)) == 1_400_000

    def test_binds_cash_shard_by_shard_and_in_all(self) -> None:
        here = resting(create("us-1", price_e4=4_000))
        there = resting(create("us-2", Side.ASK, price_e4=6_000, exchange_index=1), order_id="o-2")
        table = table_of(here, there)
        assert [table.bounds_e6(index) for index in (0, 1)] == [(400_000, 800_000), (400_000, 800_000)]
        assert table.bounds_e6(0, without=here) == (0, 400_000)

    def test_counts_the_worst_price_that_an_order_may_have(self) -> None:
        order = unknown(create(price_e4=4_000))
        failed(order, create(price_e4=5_000), OutcomeKind.UNKNOWN)
        table = table_of(order)
        assert table.bounds_e6(0) == (500_000, 500_000)
        assert table.own_extreme_e4("M", Side.BID) == 5_000

    def test_knows_our_most_aggressive_price_on_each_side(self) -> None:
        table = table_of(
            resting(create("us-1", price_e4=4_300)),
            resting(create("us-2", price_e4=4_400), order_id="o-2"),
            resting(create("us-3", Side.ASK, price_e4=5_600), order_id="o-3"),
            resting(create("us-4", Side.ASK, price_e4=5_700), order_id="o-4"),
        )
        assert (table.own_extreme_e4("M", Side.BID), table.own_extreme_e4("M", Side.ASK)) == (4_400, 5_600)
        assert table.own_extreme_e4("N", Side.BID) is None


class TestTheTable:
    def test_forgets_an_order_when_it_is_closed_and_only_then(self) -> None:
        first, second = resting(), sent(create("us-2"))
        table = table_of(first, second)
        done(first, CANCEL, cancelled(100))
        answered(second, second.request, OutcomeKind.REJECTED)
        assert len(table) == 2
        assert table.fills_complete_to(0) == [second]
        assert table.fills_complete_to(3_001) == [first]
        assert (len(table), list(table), table.in_market("M"), table.get("us-1")) == (0, [], [], None)

    def test_knows_the_groups_of_orders_that_it_has_closed(self) -> None:
        order = resting()
        table = table_of(order)
        done(order, CANCEL, cancelled(100))
        table.fills_complete_to(10**9)
        assert (table.groups_of("o-1"), table.groups_of("o-2")) == (("g1",), None)

    def test_has_a_bound_on_all_that_it_remembers(self) -> None:
        table = table_of()
        for place in range(max(CLOSED_IDS_MAX, GROUPS_OF_ORDERS_MAX, SHUT_GROUPS_MAX) + 10):
            order = resting(create(f"us-{place}"), order_id=f"o-{place}")
            done(order, CANCEL, cancelled(100))
            table.add(order)
            table.group_shut(f"g-{place}", place)
            table.fills_complete_to(10**9)
        assert len(table._closed_ms) == CLOSED_IDS_MAX
        assert len(table._groups_of) == GROUPS_OF_ORDERS_MAX
        assert len(table._shut_ms) == SHUT_GROUPS_MAX
        assert not table._by_order_id
