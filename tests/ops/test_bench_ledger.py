"""The bench of the ledger measures what it says and names what is missed."""

from __future__ import annotations

import attrs

from ops.bench_ledger import Cost, LedgerTimes, measure_ledger, report_ledger


def test_every_part_is_measured_and_reported() -> None:
    times = measure_ledger(fills=700, batch=300)
    assert times.fills == 700
    assert all(cost.wall_s > 0 for cost in (times.insert, times.bare, times.start, times.read_all, times.copy))
    assert len(report_ledger(times)) == 6


def test_what_is_missed_is_named() -> None:
    second = Cost(wall_s=1.0, cpu_s=1.0)
    good = LedgerTimes(
        fills=100_000, insert=second, bare=second, start=second, read_all=second, copy=second, megabytes=1.0
    )
    assert "NOT" not in "".join(report_ledger(good))
    assert "NOT 100,000" in report_ledger(attrs.evolve(good, fills=99_999))[1]
    assert "NOT below 2 s" in report_ledger(attrs.evolve(good, start=Cost(wall_s=2.0, cpu_s=1.0)))[3]
