"""Fills and rows for tests of the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from actors.messages.money import Record
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side


def fill(n: int, ticker: str = "T") -> Fill:
    """The n-th of all fills."""
    return Fill(
        fill_id=f"f{n}",
        order_id=f"o{n // 3}",
        ticker=ticker,
        side=Side.BID if n % 2 else Side.ASK,
        price_e4=PriceE4(5_000),
        count_e2=CountE2(100),
        fee_e6=MoneyE6(n),
        is_taker=False,
        ts_ms=1_000 + n,
        exchange_index=0,
        client_order_id=None,
    )


def row(table: str, **values: str | int | float | None) -> Record:
    return Record(table=table, values=tuple(values.items()))


def alert(at_ms: int, text: str = "t") -> Record:
    return row("alerts", code="c", severity="error", actor="feed", text=text, at_ms=at_ms)


def ask(path: Path, question: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
    """What a person with a shell would read."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question, values or {}).fetchall()
