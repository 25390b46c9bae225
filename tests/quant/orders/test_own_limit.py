"""I8: the position limit of a market's owner holds while fills are on their way that the owner has not heard of."""

from __future__ import annotations

import attrs
import pytest

from kalshi.numbers import CountE2
from kalshi.types import CreateOrder, Side
from quant.invariants import InvariantViolation
from quant.orders.desk import Desk
from tests.quant.builders import fill
from tests.quant.orders.sentences import created, wanted
from tests.quant.orders.test_desk import PERMIT, allow, answer, new_desk, send, target

LIMIT_E2 = CountE2(1_000)


def desk_wanting(count_e2: int) -> Desk:
    """Risk allows far more than the owner does."""
    desk = new_desk()
    allow(desk, long_e2=100_000, short_e2=100_000, cash_e6=10**12)
    desk.set_target("M", attrs.evolve(target(wanted(4_400, count_e2), None), position_max_e2=LIMIT_E2))
    return desk


@pytest.mark.parametrize(("booked_e2", "room_e2"), [(399, 600), (400, 600), (401, 599)])
def test_an_order_takes_no_more_than_the_owners_limit_leaves(booked_e2: int, room_e2: int) -> None:
    desk = desk_wanting(600)
    desk.fill_numbered(1, fill(Side.BID, 4_400, booked_e2, order_id="an older one", fill_id="f1"))
    (command,) = send(desk)
    assert isinstance(command.request, CreateOrder)
    assert command.request.count_e2 == room_e2


def test_an_order_that_has_filled_counts_until_its_fills_are_booked() -> None:
    """Its owner still sees the old position and wants the same again."""
    desk = desk_wanting(600)
    (command,) = send(desk)
    answer(desk, command, ack=created(remaining_e2=0, filled_e2=600))
    again = send(desk, now_s=110.0)
    assert [one.request.count_e2 for one in again if isinstance(one.request, CreateOrder)] == [400]


def test_the_side_that_works_a_position_off_is_not_held_back() -> None:
    """Another owner may have left more than this one would ever hold."""
    desk = desk_wanting(600)
    desk.fill_numbered(1, fill(Side.BID, 4_400, 5_000, order_id="an older one", fill_id="f1"))
    desk.set_target("M", attrs.evolve(target(None, wanted(5_600, 600)), position_max_e2=LIMIT_E2))
    (command,) = send(desk)
    assert isinstance(command.request, CreateOrder)
    assert (command.request.side, command.request.count_e2) == (Side.ASK, 600)


def test_a_quote_beyond_the_owners_limit_never_leaves() -> None:
    desk = desk_wanting(600)
    (command,) = desk.plan("M", PERMIT, 100.0, 9_900.0)
    desk.set_target("M", attrs.evolve(target(wanted(4_400, 600), None), position_max_e2=CountE2(599)))
    with pytest.raises(InvariantViolation, match="I8"):
        desk.command_sent(command, 100.0)
