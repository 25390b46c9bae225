"""Fills in the database: numbered densely, each once, never deleted.

The number is the row's own: SQLite gives a new row the greatest number so far plus one, and none to a row that it
ignores because (ticker, order_id, fill_id) is there already, an order being of one market. So a batch is one call, and
numbering costs nothing.
"""

from __future__ import annotations

import sqlite3
from itertools import starmap
from typing import Any

from actors.runtime.ledger_store.database import whole
from actors.runtime.ledger_store.retired_markets import OPEN_TICKERS
from kalshi.types import Fill, Side
from quant.fills import NumberedFill

READ_ROWS_MAX = 1_000_000
_SIDES = {side.value: side for side in Side}
_BID, _ASK = Side.BID.value, Side.ASK.value
_COLUMNS = (
    "fill_seq, order_id, fill_id, client_order_id, ticker, side, price_e4, count_e2, fee_e6, is_taker, ts_ms, "
    "exchange_index"
)
_INSERT = f"INSERT OR IGNORE INTO fills ({_COLUMNS}, source) VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?)"


def last_seq(connection: sqlite3.Connection) -> int:
    """Returns the newest number; 0 where there is no fill."""
    return whole(connection.execute("SELECT COALESCE(MAX(fill_seq), 0) FROM fills").fetchone()[0])


def insert(connection: sqlite3.Connection, batch: tuple[tuple[Fill, str], ...], last: int) -> tuple[NumberedFill, ...]:
    """Stores the fills that are new, in the given order, inside a transaction; returns them with their numbers.

    `last` is the newest number before.
    """
    changes_before = connection.total_changes
    connection.executemany(_INSERT, starmap(row, batch))
    if connection.total_changes - changes_before == len(batch) and last_seq(connection) == last + len(batch):
        return tuple(NumberedFill(fill_seq=seq, fill=fill) for seq, (fill, _) in enumerate(batch, last + 1))
    first_said: dict[tuple[str, str], Fill] = {}
    for fill, _ in batch:
        first_said.setdefault((fill.order_id, fill.fill_id), fill)
    added = connection.execute(
        "SELECT fill_seq, order_id, fill_id FROM fills WHERE fill_seq > ? ORDER BY fill_seq", (last,)
    )
    return tuple(NumberedFill(fill_seq=seq, fill=first_said[order_id, fill_id]) for seq, order_id, fill_id in added)


def after(connection: sqlite3.Connection, after_seq: int) -> tuple[NumberedFill, ...]:
    """Returns the numbered fills after `after_seq`, oldest first, at most READ_ROWS_MAX."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM fills WHERE fill_seq > ? ORDER BY fill_seq LIMIT ?", (after_seq, READ_ROWS_MAX)
    )
    return tuple(_numbered(values) for values in rows)


def of_open_markets(connection: sqlite3.Connection) -> tuple[NumberedFill, ...]:
    """Returns the fills of all markets that are not retired, oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM fills WHERE ticker IN ({OPEN_TICKERS}) ORDER BY fill_seq")
    return tuple(_numbered(values) for values in rows)


def of_market(connection: sqlite3.Connection, ticker: str) -> tuple[NumberedFill, ...]:
    """Returns the fills of one market, oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM fills WHERE ticker = ? ORDER BY fill_seq", (ticker,))
    return tuple(_numbered(values) for values in rows)


def row(fill: Fill, source: str) -> tuple[str | int | None, ...]:
    """Returns the values of a fill's row, of plain types alone.

    SQLite asks of every other value, an enum's too, who could adapt it.
    """
    return (
        fill.order_id,
        fill.fill_id,
        fill.client_order_id,
        fill.ticker,
        _BID if fill.side is Side.BID else _ASK,
        fill.price_e4,
        fill.count_e2,
        fill.fee_e6,
        1 if fill.is_taker else 0,
        fill.ts_ms,
        fill.exchange_index,
        source,
    )


def _numbered(values: tuple[Any, ...]) -> NumberedFill:
    """The columns' types are the schema's: a million rows are not looked at one by one."""
    seq, order_id, fill_id, client_id, ticker, side, price, count, fee, is_taker, ts_ms, index = values
    fill = Fill(
        fill_id=fill_id,
        order_id=order_id,
        client_order_id=client_id,
        ticker=ticker,
        side=_SIDES[side],
        price_e4=price,
        count_e2=count,
        fee_e6=fee,
        is_taker=is_taker != 0,
        ts_ms=ts_ms,
        exchange_index=index,
    )
    return NumberedFill(fill_seq=seq, fill=fill)
