-- Questions to the ledger, ready to run:  sqlite3 -readonly state/VENUE/ledger.sqlite < docs/queries.sql
-- One by one they take parameters with a colon (:run, :ticker, :since_ms); in the shell: .param set :ticker "'KX…'"
-- Prices end in _e4 (1/10,000 dollar), counts in _e2 (1/100 contract), money in _e6 (1/1,000,000 dollar), times in _ms.
-- Columns without such an end are in cents, contracts, dollars and seconds.

-- The newest runs: which program had which market, for how long, and what came of it
SELECT run_id, program, strategy, ticker, started_ms, ended_ms, end_reason, pnl_e6 / 1e6 AS pnl_dollars
FROM runs ORDER BY started_ms DESC LIMIT 10;

-- Boots: how often the bot was started, and how each ended (without an end: running, or killed)
SELECT boot, venue, mode, started_ms, heard_ms, ended_ms, reason FROM boots ORDER BY started_ms DESC LIMIT 10;

-- Programs as they were switched, with the parameters they ran with
SELECT at_ms, program, strategy, is_enabled, parameters FROM programs ORDER BY at_ms DESC LIMIT 20;

-- PnL by strategy and market
SELECT strategy, ticker, COUNT(*) AS runs, SUM(pnl_e6) / 1e6 AS pnl_dollars
FROM runs GROUP BY strategy, ticker ORDER BY pnl_dollars DESC;

-- Fills of one run
SELECT * FROM order_fills WHERE run_id = :run ORDER BY fill_seq;

-- Fills and fees of each market since a moment
SELECT ticker, COUNT(*) AS fills, SUM(count_e2) / 100.0 AS contracts, SUM(fee_e6) / 1e6 AS fees_dollars,
    AVG(is_taker) AS taker_share
FROM fills WHERE ts_ms >= :since_ms GROUP BY ticker ORDER BY fills DESC;

-- Cash of each market from its fills: negative while contracts are held
SELECT ticker, SUM(CASE side WHEN 'bid' THEN -price_e4 ELSE price_e4 END * count_e2 - fee_e6) / 1e6 AS cash_dollars,
    SUM(CASE side WHEN 'bid' THEN count_e2 ELSE -count_e2 END) / 100.0 AS position
FROM fills GROUP BY ticker;

-- How often orders are filled, by market
SELECT ticker, COUNT(*) AS orders, AVG(filled_e2 > 0) AS filled_share, SUM(filled_e2) * 1.0 / SUM(count_e2) AS of_size
FROM orders GROUP BY ticker ORDER BY orders DESC;

-- How orders end
SELECT status, COUNT(*) AS orders FROM orders GROUP BY status ORDER BY orders DESC;

-- What closing trades brought
SELECT ticker, COUNT(*) AS trades, SUM(realized_pnl) AS dollars, AVG(realized_pnl > 0) AS won_share
FROM trades GROUP BY ticker ORDER BY dollars;

-- A market over time: its price, our quotes, our position
SELECT timestamp, yes_bid, yes_ask, computed_bid, computed_ask, current_position
FROM market_snapshots WHERE ticker = :ticker AND at_ms >= :since_ms ORDER BY at_ms;

-- Share of samples in which we quoted both sides, by market
SELECT ticker, AVG(own_bid_e4 IS NOT NULL AND own_ask_e4 IS NOT NULL) AS both_sides, COUNT(*) AS samples
FROM market_snapshots WHERE at_ms >= :since_ms GROUP BY ticker ORDER BY both_sides DESC;

-- Share of samples in which a quote of ours was at the touch
SELECT ticker, AVG(own_bid_e4 = best_bid_e4) AS bid_at_touch, AVG(own_ask_e4 = best_ask_e4) AS ask_at_touch
FROM market_snapshots WHERE at_ms >= :since_ms GROUP BY ticker;

-- How a position went
SELECT timestamp, position, average_entry_e4, unrealized_pnl, realised_e6 / 1e6 AS realised_dollars
FROM position_history WHERE ticker = :ticker ORDER BY at_ms;

-- Discovery: the newest looks at the list
SELECT session_id, program, timestamp, total_markets, pre_filtered, top_markets_count
FROM discovery_sessions ORDER BY timestamp DESC LIMIT 5;

-- Why a market was taken or refused
SELECT program, timestamp, selected_for_trading, reasons FROM discovered_markets
WHERE ticker = :ticker ORDER BY timestamp DESC LIMIT 20;

-- The commonest reasons for refusal
SELECT reasons, COUNT(*) AS times FROM verdicts WHERE is_selected = 0 GROUP BY reasons ORDER BY times DESC LIMIT 20;

-- Volatility events, newest first
SELECT timestamp, market_ticker, signal_strength, sigma, jump_magnitude, direction
FROM volatility_events ORDER BY timestamp DESC LIMIT 10;

-- Volatility sessions: why they end and what they bring
SELECT kill_reason, COUNT(*) AS sessions, AVG(end_time - start_time) AS seconds, SUM(final_pnl) AS dollars
FROM volatility_sessions WHERE ended_ms IS NOT NULL GROUP BY kill_reason;

-- Rewards: paid, and by our own count
SELECT program_id, ticker, MAX(paid_e6) / 1e6 AS paid_dollars, MAX(shadow_e6) / 1e6 AS counted_dollars
FROM rewards GROUP BY program_id, ticker;

-- Refill stakes: what of their totals is used up
SELECT program, ticker, committed_e2 / 100.0 AS contracts, committed_e6 / 1e6 AS dollars FROM refill_stakes;

-- Actors that crashed, the frequent ones first
SELECT actor, reason, COUNT(*) AS times, MAX(timestamp) AS latest FROM actor_restarts
GROUP BY actor, reason ORDER BY times DESC;

-- Alerts of late
SELECT at_ms, severity, code, actor, text FROM alerts ORDER BY at_ms DESC LIMIT 20;

-- Fills by day
SELECT date(ts_ms / 1000, 'unixepoch') AS day, COUNT(*) AS fills, SUM(count_e2) / 100.0 AS contracts,
    SUM(fee_e6) / 1e6 AS fees_dollars, SUM(is_taker) AS taker_fills
FROM fills GROUP BY day ORDER BY day;

-- Markouts by market, cents a contract (negative: others knew better)
SELECT ticker, COUNT(*) AS fills,
    SUM(s * (mid2_e4 - 2 * price_e4)) / 200.0 / SUM(CASE WHEN mid2_e4 IS NOT NULL THEN count_e2 END) AS spread_c,
    SUM(s * (mid2_1s_e4 - 2 * price_e4)) / 200.0 / SUM(CASE WHEN mid2_1s_e4 IS NOT NULL THEN count_e2 END) AS s1_c,
    SUM(s * (mid2_10s_e4 - 2 * price_e4)) / 200.0 / SUM(CASE WHEN mid2_10s_e4 IS NOT NULL THEN count_e2 END) AS s10_c,
    SUM(s * (mid2_60s_e4 - 2 * price_e4)) / 200.0 / SUM(CASE WHEN mid2_60s_e4 IS NOT NULL THEN count_e2 END) AS s60_c
FROM (SELECT *, CASE side WHEN 'bid' THEN count_e2 ELSE -count_e2 END AS s FROM fills JOIN fill_marks USING (fill_seq))
GROUP BY ticker ORDER BY fills DESC;

-- Time quoted and at the touch by program, shares of the time that the book was live
SELECT program, COUNT(DISTINCT ticker) AS markets, SUM(live_ms) / 3.6e6 AS live_hours,
    SUM(bid_ms + ask_ms) / 2.0 / SUM(live_ms) AS quoted, SUM(both_ms) * 1.0 / SUM(live_ms) AS both_sides,
    SUM(bid_touch_ms + ask_touch_ms) / 2.0 / SUM(live_ms) AS at_touch
FROM market_minutes GROUP BY program;

-- Settlements of markets that we traded
SELECT ticker, value_e4 / 100.0 AS value_cents, datetime(settled_ms / 1000, 'unixepoch') AS heard
FROM settlements ORDER BY settled_ms DESC LIMIT 20;

-- Positions from flat to flat: the furthest behind first, with how far each was ahead and how long it was held
SELECT ticker, began_ms, (ended_ms - began_ms) / 1000.0 AS seconds, largest_e2 / 100.0 AS largest_contracts,
    adverse_e6 / 1e6 AS behind_dollars, favourable_e6 / 1e6 AS ahead_dollars, ended_ms IS NULL AS is_open
FROM episodes ORDER BY adverse_e6 DESC LIMIT 20;
