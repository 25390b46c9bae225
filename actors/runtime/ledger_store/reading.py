"""Questions of people to the database of a running bot, each on a connection of its own that only reads."""

from __future__ import annotations

from pathlib import Path

from actors.runtime.ledger_store.database import reader


def latest_verdicts(path: Path, ticker: str) -> tuple[str, ...]:
    """Returns what each program last said of a market, one line each; blocks. Raises LedgerBroken."""
    with reader(path) as db:
        rows = db.execute(
            "SELECT program, is_selected, reasons, MAX(at_ms) FROM verdicts WHERE ticker = ? GROUP BY program "
            "ORDER BY program",
            (ticker,),
        ).fetchall()
    return tuple(
        f"{program}: {'selected' if is_selected else 'not selected'}{f': {reasons}' if reasons else ''}"
        for program, is_selected, reasons, _ in rows
    )


def latest_configuration(path: Path, ticker: str) -> tuple[str, ...]:
    """Returns what a market was last configured with, one line a number; blocks. Raises LedgerBroken."""
    with reader(path) as db:
        row = db.execute(
            "SELECT program, numbers FROM market_configurations WHERE ticker = ? ORDER BY at_ms DESC, rowid DESC "
            "LIMIT 1",
            (ticker,),
        ).fetchone()
    return () if row is None else tuple(f"for {row[0]}: {line}" for line in str(row[1]).splitlines())
