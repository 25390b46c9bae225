"""Volatility sessions: one row each, replaced as it goes on."""

from __future__ import annotations

import sqlite3

import attrs

from actors.messages.sessions import SessionRow

OPEN_MAX = 1_000  # far more than may ever run at once
_FIELDS = tuple(field.name for field in attrs.fields(SessionRow))
_COLUMNS = ", ".join("left_because" if name == "left" else name for name in _FIELDS)  # LEFT is a word of SQL


def replace(connection: sqlite3.Connection, rows: tuple[SessionRow, ...]) -> None:
    """Stores sessions, each in place of its older row; to be called in a transaction."""
    marks = ",".join("?" for _ in _FIELDS)
    connection.executemany(
        f"INSERT OR REPLACE INTO volatility_sessions ({_COLUMNS}) VALUES ({marks})",
        [attrs.astuple(row) for row in rows],
    )


def open_ones(connection: sqlite3.Connection, program: str) -> tuple[SessionRow, ...]:
    """Returns the sessions of `program` that have not ended, the newest first, at most OPEN_MAX."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM volatility_sessions WHERE program = ? AND ended_ms IS NULL "
        "ORDER BY started_ms DESC LIMIT ?",
        (program, OPEN_MAX),
    )
    return tuple(SessionRow(**dict(zip(_FIELDS, row, strict=True))) for row in rows)
