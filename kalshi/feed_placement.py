"""Which connection carries which market, once they are too many for one. Pure.

Rules:
1. A market stays where it is: adding or removing others moves none.
2. A new market goes to the lowest-numbered connection with room; a connection past the last is opened when none has.
3. Where the exchange refuses more markets (error 26), the limit of every connection is lowered to what it bears.

Source: Kalshi asyncapi 2.0.0 of October 2026 (error 26); its number is not published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping


def place(present: Mapping[str, int], wanted: Iterable[str], markets_max: int) -> dict[str, int]:
    """Returns the connection of every wanted market, from 0; `present` says where they are now."""
    tickers = list(dict.fromkeys(wanted))
    placed = {ticker: present[ticker] for ticker in tickers if ticker in present}
    load = Counter(placed.values())
    number = 0
    for ticker in tickers:
        if ticker in placed:
            continue
        while load[number] >= markets_max:
            number += 1
        placed[ticker] = number
        load[number] += 1
    return placed


def lowered_limit(held: int, refused: int, markets_max: int) -> int:
    """Returns the limit to keep after a connection that holds `held` markets was refused `refused` more."""
    return max(1, min(markets_max, held or refused // 2))
