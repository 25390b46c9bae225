"""The exchange's fee arithmetic in scaled integers; tested against exact fractions.

1. The raw trade fee is multiplier x rate x count x price x (1 - price); taker rate 0.07, maker rate 0, 0.0175
   or 0.035.
2. It is rounded up: to 1/1,000,000 dollar ("2026-10") or to 1/10,000 dollar ("2026-08").
3. The balance change, revenue less fee, is floored to 1/10,000 dollar; what the floor took is the rounding
   fee.
4. Rounding fees add up per order, over its taker and maker fills; whole units of the sum (1/10,000 dollar,
   in the text of August a cent) are paid back, but never more than the fill's own fee in whole units: a net
   fee is never negative and a balance never gets finer.

Source: Kalshi fee rounding page, October 2026 text; kalshi-rest.md §8.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import attrs

from kalshi.simulator.wire_numbers import DOLLAR_E4

ALIGNMENT_E6: Final = 100
_TAKER_RATE_E4: Final = 700
MAKER_RATES_E4: Final = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 175,
    "quadratic_with_combo_maker_fees": 350,
    "flat": 0,
}

FeeRounding = Literal["2026-10", "2026-08"]

_REBATE_UNIT_E6: Final[dict[FeeRounding, int]] = {"2026-10": 100, "2026-08": 10_000}


@attrs.frozen(kw_only=True)
class FeeTerms:
    """A market's fee type and multiplier (1/10,000)."""

    fee_type: str = "quadratic"
    multiplier_e4: int = 10_000
    rounding: FeeRounding = "2026-10"


class FeeCharge(NamedTuple):
    """What one fill costs: the net fee billed, and the order's rounding accumulator after it."""

    net_e6: int
    accumulator_e6: int


def trade_fee_e6(terms: FeeTerms, price_e4: int, count_e2: int, *, is_taker: bool) -> int:
    """Returns the trade fee after rule 2, in 1/1,000,000 dollar."""
    rate_e4 = _TAKER_RATE_E4 if is_taker else MAKER_RATES_E4[terms.fee_type]
    # multiplier e4 * rate e4 * count e2 * price e4 * price e4 = dollars e18.
    raw_e18 = terms.multiplier_e4 * rate_e4 * count_e2 * price_e4 * (DOLLAR_E4 - price_e4)
    unit_e18 = 10**12 if terms.rounding == "2026-10" else 10**14
    return -(-raw_e18 // unit_e18) * (unit_e18 // 10**12)


def charge(fee_e6: int, revenue_e6: int, accumulator_e6: int, rounding: FeeRounding = "2026-10") -> FeeCharge:
    """Returns the net fee of a fill with trade fee `fee_e6` and cash flow `revenue_e6` (negative for a payer)."""
    rounding_e6 = (revenue_e6 - fee_e6) % ALIGNMENT_E6
    gross_e6 = fee_e6 + rounding_e6
    pot_e6 = accumulator_e6 + rounding_e6
    unit_e6 = _REBATE_UNIT_E6[rounding]
    rebate_e6 = min(pot_e6, gross_e6) // unit_e6 * unit_e6
    return FeeCharge(gross_e6 - rebate_e6, pot_e6 - rebate_e6)


def fee_bound_e6(terms: FeeTerms, count_e2: int) -> int:
    """Returns more than any fill of this count could cost in fees: the taker rate at half a dollar, and all roundings."""
    return terms.multiplier_e4 * _TAKER_RATE_E4 * count_e2 // 40_000 + 3 * ALIGNMENT_E6
