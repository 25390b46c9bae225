"""The report as CSV files: every sum as the integer that it is, in the units of its name, and nothing rounded."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from ops.report.figures import HORIZONS_S, Figures
from ops.report.pnl import Report
from ops.report.reading import SessionOutcome

_SUMS: Final = tuple(field.name for field in attrs.fields(Figures) if field.name != "markouts")
_DERIVED: Final = ("inventory_half_e6", "pnl_half_e6")
_MARKOUTS: Final = ("fills", "contracts_e2", "half_e6", "against")


def write_csv(report: Report, folder: Path) -> tuple[Path, ...]:
    """Writes the groups, the course of time and the sessions; returns the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = (*_SUMS, *_DERIVED, *(f"markout_{s}s_{name}" for s in HORIZONS_S for name in _MARKOUTS))
    groups = ((label, *_values(figures)) for label, figures in report.groups)
    buckets = ((start_ms, *_values(figures)) for start_ms, figures in report.curve)
    sessions = (attrs.astuple(one) for one in report.sessions)
    session_columns = tuple(field.name for field in attrs.fields(SessionOutcome))
    return (
        _write(folder / f"by_{report.by.value}.csv", (report.by.value, *columns), groups),
        _write(folder / "by_time.csv", ("start_ms", *columns), buckets),
        _write(folder / "sessions.csv", session_columns, sessions),
    )


def _values(figures: Figures) -> tuple[int, ...]:
    own = (getattr(figures, name) for name in (*_SUMS, *_DERIVED))
    return (*own, *(getattr(one, name) for one in figures.markouts for name in _MARKOUTS))


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path
