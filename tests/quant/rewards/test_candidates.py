"""The best candidate has the figures of `expectation` to the last bit, and no pruned one would have been better."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Level, Side
from quant.rewards.candidates import Candidate, SideCandidates
from quant.rewards.expectation import ExpectationParameters, SideBook, expectation
from quant.rewards.scoring import as_bids
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


def exhaustive(
    book: SideBook,
    side: Side,
    prices: Sequence[PriceE4],
    counts: Sequence[CountE2],
    least: tuple[float, float],
    costs: ExpectationParameters,
) -> Candidate | None:
    """The reference model: every candidate by itself, the farthest price and the smallest size first."""
    best: Candidate | None = None
    for price in reversed(prices):
        for count_e2 in counts:
            one = expectation(book, side.outcome_price(price), count_e2, costs)
            nominal, net = one.nominal_per_hour_e6, one.net_per_hour_e6
            if nominal >= least[0] and net > least[1] and (best is None or net > best.net_per_hour_e6):
                best = Candidate(price, count_e2, nominal, net)
    return best


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(
    side=st.sampled_from(Side),
    others=BOOKS,
    programs=st.lists(PROGRAMS, min_size=1, max_size=2).map(tuple),
    prices=st.lists(PRICES, min_size=1, max_size=4, unique=True),
    joined=st.booleans(),
    counts=st.lists(SIZES.filter(bool).map(CountE2), min_size=1, max_size=5, unique=True).map(sorted),
    costs=COSTS,
    nominal_min=st.sampled_from([0.0, 1_000.0, 1_000_000.0]),
    net_above=st.sampled_from([0.0, -math.inf, 5_000.0]),
)
def test_the_best_is_the_one_that_looking_at_every_candidate_finds(
    side: Side,
    others: tuple[Level, ...],
    programs: tuple[LiquidityTerms, ...],
    prices: list[PriceE4],
    joined: bool,
    counts: list[CountE2],
    costs: ExpectationParameters,
    nominal_min: float,
    net_above: float,
) -> None:
    if joined:  # else few draws would share a price with others
        prices = list({*prices, *(level.price_e4 for level in others[:3])})
    prices = [side.outcome_price(price) for price in sorted(prices, reverse=True)]
    found = SideCandidates(as_bids(others, side), side, programs, costs).best(prices, counts, nominal_min, net_above)
    book = SideBook(others=others, programs=programs)
    assert found == exhaustive(book, side, prices, counts, (nominal_min, net_above), costs)


def test_among_equals_the_farther_price_wins_and_then_the_smaller_size() -> None:
    """Nothing is lost and nobody else is there: every order has the whole side."""
    free = ExpectationParameters(adverse_selection_per_contract=0.0)
    prices = [PriceE4(4_800), PriceE4(4_700)]
    alone = SideCandidates((), Side.BID, (TERMS,), free)
    best = alone.best(prices, [CountE2(100_000), CountE2(200_000)], 0.0, 0.0)
    assert best is not None
    assert (best.price_e4, best.count_e2, best.nominal_per_hour_e6) == (4_700, 100_000, 50_000_000.0)


@pytest.mark.parametrize(("dollars", "shares"), [(10.0, 1), (0.0, 2)])
def test_sizes_that_cannot_be_the_best_are_not_looked_into(dollars: float, shares: int) -> None:
    """Where each contract loses, none but the largest; where none loses, one that is nearly as large could be better.
    Nothing scores at 47 cents, behind the whole target."""
    one_level = (Level(price_e4=PriceE4(4_800), count_e2=CountE2(100_000)),)
    costs = ExpectationParameters(adverse_selection_per_contract=dollars)
    candidates = SideCandidates(one_level, Side.BID, (TERMS,), costs)
    called: list[str] = []
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    try:
        counts = [CountE2(count) for count in (100, 5_000, 9_990, 10_000)]
        found = candidates.best([PriceE4(4_800), PriceE4(4_700)], counts, 0.0, 0.0)
    finally:
        sys.setprofile(None)
    assert (found is None) is (dollars > 0)
    assert called.count("share") == shares
