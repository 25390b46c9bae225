"""What every quoting strategy is asked and what it answers: the vocabulary, without any model in it.

A decision names what should rest, per side, or nothing; and it carries its reasons, so that whatever a person
is told later about a quote is what the decision itself knew.
"""

from __future__ import annotations

import math

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level
from quant.values import passing_value


@passing_value(kw_only=True)
class QuoteInputs:
    """Everything that a quote depends on. The levels are the best of others: our own orders are taken out.

    `max_position_e2` is the strategy's own limit; `max_long_e2` and `max_short_e2`, where given, are those of
    risk, and the smaller one holds. `seconds_to_close` may be infinite where the close is not known to be
    near. The last two describe the position's life so far (quant.quoting.holding).
    """

    best_bid: Level | None
    best_ask: Level | None
    position_e2: CountE2  # signed: + YES, - NO
    max_position_e2: CountE2
    order_size_e2: CountE2
    sigma_dollars_per_sqrt_s: float
    seconds_to_close: float = math.inf
    max_long_e2: CountE2 | None = None
    max_short_e2: CountE2 | None = None
    bid_allowed: bool = True
    ask_allowed: bool = True
    maker_fee_per_contract: float = 0.0  # dollars, at about the mid; zero in most series
    held_contract_min: float = 0.0  # contracts times the minutes that each has been open
    adverse_excursion: float = 0.0  # dollars per contract, the worst since the position was flat


@passing_value(kw_only=True)
class QuoteTarget:
    """One order that should rest: a price on the grid and a count above zero."""

    price_e4: PriceE4
    count_e2: CountE2


@passing_value(kw_only=True)
class QuoteDecision:
    """The two orders that should rest, and why: the reasons name every limit that shaped or forbade a side.

    The floats are what the model saw, in dollars and seconds, for `explain`; None where it was not even
    asked.
    """

    bid: QuoteTarget | None
    ask: QuoteTarget | None
    reasons: tuple[str, ...] = ()
    fair_value: float | None = None
    reservation: float | None = None
    total_spread: float | None = None
    sigma: float | None = None
    horizon_s: float | None = None

    @classmethod
    def nothing(cls, *reasons: str) -> QuoteDecision:
        """Returns the decision to have nothing resting."""
        return cls(bid=None, ask=None, reasons=reasons)
