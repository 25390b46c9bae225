"""Exits: reduce-only, one at a time, and never starved."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import CreateOrder, SelfTradePrevention, Side, TimeInForce
from quant.orders.commands import CommandClass, OutcomeKind
from quant.orders.exits import (
    ATTEMPT_EVERY_S,
    ATTEMPT_WHEN_STUCK_EVERY_S,
    WITHDRAW_WAIT_S,
    ExitContext,
    ExitPlan,
    plan_exit,
)
from quant.orders.parameters import DeskParameters
from quant.orders.tracked import ALREADY_EXISTS, TrackedOrder
from tests.quant.builders import CENT_GRID
from tests.quant.orders.sentences import (
    CANCEL,
    answered,
    book,
    create,
    created,
    exit_create,
    failed,
    resting,
    sent,
)
from tests.quant.orders.test_table import table_of

PARAMETERS = DeskParameters()
LONG = ExitContext(
    ticker="M",
    exchange_index=2,
    grid=CENT_GRID,
    side=Side.ASK,
    wanted_e2=CountE2(100),
    limit_e4=PriceE4(4_000),
    position_e2=CountE2(100),
    masked_since_s=9.0,
    now_s=10.0,
    foreign_orders_rest=False,
    attempts=0,
    last_attempt_s=None,
)


def plan(*orders: TrackedOrder, **changes: Any) -> ExitPlan:
    return plan_exit(attrs.evolve(LONG, **changes), table_of(*orders), PARAMETERS, "us-new")


def request_of(found: ExitPlan) -> CreateOrder:
    assert found.command is not None
    assert (found.command.kind, found.command.valid_s) == (CommandClass.EXIT, PARAMETERS.exit_valid_s)
    assert isinstance(found.command.request, CreateOrder)
    return found.command.request


def unknown_exit(**changes: Any) -> TrackedOrder:
    order = sent(attrs.evolve(exit_create(), **changes))
    answered(order, order.request, OutcomeKind.UNKNOWN)
    return order


def test_an_exit_only_reduces_and_never_rests() -> None:
    assert request_of(plan()) == CreateOrder(
        ticker="M",
        client_order_id="us-new",
        side=Side.ASK,
        price_e4=PriceE4(4_000),
        count_e2=CountE2(100),
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        self_trade_prevention=SelfTradePrevention.MAKER,
        exchange_index=2,
        reduce_only=True,
        cancel_order_on_pause=True,
    )


def test_where_somebody_elses_order_rests_it_gives_way() -> None:
    assert request_of(plan(foreign_orders_rest=True)).self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS


@pytest.mark.parametrize(
    ("position_e2", "side", "count_e2"),
    [(100, Side.ASK, 100), (40, Side.ASK, 40), (-70, Side.BID, 70), (300, Side.ASK, 100)],
)
def test_it_is_never_larger_than_the_position(position_e2: int, side: Side, count_e2: int) -> None:
    assert request_of(plan(position_e2=position_e2, side=side)).count_e2 == count_e2


@pytest.mark.parametrize(("position_e2", "side"), [(0, Side.ASK), (-100, Side.ASK), (100, Side.BID)])
def test_nothing_to_reduce_means_no_exit(position_e2: int, side: Side) -> None:
    assert plan(position_e2=position_e2, side=side) == ExitPlan(command=None)


def test_a_limit_off_the_grid_is_told_and_not_sent() -> None:
    found = plan(limit_e4=4_050)
    assert found.command is None
    assert "off the market's grid" in found.reasons[0]


class TestOneAtATime:
    def test_while_one_is_in_flight(self) -> None:
        assert plan(sent(exit_create())).command is None

    def test_until_the_fills_of_the_last_one_are_booked(self) -> None:
        order = sent(exit_create())
        answered(order, order.request, ack=created(filled_e2=60, remaining_e2=0, ts_ms=1_000))
        table = table_of(order)
        assert plan_exit(LONG, table, PARAMETERS, "us-new").command is None
        book(order, 60, 1_000)
        table.fills_complete_to(1_001)
        assert plan_exit(LONG, table, PARAMETERS, "us-new").command is not None

    def test_the_quotes_get_a_moment_to_leave(self) -> None:
        quote = resting()
        assert plan(quote, now_s=9.0 + WITHDRAW_WAIT_S - 0.01).command is None
        assert plan(quote, now_s=9.0 + WITHDRAW_WAIT_S).command is not None

    def test_a_quote_that_has_left_is_not_waited_for(self) -> None:
        quote = resting()
        failed(quote, CANCEL, OutcomeKind.REJECTED, "not_found")
        assert plan(quote, now_s=9.0).command is not None


class TestAnUnknownExit:
    """It has neither expiry nor group: waiting alone would starve the stop loss."""

    def test_is_repeated_under_its_own_client_id_with_what_is_wanted_now(self) -> None:
        request = request_of(plan(unknown_exit(), wanted_e2=80, now_s=10.0))
        assert (request.client_order_id, request.count_e2) == ("us-x", 80)

    def test_is_repeated_without_regard_to_the_pause_between_attempts(self) -> None:
        assert plan(unknown_exit(), last_attempt_s=9.9).command is not None

    def test_is_not_repeated_at_once_nor_while_its_repeat_is_in_flight(self) -> None:
        order = unknown_exit()
        assert plan(order, now_s=0.9).command is None
        order.command_sent(exit_create())
        assert plan(order).command is None

    def test_is_not_repeated_once_it_has_landed(self) -> None:
        order = unknown_exit()
        failed(order, exit_create(), OutcomeKind.REJECTED, ALREADY_EXISTS)
        assert plan(order).command is None

    def test_of_the_other_side_is_waited_for(self) -> None:
        assert plan(unknown_exit(side=Side.BID)).command is None

    def test_is_waited_for_while_another_one_is_open(self) -> None:
        assert plan(unknown_exit(), sent(exit_create("us-y"))).command is None


class TestAttempts:
    def test_are_some_time_apart(self) -> None:
        assert plan(last_attempt_s=10.0 - ATTEMPT_EVERY_S + 0.01).command is None
        assert plan(last_attempt_s=10.0 - ATTEMPT_EVERY_S).command is not None

    def test_go_on_slowly_when_they_do_not_help_and_a_person_is_told(self) -> None:
        many = PARAMETERS.exit_attempts_max
        assert plan(attempts=many - 1, last_attempt_s=9.0).reasons == ()
        stuck = plan(attempts=many, last_attempt_s=9.0)
        assert stuck.command is None
        assert "a person should look" in stuck.reasons[0]
        later = plan(attempts=many, last_attempt_s=10.0 - ATTEMPT_WHEN_STUCK_EVERY_S)
        assert later.command is not None
        assert later.reasons == stuck.reasons
        assert plan(attempts=many, position_e2=0).reasons == stuck.reasons


def test_a_quote_of_another_market_is_no_concern() -> None:
    assert plan(resting(create(ticker="N"))).command is not None
