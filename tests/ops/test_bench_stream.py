"""The stream bench: its arithmetic, and one small run with real processes."""

from __future__ import annotations

import pytest

from ops.bench_stream import delays, largest_backlog, measure_stream, report_stream, weighted

SENT = [(10, 1_000_000_000), (30, 2_000_000_000), (40, 3_000_000_000)]


def test_each_delta_has_the_delay_between_its_trade_and_its_arrival() -> None:
    received = [(5, 1_100_000_000), (20, 2_500_000_000), (40, 3_000_000_000)]
    found = [(round(lag, 3), number) for lag, number in delays(SENT, received)]
    assert found == [(0.1, 5), (1.5, 5), (0.5, 10), (1.0, 10), (0.0, 10)]
    assert sum(number for _, number in found) == 40


def test_the_share_of_delays_is_counted_by_deltas() -> None:
    lags = [(5.0, 1), (1.0, 90), (2.0, 9)]
    assert [weighted(lags, share) for share in (0.5, 0.9, 0.99, 1.0)] == [1.0, 1.0, 2.0, 5.0]
    assert weighted([], 0.5) == 0.0


def test_the_backlog_is_what_was_under_way_at_the_worst_moment() -> None:
    assert largest_backlog(SENT, [(10, 1_500_000_000), (15, 2_500_000_000), (40, 4_000_000_000)]) == 25
    assert largest_backlog(SENT, []) == 40


@pytest.mark.process
@pytest.mark.long
def test_a_small_run_delivers_everything_and_says_so() -> None:
    run = measure_stream(rate=500, seconds=1.0, markets=10)
    assert (run.deltas, run.delivered, run.problem) == (500, 500, "")
    assert 0 < run.lag_p50_s <= run.lag_p99_s <= run.lag_max_s
    assert 0 < run.server_share < 1.5
    lines = report_stream(run)
    assert "500 of 500 delivered" in lines[1]
