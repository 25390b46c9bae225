"""The exchange and the reference side by side: one seeded operation goes to both, and both must say and hold the same.

After every operation are compared: the answer or the refusal; every delta, trade, fill and group update; every order
that changed, with all its sums; the cash of every account on every shard; every position where something traded; the
best level of every side. Every `FULL_EVERY` operations, and at the end, also: the whole books with the queue of each
level, what is open by account and by group, the windows of the groups, the client order ids, and the money of the
exchange to the unit.
Deltas are compared in order, but for the operations that cancel many orders at once, whose order nothing prescribes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import attrs

from kalshi.simulator.events import BookDelta, Event, FillHappened, GroupChanged, OrderChanged, TradeHappened
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fair_values import FairValues
from kalshi.simulator.group_desk import GroupDesk
from kalshi.simulator.invariants import InvariantWatch
from kalshi.simulator.lifecycle import Lifecycle
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.order_entry import AmendRequest, OrderEntry
from kalshi.simulator.orders import NewOrder, Order
from kalshi.simulator.refusals import Refused
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from tests.kalshi.simulator.customer import (
    OTHER_TICKER,
    START_MS,
    SUB_CENT_TICKER,
    TICKER,
    Clock,
    small_catalogue,
)
from tests.kalshi.simulator.reference_engine import (
    No,
    RefAccount,
    Reference,
    RefMarket,
    RefOrder,
    RefPosition,
    Switches,
)

FULL_EVERY: Final = 40
TICKERS: Final = (TICKER, OTHER_TICKER, SUB_CENT_TICKER)
SHARDS: Final = {TICKER: 0, OTHER_TICKER: 0, SUB_CENT_TICKER: 2}
NAMES: Final = ("ann", "ben", "cat", "dan")
_FEE_TYPES: Final = ("quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees")
_CENT_GRID: Final = [(0, 10_000, 100)]
_TAPERED_GRID: Final = [(0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10)]


@attrs.define
class Seen:
    """What the exchange said since the last operation."""

    deltas: list[tuple[Any, ...]] = attrs.field(factory=list)
    trades: list[tuple[Any, ...]] = attrs.field(factory=list)
    fills: list[tuple[Any, ...]] = attrs.field(factory=list)
    groups: list[tuple[str, str]] = attrs.field(factory=list)
    orders: dict[str, Order] = attrs.field(factory=dict)


class Duel:
    """One exchange, one reference, and the operations that both are given."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.clock = Clock()
        at_limit, net, cross_cancels, keeps, in_pause = (rng.random() < 0.5 for _ in range(5))
        rounding = rng.choice(("2026-10", "2026-08"))
        orders_max = rng.choice((6, 200_000))
        settings = SimulatorSettings(
            flow=False,
            transient_cross_share=0.0,
            fee_rounding="2026-10" if rounding == "2026-10" else "2026-08",
            group_triggers_at_limit=at_limit,
            balance_net_of_resting=net,
            post_only_cross="cancel" if cross_cancels else "reject",
            amend_keeps_post_only=keeps,
            group_calls_during_pause=in_pause,
            open_orders_max=orders_max,
            settlement_timer_ms=1_000,
        )
        terms = {
            series: (rng.choice(_FEE_TYPES), rng.choice((10_000, 5_000, 12_345, 0))) for series in ("KXTEST", "KXCOIN")
        }
        catalogue = small_catalogue()
        series = tuple(
            attrs.evolve(one, fee_type=terms[one.ticker][0], fee_multiplier_e4=terms[one.ticker][1])
            for one in catalogue.series
        )
        self.core = ExchangeCore(
            seed=seed,
            wall_ms=self.clock,
            settings=settings,
            catalogue=Catalogue(series=series, events=catalogue.events),
        )
        fairs = FairValues(seed)
        for event in catalogue.events:
            fairs.add(event, self.core.now_ms())
        self.entry, self.desk, self.lifecycle = (
            OrderEntry(self.core),
            GroupDesk(self.core),
            Lifecycle(self.core, fairs),
        )
        self.watch = InvariantWatch(self.core)
        cash = {
            name: {shard: rng.choice((3, 20, 60, 400)) * 1_000_000 for shard in ((0, 2) if name != "dan" else (0,))}
            for name in NAMES
        }
        self.accounts = {
            name: self.core.add_account(AccountSettings(key_id=name, public_key_pem=b"", cash_by_shard_e6=cash[name]))
            for name in NAMES
        }
        self.names = {account.account_id: name for name, account in self.accounts.items()}
        self.reference = Reference(
            {name: RefAccount(dict(cash[name])) for name in NAMES},
            {
                ticker: RefMarket(
                    SHARDS[ticker],
                    _TAPERED_GRID if ticker == SUB_CENT_TICKER else _CENT_GRID,
                    terms[ticker.partition("-")[0]][0],
                    Fraction(terms[ticker.partition("-")[0]][1], 10_000),
                )
                for ticker in TICKERS
            },
            Switches(
                fee_unit=Fraction(1, 10**6 if rounding == "2026-10" else 10**4),
                group_at_limit=at_limit,
                net_of_resting=net,
                cross_is_canceled=cross_cancels,
                amend_keeps_post_only=keeps,
                groups_in_pause=in_pause,
                open_orders_max=orders_max,
            ),
        )
        self.reference.now_ms = START_MS
        self.seen = Seen()
        self.core.listeners.append(self._take)
        self.order_ids: dict[int, str] = {}
        self.numbers: dict[str, int] = {}
        self.tickers: dict[int, str] = {}
        self.group_ids: dict[int, str] = {}
        self.group_numbers: dict[str, int] = {}
        self.client_ids = 0
        self.steps = 0
        self.counts: dict[str, int] = {}
        self.settled: list[str] = []

    # One step

    def step(self) -> None:
        """Draws one operation, does it on both sides, and compares."""
        self.do(self.rng.choices(KINDS, _WEIGHTS)[0])

    def do(self, kind: str) -> None:
        """Does one operation of that kind on both sides, its details drawn from `rng`, and compares."""
        self.reference.forget_news()
        self.seen = Seen()
        getattr(self, f"_{kind}")()
        self.steps += 1
        self._compare(kind)
        if self.steps % FULL_EVERY == 0:
            self.compare_fully()

    def _both(self, kind: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[Any, Any]:
        """Calls both; both must answer, or refuse in the same way."""
        answer: Any = None
        wanted: Any = None
        refusal: tuple[int, str] | None = None
        no: tuple[int, str] | None = None
        try:
            answer = ours()
        except Refused as refused:
            refusal = (refused.status, refused.code)
        try:
            wanted = theirs()
        except No as refused:
            no = refused.answer
        assert refusal == no, f"{kind}: the exchange says {refusal or 'yes'}, the reference {no or 'yes'}"
        name = kind if refusal is None else f"{kind} {refusal[1]}"
        self.counts[name] = self.counts.get(name, 0) + 1
        return answer, wanted

    def _client_id(self) -> str:
        if self.client_ids and self.rng.random() < 0.04:
            return f"c{self.rng.randrange(self.client_ids)}"
        self.client_ids += 1
        return f"c{self.client_ids - 1}"

    def _price(self, ticker: str) -> int:
        draw = self.rng.random()
        if draw < 0.03:
            return self.rng.choice((0, 10_000, -100, 4_850, 905, 55))
        if draw < 0.1:
            return self.rng.choice((100, 900, 9_100, 9_900) if ticker != SUB_CENT_TICKER else (10, 990, 9_010, 9_990))
        return self.rng.randrange(47, 54) * 100

    def _pick(self) -> RefOrder | None:
        resting = self.reference.resting
        return self.rng.choice(resting) if resting else None

    def _target(self) -> tuple[str, int, str, int, str]:
        """Returns owner, number, id, shard and ticker of an order: mostly one that rests, at times a wrong owner."""
        order = self._pick()
        draw = self.rng.random()
        if order is None or draw < 0.03:
            number = self.rng.randrange(self.reference.numbers + 1)
            ticker = self.tickers.get(number, TICKER)
            return self.rng.choice(NAMES), number, self.order_ids.get(number, "unknown"), -1, ticker
        owner = order.owner if draw < 0.97 else self.rng.choice(NAMES)
        return owner, order.number, self.order_ids[order.number], SHARDS[order.ticker], order.ticker

    # The operations

    def _create(self) -> None:
        rng = self.rng
        owner, ticker = rng.choice(NAMES), rng.choice(TICKERS)
        side, price = rng.choice(list(Side)), self._price(ticker)
        count = rng.choice((rng.randrange(1, 3_000), 100 * rng.randrange(1, 20), 0 if rng.random() < 0.05 else 700))
        tif = rng.choices(list(TimeInForce), (70, 20, 10))[0]
        gtc = tif is TimeInForce.GOOD_TILL_CANCELED
        wild = rng.random() < 0.03
        prevention = rng.choice(list(SelfTradePrevention))
        post_only = rng.random() < 0.25 and (gtc or wild)
        reduce_only = rng.random() < 0.3 and (tif is TimeInForce.IMMEDIATE_OR_CANCEL or wild)
        on_pause = rng.random() < 0.3
        group = None
        if self.group_ids and rng.random() < 0.5:
            living = list(self.reference.groups)
            group = rng.choice(living if living and rng.random() < 0.95 else list(self.group_ids))
            known = self.reference.groups.get(group)
            if known is not None and rng.random() < 0.9:
                owner = known.owner
                ticker = SUB_CENT_TICKER if known.shard == 2 else rng.choice((TICKER, OTHER_TICKER))
        expiry_s = None
        if rng.random() < 0.4 and (gtc or wild):
            expiry_s = self.clock.time_ms // 1000 + rng.randrange(0 if wild else 1, 20)
        if rng.random() < 0.1:
            # As much as the cash just pays for, or does not, by a hair.
            own = max(1, price if side is Side.BID else 10_000 - price)
            count = self.reference.accounts[owner].cash.get(SHARDS[ticker], 0) // (own + rng.randrange(180))
        client_id = self._client_id()
        request = NewOrder(
            ticker=ticker,
            side=side,
            price_e4=price,
            count_e2=count,
            time_in_force=tif,
            self_trade_prevention=prevention,
            client_order_id=client_id,
            post_only=post_only,
            reduce_only=reduce_only,
            cancel_on_pause=on_pause,
            group_id=None if group is None else self.group_ids[group],
            expiration_ts_s=expiry_s,
            exchange_index=rng.choice((None, -1, SHARDS[ticker])),
        )

        def ours() -> Order:
            order = self.entry.create(self.accounts[owner], request)
            number = self.reference.numbers
            self.order_ids[number], self.numbers[order.order_id] = order.order_id, number
            self.tickers[number] = order.ticker
            return order

        def theirs() -> RefOrder:
            return self.reference.create(
                owner,
                ticker,
                side,
                price,
                count,
                tif,
                prevention,
                client_id,
                post_only,
                reduce_only,
                on_pause,
                group,
                expiry_s,
            )

        order, wanted = self._both("create", ours, theirs)
        if order is not None:
            self._compare_order(order, wanted)

    def _cancel(self) -> None:
        owner, number, order_id, shard, ticker = self._target()
        answer, removed = self._both(
            "cancel",
            lambda: self.entry.cancel(self.accounts[owner], order_id, shard, ticker),
            lambda: self.reference.cancel(owner, number),
        )
        if answer is not None:
            assert answer[1] == removed

    def _cancel_all(self) -> None:
        owner = self.rng.choice(NAMES)
        self._both(
            "cancel_all",
            lambda: self.entry.cancel_all(self.accounts[owner]),
            lambda: self.reference.cancel_all(owner),
        )

    def _decrease(self) -> None:
        owner, number, order_id, shard, ticker = self._target()
        amount = self.rng.choice((self.rng.randrange(-5, 2_000), 100, 300))
        draw = self.rng.random()
        by = amount if draw < 0.5 or draw > 0.98 else None
        to = amount if draw >= 0.5 else None
        self._both(
            "decrease",
            lambda: self.entry.decrease(
                self.accounts[owner], order_id, by_e2=by, to_e2=to, exchange_index=shard, ticker=ticker
            ),
            lambda: self.reference.decrease(owner, number, by, to),
        )

    def _amend(self) -> None:
        rng = self.rng
        owner, number, order_id, shard, ticker = self._target()
        known = next((one for one in self.reference.resting if one.number == number), None)
        side, price, total = rng.choice(list(Side)), self._price(ticker), rng.randrange(-2, 2_500)
        client_id = new_client_id = expiry_s = None
        if known is not None:
            side = known.side if rng.random() < 0.97 else side
            price = known.price if rng.random() < 0.5 else price
            total = rng.choice((total, known.filled + known.remaining, known.filled, known.filled + rng.randrange(900)))
            client_id = rng.choice((None, known.client_id, "other" if rng.random() < 0.1 else None))
        if rng.random() < 0.15:
            new_client_id = self._client_id()
        if rng.random() < 0.3:
            expiry_s = rng.choice((0, self.clock.time_ms // 1000 + rng.randrange(-1, 25)))
        request = AmendRequest(
            ticker=ticker,
            side=side,
            price_e4=price,
            total_e2=total,
            client_order_id=client_id,
            updated_client_order_id=new_client_id,
            expiration_ts_s=expiry_s,
            exchange_index=shard,
        )
        order, wanted = self._both(
            "amend",
            lambda: self.entry.amend(self.accounts[owner], order_id, request),
            lambda: self.reference.amend(owner, number, side, price, total, client_id, new_client_id, expiry_s),
        )
        if order is not None:
            self._compare_order(order, wanted)

    def _create_group(self) -> None:
        if len(self.reference.groups) >= 8:
            return
        owner, shard = self.rng.choice(NAMES), self.rng.choice((0, 2))
        limit = self.rng.choice((99, 300, 1_000, 2_500, 5_000))
        group, number = self._both(
            "create_group",
            lambda: self.desk.create(self.accounts[owner], limit, shard),
            lambda: self.reference.create_group(owner, shard, limit),
        )
        if group is not None:
            self.group_ids[number], self.group_numbers[group.group_id] = group.group_id, number

    def _change_group(self) -> None:
        if not self.reference.groups:
            return
        number = self.rng.choice(list(self.reference.groups))
        group, reference = self.core.groups[self.group_ids[number]], self.reference
        match self.rng.choices(("trigger", "reset", "limit", "delete"), (2, 5, 3, 1))[0]:
            case "trigger":
                self._both("trigger", lambda: self.desk.trigger(group), lambda: reference.trigger_group(number))
            case "reset":
                self._both("reset", lambda: self.desk.reset(group), lambda: reference.reset_group(number))
            case "limit":
                limit = self.rng.choice((50, 300, 1_000, 3_000))
                self._both(
                    "limit",
                    lambda: self.desk.set_limit(group, limit),
                    lambda: reference.limit_group(number, limit),
                )
            case _:
                self._both("delete", lambda: self.desk.delete(group), lambda: reference.delete_group(number))

    def _pass_time(self) -> None:
        self.clock.advance(self.rng.choice((1, 50, 1_000, 5_000, 10_000)))
        self.reference.now_ms = self.clock.time_ms
        self.core.expire_orders(self.core.now_ms())
        self.watch.tick(self.core.now_ms())
        self.reference.expire()

    def _pause(self) -> None:
        trading, exchange = self.rng.choice(((True, True), (True, True), (False, True), (False, False)))
        self.lifecycle.set_pause(trading_active=trading, exchange_active=exchange)
        self.reference.pause(trading, exchange)

    def _end_pause(self) -> None:
        self.lifecycle.set_pause(trading_active=True, exchange_active=True)
        self.reference.pause(True, True)

    def _halt(self) -> None:
        ticker = self.rng.choice(TICKERS)
        if self.reference.markets[ticker].over:
            return
        self.lifecycle.deactivate(ticker)
        self.reference.halt(ticker)

    def _reopen(self) -> None:
        for ticker in TICKERS:
            market = self.reference.markets[ticker]
            if not market.open and not market.over:
                self.lifecycle.activate(ticker)
                self.reference.reopen(ticker)

    def settle(self, ticker: str) -> None:
        """Ends a market: closed, determined, paid."""
        self.reference.forget_news()
        self.seen = Seen()
        result = self.rng.choice(("yes", "no", "scalar"))
        value = {"yes": 10_000, "no": 0}.get(result, self.rng.randrange(10_001))
        self.lifecycle.determine(ticker, result, value)
        self.reference.close(ticker)
        self._compare("settle")
        self.clock.advance(1_000)
        self.reference.now_ms = self.clock.time_ms
        self.reference.forget_news()
        self.seen = Seen()
        self.lifecycle.tick()
        self.reference.expire()
        self.reference.settle(ticker, value)
        self.settled.append(ticker)
        self._compare("settle")
        self.compare_fully()

    # Comparing

    def _take(self, event: Event) -> None:
        seen = self.seen
        match event:
            case BookDelta():
                name = self.names[event.account_id or ""]
                seen.deltas.append(
                    (event.ticker, event.side, event.price_e4, event.delta_e2, name, event.client_order_id)
                )
                assert event.ts_ms == self.clock.time_ms
            case TradeHappened(trade=trade):
                seen.trades.append((trade.ticker, trade.price_e4, trade.count_e2, trade.taker_side))
            case FillHappened(fill=fill):
                seen.fills.append(
                    (
                        fill.order_id,
                        fill.side,
                        fill.price_e4,
                        fill.count_e2,
                        fill.fee_e6,
                        fill.is_taker,
                        fill.post_position_e2,
                    )
                )
            case OrderChanged(order=order):
                seen.orders[order.order_id] = order
            case GroupChanged():
                seen.groups.append((event.group_id, event.kind))
            case _:
                pass

    def _compare(self, kind: str) -> None:
        seen, reference = self.seen, self.reference
        if kind in _IN_ORDER and not reference.group_news:
            assert seen.deltas == reference.deltas
        else:
            assert sorted(seen.deltas) == sorted(reference.deltas)
        assert seen.trades == reference.trades
        assert [(self.numbers[one[0]], *one[1:]) for one in seen.fills] == reference.fills
        assert [(self.group_numbers.get(one), word) for one, word in seen.groups if word != "created"] == [
            one for one in reference.group_news if one[1] != "created"
        ]
        assert {self.numbers[one] for one in seen.orders} == set(reference.touched)
        for order_id, order in seen.orders.items():
            self._compare_order(order, reference.touched[self.numbers[order_id]])
            word = order.reason.value or order.status.value
            self.counts[word] = self.counts.get(word, 0) + 1
        for name, account in self.accounts.items():
            assert account.cash_by_shard_e6 == reference.accounts[name].cash
            if reference.trades or kind == "settle":
                self._compare_positions(name)
        for ticker in TICKERS:
            self._compare_best(ticker)

    def _compare_positions(self, name: str) -> None:
        held = {
            ticker: RefPosition(one.count_e2, one.cost_e6, one.realized_e6, one.fees_e6, one.traded_e6)
            for ticker, one in self.accounts[name].positions.items()
        }
        assert held == self.reference.accounts[name].positions

    def _compare_order(self, order: Order, wanted: RefOrder) -> None:
        ours = (
            self.names[order.account_id],
            order.client_order_id,
            order.ticker,
            order.side,
            order.price_e4,
            order.initial_e2,
            order.remaining_e2,
            None if order.group_id is None else self.group_numbers[order.group_id],
            order.expiration_ts_s,
            order.updated_ms,
            order.status,
            order.reason,
            order.filled_e2,
            order.taker_cost_e6,
            order.maker_cost_e6,
            order.taker_fees_e6,
            order.maker_fees_e6,
            order.fee_accumulator_e6,
        )
        theirs = (
            wanted.owner,
            wanted.client_id,
            wanted.ticker,
            wanted.side,
            wanted.price,
            wanted.initial,
            wanted.remaining,
            wanted.group,
            wanted.expiry_s,
            wanted.updated_ms,
            wanted.status,
            wanted.reason,
            wanted.filled,
            wanted.taker_cost,
            wanted.maker_cost,
            wanted.taker_fees,
            wanted.maker_fees,
            wanted.accumulator,
        )
        assert ours == theirs

    def _compare_best(self, ticker: str) -> None:
        market = self.core.markets[ticker]
        for side, book, choose in ((Side.BID, market.engine.bids, max), (Side.ASK, market.engine.asks, min)):
            prices = [one.price for one in self.reference.resting if one.ticker == ticker and one.side is side]
            best = choose(prices) if prices else None
            assert book.best_price_e4() == best
            size = sum(
                one.remaining
                for one in self.reference.resting
                if one.ticker == ticker and one.side is side and one.price == best
            )
            assert book.top_size_e2() == size

    def compare_fully(self) -> None:
        """Compares everything that either side holds."""
        reference = self.reference
        for ticker in TICKERS:
            self._compare_queues(ticker)
            clearing = self.core.clearings[ticker]
            assert clearing.fees_taken_e6 == reference.markets[ticker].fees_taken
            held = [one.positions[ticker].count for one in reference.accounts.values() if ticker in one.positions]
            assert sum(held) == 0
            assert clearing.open_interest_e2 == sum(count for count in held if count > 0)
        for name, account in self.accounts.items():
            open_numbers = {self.numbers[order_id] for order_id in account.open_orders}
            assert open_numbers == {one.number for one in reference.resting if one.owner == name}
            assert set(account.client_order_ids) == reference.accounts[name].used_ids
            self._compare_positions(name)
        assert {self.group_numbers[one] for one in self.core.groups} == set(reference.groups)
        for number, wanted in reference.groups.items():
            group = self.core.groups[self.group_ids[number]]
            resting = {self.numbers[order_id] for order_id in group.resting}
            assert resting == {one.number for one in reference.resting if one.group == number}
            assert (group.limit_e2, group.is_triggered) == (wanted.limit, wanted.triggered)
            assert group.matched_e2(self.core.now_ms()) == reference.matched_in_window(wanted)
        assert self.core.imbalance_e6() == 0
        self.watch.check()

    def _compare_queues(self, ticker: str) -> None:
        market = self.core.markets[ticker]
        for side, book in ((Side.BID, market.engine.bids), (Side.ASK, market.engine.asks)):
            resting = [one for one in self.reference.resting if one.ticker == ticker and one.side is side]
            resting.sort(key=lambda one: -one.price * side.sign)  # a stable sort keeps the queue of each price
            ours = [(self.numbers[one.order_id], one.price_e4, one.remaining_e2) for one in book.orders()]
            assert ours == [(one.number, one.price, one.remaining) for one in resting]
            levels: dict[int, int] = {}
            for one in resting:
                levels[one.price] = levels.get(one.price, 0) + one.remaining
            assert book.levels() == list(levels.items())


_IN_ORDER: Final = ("create", "amend", "cancel", "decrease")
_MIX: Final = {
    "create": 48,
    "cancel": 10,
    "amend": 16,
    "decrease": 5,
    "pass_time": 9,
    "create_group": 2,
    "change_group": 5,
    "cancel_all": 0.4,
    "pause": 0.6,
    "end_pause": 2,
    "halt": 0.3,
    "reopen": 1.7,
}
KINDS: Final = tuple(_MIX)
_WEIGHTS: Final = tuple(_MIX.values())


def run_duel(seed: int, operations: int, per_exchange: int = 2_000) -> dict[str, int]:
    """Runs so many operations, on a fresh pair every `per_exchange`; returns how often each outcome came."""
    counts: dict[str, int] = {}
    done = 0
    while done < operations:
        duel = Duel(seed * 100_000 + done)
        for _ in range(min(per_exchange, operations - done)):
            duel.step()
            done += 1
        for ticker in TICKERS:
            duel.settle(ticker)
        for name, count in duel.counts.items():
            counts[name] = counts.get(name, 0) + count
    return counts
