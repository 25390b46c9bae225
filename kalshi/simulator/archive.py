"""Where the live endpoints end and the historical ones begin (kalshi-rest.md §7.4, historical data page).

Rules:
1. A finished order, a trade, a fill or a settled market older than its cut-off is gone from the live endpoints and
   found under `/historical`; the two never overlap and never miss anything.
2. Resting orders and open positions are live for ever.
3. Cut-offs move in steps, so that a client that reads `/historical/cutoff` first sees one line between both halves.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Order
from kalshi.simulator.settings import SimulatorSettings


@attrs.frozen(kw_only=True)
class Archive:
    """The cut-offs as of now, in ms since the epoch: everything strictly before them is historical."""

    settings: SimulatorSettings
    now_ms: Callable[[], int]

    def orders_cutoff_ms(self) -> int:
        """Returns the last update before which a finished order is historical."""
        return self._cutoff_ms(self.settings.finished_orders_live_ms)

    def trades_cutoff_ms(self) -> int:
        """Returns the time before which trades and fills are historical."""
        return self._cutoff_ms(self.settings.trades_live_ms)

    def markets_cutoff_ms(self) -> int:
        """Returns the settlement time before which a market, its candles and its positions are historical."""
        return self._cutoff_ms(self.settings.settled_markets_live_ms)

    def has_order(self, order: Order) -> bool:
        """Says whether the order has left the live endpoints."""
        return not order.is_open and order.updated_ms < self.orders_cutoff_ms()

    def has_market(self, market: MarketState) -> bool:
        """Says whether the market has left the live endpoints."""
        return market.settled_ms is not None and market.settled_ms < self.markets_cutoff_ms()

    def _cutoff_ms(self, live_ms: int) -> int:
        step_ms = self.settings.cutoff_step_ms
        return (self.now_ms() - live_ms) // step_ms * step_ms
