"""One open database file: its pragmas, its transactions, and what a person is told when it fails.

Rules:
1. One connection writes. Others may read at any time: with a write-ahead log neither waits for the other.
2. What `writing()` has left without an error is acknowledged: it survives the end of the process at any moment. In a
power cut the newest few may be lost (synchronous=NORMAL); fills are then read again from the exchange.
3. A transaction that fails is rolled back whole, and its error says what to do.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CACHE_KIB: Final = 65_536  # what a large batch touches is more than SQLite's own 2 MB
WAL_BYTES_KEPT_MAX: Final = 67_108_864  # a backup lets the log grow; afterwards the file shrinks to this again
BUSY_TIMEOUT_S: Final = 5.0  # another program that writes, such as a person's shell, is waited for this long
_PRIMARY_CODE: Final = 0xFF  # SQLite's extended codes carry the primary one in their lowest byte


class LedgerBroken(Exception):
    """The database cannot be opened or written: the disk may be full or the file damaged. Trading stops safely."""


class LedgerDamaged(LedgerBroken):
    """The file itself is wrong: no restart mends it, a backup does."""


def broken(path: Path, error: Exception, what: str) -> LedgerBroken:
    """Returns the error to raise for one of SQLite's or of the system: it names the file and what helps."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & _PRIMARY_CODE if isinstance(code, int) else None
    text = f"the ledger {path} cannot be {what}: {error}"
    match primary:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return LedgerDamaged(f"{text}; put it aside and restore a backup, or start without it: fills are read anew")
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return LedgerBroken(f"{text}; is the disk full? What was acknowledged is kept")
        case _:
            return LedgerBroken(text)


class Database:
    """The writer's connection. Raises LedgerBroken where the file cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=BUSY_TIMEOUT_S
            )
        except (sqlite3.Error, OSError) as error:
            raise broken(path, error, "opened") from error
        try:
            # Has an effect on a new file alone; an older one reuses its free pages, and does not shrink.
            self.connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=NORMAL")
            self.connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            self.connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES_KEPT_MAX}")
        except sqlite3.Error as error:
            self.connection.close()
            raise broken(path, error, "opened") from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing. Raises LedgerBroken."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            yield self.connection
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise broken(self.path, error, "written") from error
        finally:
            if self.connection.in_transaction:
                # What went wrong first is told; a connection that cannot even roll back refuses the next transaction.
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, with errors told. Raises LedgerBroken."""
        try:
            yield self.connection
        except sqlite3.Error as error:
            raise broken(self.path, error, "read") from error

    def close(self) -> None:
        self.connection.close()


@contextlib.contextmanager
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of its own that only reads, for as long as the block lasts. Raises LedgerBroken."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise broken(path, error, "read") from error


def whole(value: object) -> int:
    """Returns a column's value that is an integer by its schema."""
    assert isinstance(value, int)
    return value
