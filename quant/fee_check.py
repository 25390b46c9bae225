"""The fee model as a check of what the exchange billed; the books always take the bill.

What a fill costs before rounding is known; what rounding added depends on the order's collection, of which a
restart may know only a part. So the bill is compared with the bounds that any collection leaves: at most one alignment unit above
the trade fee, and at most one rebate unit below it, never negative. A wrong rate, multiplier or role is far outside.

Source: Kalshi fee rounding page, October 2026 text (`kalshi.fees`).
"""

from __future__ import annotations

from typing import Final

from kalshi.fees import FeeSchedule
from kalshi.types import Fill

_ALIGNMENT_E6: Final = 100
_REBATE_MAX_E6: Final = {"2026-10": 200, "2026-08": 20_000}


def fee_surprise(fill: Fill, schedule: FeeSchedule) -> str:
    """Returns what is wrong with the fee billed for `fill`, empty where the schedule explains it."""
    trade_fee = schedule.trade_fee_e6(fill.price_e4, fill.count_e2, fill.is_taker)
    least = max(0, trade_fee - _REBATE_MAX_E6[schedule.rounding])
    most = trade_fee + _ALIGNMENT_E6
    if least <= fill.fee_e6 <= most:
        return ""
    role = "taker" if fill.is_taker else "maker"
    return (
        f"{fill.ticker}: fill {fill.fill_id} as {role} was billed {fill.fee_e6} millionths of a dollar, "
        f"the fee model says {least} to {most}"
    )
