"""Recordings made up for tests: short runs in the form of the real ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

Frame = dict[str, Any]

QUARTER_S = 900
# Two minutes after a quarter of an hour of May 2026, so that thirteen are left for quoting.
START_MS = 1_778_477_400_000 // (QUARTER_S * 1000) * QUARTER_S * 1000 + 120_000
TICKERS = ("KXTEST15M-26MAY110600-00", "KXTEST15M-26MAY110615-15")
BOOK_SID, TICKER_SID, TRADE_SID = 2, 1, 3


def subscribed(channel: str, sid: int) -> Frame:
    return {"type": "subscribed", "id": 1, "msg": {"channel": channel, "sid": sid}}


def snapshot(ticker: str, seq: int, yes: dict[str, str], no: dict[str, str]) -> Frame:
    msg: Frame = {"market_ticker": ticker}
    if yes:
        msg["yes_dollars_fp"] = [[price, size] for price, size in yes.items()]
    if no:
        msg["no_dollars_fp"] = [[price, size] for price, size in no.items()]
    return {"type": "orderbook_snapshot", "sid": BOOK_SID, "seq": seq, "msg": msg}


def delta(ticker: str, seq: int, side: str, price: str, change: str, ts_ms: int) -> Frame:
    msg = {"market_ticker": ticker, "price_dollars": price, "delta_fp": change, "side": side, "ts_ms": ts_ms}
    return {"type": "orderbook_delta", "sid": BOOK_SID, "seq": seq, "msg": msg}


def ticker_frame(ticker: str, ts_ms: int) -> Frame:
    msg = {
        "market_ticker": ticker,
        "price_dollars": "0.4500",
        "yes_bid_dollars": "0.4500",
        "yes_ask_dollars": "0.4700",
        "yes_bid_size_fp": "120.00",
        "yes_ask_size_fp": "80.50",
        "volume_fp": "1000.00",
        "ts_ms": ts_ms,
    }
    return {"type": "ticker", "sid": TICKER_SID, "msg": msg}


def connection(ticker: str, start_ms: int, *, rounds: int = 120) -> list[Frame]:
    """One market's connection: levels that come and go, a match that crosses the book inside its ts_ms, an empty end.

    Each round of four moments leaves the book as it was, so frames can be counted: 7 deltas, 4 values of ts_ms.
    """
    frames = [
        subscribed("ticker", TICKER_SID),
        subscribed("orderbook_delta", BOOK_SID),
        snapshot(
            ticker,
            1,
            {"0.4300": "50.00", "0.4400": "200.25", "0.4500": "120.00"},
            {"0.5300": "80.50", "0.5200": "300.00", "0.0010": "7.77"},
        ),
    ]
    ts_ms = start_ms
    for number in range(rounds):
        steps = [
            [("yes", "0.4550", "12.34")],
            # Somebody buys at 47 cents: for two frames the book is crossed.
            [("yes", "0.4700", "80.50"), ("no", "0.5300", "-80.50"), ("yes", "0.4700", "-80.50")],
            [("no", "0.5300", "80.50")],
            [("yes", "0.4550", "-10.00"), ("yes", "0.4550", "-2.34")],
        ]
        for moment in steps:
            ts_ms += 37
            for side, price, change in moment:
                frames.append(delta(ticker, len(frames) - number // 40 - 1, side, price, change, ts_ms))
        if number % 40 == 39:
            frames.append(ticker_frame(ticker, ts_ms))
    frames.append(snapshot(ticker, last_seq(frames) + 1, {}, {}))
    return frames


def last_seq(frames: list[Frame]) -> int:
    return max(int(frame["seq"]) for frame in frames if "seq" in frame)


def run_of_two() -> list[list[Frame]]:
    """Two connections, one after the other, each to its own market."""
    return [connection(TICKERS[0], START_MS), connection(TICKERS[1], START_MS + 600_000)]


def with_trades(frames: list[Frame]) -> list[Frame]:
    """The same connection with a trade channel: in each round a sale far below every bid, or a purchase above."""
    told, trades = [frames[0], subscribed("trade", TRADE_SID)], 0
    for number, frame in enumerate(frames[1:]):
        told.append(frame)
        if frame["msg"].get("delta_fp") != "12.34":
            continue
        trades += 1
        taker, price = ("no", "0.3000") if number % 2 else ("yes", "0.6000")
        msg = {
            "market_ticker": frame["msg"]["market_ticker"],
            "trade_id": str(number),
            "yes_price_dollars": price,
            "count_fp": "3.00",
            "taker_outcome_side": taker,
            "ts_ms": frame["msg"]["ts_ms"],
        }
        told.append({"type": "trade", "sid": TRADE_SID, "seq": trades, "msg": msg})
    return told


def deltas_of(connections: list[list[Frame]]) -> int:
    return sum(frame["type"] == "orderbook_delta" for frames in connections for frame in frames)


def text_of(connections: list[list[Frame]]) -> str:
    """The run as it is recorded: a line for each frame, with the time of reception and the connection's number."""
    lines = []
    for number, frames in enumerate(connections):
        at_ms = START_MS + 600_000 * number
        for frame in frames:
            at_ms = max(at_ms, frame["msg"].get("ts_ms", 0))
            lines.append(json.dumps({"recv_ns": at_ms * 1_000_000, "conn": number, "frame": frame}))
    return "\n".join(lines) + "\n"


def write(path: Path, connections: list[list[Frame]]) -> Path:
    """Writes a run, compressed where the name ends in .gz."""
    content = text_of(connections).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path
