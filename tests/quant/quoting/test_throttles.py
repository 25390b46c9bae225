"""Throttles act after so many bad checks, rest after so many good ones, and never keep us in a position."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from quant.quoting.decision import QuoteDecision, QuoteTarget
from quant.quoting.throttles import Condition, Observation, ThrottleParameters, ThrottleState, observe, throttled
from tests.quant.builders import CENT_GRID, prices

PARAMETERS = ThrottleParameters()
GOOD = Observation(time_s=0.0, spread_e4=200, depth_e2=50_000)
WIDE = attrs.evolve(GOOD, spread_e4=1_100)
SHOCK = attrs.evolve(GOOD, spread_e4=1_600)
QUOTES = QuoteDecision(
    bid=QuoteTarget(price_e4=PriceE4(4_900), count_e2=CountE2(1_000)),
    ask=QuoteTarget(price_e4=PriceE4(5_100), count_e2=CountE2(1_000)),
)


def after(*looks: Observation, every_s: float = 1.0, state: ThrottleState = ThrottleState()) -> ThrottleState:  # noqa: B008
    start_s = state.checked_s if state.checked_s > 0 else 0.0
    for number, look in enumerate(looks, start=1):
        state = observe(state, attrs.evolve(look, time_s=start_s + number * every_s), PARAMETERS)
    return state


def let_through(state: ThrottleState, position_e2: int = 0, wanted: QuoteDecision = QUOTES) -> QuoteDecision:
    return throttled(state, wanted, position_e2, CENT_GRID, PARAMETERS)


def test_three_bad_checks_in_a_row_trigger_and_two_do_not() -> None:
    assert after(WIDE, WIDE).acting == ()
    assert after(WIDE, WIDE, GOOD, WIDE, WIDE).acting == ()
    assert after(WIDE, WIDE, WIDE).acting == (Condition.WIDE_SPREAD,)


def test_five_good_checks_in_a_row_recover_and_four_do_not() -> None:
    acting = after(*[WIDE] * 3)
    assert after(*[GOOD] * 4, state=acting).acting == (Condition.WIDE_SPREAD,)
    assert after(*[GOOD] * 4, WIDE, *[GOOD] * 4, state=acting).acting == (Condition.WIDE_SPREAD,)
    assert after(*[GOOD] * 5, state=acting).acting == ()


def test_looks_within_a_check_interval_count_once_and_the_worst_of_them_counts() -> None:
    assert after(*[WIDE] * 20, every_s=0.1).acting == ()
    flicker = [GOOD] + ([GOOD] * 8 + [WIDE, GOOD]) * 3
    assert after(*flicker, every_s=0.1).acting == (Condition.WIDE_SPREAD,)


@pytest.mark.parametrize(
    ("bad", "good", "condition"),
    [
        ({"spread_e4": 1_001}, {"spread_e4": 1_000}, Condition.WIDE_SPREAD),
        ({"depth_e2": 9_999}, {"depth_e2": 10_000}, Condition.THIN_BOOK),
        ({"wrong_share": 0.7}, {"wrong_share": 0.69}, Condition.ADVERSE_SELECTION),
        ({"flow_z": 4.0}, {"flow_z": 3.9}, Condition.BUYING),
        ({"flow_z": -4.0}, {"flow_z": -3.9}, Condition.SELLING),
    ],
)
def test_each_condition_begins_at_its_limit(
    bad: dict[str, float], good: dict[str, float], condition: Condition
) -> None:
    assert after(*[attrs.evolve(GOOD, **good)] * 5).acting == ()  # type: ignore[arg-type]
    assert after(*[attrs.evolve(GOOD, **bad)] * 3).acting == (condition,)  # type: ignore[arg-type]


def test_a_spread_shock_freezes_at_once_between_two_checks_and_rests_after_five_good_ones() -> None:
    shocked = observe(after(GOOD), attrs.evolve(SHOCK, time_s=1.5), PARAMETERS)
    assert Condition.SPREAD_SHOCK in shocked.acting
    frozen = let_through(shocked)
    assert prices(frozen) == (None, None)
    assert frozen.reasons == ("throttled: the spread has jumped",)
    assert after(*[GOOD] * 4, state=shocked).acting == (Condition.SPREAD_SHOCK,)
    assert after(*[GOOD] * 5, state=shocked).acting == ()
    assert after(attrs.evolve(GOOD, spread_e4=1_500)).acting == ()


def test_ticks_add_up_and_the_widest_spread_ends_them() -> None:
    thin = attrs.evolve(GOOD, depth_e2=100)
    assert prices(let_through(after(*[thin] * 3))) == (4_600, 5_400)
    both = after(*[attrs.evolve(thin, spread_e4=1_100)] * 3)
    assert prices(let_through(both)) == (4_300, 5_700)  # eight ticks would make 18 cents; fifteen are the most
    reasons = let_through(both).reasons
    assert reasons == ("throttled: the spread is wide", "throttled: the book is thin")


def test_the_side_that_works_the_position_off_stays_where_it_is() -> None:
    wide = after(*[WIDE] * 3)
    assert prices(let_through(wide, position_e2=500)) == (4_400, 5_100)
    assert prices(let_through(wide, position_e2=-500)) == (4_900, 5_600)


def test_one_sided_flow_takes_away_the_side_that_it_would_run_over_unless_that_reduces() -> None:
    buying = after(*[attrs.evolve(GOOD, flow_z=5.0)] * 3)
    assert prices(let_through(buying)) == (4_900, None)
    assert prices(let_through(buying, position_e2=100)) == (4_900, 5_100)
    selling = after(*[attrs.evolve(GOOD, flow_z=-5.0)] * 3)
    assert prices(let_through(selling)) == (None, 5_100)
    never = attrs.evolve(PARAMETERS, one_sided_flow_z=None)
    assert observe(ThrottleState(), attrs.evolve(GOOD, flow_z=99.0), never).acting == ()


def test_switched_off_or_without_a_quote_nothing_changes() -> None:
    shocked = after(SHOCK)
    assert throttled(shocked, QUOTES, 0, CENT_GRID, attrs.evolve(PARAMETERS, is_enabled=False)) is QUOTES
    nothing = QuoteDecision.nothing("the market closes")
    assert let_through(shocked, wanted=nothing) is nothing


@given(
    st.lists(
        st.builds(
            Observation,
            time_s=st.just(0.0),
            spread_e4=st.integers(1, 3_000),
            depth_e2=st.integers(0, 30_000),
            wrong_share=st.none() | st.floats(0, 1),
            flow_z=st.none() | st.floats(-10, 10),
        ),
        max_size=25,
    ),
    st.floats(0.01, 3.0),
    st.integers(-1_000, 1_000),
    st.integers(1, 97),
    st.integers(1, 30),
)
@settings(max_examples=150, deadline=None)
def test_whatever_was_seen_quotes_only_move_away_and_never_grow(
    looks: list[Observation], every_s: float, position_e2: int, bid_cents: int, width: int
) -> None:
    wanted = QuoteDecision(
        bid=QuoteTarget(price_e4=PriceE4(bid_cents * 100), count_e2=CountE2(700)),
        ask=QuoteTarget(price_e4=PriceE4(min(99, bid_cents + width) * 100), count_e2=CountE2(500)),
    )
    assert wanted.bid is not None
    assert wanted.ask is not None
    got = let_through(after(*looks, every_s=every_s), position_e2, wanted)
    assert got.bid is None or (got.bid.price_e4 <= wanted.bid.price_e4 and got.bid.count_e2 == 700)
    assert got.ask is None or (got.ask.price_e4 >= wanted.ask.price_e4 and got.ask.count_e2 == 500)
    for target in (got.bid, got.ask):
        assert target is None or CENT_GRID.is_valid(target.price_e4)
    shocked = any("jumped" in reason for reason in got.reasons)
    assert shocked or position_e2 <= 0 or got.ask == wanted.ask
    assert shocked or position_e2 >= 0 or got.bid == wanted.bid
