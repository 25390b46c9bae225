"""The documents' names for what is recorded, laid over our tables.

Ours are in integers with their units in the name; the documents speak of cents, contracts, dollars and seconds. Where a
table of ours bears the name that they use, it has their columns beside ours, computed when read; the others are views.
Where one name means two things (`side` of an order is bid or ask here, yes or no there) ours stays, and theirs is
`trade_side`: everything is traded as YES, bought or sold.
"""

from __future__ import annotations

from typing import Final

DOCUMENT_COLUMNS: Final = """
ALTER TABLE orders ADD COLUMN action TEXT AS (CASE side WHEN 'bid' THEN 'buy' ELSE 'sell' END);
ALTER TABLE orders ADD COLUMN trade_side TEXT AS ('yes');
ALTER TABLE orders ADD COLUMN placed_price REAL AS (price_e4 / 100.0);
ALTER TABLE orders ADD COLUMN placed_quantity REAL AS (count_e2 / 100.0);
ALTER TABLE orders ADD COLUMN filled_quantity REAL AS (filled_e2 / 100.0);
ALTER TABLE orders ADD COLUMN status TEXT AS (
    CASE WHEN filled_e2 >= count_e2 THEN 'filled' WHEN filled_e2 > 0 THEN 'partially_filled' ELSE outcome END);
ALTER TABLE volatility_events ADD COLUMN market_ticker TEXT AS (ticker);
ALTER TABLE volatility_events ADD COLUMN timestamp REAL AS (at_ms / 1000.0);
ALTER TABLE volatility_events ADD COLUMN signal_strength REAL AS (strength);
ALTER TABLE volatility_events ADD COLUMN sigma REAL AS (sigma_dollars_per_sqrt_s);
ALTER TABLE volatility_events ADD COLUMN jump_magnitude REAL AS (jump_e4 / 100.0);
ALTER TABLE volatility_events ADD COLUMN close_time REAL AS (close_time_ms / 1000.0);
ALTER TABLE volatility_sessions ADD COLUMN start_time REAL AS (started_ms / 1000.0);
ALTER TABLE volatility_sessions ADD COLUMN end_time REAL AS (ended_ms / 1000.0);
ALTER TABLE volatility_sessions ADD COLUMN kill_reason TEXT AS (end_reason);
ALTER TABLE volatility_sessions ADD COLUMN final_pnl REAL AS (pnl_e6 / 1000000.0);
"""

# `runs` is strategy_runs with an end for those whose process was killed: when its boot was last heard of. The latest
# boot may still be running. A fill belongs to the run that had its market at that moment: one program has it at a time.
# A market's realised PnL changes only where a fill closes something: `trades` are those changes.
DOCUMENT_VIEWS: Final = """
CREATE VIEW runs AS
SELECT r.run_id, r.boot, r.program, r.strategy, r.ticker, r.started_ms,
    COALESCE(r.ended_ms, b.ended_ms,
        CASE WHEN b.started_ms < (SELECT MAX(started_ms) FROM boots) THEN b.heard_ms END) AS ended_ms,
    CASE WHEN r.ended_ms IS NULL AND b.ended_ms IS NULL AND b.started_ms < (SELECT MAX(started_ms) FROM boots)
        THEN 'the process was killed' ELSE r.end_reason END AS end_reason,
    r.pnl_at_start_e6, r.pnl_e6
FROM strategy_runs r LEFT JOIN boots b ON b.boot = r.boot;
CREATE VIEW order_fills AS
SELECT f.fill_id, f.order_id, f.client_order_id, f.ticker,
    CASE f.side WHEN 'bid' THEN 'buy' ELSE 'sell' END AS action, 'yes' AS side,
    f.count_e2 / 100.0 AS count, f.price_e4 / 100.0 AS price_cents, f.fee_e6 / 1000000.0 AS fee,
    f.ts_ms / 1000.0 AS ts, f.is_taker, f.fill_seq,
    (SELECT r.run_id FROM strategy_runs r WHERE r.ticker = f.ticker AND r.started_ms <= f.ts_ms
        ORDER BY r.started_ms DESC LIMIT 1) AS run_id
FROM fills f;
CREATE VIEW trades AS
SELECT ticker, at_ms / 1000.0 AS timestamp, run_id, watermark AS fill_seq,
    CASE WHEN position_e2 > position_before_e2 THEN 'buy' ELSE 'sell' END AS action, 'yes' AS side,
    ABS(position_e2 - position_before_e2) / 100.0 AS quantity, average_entry_e4 / 100.0 AS entry_price,
    (realised_e6 - realised_before_e6) / 1000000.0 AS realized_pnl
FROM position_history WHERE realised_e6 <> realised_before_e6;
CREATE VIEW discovery_sessions AS
SELECT rowid AS session_id, program, at_ms / 1000.0 AS timestamp, scanned AS total_markets, eligible AS pre_filtered,
    CASE WHEN selected = '' THEN 0 ELSE LENGTH(selected) - LENGTH(REPLACE(selected, ' ', '')) + 1 END
        AS top_markets_count,
    selected, rejected
FROM discovery_runs;
CREATE VIEW discovered_markets AS
SELECT v.program, v.ticker, v.is_selected AS selected_for_trading, v.reasons, v.at_ms / 1000.0 AS timestamp,
    (SELECT MIN(d.rowid) FROM discovery_runs d WHERE d.program = v.program AND d.at_ms >= v.at_ms) AS session_id,
    (SELECT c.numbers FROM market_configurations c WHERE c.ticker = v.ticker AND c.program = v.program
        AND c.at_ms >= v.at_ms ORDER BY c.at_ms LIMIT 1) AS generated_config
FROM verdicts v;
CREATE VIEW actor_restarts AS
SELECT actor, incarnation, kind, reason, error, at_ms / 1000.0 AS timestamp FROM actor_exits WHERE kind <> 'stopped';
"""
