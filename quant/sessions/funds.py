"""The two gates of money: enough balance, and not too much bound in resting orders.

A gate that closed opens again only clearly on the safe side of its limit, so that a figure that trembles at the limit
does not start a session every other second: with a ratio of 0.85, a minimum of $100 opens again at $117.65 and a
maximum of $4,000 at $3,400. (The documents multiply the minimum too, which would open it at $85, below the limit that
closed it.)
"""

from __future__ import annotations

import attrs

from quant.sessions.facts import Moment
from quant.sessions.parameters import EntryParameters


@attrs.frozen(kw_only=True)
class FundsGates:
    """Whether each gate lets a session begin."""

    has_balance: bool = True
    has_room: bool = True


def judge(gates: FundsGates, moment: Moment, parameters: EntryParameters) -> FundsGates:
    """Returns the gates after this moment's figures; an unknown balance closes its gate."""
    balance_e6, resting_e6 = moment.balance_e6, moment.resting_value_e6
    balance_share = 1.0 if gates.has_balance else parameters.hysteresis
    resting_share = 1.0 if gates.has_room else parameters.hysteresis
    return FundsGates(
        has_balance=balance_e6 is not None and balance_e6 * balance_share >= parameters.balance_min_e6,
        has_room=resting_e6 < parameters.resting_value_max_e6 * resting_share,
    )


def objections(gates: FundsGates, parameters: EntryParameters) -> tuple[str, ...]:
    """Returns why money lets no session begin."""
    reasons = []
    if not gates.has_balance:
        reasons.append(f"the balance is not clearly above ${parameters.balance_min_e6 / 1_000_000:g}")
    if not gates.has_room:
        reasons.append(f"resting orders bind nearly ${parameters.resting_value_max_e6 / 1_000_000:g}")
    return tuple(reasons)
