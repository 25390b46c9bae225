"""What the public tape says of a market lately: how many trades, on which sides, how much, and the newest.

A tape that was cut at its first page counts what is on it: at least so much.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import attrs

from kalshi.numbers import CountE2
from kalshi.types import Side

HOUR_MS: Final = 3_600_000


class Print(Protocol):
    """One public trade."""

    @property
    def count_e2(self) -> CountE2: ...

    @property
    def taker_side(self) -> Side: ...

    @property
    def ts_ms(self) -> int: ...


@attrs.frozen(kw_only=True)
class Activity:
    """One market's tape as it was read at `read_ms` (exchange time); counts are of the recent window.

    `last_trade_ms` is None where the last hour has no trade.
    """

    read_ms: int
    taker_buys: int = 0
    taker_sells: int = 0
    volume_1h_e2: CountE2 = attrs.field(default=CountE2(0))
    last_trade_ms: int | None = None

    @property
    def trades(self) -> int:
        """All trades of the recent window."""
        return self.taker_buys + self.taker_sells


def activity(tape: Iterable[Print], now_ms: int, recent_window_s: float) -> Activity:
    """Returns what the tape of the last hour says at exchange time `now_ms`."""
    buys = sells = volume_e2 = 0
    last_ms: int | None = None
    for trade in tape:
        if trade.ts_ms < now_ms - HOUR_MS:
            continue
        volume_e2 += trade.count_e2
        last_ms = trade.ts_ms if last_ms is None else max(last_ms, trade.ts_ms)
        if trade.ts_ms >= now_ms - recent_window_s * 1000:
            buys += trade.taker_side is Side.BID
            sells += trade.taker_side is Side.ASK
    return Activity(
        read_ms=now_ms, taker_buys=buys, taker_sells=sells, volume_1h_e2=CountE2(volume_e2), last_trade_ms=last_ms
    )
