"""I8: a wish may bound what all fills of its side come to, and no lag between fills and wishes passes the bound."""

from __future__ import annotations

import attrs
import pytest

from kalshi.numbers import CountE2
from kalshi.types import CreateOrder, Side
from quant.invariants import InvariantViolation
from quant.orders.desk import Desk
from quant.orders.planner import Wanted, room_of
from tests.quant.builders import fill
from tests.quant.orders.sentences import context, create, created, resting, wanted
from tests.quant.orders.test_desk import PERMIT, allow, answer, new_desk, send, target


def bounded(price_e4: int, count_e2: int, filled_max_e2: int) -> Wanted:
    return attrs.evolve(wanted(price_e4, count_e2), filled_max_e2=CountE2(filled_max_e2))


def desk_wanting(bid: Wanted) -> Desk:
    desk = new_desk()
    allow(desk, long_e2=100_000, short_e2=100_000, cash_e6=10**12)
    desk.set_target("M", target(bid, None))
    return desk


def filled(desk: Desk, number: int, count_e2: int, order_id: str, side: Side = Side.BID) -> None:
    desk.fill_numbered(number, fill(side, 4_400, count_e2, order_id=order_id, fill_id=f"f{number}"))


def test_an_order_is_no_larger_than_what_may_still_be_filled() -> None:
    desk = desk_wanting(bounded(4_400, 1_000, 1_000))
    filled(desk, 1, 700, "an older one")
    filled(desk, 2, 900, "the other side", side=Side.ASK)
    (command,) = send(desk)
    assert isinstance(command.request, CreateOrder)
    assert command.request.count_e2 == 300


def test_a_wish_that_lags_its_fills_neither_regrows_nor_repeats_the_order() -> None:
    desk = desk_wanting(bounded(4_400, 1_000, 1_000))
    (command,) = send(desk)
    answer(desk, command, ack=created(remaining_e2=1_000))
    filled(desk, 1, 800, "o-1")
    assert send(desk, now_s=110.0) == [], "under the regrow share, but nothing more may be filled"
    filled(desk, 2, 200, "o-1")
    desk.table.fills_complete_to(10**13)
    assert send(desk, now_s=120.0) == []
    assert desk.market("M").reasons != ()
    desk.set_target("M", target(bounded(4_400, 1_000, 2_000), None))
    (again,) = send(desk, now_s=130.0)
    assert isinstance(again.request, CreateOrder)
    assert again.request.count_e2 == 1_000


def test_what_other_orders_of_the_side_may_still_fill_counts() -> None:
    desk = desk_wanting(bounded(4_400, 1_000, 1_000))
    other = resting(create("us-9"), order_id="o-9")
    desk.adopt(other)
    other.end(5_000, outcome="canceled")  # gone, with fills that may still come
    (command,) = send(desk)
    assert isinstance(command.request, CreateOrder)
    assert command.request.count_e2 == 1_000 - other.open_e2


def test_a_quote_beyond_the_bound_never_leaves() -> None:
    desk = desk_wanting(bounded(4_400, 1_000, 1_000))
    (command,) = desk.plan("M", PERMIT, 100.0, 9_900.0)
    desk.set_target("M", target(bounded(4_400, 1_000, 999), None))
    with pytest.raises(InvariantViolation, match="could fill"):
        desk.command_sent(command, 100.0)


def test_without_a_bound_there_is_none() -> None:
    desk = desk_wanting(wanted(4_400, 1_000))
    filled(desk, 1, 50_000, "an older one")
    assert room_of(None, context(), desk.table, desk.parameters).may_fill_e2 is None
    assert len(send(desk)) == 1
