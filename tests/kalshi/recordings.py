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
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as lines:
        for line in lines:
            record = json.loads(line)
            frame, conn = (record["frame"], record["conn"]) if "frame" in record else (record, 0)
            if conn != number and frames:
                yield frames
                frames = []
            number = conn
            frames.append(frame)
    yield frames


class ExactBook:
    """A book in decimals, as plain as it can be: price text to size, one dictionary per outcome."""

    def __init__(self) -> None:
        self.yes: dict[Decimal, Decimal] = {}
        self.no: dict[Decimal, Decimal] = {}
        self.ts_ms = 0

    def replace(self, msg: dict[str, Any]) -> None:
        for side, key in ((self.yes, "yes_dollars_fp"), (self.no, "no_dollars_fp")):
            side.clear()
            side.update({Decimal(price): Decimal(size) for price, size in msg.get(key, [])})

    def change(self, msg: dict[str, Any]) -> None:
        side = self.yes if msg["side"] == "yes" else self.no
        price = Decimal(msg["price_dollars"])
        size = side.pop(price, Decimal(0)) + Decimal(msg["delta_fp"])
        assert size >= 0
        if size:
            side[price] = size
        self.ts_ms = msg["ts_ms"]

    def scaled(self) -> tuple[dict[int, int], dict[int, int]]:
        """Returns (bids, asks) on the YES leg, in 1/10,000 dollar and 1/100 contract."""
        bids = {int(price * 10_000): int(size * 100) for price, size in self.yes.items()}
        asks = {int((1 - price) * 10_000): int(size * 100) for price, size in self.no.items()}
        return bids, asks
