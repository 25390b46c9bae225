"""The scorer gives the published worked examples, and keeps to the rules over all books."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.rewards.scoring import as_bids, score_side, score_snapshot
from quant.rewards.terms import RuleChoice
from tests.quant.builders import level
from tests.quant.rewards.builders import TERMS, bids, with_

# The worked example: target 1,000, discount one half, and these sizes of others on the YES side.
OTHERS = bids(c45=50, c44=300, c43=800, c40=500)
BEST_BID_TERMS = with_(rule_choice=RuleChoice.BEST_BID)


@pytest.mark.parametrize(
    ("own", "reference_e4", "share"),
    [
        (bids(c46=200), 4_600, 0.500),
        (bids(c45=200), 4_500, 0.333),
        (bids(c44=200), 4_400, 0.211),
        (bids(c43=200), 4_400, 0.118),
        (bids(c42=200), 4_400, 0.0),
    ],
)
def test_the_worked_example_of_the_depth_rule(own: tuple[Level, ...], reference_e4: int, share: float) -> None:
    score = score_side(OTHERS, own, TERMS)
    assert score.reference_e4 == reference_e4
    assert score.share == pytest.approx(share, abs=5e-4)


@pytest.mark.parametrize(
    ("own", "share"),
    [
        (bids(c46=200), 200 / (200 + 25 + 75 + 100)),
        (bids(c45=200), 200 / (250 + 150 + 200)),
        (bids(c44=200), 100 / (50 + 250 + 200)),
        (bids(c43=200), 50 / (50 + 150 + 250)),
        (bids(c42=200), 0.0),
    ],
)
def test_under_the_best_bid_rule_the_distance_counts_from_the_touch(own: tuple[Level, ...], share: float) -> None:
    assert score_side(OTHERS, own, BEST_BID_TERMS).share == pytest.approx(share)


def test_a_thin_touch_is_no_reference_until_it_holds_a_fifth_of_the_target() -> None:
    """The second worked example: a hundred more at 25 cents move the reference there, and take the whole side."""
    book = bids(c25=100, c2=780, c1=1_000)
    before = score_side((), book, TERMS)
    assert before.reference_e4 == 200
    assert score_side(book[1:], book[:1], TERMS).share == pytest.approx(100 / (100 + 780 + 500))
    after = score_side(book[1:], bids(c25=200), TERMS)
    assert after.reference_e4 == 2_500
    assert after.share > 0.9999


def test_the_level_that_reaches_the_target_counts_whole_or_only_up_to_it() -> None:
    others, own = bids(c50=600, c49=300), bids(c49=400)
    assert score_side(others, own, TERMS).own == pytest.approx(400 / 2)
    cut = score_side(others, own, with_(boundary_counts_whole=False))
    assert cut.own == pytest.approx(100 / 2)
    assert cut.total == pytest.approx(600 + 400 / 2)


@pytest.mark.parametrize(("tick_e4", "weight"), [(100, 0.5), (50, 0.25), (10, 0.5**10)])
def test_a_tick_is_a_cent_or_what_the_switch_says(tick_e4: int, weight: float) -> None:
    score = score_side(bids(c50=1_000), bids(c49=1_000), with_(tick_e4=tick_e4, target_e2=CountE2(150_000)))
    assert score.own == pytest.approx(1_000 * weight)


def test_a_part_of_a_tick_counts_as_a_whole_one() -> None:
    score = score_side((level(5_000, 90_000),), (level(4_990, 90_000),), TERMS)
    assert score.own == pytest.approx(900 * 0.5)


@pytest.mark.parametrize(("contracts", "reaches"), [(999, False), (1_000, True)])
def test_a_side_that_does_not_reach_the_target_qualifies_nobody(contracts: int, reaches: bool) -> None:
    score = score_side((), bids(c50=contracts), TERMS)
    assert (score.reaches_target, score.share) == (reaches, 1.0 if reaches else 0.0)


@pytest.mark.parametrize(("cents", "share"), [(98, 1.0), (99, 0.0)])
def test_a_best_bid_near_certainty_qualifies_nobody_under_the_best_bid_rule(cents: int, share: float) -> None:
    own = bids(**{f"c{cents}": 2_000})
    assert score_side((), own, BEST_BID_TERMS).share == share
    assert score_side((), own, TERMS).share == 1.0


def test_a_snapshot_counts_only_when_both_sides_reach_the_target() -> None:
    full, thin = (level(5_500, 100_000),), (level(5_500, 99_999),)
    own = (level(4_500, 100_000),)
    assert score_snapshot((), full, own, (), TERMS).share == 1.0
    missed = score_snapshot((), thin, own, (), TERMS)
    assert not missed.is_valid
    assert (missed.yes.share, missed.share) == (1.0, 0.0)


def test_asks_are_bids_on_the_other_outcome() -> None:
    assert as_bids((level(5_500), level(5_600)), Side.ASK) == (level(4_500), level(4_400))
    both = score_snapshot((), (), (level(4_500, 100_000),), (level(5_500, 100_000),), TERMS)
    assert both.share == 2.0


sides = st.lists(
    st.builds(
        Level,
        price_e4=st.integers(1, 98).map(lambda cents: PriceE4(cents * 100)),
        count_e2=st.integers(0, 200_000).map(CountE2),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(others=sides, own=sides, choice=st.sampled_from(RuleChoice), whole=st.booleans(), bps=st.integers(0, 10_000))
def test_the_shares_of_us_and_of_others_add_up_to_the_side(
    others: list[Level], own: list[Level], choice: RuleChoice, whole: bool, bps: int
) -> None:
    terms = with_(rule_choice=choice, boundary_counts_whole=whole, discount_bps=bps)
    mine, all_mine = score_side(others, own, terms), score_side((), [*others, *own], terms)
    assert 0 <= mine.share <= 1
    assert mine.own <= mine.total * (1 + 1e-12)
    assert mine.total == pytest.approx(all_mine.total)
    assert mine.reference_e4 == all_mine.reference_e4


@settings(max_examples=60)
@given(bid_side=sides, ask_side=sides, own=sides)
def test_a_mirrored_book_gives_mirrored_scores(bid_side: list[Level], ask_side: list[Level], own: list[Level]) -> None:
    plain = score_snapshot(bid_side, ask_side, own, (), TERMS)
    mirrored = score_snapshot(
        as_bids(ask_side, Side.ASK), as_bids(bid_side, Side.ASK), (), as_bids(own, Side.ASK), TERMS
    )
    assert (plain.yes, plain.no) == (mirrored.no, mirrored.yes)
