"""The liquidity score: worked examples of both rule sets, and properties that hold for any book."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.simulator.incentive_scoring import (
    SHARE_UNITS,
    Bid,
    PayoutTerms,
    ScoringTerms,
    payout_e6,
    reference_price_e4,
    score_side,
    snapshot_shares,
)

_UNIT = 1_000_000
OLD = ScoringTerms(target_e2=30_000, discount_bps=5_000, tick_e4=100, by_depth=False)
NEW = attrs.evolve(OLD, by_depth=True)
DEEP = [Bid(4_000, 40_000, "x")]


def test_the_best_bid_is_the_reference_of_older_programs() -> None:
    bids = [Bid(4_500, 1_000, "a"), Bid(4_400, 10_000, "b"), Bid(4_300, 30_000, "c")]
    assert reference_price_e4(bids, OLD) == 4_500
    assert score_side(bids, OLD) == {"a": 1_000 * _UNIT, "b": 10_000 * _UNIT // 2, "c": 30_000 * _UNIT // 4}


def test_a_fifth_of_the_target_makes_the_reference_of_newer_programs() -> None:
    bids = [Bid(4_500, 1_000, "a"), Bid(4_400, 5_000, "b"), Bid(4_300, 30_000, "c")]
    assert reference_price_e4(bids, NEW) == 4_400
    # At or better than the reference scores in full: a small order in front moves nobody back.
    assert score_side(bids, NEW) == {"a": 1_000 * _UNIT, "b": 5_000 * _UNIT, "c": 30_000 * _UNIT // 2}


def test_a_near_certain_best_bid_is_no_reference_of_older_programs() -> None:
    assert reference_price_e4([Bid(9_900, 40_000, "a")], OLD) is None
    assert snapshot_shares([Bid(9_900, 40_000, "a")], DEEP, OLD) is None
    assert reference_price_e4([Bid(9_900, 40_000, "a")], NEW) == 9_900


def test_orders_beyond_the_target_do_not_count() -> None:
    bids = [Bid(4_500, 30_000, "a"), Bid(4_400, 10_000, "b")]
    assert score_side(bids, OLD) == {"a": 30_000 * _UNIT}


def test_the_level_at_the_target_counts_whole_or_up_to_it() -> None:
    bids = [Bid(4_500, 20_000, "a"), Bid(4_500, 20_000, "b")]
    assert score_side(bids, OLD) == {"a": 20_000 * _UNIT, "b": 20_000 * _UNIT}
    cut = attrs.evolve(OLD, boundary_counts_whole=False)
    assert score_side(bids, cut) == {"a": 20_000 * _UNIT, "b": 10_000 * _UNIT}


def test_a_snapshot_needs_the_target_on_both_sides() -> None:
    assert snapshot_shares(DEEP, [Bid(4_000, 29_999, "x")], NEW) is None
    assert snapshot_shares(DEEP, [], NEW) is None
    assert snapshot_shares(DEEP, DEEP, NEW) == {"x": 2 * SHARE_UNITS}


def test_a_fine_grid_discounts_by_its_own_tick() -> None:
    bids = [Bid(4_500, 10_000, "a"), Bid(4_490, 20_000, "b")]
    assert score_side(bids, OLD)["b"] == 20_000 * _UNIT // 2
    assert score_side(bids, attrs.evolve(OLD, tick_e4=10))["b"] == 20_000 * _UNIT // 2
    assert score_side(bids, attrs.evolve(OLD, tick_e4=5))["b"] == 20_000 * _UNIT // 4


@pytest.mark.parametrize(
    ("share", "snapshots", "paid_e6"),
    [
        (2 * SHARE_UNITS * 10, 10, 100_000_000),
        (SHARE_UNITS * 10, 10, 50_000_000),
        (2 * SHARE_UNITS, 100, 1_000_000),
        (2 * SHARE_UNITS - 3, 100, 0),  # a hair under one dollar
        (SHARE_UNITS // 3, 1, 16_660_000),  # floored to the cent
        (5, 0, 0),
    ],
)
def test_payouts_are_floored_to_the_cent_and_nothing_under_a_dollar(share: int, snapshots: int, paid_e6: int) -> None:
    terms = PayoutTerms(period_reward_e6=100_000_000, max_per_account_e6=None, smallest_e6=1_000_000)
    assert payout_e6(share, snapshots, terms) == paid_e6


def test_a_cap_per_account_holds_and_older_programs_pay_cents() -> None:
    capped = PayoutTerms(period_reward_e6=100_000_000, max_per_account_e6=7_505_000, smallest_e6=10_000)
    assert payout_e6(2 * SHARE_UNITS, 1, capped) == 7_500_000
    assert payout_e6(SHARE_UNITS // 5_000, 1, capped) == 10_000


_BID = st.builds(Bid, st.integers(1, 99).map(lambda cents: cents * 100), st.integers(1, 20_000), st.sampled_from("abc"))
_SIDE = st.lists(_BID, max_size=12).map(lambda bids: sorted(bids, key=lambda bid: -bid.price_e4))
_TERMS = st.builds(
    ScoringTerms,
    target_e2=st.integers(100, 40_000),
    discount_bps=st.integers(0, 10_000),
    tick_e4=st.sampled_from([10, 100]),
    by_depth=st.booleans(),
    boundary_counts_whole=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(_SIDE, _SIDE, _TERMS)
def test_shares_never_add_up_to_more_than_two_sides(yes: list[Bid], no: list[Bid], terms: ScoringTerms) -> None:
    shares = snapshot_shares(yes, no, terms)
    if shares is None:
        return
    total = sum(shares.values())
    # Integer division may lose one unit per owner and side, and never gains one.
    assert 2 * SHARE_UNITS - 6 <= total <= 2 * SHARE_UNITS
    assert all(share >= 0 for share in shares.values())


@settings(max_examples=40, deadline=None)
@given(_SIDE, _SIDE, _TERMS)
def test_yes_and_no_are_alike(yes: list[Bid], no: list[Bid], terms: ScoringTerms) -> None:
    assert snapshot_shares(yes, no, terms) == snapshot_shares(no, yes, terms)


@settings(max_examples=40, deadline=None)
@given(_SIDE, _TERMS, st.integers(0, 11), st.integers(1, 5_000))
def test_a_larger_own_order_never_lowers_the_own_share_of_a_side_that_it_leads(
    side: list[Bid], terms: ScoringTerms, index: int, more_e2: int
) -> None:
    """Size at the best price only helps its owner: it counts in full under either rule set."""
    if not side:
        return
    best = side[0]
    larger = [Bid(best.price_e4, best.size_e2 + more_e2, best.owner), *side[1:]]
    before, after = score_side(side, terms), score_side(larger, terms)
    if before and after and sum(before.values()):
        share_before = before.get(best.owner, 0) / sum(before.values())
        assert after[best.owner] / sum(after.values()) >= share_before - 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2 * SHARE_UNITS), min_size=1, max_size=6), st.integers(1, 1_000), st.integers(0, 10**9))
def test_a_pool_is_never_overdrawn(cuts: list[int], snapshots: int, reward_e6: int) -> None:
    """Whatever the owners' shares of the two sides are, all payouts together fit into the pool."""
    terms = PayoutTerms(period_reward_e6=reward_e6, max_per_account_e6=None, smallest_e6=10_000)
    whole, shares = 2 * SHARE_UNITS * snapshots, []
    for cut in cuts:
        share = min(cut * snapshots, whole)
        shares.append(share)
        whole -= share
    assert sum(payout_e6(share, snapshots, terms) for share in shares) <= reward_e6
