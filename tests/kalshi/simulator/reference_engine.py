"""The exchange's order rules once more, slow and obvious: plain lists that are scanned, fractions for fees.

Written from kalshi-rest.md §7.5, §7.6, §8, §9 and §10. It shares the value types with the simulator (sides, words,
reasons) and nothing else: no book, no index, no bound, no cached sum. An operation either raises `No` with status and
code, or changes the state; what it did is in `deltas`, `trades`, `fills`, `group_news` and `touched`.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

import attrs

from kalshi.simulator.orders import Reason
from kalshi.types import OrderStatus, SelfTradePrevention, Side, TimeInForce

GTC = TimeInForce.GOOD_TILL_CANCELED
IOC = TimeInForce.IMMEDIATE_OR_CANCEL
FOK = TimeInForce.FILL_OR_KILL
BID = Side.BID
RESTING = OrderStatus.RESTING
CANCELED = OrderStatus.CANCELED
EXECUTED = OrderStatus.EXECUTED
WINDOW_MS = 15_000
MAKER_RATES = {
    "quadratic": Fraction(0),
    "quadratic_with_maker_fees": Fraction(175, 10_000),
    "quadratic_with_combo_maker_fees": Fraction(350, 10_000),
}


class No(Exception):
    """The reference refuses."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.answer = (status, code)


@attrs.define(eq=False)
class RefOrder:
    number: int
    owner: str
    client_id: str
    ticker: str
    side: Side
    price: int
    initial: int
    remaining: int
    tif: TimeInForce
    prevention: SelfTradePrevention
    post_only: bool
    reduce_only: bool
    on_pause: bool
    group: int | None
    expiry_s: int | None
    updated_ms: int
    status: OrderStatus = RESTING
    reason: Reason = Reason.NONE
    filled: int = 0
    taker_cost: int = 0
    maker_cost: int = 0
    taker_fees: int = 0
    maker_fees: int = 0
    accumulator: int = 0


@attrs.define
class RefPosition:
    count: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0
    traded: int = 0


@attrs.define
class RefGroup:
    owner: str
    shard: int
    limit: int
    triggered: bool = False
    matched: list[tuple[int, int]] = attrs.field(factory=list)


@attrs.define
class RefMarket:
    shard: int
    grid: list[tuple[int, int, int]]
    fee_type: str
    multiplier: Fraction
    open: bool = True
    over: bool = False
    fees_taken: int = 0


@attrs.define
class RefAccount:
    cash: dict[int, int]
    used_ids: set[str] = attrs.field(factory=set)
    positions: dict[str, RefPosition] = attrs.field(factory=dict)


@attrs.define(kw_only=True)
class Switches:
    fee_unit: Fraction
    group_at_limit: bool
    net_of_resting: bool
    cross_is_canceled: bool
    amend_keeps_post_only: bool
    groups_in_pause: bool
    open_orders_max: int


class Reference:
    """The whole exchange, as far as orders go."""

    def __init__(self, accounts: dict[str, RefAccount], markets: dict[str, RefMarket], switches: Switches) -> None:
        self.accounts = accounts
        self.markets = markets
        self.switches = switches
        self.resting: list[RefOrder] = []  # in queue order: whoever loses his place goes to the end
        self.groups: dict[int, RefGroup] = {}
        self.numbers = 0
        self.now_ms = 0
        self.trading = self.exchange = True
        self.deltas: list[tuple[Any, ...]] = []
        self.trades: list[tuple[Any, ...]] = []
        self.fills: list[tuple[Any, ...]] = []
        self.group_news: list[tuple[int, str]] = []
        self.touched: dict[int, RefOrder] = {}

    def forget_news(self) -> None:
        for news in (self.deltas, self.trades, self.fills, self.group_news, self.touched):
            news.clear()

    # Order writes

    def create(
        self,
        owner: str,
        ticker: str,
        side: Side,
        price: int,
        count: int,
        tif: TimeInForce,
        prevention: SelfTradePrevention,
        client_id: str,
        post_only: bool,
        reduce_only: bool,
        on_pause: bool,
        group: int | None,
        expiry_s: int | None,
    ) -> RefOrder:
        account = self.accounts[owner]
        if client_id in account.used_ids:
            raise No(409, "order_already_exists")
        self._must_trade()
        market = self._open_market(ticker)
        self._check_price(market, price)
        if count <= 0:
            raise No(400, "invalid_order_size")
        if reduce_only and tif is GTC:
            raise No(400, "invalid_order")
        if expiry_s is not None and (tif is not GTC or expiry_s * 1000 <= self.now_ms):
            raise No(400, "invalid_parameters")
        if post_only and tif is not GTC:
            raise No(400, "invalid_order")
        if reduce_only and tif is not IOC:
            raise No(400, "invalid_order")
        if tif is GTC and len([one for one in self.resting if one.owner == owner]) >= self.switches.open_orders_max:
            raise No(400, "open_orders_limit_exceeded")
        if group is not None:
            self._check_group(owner, market, group)
        allowed = count
        if reduce_only:
            held = self._held(owner, ticker)
            against = -held if side is BID else held
            allowed = max(0, min(count, against))
        order = RefOrder(
            self.numbers,
            owner,
            client_id,
            ticker,
            side,
            price,
            count,
            allowed,
            tif,
            prevention,
            post_only,
            reduce_only,
            on_pause,
            group,
            expiry_s,
            self.now_ms,
        )
        self._check_funds(order, price, allowed, taker=not post_only)
        crossing = [one for one in self.resting if self._meets(order, one)]
        if tif is FOK and sum(one.remaining for one in crossing) < allowed:
            account.used_ids.add(client_id)
            raise No(409, "fill_or_kill_insufficient_resting_volume")
        if post_only and crossing and not self.switches.cross_is_canceled:
            raise No(400, "invalid_order")
        account.used_ids.add(client_id)
        self.numbers += 1
        self.touched[order.number] = order
        if post_only and crossing:
            self._stop(order, Reason.POST_ONLY_CROSS)
        elif allowed == 0:
            self._stop(order, Reason.REDUCE_ONLY)
        else:
            traded = self._match(order)
            if order.status is RESTING and tif is not GTC:
                self._stop(order, Reason.NONE)
            if reduce_only and order.filled == allowed < count:
                self._stop(order, Reason.REDUCE_ONLY)
            self._rest_what_is_left(order)
            self._count_in_groups(traded)
        return order

    def cancel(self, owner: str, number: int) -> int:
        self._must_be_open()
        order = self._own(owner, number)
        removed = order.remaining
        self._take_out(order, Reason.NONE)
        return removed

    def cancel_all(self, owner: str) -> None:
        self._must_be_open()
        for order in [one for one in self.resting if one.owner == owner]:
            self._take_out(order, Reason.NONE)

    def decrease(self, owner: str, number: int, by: int | None, to: int | None) -> RefOrder:
        self._must_trade()
        order = self._own(owner, number)
        if (by is None) == (to is None):
            raise No(400, "invalid_parameters")
        if (by is not None and by <= 0) or (to is not None and not 0 <= to < order.remaining):
            raise No(400, "AMEND_ORDER_NO_OP")
        off = by if by is not None else order.remaining - (to or 0)
        if off >= order.remaining:
            self._take_out(order, Reason.DECREASE)
        else:
            order.remaining -= off
            self._say(order, -off)
            self._note(order, Reason.DECREASE)
        return order

    def amend(
        self,
        owner: str,
        number: int,
        side: Side,
        price: int,
        total: int,
        client_id: str | None,
        new_client_id: str | None,
        expiry_s: int | None,
    ) -> RefOrder:
        self._must_trade()
        order = self._own(owner, number)
        if side is not order.side:
            raise No(400, "order_side_mismatch")
        if client_id is not None and client_id != order.client_id:
            raise No(400, "order_id_and_client_order_id_mismatch")
        self._check_price(self.markets[order.ticker], price)
        if total <= 0:
            raise No(400, "invalid_order_size")
        if total < order.filled:
            raise No(400, "invalid_amend_qty_for_order")
        if expiry_s is not None and expiry_s != 0 and expiry_s * 1000 <= self.now_ms:
            raise No(400, "invalid_parameters")
        expires = order.expiry_s if expiry_s is None else (expiry_s or None)
        wanted = total - order.filled
        moves = price != order.price or wanted != order.remaining
        if not moves and expires == order.expiry_s and new_client_id is None:
            raise No(400, "AMEND_ORDER_NO_OP")
        if moves and wanted > 0:
            quiet = order.post_only and self.switches.amend_keeps_post_only
            probe = attrs.evolve(order, price=price)
            if quiet and [one for one in self.resting if self._meets(probe, one)]:
                raise No(400, "invalid_order")
            self._check_funds(order, price, wanted, taker=not quiet)
        if new_client_id is not None and new_client_id != order.client_id:
            if new_client_id in self.accounts[owner].used_ids:
                raise No(409, "order_already_exists")
            self.accounts[owner].used_ids.add(new_client_id)
            order.client_id = new_client_id
        order.expiry_s = expires
        if wanted == 0:
            self._take_out(order, Reason.AMEND)
            return order
        order.initial = total
        self._note(order, Reason.AMEND)
        if price == order.price and wanted <= order.remaining:
            if wanted < order.remaining:
                off = order.remaining - wanted
                order.remaining = wanted
                self._say(order, -off)
            return order
        self._say(order, -order.remaining)
        self.resting.remove(order)
        order.price, order.remaining = price, wanted
        traded = self._match(order)
        self._rest_what_is_left(order)
        self._count_in_groups(traded)
        return order

    # Groups

    def create_group(self, owner: str, shard: int, limit: int) -> int:
        self._groups_may_change()
        if not 100 <= limit <= 100_000_000:
            raise No(400, "invalid_parameters")
        if shard not in self.accounts[owner].cash:
            raise No(404, "insufficient_shard_balance")
        number = len(self.group_news) + self.numbers * 1_000 + len(self.groups) + 1
        while number in self.groups:
            number += 1
        self.groups[number] = RefGroup(owner, shard, limit)
        self.group_news.append((number, "created"))
        return number

    def trigger_group(self, number: int) -> None:
        self._groups_may_change()
        if not self.groups[number].triggered:
            self._trigger(number, "triggered")

    def reset_group(self, number: int) -> None:
        self._groups_may_change()
        self.groups[number].triggered = False
        self.groups[number].matched = []
        self.group_news.append((number, "reset"))

    def limit_group(self, number: int, limit: int) -> None:
        self._groups_may_change()
        if not 100 <= limit <= 100_000_000:
            raise No(400, "invalid_parameters")
        self.groups[number].limit = limit
        self.group_news.append((number, "limit_updated"))
        if self._is_over(self.groups[number]) and not self.groups[number].triggered:
            self._trigger(number, "triggered")

    def delete_group(self, number: int) -> None:
        self._groups_may_change()
        self._trigger(number, "deleted")
        del self.groups[number]

    def matched_in_window(self, group: RefGroup) -> int:
        return sum(count for when_ms, count in group.matched if when_ms > self.now_ms - WINDOW_MS)

    # What the clock and the exchange do

    def expire(self) -> None:
        for order in list(self.resting):
            if order.expiry_s is not None and order.expiry_s * 1000 <= self.now_ms:
                self._take_out(order, Reason.EXPIRY)

    def pause(self, trading: bool, exchange: bool) -> None:
        starts = (self.trading and not trading) or (self.exchange and not exchange)
        self.trading, self.exchange = trading and exchange, exchange
        if starts:
            for order in [one for one in self.resting if one.on_pause]:
                self._take_out(order, Reason.HALT)

    def halt(self, ticker: str) -> None:
        self.markets[ticker].open = False

    def reopen(self, ticker: str) -> None:
        for order in [one for one in self.resting if one.ticker == ticker]:
            self._take_out(order, Reason.HALT)
        self.markets[ticker].open = True

    def close(self, ticker: str) -> None:
        self.markets[ticker].open = False
        self.markets[ticker].over = True
        for order in [one for one in self.resting if one.ticker == ticker]:
            self._take_out(order, Reason.CLOSE)

    def settle(self, ticker: str, value: int) -> None:
        """Pays YES `value` and NO the rest of the dollar, each position to the whole cent."""
        market = self.markets[ticker]
        for account in self.accounts.values():
            position = account.positions.get(ticker)
            if position is None or position.count == 0:
                continue
            exact = position.count * value if position.count > 0 else -position.count * (10_000 - value)
            paid = floor(Fraction(exact, 10_000) + Fraction(1, 2)) * 10_000
            account.cash[market.shard] += paid
            market.fees_taken += exact - paid
            position.realized += paid - position.cost
            position.count = position.cost = 0

    # Checks

    def _must_be_open(self) -> None:
        if not self.exchange:
            raise No(409, "exchange_is_paused")

    def _must_trade(self) -> None:
        self._must_be_open()
        if not self.trading:
            raise No(409, "trading_is_paused")

    def _groups_may_change(self) -> None:
        self._must_be_open()
        if not self.trading and not self.switches.groups_in_pause:
            raise No(409, "trading_is_paused")

    def _open_market(self, ticker: str) -> RefMarket:
        market = self.markets[ticker]
        if not market.open:
            raise No(409, "market_inactive")
        return market

    @staticmethod
    def _check_price(market: RefMarket, price: int) -> None:
        for start, end, step in market.grid:
            if 0 < price < 10_000 and start <= price <= end and (price - start) % step == 0:
                return
        raise No(400, "invalid_price")

    def _check_group(self, owner: str, market: RefMarket, number: int) -> None:
        group = self.groups.get(number)
        if group is None or group.owner != owner or group.shard != market.shard:
            raise No(404, "order_group_not_found")
        if group.triggered:
            raise No(409, "exceeded_order_group_risk_limit")

    def _own(self, owner: str, number: int) -> RefOrder:
        for order in self.resting:
            if order.number == number and order.owner == owner:
                self._open_market(order.ticker)
                return order
        raise No(404, "not_found")

    def _check_funds(self, order: RefOrder, price: int, count: int, *, taker: bool) -> None:
        cash = self.accounts[order.owner].cash
        shard = self.markets[order.ticker].shard
        if shard not in cash:
            raise No(404, "insufficient_shard_balance")
        available = cash[shard]
        if self.switches.net_of_resting:
            for other in self.resting:
                if other.owner == order.owner and other is not order and self.markets[other.ticker].shard == shard:
                    _, _, _, cost = self._flow(other, other.price, other.remaining)
                    available -= cost
        if count and self._price_to_pay(order, price, count, taker) > max(0, available):
            raise No(400, "insufficient_balance")

    # Money

    def _held(self, owner: str, ticker: str) -> int:
        position = self.accounts[owner].positions.get(ticker)
        return position.count if position is not None else 0

    def _flow(self, order: RefOrder, price: int, count: int) -> tuple[int, int, int, int]:
        """Returns contracts closed and opened, money got for the closed and paid for the opened."""
        held = self._held(order.owner, order.ticker)
        closed = opened = got = paid = 0
        against = max(0, -held) if order.side is BID else max(0, held)
        closed = min(against, count)
        opened = count - closed
        if order.side is BID:
            got, paid = closed * (10_000 - price), opened * price
        else:
            got, paid = closed * price, opened * (10_000 - price)
        return closed, opened, got, paid

    def _fee(self, order: RefOrder, price: int, count: int, revenue: int, taker: bool) -> tuple[int, int]:
        """Returns the net fee and the new accumulator, in millionths."""
        market = self.markets[order.ticker]
        rate = Fraction(7, 100) if taker else MAKER_RATES[market.fee_type]
        dollars = Fraction(price, 10_000)
        raw = market.multiplier * rate * Fraction(count, 100) * dollars * (1 - dollars)
        unit = self.switches.fee_unit
        fee = ceil(raw / unit) * unit
        change = Fraction(revenue, 10**6) - fee
        aligned = Fraction(floor(change * 10_000), 10_000)
        rounding = change - aligned
        pot = Fraction(order.accumulator, 10**6) + rounding
        paid_back_in = 100 if unit == Fraction(1, 10_000) else 10_000  # whole cents by the text of August
        rebate = Fraction(floor(min(pot, fee + rounding) * paid_back_in), paid_back_in)
        net, left = (fee + rounding - rebate) * 10**6, (pot - rebate) * 10**6
        assert net.denominator == left.denominator == 1
        return int(net), int(left)

    def _price_to_pay(self, order: RefOrder, price: int, count: int, taker: bool) -> int:
        _, _, got, paid = self._flow(order, price, count)
        net, _ = self._fee(order, price, count, got - paid, taker)
        return net + paid - got

    def _can_pay(self, order: RefOrder, price: int, count: int, taker: bool) -> bool:
        cash = self.accounts[order.owner].cash.get(self.markets[order.ticker].shard, 0)
        return cash - self._price_to_pay(order, price, count, taker) >= 0

    def _book(self, order: RefOrder, price: int, count: int, taker: bool) -> None:
        closed, opened, got, paid = self._flow(order, price, count)
        net, order.accumulator = self._fee(order, price, count, got - paid, taker)
        account, market = self.accounts[order.owner], self.markets[order.ticker]
        position = account.positions.setdefault(order.ticker, RefPosition())
        if closed:
            freed = floor(Fraction(position.cost * closed, abs(position.count)))
            position.realized += got - freed
            position.cost -= freed
        position.cost += paid
        position.traded += got + paid
        position.fees += net
        position.count += closed + opened if order.side is BID else -(closed + opened)
        account.cash[market.shard] += got - paid - net
        market.fees_taken += net
        order.filled += count
        order.remaining -= count
        value = count * (price if order.side is BID else 10_000 - price)
        if taker:
            order.taker_cost += value
            order.taker_fees += net
        else:
            order.maker_cost += value
            order.maker_fees += net
        if order.remaining == 0:
            order.status = EXECUTED
        self._note(order, Reason.TRADE)
        self.fills.append((order.number, order.side, price, count, net, taker, position.count))

    # Matching

    def _meets(self, incoming: RefOrder, resting: RefOrder) -> bool:
        if resting.ticker != incoming.ticker or resting.side is incoming.side or resting.number == incoming.number:
            return False
        if incoming.side is BID:
            return resting.price <= incoming.price
        return resting.price >= incoming.price

    def _match(self, taker: RefOrder) -> list[tuple[RefOrder, int]]:
        traded: list[tuple[RefOrder, int]] = []
        while taker.status is RESTING and taker.remaining > 0:
            others = [one for one in self.resting if self._meets(taker, one)]
            if not others:
                break
            best = min(one.price for one in others) if taker.side is BID else max(one.price for one in others)
            maker = next(one for one in others if one.price == best)
            count = min(maker.remaining, taker.remaining)
            if maker.owner == taker.owner:
                if taker.prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    self._stop(taker, Reason.SELF_TRADE)
                else:
                    self._take_out(maker, Reason.SELF_TRADE)
            elif not self._can_pay(maker, best, count, taker=False):
                self._take_out(maker, Reason.NONE)
            elif not self._can_pay(taker, best, count, taker=True):
                self._stop(taker, Reason.NONE)
            else:
                self.trades.append((taker.ticker, best, count, taker.side))
                self._book(maker, best, count, taker=False)
                self._say(maker, -count)
                if maker.remaining == 0:
                    self.resting.remove(maker)
                self._book(taker, best, count, taker=True)
                traded += [(maker, count), (taker, count)]
        return traded

    def _rest_what_is_left(self, order: RefOrder) -> None:
        if order.status is RESTING:
            self.resting.append(order)
            self._say(order, order.remaining)

    def _count_in_groups(self, traded: list[tuple[RefOrder, int]]) -> None:
        hit = []
        for order, count in traded:
            group = self.groups.get(order.group) if order.group is not None else None
            if group is None or order.group is None:
                continue
            group.matched.append((self.now_ms, count))
            if self._is_over(group) and not group.triggered:
                group.triggered = True
                hit.append(order.group)
        for number in hit:
            self._trigger(number, "triggered")

    def _is_over(self, group: RefGroup) -> bool:
        matched = self.matched_in_window(group)
        return matched > group.limit or (self.switches.group_at_limit and matched == group.limit)

    def _trigger(self, number: int, kind: str) -> None:
        if kind == "triggered":
            self.groups[number].triggered = True
        for order in [one for one in self.resting if one.group == number]:
            self._take_out(order, Reason.NONE)
        self.group_news.append((number, kind))

    # Words

    def _say(self, order: RefOrder, delta: int) -> None:
        self.deltas.append((order.ticker, order.side, order.price, delta, order.owner, order.client_id))

    def _note(self, order: RefOrder, reason: Reason) -> None:
        order.reason = reason
        order.updated_ms = self.now_ms
        self.touched[order.number] = order

    def _stop(self, order: RefOrder, reason: Reason) -> None:
        order.remaining = 0
        order.status = CANCELED
        self._note(order, reason)

    def _take_out(self, order: RefOrder, reason: Reason) -> None:
        self._say(order, -order.remaining)
        self.resting.remove(order)
        self._stop(order, reason)
