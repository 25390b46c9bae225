"""Position episodes that are open, and what the stop loss has seen of them, for whoever goes on with them.

Rows of episodes are written as records: newer ones take the place of older ones, with an end when they have ended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import attrs

from quant.episodes import Episode
from quant.stop_loss import Excursion, SeenExcursion

_FIELDS = tuple(field.name for field in attrs.fields(Episode))


def open_ones(connection: sqlite3.Connection) -> tuple[tuple[str, Episode], ...]:
    """Returns the open episodes as they were told last, with their tickers."""
    rows = connection.execute(f"SELECT ticker, {', '.join(_FIELDS)} FROM episodes WHERE ended_ms IS NULL ORDER BY 2")
    return tuple((str(row[0]), Episode(**dict(zip(_FIELDS, row[1:], strict=True)))) for row in rows)


def keep_excursions(connection: sqlite3.Connection, seen: Iterable[SeenExcursion]) -> None:
    """Stores what was seen of open positions, each in place of the older one; to be called in a transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO excursions VALUES (?,?,?,?,?)",
        [(one.ticker, one.opened_seq, *attrs.astuple(one.excursion)) for one in seen],
    )


def forget_excursions(connection: sqlite3.Connection, tickers: Iterable[str]) -> None:
    """Takes away what was seen in markets that are over; to be called in a transaction."""
    connection.executemany("DELETE FROM excursions WHERE ticker = ?", [(ticker,) for ticker in tickers])


def excursions(connection: sqlite3.Connection) -> tuple[SeenExcursion, ...]:
    """Returns what was stored last of each market."""
    rows = connection.execute("SELECT ticker, opened_seq, sign, best_touch_e4, worst_e6 FROM excursions")
    return tuple(
        SeenExcursion(
            ticker=ticker,
            opened_seq=opened_seq,
            excursion=Excursion(sign=sign, best_touch_e4=best_touch_e4, worst_e6=worst_e6),
        )
        for ticker, opened_seq, sign, best_touch_e4, worst_e6 in rows
    )
