"""Exposure is the worst case, and in an exclusive event the worst case over outcomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import PriceE4
from kalshi.types import Side
from quant.accounting import MarketAccount, apply_fill, unrealised_e6
from quant.exposure import event_exposure_e6, market_exposure_e6
from tests.quant.builders import ask, bid, fill


def test_a_market_can_lose_what_its_position_cost() -> None:
    assert market_exposure_e6(apply_fill(MarketAccount(ticker="M"), bid(3_000, 100))) == 300_000
    assert market_exposure_e6(apply_fill(MarketAccount(ticker="M"), ask(3_000, 100))) == 700_000


def test_shorts_in_exclusive_outcomes_cover_each_other() -> None:
    shorts = [apply_fill(MarketAccount(ticker=name), ask(6_000, 100, ticker=name)) for name in "AB"]
    assert event_exposure_e6(shorts, is_exclusive=True) == 0  # brought in 1.20, at most one dollar is owed
    assert event_exposure_e6(shorts, is_exclusive=False) == 800_000


def test_longs_in_exclusive_outcomes_are_all_lost_if_none_of_them_happens() -> None:
    longs = [apply_fill(MarketAccount(ticker=name), bid(4_000, 100, ticker=name)) for name in "AB"]
    assert event_exposure_e6(longs, is_exclusive=True) == 800_000


def test_nothing_held_is_no_exposure() -> None:
    assert event_exposure_e6([MarketAccount(ticker="A")], is_exclusive=True) == 0
    assert event_exposure_e6([], is_exclusive=False) == 0


@given(
    st.lists(
        st.builds(
            fill,
            side=st.sampled_from(Side),
            price_e4=st.integers(1, 9_999),
            count_e2=st.integers(1, 500),
            ticker=st.sampled_from("ABCD"),
        ),
        max_size=16,
    )
)
def test_the_exclusive_worst_case_equals_trying_every_outcome(history: list[object]) -> None:
    accounts = {name: MarketAccount(ticker=name) for name in "ABCD"}
    for item in history:
        accounts[item.ticker] = apply_fill(accounts[item.ticker], item)  # type: ignore[attr-defined,arg-type]
    outcomes = [
        sum(unrealised_e6(held, PriceE4(10_000 if name == winner else 0)) for name, held in accounts.items())
        for winner in (*accounts, None)
    ]
    exposure = event_exposure_e6(accounts.values(), is_exclusive=True)
    assert exposure == max(0, -min(outcomes))
    assert exposure <= event_exposure_e6(accounts.values(), is_exclusive=False)
