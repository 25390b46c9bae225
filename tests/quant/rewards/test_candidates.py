"""Candidates scored at once have the figures of `expectation` to the last bit, and none exceeds its bound."""

from __future__ import annotations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Level
from quant.rewards.candidates import SideCandidates
from quant.rewards.expectation import ExpectationParameters, SideBook, expectation
from quant.rewards.terms import LiquidityTerms, RuleChoice
from tests.quant.rewards.builders import TERMS

PRICES = st.integers(90, 99).map(lambda cents: PriceE4(cents * 100)) | st.integers(1, 9_999).map(PriceE4)
SIZES = st.sampled_from([1, 100, 5_000, 20_000, 80_000]) | st.integers(0, 120_000)
BOOKS = st.lists(st.tuples(PRICES, SIZES), max_size=7).map(
    lambda pairs: tuple(Level(price_e4=price, count_e2=CountE2(size)) for price, size in sorted(pairs, reverse=True))
)
PROGRAMS = st.builds(
    LiquidityTerms,
    program_id=st.just("P"),
    ticker=st.just("T"),
    start_ms=st.just(TERMS.start_ms),
    end_ms=st.just(TERMS.end_ms),
    period_reward_e6=st.integers(1, 10**9).map(MoneyE6),
    target_e2=st.sampled_from([100, 20_000, 100_000]).map(CountE2) | st.integers(1, 300_000).map(CountE2),
    discount_bps=st.sampled_from([5_000, 0, 10_000, 3_333]),
    rule_choice=st.sampled_from([RuleChoice.DEPTH, RuleChoice.BEST_BID]),
    tick_e4=st.sampled_from([100, 10]),
    boundary_counts_whole=st.booleans(),
)
COSTS = st.builds(
    ExpectationParameters,
    receipt_factor=st.sampled_from([0.25, 1.0, 0.0]),
    adverse_selection_per_contract=st.sampled_from([0.004, 0.0, 0.1, -0.01]),
    fill_decay_per_cent=st.sampled_from([1.16, 0.0, 0.1]),
)


@settings(max_examples=400, deadline=None)
@given(
    others=BOOKS,
    programs=st.lists(PROGRAMS, min_size=1, max_size=2).map(tuple),
    price=PRICES,
    at_level=st.none() | st.integers(0, 6),
    counts=st.lists(st.integers(1, 150_000).map(CountE2), min_size=1, max_size=5, unique=True).map(sorted),
    costs=COSTS,
)
def test_every_candidate_is_what_expectation_says_of_it_and_within_the_bound(
    others: tuple[Level, ...],
    programs: tuple[LiquidityTerms, ...],
    price: PriceE4,
    at_level: int | None,
    counts: list[CountE2],
    costs: ExpectationParameters,
) -> None:
    if others and at_level is not None:
        price = others[at_level % len(others)].price_e4  # else few draws would share a price with others
    book = SideBook(others=others, programs=programs)
    place = SideCandidates(book, costs).at(price)
    bound = place.bound(counts)
    for count_e2, (nominal, net) in zip(counts, place.expected(counts), strict=True):
        single = expectation(book, price, count_e2, costs)
        assert (nominal, net) == (single.nominal_per_hour_e6, single.net_per_hour_e6)
        assert nominal <= bound.nominal_e6
        assert net <= bound.net_e6


def test_the_bound_is_what_the_order_earns_where_nobody_stands_behind_it() -> None:
    others = (Level(price_e4=PriceE4(4_800), count_e2=CountE2(100_000)),)
    place = SideCandidates(SideBook(others=others, programs=(TERMS,)), ExpectationParameters()).at(PriceE4(4_800))
    ((nominal, _),) = place.expected([CountE2(10_000)])
    assert 0 < nominal <= place.bound([CountE2(10_000)]).nominal_e6 <= nominal * (1 + 1e-9)


def test_without_a_program_nothing_is_earned() -> None:
    book = SideBook(others=(), programs=())
    ((nominal, net),) = SideCandidates(book, ExpectationParameters()).at(PriceE4(4_800)).expected([CountE2(100)])
    assert nominal == 0
    assert net < 0
    assert attrs.astuple(expectation(book, PriceE4(4_800), CountE2(100), ExpectationParameters()))[0] == 0
