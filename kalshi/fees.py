"""What a fill costs, to the last millionth of a dollar.

Before rounding, C contracts at price P cost m x r x C x P x (1 - P) dollars, with m the series' multiplier
and r the rate of the role: 0.07 for a taker; for a maker 0, 0.0175 or 0.035 by fee type. Then, per fill of a
direct member:

1. The trade fee is the raw fee rounded up, to 0.000001 (text of October 2026) or to 0.0001 (text of August
   2026).
2. The cash change (revenue less trade fee) is floored to 0.0001.
3. What the floor took is the rounding fee. It is collected per order, over maker and taker fills alike.
4. Once the collection holds a whole unit (0.0001 in October's text, a cent in August's), whole units are paid
   back. The net fee of a fill is never negative; a rebate that would make it so waits for a later fill.

Revenue is +P x C for an ask and -P x C for a bid, up to whole hundredths of a cent, whether the fill opens or
closes: opening NO costs (1 - P) x C, which differs from -P x C by whole dollars per contract only. So the
side is all that the rounding needs to know. Everything is integer arithmetic.

Type and multiplier are the series', each overridden by the event where it names one. A waiver of the market that
has not expired sets the multiplier to zero (the exchange does not say how it does it; no fee is the effect).

Source: Kalshi fee rounding page, texts of 2026-08 and 2026-10; fee types of the series object; recorded
fills.
"""

from __future__ import annotations

from typing import Final, Literal

import attrs

from kalshi.numbers import ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4
from kalshi.types import Event, Market, Series, Side

FeeRounding = Literal["2026-10", "2026-08"]

_TAKER_RATE_E4: Final = 700
_MAKER_RATE_E4: Final = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 175,
    "quadratic_with_combo_maker_fees": 350,
}
# Multiplier, rate, price and its complement carry four decimals each, the count two; a millionth takes six
# away again.
_RAW_SCALE: Final = 10**12
# A direct member's cash moves in ten-thousandths of a dollar.
_ALIGNMENT_E6: Final = 100
_TRADE_FEE_STEP_E6: Final = {"2026-10": 1, "2026-08": 100}
_REBATE_UNIT_E6: Final = {"2026-10": 100, "2026-08": 10_000}


class FeeTypeError(ValueError):
    """The series has a fee type that this version cannot compute; do not trade it."""


@attrs.frozen
class FeeSchedule:
    """The fee formula of one series or event. `multiplier_e4` is 10,000 for a multiplier of one.

    Raises FeeTypeError for a fee type that this version cannot compute, ValueError for a negative multiplier.
    """

    fee_type: str
    multiplier_e4: int
    rounding: FeeRounding = "2026-10"

    def __attrs_post_init__(self) -> None:
        if self.fee_type not in _MAKER_RATE_E4:
            raise FeeTypeError(f"the fee type {self.fee_type!r} is unknown here; known are {sorted(_MAKER_RATE_E4)}")
        if self.multiplier_e4 < 0:
            raise ValueError(f"expected a fee multiplier of zero or more, found {self.multiplier_e4} / 10,000")

    def trade_fee_e6(self, price_e4: PriceE4, count_e2: CountE2, is_taker: bool) -> MoneyE6:
        """Returns the raw fee of one fill rounded up by step 1, in millionths of a dollar."""
        rate_e4 = _TAKER_RATE_E4 if is_taker else _MAKER_RATE_E4[self.fee_type]
        raw = self.multiplier_e4 * rate_e4 * count_e2 * price_e4 * (ONE_DOLLAR_E4 - price_e4)
        step = _TRADE_FEE_STEP_E6[self.rounding]
        return MoneyE6(-(-raw // (_RAW_SCALE * step)) * step)

    @property
    def maker_rate(self) -> float:
        """What a maker pays for a contract at price p, before rounding, is this times p (1 - p), in dollars."""
        return self.multiplier_e4 * _MAKER_RATE_E4[self.fee_type] / ONE_DOLLAR_E4**2

    def net_fee_e6(self, side: Side, price_e4: PriceE4, count_e2: CountE2, is_taker: bool) -> MoneyE6:
        """Returns the net fee of a fill that is its order's first, in millionths of a dollar."""
        return OrderFees(self).charge(side, price_e4, count_e2, is_taker).net_fee_e6


def fee_schedule(
    series: Series, event: Event | None, market: Market | None, *, at_ms: int, rounding: FeeRounding
) -> FeeSchedule:
    """Returns the fees of a market at a time (Unix milliseconds); what is not known does not override.

    Raises FeeTypeError for a fee type that this version cannot compute.
    """
    fee_type, multiplier_e4 = series.fee_type, series.fee_multiplier_e4
    if event is not None and event.fee_type_override is not None:
        fee_type = event.fee_type_override
    if event is not None and event.fee_multiplier_override_e4 is not None:
        multiplier_e4 = event.fee_multiplier_override_e4
    if market is not None and market.fee_waiver_until_ms is not None and at_ms < market.fee_waiver_until_ms:
        multiplier_e4 = 0
    return FeeSchedule(fee_type, multiplier_e4, rounding)


@attrs.frozen(kw_only=True)
class FillFee:
    """What one fill was billed. `fill.fee_cost` of the exchange is `net_fee_e6`."""

    trade_fee_e6: MoneyE6
    rounding_fee_e6: MoneyE6
    rebate_e6: MoneyE6

    @property
    def net_fee_e6(self) -> MoneyE6:
        return MoneyE6(self.trade_fee_e6 + self.rounding_fee_e6 - self.rebate_e6)


class OrderFees:
    """The rounding collection of one order (steps 2 to 4); charge its fills in their order."""

    __slots__ = ("_collected_e6", "_schedule")

    def __init__(self, schedule: FeeSchedule) -> None:
        self._schedule = schedule
        self._collected_e6 = 0

    @property
    def collected_e6(self) -> MoneyE6:
        """Rounding fees taken and not yet paid back."""
        return MoneyE6(self._collected_e6)

    def charge(self, side: Side, price_e4: PriceE4, count_e2: CountE2, is_taker: bool) -> FillFee:
        """Returns what the next fill of the order is billed and updates the collection."""
        trade_fee = self._schedule.trade_fee_e6(price_e4, count_e2, is_taker)
        rounding_fee = (-side.sign * price_e4 * count_e2 - trade_fee) % _ALIGNMENT_E6
        self._collected_e6 += rounding_fee
        unit = _REBATE_UNIT_E6[self._schedule.rounding]
        rebate = min(self._collected_e6 // unit, (trade_fee + rounding_fee) // unit) * unit
        self._collected_e6 -= rebate
        return FillFee(trade_fee_e6=trade_fee, rounding_fee_e6=MoneyE6(rounding_fee), rebate_e6=MoneyE6(rebate))
