"""Frames as the exchange sends them, for the feed's tests."""

from __future__ import annotations

import json
from typing import Any


def encode(frame: dict[str, Any]) -> str:
    return json.dumps(frame, separators=(",", ":")) + "\n"


def subscribed(channel: str, sid: int, command_id: int = 1) -> str:
    return encode({"type": "subscribed", "id": command_id, "msg": {"channel": channel, "sid": sid}})


def ok(sid: int, seq: int | None = None, command_id: int = 1, tickers: tuple[str, ...] = ()) -> str:
    frame: dict[str, Any] = {"type": "ok", "id": command_id, "sid": sid}
    if seq is not None:
        frame["seq"] = seq
    return encode({**frame, "msg": {"market_tickers": list(tickers)}})


def snapshot(
    ticker: str,
    seq: int,
    bids: dict[str, str] | None = None,
    no_bids: dict[str, str] | None = None,
    sid: int = 1,
) -> str:
    msg: dict[str, Any] = {"market_ticker": ticker, "market_id": "00000000"}
    if bids:
        msg["yes_dollars_fp"] = [list(item) for item in sorted(bids.items())]
    if no_bids:
        msg["no_dollars_fp"] = [list(item) for item in sorted(no_bids.items())]
    return encode({"type": "orderbook_snapshot", "sid": sid, "seq": seq, "msg": msg})


def delta(
    ticker: str,
    seq: int,
    side: str = "yes",
    price: str = "0.4000",
    change: str = "1.00",
    ts_ms: int = 1_000,
    sid: int = 1,
    **more: Any,
) -> str:
    msg = {
        "market_ticker": ticker,
        "market_id": "00000000",
        "price_dollars": price,
        "delta_fp": change,
        "side": side,
        "ts": "2026-05-13T16:26:29.51Z",
        "ts_ms": ts_ms,
        **more,
    }
    return encode({"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": msg})


def error(
    code: int, *, command_id: int | None = None, sid: int | None = None, seq: int | None = None, text: str = "no"
) -> str:
    given = {"id": command_id, "sid": sid, "seq": seq}
    present = {name: value for name, value in given.items() if value is not None}
    return encode({"type": "error", **present, "msg": {"code": code, "msg": text}})


def private(kind: str, msg: dict[str, Any], sid: int = 2, **top: Any) -> str:
    return encode({"type": kind, "sid": sid, **top, "msg": msg})
