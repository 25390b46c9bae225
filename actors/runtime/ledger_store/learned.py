"""What own fills taught: toxicity of markets and series, and the sums that tell what was counted already."""

from __future__ import annotations

import sqlite3

import attrs

from actors.runtime.ledger_store.database import whole
from kalshi.numbers import MoneyE6
from quant.selection.experience import MARKETS_MAX, Learned
from quant.selection.toxicity import SUBJECTS_MAX, Record

_FIELDS = tuple(field.name for field in attrs.fields(Record))  # the columns' order


def keep(connection: sqlite3.Connection, batches: tuple[Learned, ...]) -> None:
    """Stores the newest state of each; to be called in a transaction."""
    records = [
        (kind, name, *attrs.astuple(record))
        for learned in batches
        for kind, named in (("market", learned.markets), ("series", learned.series))
        for name, record in named
    ]
    sums = [one for learned in batches for one in learned.realised]
    connection.executemany("INSERT OR REPLACE INTO toxicity VALUES (?,?,?,?,?,?,?,?,?)", records)
    connection.executemany("INSERT OR REPLACE INTO realised_seen VALUES (?,?)", sums)


def read(connection: sqlite3.Connection) -> Learned:
    """Returns of each kind the newest, oldest first."""
    newest = "SELECT * FROM toxicity WHERE kind = ? ORDER BY at_ms DESC, name LIMIT ?"
    markets, series = (
        tuple(
            (str(row[1]), Record(**dict(zip(_FIELDS, row[2:], strict=True))))
            for row in connection.execute(newest, (kind, SUBJECTS_MAX))
        )
        for kind in ("market", "series")
    )
    sums = connection.execute(
        "SELECT ticker, net_e6 FROM realised_seen ORDER BY rowid DESC LIMIT ?", (MARKETS_MAX,)
    ).fetchall()
    return Learned(
        markets=markets[::-1],
        series=series[::-1],
        realised=tuple((str(ticker), MoneyE6(whole(net_e6))) for ticker, net_e6 in reversed(sums)),
    )
