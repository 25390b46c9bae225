"""Joining where a side opens, reacting to the spread where it works off, and never replacing too often."""

from __future__ import annotations

import itertools
import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from quant.quoting.decision import QuoteDecision, QuoteTarget
from quant.quoting.touch import Pace, ReactiveSide, TouchParameters, improvement, paced, quote
from tests.quant.builders import CALM, CENT_GRID, DECICENT_GRID, level, prices

PARAMETERS = TouchParameters()
BOOK = attrs.evolve(
    CALM,
    best_bid=level(4_600),
    best_ask=level(5_400),
    sigma_dollars_per_sqrt_s=math.nan,  # not asked
)


def decide(**changes: object) -> QuoteDecision:
    return quote(attrs.evolve(BOOK, **changes), PARAMETERS, CENT_GRID)  # type: ignore[arg-type]


# The reactive rule.


@pytest.mark.parametrize(
    ("spread_e4", "better_by"),
    [
        (100, 0.0),
        (300, 0.0),
        (301, 0.01),
        (310, 0.01),
        (400, 0.01),
        (700, 0.01),
        (701, 0.02),
        (800, 0.02),
        (1_500, 0.02),
    ],
)
def test_the_improvement_by_spread_with_its_boundaries(spread_e4: int, better_by: float) -> None:
    assert improvement(spread_e4, PARAMETERS) == better_by


@pytest.mark.parametrize(("best_ask", "ask"), [(4_900, 4_900), (5_000, 4_900), (5_300, 5_200), (5_400, 5_200)])
def test_the_ask_that_sells_inventory_reacts_to_the_spread_and_the_bid_joins(best_ask: int, ask: int) -> None:
    assert prices(decide(position_e2=1_000, best_ask=level(best_ask))) == (4_600, ask)


@pytest.mark.parametrize(("best_bid", "bid"), [(5_100, 5_100), (5_000, 5_100), (4_700, 4_800), (4_600, 4_800)])
def test_the_bid_that_sells_no_contracts_reacts_in_the_same_way(best_bid: int, bid: int) -> None:
    assert prices(decide(position_e2=-1_000, best_bid=level(best_bid))) == (bid, 5_400)


def test_flat_both_sides_join() -> None:
    assert prices(decide()) == (4_600, 5_400)


@pytest.mark.parametrize(("held", "bid"), [(1_000, 4_600), (0, 4_600), (-1_000, 4_600)])
def test_by_the_letter_of_the_documents_only_the_ask_reacts_and_always(held: int, bid: int) -> None:
    literal = attrs.evolve(PARAMETERS, reactive_side=ReactiveSide.ASK)
    assert prices(quote(attrs.evolve(BOOK, position_e2=CountE2(held)), literal, CENT_GRID)) == (bid, 5_200)


def test_cents_stay_cents_on_a_finer_grid() -> None:
    book = attrs.evolve(BOOK, best_ask=level(5_310), position_e2=CountE2(1_000))
    assert prices(quote(book, PARAMETERS, DECICENT_GRID)) == (4_600, 5_110)


def test_an_improvement_wider_than_the_spread_stays_one_step_above_the_bid() -> None:
    eager = attrs.evolve(PARAMETERS, wide_improvement=0.5)
    assert prices(quote(attrs.evolve(BOOK, position_e2=CountE2(1_000)), eager, CENT_GRID)) == (4_600, 4_700)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"best_ask": None}, "the book is one-sided or empty"),
        ({"best_bid": level(5_400)}, "the book is crossed or locked"),
        ({"best_bid": level(3_800)}, "the spread of 16 cents is a shock"),
        ({"seconds_to_close": 180.0}, "the market closes within 180 s"),
    ],
)
def test_nothing_is_quoted_on_what_is_not_trusted(changes: dict[str, object], reason: str) -> None:
    assert decide(**changes) == QuoteDecision.nothing(reason)


# The pace of replacements.


def wanted(bid: int | None, ask: int | None, count_e2: int = 1_000) -> QuoteDecision:
    def target(price_e4: int | None) -> QuoteTarget | None:
        return None if price_e4 is None else QuoteTarget(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))

    return QuoteDecision(bid=target(bid), ask=target(ask))


def let_through(pace: Pace, decision: QuoteDecision, now_s: float, **book: object) -> tuple[Pace, QuoteDecision]:
    return paced(pace, decision, attrs.evolve(BOOK, **book), now_s, PARAMETERS)  # type: ignore[arg-type]


FIRST, _ = let_through(Pace(), wanted(4_600, 5_200), 10.0)


def test_the_first_decision_goes_through_at_once() -> None:
    assert let_through(Pace(), wanted(4_600, 5_200), 10.0) == (FIRST, wanted(4_600, 5_200))
    assert FIRST.replaced_s == 10.0


@pytest.mark.parametrize(("now_s", "ask"), [(10.0, 5_200), (10.499, 5_200), (10.5, 5_100), (11.0, 5_100)])
def test_a_new_price_waits_until_half_a_second_has_passed(now_s: float, ask: int) -> None:
    pace, decision = let_through(FIRST, wanted(4_600, 5_100), now_s)
    assert prices(decision) == (4_600, ask)
    assert ("a replacement waits for 0.5 s since the last one" in decision.reasons) is (ask == 5_200)
    assert pace.replaced_s == (10.0 if ask == 5_200 else now_s)


def test_the_interval_is_the_markets_and_not_a_sides() -> None:
    second, _ = let_through(FIRST, wanted(4_600, 5_100), 10.5)
    _, decision = let_through(second, wanted(4_500, 5_100), 10.9)
    assert prices(decision) == (4_600, 5_100)


def test_withdrawing_and_shrinking_wait_for_nothing_and_start_no_interval() -> None:
    pace, decision = let_through(FIRST, wanted(None, 5_200, 400), 10.1)
    assert decision == wanted(None, 5_200, 400)
    assert pace.replaced_s == 10.0


def test_what_is_wanted_smaller_shrinks_even_while_its_new_price_waits() -> None:
    _, decision = let_through(FIRST, wanted(None, 5_100, 400), 10.1)
    assert decision.bid is None
    assert decision.ask == QuoteTarget(price_e4=PriceE4(5_200), count_e2=CountE2(400))


def test_a_larger_or_a_new_order_waits_too() -> None:
    pace, _ = let_through(FIRST, wanted(None, 5_200), 10.1)
    _, decision = let_through(pace, wanted(4_600, 5_200, 2_000), 10.2)
    assert decision.bid is None
    assert decision.ask == QuoteTarget(price_e4=PriceE4(5_200), count_e2=CountE2(1_000))


@pytest.mark.parametrize(("best_bid", "is_kept"), [(level(5_100), True), (level(5_200), False), (None, False)])
def test_what_would_cross_the_new_touch_is_not_kept(best_bid: object, is_kept: bool) -> None:
    _, decision = let_through(FIRST, wanted(5_000, 5_300), 10.1, best_bid=best_bid)
    assert (decision.ask is not None) is is_kept


grids = st.sampled_from([CENT_GRID, DECICENT_GRID])


@given(
    grid=grids,
    moves=st.lists(
        st.tuples(st.floats(0, 0.4), st.integers(4_000, 5_500), st.integers(1, 1_400), st.integers(-12_000, 12_000)),
        max_size=30,
    ),
)
def test_over_any_run_prices_change_at_most_once_per_interval_and_never_cross(
    grid: PriceGrid, moves: list[tuple[float, int, int, int]]
) -> None:
    pace, now_s, changes_s = Pace(), 0.0, list[float]()
    last: dict[str, QuoteTarget | None] = {"bid": None, "ask": None}
    for wait_s, bid_at, spread, position in moves:
        now_s += wait_s
        best_bid, best_ask = grid.floor(bid_at), grid.ceil(bid_at + spread)
        assert best_bid is not None
        assert best_ask is not None
        inputs = attrs.evolve(BOOK, best_bid=level(best_bid), best_ask=level(best_ask), position_e2=CountE2(position))
        want = quote(inputs, PARAMETERS, grid)
        pace, decision = paced(pace, want, inputs, now_s, PARAMETERS)
        now: dict[str, QuoteTarget | None] = {"bid": decision.bid, "ask": decision.ask}
        is_replaced = any(
            new is not None and ((old := last[side]) is None or new.price_e4 != old.price_e4)
            for side, new in now.items()
        )
        changes_s += [now_s] if is_replaced else []
        last = now
        if decision.bid is not None:
            assert decision.bid.price_e4 < best_ask
        if decision.ask is not None:
            assert decision.ask.price_e4 > best_bid
        if decision.bid is not None and decision.ask is not None:
            assert decision.bid.price_e4 < decision.ask.price_e4
    for earlier, later in itertools.pairwise(changes_s):
        assert later - earlier >= PARAMETERS.replace_interval_s
