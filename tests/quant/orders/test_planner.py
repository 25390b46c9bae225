"""One side of one market: what is sent for what is wanted, what rests, and what is allowed."""

from __future__ import annotations

from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import (
    AmendOrder,
    CancelOrder,
    CreateOrder,
    DecreaseOrder,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from quant.orders.commands import CommandClass, OutcomeKind
from quant.orders.parameters import DeskParameters
from quant.orders.planner import SideContext, SidePlan, Wanted, lease_seconds, plan_side, room_of, withdraw
from quant.orders.tracked import ALREADY_EXISTS, OrderState, TrackedOrder
from tests.quant.builders import TAPERED_GRID
from tests.quant.orders.sentences import (
    CANCEL,
    EXPIRY_TS_S,
    amend,
    book,
    context,
    create,
    decrease,
    decreased,
    done,
    failed,
    report,
    resting,
    sent,
    unknown,
    wanted,
)
from tests.quant.orders.test_table import table_of

PARAMETERS = DeskParameters()
NOTHING = SidePlan(commands=())
COOLING = SidePlan(commands=(), is_cooling=True)
# Half-way to the expiry of what rests: time for a renewal.
RENEWAL_WALL_S = EXPIRY_TS_S - 60.0


def plan(
    target: Wanted | None,
    *orders: TrackedOrder,
    where: SideContext | None = None,
    parameters: DeskParameters = PARAMETERS,
) -> SidePlan:
    return plan_side(target, where or context(), table_of(*orders), parameters, "us-new")


def request_of(found: SidePlan, kind: type, of: CommandClass) -> object:
    assert [command.kind for command in found.commands] == [of], found
    request = found.commands[0].request
    assert isinstance(request, kind)
    return request


def created_by(found: SidePlan) -> CreateOrder:
    return cast("CreateOrder", request_of(found, CreateOrder, CommandClass.QUOTE))


def amended_by(found: SidePlan, of: CommandClass = CommandClass.QUOTE) -> AmendOrder:
    return cast("AmendOrder", request_of(found, AmendOrder, of))


def decreased_by(found: SidePlan) -> DecreaseOrder:
    return cast("DecreaseOrder", request_of(found, DecreaseOrder, CommandClass.CANCEL))


def is_cancelled(found: SidePlan, order_id: str = "o-1") -> bool:
    return cast("CancelOrder", request_of(found, CancelOrder, CommandClass.CANCEL)).order_id == order_id


class TestANewQuote:
    def test_carries_everything_that_keeps_it_safe(self) -> None:
        assert created_by(plan(wanted(4_400))) == CreateOrder(
            ticker="M",
            client_order_id="us-new",
            side=Side.BID,
            price_e4=PriceE4(4_400),
            count_e2=CountE2(100),
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            exchange_index=0,
            post_only=True,
            cancel_order_on_pause=True,
            order_group_id="g1",
            expiration_ts_s=10_020,
        )

    def test_must_leave_soon_or_not_at_all(self) -> None:
        assert plan(wanted(4_400)).commands[0].valid_s == PARAMETERS.command_valid_s

    @pytest.mark.parametrize(
        ("side", "price_e4", "changes", "reason"),
        [
            (Side.BID, 4_400, {"may_quote": False}, "no permit"),
            (Side.BID, 4_400, {"group_id": None}, "no order group"),
            (Side.BID, 4_450, {}, "off the market's grid"),
            (Side.BID, 4_400, {"book_is_live": False}, "book is not live"),
            (Side.BID, 5_500, {}, "would cross the book"),
            (Side.ASK, 4_500, {}, "would cross the book"),
            (Side.BID, 2_400, {}, "outside the collar"),
            (Side.ASK, 7_600, {}, "outside the collar"),
            (Side.BID, 4_400, {"cap_e2": 0}, "no room"),
        ],
    )
    def test_is_withheld_with_its_reason(self, side: Side, price_e4: int, changes: dict[str, Any], reason: str) -> None:
        found = plan(wanted(price_e4), where=context(side, **changes))
        assert found.commands == ()
        assert reason in found.reasons[0]
        assert found.reasons[0].startswith(side.value)

    @pytest.mark.parametrize(("side", "price_e4"), [(Side.BID, 5_400), (Side.ASK, 4_600)])
    def test_may_stand_one_tick_behind_the_opposite_touch(self, side: Side, price_e4: int) -> None:
        assert created_by(plan(wanted(price_e4), where=context(side))).price_e4 == price_e4

    def test_may_stand_anywhere_in_an_empty_book(self) -> None:
        empty = context(best_bid_e4=None, best_ask_e4=None)
        assert created_by(plan(wanted(9_900), where=empty)).price_e4 == 9_900

    @pytest.mark.parametrize("price_e4", [5_000, 5_100])
    def test_must_not_meet_our_own_other_side(self, price_e4: int) -> None:
        own_ask = resting(create("us-2", Side.ASK, 5_000), order_id="o-2")
        found = plan(wanted(price_e4), own_ask)
        assert found.commands == ()
        assert "our own other side" in found.reasons[0]

    def test_must_not_meet_an_ask_that_is_still_moving_away(self) -> None:
        own_ask = resting(create("us-2", Side.ASK, 5_000), order_id="o-2")
        own_ask.command_sent(attrs.evolve(amend(100, 5_400), side=Side.ASK))
        assert plan(wanted(5_000), own_ask).commands == ()

    def test_waits_out_the_cooldown(self) -> None:
        assert plan(wanted(4_400), where=context(now_s=10.0, cooling_until_s=10.1)) == COOLING
        assert plan(wanted(4_400), where=context(now_s=10.1, cooling_until_s=10.1)).commands

    def test_is_refused_past_the_number_of_open_orders(self) -> None:
        other = resting(create("us-2", ticker="N"))
        found = plan(wanted(4_400), other, parameters=DeskParameters(orders_max=1))
        assert "1 orders are open" in found.reasons[0]
        assert plan(wanted(4_400), other, parameters=DeskParameters(orders_max=2)).commands


class TestTheRoom:
    """What may rest, with everything that may still fill."""

    def test_is_what_the_cap_leaves(self) -> None:
        where = context(cap_e2=120, position_e2=50)
        assert created_by(plan(wanted(4_400), where=where)).count_e2 == 70

    def test_of_an_ask_counts_the_position_the_other_way(self) -> None:
        where = context(Side.ASK, cap_e2=120, position_e2=50)
        assert created_by(plan(wanted(5_600, 300), where=where)).count_e2 == 170

    def test_is_less_by_orders_that_have_ended_but_may_still_tell_of_fills(self) -> None:
        ended = resting()
        failed(ended, CANCEL, OutcomeKind.REJECTED, "not_found")
        assert created_by(plan(wanted(4_400), ended, where=context(cap_e2=130))).count_e2 == 30

    def test_is_less_by_fills_of_the_order_itself_that_are_not_in_the_position_yet(self) -> None:
        present = resting(create(count_e2=100))
        present.reported(report(remaining_e2=40, filled_e2=60, at_ms=1_100))
        assert room_of(present, context(cap_e2=100), table_of(present), PARAMETERS).at_e2(PriceE4(4_400)) == 40
        book(present, 60, 1_100)
        booked = context(cap_e2=100, position_e2=60)
        assert room_of(present, booked, table_of(present), PARAMETERS).at_e2(PriceE4(4_400)) == 40

    def test_is_what_the_cash_of_the_shard_can_pay(self) -> None:
        other = resting(create("us-2", ticker="N", price_e4=5_000, count_e2=100), order_id="o-2")
        where = context(cash_available_e6=500_000 + 4_400 * 30)
        assert created_by(plan(wanted(4_400), other, where=where)).count_e2 == 30

    def test_costs_no_cash_where_it_closes_a_position(self) -> None:
        where = context(cash_available_e6=0, position_e2=-80)
        assert created_by(plan(wanted(4_400), where=where)).count_e2 == 80

    def test_is_bound_by_the_value_of_everything_that_rests_on_all_shards(self) -> None:
        other = resting(create("us-2", ticker="N", price_e4=5_000, count_e2=100, exchange_index=3), order_id="o-2")
        parameters = DeskParameters(resting_value_max_e6=MoneyE6(500_000 + 4_400 * 20))
        assert created_by(plan(wanted(4_400), other, parameters=parameters)).count_e2 == 20

    @given(
        cap=st.integers(0, 400),
        position=st.integers(-300, 300),
        total=st.integers(1, 300),
        seen=st.integers(0, 300),
        booked=st.integers(0, 300),
        other=st.integers(0, 200),
        side=st.sampled_from(Side),
    )
    def test_keeps_the_worst_case_within_the_cap(
        self, cap: int, position: int, total: int, seen: int, booked: int, other: int, side: Side
    ) -> None:
        present = resting(create("us-1", side, count_e2=total))
        present.filled_seen_e2 = CountE2(min(total, seen))
        present.filled_booked_e2 = CountE2(min(total, booked))
        table = table_of(present)
        if other:
            table.add(unknown(create("us-2", side, count_e2=other)))
        where = context(side, cap_e2=cap, position_e2=position)
        room = room_of(present, where, table, PARAMETERS).at_e2(PriceE4(4_400))
        unbooked = max(0, min(total, seen) - min(total, booked))
        held = position * side.sign + other + unbooked
        assert room == 0 or held + room <= cap


class TestWhatRests:
    def test_is_kept_while_it_is_good_enough(self) -> None:
        assert plan(wanted(4_400), resting()) == NOTHING

    @pytest.mark.parametrize("price_e4", [4_300, 4_500])
    def test_moves_when_it_is_off_by_the_threshold(self, price_e4: int) -> None:
        request = amended_by(plan(wanted(price_e4), resting()))
        assert (request.price_e4, request.total_count_e2, request.expiration_ts_s) == (price_e4, 100, 10_020)

    def test_stays_when_it_is_off_by_less(self) -> None:
        parameters = DeskParameters(replace_threshold_e4=PriceE4(200))
        assert plan(wanted(4_500), resting(), parameters=parameters) == NOTHING

    def test_moves_by_at_least_a_tick_of_its_market(self) -> None:
        parameters = DeskParameters(replace_threshold_e4=PriceE4(1))
        edge = context(grid=TAPERED_GRID, best_bid_e4=400, best_ask_e4=900)
        present = resting(create(price_e4=400))
        assert plan(wanted(405), present, where=edge, parameters=parameters) == NOTHING
        assert amended_by(plan(wanted(410), present, where=edge, parameters=parameters)).price_e4 == 410

    def test_at_the_end_of_the_grid_has_no_tick_above(self) -> None:
        high = context(best_bid_e4=9_900, best_ask_e4=None)
        assert amended_by(plan(wanted(9_800), resting(create(price_e4=9_900)), where=high)).price_e4 == 9_800

    def test_keeps_its_total_over_fills_when_it_moves(self) -> None:
        present = resting()
        book(present, 40, 1_100)
        assert amended_by(plan(wanted(4_300, 100), present)).total_count_e2 == 140

    def test_grows_again_only_below_the_share(self) -> None:
        present = resting()
        book(present, 50, 1_100)
        assert plan(wanted(4_400, 100), present) == NOTHING
        book(present, 1, 1_101)
        assert amended_by(plan(wanted(4_400, 100), present)).total_count_e2 == 151

    def test_shrinks_by_a_decrease_which_keeps_its_place(self) -> None:
        assert decreased_by(plan(wanted(4_400, 60), resting())).reduce_to_e2 == 60

    def test_moves_and_shrinks_with_one_amend(self) -> None:
        request = amended_by(plan(wanted(4_300, 60), resting()))
        assert (request.price_e4, request.total_count_e2) == (4_300, 60)

    def test_that_may_not_move_shrinks_where_it_is(self) -> None:
        found = plan(wanted(4_300, 60), resting(), where=context(may_quote=False))
        assert decreased_by(found).reduce_to_e2 == 60
        assert "no permit" in found.reasons[0]

    def test_that_may_not_move_stays(self) -> None:
        found = plan(wanted(5_500), resting())
        assert found.commands == ()
        assert "would cross" in found.reasons[0]

    def test_waits_out_the_cooldown_with_its_wishes(self) -> None:
        cooling = context(now_s=10.0, cooling_until_s=10.1)
        assert plan(wanted(4_300), resting(), where=cooling) == COOLING
        assert plan(wanted(4_400, 60), resting(), where=cooling) == COOLING

    def test_waits_after_a_refused_change(self) -> None:
        present = resting()
        failed(present, amend(150), OutcomeKind.REJECTED, "invalid_price")
        assert plan(wanted(4_300), present, where=context(now_s=0.9)) == NOTHING
        assert plan(wanted(4_300), present, where=context(now_s=1.0)).commands

    def test_with_nothing_left_waits_for_its_fills(self) -> None:
        present = resting()
        present.filled_seen_e2 = CountE2(100)
        assert plan(wanted(4_300), present) == NOTHING

    def test_is_left_alone_while_a_command_is_in_flight(self) -> None:
        present = resting()
        present.command_sent(amend(150))
        assert plan(wanted(4_300), present) == NOTHING
        assert plan(None, present) == NOTHING


class TestLimitsThatShrink:
    def test_take_down_at_once_what_rests_above_them(self) -> None:
        hard_times = context(cap_e2=30, may_quote=False, book_is_live=False, now_s=10.0, cooling_until_s=99.0)
        assert decreased_by(plan(wanted(4_300), resting(), where=hard_times)).reduce_to_e2 == 30

    def test_take_down_to_what_is_wanted_where_that_is_less(self) -> None:
        assert decreased_by(plan(wanted(4_400, 20), resting(), where=context(cap_e2=30))).reduce_to_e2 == 20

    def test_cancel_where_they_leave_nothing(self) -> None:
        found = plan(wanted(4_400), resting(), where=context(cap_e2=0, may_quote=False))
        assert is_cancelled(found)
        assert "no room" in found.reasons[0]

    def test_leave_a_quote_where_it_is_when_only_its_new_price_is_too_dear(self) -> None:
        where = context(Side.ASK, cash_available_e6=5_000, best_bid_e4=None)
        present = resting(create("us-1", Side.ASK, 9_900, count_e2=1))
        found = plan(wanted(100), present, where=where)
        assert found.commands == ()
        assert "no room" in found.reasons[0]

    def test_do_not_repeat_a_decrease_that_was_done(self) -> None:
        present = resting()
        done(present, decrease(30), decreased(30))
        assert plan(wanted(4_400), present, where=context(cap_e2=100)).commands != ()  # it may grow again
        assert plan(wanted(4_400, 30), present) == NOTHING


class TestNothingWanted:
    def test_cancels_without_asking_for_a_permit(self) -> None:
        where = context(may_quote=False, book_is_live=False, cooling_until_s=999.0)
        assert is_cancelled(plan(None, resting(), where=where))

    def test_is_what_a_withdrawal_means(self) -> None:
        assert is_cancelled(plan(wanted(4_400), resting(), where=context(must_withdraw=True)))

    def test_cannot_cancel_what_has_no_exchange_id_yet(self) -> None:
        assert plan(None, sent(), unknown(create("us-2"))) == NOTHING

    def test_can_cancel_an_unknown_order_that_a_fill_has_shown(self) -> None:
        order = unknown()
        order.order_id = "o-1"
        assert is_cancelled(plan(None, order))

    def test_waits_after_a_failed_cancel(self) -> None:
        order = resting()
        failed(order, CANCEL, OutcomeKind.UNKNOWN)
        assert plan(None, order, where=context(now_s=0.9)) == NOTHING
        assert is_cancelled(plan(None, order, where=context(now_s=1.0)))

    def test_does_not_touch_exits_and_ended_orders(self) -> None:
        ended = resting()
        failed(ended, CANCEL, OutcomeKind.REJECTED, "not_found")
        an_exit = sent(create("us-x"))
        an_exit.is_quote, an_exit.order_id, an_exit.pending = False, "o-x", None
        assert plan(None, ended, an_exit) == NOTHING


class TestSurplus:
    def test_second_order_of_a_side_is_cancelled(self) -> None:
        second = resting(create("us-2"), order_id="o-2")
        assert is_cancelled(plan(wanted(4_400), resting(), second), "o-2")

    def test_an_order_in_doubt_is_cancelled_before_anything_new(self) -> None:
        order = resting()
        failed(order, amend(300), OutcomeKind.UNKNOWN)
        assert is_cancelled(plan(wanted(4_400), order))


class TestAnUnknownOrder:
    def test_blocks_its_side_and_is_repeated_with_what_is_wanted_now(self) -> None:
        order = unknown(create(price_e4=4_400, count_e2=100))
        request = created_by(plan(wanted(4_300, 70), order))
        assert (request.client_order_id, request.price_e4, request.count_e2) == ("us-1", 4_300, 70)

    def test_is_not_repeated_at_once(self) -> None:
        assert plan(wanted(4_400), unknown(), where=context(now_s=0.9)) == NOTHING
        assert plan(wanted(4_400), unknown(), where=context(now_s=1.0)).commands

    def test_is_not_repeated_once_it_is_known_to_have_landed(self) -> None:
        order = unknown()
        failed(order, create(), OutcomeKind.REJECTED, ALREADY_EXISTS)
        assert plan(wanted(4_400), order) == NOTHING

    def test_is_not_repeated_without_a_permit_nor_past_the_limits(self) -> None:
        assert plan(wanted(4_400), unknown(), where=context(may_quote=False)).commands == ()
        assert plan(wanted(4_400), unknown(), where=context(cap_e2=0)).commands == ()

    def test_does_not_count_as_one_more_order(self) -> None:
        assert plan(wanted(4_400), unknown(), parameters=DeskParameters(orders_max=1)).commands

    def test_may_be_repeated_in_full_because_only_one_of_the_two_can_rest(self) -> None:
        assert created_by(plan(wanted(4_400), unknown(), where=context(cap_e2=100))).count_e2 == 100


class TestARenewal:
    def test_comes_at_half_life_and_changes_nothing_but_the_expiry(self) -> None:
        assert plan(wanted(4_400), resting(), where=context(wall_s=RENEWAL_WALL_S - 0.1)) == NOTHING
        found = plan(wanted(4_400), resting(), where=context(wall_s=RENEWAL_WALL_S))
        request = amended_by(found, CommandClass.RENEW)
        assert (request.price_e4, request.total_count_e2, request.expiration_ts_s) == (4_400, 100, EXPIRY_TS_S + 60)
        assert found.commands[0].valid_s == PARAMETERS.exit_valid_s

    def test_does_not_wait_for_the_cooldown_of_a_move(self) -> None:
        cooling = context(wall_s=RENEWAL_WALL_S, now_s=1.0, cooling_until_s=2.0)
        assert amended_by(plan(wanted(4_300), resting(), where=cooling), CommandClass.RENEW).price_e4 == 4_400

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"may_quote": False}, "no permit"),
            ({"group_id": None}, "no order group"),
            ({"book_is_live": False}, "the lease runs out"),
        ],
    )
    def test_needs_the_same_as_a_create(self, changes: dict[str, Any], reason: str) -> None:
        found = plan(wanted(4_400), resting(), where=context(wall_s=RENEWAL_WALL_S, **changes))
        assert found.commands == ()
        assert reason in found.reasons[0]

    def test_waits_while_the_total_is_only_a_bound_because_it_would_grow_the_order(self) -> None:
        order = resting()
        done(order, decrease(60), decreased(60))
        late = context(wall_s=RENEWAL_WALL_S)
        assert plan(wanted(4_400, 60), order, where=late) == NOTHING
        order.reported(report(remaining_e2=60, at_ms=2_000))
        assert amended_by(plan(wanted(4_400, 60), order, where=late), CommandClass.RENEW).total_count_e2 == 60

    def test_is_not_for_orders_without_expiry(self) -> None:
        order = resting(create(expiry_ts_s=None))
        assert plan(wanted(4_400), order, where=context(wall_s=10**9)) == NOTHING


def test_the_lease_grows_with_the_number_of_orders_so_that_renewals_stay_a_fifth_of_the_budget() -> None:
    assert lease_seconds(10, 100.0, 120.0) == 120.0
    assert lease_seconds(400, 100.0, 120.0) == 400.0
    # 10 tokens each half-life, for each order:
    assert 400 * 10 / (lease_seconds(400, 100.0, 120.0) / 2) <= 100.0 / 5


def test_an_accepted_order_that_waits_for_nothing_is_not_planned_for_twice() -> None:
    order = TrackedOrder(request=create(), is_quote=True)
    assert order.state is OrderState.SENT
    assert plan(wanted(4_400), order) == NOTHING


def test_withdrawing_many_cancels_each() -> None:
    second = resting(create("us-2"), order_id="o-2")
    assert len(withdraw([resting(), second, unknown()], 0.0, PARAMETERS)) == 2
