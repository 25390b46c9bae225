"""Programs and books as the worked examples write them: cents and contracts."""

from __future__ import annotations

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Level
from quant.rewards.scoring import SideScore, SnapshotScore
from quant.rewards.terms import DEPTH_RULE_FROM_MS, LiquidityTerms

START_MS = DEPTH_RULE_FROM_MS + 86_400_000
HOUR_MS = 3_600_000

# A hundred dollars over one hour, so that a full share of both sides earns 100 / 3,600 dollars per second.
TERMS = LiquidityTerms(
    program_id="P",
    ticker="T",
    start_ms=START_MS,
    end_ms=START_MS + HOUR_MS,
    period_reward_e6=MoneyE6(100_000_000),
    target_e2=CountE2(100_000),
)


def with_(**changes: object) -> LiquidityTerms:
    return attrs.evolve(TERMS, **changes)  # type: ignore[arg-type]


def bids(**contracts_by_cents: int) -> tuple[Level, ...]:
    """`bids(c45=50, c44=300)`: fifty contracts at 45 cents and three hundred at 44."""
    return tuple(
        Level(price_e4=PriceE4(int(cents[1:]) * 100), count_e2=CountE2(contracts * 100))
        for cents, contracts in contracts_by_cents.items()
    )


def snapshot(yes_share: float, no_share: float, *, is_valid: bool = True) -> SnapshotScore:
    """A snapshot in which we have these shares."""
    return SnapshotScore(
        yes=SideScore(own=yes_share, total=1.0, reaches_target=is_valid),
        no=SideScore(own=no_share, total=1.0, reaches_target=True),
    )
