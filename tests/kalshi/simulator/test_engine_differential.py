"""The matching engine against the slow reference: a million seeded operations, state equal after each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.kalshi.simulator.engine_duel import _KINDS, TICKERS, Duel, run_duel

# What the operations must have met, or the comparison would be of nothing.
_OUTCOMES = (
    "create",
    "create AMEND",
    "cancel",
)


def test_twenty_thousand_operations_agree() -> None:
    counts = run_duel(1, 10_000)
    for outcome in (
        "create",
        "create insufficient_balance",
        "create insufficient_shard_balance",
        "create fill_or_kill_insufficient_resting_volume",
        "create order_already_exists",
        "create exceeded_order_group_risk_limit",
        "create invalid_price",
        "create trading_is_paused",
        "create market_inactive",
        "amend",
        "amend AMEND_ORDER_NO_OP",
        "amend insufficient_balance",
        "decrease",
        "cancel",
        "cancel not_found",
        "cancel_all",
        "trigger",
        "reset",
        "limit",
        "delete",
    ):
        assert counts.get(outcome, 0) > 0, (outcome, counts)
