"""The shadow accrual: what our resting orders would have earned so far, from the snapshots that we took ourselves.

It is an estimate beside the books, never in them: models of this kind have promised two to eight times what was
paid. The exchange takes one snapshot per second at a moment of its own; ours are taken when the caller can.

1. A snapshot of ours stands for the time since the one before it, but for `span_max_s` at most: nobody knows what
   rested in a longer gap, so that it earns nothing. The first one stands for one second.
2. Earned so far is reward x sum of shares / (2 x seconds of the whole period). Where dropped snapshots do not shrink
   the pool, the seconds are only that part of the period in which, by what we saw, snapshots counted.
3. Snapshots outside of the period, and ones that do not go forward in time, change nothing.

The accrual is a frozen value that can be stored and given back.
"""

from __future__ import annotations

from typing import Final

import attrs

from quant.rewards.scoring import SnapshotScore
from quant.rewards.terms import LiquidityTerms

SPAN_MAX_S: Final = 5.0  # the quoting freeze: without a book for longer our orders are on their way out
_FIRST_SPAN_S: Final = 1.0
_SIDES: Final = 2


@attrs.frozen(kw_only=True)
class Accrual:
    """The sums of one program's snapshots, in seconds; `share_s` is share (0 to 2) times seconds."""

    program_id: str
    last_ms: int | None = None
    seen_s: float = 0.0
    valid_s: float = 0.0
    share_s: float = 0.0

    @property
    def presence(self) -> float:
        """The mean share (0 to 2) over the seconds that counted; 0 before any did."""
        return self.share_s / self.valid_s if self.valid_s > 0 else 0.0


def observe(
    accrual: Accrual, score: SnapshotScore, now_ms: int, terms: LiquidityTerms, span_max_s: float = SPAN_MAX_S
) -> Accrual:
    """Returns the accrual after a snapshot of ours at exchange time `now_ms`.

    Raises ValueError where the terms are those of another program.
    """
    if terms.program_id != accrual.program_id:
        raise ValueError(f"an accrual of {accrual.program_id} was given terms of {terms.program_id}")
    if not terms.is_running(now_ms) or (accrual.last_ms is not None and now_ms <= accrual.last_ms):
        return accrual
    since_s = _FIRST_SPAN_S if accrual.last_ms is None else (now_ms - accrual.last_ms) / 1000
    span_s = min(since_s, span_max_s)
    return attrs.evolve(
        accrual,
        last_ms=now_ms,
        seen_s=accrual.seen_s + span_s,
        valid_s=accrual.valid_s + (span_s if score.is_valid else 0.0),
        share_s=accrual.share_s + score.share * span_s,
    )


def accrued_e6(accrual: Accrual, terms: LiquidityTerms) -> float:
    """Returns what has been earned so far in 1/1,000,000 dollar, before caps and the least payout."""
    if accrual.valid_s <= 0:
        return 0.0
    pool_s = terms.period_s
    if not terms.dropped_snapshots_shrink_pool:
        pool_s *= accrual.valid_s / accrual.seen_s
    earned = terms.period_reward_e6 * accrual.share_s / (_SIDES * pool_s)
    return min(earned, float(terms.period_reward_e6))
