"""The tape of the last hour: counted by side within the recent window, by volume over the whole hour."""

from __future__ import annotations

import attrs

from kalshi.numbers import CountE2
from kalshi.types import Side
from quant.selection.activity import HOUR_MS, Activity, activity

NOW = 1_800_000_000_000


@attrs.frozen
class Printed:
    ts_ms: int
    count_e2: CountE2
    taker_side: Side


def printed(age_ms: int, side: Side, contracts: int = 1) -> Printed:
    return Printed(NOW - age_ms, CountE2(contracts * 100), side)


def test_the_window_counts_sides_and_the_hour_counts_contracts() -> None:
    tape = (
        printed(0, Side.BID),
        printed(1_800_000, Side.ASK, 2),
        printed(1_800_001, Side.ASK, 4),
        printed(HOUR_MS, Side.BID, 8),
        printed(HOUR_MS + 1, Side.BID, 16),
    )
    assert activity(tape, NOW, 1_800.0) == Activity(
        read_ms=NOW, taker_buys=1, taker_sells=1, volume_1h_e2=CountE2(1_500), last_trade_ms=NOW
    )
    assert activity(tape, NOW, 1_800.0).trades == 2


def test_an_hour_without_a_trade_knows_of_none() -> None:
    assert activity((printed(HOUR_MS + 1, Side.BID),), NOW, 1_800.0) == Activity(read_ms=NOW)
