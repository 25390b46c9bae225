"""The report in a terminal: rich tables."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table as RichTable

from ops.report.pnl import Report
from ops.report.tables import heading, remarks, tables

ROWS_MAX: Final = 40


def show(report: Report, console: Console) -> None:
    """Prints the report."""
    console.print(heading(report), highlight=False, markup=False)
    for table in tables(report, ROWS_MAX):
        drawn = RichTable(title=table.title, title_justify="left")
        for place, name in enumerate(table.columns):
            drawn.add_column(name, justify="left" if place == 0 else "right", overflow="fold")
        last = len(table.rows) - 1
        for place, row in enumerate(table.rows):
            is_total = table.has_total and place == last
            if is_total and last:
                drawn.add_section()
            drawn.add_row(*row, style="bold" if is_total else None)
        if table.left_out:
            drawn.caption = f"{table.left_out} of the middle are left out; --csv has all"
        console.print(drawn, markup=False)
    for remark in remarks(report):
        console.print(remark, highlight=False, markup=False)
