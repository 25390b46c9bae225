"""I4, I5, I6: a bot that dies again and again counts as one that never did."""

from __future__ import annotations

import pytest

from tests.simulation.money_storm import run_storm


@pytest.mark.long
def test_killed_twenty_times_its_money_is_that_of_an_uninterrupted_accounting() -> None:
    storm = run_storm(20, seed=7)
    assert storm.differences == ()
    assert storm.fills > 50
    assert storm.settled == 2
