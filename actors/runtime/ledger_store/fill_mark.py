"""What is kept about fills beside their rows: how far REST had been worked in, and whose order each was.

The mark is written every MARK_EVERY_MS at most: an older one only makes the next reconciler read a little more, and the
numbering refuses what it reads twice.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from actors.messages.money import FillMark, JoinFills

MARK_EVERY_MS: Final = 5_000
SEEN_MAX: Final = 8_192  # keys that a new reconciler is told, to spare the Ledger repeats


def keep_mark(connection: sqlite3.Connection, complete_to_ms: int) -> None:
    """Stores the mark, inside a transaction; it never goes back."""
    connection.execute(
        "INSERT INTO fill_mark VALUES (1, ?) ON CONFLICT (only_row) "
        "DO UPDATE SET complete_to_ms = MAX(complete_to_ms, excluded.complete_to_ms)",
        (complete_to_ms,),
    )


def mark(connection: sqlite3.Connection) -> FillMark:
    """Returns the mark and the newest keys."""
    row = connection.execute("SELECT complete_to_ms FROM fill_mark").fetchone()
    keys = connection.execute(
        "SELECT order_id, fill_id FROM fills ORDER BY fill_seq DESC LIMIT ?", (SEEN_MAX,)
    ).fetchall()
    seen = tuple((str(order_id), str(fill_id)) for order_id, fill_id in reversed(keys))
    return FillMark(complete_to_ms=0 if row is None else row[0], seen=seen)


def join(connection: sqlite3.Connection, joins: tuple[JoinFills, ...]) -> None:
    """Gives fills their orders' client ids, where they have none; inside a transaction."""
    connection.executemany(
        "UPDATE fills SET client_order_id = ? WHERE ticker = ? AND order_id = ? AND client_order_id IS NULL",
        [(one.client_order_id, one.ticker, one.order_id) for one in joins],
    )
