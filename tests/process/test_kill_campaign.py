"""I1: a real bot killed at random moments leaves no order after the next start or sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.kill_campaign import run_campaign

pytestmark = pytest.mark.process
SEED = 3  # two kills while quoting and one while booting


@pytest.mark.parametrize(("kills", "seed"), [(3, SEED), pytest.param(25, 100, marks=pytest.mark.long)])
def test_nothing_is_left_after_kills_at_random_moments(tmp_path: Path, kills: int, seed: int) -> None:
    said: list[str] = []
    tally = run_campaign(kills, seed, tmp_path, said.append)
    assert tally.failed == 0, "\n".join(said)
    assert tally.rested > 0, "\n".join(said)  # or there was nothing to leave
