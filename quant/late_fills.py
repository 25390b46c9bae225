"""Booking a market's fills in the order of time, though some come late.

First in, first out asks in which order fills happened; their numbers say in which order we heard of them. So of each
market the newest fills are kept, each with the account after it. A fill that is older than the newest is put in its
place, and those after it are booked again. Rules:
1. Time is the exchange's, then (order_id, fill_id): the result depends on which fills there are, not on how they came.
2. A fill older than all of the RECENT_MAX kept ones is booked before them: cash, position and fees are exact in any
   case, only which lots it closed is then a guess.
3. A settlement is the end of every order: a fill heard of after it is put before it, and all is settled again at the
   same value and payout.

Rejected: sorting at the Ledger. A number once given is never changed, for consumers count by it.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.numbers import MoneyE6, PriceE4
from kalshi.types import Fill
from quant.accounting import AccountingError, MarketAccount, apply_fill, settle

RECENT_MAX: Final = 64


@attrs.frozen
class Step:
    """A fill and the account after it."""

    fill: Fill
    account: MarketAccount


@attrs.frozen
class Settlement:
    """At what a market was settled, and what the exchange said that it paid, where it did."""

    value_e4: PriceE4
    payout_e6: MoneyE6 | None


@attrs.frozen(kw_only=True)
class MarketHistory:
    """A market's account with its newest fills: `before` them, `steps` in the order of time, settled or not."""

    before: MarketAccount
    steps: tuple[Step, ...] = ()
    settlement: Settlement | None = None

    @property
    def account(self) -> MarketAccount:
        """Returns the account after everything."""
        traded = self.steps[-1].account if self.steps else self.before
        end = self.settlement
        return traded if end is None else settle(traded, end.value_e4, end.payout_e6)


def book(history: MarketHistory, fill: Fill) -> MarketHistory:
    """Returns the history with `fill` at its place. Raises AccountingError for an impossible one."""
    place = len(history.steps)
    while place and _moment(history.steps[place - 1].fill) > _moment(fill):
        place -= 1
    steps = list(history.steps[:place])
    account = steps[-1].account if steps else history.before
    for each in (fill, *(step.fill for step in history.steps[place:])):
        account = apply_fill(account, each)
        steps.append(Step(each, account))
    forgotten = len(steps) - RECENT_MAX
    before = steps[forgotten - 1].account if forgotten > 0 else history.before
    return attrs.evolve(history, before=before, steps=tuple(steps[max(0, forgotten) :]))


def close(history: MarketHistory, value_e4: PriceE4, payout_e6: MoneyE6 | None) -> MarketHistory:
    """Returns the history settled; the same value again changes nothing.

    Raises AccountingError for a value outside 0 to 1 dollar or a second, different one.
    """
    if history.settlement is None:
        settled = attrs.evolve(history, settlement=Settlement(value_e4, payout_e6))
        settle(history.account, value_e4, payout_e6)  # raises where it cannot be
        return settled
    if history.settlement.value_e4 != value_e4:
        raise AccountingError(
            f"{history.before.ticker} has settled at {history.settlement.value_e4}, so it cannot settle at {value_e4}"
        )
    return history


def _moment(fill: Fill) -> tuple[int, str, str]:
    return fill.ts_ms, fill.order_id, fill.fill_id
