"""The bot's books against the exchange's truth."""

from __future__ import annotations

from actors.messages.control import SystemSnapshot
from ops.simulation import CASH_E6, KEY_ID, World


def books_differ(snapshot: SystemSnapshot, world: World) -> str:
    """Returns what the bot's positions and cash say otherwise than the exchange's; empty when they agree."""
    truth = world.exchange.truth
    booked = {row.ticker: row.position_e2 for row in snapshot.markets if row.position_e2}
    held = {ticker: count_e2 for ticker, count_e2 in truth.positions(KEY_ID).items() if count_e2}
    cash_e6 = truth.cash_e6(KEY_ID) - sum(CASH_E6.values())
    pairs = ((booked, held), (snapshot.totals.cash_e6, cash_e6))
    return "; ".join(f"the bot books {ours}, the exchange {theirs}" for ours, theirs in pairs if ours != theirs)
