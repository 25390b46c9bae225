"""What must always hold in a running exchange, and how it says that it does not.

At each operation, where one comparison is enough:
    cash_conserved  the money of a trade adds up: what both sides pay and get, and the dollars behind new pairs
    uncrossed       an order that goes to rest does not meet the other side
    queue           the one who trades has the best price, and came after the one who traded before at that price
About once a second of engine time (`InvariantWatch`), where it takes a look at everything:
    cash_conserved  all cash, all fees and the collateral of all markets add up to what was paid in
    collateral      YES and NO positions of a market are the same number, which is its open interest
    uncrossed, queue, level_total, open_orders   for a share of the markets, so that all are seen within `ROUND_MS`

A broken invariant is a defect of the exchange itself, and everything said after it could be wrong: nobody inside goes
on after `InvariantBroken`. What a request meets is kept as the core's `defect` and raised by the next tick as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kalshi.simulator.exchange_core import ExchangeCore
    from kalshi.simulator.market_state import MarketState
    from kalshi.simulator.side_book import SideBook

STEP_MS: Final = 1_000
ROUND_MS: Final = 30_000  # within this time every market has been looked at
_DOLLAR_E4: Final = 10_000


class InvariantBroken(Exception):
    """The exchange has a defect: `invariant` names what does not hold. Nobody who talks to it is at fault."""

    def __init__(self, invariant: str, details: str) -> None:
        super().__init__(f"{invariant}: {details}")
        self.invariant = invariant
        self.details = details


class InvariantWatch:
    """Looks at the whole exchange about once a second of its own time; `check` does all of it at once."""

    def __init__(self, core: ExchangeCore) -> None:
        self._core = core
        self._due_ms = 0
        self._waiting: Iterator[MarketState] = iter(())

    def tick(self, now_ms: int) -> None:
        """Does what is due: the money, and the next share of the markets. Raises InvariantBroken."""
        if self._core.defect is not None:
            raise self._core.defect
        if now_ms < self._due_ms:
            return
        self._due_ms = now_ms + STEP_MS
        self._check_money()
        share = 1 + len(self._core.markets) * STEP_MS // ROUND_MS
        for _ in range(share):
            market = next(self._waiting, None)
            if market is None:
                self._waiting = iter(tuple(self._core.markets.values()))
                break
            self._check_market(market)

    def check(self) -> None:
        """Checks everything. Raises InvariantBroken."""
        self._check_money()
        for market in self._core.markets.values():
            self._check_market(market)

    def _check_money(self) -> None:
        missing_e6 = self._core.imbalance_e6()
        if missing_e6:
            raise InvariantBroken("cash_conserved", f"{missing_e6} of what was paid in is nowhere")

    def _check_market(self, market: MarketState) -> None:
        ticker, engine = market.ticker, market.engine
        held_e2 = [account.position_e2(ticker) for account in self._core.accounts.values()]
        if sum(held_e2) or sum(one for one in held_e2 if one > 0) != market.clearing.open_interest_e2:
            raise InvariantBroken("collateral", f"positions {held_e2} of {ticker}")
        bid_e4, ask_e4 = engine.bids.best_price_e4(), engine.asks.best_price_e4()
        if bid_e4 is not None and ask_e4 is not None and bid_e4 >= ask_e4:
            raise InvariantBroken("uncrossed", f"{ticker} {bid_e4} >= {ask_e4}")
        for book in (engine.bids, engine.asks):
            self._check_book(ticker, book)

    def _check_book(self, ticker: str, book: SideBook) -> None:
        # One pass, written for speed: all books of a large exchange go through here every `ROUND_MS`.
        accounts, side, sign = self._core.accounts, book.side, book.side.sign
        worse_key = -_DOLLAR_E4
        for key in book.keys:
            if key <= worse_key:
                raise InvariantBroken("queue", f"prices of {ticker} {book.keys}")
            worse_key, price_e4 = key, key * sign
            level = book.level(price_e4)
            total_e2 = earlier = 0
            for order in level.orders.values():
                if order.queue_number <= earlier:
                    raise InvariantBroken("queue", f"{order.order_id} of {ticker} at {price_e4} after {earlier}")
                earlier = order.queue_number
                total_e2 += order.remaining_e2
                known = order.is_house or order.order_id in accounts[order.account_id].open_orders
                if not known or not order.is_open or order.price_e4 != price_e4 or order.side is not side:
                    raise InvariantBroken("open_orders", f"{order.order_id} rests in {ticker} at {price_e4}")
            if not level.orders or level.total_e2 != total_e2:
                raise InvariantBroken("level_total", f"{ticker} at {price_e4}")
