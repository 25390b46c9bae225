"""A liquidity incentive program as scoring needs it: which of the two dated rules, and every figure of it.

1. Programs that start before 2026-07-30 measure from the best bid of the side. Later ones measure from the first
   level where the cumulative size reaches a fifth of the target. `RuleChoice` overrules the date, for when the terms
   change again before this code does.
2. `period_reward_e6` is for the whole period, never per day.
3. What the published terms leave open is a switch here: whether the level that reaches the target counts whole,
   what a tick is on a grid finer than a cent, and whether dropped snapshots shrink the pool. The defaults follow the
   worked examples, and where there is none, what pays less.

Source: help-centre article 13823851 as read on 2026-10-01; CFTC filings of August 2025 and February 2026.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from kalshi.numbers import CountE2, MoneyE6

DEPTH_RULE_FROM_MS: Final = 1_785_369_600_000  # 2026-07-30 00:00 UTC
_CENT_E6: Final = 10_000
_DOLLAR_E6: Final = 1_000_000
_FULL_BPS: Final = 10_000


class Rule(enum.Enum):
    """From where the distance of an order is measured."""

    BEST_BID = "best bid"
    DEPTH = "depth"


class RuleChoice(enum.Enum):
    """Whether the start of the program decides about the rule, or a person does."""

    BY_DATE = "by date"
    BEST_BID = "best bid"
    DEPTH = "depth"


@attrs.frozen(kw_only=True)
class TermsChoices:
    """How programs are read where the published terms leave it open; see `LiquidityTerms`."""

    rule_choice: RuleChoice = RuleChoice.BY_DATE
    tick_e4: int = attrs.field(default=100, validator=attrs.validators.gt(0))
    boundary_counts_whole: bool = True
    dropped_snapshots_shrink_pool: bool = True


def rule_of(start_ms: int, choice: RuleChoice) -> Rule:
    """Returns the rule of a program that starts at `start_ms` (exchange time)."""
    match choice:
        case RuleChoice.BY_DATE:
            return Rule.DEPTH if start_ms >= DEPTH_RULE_FROM_MS else Rule.BEST_BID
        case RuleChoice.BEST_BID:
            return Rule.BEST_BID
        case RuleChoice.DEPTH:
            return Rule.DEPTH


def _check_target(_: object, __: object, target_e2: CountE2) -> None:
    if target_e2 <= 0:
        raise ValueError(f"a program's target size must be above zero, found {target_e2}")


def _check_discount(_: object, __: object, discount_bps: int) -> None:
    if not 0 <= discount_bps <= _FULL_BPS:
        raise ValueError(f"a discount factor must lie in 0 to 10,000 basis points, found {discount_bps}")


@attrs.frozen(kw_only=True)
class LiquidityTerms:
    """One program of one market and period. Raises ValueError for a target or discount that makes no sense."""

    program_id: str
    ticker: str
    start_ms: int
    end_ms: int
    period_reward_e6: MoneyE6
    target_e2: CountE2 = attrs.field(validator=_check_target)
    discount_bps: int = attrs.field(default=5_000, validator=_check_discount)  # all but a handful of programs
    rule_choice: RuleChoice = RuleChoice.BY_DATE
    tick_e4: int = attrs.field(default=100, validator=attrs.validators.gt(0))  # a cent, as the terms' price difference
    boundary_counts_whole: bool = True
    dropped_snapshots_shrink_pool: bool = True
    account_reward_max_e6: MoneyE6 | None = None

    @property
    def rule(self) -> Rule:
        """The rule that holds for this program."""
        return rule_of(self.start_ms, self.rule_choice)

    @property
    def period_s(self) -> float:
        """The length of the period; at least one second, so that it may be divided by."""
        return max(1.0, (self.end_ms - self.start_ms) / 1000)

    @property
    def payout_min_e6(self) -> MoneyE6:
        """The least that is paid: one dollar under the depth rule, one cent before."""
        return MoneyE6(_DOLLAR_E6 if self.rule is Rule.DEPTH else _CENT_E6)

    def is_running(self, now_ms: int) -> bool:
        """Returns whether snapshots are taken at `now_ms`."""
        return self.start_ms <= now_ms < self.end_ms

    def payout_e6(self, earned_e6: float) -> MoneyE6:
        """Returns what is paid for an exact share of `earned_e6`: capped, cut to the cent, nothing under the least."""
        cap_e6 = self.account_reward_max_e6
        capped = earned_e6 if cap_e6 is None else min(earned_e6, cap_e6)
        cents_e6 = int(capped) // _CENT_E6 * _CENT_E6
        return MoneyE6(cents_e6 if cents_e6 >= self.payout_min_e6 else 0)
