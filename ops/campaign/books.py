"""The bot's books against the exchange's truth."""

from __future__ import annotations

from actors.messages.control import SystemSnapshot
from ops.simulation import CASH_E6, KEY_ID, World


def books_differ(snapshot: SystemSnapshot, world: World) -> str:
    """Returns what the bot's positions and cash say otherwise than the exchange's; empty when they agree."""
    truth = world.exchange.truth
    held = truth.positions(KEY_ID)
    for row in snapshot.markets:
        if row.position_e2 != held.get(row.ticker, 0):
            return f"{row.ticker}: the bot books {row.position_e2}, the exchange {held.get(row.ticker, 0)}"
    cash_e6 = truth.cash_e6(KEY_ID) - sum(CASH_E6.values())
    if snapshot.totals.cash_e6 != cash_e6:
        return f"the bot books cash of {snapshot.totals.cash_e6}, the exchange {cash_e6}"
    return ""
