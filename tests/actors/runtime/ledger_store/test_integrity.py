"""A damaged file is found at the start, in words that say what to do; a large one costs a bounded look."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.runtime.ledger_store.database import Database, LedgerBroken, LedgerDamaged
from actors.runtime.ledger_store.integrity import check
from actors.runtime.ledger_store.store import LedgerStore, prepare
from tests.actors.runtime.ledger_store.builders import fill


def filled(path: Path, fills: int = 2_000) -> None:
    store = LedgerStore(path)
    store.record_fills(tuple((fill(n), "rest") for n in range(fills)))
    store.close()


def test_a_whole_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    filled(path)
    assert prepare(path).is_whole
    assert prepare(tmp_path / "new" / "ledger.sqlite").is_whole


def test_a_page_of_rubbish_is_found_and_told_with_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    filled(path)
    with path.open("r+b") as file:
        file.seek(8 * 4_096)
        file.write(b"\xff" * 4_096 * 4)
    with pytest.raises(LedgerDamaged, match=r"ledger\.sqlite .*restore a backup"):
        prepare(path)


def test_a_file_that_is_no_database_is_damaged_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(LedgerDamaged, match="restore a backup"):
        prepare(path)
    assert path.read_bytes() == b"this is no database" * 100


def test_of_a_large_file_the_small_tables_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    filled(path)
    database = Database(path)
    checked = check(database, pages_max=10)
    database.close()
    assert not checked.is_whole
    assert "refill_stakes" in checked.tables
    assert "fills" not in checked.tables


def test_a_disk_without_room_is_told_with_what_helps_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = LedgerStore(path)
    store.record_fills(((fill(0), "rest"),))
    connection = store._database.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to run out of room
    with pytest.raises(LedgerBroken, match=r"disk full\? What was acknowledged is kept"):
        store.record_fills(tuple((fill(n), "rest") for n in range(1, 3_000)))
    assert store.last_seq == len(store.fills_after(0)) == 1
    connection.execute(f"PRAGMA max_page_count = {100 * pages}")
    assert [n.fill_seq for n in store.record_fills(((fill(1), "rest"),))] == [2]  # with room it goes on
    store.close()
