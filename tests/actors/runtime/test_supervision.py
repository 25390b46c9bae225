"""The policy of supervision at its boundaries, and against a reference model written from OTP's words (I14)."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actors.runtime.supervision import (
    Action,
    BackOff,
    Exit,
    Restart,
    RestartHistory,
    RestartPolicy,
    RestartWindow,
    Verdict,
)
from tests.actors.runtime.reference_model import PolicyModel

STEADY = BackOff(jitter=0.0)


def crash(name: str = "a", **changes: Any) -> Exit:
    facts: dict[str, Any] = {"name": name, "restart": Restart.PERMANENT, "has_crashed": True, "ran_s": 0.0}
    return Exit(**(facts | changes))


def policy_of(max_restarts: int = 3, quarantine: RestartWindow | None = None) -> RestartPolicy:
    return RestartPolicy(window=RestartWindow(max_restarts, 300.0), back_off=STEADY, quarantine=quarantine)


def decide(policy: RestartPolicy, exit_: Exit, now_s: float = 0.0) -> Verdict:
    return policy.decide(exit_, now_s=now_s, chance=0.5)


# The window.


@pytest.mark.parametrize("allowed", [0, 1, 3, 10])
def test_exactly_n_restarts_are_allowed_and_one_more_escalates(allowed: int) -> None:
    """I14, at the boundary."""
    policy = policy_of(allowed)
    for _ in range(allowed):
        assert decide(policy, crash()).action is Action.RESTART
    verdict = decide(policy, crash())
    assert verdict.action is Action.ESCALATE
    assert verdict.reason == f"children restarted more than {allowed} times in 300 s"


def test_the_budget_is_the_supervisors_and_not_the_childs() -> None:
    policy = policy_of(3)
    actions = [decide(policy, crash(name)).action for name in "abcd"]
    assert actions == [Action.RESTART] * 3 + [Action.ESCALATE]


@pytest.mark.parametrize(("age_s", "action"), [(300.0, Action.ESCALATE), (300.001, Action.RESTART)])
def test_a_restart_counts_until_it_is_older_than_the_window(age_s: float, action: Action) -> None:
    policy = policy_of(1)
    decide(policy, crash(), 0.0)
    assert decide(policy, crash(), age_s).action is action


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_restarts"):
        RestartWindow(-1, 1.0)
    with pytest.raises(ValueError, match="within_s"):
        RestartWindow(1, 0.0)


def test_the_history_forgets_what_has_left_the_window() -> None:
    history = RestartHistory(RestartWindow(2, 10.0))
    assert [history.add(now_s) for now_s in (0.0, 5.0, 10.0, 10.0)] == [False, False, True, True]
    assert history.count(20.5) == 0


@given(st.integers(0, 4), st.lists(st.floats(0, 20), max_size=30))
def test_the_history_agrees_with_counting_all_restarts_of_the_window(allowed: int, gaps_s: list[float]) -> None:
    history = RestartHistory(RestartWindow(allowed, 30.0))
    all_s: list[float] = []
    now_s = 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        all_s.append(now_s)
        within = [one_s for one_s in all_s if now_s - one_s <= 30.0]
        assert history.add(now_s) is (len(within) > allowed)


# Restart types.


@pytest.mark.parametrize(
    ("restart", "has_crashed", "action"),
    [
        (Restart.PERMANENT, True, Action.RESTART),
        (Restart.PERMANENT, False, Action.RESTART),
        (Restart.TRANSIENT, True, Action.RESTART),
        (Restart.TRANSIENT, False, Action.LEAVE),
        (Restart.TEMPORARY, True, Action.LEAVE),
        (Restart.TEMPORARY, False, Action.LEAVE),
    ],
)
def test_restart_types_mean_what_they_mean_in_otp(restart: Restart, has_crashed: bool, action: Action) -> None:
    assert decide(policy_of(), crash(restart=restart, has_crashed=has_crashed)).action is action


def test_a_permanent_child_that_returns_is_restarted_and_called_a_bug() -> None:
    assert "bug" in decide(policy_of(), crash(has_crashed=False)).reason


@pytest.mark.parametrize(
    ("restart", "action"), [(Restart.PERMANENT, Action.RESTART), (Restart.TRANSIENT, Action.LEAVE)]
)
def test_a_supervisor_that_gave_up_is_restarted_only_when_permanent(restart: Restart, action: Action) -> None:
    assert decide(policy_of(), crash(restart=restart, has_given_up=True)).action is action


def test_an_exit_that_leads_to_no_restart_costs_no_budget() -> None:
    policy = policy_of(1)
    for _ in range(5):
        decide(policy, crash(restart=Restart.TEMPORARY))
        decide(policy, crash(restart=Restart.TRANSIENT, has_crashed=False))
    assert decide(policy, crash()).action is Action.RESTART


@pytest.mark.parametrize("restart", list(Restart))
def test_fatal_errors_and_boot_failures_escalate_whatever_the_restart_type(restart: Restart) -> None:
    assert decide(policy_of(), crash(restart=restart, is_fatal=True)).action is Action.ESCALATE
    assert decide(policy_of(), crash(restart=restart, is_boot_failure=True)).action is Action.ESCALATE


# Back-off.


def test_back_off_starts_at_nothing_and_doubles_to_its_ceiling() -> None:
    delays_s = [BackOff().delay_s(attempt, 0.5) for attempt in range(1, 11)]
    assert delays_s == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_back_off_of_a_huge_attempt_is_the_ceiling_and_does_not_overflow() -> None:
    assert BackOff().delay_s(1_000_000, 0.5) == 30.0


@given(st.integers(2, 50), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_fifth_either_way(attempt: int, chance: float) -> None:
    plain_s = STEADY.delay_s(attempt, 0.0)
    assert 0.8 * plain_s <= BackOff().delay_s(attempt, chance) <= 1.2 * plain_s


def test_a_healthy_run_makes_the_next_restart_a_first_one() -> None:
    policy = policy_of(100)
    delays_s = [decide(policy, crash(ran_s=ran_s)).delay_s for ran_s in (0, 30.0, 1, 30.001, 1)]
    assert delays_s == [0.0, 0.5, 1.0, 0.0, 0.5]


def test_what_is_healthy_can_be_set() -> None:
    assert BackOff(healthy_after_s=5.0).was_healthy(5.1)
    assert not BackOff(healthy_after_s=5.0).was_healthy(5.0)


# Quarantine.

QUARANTINE = RestartWindow(2, 60.0)


def test_a_child_over_its_own_window_is_quarantined_alone() -> None:
    policy = policy_of(10, QUARANTINE)
    actions = [decide(policy, crash("a")).action for _ in range(4)]
    assert actions == [Action.RESTART, Action.RESTART, Action.QUARANTINE, Action.QUARANTINE]
    assert decide(policy, crash("b")).action is Action.RESTART


def test_a_quarantine_spends_none_of_the_supervisors_budget() -> None:
    policy = policy_of(3, QUARANTINE)
    actions = [decide(policy, crash(name)).action for name in "aaab"]
    assert actions == [Action.RESTART, Action.RESTART, Action.QUARANTINE, Action.RESTART]
    assert decide(policy, crash("c")).action is Action.ESCALATE


def test_removing_and_adding_a_child_gives_no_clean_slate_while_its_crashes_are_recent() -> None:
    policy = policy_of(10, QUARANTINE)
    decide(policy, crash("a"), 0.0)
    decide(policy, crash("a"), 1.0)
    policy.depart("a", 2.0)
    policy.arrive("a")
    assert decide(policy, crash("a"), 60.0).action is Action.QUARANTINE


def test_the_back_off_of_a_removed_child_begins_anew() -> None:
    policy = policy_of(10, RestartWindow(5, 60.0))
    decide(policy, crash("a"), 0.0)
    policy.depart("a", 1.0)
    assert decide(policy, crash("a"), 2.0).delay_s == 0.0


def test_what_is_known_of_removed_children_is_dropped_when_their_window_is_over() -> None:
    """I11: a market supervisor sees ever new tickers."""
    policy = policy_of(10_000, QUARANTINE)
    for number in range(100):
        decide(policy, crash(f"market:{number}"), float(number))
        policy.depart(f"market:{number}", float(number))
    policy.depart("market:never crashed", 1_000.0)
    assert policy._records == {}
    assert policy._departed == set()


def test_without_quarantine_nothing_is_kept_of_a_removed_child() -> None:
    policy = policy_of()
    decide(policy, crash("a"))
    policy.depart("a", 0.0)
    assert policy._records == {}


# The whole, against a model.


exits = st.builds(
    Exit,
    name=st.sampled_from("abc"),
    restart=st.sampled_from(list(Restart)),
    has_crashed=st.booleans(),
    is_fatal=st.integers(0, 30).map(lambda number: number == 0),
    has_given_up=st.integers(0, 9).map(lambda number: number == 0),
    ran_s=st.sampled_from([0.0, 5.0, 30.0, 31.0]),
)


@given(st.integers(0, 6), st.integers(1, 5), st.lists(st.tuples(exits, st.sampled_from([0.0, 1.0, 9.5, 30.0]))))
def test_the_policy_agrees_with_the_reference_model(
    allowed: int, tolerated: int, history: list[tuple[Exit, float]]
) -> None:
    policy = RestartPolicy(
        window=RestartWindow(allowed, 60.0), back_off=STEADY, quarantine=RestartWindow(tolerated, 40.0)
    )
    model = PolicyModel(allowed, 60.0, (tolerated, 40.0))
    now_s = 0.0
    for exit_, gap_s in history:
        now_s += gap_s
        verdict = policy.decide(exit_, now_s=now_s, chance=0.5)
        assert (verdict.action, verdict.delay_s) == model.decide(exit_, now_s)
