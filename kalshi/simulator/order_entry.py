"""Order writes: what the exchange checks before the engine sees an order, and in which order it checks.

Rules (kalshi-rest.md §3, §7.5, §10, §11):
1. A client order id is taken for ever by an accepted order and by a killed fill-or-kill; other refusals leave
   it free. A repeat is refused before anything else is looked at.
2. During a trading pause creates, amends and decreases are refused and cancels work; during an exchange pause
   nothing works.
3. Funds at entry: cost at the limit plus the fee must be covered by the cash of the market's shard.
4. Unknown, canceled and executed orders answer the same 404; only a closed market may answer otherwise.
5. An account has at most `open_orders_max` orders that rest.

Create and cancel are most of what an exchange does, so both are written for speed: one look at each condition, the work
of finding out what is wrong only where one fails, and the exact cost of an order only where a cheap bound of it is not
covered.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.simulator.accounts import Account, cash_flow
from kalshi.simulator.clearing import FEE_ROUNDINGS_E6
from kalshi.simulator.engine import EngineRefusal
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.invariants import InvariantBroken
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import NewOrder, Order, Reason
from kalshi.simulator.price_grid import prices_of
from kalshi.simulator.refusals import Refused, invalid, not_found
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import MarketStatus, OrderStatus, Side, TimeInForce

AUTO_ROUTE: Final = -1

_SHARD_DETAILS: Final = (
    "Exchange user not found. For Predictions: reference documentation Exchange Sharding documentation."
)
_ACTIVE: Final = MarketStatus.ACTIVE
_BID: Final = Side.BID
_GTC: Final = TimeInForce.GOOD_TILL_CANCELED
_NO_REASON: Final = Reason.NONE


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
        # Counts the refused create requests by client order id; no bound, as the ids themselves have none.
        self._refused: dict[str, int] = {}

    def create_attempts(self, client_order_id: str) -> int:
        """Returns how many create requests with that id have arrived, refused ones included."""
        taken = sum(account.client_order_ids.get(client_order_id, False) for account in self._core.accounts.values())
        return taken + self._refused.get(client_order_id, 0)

    def create(self, account: Account, request: NewOrder) -> Order:
        """Takes a new order and returns it as it stands after matching. Raises Refused."""
        core = self._core
        now_ms = core.now_ms()
        client_order_id = request.client_order_id
        try:
            if client_order_id is None:
                client_order_id = core.new_id()
            elif client_order_id in account.client_order_ids:
                raise Refused(409, "order_already_exists")
            if not core.trading_active:
                self._check_pause(cancels=False)
            market = core.markets.get(request.ticker)
            if market is None or request.exchange_index not in (market.exchange_index, None, AUTO_ROUTE):
                raise Refused(core.settings.unknown_ticker_status, core.settings.unknown_ticker_code)
            if market.status is not _ACTIVE or now_ms >= market.close_ms:
                raise self._market_closed()
            side, price_e4, count_e2, tif = request.side, request.price_e4, request.count_e2, request.time_in_force
            if price_e4 not in prices_of(market.listing.structure):
                raise Refused(400, "invalid_price")
            if count_e2 <= 0:
                raise Refused(400, "invalid_order_size")
            if tif is not _GTC or request.reduce_only:
                self._check_immediate_terms(request)
            elif request.expiration_ts_s is not None and request.expiration_ts_s * 1000 <= now_ms:
                raise invalid("Expiration timestamp must be in the future")
            elif len(account.open_orders) >= core.settings.open_orders_max:
                raise Refused(400, "open_orders_limit_exceeded")
            if request.group_id is not None:
                self._check_group(account, market, request.group_id)
            order = Order(
                core.new_id(),
                account.account_id,
                client_order_id,
                market.ticker,
                side,
                price_e4,
                count_e2,
                self._reducible_e2(account, market, request) if request.reduce_only else count_e2,
                tif,
                request.self_trade_prevention,
                market.exchange_index,
                now_ms,
                now_ms,
                request.post_only,
                request.reduce_only,
                request.cancel_on_pause,
                False,
                request.group_id,
                request.expiration_ts_s,
            )
            own_e4 = price_e4 if side is _BID else DOLLAR_E4 - price_e4
            bound_e6 = count_e2 * (own_e4 + market.clearing.fee_bound_e6) + FEE_ROUNDINGS_E6
            cash_e6 = account.cash_by_shard_e6.get(market.exchange_index, -1)
            if cash_e6 < bound_e6 or core.settings.balance_net_of_resting:
                self._check_funds(account, market, order, price_e4, order.remaining_e2, is_taker=not order.post_only)
            if request.reduce_only:
                self._submit_reducing(market, order, now_ms)
            else:
                try:
                    market.engine.submit(order, now_ms)
                except EngineRefusal as refusal:
                    self._take_refusal(account, market, order, refusal)
        except Refused:
            self._count_refused(request.client_order_id)
            raise
        except InvariantBroken as broken:
            core.defect = broken
            raise
        account.client_order_ids[client_order_id] = True
        if order.expiration_ts_s is not None:
            core.watch_expiry(order)
        core.drain(market, now_ms)
        return order

    def cancel(
        self, account: Account, order_id: str, exchange_index: int | None = None, ticker: str | None = None
    ) -> tuple[Order, int]:
        """Cancels an open order; returns it and the count removed. Raises Refused."""
        core = self._core
        if not core.exchange_active:
            self._check_pause(cancels=True)
        now_ms = core.now_ms()
        order = account.open_orders.get(order_id)
        if order is None:
            raise self._gone(order_id, now_ms)
        market = core.markets[order.ticker]
        if exchange_index != order.exchange_index:
            self._check_route(order, exchange_index, ticker)
        if market.status is not _ACTIVE or now_ms >= market.close_ms:
            raise self._market_closed()
        removed_e2 = market.engine.cancel(order, _NO_REASON, now_ms)
        core.drain(market, now_ms)
        return order, removed_e2

    def _count_refused(self, client_order_id: str | None) -> None:
        if client_order_id is not None:
            self._refused[client_order_id] = self._refused.get(client_order_id, 0) + 1

    def cancel_all(self, account: Account) -> int:
        """Cancels every open order of the account on all shards; returns how many.

        Orders in a halted or closed market go too: its end of trading takes them anyway, and the answer has no word
        for what would rest on. Raises Refused in a pause, and where `cancel_all_in_stopped_markets` is "refuse" for
        what rests there, after all others are cancelled.
        """
        self._check_pause(cancels=True)
        core, now_ms = self._core, self._core.now_ms()
        spares = core.settings.cancel_all_in_stopped_markets == "refuse"
        cancelled, spared = 0, False
        for order in tuple(account.open_orders.values()):
            if not order.is_open:
                continue  # gone with an order before it
            if spares and not core.markets[order.ticker].is_tradable(now_ms):
                spared = True
            else:
                core.cancel(order, _NO_REASON, now_ms)
                cancelled += 1
        if spared:
            raise self._market_closed()
        return cancelled

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
            self._check_amended_book(account, market, order, request, wanted_e2)
        self._rename(account, order, request.updated_client_order_id)
        if expiration_ts_s != order.expiration_ts_s:
            core.forget_expiry(order)
            order.expiration_ts_s = expiration_ts_s
            core.watch_expiry(order)
        try:
            market.engine.amend(order, request.price_e4, request.total_e2, now_ms)
        except InvariantBroken as broken:
            core.defect = broken
            raise
        core.drain(market, now_ms)
        return order

    def _check_amended_book(
        self, account: Account, market: MarketState, order: Order, request: AmendRequest, wanted_e2: int
    ) -> None:
        keeps_post_only = order.post_only and self._core.settings.amend_keeps_post_only
        if keeps_post_only and market.engine.crosses(order.side, request.price_e4):
            raise Refused(400, "invalid_order", details="post only cross")
        self._check_funds(account, market, order, request.price_e4, wanted_e2, is_taker=not keeps_post_only)

    def _check_pause(self, *, cancels: bool) -> None:
        if not self._core.exchange_active:
            raise Refused(409, "exchange_is_paused")
        if not self._core.trading_active and not cancels:
            raise Refused(409, "trading_is_paused")

    def _market_closed(self) -> Refused:
        settings = self._core.settings
        return Refused(settings.closed_market_status, settings.closed_market_code)

    @staticmethod
    def _check_immediate_terms(request: NewOrder) -> None:
        if request.time_in_force is _GTC:
            raise Refused(400, "invalid_order", details="reduce only requires immediate_or_cancel")
        if request.expiration_ts_s is not None:
            raise invalid("Cannot specify both immediate_or_cancel and expiration_ts")
        if request.post_only:
            raise Refused(400, "invalid_order", details="post only with immediate execution")
        if request.reduce_only and request.time_in_force is not TimeInForce.IMMEDIATE_OR_CANCEL:
            raise Refused(400, "invalid_order", details="reduce only requires immediate_or_cancel")

    def _check_group(self, account: Account, market: MarketState, group_id: str) -> None:
        group = account.groups.get(group_id)
        if group is None or group.exchange_index != market.exchange_index:
            raise Refused(404, "order_group_not_found")
        if group.is_triggered:
            settings = self._core.settings
            raise Refused(settings.triggered_group_status, settings.triggered_group_code)

    @staticmethod
    def _reducible_e2(account: Account, market: MarketState, request: NewOrder) -> int:
        """Returns the count after the cap of reduce-only: no more than what is held against the order."""
        return min(request.count_e2, max(0, -account.position_e2(market.ticker) * request.side.sign))

    def _check_funds(
        self, account: Account, market: MarketState, order: Order, price_e4: int, count_e2: int, *, is_taker: bool
    ) -> None:
        available_e6 = account.cash_by_shard_e6.get(market.exchange_index)
        if available_e6 is None:
            raise Refused(404, "insufficient_shard_balance", details=_SHARD_DETAILS)
        if self._core.settings.balance_net_of_resting:
            available_e6 -= self._other_resting_cost_e6(account, order)
        clearing = market.clearing
        own_e4 = price_e4 if order.side is _BID else DOLLAR_E4 - price_e4
        if available_e6 >= count_e2 * (own_e4 + clearing.fee_bound_e6) + FEE_ROUNDINGS_E6 or count_e2 == 0:
            return
        # An order that frees money is taken even where resting orders have spoken for more than there is.
        needed_e6 = clearing.entry_cost_e6(account, order, price_e4, count_e2, is_taker=is_taker)
        if needed_e6 > max(0, available_e6):
            raise Refused(400, "insufficient_balance")

    def _other_resting_cost_e6(self, account: Account, order: Order) -> int:
        """Returns what the account's other orders on the shard would cost: an order does not compete with itself."""
        total_e6 = self.resting_cost_e6(account, order.exchange_index)
        if order.order_id in account.open_orders:
            total_e6 -= self._resting_cost_e6(account, order)
        return total_e6

    def resting_cost_e6(self, account: Account, exchange_index: int | None = None) -> int:
        """Returns what the account's resting orders would cost, on one shard or on all."""
        return sum(
            self._resting_cost_e6(account, order)
            for order in account.open_orders.values()
            if exchange_index in (None, order.exchange_index)
        )

    @staticmethod
    def _resting_cost_e6(account: Account, order: Order) -> int:
        return cash_flow(account.position_e2(order.ticker), order.side, order.price_e4, order.remaining_e2)[3]

    def _take_refusal(self, account: Account, market: MarketState, order: Order, refusal: EngineRefusal) -> None:
        """Turns what the engine will not take into an answer, or into an order that ends at once (a switch)."""
        if refusal.code == "fill_or_kill":
            account.client_order_ids[order.client_order_id] = False
            raise Refused(409, "fill_or_kill_insufficient_resting_volume") from refusal
        if self._core.settings.post_only_cross == "reject":
            raise Refused(400, "invalid_order", details="post only cross") from refusal
        self._end_at_entry(market, order, Reason.POST_ONLY_CROSS)

    def _submit_reducing(self, market: MarketState, order: Order, now_ms: int) -> None:
        capped_e2 = order.remaining_e2
        if capped_e2 == 0:
            # Nothing to reduce: the order is taken and ends at once.
            self._end_at_entry(market, order, Reason.REDUCE_ONLY)
            return
        market.engine.submit(order, now_ms)
        if order.filled_e2 == capped_e2 < order.initial_e2:
            order.status, order.reason = OrderStatus.CANCELED, Reason.REDUCE_ONLY

    @staticmethod
    def _end_at_entry(market: MarketState, order: Order, reason: Reason) -> None:
        order.remaining_e2 = 0
        order.status, order.reason = OrderStatus.CANCELED, reason
        market.engine.touched.append(order)

    def _open_order(self, account: Account, order_id: str, exchange_index: int | None, ticker: str | None) -> Order:
        now_ms = self._core.now_ms()
        order = account.open_orders.get(order_id)
        if order is None:
            raise self._gone(order_id, now_ms)
        self._check_route(order, exchange_index, ticker)
        if not self._core.markets[order.ticker].is_tradable(now_ms):
            raise self._market_closed()
        return order

    def _gone(self, order_id: str, now_ms: int) -> Refused:
        ended = self._core.market_of_ended(order_id)
        return self._market_closed() if ended is not None and now_ms >= ended.close_ms else not_found()

    def _check_route(self, order: Order, exchange_index: int | None, ticker: str | None) -> None:
        if exchange_index is None or exchange_index == AUTO_ROUTE:
            market = self._core.markets.get(ticker or "")
            exchange_index = market.exchange_index if market is not None else 0
        if exchange_index != order.exchange_index:
            raise not_found()

    @staticmethod
    def _check_amend(order: Order, market: MarketState, request: AmendRequest, now_ms: int) -> None:
        if request.ticker != order.ticker:
            raise Refused(400, "order_ticker_mismatch")
        if request.side is not order.side:
            raise Refused(400, "order_side_mismatch")
        if request.client_order_id not in (None, order.client_order_id):
            raise Refused(400, "order_id_and_client_order_id_mismatch")
        if request.price_e4 not in prices_of(market.listing.structure):
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
        if updated in account.client_order_ids:
            raise Refused(409, "order_already_exists")
        account.client_order_ids[updated] = False
        order.client_order_id = updated
