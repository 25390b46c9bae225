"""Rows for people: what happened, in tables that nobody trades by.

Rows of `REPLACED` tables have a key, and a newer row takes the place of the older one.
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
    }
)
REPLACED = frozenset({"boots", "strategy_runs"})


def check_tables(records: tuple[Record, ...]) -> None:
    """Raises ValueError for a row of a table that nobody declared."""
    for record in records:
        if record.table not in ADDED and record.table not in REPLACED:
            raise ValueError(f"no table {record.table!r} in the ledger")


def insert(connection: sqlite3.Connection, records: tuple[Record, ...]) -> None:
    """Stores the rows; to be called in a transaction."""
    for record in records:
        names = ",".join(name for name, _ in record.values)
        marks = ",".join("?" for _ in record.values)
        verb = "INSERT OR REPLACE" if record.table in REPLACED else "INSERT"
        connection.execute(
            f"{verb} INTO {record.table} ({names}) VALUES ({marks})", [value for _, value in record.values]
        )


def insert_verdicts(connection: sqlite3.Connection, batches: tuple[RecordVerdicts, ...]) -> None:
    """Stores what selections said of markets; to be called in a transaction."""
    rows = [
        (batch.program, verdict.ticker, verdict.is_selected, "; ".join(verdict.reasons), batch.at_ms)
        for batch in batches
        for verdict in batch.verdicts
    ]
    connection.executemany("INSERT INTO verdicts VALUES (?,?,?,?,?)", rows)
