"""I1: a real bot killed at random moments leaves no order after the next start or sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.kill_campaign import run_campaign

pytestmark = pytest.mark.process
SEEDS_LONG = (110, 120, 126, 133, 140)  # of five kills each, among them one that left orders
SEED = 3  # two kills while quoting and one while booting


def kills_leave_nothing(folder: Path, kills: int, seed: int) -> None:
    said: list[str] = []
    tally = run_campaign(kills, seed, folder, said.append)
    assert tally.failed == 0, "\n".join(said)
    assert tally.rested > 0, "\n".join(said)  # or there was nothing to leave


def test_nothing_is_left_after_kills_at_random_moments(tmp_path: Path) -> None:
    kills_leave_nothing(tmp_path, 3, SEED)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS_LONG)
def test_nothing_is_left_after_many_kills_at_random_moments(tmp_path: Path, seed: int) -> None:
    kills_leave_nothing(tmp_path, 5, seed)
