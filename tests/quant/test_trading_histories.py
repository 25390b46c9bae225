"""I5, I6: positions, cash, fees and profit equal the exchange's own account to the unit, at every event."""

from __future__ import annotations

import pytest

from tests.quant.trading_histories import run_histories


def _assert_ran(count: int, seed: int) -> None:
    events = run_histories(count, seed)
    assert events["trade"] > 10 * count
    assert min(events[kind] for kind in ("settle", "transfer", "reward")) > count // 2


def test_200_random_histories_equal_the_exchanges_account_at_every_event() -> None:
    _assert_ran(200, seed=100_000)


@pytest.mark.long
def test_10_000_random_histories_equal_the_exchanges_account_at_every_event() -> None:
    _assert_ran(10_000, seed=0)
