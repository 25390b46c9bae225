"""The tables as older programs made them, word for word: files like these are out there."""

from __future__ import annotations

from typing import Final

# The first program that kept a ledger; it wrote version 1.
FIRST_PROGRAM: Final = """
CREATE TABLE IF NOT EXISTS fills (
    fill_seq INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL, fill_id TEXT NOT NULL, client_order_id TEXT,
    ticker TEXT NOT NULL, side TEXT NOT NULL,
    price_e4 INTEGER NOT NULL, count_e2 INTEGER NOT NULL, fee_e6 INTEGER NOT NULL,
    is_taker INTEGER NOT NULL, ts_ms INTEGER NOT NULL, exchange_index INTEGER NOT NULL, source TEXT NOT NULL,
    UNIQUE (order_id, fill_id));
CREATE TABLE IF NOT EXISTS orders (
    client_order_id TEXT, ticker TEXT, side TEXT, price_e4 INTEGER, count_e2 INTEGER,
    filled_e2 INTEGER, outcome TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS actor_exits (
    actor TEXT, incarnation INTEGER, kind TEXT, reason TEXT, error TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS alerts (code TEXT, severity TEXT, actor TEXT, text TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS discovery_runs (
    program TEXT, scanned INTEGER, eligible INTEGER, selected TEXT, rejected TEXT, at_ms INTEGER);
PRAGMA user_version=1;
"""

# The last program before migrations; it wrote version 1 as well.
LAST_UNNUMBERED_PROGRAM: Final = (
    FIRST_PROGRAM
    + """
CREATE TABLE IF NOT EXISTS market_configurations (
    ticker TEXT NOT NULL, program TEXT NOT NULL, strategy TEXT NOT NULL, category TEXT, profile TEXT, regime TEXT,
    numbers TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS market_configurations_by_ticker ON market_configurations (ticker, at_ms);
CREATE TABLE IF NOT EXISTS volatility_events (
    event_id INTEGER, incarnation INTEGER, ticker TEXT, category TEXT, state TEXT, reason TEXT, strength REAL,
    sigma_dollars_per_sqrt_s REAL, jump_e4 INTEGER, direction TEXT, close_time_ms INTEGER, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS verdicts (
    program TEXT NOT NULL, ticker TEXT NOT NULL, is_selected INTEGER NOT NULL,
    reasons TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS verdicts_by_ticker ON verdicts (ticker, program, at_ms);
CREATE TABLE IF NOT EXISTS toxicity (
    kind TEXT NOT NULL, name TEXT NOT NULL, at_ms INTEGER NOT NULL, contracts REAL NOT NULL,
    markout_dollars REAL NOT NULL, pnl_dollars REAL NOT NULL, excluded_until_ms INTEGER NOT NULL,
    exclusions INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS rewards (
    program_id TEXT, ticker TEXT, shadow_e6 INTEGER, paid_e6 INTEGER, is_over INTEGER, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS realised_seen (ticker TEXT PRIMARY KEY, net_e6 INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS volatility_sessions (
    session_id TEXT PRIMARY KEY, program TEXT NOT NULL, ticker TEXT NOT NULL, event_id TEXT NOT NULL,
    started_ms INTEGER NOT NULL, ended_ms INTEGER, close_time_ms INTEGER NOT NULL,
    phase TEXT NOT NULL, end_reason TEXT NOT NULL, left_because TEXT NOT NULL,
    pnl_at_start_e6 INTEGER NOT NULL, pnl_e6 INTEGER NOT NULL, position_e2 INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS open_sessions ON volatility_sessions (program) WHERE ended_ms IS NULL;
CREATE TABLE IF NOT EXISTS refill_stakes (
    program TEXT NOT NULL, ticker TEXT NOT NULL, opened_seq INTEGER NOT NULL, state TEXT NOT NULL,
    committed_e2 INTEGER NOT NULL, committed_e6 INTEGER NOT NULL,
    PRIMARY KEY (program, ticker));
CREATE INDEX IF NOT EXISTS fills_by_ticker ON fills (ticker, fill_seq);
"""
)
