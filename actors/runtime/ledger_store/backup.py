"""A copy of the database while it is written, or while nobody has it open.

The copy is of one moment: the reader's transaction holds that moment, and the write-ahead log keeps what comes
later. It goes in slices with a pause between them, so that the writer has the disk as well. The file appears under
its name when it is whole, checked and on the disk; a copy that was broken off leaves only a `.partial` file behind.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from actors.runtime.ledger_store.database import LedgerDamaged, broken, reader

SLICE_PAGES: Final = 512  # 2 MB
PAUSE_S: Final = 0.005


class BackupRefused(Exception):
    """The copy cannot be made as asked; the text says why."""


def back_up(source: Path, target: Path, is_unwanted: Callable[[], bool] = lambda: False) -> int:
    """Copies the database to `target`; returns its size in bytes; blocks. Raises BackupRefused or LedgerBroken.

    `is_unwanted` is asked between two slices; where it says yes the copy is broken off.
    """
    if not source.exists():
        raise BackupRefused(f"there is no ledger at {source} yet")
    if target.exists():
        raise BackupRefused(f"{target} exists already; name a new file")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(exist_ok=False)
    except OSError as error:
        raise BackupRefused(f"{target} cannot be written: {error.strerror}") from error
    try:
        _copy(source, partial, is_unwanted)
        _to_disk(partial)
        partial.rename(target)
        _to_disk(target.parent)
    except OSError as error:
        raise BackupRefused(f"{target} cannot be written: {error.strerror}") from error
    return target.stat().st_size


def _copy(source: Path, partial: Path, is_unwanted: Callable[[], bool]) -> None:
    def between(status: int, remaining: int, total: int) -> None:
        if is_unwanted():
            raise BackupRefused(f"broken off with {remaining} of {total} pages to go: the bot is ending")

    with reader(source) as origin:
        origin.execute("BEGIN")
        origin.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # from here on the moment is held
        try:
            with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy:
                origin.backup(copy, pages=SLICE_PAGES, progress=between, sleep=PAUSE_S)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, not three
                (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            raise broken(partial, error, "written") from error
    if found != "ok":
        raise LedgerDamaged(f"the ledger {source} is damaged, and so would be its copy: {' '.join(str(found).split())}")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
