"""Upkeep: old rows go and free pages are given back, in slices so small that the writer never stalls for long.

Rules:
1. One slice is one transaction of at most SLICE_ROWS rows of one table, or of SLICE_PAGES pages; measured it takes a
few milliseconds. The Ledger does one when it has a moment, so a backlog of any length is worked off beside its work.
2. Only the oldest rows of a table are looked at, by the order in which they were written: no index is needed, and a
table that has nothing to give costs one look. A row from a clock that was ahead holds those behind it until it is
old itself.
3. What the books are made of is never deleted: fills, their marks, settlements, stakes, rewards, what was learned.

Rejected: VACUUM. It writes the whole file anew and holds the writer for seconds. A file made before incremental
vacuum was switched on does not shrink; its free pages are used again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

import attrs

from actors.runtime.ledger_store.database import Database
from actors.runtime.ledger_store.parameters import LedgerParameters

SLICE_ROWS: Final = 500
SLICE_PAGES: Final = 256
DAY_MS: Final = 86_400_000


@attrs.frozen
class _Kept:
    """One table, the time in it that ages its rows, and how long they stay."""

    table: str
    time: str
    days: int
    rows_max: int | None = None


def _kept(parameters: LedgerParameters) -> tuple[_Kept, ...]:
    records = ("orders", "actor_exits", "alerts", "discovery_runs", "market_configurations", "verdicts", "programs")
    days = parameters.records_kept_days
    return (
        _Kept("market_snapshots", "at_ms", parameters.samples_kept_days, parameters.samples_max),
        _Kept("market_minutes", "minute_ms", days, parameters.samples_max),
        *(_Kept(table, "at_ms", days) for table in (*records, "volatility_events", "position_history")),
        _Kept("volatility_sessions", "COALESCE(ended_ms, started_ms)", parameters.runs_kept_days),
        _Kept("strategy_runs", "COALESCE(ended_ms, started_ms)", parameters.runs_kept_days),
        _Kept("episodes", "COALESCE(ended_ms, began_ms)", parameters.runs_kept_days),
        _Kept("boots", "heard_ms", parameters.runs_kept_days),
    )


class Upkeep:
    """Works through the tables in turn, one slice a call."""

    def __init__(self, database: Database, parameters: LedgerParameters) -> None:
        self._database = database
        self._tables = _kept(parameters)
        self._turns = self._round()

    def slice(self, now_ms: int) -> int:
        """Does one slice; returns how many rows it deleted. Raises LedgerBroken."""
        table = next(self._turns)
        with self._database.writing() as connection:
            deleted = 0 if table is None else _delete(connection, table, now_ms)
        if table is None:
            with self._database.reading() as connection:
                # A script is stepped to its end; `execute` stops after the first page, a row without columns.
                connection.executescript(f"PRAGMA incremental_vacuum({SLICE_PAGES})")
        elif deleted == SLICE_ROWS:
            self._turns = self._round(start=self._tables.index(table))
        return deleted

    def _round(self, start: int = 0) -> Iterator[_Kept | None]:
        """Yields table after table, pages after each round, for ever."""
        yield from self._tables[start:]
        while True:  # an iterator without an end: its reader asks once a slice
            yield None
            yield from self._tables


def _delete(connection: sqlite3.Connection, kept: _Kept, now_ms: int) -> int:
    oldest = f"SELECT rowid FROM {kept.table} ORDER BY rowid LIMIT {SLICE_ROWS}"
    too_old = now_ms - kept.days * DAY_MS
    cursor = connection.execute(
        f"DELETE FROM {kept.table} WHERE rowid IN ({oldest}) AND ({kept.time} < ? OR rowid <= ?)",
        (too_old, _last_surplus(connection, kept)),
    )
    return cursor.rowcount


def _last_surplus(connection: sqlite3.Connection, kept: _Kept) -> int:
    """The rowid up to which rows are too many; 0 where none are. Rowids are dense enough for a bound."""
    if kept.rows_max is None:
        return 0
    newest = connection.execute(f"SELECT COALESCE(MAX(rowid), 0) FROM {kept.table}").fetchone()[0]
    return max(0, int(newest) - kept.rows_max)
