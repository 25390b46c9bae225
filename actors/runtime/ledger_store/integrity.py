"""Is the file whole? Asked once at start, for a bounded time.

A small file is checked whole. A large one takes longer than a start may, so the check goes table by table, those that
decide about money first, within a bound of pages read; what is beyond it is found when it is read. SQLite checks a
page's form in any case when it uses it, so damage is never traded on, only found later.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import attrs

from actors.runtime.ledger_store.database import Database, LedgerDamaged

PAGES_MAX: Final = 16_384  # 64 MB; some tenths of a second where the disk is quick
# In the order in which they matter; fills stand last because they alone grow without end.
_TABLES: Final = (
    "refill_stakes",
    "realised_seen",
    "toxicity",
    "rewards",
    "volatility_sessions",
    "fill_mark",
    "boots",
    "fills",
)
PROBLEMS_TOLD_MAX: Final = 3


@attrs.frozen
class Checked:
    """What was looked at: the whole file, or only the tables named."""

    is_whole: bool
    tables: tuple[str, ...]


def check(database: Database, pages_max: int = PAGES_MAX) -> Checked:
    """Looks at the file. Raises LedgerDamaged, or LedgerBroken where it cannot be read."""
    with database.reading() as connection:
        pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
        if pages <= pages_max:
            _look(database, connection, "PRAGMA quick_check")
            return Checked(True, ())
        looked = []
        for table in _TABLES:
            rows = connection.execute(f"SELECT MAX(rowid) FROM {table}").fetchone()[0] or 0
            if rows <= pages_max:  # a row of these tables is a small part of a page
                _look(database, connection, f"PRAGMA quick_check('{table}')")
                looked.append(table)
    return Checked(False, tuple(looked))


def _look(database: Database, connection: sqlite3.Connection, question: str) -> None:
    found = [str(row[0]) for row in connection.execute(question).fetchmany(PROBLEMS_TOLD_MAX)]
    if found != ["ok"]:
        raise LedgerDamaged(
            f"the ledger {database.path} is damaged ({'; '.join(found)}): put it aside and restore a backup, or start "
            "without it: fills are read anew"
        )
