"""Which shards of the exchange lack the cash for what is to be quoted there.

Cash is kept per shard and nothing moves it by itself, so an account full of money is still unable to quote a market
whose shard was never funded. Caps are zero there already (the cash of a shard is a cap); this says it in one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kalshi.types import Balance
from quant.risk import MarketFacts

_NAMED_MAX = 3


@attrs.frozen(kw_only=True)
class UnfundedShard:
    """A shard without cash, and the markets on it that want some."""

    exchange_index: int
    tickers: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentence for a person."""
        named = ", ".join(self.tickers[:_NAMED_MAX])
        more = f" and {len(self.tickers) - _NAMED_MAX} more" if len(self.tickers) > _NAMED_MAX else ""
        return (
            f"shard {self.exchange_index} has no cash for {named}{more}: nothing is quoted there "
            "until cash is transferred to it"
        )


def unfunded_shards(markets: Mapping[str, MarketFacts], balance: Balance) -> tuple[UnfundedShard, ...]:
    """Returns the shards of these markets that hold no cash, lowest index first."""
    cash = dict(balance.by_shard_e6)
    poor: dict[int, list[str]] = {}
    for ticker in sorted(markets):
        index = markets[ticker].exchange_index
        if cash.get(index, 0) <= 0:
            poor.setdefault(index, []).append(ticker)
    return tuple(UnfundedShard(exchange_index=index, tickers=tuple(poor[index])) for index in sorted(poor))
