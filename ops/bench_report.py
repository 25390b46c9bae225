"""What a report costs on a Ledger of a million fills: `python -m ops.bench_report`.

The Ledger is made through the Ledger's own store, a year of trading in 300 markets, each fill with its marks, and a
million rows of minutes and of orders beside it. Then the report is made as the command makes it, tables and page
included. Making the Ledger is not counted.
"""

from __future__ import annotations

import io
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import attrs
from rich.console import Console

from actors.runtime.ledger_store.store import LedgerStore
from ops.report.page import page
from ops.report.pnl import By, make_report
from ops.report.reading import ledger_read
from ops.report.text import show

FILLS: Final = 1_000_000
MARKETS: Final = 300
LIMIT_S: Final = 10.0
START_MS: Final = 1_790_000_000_000
FILL_EVERY_MS: Final = 30_000


@attrs.frozen(kw_only=True)
class ReportTimes:
    """Seconds of the wall and of the processor for one report, its page included, and how large that is."""

    fills: int
    wall_s: float
    processor_s: float
    page_bytes: int


def measure_report(fills: int = FILLS, folder: Path | None = None) -> ReportTimes:
    """Returns what a report on `fills` fills costs. Raises ReportError."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="bench-report-") as made:
        path = make_ledger(Path(made) / "ledger.sqlite", fills)
        began_s, began_processor_s = time.perf_counter(), time.process_time()
        with ledger_read(path) as reader:
            report = make_report(reader, By.PROGRAM)
        show(report, Console(file=io.StringIO(), width=160))
        text = page(report)
        ended_s, ended_processor_s = time.perf_counter(), time.process_time()
    if report.total.fills != fills:
        raise AssertionError(f"the report counted {report.total.fills} fills of {fills}")
    return ReportTimes(
        fills=fills,
        wall_s=ended_s - began_s,
        processor_s=ended_processor_s - began_processor_s,
        page_bytes=len(text),
    )


def report_report(times: ReportTimes) -> list[str]:
    """Returns the lines to print."""
    verdict = "below" if times.wall_s < LIMIT_S else "NOT below"
    return [
        f"report: {times.fills:,} fills in the ledger, tables and page of {times.page_bytes / 1e6:.1f} MB",
        f"  {times.wall_s:.2f} s wall ({verdict} {LIMIT_S:.0f} s), {times.processor_s:.2f} s processor",
    ]


def make_ledger(path: Path, fills: int) -> Path:
    """Writes a Ledger of `fills` fills, as many marks, minutes and orders, by the schema of the Ledger's store."""
    LedgerStore(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany("INSERT INTO fills VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", _fills(fills))
        db.executemany("INSERT INTO fill_marks VALUES (?,?,?,?,?,?)", _marks(fills))
        db.executemany("INSERT INTO market_minutes VALUES (?,?,?,?,?,?,?,?,?,?,?)", _minutes(fills))
        db.executemany(
            "INSERT INTO orders (client_order_id, ticker, count_e2, filled_e2, at_ms) VALUES (?,?,1000,?,?)",
            ((f"c{n}", _ticker(n), 1_000 * (n % 2), START_MS + n * FILL_EVERY_MS) for n in range(fills)),
        )
        db.executemany(
            "INSERT INTO market_configurations (ticker, program, strategy, category, numbers, at_ms) "
            "VALUES (?,?,'glft','Weather','',?)",
            ((_ticker(n), f"program{n % 4}", START_MS - 1) for n in range(MARKETS)),
        )
    return path


def _ticker(number: int) -> str:
    return f"KXBENCH-{number % MARKETS:03d}"


def _mid2_e4(number: int) -> int:
    return 10_000 + 100 * (number * 7_919 % 61 - 30)


def _fills(fills: int) -> Iterator[tuple[object, ...]]:
    for n in range(fills):
        is_bid = n * 2_654_435_761 % 2**32 < 2**31
        price_e4 = _mid2_e4(n) // 2 - (50 if is_bid else -50)
        side, at_ms = "bid" if is_bid else "ask", START_MS + n * FILL_EVERY_MS
        yield n + 1, f"o{n}", f"f{n}", None, _ticker(n), side, price_e4, 100 + n % 900, n % 5_000, 0, at_ms, 0, "bench"


def _marks(fills: int) -> Iterator[tuple[int, ...]]:
    for n in range(fills):
        yield n + 1, _mid2_e4(n), *(_mid2_e4(n) + 100 * ((n + h) % 3 - 1) for h in range(4))


def _minutes(fills: int) -> Iterator[tuple[object, ...]]:
    for n in range(fills):
        minute_ms, mid_e4 = (START_MS + n * FILL_EVERY_MS) // 60_000 * 60_000, _mid2_e4(n) // 2
        times = (60_000, 50_000, 48_000, 45_000, 20_000, 19_000)
        yield _ticker(n), f"program{n % MARKETS % 4}", minute_ms, *times, mid_e4 - 50, mid_e4 + 50


if __name__ == "__main__":
    print("\n".join(report_report(measure_report())))
