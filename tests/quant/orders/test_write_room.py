"""Scarce tokens go to exits, the greatest loss first, and to nothing that opens or keeps a quote meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi import budget
from kalshi.numbers import MoneyE6
from quant.orders.commands import CommandClass
from quant.orders.write_room import COST_CREATE, RENEWALS_BEYOND, WriteRoom, first_to_leave, write_room

KINDS = st.sampled_from(CommandClass)


def test_a_create_costs_here_what_it_costs_in_the_budget() -> None:
    assert COST_CREATE == budget.COST_CREATE


def test_cancels_always_leave() -> None:
    room = WriteRoom(exits=0, quotes=0, is_exit_held=True)
    assert all(room.admits(CommandClass.CANCEL) for _ in range(100))


def test_an_exit_that_finds_no_token_keeps_quotes_and_renewals_back() -> None:
    room = WriteRoom(exits=1, quotes=20)
    assert room.admits(CommandClass.EXIT)
    assert room.admits(CommandClass.RENEW)
    assert room.admits(CommandClass.QUOTE)
    assert not room.admits(CommandClass.EXIT)
    assert not room.admits(CommandClass.RENEW)
    assert not room.admits(CommandClass.QUOTE)


@given(exits=st.integers(-3, 8), quotes=st.integers(-3, 8), kinds=st.lists(KINDS, max_size=40))
def test_no_more_leave_than_there_is_room_for(exits: int, quotes: int, kinds: list[CommandClass]) -> None:
    room = WriteRoom(exits=exits, quotes=quotes)
    left = [kind for kind in kinds if room.admits(kind)]
    assert left.count(CommandClass.EXIT) == min(max(exits, 0), kinds.count(CommandClass.EXIT))
    assert left.count(CommandClass.QUOTE) <= max(quotes, 0)
    assert left.count(CommandClass.CANCEL) == kinds.count(CommandClass.CANCEL)


@pytest.mark.parametrize(
    ("tokens", "exits", "quotes"),
    [(0.0, 3, 2), (-20.0, 1, 0), (100.0, 13, 12), (4.9, 3, 2), (5.0, 3, 3), (10.0, 4, 3)],
)
def test_exits_may_use_the_reserve_and_quotes_may_not(tokens: float, exits: int, quotes: int) -> None:
    room = write_room(
        tokens=tokens,
        reserve=20.0,
        refill_per_s=100.0,
        exits_ahead_s=0.1,
        quotes_ahead_s=0.25,
        exits_handed_over=0,
        quotes_handed_over=0,
    )
    assert (room.exits, room.quotes) == (exits, quotes)


def test_what_was_handed_over_has_its_place() -> None:
    room = write_room(
        tokens=100.0,
        reserve=0.0,
        refill_per_s=0.0,
        exits_ahead_s=0.1,
        quotes_ahead_s=0.25,
        exits_handed_over=3,
        quotes_handed_over=2,
    )
    assert (room.exits, room.quotes) == (7, 5)


def test_the_greatest_loss_leaves_first_and_a_profit_before_what_nobody_exits() -> None:
    losses_e6 = {"B": MoneyE6(5), "D": MoneyE6(-3), "E": MoneyE6(9)}
    assert first_to_leave(["A", "B", "C", "D", "E"], losses_e6) == ["E", "B", "D", "A", "C"]


def test_only_so_many_renewals_of_a_round_may_wait_for_tokens() -> None:
    room = WriteRoom(exits=0, quotes=5)
    assert sum(room.admits(CommandClass.RENEW) for _ in range(200)) == 5 + RENEWALS_BEYOND
    assert not room.admits(CommandClass.QUOTE), "renewals have used it up"
