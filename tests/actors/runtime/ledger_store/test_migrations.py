"""A file of every older version becomes one of the present version, with all that was in it; a newer one is refused."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.runtime.ledger_store.database import Database, LedgerBroken
from actors.runtime.ledger_store.migrations import SCHEMA_VERSION, migrate, version_of
from actors.runtime.ledger_store.schema import STEPS
from actors.runtime.ledger_store.store import LedgerStore
from tests.actors.runtime.ledger_store.builders import alert, ask, fill
from tests.actors.runtime.ledger_store.old_schemas import FIRST_PROGRAM, LAST_UNNUMBERED_PROGRAM

OLD = {
    "first program": FIRST_PROGRAM,
    "last program without numbers": LAST_UNNUMBERED_PROGRAM,
    **{f"version {n}": "".join((*STEPS[:n], f"PRAGMA user_version={n};")) for n in range(1, SCHEMA_VERSION + 1)},
}
ROWS = """
INSERT INTO fills VALUES (1, 'o0', 'f0', NULL, 'T', 'ask', 5000, 100, 0, 0, 1000, 0, 'rest');
INSERT INTO orders (client_order_id, ticker, side, price_e4, count_e2, filled_e2, outcome, at_ms)
    VALUES ('c', 'T', 'bid', 4500, 1000, 300, 'cancelled', 7);
INSERT INTO alerts VALUES ('code', 'error', 'feed', 'text', 5);
"""
# A step that was released stays as it is: files of its version exist. A new step has no line here until its release.
RELEASED = {1: "be376008279abeea", 2: "cb86e66e53797cd6", 3: "a930cfbbee584e59", 4: "96b2615a70e641df"}


def schema(path: Path) -> list[tuple[str, str]]:
    """Every object of the file with its columns."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        ).fetchall()
        indexes = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY 1").fetchall()
        columns = [
            (name, str([tuple(column) for column in connection.execute(f"PRAGMA table_xinfo({name})")]))
            for (name,) in names
        ]
    return [*columns, *((name, "index") for (name,) in indexes)]


@pytest.mark.parametrize("old", OLD)
def test_from_every_version_the_file_becomes_as_a_new_one_and_keeps_its_rows(tmp_path: Path, old: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD[old] + ROWS)
    LedgerStore(tmp_path / "new.sqlite").close()

    store = LedgerStore(path)
    assert [numbered.fill for numbered in store.fills_after(0)] == [fill(0)]
    assert store.fill_mark().complete_to_ms == 0, "what REST has not told this file is read once, whole"
    assert [numbered.fill_seq for numbered in store.record_fills(((fill(0), "rest"), (fill(1), "rest")))] == [2]
    store.record_rows((alert(9),))
    store.close()
    assert schema(path) == schema(tmp_path / "new.sqlite")
    assert ask(path, "SELECT at_ms FROM alerts ORDER BY 1") == [(5,), (9,)]
    assert ask(path, "SELECT placed_price, status FROM orders") == [(45.0, "partially_filled")]
    assert ask(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_a_file_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    LedgerStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(LedgerBroken, match="newer program"):
        LedgerStore(path)
    assert ask(path, "PRAGMA user_version") == [(SCHEMA_VERSION + 1,)]


def test_a_step_that_fails_leaves_the_version_before_whole(tmp_path: Path) -> None:
    """As does a process that ends in the middle of one: the step is one transaction."""
    database = Database(tmp_path / "ledger.sqlite")
    migrate(database, STEPS[:1])
    half = "CREATE TABLE half (a INTEGER);\nINSERT INTO nothing VALUES (1);\n"
    with pytest.raises(LedgerBroken, match="nothing"):
        migrate(database, (STEPS[0], half))
    assert version_of(database.connection) == 1
    assert database.connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []
    migrate(database)
    assert version_of(database.connection) == SCHEMA_VERSION
    database.close()


def test_a_released_step_is_never_changed() -> None:
    found = {number: hashlib.sha256(step.encode()).hexdigest()[:16] for number, step in enumerate(STEPS, 1)}
    assert {number: found[number] for number in RELEASED} == RELEASED
