"""The score of resting orders under a liquidity incentive program, as pure arithmetic (kalshi-rest.md §12).

One snapshot of the book gives each owner a share of the two sides, in `SHARE_UNITS` per side; a snapshot where either
side does not reach the target size is dropped. YES bids and NO bids are scored apart; an ask is a NO bid.

Rules:
1. The reference price is the best bid of the side (programs that start before 2026-07-30; a best bid of 99 cents or
   more does not count), or the first level, from the best down, where the cumulative size reaches a fifth of the
   target (from then on).
2. An order at or better than the reference scores its size; below it, size x discount to the power of the ticks
   below.
3. Orders count from the best down until the cumulative size reaches the target.
4. An owner's share of a side is own score / sum of the side; both sides are added.

Everything is in integers, so that the shares of a snapshot can never add up to more than was there. Unsettled in the
sources, hence switches: whether the level that reaches the target counts whole or only up to it, and what a tick is
where the grid is finer than a cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

SHARE_UNITS: Final = 1_000_000_000_000
_FULL_BPS: Final = 10_000
_NEAR_CERTAIN_E4: Final = 9_900
_NEW_RULES_FIFTHS: Final = 5
# Below this many ticks even a discount of 0.99 leaves nothing; the power is not taken further.
_TICKS_MAX: Final = 2_000


@attrs.frozen(kw_only=True)
class ScoringTerms:
    """What a program says about scoring. Sizes in 1/100 contract, prices in 1/10,000 dollar, discount in 1/10,000."""

    target_e2: int
    discount_bps: int
    tick_e4: int
    by_depth: bool
    """True from 2026-07-30: the reference price is found by depth, not by the best bid."""
    boundary_counts_whole: bool = True


@attrs.frozen
class Bid:
    """One resting order as a bid of its own side: price, size, owner."""

    price_e4: int
    size_e2: int
    owner: str


def reaches_target(bids: Sequence[Bid], target_e2: int) -> bool:
    """Says whether the sizes of a side add up to the target."""
    total_e2 = 0
    for bid in bids:
        total_e2 += bid.size_e2
        if total_e2 >= target_e2:
            return True
    return False


def reference_price_e4(bids: Sequence[Bid], terms: ScoringTerms) -> int | None:
    """Returns the reference price of a side (rule 1), None where there is none; `bids` best first."""
    if not bids:
        return None
    if not terms.by_depth:
        return bids[0].price_e4 if bids[0].price_e4 < _NEAR_CERTAIN_E4 else None
    total_e2 = 0
    for bid in bids:
        total_e2 += bid.size_e2
        if total_e2 * _NEW_RULES_FIFTHS >= terms.target_e2:
            return bid.price_e4
    return None


def score_side(bids: Sequence[Bid], terms: ScoringTerms) -> dict[str, int]:
    """Returns the score of each owner on one side (rules 2 and 3); `bids` best first, oldest first within a price."""
    reference_e4 = reference_price_e4(bids, terms)
    scores: dict[str, int] = {}
    if reference_e4 is None:
        return scores
    total_e2 = 0
    for bid in bids:
        if total_e2 >= terms.target_e2:
            break
        room_e2 = terms.target_e2 - total_e2
        counted_e2 = bid.size_e2 if terms.boundary_counts_whole else min(bid.size_e2, room_e2)
        total_e2 += bid.size_e2
        ticks_below = max(0, -(-(reference_e4 - bid.price_e4) // terms.tick_e4))
        scores[bid.owner] = scores.get(bid.owner, 0) + counted_e2 * _discount(terms.discount_bps, ticks_below)
    return scores


def snapshot_shares(yes_bids: Sequence[Bid], no_bids: Sequence[Bid], terms: ScoringTerms) -> dict[str, int] | None:
    """Returns each owner's share of a snapshot in `SHARE_UNITS` per side, None for a dropped one."""
    sides = []
    for bids in (yes_bids, no_bids):
        if not reaches_target(bids, terms.target_e2):
            return None
        sides.append(score_side(bids, terms))
    if not all(sides):
        return None
    shares: dict[str, int] = {}
    for scores in sides:
        total = sum(scores.values())
        for owner, score in scores.items():
            if total:
                shares[owner] = shares.get(owner, 0) + SHARE_UNITS * score // total
    return shares


@attrs.frozen(kw_only=True)
class PayoutTerms:
    """How shares become money, in 1/1,000,000 dollar."""

    period_reward_e6: int
    max_per_account_e6: int | None
    smallest_e6: int
    """Nothing under this is paid: one dollar from 2026-07-30, one cent before."""


def payout_e6(own_share: int, snapshots: int, terms: PayoutTerms) -> int:
    """Returns what an owner is paid, floored to the cent; `snapshots` is the number that the pool is spread over."""
    if snapshots == 0:
        return 0
    exact_e6 = terms.period_reward_e6 * own_share // (2 * SHARE_UNITS * snapshots)
    if terms.max_per_account_e6 is not None:
        exact_e6 = min(exact_e6, terms.max_per_account_e6)
    cents_e6 = exact_e6 // 10_000 * 10_000
    return cents_e6 if cents_e6 >= terms.smallest_e6 else 0


def _discount(discount_bps: int, ticks: int) -> int:
    """Returns discount to the power of `ticks`, in 1/1,000,000."""
    scaled = 1_000_000
    for _ in range(min(ticks, _TICKS_MAX)):
        scaled = scaled * discount_bps // _FULL_BPS
        if not scaled:
            break
    return scaled
