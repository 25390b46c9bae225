-- Ready queries for the Ledger (state/VENUE/ledger.sqlite): sqlite3 -readonly -box ledger.sqlite < docs/queries.sql
-- Money ends in _e6 (millionths of a dollar), prices in _e4, counts in _e2; the results below are in dollars and
-- contracts, rounded. Exact figures: python supervisor.py report --csv FOLDER.

-- name: runs of the bot
SELECT run, mode, venue, datetime(started_ms / 1000, 'unixepoch') AS started FROM runs ORDER BY started_ms DESC LIMIT 20;

-- name: fills, fees and cash by market (cash of YES-equivalents, before what positions are worth)
SELECT ticker, COUNT(*) AS fills, SUM(count_e2) / 100.0 AS contracts, SUM(fee_e6) / 1e6 AS fees,
    SUM(CASE side WHEN 'bid' THEN -count_e2 * price_e4 ELSE count_e2 * price_e4 END) / 1e6 AS cash,
    SUM(CASE side WHEN 'bid' THEN count_e2 ELSE -count_e2 END) / 100.0 AS position
FROM fills GROUP BY ticker ORDER BY fills DESC;

-- name: fills by day
SELECT date(ts_ms / 1000, 'unixepoch') AS day, COUNT(*) AS fills, SUM(count_e2) / 100.0 AS contracts,
    SUM(fee_e6) / 1e6 AS fees, SUM(is_taker) AS taker_fills
FROM fills GROUP BY day ORDER BY day;

-- name: markouts by market, cents a contract (negative: others knew better)
SELECT ticker, COUNT(*) AS fills,
    SUM(s * (mid2_e4 - 2 * price_e4)) / 200.0 / SUM(CASE WHEN mid2_e4 IS NOT NULL THEN count_e2 END) AS spread_c,
    SUM(s * (mid2_1s_e4 - 2 * price_e4)) / 200.0 / SUM(CASE WHEN mid2_1s_e4 IS NOT NULL THEN count_e2 END) AS s1_c,
    SUM(s * (mid2_10s_e4 - 2 * price_e4)) / 200.0 / SUM(CASE WHEN mid2_10s_e4 IS NOT NULL THEN count_e2 END) AS s10_c,
    SUM(s * (mid2_60s_e4 - 2 * price_e4)) / 200.0 / SUM(CASE WHEN mid2_60s_e4 IS NOT NULL THEN count_e2 END) AS s60_c
FROM (SELECT *, CASE side WHEN 'bid' THEN count_e2 ELSE -count_e2 END AS s FROM fills JOIN fill_marks USING (fill_seq))
GROUP BY ticker ORDER BY fills DESC;

-- name: time quoted and at the touch by program, shares of the time that the book was live
SELECT program, COUNT(DISTINCT ticker) AS markets, SUM(live_ms) / 3.6e6 AS live_hours,
    SUM(bid_ms + ask_ms) / 2.0 / SUM(live_ms) AS quoted, SUM(both_ms) * 1.0 / SUM(live_ms) AS both_sides,
    SUM(bid_touch_ms + ask_touch_ms) / 2.0 / SUM(live_ms) AS at_touch
FROM market_minutes GROUP BY program;

-- name: how orders ended, and how many were filled at all
SELECT outcome, COUNT(*) AS orders, AVG(filled_e2 > 0) AS filled, SUM(filled_e2) / 100.0 AS contracts
FROM orders GROUP BY outcome ORDER BY orders DESC;

-- name: rewards by market: what our shadow says, and what was paid
SELECT ticker, SUM(shadow) / 1e6 AS shadow, SUM(paid) / 1e6 AS paid
FROM (SELECT program_id, ticker, MAX(shadow_e6) AS shadow, MAX(paid_e6) AS paid FROM rewards GROUP BY program_id)
GROUP BY ticker ORDER BY paid DESC;

-- name: volatility sessions by program and reason
SELECT program, CASE WHEN ended_ms IS NULL THEN 'still open' ELSE end_reason END AS ended_by, COUNT(*) AS sessions,
    SUM(pnl_e6) / 1e6 AS pnl, AVG(ended_ms - started_ms) / 6e4 AS minutes
FROM volatility_sessions GROUP BY program, ended_by;

-- name: what discovery last said of each market of a program
SELECT program, ticker, is_selected, reasons, datetime(MAX(at_ms) / 1000, 'unixepoch') AS at
FROM verdicts GROUP BY program, ticker ORDER BY program, is_selected DESC, ticker LIMIT 200;

-- name: restarts of actors
SELECT actor, kind, COUNT(*) AS times, MAX(datetime(at_ms / 1000, 'unixepoch')) AS last, error
FROM actor_exits GROUP BY actor, kind, error ORDER BY times DESC LIMIT 50;

-- name: alerts, the newest first
SELECT datetime(at_ms / 1000, 'unixepoch') AS at, severity, code, actor, text FROM alerts ORDER BY at_ms DESC LIMIT 50;
