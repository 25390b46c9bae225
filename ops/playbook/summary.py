"""What one program scenario did, by the exchange's truth and the bot's Ledger.

Cash is explained market by market from the exchange's own position records. What they leave unexplained is
`unexplained_e6`, which must be zero. A market belongs to the program that was configured for it last.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs

from ops.simulation import CASH_E6, KEY_ID, World

UNOWNED = "-"
REFUSALS_SHOWN_MAX = 8
_OPENING_E6 = sum(CASH_E6.values())


@attrs.frozen(kw_only=True)
class ProgramResult:
    """What one program did: money in 1/1,000,000 dollar, sizes in 1/100 contract."""

    program: str
    fills: int
    contracts_e2: int
    cash_e6: int  # what its markets brought or cost, fees and settlements included
    open_e6: int  # what it still holds, at the mid


@attrs.frozen(kw_only=True)
class Seen:
    """What the onlooker noted while the bot ran."""

    selected: frozenset[str]
    owners: dict[str, tuple[str, str]]  # program and strategy by ticker
    sides: dict[str, frozenset[str]]  # of quotes that rested, by ticker
    largest_e2: dict[str, int]
    improved_e4: Counter[int]  # how far a reducing ask stood inside a wide spread, and how often that was seen
    exits: int
    ends: tuple[str, ...]  # lifecycle states that markets came to


@attrs.frozen(kw_only=True)
class Summary:
    """One run; two of the same scenario, seed and length are equal."""

    name: str
    seed: int
    simulated_s: float
    listed: int
    seen: Seen
    refusals: tuple[tuple[str, int], ...]
    commands: int
    fills: int
    contracts_e2: int
    positions_e2: dict[str, int]
    session_ends: tuple[tuple[str, str], ...]  # reason, and why something was left; of sessions that are over
    session_open: int
    volatility_events: int
    alerts: tuple[tuple[str, int], ...]
    alert_texts: tuple[str, ...]
    reward_shadow_e6: int
    reward_paid_e6: int
    by_program: tuple[ProgramResult, ...]
    unexplained_e6: int
    books_differ: str
    settled: tuple[str, ...]  # traded markets whose result is paid
    restarts: int
    verdict: str
    violations: tuple[str, ...]
    trace_lines: int
    trace_hash: str

    @property
    def pnl_e6(self) -> int:
        """Cash and open positions at the mid, over all programs."""
        return sum(one.cash_e6 + one.open_e6 for one in self.by_program)


@attrs.frozen(kw_only=True)
class LedgerFacts:
    """What the bot has recorded."""

    refusals: tuple[tuple[str, int], ...]
    sessions: tuple[tuple[str, str, int | None], ...]
    volatility_events: int
    alerts: tuple[tuple[str, str], ...]
    shadow_e6: int
    paid_e6: int
    owners: dict[str, str]


def read_ledger(folder: Path) -> LedgerFacts:
    """Reads the Ledger of the world's only bot. Raises sqlite3.Error, StopIteration where there is none."""
    with closing(sqlite3.connect(next(folder.rglob("ledger.sqlite")))) as db:
        verdicts = db.execute("SELECT DISTINCT program, ticker, reasons FROM verdicts WHERE is_selected = 0")
        refusals = Counter(str(reason) for _, _, words in verdicts for reason in _reasons(words))
        sessions = db.execute(
            "SELECT end_reason, left_because, ended_ms FROM volatility_sessions ORDER BY started_ms, session_id"
        ).fetchall()
        (events,) = db.execute("SELECT count(*) FROM volatility_events WHERE state = 'begun'").fetchone()
        alerts = db.execute("SELECT code, text FROM alerts ORDER BY rowid").fetchall()
        shadow_e6, paid_e6 = db.execute(
            "SELECT coalesce(sum(shadow), 0), coalesce(sum(paid), 0) FROM"
            " (SELECT max(shadow_e6) AS shadow, max(paid_e6) AS paid FROM rewards GROUP BY program_id)"
        ).fetchone()
        owners = dict(db.execute("SELECT ticker, program FROM market_configurations ORDER BY at_ms").fetchall())
    return LedgerFacts(
        refusals=tuple(sorted(refusals.items(), key=lambda one: (-one[1], one[0]))[:REFUSALS_SHOWN_MAX]),
        sessions=tuple(sessions),
        volatility_events=events,
        alerts=tuple(alerts),
        shadow_e6=shadow_e6,
        paid_e6=paid_e6,
        owners=owners,
    )


def _reasons(words: str) -> Iterable[Any]:
    try:
        decoded = json.loads(words)
    except json.JSONDecodeError:
        return (words,)
    return decoded if isinstance(decoded, list) else (decoded,)


def by_program(world: World, owners: dict[str, str]) -> tuple[tuple[ProgramResult, ...], int]:
    """Returns each program's result, and the cash that the exchange's position records leave unexplained."""
    truth, core = world.exchange.truth, world.exchange.core
    cash: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    for ticker, position in core.accounts_by_key[KEY_ID].positions.items():
        program = owners.get(ticker, UNOWNED)
        cash[program] += position.realized_e6 - position.fees_e6 - position.cost_e6
        opened[program] += _value_e6(world, ticker, position.count_e2)
    fills: Counter[str] = Counter()
    contracts: Counter[str] = Counter()
    for fill in truth.fills(KEY_ID):
        fills[owners.get(fill.ticker, UNOWNED)] += 1
        contracts[owners.get(fill.ticker, UNOWNED)] += fill.count_e2
    results = tuple(
        ProgramResult(
            program=program,
            fills=fills[program],
            contracts_e2=contracts[program],
            cash_e6=cash[program],
            open_e6=opened[program],
        )
        for program in sorted({*cash, *fills})
    )
    return results, truth.cash_e6(KEY_ID) - _OPENING_E6 - cash.total()


def _value_e6(world: World, ticker: str, count_e2: int) -> int:
    """Returns what the position is worth at the mid; a short one is as many NO contracts."""
    market = world.exchange.core.markets.get(ticker)
    if market is None or not count_e2:
        return 0
    bid, ask = market.engine.bids.best_price_e4(), market.engine.asks.best_price_e4()
    mid_e4 = ((0 if bid is None else bid) + (10_000 if ask is None else ask)) // 2
    return count_e2 * mid_e4 if count_e2 > 0 else -count_e2 * (10_000 - mid_e4)
