"""The Ledger's tables for reports: what markets' actors measured of their quotes and fills, and when the bot ran.

Rows come as `Record`s. A fill is marked once; where an actor is started anew and marks one again, the newer row stands.
Prices are without our own orders, of the others alone; `mid2` is twice a mid, so that it is an integer.
"""

from __future__ import annotations

from typing import Final

RECORD_TABLES: Final = frozenset({"runs", "market_minutes", "fill_marks"})
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
    run TEXT NOT NULL, mode TEXT NOT NULL, venue TEXT NOT NULL, started_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS market_minutes (
    ticker TEXT NOT NULL, program TEXT NOT NULL, minute_ms INTEGER NOT NULL, live_ms INTEGER NOT NULL,
    bid_ms INTEGER NOT NULL, ask_ms INTEGER NOT NULL, both_ms INTEGER NOT NULL,
    bid_touch_ms INTEGER NOT NULL, ask_touch_ms INTEGER NOT NULL, bid_e4 INTEGER, ask_e4 INTEGER);
CREATE INDEX IF NOT EXISTS market_minutes_by_ticker ON market_minutes (ticker, minute_ms);
CREATE TABLE IF NOT EXISTS fill_marks (
    fill_seq INTEGER PRIMARY KEY ON CONFLICT REPLACE,
    mid2_e4 INTEGER, mid2_1s_e4 INTEGER, mid2_5s_e4 INTEGER, mid2_10s_e4 INTEGER, mid2_60s_e4 INTEGER);
"""
