"""The rule of a program follows from its start, unless a person says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kalshi.numbers import CountE2, MoneyE6
from quant.rewards.terms import DEPTH_RULE_FROM_MS, Rule, RuleChoice, rule_of
from tests.quant.rewards.builders import HOUR_MS, START_MS, TERMS, with_


def test_the_depth_rule_begins_on_the_thirtieth_of_july() -> None:
    assert datetime(2026, 7, 30, tzinfo=UTC).timestamp() * 1000 == DEPTH_RULE_FROM_MS


@pytest.mark.parametrize(
    ("start_ms", "choice", "rule"),
    [
        (DEPTH_RULE_FROM_MS - 1, RuleChoice.BY_DATE, Rule.BEST_BID),
        (DEPTH_RULE_FROM_MS, RuleChoice.BY_DATE, Rule.DEPTH),
        (DEPTH_RULE_FROM_MS - 1, RuleChoice.DEPTH, Rule.DEPTH),
        (DEPTH_RULE_FROM_MS, RuleChoice.BEST_BID, Rule.BEST_BID),
    ],
)
def test_the_rule_follows_the_date_or_the_switch(start_ms: int, choice: RuleChoice, rule: Rule) -> None:
    assert rule_of(start_ms, choice) is rule


@pytest.mark.parametrize(
    ("earned_e6", "paid_e6"),
    [(0.0, 0), (999_999.0, 0), (1_000_000.0, 1_000_000), (1_019_999.9, 1_010_000), (250_000_000.0, 250_000_000)],
)
def test_under_the_depth_rule_nothing_under_a_dollar_is_paid_and_the_rest_to_the_cent(
    earned_e6: float, paid_e6: int
) -> None:
    assert TERMS.payout_e6(earned_e6) == paid_e6


@pytest.mark.parametrize(("earned_e6", "paid_e6"), [(9_999.0, 0), (10_000.0, 10_000), (999_999.0, 990_000)])
def test_under_the_best_bid_rule_a_cent_is_paid_already(earned_e6: float, paid_e6: int) -> None:
    assert with_(rule_choice=RuleChoice.BEST_BID).payout_e6(earned_e6) == paid_e6


def test_an_account_gets_no_more_than_its_cap() -> None:
    assert with_(account_reward_max_e6=MoneyE6(5_005_000)).payout_e6(80_000_000.0) == 5_000_000


def test_a_program_runs_from_its_start_to_just_before_its_end() -> None:
    running = [START_MS - 1, START_MS, START_MS + HOUR_MS - 1, START_MS + HOUR_MS]
    assert [TERMS.is_running(now_ms) for now_ms in running] == [False, True, True, False]


@pytest.mark.parametrize("changes", [{"target_e2": CountE2(0)}, {"discount_bps": -1}, {"discount_bps": 10_001}])
def test_terms_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        with_(**changes)
