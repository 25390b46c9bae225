"""The program scenarios: each runs clean, and one seed gives one trace; two hours of each are `make nightly`'s."""

from __future__ import annotations

import pytest

from ops.playbook.command import defects, play_scenario
from ops.playbook.scenarios import SCENARIOS
from supervisor import build_tree
from tests.simulation.playbook import play_named
from tests.simulation.playbook_checks import CHECKS

SHORT_S = 60.0


def test_every_scenario_has_its_check() -> None:
    assert CHECKS.keys() == SCENARIOS.keys()


def test_a_wrong_name_is_told_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert play_scenario("nobody", hours=2.0, seed=1, build_tree=build_tree) == 64
    assert "daily-games, scored, incentives" in capsys.readouterr().err


def test_the_games_of_today_are_found_and_quoted_and_the_run_repeats() -> None:
    first, second = (play_named("daily-games", SHORT_S) for _ in range(2))
    assert defects(first) == ()
    assert first == second
    assert first.seen.sides
    assert all(ticker.startswith("KXNHLGAME-26SEP21") for ticker in first.seen.selected)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "daily-games"])
def test_a_scenario_breaks_nothing(name: str) -> None:
    assert defects(play_named(name, SHORT_S)) == ()
