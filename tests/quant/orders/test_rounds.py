"""Which markets are planned for, and when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quant.orders.rounds import (
    ALARMS_PER_MARKET_MAX,
    LIST_EVERY_MAX_S,
    LIST_EVERY_S,
    WHOLE_EVERY_S,
    Rounds,
    list_again_after_s,
)

NAMES = ["A", "B", "C"]


@pytest.mark.parametrize(
    ("doubt_s", "after_s"), [(0.0, LIST_EVERY_S), (2.0, 0.5), (6.0, 1.5), (12.0, 3.0), (600.0, LIST_EVERY_MAX_S)]
)
def test_an_old_doubt_is_listed_more_rarely(doubt_s: float, after_s: float) -> None:
    assert list_again_after_s(doubt_s) == after_s


def planned_once() -> Rounds:
    """All planned at 0 s, all asleep for long."""
    rounds = Rounds()
    assert sorted(rounds.due(NAMES, 0.0)) == NAMES
    for name in NAMES:
        rounds.sleep(name, 100.0)
    return rounds


def test_what_nothing_happened_to_sleeps() -> None:
    assert planned_once().due(NAMES, 0.5) == []


def test_what_something_happened_to_is_due_once() -> None:
    rounds = planned_once()
    rounds.touch(["B"])
    assert rounds.due(NAMES, 0.1) == ["B"]
    assert rounds.due(NAMES, 0.2) == []


def test_what_is_not_among_the_desks_markets_is_not_due() -> None:
    rounds = planned_once()
    rounds.touch(["Z"])
    assert rounds.due(NAMES, 0.1) == []


def test_a_market_wakes_when_its_time_has_come() -> None:
    rounds = planned_once()
    rounds.sleep("C", 0.3)
    assert rounds.due(NAMES, 0.2) == []
    assert rounds.due(NAMES, 0.3) == ["C"]


def test_a_new_market_is_due_at_once() -> None:
    assert planned_once().due([*NAMES, "D"], 0.1) == ["D"]


def test_what_happens_to_all_makes_all_due() -> None:
    rounds = planned_once()
    rounds.touch_all()
    assert sorted(rounds.due(NAMES, 0.1)) == NAMES


def test_all_are_planned_now_and_then_whatever_happens() -> None:
    rounds = planned_once()
    assert sorted(rounds.due(NAMES, WHOLE_EVERY_S)) == NAMES
    assert rounds.due(NAMES, WHOLE_EVERY_S + 0.5) == []


def test_a_market_that_sleeps_until_now_is_due_at_every_round() -> None:
    """As one with an exit is: a virtual clock may stand still between two rounds."""
    rounds = planned_once()
    for _ in range(3):
        rounds.sleep(NAMES[0], 0.5)
        assert rounds.due(NAMES, 0.5) == [NAMES[0]]


def test_what_was_put_off_is_forgotten() -> None:
    rounds = planned_once()
    for turn in range(1_000):
        rounds.sleep(NAMES[turn % 2], 1.0 + turn)
    assert len(rounds._alarms) <= ALARMS_PER_MARKET_MAX * len(NAMES) + 1


def test_another_market_is_first_every_time() -> None:
    rounds = Rounds()
    firsts = set()
    for turn in range(3):
        rounds.touch_all()
        firsts.add(rounds.due(NAMES, float(turn))[0])
    assert firsts == set(NAMES)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["touch", "sleep", "due", "new", "gone"]), st.sampled_from(NAMES), st.integers(0, 8)),
        max_size=40,
    )
)
def test_whoever_was_touched_or_has_slept_enough_is_due_and_nobody_else(steps: list[tuple[str, str, int]]) -> None:
    """The reference looks at every market every time, and has all planned at the same moments."""
    rounds, present, now_s = Rounds(), list(NAMES), 0.0
    wakes_s: dict[str, float] = {}
    touched: set[str] = set()
    whole_at_s = -1.0
    for step, name, number in steps:
        match step:
            case "touch":
                rounds.touch([name])
                touched.add(name)
            case "sleep":
                wakes_s[name] = now_s + number / 8
                rounds.sleep(name, wakes_s[name])
            case "new" if name not in present:
                present = [*present, name]
            case "gone" if name in present:
                present = [one for one in present if one != name]
            case _:
                now_s += number / 16
                expected = {one for one in present if one in touched or wakes_s.get(one, 0.0) <= now_s}
                if now_s >= whole_at_s:
                    whole_at_s, expected = now_s + WHOLE_EVERY_S, set(present)
                touched.clear()
                due = rounds.due(list(present), now_s)
                assert sorted(due) == sorted(expected)
                for one in due:  # the desk puts to sleep whom it has planned
                    wakes_s[one] = now_s + 0.3
                    rounds.sleep(one, wakes_s[one])
