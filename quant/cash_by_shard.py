"""The account's cash by shard, moved by everything that moves cash, and by nothing else.

Fills and payouts move it as the market's account says (`quant.accounting`); transfers move it between shards;
rewards, deposits and withdrawals come from outside. So at every moment:

    cash over all shards == deposits + rewards + the cash of all market accounts

and with it equity == deposits + rewards + realised + unrealised - fees. `gap_e6` is what is missing from the first.

Source: exchange sharding and collateral, kalshi-rest.md §9.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kalshi.numbers import MoneyE6
from quant.accounting import NO_MONEY, AccountingError
from quant.positions import Totals


@attrs.frozen(kw_only=True)
class ShardCash:
    """Cash by exchange index, and what of it came from outside, in millionths of a dollar."""

    by_shard_e6: Mapping[int, MoneyE6] = attrs.field(factory=dict)
    deposits_e6: MoneyE6 = NO_MONEY  # less withdrawals
    rewards_e6: MoneyE6 = NO_MONEY

    @property
    def total_e6(self) -> MoneyE6:
        return MoneyE6(sum(self.by_shard_e6.values()))

    def traded(self, exchange_index: int, cash_flow_e6: MoneyE6) -> ShardCash:
        """Returns the cash after a fill or payout that moved the market's cash by so much."""
        return self._moved(exchange_index, cash_flow_e6)

    def deposited(self, exchange_index: int, amount_e6: MoneyE6) -> ShardCash:
        """Returns the cash after a deposit, or a withdrawal where the amount is negative."""
        return attrs.evolve(self._moved(exchange_index, amount_e6), deposits_e6=MoneyE6(self.deposits_e6 + amount_e6))

    def rewarded(self, exchange_index: int, amount_e6: MoneyE6) -> ShardCash:
        """Returns the cash after a reward was paid."""
        return attrs.evolve(self._moved(exchange_index, amount_e6), rewards_e6=MoneyE6(self.rewards_e6 + amount_e6))

    def transferred(self, source: int, destination: int, amount_e6: MoneyE6) -> ShardCash:
        """Returns the cash after a transfer between shards. Raises AccountingError for an amount that cannot be."""
        if amount_e6 <= 0 or source == destination:
            raise AccountingError(f"{amount_e6} millionths cannot go from shard {source} to shard {destination}")
        return self._moved(source, MoneyE6(-amount_e6))._moved(destination, amount_e6)

    def gap_e6(self, totals: Totals) -> MoneyE6:
        """Returns what the shards hold beyond what the markets and the outside explain: zero."""
        return MoneyE6(self.total_e6 - self.deposits_e6 - self.rewards_e6 - totals.cash_delta_e6)

    def _moved(self, exchange_index: int, amount_e6: MoneyE6) -> ShardCash:
        held = MoneyE6(self.by_shard_e6.get(exchange_index, 0) + amount_e6)
        return attrs.evolve(self, by_shard_e6={**self.by_shard_e6, exchange_index: held})
