"""Order writes: what the exchange checks before the engine sees an order, and in which order it checks.

Rules (kalshi-rest.md §3, §7.5, §10, §11):
1. A client order id is taken for ever by an accepted order and by a killed fill-or-kill; other refusals leave
   it free. A repeat is refused before anything else is looked at.
2. During a trading pause creates, amends and decreases are refused and cancels work; during an exchange pause
   nothing works.
3. Funds at entry: cost at the limit plus the fee must be covered by the cash of the market's shard.
4. Unknown, canceled and executed orders answer the same 404; only a closed market may answer otherwise.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.simulator.accounts import Account, cash_flow
from kalshi.simulator.engine import EngineRefusal
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import NewOrder, Order, Reason
from kalshi.simulator.price_grid import is_on_grid
from kalshi.simulator.refusals import Refused, invalid, not_found
from kalshi.types import OrderStatus, Side, TimeInForce

AUTO_ROUTE: Final = -1
_SHARD_DETAILS: Final = (
    "Exchange user not found. For Predictions: reference documentation Exchange Sharding documentation."
)


@attrs.frozen(kw_only=True)
class AmendRequest:
    """`expiration_ts_s`: None keeps the present one, zero clears it."""

    ticker: str
    side: Side
    price_e4: int
    total_e2: int
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expiration_ts_s: int | None = None
    exchange_index: int | None = None


class OrderEntry:
    """Takes order writes of customers to the engines."""

    def __init__(self, core: ExchangeCore) -> None:
        self._core = core
        # Taken for ever is the exchange's own rule, so these two have no bound; a run's ids fit into memory
        # easily.
        self._taken: dict[str, dict[str, None]] = {}
        self._attempts: dict[str, int] = {}

    def create_attempts(self, client_order_id: str) -> int:
        """Returns how many create requests with that id have arrived, refused ones included."""
        return self._attempts.get(client_order_id, 0)

    def create(self, account: Account, request: NewOrder) -> Order:
        """Takes a new order and returns it as it stands after matching. Raises Refused."""
        core = self._core
        now_ms = core.now_ms()
        client_order_id = self._check_client_id(account, request.client_order_id)
        self._check_pause(cancels=False)
        market = self._market(request.ticker, request.exchange_index, now_ms)
        self._check_terms(market, request, now_ms)
        self._check_group(account, market, request.group_id)
        order = self._build(account, market, request, client_order_id, now_ms)
        self._check_funds(account, market, order, order.remaining_e2)
        self._submit(account, market, order, now_ms)
        core.watch_expiry(order)
        core.drain(market, now_ms)
        return order

    def cancel(
        self, account: Account, order_id: str, exchange_index: int | None = None, ticker: str | None = None
    ) -> tuple[Order, int]:
        """Cancels an open order; returns it and the count removed. Raises Refused."""
        self._check_pause(cancels=True)
        order = self._open_order(account, order_id, exchange_index, ticker)
        return order, self._core.cancel(order, Reason.NONE, self._core.now_ms())

    def cancel_all(self, account: Account) -> int:
        """Cancels every open order of the account on all shards; returns how many. Raises Refused."""
        self._check_pause(cancels=True)
        mine = [order for order in self._core.open_orders.values() if order.account_id == account.account_id]
        for order in mine:
            self._core.cancel(order, Reason.NONE, self._core.now_ms())
        return len(mine)

    def decrease(
        self,
        account: Account,
        order_id: str,
        *,
        by_e2: int | None = None,
        to_e2: int | None = None,
        exchange_index: int | None = None,
        ticker: str | None = None,
    ) -> Order:
        """Shrinks an open order in place. Raises Refused; to its present size or more is a no-op and refused."""
        self._check_pause(cancels=False)
        order = self._open_order(account, order_id, exchange_index, ticker)
        if (by_e2 is None) == (to_e2 is None):
            raise invalid("exactly one of reduce_by and reduce_to is required")
        reduction_e2 = by_e2 if by_e2 is not None else order.remaining_e2 - (to_e2 or 0)
        if reduction_e2 <= 0 or (to_e2 is not None and to_e2 < 0):
            raise Refused(400, "AMEND_ORDER_NO_OP")
        market, now_ms = self._core.markets[order.ticker], self._core.now_ms()
        market.engine.decrease(order, reduction_e2, now_ms)
        self._core.drain(market, now_ms)
        return order

    def amend(self, account: Account, order_id: str, request: AmendRequest) -> Order:
        """Moves, resizes or renews an open order. Raises Refused."""
        core = self._core
        now_ms = core.now_ms()
        self._check_pause(cancels=False)
        order = self._open_order(account, order_id, request.exchange_index, request.ticker)
        market = core.markets[order.ticker]
        self._check_amend(order, market, request, now_ms)
        wanted_e2 = request.total_e2 - order.filled_e2
        changes_book = (request.price_e4, wanted_e2) != (order.price_e4, order.remaining_e2)
        expiration_ts_s = self._amended_expiry(order, request, now_ms)
        if not changes_book and expiration_ts_s == order.expiration_ts_s and not request.updated_client_order_id:
            raise Refused(400, "AMEND_ORDER_NO_OP")
        if changes_book and wanted_e2 > 0:
            moved = attrs.evolve(order, price_e4=request.price_e4, post_only=False)
            self._check_funds(account, market, moved, wanted_e2)
        self._rename(account, order, request.updated_client_order_id)
        try:
            market.engine.amend(order, request.price_e4, request.total_e2, now_ms)
        except EngineRefusal as refusal:
            raise Refused(400, "invalid_amend_qty_for_order") from refusal
        order.expiration_ts_s = expiration_ts_s
        core.watch_expiry(order)
        core.drain(market, now_ms)
        return order

    def _check_client_id(self, account: Account, wanted: str | None) -> str:
        if wanted is None:
            return self._core.new_id()
        self._attempts[wanted] = self._attempts.get(wanted, 0) + 1
        if wanted in self._taken.get(account.account_id, {}):
            raise Refused(409, "order_already_exists")
        return wanted

    def _take_client_id(self, account: Account, client_order_id: str) -> None:
        self._taken.setdefault(account.account_id, {})[client_order_id] = None

    def _check_pause(self, *, cancels: bool) -> None:
        if not self._core.exchange_active:
            raise Refused(409, "exchange_is_paused")
        if not self._core.trading_active and not cancels:
            raise Refused(409, "trading_is_paused")

    def _market(self, ticker: str, exchange_index: int | None, now_ms: int) -> MarketState:
        settings = self._core.settings
        market = self._core.markets.get(ticker)
        if market is None or exchange_index not in (None, AUTO_ROUTE, market.exchange_index):
            raise Refused(settings.unknown_ticker_status, settings.unknown_ticker_code)
        if not market.is_tradable(now_ms):
            raise self._market_closed()
        return market

    def _market_closed(self) -> Refused:
        settings = self._core.settings
        return Refused(settings.closed_market_status, settings.closed_market_code)

    @staticmethod
    def _check_terms(market: MarketState, request: NewOrder, now_ms: int) -> None:
        if not is_on_grid(market.listing.price_ranges, request.price_e4):
            raise Refused(400, "invalid_price")
        if request.count_e2 <= 0:
            raise Refused(400, "invalid_order_size")
        rests = request.time_in_force is TimeInForce.GOOD_TILL_CANCELED
        if request.expiration_ts_s is not None:
            if not rests:
                raise invalid("Cannot specify both immediate_or_cancel and expiration_ts")
            if request.expiration_ts_s * 1000 <= now_ms:
                raise invalid("Expiration timestamp must be in the future")
        if request.post_only and not rests:
            raise Refused(400, "invalid_order", details="post only with immediate execution")
        if request.reduce_only and request.time_in_force is not TimeInForce.IMMEDIATE_OR_CANCEL:
            raise Refused(400, "invalid_order", details="reduce only requires immediate_or_cancel")

    def _check_group(self, account: Account, market: MarketState, group_id: str | None) -> None:
        if group_id is None:
            return
        group = self._core.groups.get(group_id)
        if group is None or group.account_id != account.account_id or group.exchange_index != market.exchange_index:
            raise Refused(404, "order_group_not_found")
        if group.is_triggered:
            settings = self._core.settings
            raise Refused(settings.triggered_group_status, settings.triggered_group_code)

    def _build(
        self, account: Account, market: MarketState, request: NewOrder, client_order_id: str, now_ms: int
    ) -> Order:
        matched_e2 = request.count_e2
        if request.reduce_only:
            held_e2 = max(0, -account.position_e2(market.ticker) * request.side.sign)
            matched_e2 = min(matched_e2, held_e2)
        return Order(
            order_id=self._core.new_id(),
            account_id=account.account_id,
            client_order_id=client_order_id,
            ticker=market.ticker,
            side=request.side,
            price_e4=request.price_e4,
            initial_e2=request.count_e2,
            remaining_e2=matched_e2,
            time_in_force=request.time_in_force,
            self_trade_prevention=request.self_trade_prevention,
            exchange_index=market.exchange_index,
            created_ms=now_ms,
            updated_ms=now_ms,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            cancel_on_pause=request.cancel_on_pause,
            group_id=request.group_id,
            expiration_ts_s=request.expiration_ts_s,
        )

    def _check_funds(self, account: Account, market: MarketState, order: Order, count_e2: int) -> None:
        if market.exchange_index not in account.cash_by_shard_e6:
            raise Refused(404, "insufficient_shard_balance", details=_SHARD_DETAILS)
        available_e6 = account.cash_by_shard_e6[market.exchange_index]
        if self._core.settings.balance_net_of_resting:
            available_e6 -= self.resting_cost_e6(account, market.exchange_index)
        needed_e6 = market.clearing.entry_cost_e6(account, order, count_e2) if count_e2 else 0
        if needed_e6 > available_e6:
            raise Refused(400, "insufficient_balance")

    def resting_cost_e6(self, account: Account, exchange_index: int | None = None) -> int:
        """Returns what the account's resting orders would cost, on one shard or on all."""
        total_e6 = 0
        for order in self._core.open_orders.values():
            if order.account_id == account.account_id and exchange_index in (None, order.exchange_index):
                held_e2 = account.position_e2(order.ticker)
                total_e6 += cash_flow(held_e2, order.side, order.price_e4, order.remaining_e2).cost_e6
        return total_e6

    def _submit(self, account: Account, market: MarketState, order: Order, now_ms: int) -> None:
        if order.remaining_e2 == 0:
            # A reduce-only order with nothing to reduce is taken and ends at once.
            order.status, order.reason = OrderStatus.CANCELED, Reason.REDUCE_ONLY
            market.engine.touched[order.order_id] = order
        else:
            self._match(account, market, order, now_ms)
        if order.reduce_only and order.filled_e2 < order.initial_e2:
            order.status, order.reason = OrderStatus.CANCELED, Reason.REDUCE_ONLY
        self._take_client_id(account, order.client_order_id)

    def _match(self, account: Account, market: MarketState, order: Order, now_ms: int) -> None:
        try:
            market.engine.submit(order, now_ms)
        except EngineRefusal as refusal:
            if refusal.code == "fill_or_kill":
                self._take_client_id(account, order.client_order_id)
                raise Refused(409, "fill_or_kill_insufficient_resting_volume") from refusal
            if self._core.settings.post_only_cross == "reject":
                raise Refused(400, "invalid_order", details="post only cross") from refusal
            order.remaining_e2 = 0
            order.status, order.reason = OrderStatus.CANCELED, Reason.POST_ONLY_CROSS
            market.engine.touched[order.order_id] = order

    def _open_order(self, account: Account, order_id: str, exchange_index: int | None, ticker: str | None) -> Order:
        core = self._core
        order = core.open_orders.get(order_id)
        if order is None:
            ended = core.markets.get(core.ended_orders.get(order_id, ""))
            if ended is not None and core.now_ms() >= ended.close_ms:
                raise self._market_closed()
            raise not_found()
        routed = self._routed_shard(exchange_index, ticker)
        if order.account_id != account.account_id or routed != order.exchange_index:
            raise not_found()
        if not core.markets[order.ticker].is_tradable(core.now_ms()):
            raise self._market_closed()
        return order

    def _routed_shard(self, exchange_index: int | None, ticker: str | None) -> int:
        if exchange_index is not None and exchange_index != AUTO_ROUTE:
            return exchange_index
        market = self._core.markets.get(ticker or "")
        return market.exchange_index if market is not None else 0

    @staticmethod
    def _check_amend(order: Order, market: MarketState, request: AmendRequest, now_ms: int) -> None:
        if request.ticker != order.ticker:
            raise Refused(400, "order_ticker_mismatch")
        if request.side is not order.side:
            raise Refused(400, "order_side_mismatch")
        if request.client_order_id not in (None, order.client_order_id):
            raise Refused(400, "order_id_and_client_order_id_mismatch")
        if not is_on_grid(market.listing.price_ranges, request.price_e4):
            raise Refused(400, "invalid_price")
        if request.total_e2 <= 0:
            raise Refused(400, "invalid_order_size")
        if request.total_e2 < order.filled_e2:
            raise Refused(400, "invalid_amend_qty_for_order")

    @staticmethod
    def _amended_expiry(order: Order, request: AmendRequest, now_ms: int) -> int | None:
        if request.expiration_ts_s is None:
            return order.expiration_ts_s
        if request.expiration_ts_s == 0:
            return None
        if request.expiration_ts_s * 1000 <= now_ms:
            raise invalid("Expiration timestamp must be in the future")
        return request.expiration_ts_s

    def _rename(self, account: Account, order: Order, updated: str | None) -> None:
        if updated is None or updated == order.client_order_id:
            return
        if updated in self._taken.get(account.account_id, {}):
            raise Refused(409, "order_already_exists")
        self._take_client_id(account, updated)
        order.client_order_id = updated
