"""The settlement skew: what a position is worth to us when it will be held to the end of a contract worth 0 or 1.

Close to the end nobody trades a position out any more, so the risk of holding is not diffusion but the outcome
itself. With constant absolute risk aversion gamma the price at which the next contract neither helps nor hurts is
exact, on the logit scale:

    logit r = logit p - gamma q

1. It never leaves (0, 1) and never crosses p. To first order it is p - gamma q p(1 - p): the Avellaneda-Stoikov
   skew with all the variance that the contract has left.
2. It takes over from a model's own skew as the close comes nearer than the time that trading out takes: its weight
   is zero at twice that time, one at that time and from there on, and linear between, so that quotes do not jump.
3. Its gamma is constant and apart from a model's: c / wealth, with c = 4 for a quarter of Kelly.

Source: derived from CARA utility of a binary payoff; the same algebra as Hanson's market scoring rule.
"""

from __future__ import annotations

import math

import attrs

_positive = attrs.validators.gt(0.0)


@attrs.frozen(kw_only=True)
class SettlementSkewParameters:
    """How strongly a position that settles is avoided, and from when on."""

    is_enabled: bool = True
    # A quarter of Kelly of $2,000: a hundred contracts move the price by 5 cents at 50 and 1.7 cents at 10.
    gamma_per_dollar: float = attrs.field(default=0.002, validator=_positive)
    # Quoting ends three minutes before the close; what is bought two minutes before that is mostly held.
    takeover_min_s: float = attrs.field(default=300.0, validator=_positive)
    takeover_max_s: float = attrs.field(default=3600.0, validator=_positive)  # an hour is enough to trade out


def settlement_reservation(price: float, inventory: float, gamma_per_dollar: float) -> float:
    """Returns the indifference price in dollars of holding `inventory` contracts of a market at `price` to its end.

    A price of 0 or 1 is certain, so nothing moves it.
    """
    if not 0.0 < price < 1.0:
        return price
    return _expit(math.log(price) - math.log1p(-price) - gamma_per_dollar * inventory)


def settlement_weight(seconds_to_close: float, trade_out_s: float, parameters: SettlementSkewParameters) -> float:
    """Returns the weight of the settlement skew, from 0 (a model's own) to 1, see rule 2.

    `trade_out_s` is the time that working a position off takes in this market; infinite where it is not possible.
    """
    if not parameters.is_enabled:
        return 0.0
    takeover_s = min(max(trade_out_s, parameters.takeover_min_s), parameters.takeover_max_s)
    return min(1.0, max(0.0, 2.0 - seconds_to_close / takeover_s))


def with_settlement(
    reservation: float,
    price: float,
    inventory: float,
    *,
    seconds_to_close: float,
    trade_out_s: float,
    parameters: SettlementSkewParameters,
) -> float:
    """Returns a model's `reservation` price with the settlement skew mixed in by its weight; all in dollars."""
    weight = settlement_weight(seconds_to_close, trade_out_s, parameters)
    if weight == 0.0:
        return reservation
    settled = settlement_reservation(price, inventory, parameters.gamma_per_dollar)
    return (1.0 - weight) * reservation + weight * settled


def _expit(x: float) -> float:
    """Returns 1 / (1 + exp(-x)) without overflow for any x."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    grown = math.exp(x)
    return grown / (1.0 + grown)
