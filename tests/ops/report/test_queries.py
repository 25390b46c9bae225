"""The ready queries say what the report says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ops.report.pnl import By, make_report
from ops.report.reading import ledger_read
from tests.actors.runtime.ledger_store.test_documents import queries
from tests.ops.report import ledgers


def test_the_ready_queries_of_markouts_and_quoting_agree_with_the_report(tmp_path: Path) -> None:
    fills, records = ledgers.random_day(seed=3, markets=4, minutes=30)
    path = ledgers.write(tmp_path / "ledger.sqlite", fills, records)
    found = {}
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        for name, query in queries().items():
            if name.startswith(("Markouts", "Time quoted")):
                found[name] = db.execute(query).fetchall()
    with ledger_read(path) as reader:
        report = make_report(reader, By.MARKET)
    by_market = dict(report.groups)
    (markouts,) = (rows for name, rows in found.items() if name.startswith("Markouts"))
    assert len(markouts) == len(by_market)
    for row in markouts:
        figures = by_market[row["ticker"]]
        assert row["spread_c"] == pytest.approx(figures.spread_cents)
        assert row["s60_c"] == pytest.approx(figures.markout_cents(3))
    (quoting,) = (rows for name, rows in found.items() if name.startswith("Time quoted"))
    assert sum(row["live_hours"] for row in quoting) == pytest.approx(report.total.live_ms / 3.6e6)
