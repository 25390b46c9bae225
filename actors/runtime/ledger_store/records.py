"""Rows for people: what happened, in tables that nobody trades by.

Rows of `REPLACED` tables have a key, and a newer row takes the place of the older one; in `FIRST_STANDS` the older one
stands.
"""

from __future__ import annotations

import sqlite3

from actors.messages.money import Record, RecordVerdicts

ADDED = frozenset(
    {
        "orders",
        "actor_exits",
        "alerts",
        "discovery_runs",
        "market_configurations",
        "rewards",
        "volatility_events",
        "programs",
        "market_snapshots",
        "position_history",
        "market_minutes",
    }
)
REPLACED = frozenset({"boots", "strategy_runs", "fill_marks", "episodes"})
FIRST_STANDS = frozenset({"settlements"})  # each boot may find one anew


def check_tables(records: tuple[Record, ...]) -> None:
    """Raises ValueError for a row of a table that nobody declared."""
    for record in records:
        if record.table not in ADDED | REPLACED | FIRST_STANDS:
            raise ValueError(f"no table {record.table!r} in the ledger")


def insert(connection: sqlite3.Connection, records: tuple[Record, ...]) -> None:
    """Stores the rows; to be called in a transaction."""
    for record in records:
        names = ",".join(name for name, _ in record.values)
        marks = ",".join("?" for _ in record.values)
        connection.execute(
            f"{_verb(record.table)} INTO {record.table} ({names}) VALUES ({marks})",
            [value for _, value in record.values],
        )


def _verb(table: str) -> str:
    if table in REPLACED:
        return "INSERT OR REPLACE"
    return "INSERT OR IGNORE" if table in FIRST_STANDS else "INSERT"


def insert_verdicts(connection: sqlite3.Connection, batches: tuple[RecordVerdicts, ...]) -> None:
    """Stores what selections said of markets; to be called in a transaction."""
    rows = [
        (batch.program, verdict.ticker, verdict.is_selected, "; ".join(verdict.reasons), batch.at_ms)
        for batch in batches
        for verdict in batch.verdicts
    ]
    connection.executemany("INSERT INTO verdicts VALUES (?,?,?,?,?)", rows)
