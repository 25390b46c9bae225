"""What one program scenario did, by the exchange's truth and the bot's Ledger."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs

from ops.playbook.markets import MarketResult

REFUSALS_SHOWN_MAX = 8


@attrs.frozen(kw_only=True)
class Seen:
    """What the onlooker noted while the bot ran."""

    listed: frozenset[str]
    rewarded: frozenset[str]  # markets in which a liquidity program ran
    selected: frozenset[str]
    improved_e4: Counter[int]  # how far a reducing ask stood inside a wide spread, and how often that was seen
    exits: int  # orders that may only reduce
    exit_fills_e2: int  # what they filled


@attrs.frozen(kw_only=True)
class SessionRow:
    """One volatility session that is over; `left_because` is empty where it was unwound."""

    ticker: str
    lasted_s: float
    reason: str
    left_because: str
    pnl_e6: int


@attrs.frozen(kw_only=True)
class StakeRow:
    """What one refill stake has filled and resting, in 1/100 contract."""

    ticker: str
    committed_e2: int


@attrs.frozen(kw_only=True)
class LedgerFacts:
    """What the bot has recorded."""

    refusals: tuple[tuple[str, int], ...]
    sessions: tuple[SessionRow, ...]
    sessions_open: tuple[str, ...]  # their markets
    volatility_events: int
    stakes: tuple[StakeRow, ...]
    alerts: tuple[tuple[str, str], ...]
    shadow_e6: int
    shadow_at_ms: int  # when it was recorded last, which is every five minutes
    paid_e6: int


@attrs.frozen(kw_only=True)
class Summary:
    """One run; two of the same scenario, seed and length are equal. Sizes in 1/100 contract."""

    name: str
    seed: int
    seconds: float
    simulated_s: float
    seen: Seen
    markets: tuple[MarketResult, ...]
    ledger: LedgerFacts
    commands: int
    accrued_e6: int  # of rewards by the exchange's own count, when the bot recorded its own
    unexplained_e6: int
    books_differ: str
    crashes: int
    verdict: str
    left_resting: tuple[str, ...]  # at the end and half a minute later
    violations: tuple[str, ...]
    trace_lines: int
    trace_hash: str

    @property
    def fills(self) -> int:
        return sum(market.fills for market in self.markets)

    @property
    def opened_e2(self) -> int:
        return sum(market.opened_e2 for market in self.markets)

    @property
    def reduced_e2(self) -> int:
        return sum(market.reduced_e2 for market in self.markets)

    @property
    def quoted(self) -> frozenset[str]:
        return frozenset(market.ticker for market in self.markets if market.sides)

    @property
    def two_sided(self) -> frozenset[str]:
        return frozenset(market.ticker for market in self.markets if len(market.sides) > 1)

    @property
    def settled(self) -> tuple[str, ...]:
        return tuple(market.ticker for market in self.markets if market.is_settled)

    @property
    def alerts(self) -> Counter[str]:
        return Counter(code for code, _ in self.ledger.alerts)

    @property
    def pnl_e6(self) -> int:
        """Cash and open positions at the mid, over all markets."""
        return sum(market.pnl_e6 for market in self.markets)


def read_ledger(folder: Path) -> LedgerFacts:
    """Reads the Ledger of the world's only bot. Raises sqlite3.Error, StopIteration where there is none."""
    with closing(sqlite3.connect(next(folder.rglob("ledger.sqlite")))) as db:
        verdicts = db.execute("SELECT DISTINCT program, ticker, reasons FROM verdicts WHERE is_selected = 0")
        refusals = Counter(str(reason) for _, _, words in verdicts for reason in _reasons(words))
        sessions = db.execute(
            "SELECT ticker, ended_ms - started_ms, end_reason, left_because, pnl_e6 - pnl_at_start_e6"
            " FROM volatility_sessions WHERE ended_ms IS NOT NULL ORDER BY started_ms, session_id"
        ).fetchall()
        opened = db.execute("SELECT ticker FROM volatility_sessions WHERE ended_ms IS NULL ORDER BY ticker").fetchall()
        (events,) = db.execute("SELECT count(*) FROM volatility_events WHERE state = 'begun'").fetchone()
        stakes = db.execute("SELECT ticker, committed_e2 FROM refill_stakes ORDER BY ticker").fetchall()
        alerts = db.execute("SELECT code, text FROM alerts ORDER BY rowid").fetchall()
        shadow_e6, shadow_at_ms, paid_e6 = db.execute(
            "SELECT coalesce(sum(shadow), 0), coalesce(max(at_ms), 0), coalesce(sum(paid), 0) FROM (SELECT"
            " max(shadow_e6) AS shadow, max(at_ms) AS at_ms, max(paid_e6) AS paid FROM rewards GROUP BY program_id)"
        ).fetchone()
    return LedgerFacts(
        refusals=tuple(sorted(refusals.items(), key=lambda one: (-one[1], one[0]))[:REFUSALS_SHOWN_MAX]),
        sessions=tuple(
            SessionRow(ticker=ticker, lasted_s=lasted_ms / 1000, reason=reason, left_because=left, pnl_e6=pnl_e6)
            for ticker, lasted_ms, reason, left, pnl_e6 in sessions
        ),
        sessions_open=tuple(ticker for (ticker,) in opened),
        volatility_events=events,
        stakes=tuple(StakeRow(ticker=ticker, committed_e2=count_e2) for ticker, count_e2 in stakes),
        alerts=tuple(alerts),
        shadow_e6=shadow_e6,
        shadow_at_ms=shadow_at_ms,
        paid_e6=paid_e6,
    )


def _reasons(words: str) -> Iterable[Any]:
    try:
        decoded = json.loads(words)
    except json.JSONDecodeError:
        return (words,)
    return decoded if isinstance(decoded, list) else (decoded,)
