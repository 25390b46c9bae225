"""I4, I5, I6: a real bot that is killed again and again counts as one that never was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.money_campaign import run_campaign

pytestmark = pytest.mark.process


@pytest.mark.long
def test_killed_at_random_moments_its_money_stays_the_exchanges(tmp_path: Path) -> None:
    assert run_campaign(6, 1, tmp_path, print) > 0, "there was nothing to miscount"
