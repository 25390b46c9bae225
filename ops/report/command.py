"""The command `report`: reads the Ledger, prints the tables, writes the page and the CSV files that are asked for."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ops.report.csv_files import write_csv
from ops.report.page import page
from ops.report.pnl import By, Report, make_report
from ops.report.reading import LedgerReader, ReportError, Run, ledger_read
from ops.report.text import show

LEDGER = "ledger.sqlite"
LAST = "last"
RUNS_SHOWN_MAX = 10
_FOREVER_MS = 2**62
# A terminal that is none has no width of its own, and tables must not fold.
PLAIN_WIDTH = 160


def report(
    state: Path,
    venue: str = "",
    *,
    by: By,
    run: str = "",
    since_ms: int | None = None,
    html: Path | None = None,
    csv_folder: Path | None = None,
) -> int:
    """Makes a report; returns the exit code: 0, or 1 with a sentence on stderr."""
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    try:
        ledger = find_ledger(state, venue)
        with ledger_read(ledger) as reader:
            made = _made(reader, by, run, since_ms)
        print(f"venue {ledger.parent.name}")
        show(made, console)
        if html is not None:
            html.write_text(page(made), encoding="utf-8")
            print(f"wrote {html}")
        for path in write_csv(made, csv_folder) if csv_folder is not None else ():
            print(f"wrote {path}")
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"the report cannot be written: {error}", file=sys.stderr)
        return 1
    return 0


def find_ledger(state: Path, venue: str) -> Path:
    """Returns a venue's Ledger, or the one that was written last. Raises ReportError where there is none."""
    if venue:
        return state / venue / LEDGER
    found = [path for path in state.glob(f"*/{LEDGER}") if path.is_file()]
    if not found:
        raise ReportError(f"there is no ledger in {state}: the bot has not run with this state folder yet")
    return max(found, key=_written)


def _written(ledger: Path) -> float:
    """What is not yet in the file itself stands in the log beside it."""
    beside = ledger.with_name(f"{LEDGER}-wal")
    return max(path.stat().st_mtime for path in (ledger, beside) if path.exists())


def _made(reader: LedgerReader, by: By, run: str, since_ms: int | None) -> Report:
    chosen, end_ms = find_run(reader.runs(), run) if run else (None, None)
    starts = [at_ms for at_ms in (chosen.started_ms if chosen else None, since_ms) if at_ms is not None]
    columns = (TextColumn("counting fills"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=reader.fills_count(_FOREVER_MS if end_ms is None else end_ms))
        start_ms = max(starts) if starts else None
        return make_report(reader, by, start_ms, end_ms, chosen, lambda count: progress.advance(task, count))


def find_run(runs: tuple[Run, ...], name: str) -> tuple[Run, int | None]:
    """Returns the run of a name, or the last one, and when the next began. Raises ReportError for an unknown one."""
    for place in range(len(runs) - 1, -1, -1):
        if name in (LAST, runs[place].name):
            return runs[place], runs[place + 1].started_ms if place + 1 < len(runs) else None
    known = ", ".join(run.name for run in runs[-RUNS_SHOWN_MAX:]) or "none is recorded"
    raise ReportError(f"there is no run {name!r}; the last ones: {known}")
