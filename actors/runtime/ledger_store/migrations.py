"""Brings a file of any older version to the present one: numbered steps, `PRAGMA user_version` the number of the last.

Each step and its number are one transaction: a process that ends in the middle leaves the version before, whole. A
file of a newer program is refused: what its columns mean cannot be known here.

Rejected: a migration library. There are no branches and no ways back here, and the steps are plain SQL; what a
library would add is a table of its own and a dependency.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from actors.runtime.ledger_store.database import Database, LedgerBroken
from actors.runtime.ledger_store.schema import STEPS

SCHEMA_VERSION = len(STEPS)


def version_of(connection: sqlite3.Connection) -> int:
    """Returns the version of the file; 0 where it is new."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(database: Database, steps: tuple[str, ...] = STEPS) -> int:
    """Applies the steps that the file has not had; returns its version before. Raises LedgerBroken."""
    with database.reading() as connection:
        found = version_of(connection)
    if found > len(steps):
        raise LedgerBroken(
            f"the ledger {database.path} was written by a newer program (version {found}, this one knows "
            f"{len(steps)}): run that one, or restore a backup"
        )
    # The first programs added tables without a new number, so a file of version 1 may lack some of step 1.
    for number in range(max(1, found) if found <= 1 else found + 1, len(steps) + 1):
        with database.writing() as connection:
            for statement in _statements(steps[number - 1]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
    return found


def _statements(script: str) -> Iterator[str]:
    """Yields one statement after another: `executescript` would commit, and the step would not be whole."""
    waiting = ""
    for line in script.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""
    assert not waiting.strip(), "the last statement of a step has no end"
