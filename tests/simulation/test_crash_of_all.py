"""I10: 150 positions fall within a second, a tenth of the calls fails, the mailboxes are full: every exit leaves."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from tests.simulation.crash_stage import FAILING, POSITIONS, Crash, Write, run_crash

EXITS_WITHIN_S = 1.0
SETTLES_S = 0.6  # until a fall is heard of and its claim is with the desk, and what the desk has handed over has left
ROUND_S = 0.2
TOKENS_PER_S, BUCKET, COST_EXIT, COST_CANCEL = 100.0, 100.0, 10, 2  # of tier basic, as its limits say


@pytest.fixture(scope="module")
def expert() -> Crash:
    return run_crash("expert", seed=1, until_s=8.0)


@pytest.fixture(scope="module")
def basic() -> Crash:
    return run_crash("basic", seed=1, until_s=25.0)


def until_the_last(crash: Crash) -> list[Write]:
    """The writes from the first fall to the moment when each market has had its exit."""
    began_s, ended_s = min(crash.fallen_s.values()), crash.first_exits()[-1].at_s
    return [write for write in crash.writes if began_s <= write.at_s <= ended_s]


@pytest.mark.long
@pytest.mark.parametrize("tier", ["expert", "basic"])
def test_every_position_is_closed_by_exits_that_only_reduce(tier: str, request: pytest.FixtureRequest) -> None:
    crash: Crash = request.getfixturevalue(tier)
    assert len(crash.fallen_s) == POSITIONS
    assert len(crash.first_exits()) == POSITIONS
    failed = Counter(write.exit_id for write in crash.writes if write.exit_id)
    assert sum(map(len, map(crash.exits, crash.fallen_s))) - POSITIONS > POSITIONS * FAILING / 4, "calls did fail"
    for ticker in crash.fallen_s:
        held = crash.positions[ticker]
        assert held[-1] == 0, (ticker, held)
        assert min(held) >= 0, f"{ticker} was turned round: {held}"
        asked = {write.exit_id: write.count_e2 for write in crash.exits(ticker)}
        # One quote may have been filled in the fall; of what was held then, nothing was sold twice.
        assert max(held) <= sum(asked.values()) <= max(held) + max(asked.values()), (ticker, held, asked)
    assert max(failed.values()) <= 5, "an exit of unknown fate is repeated under its own id"


@pytest.mark.long
@pytest.mark.parametrize("tier", ["expert", "basic"])
def test_no_price_is_read_over_rest_and_no_call_is_refused_for_its_rate(
    tier: str, request: pytest.FixtureRequest
) -> None:
    crash: Crash = request.getfixturevalue(tier)
    assert crash.quotes_before >= 20, "the bot was quoting"
    assert crash.price_reads == 0
    assert crash.refused_429 == 0


@pytest.mark.long
def test_on_tier_expert_every_exit_leaves_within_a_second(expert: Crash) -> None:
    late = {w.ticker: w.at_s - expert.fallen_s[w.ticker] for w in expert.first_exits()}
    assert max(late.values()) <= EXITS_WITHIN_S, sorted(late.values())[-5:]


@pytest.mark.long
def test_on_tier_basic_no_token_goes_to_anything_but_exits_cancels_and_fences(basic: Crash) -> None:
    waited = [w for w in until_the_last(basic) if w.at_s > min(basic.fallen_s.values()) + SETTLES_S]
    others = [write for write in waited if not (write.exit_id or write.is_cancel or write.is_fence)]
    assert others == []


@pytest.mark.long
def test_on_tier_basic_exits_leave_as_fast_as_the_bucket_allows(basic: Crash) -> None:
    writes = until_the_last(basic)
    took_s = writes[-1].at_s - writes[0].at_s
    spent = sum(COST_CANCEL if write.is_cancel else COST_EXIT for write in writes)
    assert spent >= 0.95 * TOKENS_PER_S * took_s, "tokens were left unused"
    assert spent <= BUCKET + TOKENS_PER_S * (took_s + SETTLES_S)


@pytest.mark.long
def test_on_tier_basic_exits_leave_in_the_order_of_loss(basic: Crash) -> None:
    first = basic.first_exits()
    loss_e6 = {w.ticker: basic.loss_e4[w.ticker] * max(basic.positions[w.ticker]) for w in first}
    for earlier, later in combinations(first, 2):
        is_of_one_round = later.at_s - earlier.at_s < ROUND_S  # the Wire's tasks take turns as they like
        if loss_e6[later.ticker] > loss_e6[earlier.ticker] and not is_of_one_round:
            known_s = earlier.at_s - basic.fallen_s[later.ticker]
            assert known_s < SETTLES_S, f"{earlier.ticker} went before {later.ticker}, which had fallen {known_s} s ago"
