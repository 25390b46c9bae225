"""I1: a real bot killed at random moments leaves no order after the next start or sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.kill_campaign import run_campaign

pytestmark = pytest.mark.process


@pytest.mark.parametrize("kills", [3, pytest.param(25, marks=pytest.mark.long)])
def test_nothing_is_left_after_kills_at_random_moments(tmp_path: Path, kills: int) -> None:
    said: list[str] = []
    assert run_campaign(kills, 7, tmp_path, said.append) == 0, "\n".join(said)
