"""The score of resting orders in one snapshot, under both rules of the liquidity program, as pure arithmetic.

YES bids and NO bids are scored apart; a YES ask is a NO bid at one dollar less its price. Per side:

1. The reference is the best bid (best-bid rule; a best bid of 99 cents or more qualifies nobody), or the first level
   where the cumulative size reaches a fifth of the target (depth rule).
2. At or better than the reference an order scores its size; each tick worse multiplies by the discount factor. A part
   of a tick counts as a whole one.
3. Levels count from the best down to the one that reaches the target, which is included; nothing behind it does.
   Where the size on the side never reaches the target, nobody qualifies.
4. A side's share is own score over everybody's. A snapshot counts only if both sides reach the target.

Own and others' sizes come apart, as a strategy holds them. Where the boundary level counts only up to the target,
others are taken to stand before us.

Shares are floats: they are estimates of what others will compute, never money.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4, complement
from kalshi.types import Level, Side
from quant.rewards.terms import LiquidityTerms, Rule

NEAR_CERTAIN_E4: Final = 9_900
REFERENCE_PART: Final = 5  # the depth rule measures from where a fifth of the target is reached
_FULL_BPS: Final = 10_000.0


@attrs.frozen(kw_only=True)
class SideScore:
    """One side of a snapshot. Prices are those of the side's own bids, sizes in contracts times discount."""

    own: float
    total: float
    reaches_target: bool
    reference_e4: PriceE4 | None = None

    @property
    def share(self) -> float:
        """Our part of the side, 0 to 1."""
        return self.own / self.total if self.total > 0 else 0.0


@attrs.frozen(kw_only=True)
class SnapshotScore:
    """Both sides of a snapshot."""

    yes: SideScore
    no: SideScore

    @property
    def is_valid(self) -> bool:
        """Whether the snapshot counts at all."""
        return self.yes.reaches_target and self.no.reaches_target

    @property
    def share(self) -> float:
        """Our parts of both sides added, 0 to 2; 0 where the snapshot does not count."""
        return self.yes.share + self.no.share if self.is_valid else 0.0


def as_bids(levels: Iterable[Level], side: Side) -> tuple[Level, ...]:
    """Returns levels of the YES book's `side` as bids of their own outcome: asks become NO bids."""
    if side is Side.BID:
        return tuple(levels)
    return tuple(Level(price_e4=complement(level.price_e4), count_e2=level.count_e2) for level in levels)


# One price of a side: the price, what others have there, and what we have. A plain tuple, because a decision scores
# some dozens of candidates.
_Rung = tuple[PriceE4, int, int]


def score_side(others: Sequence[Level], own: Sequence[Level], terms: LiquidityTerms) -> SideScore:
    """Returns our score on one side; both arguments are bids of that side in any order, zero sizes are ignored."""
    rungs = _merged(others, own)
    nobody = SideScore(own=0.0, total=0.0, reaches_target=False)
    if sum(others_e2 + own_e2 for _, others_e2, own_e2 in rungs) < terms.target_e2:
        return nobody
    reference_e4 = _reference(rungs, terms)
    if reference_e4 is None:
        return attrs.evolve(nobody, reaches_target=True)
    own_score = total = 0.0
    walked_e2 = 0
    for price_e4, others_e2, own_e2 in rungs:
        room_e2 = terms.target_e2 - walked_e2
        if room_e2 <= 0:
            break
        walked_e2 += others_e2 + own_e2
        weight = weight_of(reference_e4 - price_e4, terms)
        if not terms.boundary_counts_whole:
            counted_others_e2 = min(others_e2, room_e2)
            counted_own_e2 = min(own_e2, room_e2 - counted_others_e2)
        else:
            counted_others_e2, counted_own_e2 = others_e2, own_e2
        own_score += weight * counted_own_e2 / 100
        total += weight * (counted_own_e2 + counted_others_e2) / 100
    return SideScore(own=own_score, total=total, reaches_target=True, reference_e4=reference_e4)


def score_snapshot(
    bids: Sequence[Level],
    asks: Sequence[Level],
    own_bids: Sequence[Level],
    own_asks: Sequence[Level],
    terms: LiquidityTerms,
) -> SnapshotScore:
    """Returns our score in a book on the YES leg whose `bids` and `asks` are those of others."""
    return SnapshotScore(
        yes=score_side(bids, own_bids, terms),
        no=score_side(as_bids(asks, Side.ASK), as_bids(own_asks, Side.ASK), terms),
    )


def _merged(others: Iterable[Level], own: Iterable[Level]) -> list[_Rung]:
    """Returns the side's prices with something on them, best first."""
    theirs: dict[PriceE4, int] = {}
    mine: dict[PriceE4, int] = {}
    for level in others:
        theirs[level.price_e4] = theirs.get(level.price_e4, 0) + level.count_e2
    for level in own:
        mine[level.price_e4] = mine.get(level.price_e4, 0) + level.count_e2
    rungs = [(price, theirs.get(price, 0), mine.get(price, 0)) for price in theirs.keys() | mine.keys()]
    return sorted((rung for rung in rungs if rung[1] + rung[2] > 0), reverse=True)


def _reference(rungs: Sequence[_Rung], terms: LiquidityTerms) -> PriceE4 | None:
    if terms.rule is Rule.BEST_BID:
        return rungs[0][0] if rungs[0][0] < NEAR_CERTAIN_E4 else None
    walked_e2 = 0
    for price_e4, others_e2, own_e2 in rungs:
        walked_e2 += others_e2 + own_e2
        if walked_e2 * REFERENCE_PART >= terms.target_e2:
            return price_e4
    return None


def weight_of(below_e4: int, terms: LiquidityTerms) -> float:
    """Returns the discount of a price `below_e4` worse than the reference; 1 at or better than it."""
    ticks = -(-below_e4 // terms.tick_e4) if below_e4 > 0 else 0
    return float((terms.discount_bps / _FULL_BPS) ** ticks)


def total_size_e2(levels: Iterable[Level]) -> CountE2:
    """Returns what rests on a side, in 1/100 contract."""
    return CountE2(sum(level.count_e2 for level in levels))
