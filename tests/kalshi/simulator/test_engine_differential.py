"""The matching engine against the slow reference: a million seeded operations, state equal after each.

What is compared, and how often, is said in `engine_duel`. The path is the one that REST uses: `OrderEntry`, `GroupDesk`
and `Lifecycle` on a real `ExchangeCore`, with every event heard.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.kalshi.simulator.engine_duel import KINDS, TICKERS, Duel, run_duel

# What a long enough run must have met: the refusals, the reasons for which orders change, and the ends of them.
OUTCOMES = (
    "create",
    "create exceeded_order_group_risk_limit",
    "create exchange_is_paused",
    "create fill_or_kill_insufficient_resting_volume",
    "create insufficient_balance",
    "create insufficient_shard_balance",
    "create invalid_order",
    "create invalid_order_size",
    "create invalid_parameters",
    "create invalid_price",
    "create market_inactive",
    "create order_already_exists",
    "create order_group_not_found",
    "create trading_is_paused",
    "amend",
    "amend AMEND_ORDER_NO_OP",
    "amend insufficient_balance",
    "amend invalid_amend_qty_for_order",
    "decrease",
    "cancel",
    "cancel not_found",
    "cancel_all",
    "trigger",
    "reset",
    "limit",
    "delete",
    "Trade",
    "Amend",
    "Decrease",
    "SelfTradeCancel",
    "ReduceOnlyCancel",
    "PostOnlyCrossCancel",
    "ExpiryCancel",
    "HaltCancel",
    "CloseCancel",
)


def _check_coverage(counts: dict[str, int]) -> None:
    assert [outcome for outcome in OUTCOMES if outcome not in counts] == []


def test_twenty_thousand_operations_agree() -> None:
    _check_coverage(run_duel(1, 20_000))


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_a_million_operations_agree(seed: int) -> None:
    """A quarter of a million each, so that several cores share the work."""
    _check_coverage(run_duel(seed, 250_000))


class Machine(RuleBasedStateMachine):
    """The same operations, chosen and shrunk by hypothesis."""

    duel: Duel

    @initialize(seed=st.integers(0, 63))
    def begin(self, seed: int) -> None:
        self.duel = Duel(seed)

    @rule(kind=st.sampled_from(["create", "create", "create", *KINDS]), rng=st.randoms(use_true_random=False))
    def act(self, kind: str, rng: random.Random) -> None:
        self.duel.rng = rng
        self.duel.do(kind)

    @rule()
    def look_at_everything(self) -> None:
        self.duel.compare_fully()

    def teardown(self) -> None:
        if hasattr(self, "duel"):
            self.duel.rng = random.Random(1)
            for ticker in TICKERS:
                self.duel.settle(ticker)


TestHypothesisAgrees = Machine.TestCase
TestHypothesisAgrees.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
