"""The fee model as a check of what the exchange billed; the books always take the bill.

What a fill costs before rounding is known. What rounding added, and paid back, depends on the order's collection, which
a restart may not know; but each fill adds less than one alignment unit to it, so it is bounded by how many there were.
A wrong rate, multiplier or role is far outside of that.

Source: Kalshi fee rounding page, October 2026 text (`kalshi.fees`).
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.fees import FeeSchedule
from kalshi.types import Fill
from quant.bounded import put_newest

UNHEARD_FILLS: Final = 10  # a tenth of a cent
FRESH_MS: Final = 60_000  # fees of series change at announced times, and discovery needs a run or two to say so
ORDERS_MAX: Final = 4_096
MARKETS_MAX: Final = 2_000
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


@attrs.define
class FeeWatch:
    """Looks at each fill once, in the order of their bills, and tells of a market's surprise once a schedule.

    What it does not know of an order (fills from before it began, or of an order that it has forgotten) may have left
    something to pay back: that is worth at most UNHEARD_FILLS units.
    """

    _fills_by_order: dict[str, int] = attrs.field(factory=dict, init=False)
    _told: dict[str, FeeSchedule] = attrs.field(factory=dict, init=False)

    def seen(self, fill: Fill, schedule: FeeSchedule | None, age_ms: int) -> str:
        """Returns what to tell a person about the fee of a fill that is `age_ms` old, empty where there is nothing.

        `schedule` is that of now: a fill older than FRESH_MS may have been billed by another one and is not judged.
        """
        before = self._fills_by_order.get(fill.order_id, 0)
        put_newest(self._fills_by_order, fill.order_id, before + 1, ORDERS_MAX)
        if schedule is None or age_ms > FRESH_MS or self._told.get(fill.ticker) == schedule:
            return ""
        surprise = fee_surprise(fill, schedule, before + UNHEARD_FILLS)
        if surprise:
            put_newest(self._told, fill.ticker, schedule, MARKETS_MAX)
        return surprise
