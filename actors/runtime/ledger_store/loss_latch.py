"""What is kept of the latches on losses: one row, replaced (quant.loss_latch, rule 3)."""

from __future__ import annotations

import sqlite3

import attrs

from quant.loss_latch import LossLatch

_FIELDS = tuple(field.name for field in attrs.fields(LossLatch))
_COLUMNS = ", ".join(_FIELDS)


def keep(connection: sqlite3.Connection, latch: LossLatch) -> None:
    """Stores the latch in place of the older one; to be called in a transaction."""
    marks = ",".join("?" for _ in _FIELDS)
    connection.execute(
        f"INSERT OR REPLACE INTO loss_latch (only_row, {_COLUMNS}) VALUES (1, {marks})", attrs.astuple(latch)
    )


def kept(connection: sqlite3.Connection) -> LossLatch:
    """Returns the latch as it was stored; a new one where none was."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM loss_latch").fetchone()
    return LossLatch() if row is None else LossLatch(**dict(zip(_FIELDS, row, strict=True)))
