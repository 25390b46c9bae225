"""Recorded frames, read from beside the repository, where they are; and an exact book of another make."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
BTC15M = sorted((SHARED / "recordings" / "btc15m").glob("*.jsonl.gz"))
DEMO = SHARED / "recordings" / "demo-five-markets" / "session.jsonl"

needs_recordings = pytest.mark.skipif(not BTC15M, reason="the recorded data is not beside this repository")

Connection = list[dict[str, Any]]


def connections(path: Path) -> Iterator[Connection]:
    """Yields the frames of each connection of a recording, in order of arrival."""
    frames: Connection = []
    number = None
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    for line in text.splitlines():
        record = json.loads(line)
        frame, conn = (record["frame"], record["conn"]) if "frame" in record else (record, 0)
        if conn != number and frames:
            yield frames
            frames = []
        number = conn
        frames.append(frame)
    yield frames


class ExactBook:
    """A book as plain as it can be: decimals by price text, shown as scaled integers on the YES leg."""

    def __init__(self) -> None:
        self.sizes: dict[tuple[str, Decimal], Decimal] = {}
        self.bids: dict[int, int] = {}  # 1/10,000 dollar to 1/100 contract
        self.asks: dict[int, int] = {}
        self.ts_ms = 0

    def replace(self, msg: dict[str, Any]) -> None:
        self.sizes, self.bids, self.asks = {}, {}, {}
        for side in ("yes", "no"):
            for price, size in msg.get(f"{side}_dollars_fp", []):
                self._add(side, Decimal(price), Decimal(size))

    def change(self, msg: dict[str, Any]) -> None:
        self._add(msg["side"], Decimal(msg["price_dollars"]), Decimal(msg["delta_fp"]))
        self.ts_ms = msg["ts_ms"]

    def scaled(self) -> tuple[dict[int, int], dict[int, int]]:
        """Returns (bids, asks) as they are now."""
        return dict(self.bids), dict(self.asks)

    def _add(self, side: str, price: Decimal, change: Decimal) -> None:
        size = self.sizes.pop((side, price), Decimal(0)) + change
        assert size >= 0
        shown, level = (self.bids, price) if side == "yes" else (self.asks, 1 - price)
        shown.pop(int(level * 10_000), None)
        if size:
            self.sizes[side, price] = size
            shown[int(level * 10_000)] = int(size * 100)
