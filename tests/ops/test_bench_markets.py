"""The markets bench: what holds, and one small run with real processes."""

from __future__ import annotations

import attrs
import pytest

from ops.bench_markets import SHARE_MAX, WAITED_MAX, MarketsRun, measure_markets, report_markets

RUN = MarketsRun(
    markets=200,
    rate=5_000,
    seconds=10.0,
    rate_kept=4_990.0,
    cpu_share=SHARE_MAX,
    waited_share=WAITED_MAX,
    updates_per_s=4_990.0,
    decisions_per_s=2_800.0,
    targets_per_s=200.0,
    commands_per_s=100.0,
    orders=400,
    latency_p50_s=0.02,
    latency_p99_s=0.06,
)


def test_a_rate_holds_where_it_was_kept_and_a_fifth_of_the_core_is_left() -> None:
    assert RUN.holds
    assert not attrs.evolve(RUN, rate_kept=4_949.0).holds
    assert not attrs.evolve(RUN, cpu_share=SHARE_MAX + 0.001).holds
    assert "80% of a core, at most 80%: holds; 160 us an update" in report_markets(RUN)[1]


def test_a_run_that_had_to_wait_for_its_core_says_so() -> None:
    """It finds more in each batch and decides less often: its share of the core says little."""
    assert RUN.is_fair
    assert "WAITED FOR THE CORE 30% OF THE TIME" in report_markets(attrs.evolve(RUN, waited_share=0.3))[1]


@pytest.mark.process
@pytest.mark.long
def test_a_small_run_decides_plans_and_says_what_it_cost() -> None:
    run = measure_markets(rate=200, seconds=1.0, markets=10, warm_up_s=0.5)
    assert 0 < run.cpu_share < 1.5
    assert run.decisions_per_s > 0
    assert run.updates_per_s > 0
    assert 0 < run.orders <= 20
    assert 0 <= run.latency_p50_s <= run.latency_p99_s
    assert len(report_markets(run)) == 4
