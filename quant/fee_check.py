"""The fee model as a check of what the exchange billed; the books always take the bill.

What a fill costs before rounding is known. What rounding added, and paid back, depends on the order's collection, which
a restart may not know; but each fill adds less than one alignment unit to it, so it is bounded by how many there were.
A wrong rate, multiplier or role is far outside of that.

Source: Kalshi fee rounding page, October 2026 text (`kalshi.fees`).
"""

from __future__ import annotations

from typing import Final

from kalshi.fees import FeeSchedule
from kalshi.types import Fill

_ALIGNMENT_E6: Final = 100


def fee_surprise(fill: Fill, schedule: FeeSchedule, fills_before: int) -> str:
    """Returns what is wrong with the fee billed for `fill`, empty where the schedule explains it.

    `fills_before` counts the fills that its order had already.
    """
    trade_fee = schedule.trade_fee_e6(fill.price_e4, fill.count_e2, fill.is_taker)
    least = max(0, trade_fee - _ALIGNMENT_E6 * fills_before)
    most = trade_fee + _ALIGNMENT_E6
    if least <= fill.fee_e6 <= most:
        return ""
    role = "taker" if fill.is_taker else "maker"
    return (
        f"{fill.ticker}: fill {fill.fill_id} as {role} was billed {fill.fee_e6} millionths of a dollar, "
        f"the fee model says {least} to {most}"
    )
