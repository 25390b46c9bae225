"""I4: a market's books depend on which fills there were, not on the order in which they were heard of."""

from __future__ import annotations

from functools import reduce
from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import MoneyE6, PriceE4
from kalshi.types import Fill, Side
from quant.accounting import AccountingError, MarketAccount, apply_fill, identity_gap_e6, settle
from quant.late_fills import RECENT_MAX, MarketHistory, book, close
from tests.quant.builders import fill

FLAT = MarketAccount(ticker="M")


def at(ts_ms: int, side: Side, price_e4: int, count_e2: int = 100) -> Fill:
    return fill(side, price_e4, count_e2, ts_ms=ts_ms, fill_id=f"f{ts_ms}")


def booked(*fills: Fill) -> MarketHistory:
    return reduce(book, fills, MarketHistory(before=FLAT))


def test_a_late_fill_is_booked_at_its_place() -> None:
    first, second, exit_ = at(1, Side.BID, 4_000), at(2, Side.BID, 5_000), at(3, Side.ASK, 6_000)
    late = booked(second, exit_, first)
    assert late == booked(first, second, exit_)
    assert late.account.realised_e6 == 2_000 * 100, "the oldest lot was closed, though heard of last"


def test_a_fill_heard_of_after_the_settlement_is_part_of_what_was_paid() -> None:
    history = close(booked(at(1, Side.BID, 4_000, 101)), PriceE4(3_333), MoneyE6(670_000))
    late = book(history, at(2, Side.BID, 5_000))
    assert late.account.is_flat
    assert late.account.cash_delta_e6 == -4_000 * 101 - 5_000 * 100 + 670_000
    assert identity_gap_e6(late.account, PriceE4(0)) == 0


def test_settling_again_at_one_value_changes_nothing_and_at_another_is_refused() -> None:
    history = close(booked(at(1, Side.BID, 4_000)), PriceE4(10_000), None)
    assert close(history, PriceE4(10_000), None) == history
    with pytest.raises(AccountingError, match="has settled at 10000"):
        close(history, PriceE4(0), None)
    with pytest.raises(AccountingError, match="from 0 to 1 dollar"):
        close(booked(), PriceE4(10_001), None)


def test_what_is_kept_is_bounded_and_a_fill_older_than_that_still_moves_cash_exactly() -> None:
    fills = [at(n, Side.BID if n % 3 else Side.ASK, 3_000 + n) for n in range(1, 4 * RECENT_MAX)]
    late = booked(*fills[1:], fills[0])
    whole = reduce(apply_fill, fills, FLAT)
    assert len(late.steps) == RECENT_MAX
    exact = ("position_e2", "cash_delta_e6", "fees_e6", "fills")
    assert [getattr(late.account, name) for name in exact] == [getattr(whole, name) for name in exact]
    assert identity_gap_e6(late.account, PriceE4(5_000)) == 0


histories = st.lists(
    st.builds(
        fill,
        side=st.sampled_from(Side),
        price_e4=st.integers(0, 10_000),
        count_e2=st.integers(1, 500),
        fee_e6=st.integers(0, 999),
        ts_ms=st.integers(0, 5),
    ),
    max_size=RECENT_MAX,
)


@settings(deadline=None)
@given(history=histories, order=st.randoms(use_true_random=False), settled_e4=st.none() | st.integers(0, 10_000))
def test_any_order_of_hearing_gives_the_account_of_the_plain_list(
    history: list[Fill], order: Random, settled_e4: int | None
) -> None:
    fills = [attrs.evolve(item, fill_id=f"f{n:02}") for n, item in enumerate(history)]
    plain = reduce(apply_fill, sorted(fills, key=lambda item: (item.ts_ms, item.fill_id)), FLAT)
    order.shuffle(fills)
    settled_after = order.randint(0, len(fills))
    heard = booked(*fills[:settled_after])
    if settled_e4 is not None:
        plain, heard = settle(plain, PriceE4(settled_e4)), close(heard, PriceE4(settled_e4), None)
    assert reduce(book, fills[settled_after:], heard).account == plain
