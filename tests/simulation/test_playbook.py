"""The program scenarios: each shows its kind and breaks nothing, and one seed gives one run."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from _pytest.mark import ParameterSet

from ops.playbook.checks import common, shown
from ops.playbook.command import checks_of, failed, play_scenario
from ops.playbook.scenarios import SCENARIOS
from ops.playbook.summary import Summary
from supervisor import build_tree
from tests.simulation.playbook import TWO_HOURS_S, play_elsewhere, play_named

SHORT_S = 60.0
LONG_S = 600.0  # what needs longer to show itself belongs to the night


def _by_length(name: str) -> ParameterSet:
    is_long = SCENARIOS[name].shows_after_s <= LONG_S
    return pytest.param(name, marks=pytest.mark.long if is_long else pytest.mark.nightly)


@pytest.fixture(scope="module")
def games() -> Summary:
    return play_named("daily-games", SHORT_S)


def test_a_wrong_name_is_told_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert play_scenario("nobody", hours=2.0, seed=1, build_tree=build_tree) == 64
    assert "daily-games, scored, incentives" in capsys.readouterr().err


def test_a_run_too_short_to_show_anything_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert play_scenario("scored", hours=0.01, seed=1, build_tree=build_tree) == 64
    assert "at least a minute" in capsys.readouterr().err


def test_the_games_of_today_are_found_and_quoted(games: Summary) -> None:
    assert failed(games) == ()
    held = {check.says: check.holds for check in shown(games)}
    assert held["exactly the games of today were found"]
    assert held["each was quoted on both sides"]
    assert games.fills


def test_a_short_run_is_not_asked_for_what_takes_longer(games: Summary) -> None:
    assert not all(check.holds for check in shown(games))
    assert {check.says for check in checks_of(games)}.isdisjoint(check.says for check in shown(games))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"violations": ("I8",)}, "no invariant was broken"),
        ({"crashes": 1}, "no actor crashed"),
        ({"unexplained_e6": 1}, "the exchange's cash is explained to the unit"),
        ({"books_differ": "one and two"}, "the bot's books are the exchange's"),
        ({"verdict": "not flat"}, "it left verified flat"),
        ({"left_resting": ("order",)}, "nothing rests at the end or half a minute later"),
    ],
)
def test_whatever_may_never_be_is_found(games: Summary, changes: dict[str, Any], says: str) -> None:
    assert failed(attrs.evolve(games, **changes)) == (says,)


def test_a_position_beyond_its_limit_is_found(games: Summary) -> None:
    scenario = SCENARIOS["daily-games"]
    limit_e2 = scenario.settings.markets.max_position_e2
    for largest_e2, holds in ((limit_e2, True), (limit_e2 + 1, False)):
        first, *others = games.markets
        summary = attrs.evolve(games, markets=(attrs.evolve(first, largest_e2=largest_e2), *others))
        found = {check.says: check.holds for check in common(scenario, summary)}
        assert found["no position passed its program's limit"] is holds


@pytest.mark.parametrize("name", [_by_length(name) for name in SCENARIOS])
def test_a_scenario_shows_its_kind(name: str) -> None:
    summary = play_named(name, SCENARIOS[name].shows_after_s)
    assert len(checks_of(summary)) > len(common(SCENARIOS[name], summary))
    assert failed(summary) == ()


@pytest.mark.long
def test_another_hash_seed_gives_the_same_run() -> None:
    here = play_named("touch-inventory", SHORT_S)
    assert all(play_elsewhere("touch-inventory", SHORT_S, hash_seed) == here for hash_seed in ("1", "2"))


@pytest.mark.nightly
@pytest.mark.parametrize("name", SCENARIOS)
def test_two_hours_show_everything_and_repeat(name: str) -> None:
    first, second = (play_elsewhere(name, TWO_HOURS_S, hash_seed) for hash_seed in ("1", "2"))
    assert failed(first) == ()
    assert first == second
