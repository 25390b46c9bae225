"""The portfolio takes each numbered fill once, in order; its totals survive settlement and retirement."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import PriceE4
from kalshi.types import Fill, Side
from quant.accounting import AccountingError
from quant.fills import NumberedFill
from quant.positions import (
    FillSequence,
    Portfolio,
    SequenceVerdict,
    apply_fills,
    opened,
    retire,
    settle_market,
    value,
)
from quant.steps import finished
from tests.quant.builders import ask, bid, fill, mark


def numbered(*fills: Fill, first: int = 1) -> list[NumberedFill]:
    return [NumberedFill(fill_seq=first + place, fill=item) for place, item in enumerate(fills)]


def holding(*fills: Fill) -> Portfolio:
    return apply_fills(Portfolio(), numbered(*fills)).portfolio


def test_a_sequence_tells_the_next_number_from_a_duplicate_and_a_gap() -> None:
    sequence = FillSequence(4)
    assert [sequence.verdict(number) for number in (4, 5, 6)] == [
        SequenceVerdict.DUPLICATE,
        SequenceVerdict.NEXT,
        SequenceVerdict.GAP,
    ]
    assert sequence.advanced() == FillSequence(5)


def test_fills_go_to_their_markets() -> None:
    portfolio = holding(bid(4_000, 100, ticker="A"), ask(6_000, 200, ticker="B"))
    assert portfolio.positions_e2 == {"A": 100, "B": -200}
    assert portfolio.account("C").is_flat


def test_a_duplicate_changes_nothing() -> None:
    portfolio = holding(bid(4_000, 100))
    again = apply_fills(portfolio, numbered(bid(4_000, 100)))
    assert again.portfolio is portfolio
    assert (again.duplicates, again.has_gap) == (1, False)


def test_at_a_gap_nothing_later_is_applied_and_the_first_missing_number_is_named() -> None:
    outcome = apply_fills(holding(bid(4_000, 100)), numbered(bid(4_000, 100), first=3))
    assert (outcome.applied, outcome.missing_from_seq, outcome.has_gap) == ((), 2, True)
    filled = apply_fills(outcome.portfolio, numbered(bid(4_000, 100), bid(4_000, 100), first=2))
    assert filled.portfolio.sequence.watermark == 3
    assert filled.portfolio.positions_e2 == {"M": 300}


def test_a_settled_market_retires_without_changing_the_totals() -> None:
    portfolio = settle_market(holding(bid(4_000, 100, fee_e6=5)), "M", PriceE4(10_000))
    retired = retire(portfolio, "M")
    assert retired.totals == portfolio.totals
    assert retired.accounts == {}
    assert (retired.totals.realised_e6, retired.totals.fees_e6, retired.totals.fills) == (600_000, 5, 1)


def test_a_market_that_is_not_flat_cannot_retire() -> None:
    with pytest.raises(AccountingError, match="still holds 100/100 contracts"):
        retire(holding(bid(4_000, 100)), "M")


def test_settling_or_retiring_an_unknown_market_changes_nothing() -> None:
    portfolio = Portfolio()
    assert settle_market(portfolio, "X", PriceE4(0)) is portfolio
    assert retire(portfolio, "X") is portfolio


def test_the_portfolio_is_valued_at_liquidation_marks() -> None:
    portfolio = holding(bid(4_000, 100, ticker="A"), ask(6_000, 100, ticker="B"))
    valuation = value(portfolio, {"A": mark(4_500, 4_600), "B": mark(5_000, 5_500)})
    assert valuation.unrealised_e6 == 500 * 100 + 500 * 100
    assert valuation.mark_value_e6 == 4_500 * 100 + 4_500 * 100
    assert valuation.equity_delta_e6 == 100_000
    assert valuation.unmarked == ()


def test_a_flat_market_needs_no_mark() -> None:
    valuation = value(holding(bid(4_000, 100), ask(4_500, 100)), {})
    assert (valuation.unmarked, valuation.mark_value_e6, valuation.equity_delta_e6) == ((), 0, 50_000)


def test_a_held_market_without_a_mark_looks_like_neither_profit_nor_loss() -> None:
    valuation = value(holding(bid(4_000, 100, fee_e6=9), ask(6_000, 50, ticker="B")), {})
    assert valuation.unmarked == ("B", "M")
    assert (valuation.unrealised_e6, valuation.equity_delta_e6) == (0, -9)


@given(
    history=st.lists(
        st.builds(
            fill,
            side=st.sampled_from(Side),
            price_e4=st.integers(1, 9_999),
            count_e2=st.integers(1, 500),
            fee_e6=st.integers(0, 999),
            ticker=st.sampled_from("ABC"),
        ),
        max_size=20,
    ),
    marks_e4=st.tuples(*[st.integers(0, 10_000)] * 3),
    settled=st.sets(st.sampled_from("ABC")),
    order=st.randoms(use_true_random=False),
)
def test_the_identity_holds_for_the_whole_portfolio_whatever_order_and_repetition_it_was_fed_in(
    history: list[Fill], marks_e4: tuple[int, int, int], settled: set[str], order: Random
) -> None:
    delivery = numbered(*history) * 2
    order.shuffle(delivery)
    outcome = apply_fills(Portfolio(), delivery)
    portfolio = outcome.portfolio
    assert portfolio == holding(*history)
    assert outcome.duplicates == len(history)
    for ticker in sorted(settled):
        portfolio = retire(settle_market(portfolio, ticker, PriceE4(10_000)), ticker)
    left = [each for each in numbered(*history) if each.fill.ticker not in settled]
    assert finished(opened(portfolio.retired, left, (), len(history))) == portfolio
    marks = {ticker: mark(price, price) for ticker, price in zip("ABC", marks_e4, strict=True)}
    valuation, totals = value(portfolio, marks), portfolio.totals
    assert valuation.equity_delta_e6 == totals.realised_e6 + valuation.unrealised_e6 - totals.fees_e6
