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

from functools import cache
from math import gcd
from typing import Final, Literal

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


# What one fill costs: the net fee billed, and the order's rounding accumulator after it, in 1/1,000,000 dollar.
FeeCharge = tuple[int, int]


@cache
def fee_ratio(terms: FeeTerms, *, is_taker: bool) -> tuple[int, int, int]:
    """Returns (numerator, denominator, step): the fee is numerator x count_e2 x price_e4 x (1 - price)_e4, divided by
    the denominator, rounded up, in steps of so many 1/1,000,000 dollar. Reduced, so that the products stay small."""
    rate_e4 = _TAKER_RATE_E4 if is_taker else MAKER_RATES_E4[terms.fee_type]
    # multiplier e4 * rate e4 * count e2 * price e4 * price e4 = dollars e18.
    step_e6 = 1 if terms.rounding == "2026-10" else 100
    numerator, denominator = terms.multiplier_e4 * rate_e4, step_e6 * 10**12
    shared = gcd(numerator, denominator)
    return numerator // shared, denominator // shared, step_e6


def trade_fee_e6(terms: FeeTerms, price_e4: int, count_e2: int, *, is_taker: bool) -> int:
    """Returns the trade fee after rule 2, in 1/1,000,000 dollar."""
    numerator, denominator, step_e6 = fee_ratio(terms, is_taker=is_taker)
    return -(-numerator * count_e2 * price_e4 * (DOLLAR_E4 - price_e4) // denominator) * step_e6


def charge(fee_e6: int, revenue_e6: int, accumulator_e6: int, rounding: FeeRounding = "2026-10") -> FeeCharge:
    """Returns net fee and accumulator after a fill with this trade fee and cash flow (negative for a payer)."""
    rounding_e6 = (revenue_e6 - fee_e6) % ALIGNMENT_E6
    gross_e6 = fee_e6 + rounding_e6
    pot_e6 = accumulator_e6 + rounding_e6
    unit_e6 = _REBATE_UNIT_E6[rounding]
    rebate_e6 = min(pot_e6, gross_e6) // unit_e6 * unit_e6
    return gross_e6 - rebate_e6, pot_e6 - rebate_e6
