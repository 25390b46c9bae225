"""A backup is a whole, checked copy of one moment, made beside the writer; what cannot be made is refused in words."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.runtime.ledger_store import backup
from actors.runtime.ledger_store.backup import BackupRefused, back_up
from actors.runtime.ledger_store.database import LedgerDamaged
from actors.runtime.ledger_store.store import LedgerStore
from quant.fills import NumberedFill
from tests.actors.runtime.ledger_store.builders import ask, fill


def filled(path: Path, fills: int) -> LedgerStore:
    store = LedgerStore(path)
    store.record_fills(tuple((fill(n), "rest") for n in range(fills)))
    return store


def test_the_copy_is_of_the_moment_it_began_though_the_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "SLICE_PAGES", 8)
    store, copy = filled(tmp_path / "ledger.sqlite", 3_000), tmp_path / "copy.sqlite"
    asked: list[tuple[NumberedFill, ...]] = []

    def write_meanwhile() -> bool:
        asked.append(tuple(store.record_fills(((fill(3_000 + len(asked)), "rest"),))))
        return False

    assert back_up(tmp_path / "ledger.sqlite", copy, write_meanwhile) == copy.stat().st_size
    assert len(asked) > 5
    assert store.last_seq == 3_000 + len(asked)
    store.close()
    assert ask(copy, "SELECT COUNT(*), MAX(fill_seq) FROM fills") == [(3_000, 3_000)]
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.sqlite"]
    restored = LedgerStore(copy)
    assert [n.fill_seq for n in restored.record_fills(((fill(3_000), "rest"),))] == [3_001]
    restored.close()


def test_a_ledger_that_nobody_has_open_is_copied_with_what_its_log_still_holds(tmp_path: Path) -> None:
    """A process that was killed leaves the newest rows in the write-ahead log."""
    store = filled(tmp_path / "ledger.sqlite", 10)
    for suffix in ("", "-wal", "-shm"):
        os.link(tmp_path / f"ledger.sqlite{suffix}", tmp_path / f"killed.sqlite{suffix}")
    (tmp_path / "killed.sqlite-shm").unlink()  # it belongs to a living process
    back_up(tmp_path / "killed.sqlite", tmp_path / "copy.sqlite")
    assert ask(tmp_path / "copy.sqlite", "SELECT COUNT(*) FROM fills") == [(10,)]
    store.close()


def test_a_copy_that_is_not_wanted_any_more_is_broken_off(tmp_path: Path) -> None:
    filled(tmp_path / "ledger.sqlite", 10).close()
    with pytest.raises(BackupRefused, match="bot is ending"):
        back_up(tmp_path / "ledger.sqlite", tmp_path / "copy.sqlite", lambda: True)
    assert not (tmp_path / "copy.sqlite").exists()


def test_what_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(BackupRefused, match="no ledger"):
        back_up(path, tmp_path / "copy.sqlite")
    filled(path, 1).close()
    (tmp_path / "there.sqlite").write_text("mine")
    with pytest.raises(BackupRefused, match="exists already"):
        back_up(path, tmp_path / "there.sqlite")
    assert (tmp_path / "there.sqlite").read_text() == "mine"
    with pytest.raises(BackupRefused, match="cannot be written"):
        back_up(path, tmp_path / "no folder" / "copy.sqlite")


def test_a_damaged_ledger_gives_no_copy_that_looks_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    filled(path, 2_000).close()
    with path.open("r+b") as file:
        file.seek(8 * 4_096)
        file.write(b"\xff" * 4_096 * 4)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
    with pytest.raises(LedgerDamaged):
        back_up(path, tmp_path / "copy.sqlite")
    assert not (tmp_path / "copy.sqlite").exists()
