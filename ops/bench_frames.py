"""Synthetic market data for the bench: seeded, valid, and shaped like the recorded kind.

Each market's book stays uncrossed; about a fifth of the frames share their `ts_ms` with the one before, one in seven
sizes is a fraction, and a quarter of the changes add or empty a level, as in the recordings of May 2026.
"""

from __future__ import annotations

import json
import random
import struct
from typing import Final

from kalshi.numbers import CountE2, PriceE4, format_count, format_price

MARKETS: Final = 8
LEVELS: Final = 60
_MIDDLE_E4: Final = 5_000
_TICK_E4: Final = 50

_SHORT_MAX: Final = 125
_MEDIUM_MAX: Final = 65_535


def tickers() -> list[str]:
    """Returns the tickers of the synthetic markets."""
    return [f"KXBENCH-26NOV20-T{number:05d}.99" for number in range(MARKETS)]


def make_frames(seed: int, deltas: int) -> list[str]:
    """Returns one subscription's frames: its acknowledgement, a snapshot per market, then `deltas` changes."""
    rng = random.Random(seed)
    books = {ticker: _first_book(rng) for ticker in tickers()}
    frames = [_encode({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}})]
    frames += [_snapshot(ticker, number, books[ticker]) for number, ticker in enumerate(books, start=1)]
    ts_ms = 1_780_000_000_000
    for seq in range(len(frames), len(frames) + deltas):
        ts_ms += rng.choice((0, 1, 2, 5, 9))
        ticker = rng.choice(list(books))
        frames.append(_delta(rng, ticker, seq, ts_ms, books[ticker]))
    return frames


def websocket_bytes(frames: list[str]) -> bytes:
    """Returns the frames as a server sends them: unmasked text messages."""
    return b"".join(_websocket_frame(frame.encode()) for frame in frames)


Book = dict[tuple[str, int], int]  # (side, distance from the middle in ticks) to size in 1/100 contract


def _first_book(rng: random.Random) -> Book:
    return {(side, tick): _size(rng) for side in ("yes", "no") for tick in range(1, LEVELS + 1)}


def _size(rng: random.Random) -> int:
    return rng.randrange(100, 500_000) if rng.random() < 0.14 else 100 * rng.randrange(1, 5_000)


def _price(tick: int) -> str:
    # Both sides quote their own outcome, so the middle of the book is fifty cents for either.
    return format_price(PriceE4(_MIDDLE_E4 - tick * _TICK_E4))


def _snapshot(ticker: str, seq: int, book: Book) -> str:
    msg: dict[str, object] = {"market_ticker": ticker, "market_id": "dd4703b4-68bf-488d-8e40-1806209b37b5"}
    for side in ("yes", "no"):
        levels = sorted((_price(tick), format_count(CountE2(size))) for (s, tick), size in book.items() if s == side)
        msg[f"{side}_dollars_fp"] = levels
    return _encode({"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": msg})


def _delta(rng: random.Random, ticker: str, seq: int, ts_ms: int, book: Book) -> str:
    side = rng.choice(("yes", "no"))
    tick = min(LEVELS, 1 + int(rng.expovariate(0.15)))
    before = book.get((side, tick), 0)
    change = -before if before and rng.random() < 0.12 else _size(rng) - before
    book[side, tick] = before + change
    if not book[side, tick]:
        del book[side, tick]
    msg = {
        "market_ticker": ticker,
        "market_id": "dd4703b4-68bf-488d-8e40-1806209b37b5",
        "price_dollars": _price(tick),
        "delta_fp": format_count(CountE2(change)),
        "side": side,
        "ts": "2026-05-13T16:26:29.511055Z",
        "ts_ms": ts_ms,
    }
    return _encode({"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": msg})


def _encode(frame: dict[str, object]) -> str:
    return json.dumps(frame, separators=(",", ":")) + "\n"


def _websocket_frame(payload: bytes) -> bytes:
    if len(payload) <= _SHORT_MAX:
        return struct.pack("!BB", 0x81, len(payload)) + payload
    if len(payload) <= _MEDIUM_MAX:
        return struct.pack("!BBH", 0x81, 126, len(payload)) + payload
    return struct.pack("!BBQ", 0x81, 127, len(payload)) + payload
