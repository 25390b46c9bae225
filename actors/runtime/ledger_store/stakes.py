"""Refill stakes in the Ledger's database: one row per program and market, and the caps over a program's rows.

The Ledger is the one writer, so looking at the others and storing is one step: two stakes can never take the same room.
"""

from __future__ import annotations

import sqlite3

from actors.messages.refill import OpenStake, StakeOpened, StakeStored, StoreStake
from kalshi.numbers import CountE2, MoneyE6
from kalshi.types import Side
from quant.fills import NumberedFill
from quant.quoting.refill_maker import Committed, fits


def begin(db: sqlite3.Connection, asked: OpenStake, last_seq: int) -> None:
    """Makes the stake's row where there is none."""
    db.execute(
        "INSERT OR IGNORE INTO refill_stakes VALUES (?, ?, ?, '', 0, 0)", (asked.program, asked.ticker, last_seq)
    )


def opened(db: sqlite3.Connection, asked: OpenStake, last_seq: int, fills: tuple[NumberedFill, ...]) -> StakeOpened:
    """Returns the stake's row; `fills` are those of its market, whole."""
    opened_seq, state, committed_e2, committed_e6 = db.execute(
        "SELECT opened_seq, state, committed_e2, committed_e6 FROM refill_stakes WHERE program = ? AND ticker = ?",
        (asked.program, asked.ticker),
    ).fetchone()
    return StakeOpened(
        state=state,
        opened_seq=opened_seq,
        committed_e2=CountE2(committed_e2),
        committed_e6=MoneyE6(committed_e6),
        fills=tuple(numbered for numbered in fills if numbered.fill_seq > opened_seq),
        bought_e2=_sum_e2(fills, Side.BID),
        sold_e2=_sum_e2(fills, Side.ASK),
        last_seq=last_seq,
    )


def store(db: sqlite3.Connection, asked: StoreStake) -> StakeStored:
    """Stores a state where the caps let it; to be called inside a transaction."""
    key = (asked.program, asked.ticker)
    count_e2, money_e6 = db.execute(
        "SELECT COALESCE(SUM(committed_e2), 0), COALESCE(SUM(committed_e6), 0) FROM refill_stakes "
        "WHERE program = ? AND ticker <> ?",
        key,
    ).fetchone()
    others = Committed(count_e2=count_e2, money_e6=money_e6)
    row = db.execute(
        "SELECT committed_e2, committed_e6 FROM refill_stakes WHERE program = ? AND ticker = ?", key
    ).fetchone()
    before = Committed(count_e2=row[0], money_e6=row[1]) if row is not None else Committed()
    new = Committed(count_e2=asked.committed_e2, money_e6=asked.committed_e6)
    is_stored = row is not None and fits(new, before, others, asked.max_e2, asked.max_e6)
    if is_stored:
        db.execute(
            "UPDATE refill_stakes SET state = ?, committed_e2 = ?, committed_e6 = ? WHERE program = ? AND ticker = ?",
            (asked.state, asked.committed_e2, asked.committed_e6, *key),
        )
    return StakeStored(is_stored=is_stored, others_e2=CountE2(others.count_e2), others_e6=MoneyE6(others.money_e6))


def _sum_e2(fills: tuple[NumberedFill, ...], side: Side) -> CountE2:
    return CountE2(sum(numbered.fill.count_e2 for numbered in fills if numbered.fill.side is side))
