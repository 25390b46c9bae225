"""Fills in the database: numbered densely, each once, never deleted.

The number is the row's own: SQLite gives a new row the greatest number so far plus one, and none to a row that it
ignores because (ticker, order_id, fill_id) is there already, an order being of one market. So a batch is a few calls,
and numbering costs nothing. A statement takes many rows: what SQLite does once a statement costs as much as a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import chain, starmap
from typing import Any, Final

from actors.runtime.ledger_store.database import whole
from actors.runtime.ledger_store.retired_markets import OPEN_TICKERS
from kalshi.types import Fill, Side
from quant.fills import NumberedFill, NumberedFills
from quant.invariants import check

READ_ROWS_MAX = 1_000_000
_SIDES = {side.value: side for side in Side}
_BID, _ASK = Side.BID.value, Side.ASK.value
_COLUMNS = (
    "fill_seq, order_id, fill_id, client_order_id, ticker, side, price_e4, count_e2, fee_e6, is_taker, ts_ms, "
    "exchange_index"
)
ROWS_PER_STATEMENT: Final = 100
_ROW: Final = "(NULL,?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT: Final = f"INSERT OR IGNORE INTO fills ({_COLUMNS}, source) VALUES {_ROW}"
_INSERT_MANY: Final = _INSERT + f",{_ROW}" * (ROWS_PER_STATEMENT - 1)

Batch = tuple[tuple[Fill, str], ...]  # each fill with where it came from


def last_seq(connection: sqlite3.Connection) -> int:
    """Returns the newest number; 0 where there is no fill."""
    return whole(connection.execute("SELECT COALESCE(MAX(fill_seq), 0) FROM fills").fetchone()[0])


def insert(connection: sqlite3.Connection, batch: Batch, last: int) -> NumberedFills:
    """Stores the fills that are new, in the given order, inside a transaction; returns them with their numbers.

    `last` is the newest number before.
    """
    changes_before = connection.total_changes
    whole_rows = len(batch) // ROWS_PER_STATEMENT * ROWS_PER_STATEMENT
    connection.executemany(_INSERT_MANY, _values(batch[:whole_rows]))
    connection.executemany(_INSERT, starmap(row, batch[whole_rows:]))
    newest = last_seq(connection)
    if connection.total_changes - changes_before == len(batch) and newest == last + len(batch):
        return NumberedFills(after_seq=last, fills=tuple(fill for fill, _ in batch))
    first_said: dict[tuple[str, str], Fill] = {}
    for fill, _ in batch:
        first_said.setdefault((fill.order_id, fill.fill_id), fill)
    added = connection.execute("SELECT order_id, fill_id FROM fills WHERE fill_seq > ? ORDER BY fill_seq", (last,))
    new = tuple(first_said[ids] for ids in added)
    check(newest == last + len(new), "I4", f"{len(new)} fills after number {last} are not numbered densely")
    return NumberedFills(after_seq=last, fills=new)


def _values(batch: Batch) -> Iterator[tuple[str | int | None, ...]]:
    for first in range(0, len(batch), ROWS_PER_STATEMENT):
        yield tuple(chain.from_iterable(starmap(row, batch[first : first + ROWS_PER_STATEMENT])))


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
