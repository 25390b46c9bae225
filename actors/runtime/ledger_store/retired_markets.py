"""Markets that are over, kept as sums, so that a start reads the fills of the others alone.

Rules:
1. A row holds the sums over all fills of its market that the database has, and is a convenience: without it the
   market's fills are read and counted again.
2. A fill that is new in such a market takes the row away, in the transaction that stores the fill.
3. Sums that count another number of fills than the database has are not stored: whoever made them has not heard of all,
   and is told so as of a late fill.

A year of trading has a million fills in tens of thousands of markets, of which a few hundred are open at a time.
Rejected: the whole portfolio as one value every so often. It grows with the fills that are kept for late ones, and what
it says depends on how the program counted when it was written; a row here is only ever about a market that is over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

import attrs

from actors.runtime.ledger_store.database import whole
from kalshi.numbers import CountE2, MoneyE6
from quant.positions import Totals

_FIELDS: Final = tuple(field.name for field in attrs.fields(Totals))
_KEEP: Final = f"INSERT OR REPLACE INTO retired_markets (ticker, {', '.join(_FIELDS)}) VALUES (?,?,?,?,?,?)"
_SUMS: Final = ", ".join(f"COALESCE(SUM({name}), 0)" for name in _FIELDS)
# Every ticker that has a fill, by hops through the index on tickers: its size does not matter, only their number.
OPEN_TICKERS: Final = """
WITH RECURSIVE traded (ticker) AS (
    SELECT MIN(ticker) FROM fills
    UNION ALL
    SELECT (SELECT MIN(ticker) FROM fills WHERE fills.ticker > traded.ticker) FROM traded
    WHERE traded.ticker IS NOT NULL)
SELECT ticker FROM traded WHERE ticker IS NOT NULL AND ticker NOT IN (SELECT ticker FROM retired_markets)
"""


def keep(connection: sqlite3.Connection, ticker: str, totals: Totals) -> bool:
    """Stores a market's sums, unless there are other fills than they count (rule 3); to be called in a transaction."""
    fills = whole(connection.execute("SELECT COUNT(*) FROM fills WHERE ticker = ?", (ticker,)).fetchone()[0])
    if fills != totals.fills:
        return False
    connection.execute(_KEEP, (ticker, *attrs.astuple(totals)))
    return True


def reopen(connection: sqlite3.Connection, tickers: Iterable[str]) -> int:
    """Takes away the rows of markets that have new fills (rule 2); returns how many there were."""
    before = connection.total_changes
    connection.executemany("DELETE FROM retired_markets WHERE ticker = ?", ((ticker,) for ticker in tickers))
    return connection.total_changes - before


def totals(connection: sqlite3.Connection) -> Totals:
    """Returns the sums over all retired markets."""
    cash_e6, realised_e6, fees_e6, traded_e2, fills = connection.execute(
        f"SELECT {_SUMS} FROM retired_markets"
    ).fetchone()
    return Totals(
        cash_delta_e6=MoneyE6(cash_e6),
        realised_e6=MoneyE6(realised_e6),
        fees_e6=MoneyE6(fees_e6),
        traded_e2=CountE2(traded_e2),
        fills=whole(fills),
    )
