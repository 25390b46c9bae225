"""What each market of a run brought, by the exchange's own records: fills, what was opened and given back, money.

Cash is explained market by market. What the position records leave unexplained must be zero to the unit. A market
belongs to the program that was configured for it last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import attrs

from kalshi.simulator.orders import Fill
from kalshi.types import Side
from ops.campaign.blows import PERSONS_CLIENT_ID
from ops.simulation import CASH_E6, KEY_ID, World

UNOWNED = "-"
OPENING_E6 = sum(CASH_E6.values())


@attrs.define(kw_only=True)
class _Traded:
    """What the account's fills in one market come to; sizes in 1/100 contract."""

    fills: int = 0
    by_hand_e2: int = 0
    opened_e2: int = 0
    reduced_e2: int = 0
    largest_e2: int = 0

    def take(self, fill: Fill) -> None:
        signed_e2 = fill.count_e2 if fill.side is Side.BID else -fill.count_e2
        before_e2 = fill.post_position_e2 - signed_e2
        self.largest_e2 = max(self.largest_e2, abs(fill.post_position_e2))
        if fill.client_order_id.startswith(PERSONS_CLIENT_ID):
            self.by_hand_e2 += fill.count_e2
            return
        reduced_e2 = min(abs(before_e2), fill.count_e2) if before_e2 * signed_e2 < 0 else 0
        self.fills += 1
        self.reduced_e2 += reduced_e2
        self.opened_e2 += fill.count_e2 - reduced_e2


@attrs.frozen(kw_only=True)
class MarketResult:
    """One market: sizes in 1/100 contract, money in 1/1,000,000 dollar."""

    ticker: str
    program: str
    strategy: str
    sides: frozenset[str]  # of quotes that rested
    fills: int  # of the bot's orders
    by_hand_e2: int  # filled by orders of a person
    opened_e2: int
    reduced_e2: int  # of what was filled, what brought the position nearer to zero
    largest_e2: int  # the greatest position, whatever its sign
    position_e2: int
    is_settled: bool
    cash_e6: int  # what it brought or cost, fees and settlement included
    open_e6: int  # what is still held, at the mid

    @property
    def pnl_e6(self) -> int:
        """Cash and what is held, at the mid."""
        return self.cash_e6 + self.open_e6


def market_results(
    world: World, owners: Mapping[str, tuple[str, str]], sides: Mapping[str, frozenset[str]]
) -> tuple[tuple[MarketResult, ...], int]:
    """Returns every market that was owned or traded, and the cash that they leave unexplained."""
    truth, positions = world.exchange.truth, world.exchange.core.accounts_by_key[KEY_ID].positions
    traded: defaultdict[str, _Traded] = defaultdict(_Traded)
    for fill in truth.fills(KEY_ID):
        traded[fill.ticker].take(fill)
    results = []
    for ticker in sorted({*owners, *positions, *sides}):
        position = positions.get(ticker)
        program, strategy = owners.get(ticker, (UNOWNED, UNOWNED))
        cash_e6 = 0 if position is None else position.realized_e6 - position.fees_e6 - position.cost_e6
        results.append(
            MarketResult(
                ticker=ticker,
                program=program,
                strategy=strategy,
                sides=sides.get(ticker, frozenset()),
                **attrs.asdict(traded[ticker]),
                position_e2=0 if position is None else position.count_e2,
                is_settled=position is not None and position.is_settled,
                cash_e6=cash_e6,
                open_e6=0 if position is None else _value_e6(world, ticker, position.count_e2),
            )
        )
    return tuple(results), truth.cash_e6(KEY_ID) - OPENING_E6 - sum(result.cash_e6 for result in results)


def _value_e6(world: World, ticker: str, count_e2: int) -> int:
    """Returns what the position is worth at the mid; a short one is as many NO contracts."""
    market = world.exchange.core.markets.get(ticker)
    if market is None or not count_e2:
        return 0
    bid, ask = market.engine.bids.best_price_e4(), market.engine.asks.best_price_e4()
    mid_e4 = ((0 if bid is None else bid) + (10_000 if ask is None else ask)) // 2
    return count_e2 * mid_e4 if count_e2 > 0 else -count_e2 * (10_000 - mid_e4)
