"""Two real recordings by every strategy: no breach, each passive one is filled, the figures are recomputed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ops.backtest.figures import figures
from ops.backtest.run import run_job
from ops.backtest.strategies import NOT_JUDGED
from ops.backtest.trace import Began, Filled, Line
from quant.quoting.strategies import StrategyName
from supervisor import build_tree
from tests.kalshi.recordings import BTC15M, needs_recordings
from tests.ops.backtest import plain
from tests.ops.backtest.test_end_to_end import make_job

# The two with the fewest frames; `python -m tests.ops.backtest.whole` runs all.
SAMPLE = sorted(BTC15M, key=lambda path: path.stat().st_size)[:2]


@needs_recordings
@pytest.mark.long
@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.name)
@pytest.mark.parametrize("strategy", StrategyName, ids=lambda name: name.value)
def test_a_real_recording_breaches_nothing_and_its_figures_are_those_of_its_trace(
    path: Path, strategy: StrategyName
) -> None:
    trace = run_job(make_job(path, strategy), build_tree)
    found = figures(trace)
    assert found.breaches == ()
    assert found.open_ms > 60_000
    # Whether it is filled often enough is asked of all recordings together (`tests.ops.backtest.whole`).
    assert strategy.value in NOT_JUDGED or found.quoted_ms > 60_000
    assert_recomputed(trace)


def assert_recomputed(trace: tuple[Line, ...]) -> None:
    """Compares money, fees and markouts with those of the plain way."""
    found, began = figures(trace), trace[0]
    assert isinstance(began, Began)
    fills = [(place, line) for place, line in enumerate(trace) if isinstance(line, Filled)]
    passive = [line for _, line in fills if not line.is_taker]
    spread_e6 = sum((plain.edge(trace, began, place, line) for place, line in fills), Fraction())
    assert found.identity_half_e6 == 0
    assert Fraction(found.pnl_half_e6, 2) == plain.equity(trace, began, len(trace))
    assert Fraction(found.spread_half_e6, 2) == spread_e6
    assert found.fees_e6 == sum(line.fee_e6 for _, line in fills)
    for one in found.markouts:
        horizon_ms = round(one.horizon_s * 1_000)
        dollars, contracts, measured, missed = plain.markout(trace, began, passive, horizon_ms)
        assert (one.measured, one.missed) == (measured, missed)
        assert one.dollars == pytest.approx(float(dollars), abs=1e-9)
        assert one.contracts == pytest.approx(float(contracts))
