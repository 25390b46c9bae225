"""How many commands may leave in one round of the desk, so that scarce tokens go where they matter.

What waits for tokens in the Wire cannot be changed any more: its price gets old, and a greater loss that comes later
stands behind it. So the desk hands over what finds its tokens soon and holds back the rest.

Rules:
1. Cancels always leave: they only reduce, and cost little.
2. Exits come before everything that opens or keeps a quote, the greatest loss first (`first_to_leave`).
3. While one exit is held back no quote gets a token, renewals included: what is not renewed ends by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from kalshi.numbers import MoneyE6
from quant.orders.commands import CommandClass

COST_CREATE: Final = 10  # write tokens of a create or an amend
RENEWALS_BEYOND: Final = 10  # renewals of one round that may wait for tokens: they are urgent only at the lease's end


@attrs.define
class WriteRoom:
    """What is left of one round."""

    exits: int
    quotes: int
    is_exit_held: bool = False

    def admits(self, kind: CommandClass) -> bool:
        """Says whether a command of this class may leave, and counts it if so."""
        match kind:
            case CommandClass.CANCEL:
                return True
            case CommandClass.EXIT:
                self.exits -= 1
                self.quotes -= 1
                self.is_exit_held = self.is_exit_held or self.exits < 0
                return self.exits >= 0
            case CommandClass.RENEW:
                self.quotes -= 1
                return self.quotes >= -RENEWALS_BEYOND and not self.is_exit_held
            case CommandClass.QUOTE:
                self.quotes -= 1
                return self.quotes >= 0 and not self.is_exit_held


def write_room(
    *,
    tokens: float,
    reserve: float,
    refill_per_s: float,
    exits_ahead_s: float,
    quotes_ahead_s: float,
    exits_handed_over: int,
    quotes_handed_over: int,
) -> WriteRoom:
    """Returns the room of a round: `tokens` are free beside the `reserve`, which exits may use as well.

    What has been handed over since the tokens were counted, or waited for some then, has its place in them.
    What is handed over finds its tokens within the seconds that its kind may be ahead of them. Exits should be little
    ahead: the next round may know of a greater loss.
    """
    for_exits = tokens + reserve + refill_per_s * exits_ahead_s
    for_quotes = tokens + refill_per_s * quotes_ahead_s
    return WriteRoom(
        exits=int(for_exits // COST_CREATE) - exits_handed_over,
        quotes=int(for_quotes // COST_CREATE) - quotes_handed_over - exits_handed_over,
    )


def first_to_leave(tickers: Iterable[str], losses_e6: Mapping[str, MoneyE6]) -> list[str]:
    """Returns the markets with those that an exit is claimed for first, the greatest loss (in `losses_e6`) at the
    head; the others stay in their order.
    """
    return sorted(tickers, key=lambda ticker: (ticker not in losses_e6, -losses_e6.get(ticker, 0)))
