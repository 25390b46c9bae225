"""The ready queries run on a Ledger of today's schema, and say what the report says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ops.report.pnl import By, make_report
from ops.report.reading import ledger_read
from tests.ops.report import ledgers

QUERIES = Path(__file__).resolve().parents[3] / "docs" / "queries.sql"


def queries() -> dict[str, str]:
    parts = QUERIES.read_text().split("-- name: ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def test_every_query_runs_and_those_of_the_report_agree_with_it(tmp_path: Path) -> None:
    fills, records = ledgers.random_day(seed=3, markets=4, minutes=30)
    path = ledgers.write(tmp_path / "ledger.sqlite", fills, records)
    found = {}
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        for name, query in queries().items():
            found[name] = db.execute(query).fetchall()
    assert len(found) == 11
    with ledger_read(path) as reader:
        report = make_report(reader, By.MARKET)
    by_market = dict(report.groups)
    (markouts,) = (rows for name, rows in found.items() if name.startswith("markouts"))
    assert len(markouts) == len(by_market)
    for row in markouts:
        figures = by_market[row["ticker"]]
        assert row["spread_c"] == pytest.approx(figures.spread_cents)
        assert row["s60_c"] == pytest.approx(figures.markout_cents(3))
    (quoting,) = (rows for name, rows in found.items() if name.startswith("time quoted"))
    assert sum(row["live_hours"] for row in quoting) == pytest.approx(report.total.live_ms / 3.6e6)
