"""Exposure: what the open positions can still lose, to the last unit.

1. A market alone can lose what its position cost: p per long contract, 1 - p per short one.
2. In an event with exclusive outcomes at most one market settles yes. With y the YES-equivalent cash of the
   open lots (what shorts brought in less what longs paid) and q the signed positions, outcome k leaves y +
   q_k, and "none of them" leaves y. The worst of these is the loss; hedged positions count only for what is
   left. "None" is always considered, because nothing proves that the listed outcomes are all there are.
3. In any other event the markets' losses add up: a threshold ladder is treated as if all could go wrong at
   once.

Source: the project's strategy reference, section 6.
"""

from __future__ import annotations

from collections.abc import Iterable

from kalshi.numbers import ONE_DOLLAR_E4, MoneyE6
from quant.accounting import MarketAccount


def market_exposure_e6(account: MarketAccount) -> MoneyE6:
    """Returns the most that the market's open position can lose of what it cost."""
    return account.open_cost_e6


def event_exposure_e6(accounts: Iterable[MarketAccount], *, is_exclusive: bool) -> MoneyE6:
    """Returns the most that the open positions of one event's markets can lose together; never negative."""
    held = [account for account in accounts if not account.is_flat]
    if not is_exclusive:
        return MoneyE6(sum(account.open_cost_e6 for account in held))
    cash = sum(-_sign(account) * account.open_value_e6 for account in held)
    worst_settled = min((account.position_e2 * ONE_DOLLAR_E4 for account in held), default=0)
    return MoneyE6(max(0, -(cash + min(0, worst_settled))))


def _sign(account: MarketAccount) -> int:
    return 1 if account.position_e2 > 0 else -1
