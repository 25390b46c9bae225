"""The tables, as the steps that led to them: step n takes a file of version n-1 to version n.

A step that has been released is never changed: files of its version are out there. Step 1 alone may meet a file that
has some of its tables already, because the first programs wrote version 1 while tables were still being added.
"""

from __future__ import annotations

from typing import Final

from actors.runtime.ledger_store.documents import DOCUMENT_COLUMNS, DOCUMENT_VIEWS

_FIRST: Final = """
CREATE TABLE IF NOT EXISTS fills (
    fill_seq INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL, fill_id TEXT NOT NULL, client_order_id TEXT,
    ticker TEXT NOT NULL, side TEXT NOT NULL,
    price_e4 INTEGER NOT NULL, count_e2 INTEGER NOT NULL, fee_e6 INTEGER NOT NULL,
    is_taker INTEGER NOT NULL, ts_ms INTEGER NOT NULL, exchange_index INTEGER NOT NULL, source TEXT NOT NULL,
    UNIQUE (order_id, fill_id));
CREATE INDEX IF NOT EXISTS fills_by_ticker ON fills (ticker, fill_seq);
CREATE TABLE IF NOT EXISTS orders (
    client_order_id TEXT, ticker TEXT, side TEXT, price_e4 INTEGER, count_e2 INTEGER,
    filled_e2 INTEGER, outcome TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS actor_exits (
    actor TEXT, incarnation INTEGER, kind TEXT, reason TEXT, error TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS alerts (code TEXT, severity TEXT, actor TEXT, text TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS discovery_runs (
    program TEXT, scanned INTEGER, eligible INTEGER, selected TEXT, rejected TEXT, at_ms INTEGER);
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
"""

# A run has no end where its process was killed: the view `runs` says when the boot was last heard of instead. Columns
# with AS are the documents' names (see there). An index holds the row's number, fill_seq, in any case.
_RUNS: Final = """
DROP INDEX fills_by_ticker;
CREATE INDEX fills_by_ticker ON fills (ticker);
CREATE TABLE boots (
    boot TEXT PRIMARY KEY, venue TEXT NOT NULL, mode TEXT NOT NULL, started_ms INTEGER NOT NULL,
    heard_ms INTEGER NOT NULL, ended_ms INTEGER, reason TEXT NOT NULL);
CREATE TABLE programs (
    boot TEXT NOT NULL, program TEXT NOT NULL, strategy TEXT NOT NULL, selection TEXT NOT NULL,
    is_enabled INTEGER NOT NULL, parameters TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE strategy_runs (
    run_id TEXT PRIMARY KEY, boot TEXT NOT NULL, program TEXT NOT NULL, strategy TEXT NOT NULL, ticker TEXT NOT NULL,
    started_ms INTEGER NOT NULL, ended_ms INTEGER, end_reason TEXT NOT NULL,
    pnl_at_start_e6 INTEGER NOT NULL, pnl_e6 INTEGER NOT NULL,
    strategy_name TEXT AS (ticker || '-' || program || '-' || started_ms),
    market_ticker TEXT AS (ticker),
    trade_side TEXT AS ('yes'),
    start_time REAL AS (started_ms / 1000.0),
    end_time REAL AS (ended_ms / 1000.0));
CREATE INDEX strategy_runs_by_ticker ON strategy_runs (ticker, started_ms);
CREATE TABLE market_snapshots (
    run_id TEXT, ticker TEXT NOT NULL, at_ms INTEGER NOT NULL, condition TEXT NOT NULL,
    best_bid_e4 INTEGER, best_ask_e4 INTEGER, own_bid_e4 INTEGER, own_ask_e4 INTEGER,
    own_bid_e2 INTEGER, own_ask_e2 INTEGER, position_e2 INTEGER NOT NULL, pnl_e6 INTEGER NOT NULL,
    timestamp REAL AS (at_ms / 1000.0),
    yes_bid REAL AS (best_bid_e4 / 100.0),
    yes_ask REAL AS (best_ask_e4 / 100.0),
    yes_mid REAL AS ((best_bid_e4 + best_ask_e4) / 200.0),
    no_bid REAL AS ((10000 - best_ask_e4) / 100.0),
    no_ask REAL AS ((10000 - best_bid_e4) / 100.0),
    no_mid REAL AS ((20000 - best_bid_e4 - best_ask_e4) / 200.0),
    current_position REAL AS (position_e2 / 100.0),
    computed_bid REAL AS (own_bid_e4 / 100.0),
    computed_ask REAL AS (own_ask_e4 / 100.0),
    spread REAL AS ((own_ask_e4 - own_bid_e4) / 100.0));
CREATE INDEX market_snapshots_by_ticker ON market_snapshots (ticker, at_ms);
CREATE TABLE position_history (
    run_id TEXT, ticker TEXT NOT NULL, at_ms INTEGER NOT NULL,
    position_before_e2 INTEGER NOT NULL, position_e2 INTEGER NOT NULL, average_entry_e4 INTEGER,
    realised_before_e6 INTEGER NOT NULL, realised_e6 INTEGER NOT NULL, unrealised_e6 INTEGER NOT NULL,
    fees_e6 INTEGER NOT NULL, mark_e4 INTEGER, watermark INTEGER NOT NULL,
    timestamp REAL AS (at_ms / 1000.0),
    position REAL AS (position_e2 / 100.0),
    unrealized_pnl REAL AS (unrealised_e6 / 1000000.0));
CREATE INDEX position_history_by_ticker ON position_history (ticker, at_ms);
CREATE INDEX discovery_runs_by_program ON discovery_runs (program, at_ms);
"""

# How far REST has been worked in (see fill_mark).
_FILL_MARK: Final = """
CREATE TABLE fill_mark (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), complete_to_ms INTEGER NOT NULL);
"""

# What reports are made of. A fill is marked once; where an actor is started anew and marks one again, the newer row
# stands. Prices are without our own orders, of the others alone; `mid2` is twice a mid, so that it is an integer.
_REPORTS: Final = """
CREATE TABLE market_minutes (
    ticker TEXT NOT NULL, program TEXT NOT NULL, minute_ms INTEGER NOT NULL, live_ms INTEGER NOT NULL,
    bid_ms INTEGER NOT NULL, ask_ms INTEGER NOT NULL, both_ms INTEGER NOT NULL,
    bid_touch_ms INTEGER NOT NULL, ask_touch_ms INTEGER NOT NULL, bid_e4 INTEGER, ask_e4 INTEGER);
CREATE INDEX market_minutes_by_ticker ON market_minutes (ticker, minute_ms);
CREATE TABLE fill_marks (
    fill_seq INTEGER PRIMARY KEY,
    mid2_e4 INTEGER, mid2_1s_e4 INTEGER, mid2_5s_e4 INTEGER, mid2_10s_e4 INTEGER, mid2_60s_e4 INTEGER);
CREATE TABLE settlements (ticker TEXT PRIMARY KEY, value_e4 INTEGER NOT NULL, settled_ms INTEGER NOT NULL);
"""


# What risk counts losses from, and why it has tripped (see loss_latch).
_LOSS_LATCH: Final = """
CREATE TABLE loss_latch (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), day INTEGER, start_equity_e6 INTEGER, peak_equity_e6 INTEGER,
    last_equity_e6 INTEGER, tripped_reason TEXT);
"""

# Markets that are over, as sums over all their fills (see retired_markets).
_RETIRED_MARKETS: Final = """
CREATE TABLE retired_markets (
    ticker TEXT PRIMARY KEY, cash_delta_e6 INTEGER NOT NULL, realised_e6 INTEGER NOT NULL, fees_e6 INTEGER NOT NULL,
    traded_e2 INTEGER NOT NULL, fills INTEGER NOT NULL);
"""

# From flat to flat (quant.episodes), the open ones with what they have been through so far; and what the stop loss has
# seen of open positions.
_EPISODES: Final = """
CREATE TABLE episodes (
    ticker TEXT NOT NULL, opened_seq INTEGER NOT NULL, began_ms INTEGER NOT NULL, ended_ms INTEGER,
    largest_e2 INTEGER NOT NULL, held_e2_ms INTEGER NOT NULL, adverse_e6 INTEGER NOT NULL,
    favourable_e6 INTEGER NOT NULL, adverse_e4 INTEGER NOT NULL, favourable_e4 INTEGER NOT NULL,
    PRIMARY KEY (ticker, opened_seq));
CREATE INDEX open_episodes ON episodes (ticker) WHERE ended_ms IS NULL;
CREATE TABLE excursions (
    ticker TEXT PRIMARY KEY, opened_seq INTEGER NOT NULL, sign INTEGER NOT NULL, best_touch_e4 INTEGER,
    worst_e6 INTEGER NOT NULL);
"""

# One index over fills instead of two. An order is of one market, so the ticker adds nothing to what is unique; but ids
# are random, and an index that begins with them is met everywhere by every batch: with a million fills most of its
# pages were written again each time. Begun with the ticker, it is met where today's markets are, and finds their fills
# as well. Views go on to mean "fills" by name.
_ONE_INDEX: Final = """
CREATE TABLE fills_by_market (
    fill_seq INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL, fill_id TEXT NOT NULL, client_order_id TEXT,
    ticker TEXT NOT NULL, side TEXT NOT NULL,
    price_e4 INTEGER NOT NULL, count_e2 INTEGER NOT NULL, fee_e6 INTEGER NOT NULL,
    is_taker INTEGER NOT NULL, ts_ms INTEGER NOT NULL, exchange_index INTEGER NOT NULL, source TEXT NOT NULL,
    UNIQUE (ticker, order_id, fill_id));
INSERT INTO fills_by_market SELECT * FROM fills ORDER BY fill_seq;
DROP TABLE fills;
PRAGMA legacy_alter_table=ON;
ALTER TABLE fills_by_market RENAME TO fills;
PRAGMA legacy_alter_table=OFF;
"""

STEPS: Final[tuple[str, ...]] = (
    _FIRST,
    _RUNS,
    DOCUMENT_COLUMNS,
    DOCUMENT_VIEWS,
    _FILL_MARK,
    _REPORTS,
    _LOSS_LATCH,
    _RETIRED_MARKETS,
    _EPISODES,
    _ONE_INDEX,
)
