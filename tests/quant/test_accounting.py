"""The books of a market balance to the last unit, and cash moves as the exchange moves it."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from functools import reduce

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import MoneyE6, PriceE4
from kalshi.types import Fill, Side
from quant.accounting import (
    AccountingError,
    MarketAccount,
    apply_fill,
    identity_gap_e6,
    liquidation_mark_e4,
    mark_value_e6,
    settle,
    settlement_payout_e6,
    unrealised_e6,
)
from tests.quant.builders import ask, bid, fill, mark

FLAT = MarketAccount(ticker="M")


def after(*fills: Fill) -> MarketAccount:
    return reduce(apply_fill, fills, FLAT)


# How the exchange moves cash.


def test_buying_yes_costs_its_price() -> None:
    account = after(bid(4_000, 300, fee_e6=7))
    assert (account.position_e2, account.cash_delta_e6) == (300, -4_000 * 300 - 7)
    assert account.fees_e6 == 7


def test_an_ask_while_flat_opens_no_at_one_dollar_less_the_price() -> None:
    account = after(ask(4_000, 300))
    assert (account.position_e2, account.cash_delta_e6) == (-300, -6_000 * 300)
    assert account.open_cost_e6 == 6_000 * 300


def test_an_ask_while_long_closes_and_brings_its_price() -> None:
    account = after(bid(4_000, 300), ask(4_500, 300))
    assert account.is_flat
    assert account.cash_delta_e6 == account.realised_e6 == 500 * 300


def test_a_bid_while_short_closes_no_and_brings_one_dollar_less_the_price() -> None:
    account = after(ask(6_000, 200), bid(5_000, 200))
    assert account.is_flat
    assert account.cash_delta_e6 == -4_000 * 200 + 5_000 * 200 == account.realised_e6


def test_a_fill_through_zero_closes_first_and_opens_the_other_side_with_the_rest() -> None:
    account = after(bid(4_000, 100), ask(7_000, 300))
    assert account.position_e2 == -200
    assert account.realised_e6 == 3_000 * 100
    assert account.cash_delta_e6 == -4_000 * 100 + 7_000 * 100 - 3_000 * 200


# First in, first out.


def test_the_oldest_lot_is_closed_first() -> None:
    account = after(bid(4_000, 100), bid(5_000, 100), ask(6_000, 150))
    assert account.realised_e6 == 2_000 * 100 + 1_000 * 50
    assert [(lot.price_e4, lot.count_e2) for lot in account.lots] == [(5_000, 50)]


def test_neighbouring_lots_of_one_price_are_one_lot() -> None:
    account = after(bid(4_000, 100), bid(4_000, 100), bid(5_000, 100))
    assert [(lot.price_e4, lot.count_e2) for lot in account.lots] == [(4_000, 200), (5_000, 100)]


def test_the_average_entry_is_a_yes_price_for_a_short_too_and_rounded_to_the_nearest() -> None:
    assert FLAT.average_entry_e4 is None
    assert after(ask(6_000, 100), ask(7_000, 200)).average_entry_e4 == 6_667


def test_totals_count_every_fill() -> None:
    account = after(bid(4_000, 100), ask(5_000, 300))
    assert (account.fills, account.traded_e2) == (2, 400)


# Marks.


def test_a_long_is_marked_at_the_bid_a_short_at_the_ask() -> None:
    assert liquidation_mark_e4(100, mark(4_000, 4_200)) == 4_000
    assert liquidation_mark_e4(-100, mark(4_000, 4_200)) == 4_200


def test_without_anybody_to_trade_with_a_long_is_worth_nothing_and_a_short_owes_a_dollar() -> None:
    assert liquidation_mark_e4(100, mark(None, 4_200)) == 0
    assert liquidation_mark_e4(-100, mark(4_000, None)) == 10_000


def test_a_no_position_is_worth_one_dollar_less_the_mark() -> None:
    account = after(ask(6_000, 200))
    assert mark_value_e6(account, PriceE4(5_500)) == 4_500 * 200
    assert unrealised_e6(account, PriceE4(5_500)) == 500 * 200


# Settlement.


@pytest.mark.parametrize(("value_e4", "realised"), [(10_000, 6_000 * 100), (0, -4_000 * 100), (2_500, -1_500 * 100)])
def test_settlement_exits_a_long_at_the_settled_value(value_e4: int, realised: int) -> None:
    account = settle(after(bid(4_000, 100)), PriceE4(value_e4))
    assert account.is_flat
    assert account.is_settled
    assert account.realised_e6 == account.cash_delta_e6 == realised


@pytest.mark.parametrize(("value_e4", "payout"), [(10_000, 0), (0, 1_000_000), (2_500, 750_000)])
def test_settlement_pays_no_contracts_one_dollar_less_the_value(value_e4: int, payout: int) -> None:
    assert settlement_payout_e6(after(ask(4_000, 100)), PriceE4(value_e4)) == payout


def test_a_scalar_payout_is_rounded_to_whole_cents_and_the_rounding_is_realised() -> None:
    account = settle(after(bid(4_000, 101)), PriceE4(3_333))  # worth 336,633 millionths
    assert account.cash_delta_e6 == -4_000 * 101 + 340_000
    assert identity_gap_e6(account, PriceE4(0)) == 0


def test_the_payout_that_the_exchange_reports_is_believed() -> None:
    account = settle(after(bid(4_000, 101)), PriceE4(3_333), MoneyE6(330_000))
    assert account.cash_delta_e6 == -4_000 * 101 + 330_000
    assert identity_gap_e6(account, PriceE4(0)) == 0


def test_settling_twice_at_one_value_changes_nothing_and_at_another_is_refused() -> None:
    account = settle(after(bid(4_000, 100)), PriceE4(10_000))
    assert settle(account, PriceE4(10_000)) == account
    with pytest.raises(AccountingError, match="has settled at 10000"):
        settle(account, PriceE4(0))


def test_a_fill_heard_of_after_the_settlement_is_settled_at_once() -> None:
    late = apply_fill(settle(after(bid(4_000, 100)), PriceE4(10_000)), bid(5_000, 100, fee_e6=3))
    assert late.is_flat
    assert late.realised_e6 == 6_000 * 100 + 5_000 * 100
    assert identity_gap_e6(late, PriceE4(0)) == 0


# What cannot be.


@pytest.mark.parametrize("impossible", [bid(4_000, 0), bid(4_000, -1), bid(-1, 100), bid(10_001, 100)])
def test_an_impossible_fill_is_refused(impossible: Fill) -> None:
    with pytest.raises(AccountingError, match="cannot be"):
        apply_fill(FLAT, impossible)


def test_another_markets_fill_is_refused() -> None:
    with pytest.raises(AccountingError, match="OTHER was applied to the account of M"):
        apply_fill(FLAT, bid(4_000, 100, ticker="OTHER"))


@pytest.mark.parametrize("value_e4", [-1, 10_001])
def test_a_settlement_outside_the_dollar_is_refused(value_e4: int) -> None:
    with pytest.raises(AccountingError, match="from 0 to 1 dollar"):
        settle(FLAT, PriceE4(value_e4))


# Properties over random histories, against a model that shares no code: exact fractions, one contract at a
# time.

fills_of_any_kind = st.builds(
    fill,
    side=st.sampled_from(Side),
    price_e4=st.integers(0, 10_000),
    count_e2=st.integers(1, 60),
    fee_e6=st.integers(0, 20_000),
)


@attrs.define
class ReferenceModel:
    """Holds every 1/100 contract by itself, in dollars, oldest first, YES and NO in queues of their own."""

    cash: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    yes: deque[Fraction] = attrs.field(factory=deque)
    no: deque[Fraction] = attrs.field(factory=deque)

    def trade(self, item: Fill) -> None:
        buys_yes = item.side is Side.BID
        paid = Fraction(item.price_e4, 10_000) if buys_yes else 1 - Fraction(item.price_e4, 10_000)
        wanted, opposite = (self.yes, self.no) if buys_yes else (self.no, self.yes)
        self.cash -= Fraction(item.fee_e6, 10**6)
        for _ in range(item.count_e2):
            if opposite:
                entry = opposite.popleft()
                self.cash += (1 - paid) / 100
                self.realised += (1 - paid - entry) / 100
            else:
                wanted.append(paid)
                self.cash -= paid / 100

    def worth(self, yes_price: Fraction) -> Fraction:
        return (len(self.yes) * yes_price + len(self.no) * (1 - yes_price)) / 100


@settings(max_examples=400)
@given(history=st.lists(fills_of_any_kind, max_size=30), mark_e4=st.integers(0, 10_000))
def test_cash_profit_and_worth_equal_the_reference_model_in_every_state(history: list[Fill], mark_e4: int) -> None:
    account, model = FLAT, ReferenceModel()
    for item in history:
        account = apply_fill(account, item)
        model.trade(item)
        assert Fraction(account.cash_delta_e6, 10**6) == model.cash
        assert Fraction(account.realised_e6, 10**6) == model.realised
        assert account.position_e2 == len(model.yes) - len(model.no)
    worth = model.worth(Fraction(mark_e4, 10_000))
    assert Fraction(mark_value_e6(account, PriceE4(mark_e4)), 10**6) == worth


@settings(max_examples=1_000)
@given(
    history=st.lists(fills_of_any_kind, max_size=20),
    mark_e4=st.integers(0, 10_000),
    settled_e4=st.none() | st.integers(0, 10_000),
    late=st.lists(fills_of_any_kind, max_size=3),
)
def test_equity_change_is_cash_flow_exactly_in_every_state(
    history: list[Fill], mark_e4: int, settled_e4: int | None, late: list[Fill]
) -> None:
    account = FLAT
    states = [account]
    for item in history:
        account = apply_fill(account, item)
        states.append(account)
    if settled_e4 is not None:
        account = settle(account, PriceE4(settled_e4))
        states.append(account)
    for item in late:
        account = apply_fill(account, item)
        states.append(account)
    assert [identity_gap_e6(state, PriceE4(mark_e4)) for state in states] == [0] * len(states)
    assert all(state.open_cost_e6 >= 0 for state in states)
    assert all(sum(lot.count_e2 for lot in state.lots) == abs(state.position_e2) for state in states)


@given(history=st.lists(fills_of_any_kind, max_size=12), shuffled=st.randoms(use_true_random=False))
def test_cash_fees_and_position_do_not_depend_on_the_order_of_fills(history: list[Fill], shuffled: object) -> None:
    other = list(history)
    shuffled.shuffle(other)  # type: ignore[attr-defined]
    one, two = after(*history), after(*other)
    assert (one.position_e2, one.cash_delta_e6, one.fees_e6) == (
        two.position_e2,
        two.cash_delta_e6,
        two.fees_e6,
    )
