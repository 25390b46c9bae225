"""What the matching engine of the simulated exchange does in a second: `python -m ops.bench_engine`.

The load is 45 % creates that rest, 45 % cancels and 10 % orders that trade, sent through `OrderEntry`, the same door
that REST uses: customers with cash that is checked, fees with their accumulators, half of the orders in groups with a
contract limit, half with an expiry that is swept, client order ids that are never used twice, and a listener that
takes every delta, trade and fill. Text for the wire is not part of it.

A first run, not timed, chooses the operations by looking at the book as it goes; ids come from the seed, so the timed
runs repeat exactly those operations on a fresh exchange and measure nothing else.
"""

from __future__ import annotations

import gc
import random
import time
from typing import Final, Literal

import attrs

from kalshi.simulator.catalogue import build_catalogue
from kalshi.simulator.events import BookDelta, Event, FillHappened, TradeHappened
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.group_desk import GroupDesk
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.order_entry import OrderEntry
from kalshi.simulator.orders import NewOrder, Order
from kalshi.simulator.price_grid import floor_to_grid
from kalshi.simulator.read_model import ReadModel
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.types import SelfTradePrevention, Side, TimeInForce

SEED: Final = 20_261_125
OPERATIONS: Final = 150_000
RESTING_FIRST: Final = 30_000
MARKETS: Final = 100
ACCOUNTS: Final = 8
GROUPS_PER_ACCOUNT: Final = 16
ROUNDS: Final = 5
TICK_EVERY: Final = 50  # operations between two expiry sweeps, one millisecond each
START_MS: Final = 1_795_182_900_000
_SECONDS_MAX: Final = 60.0

Way = Literal["engine", "everything"]


@attrs.frozen
class Create:
    """One create request of one account."""

    account: int
    request: NewOrder


@attrs.frozen
class Cancel:
    """One cancel request."""

    account: int
    order_id: str
    exchange_index: int


@attrs.frozen
class EngineRun:
    """One timed run; seconds of this process's own CPU, and by the wall."""

    operations: int
    cpu_s: float
    wall_s: float
    events: int

    @property
    def operations_per_s(self) -> float:
        return self.operations / self.cpu_s


class HandClock:
    """A clock that the load moves."""

    def __init__(self) -> None:
        self.time_ms = START_MS

    def __call__(self) -> int:
        return self.time_ms


class Floor:
    """An exchange core with customers, groups and one listener, without traders of its own."""

    def __init__(self, way: Way = "engine") -> None:
        self.clock = HandClock()
        rng = random.Random(SEED)
        self.core = ExchangeCore(
            seed=SEED, wall_ms=self.clock, settings=SimulatorSettings(), catalogue=build_catalogue(SEED, START_MS)
        )
        self.entry = OrderEntry(self.core)
        self.desk = GroupDesk(self.core)
        self.heard: list[Event] = []
        self.core.listeners.append(self.heard.append, BookDelta, TradeHappened, FillHappened)
        self.markets = [market for market in self.core.markets.values() if market.close_ms > START_MS + 1_800_000]
        self.markets = self.markets[:MARKETS]
        shards = sorted({market.exchange_index for market in self.markets})
        cash_by_shard_e6 = dict.fromkeys(shards, 2_000_000_000_000)
        self.accounts = [
            self.core.add_account(
                AccountSettings(key_id=f"customer-{number}", public_key_pem=b"", cash_by_shard_e6=cash_by_shard_e6)
            )
            for number in range(ACCOUNTS)
        ]
        if way == "everything":
            self._add_read_model(rng)
        self.groups = {
            (account.account_id, shard): [
                self.desk.create(account, 4_000_00, shard) for _ in range(GROUPS_PER_ACCOUNT // len(shards) + 1)
            ]
            for account in self.accounts
            for shard in shards
        }

    def _add_read_model(self, rng: random.Random) -> None:
        reads = ReadModel(now_ms=self.core.now_ms, lag_ms=(50, 500), rng=rng)
        for account in self.accounts:
            reads.open_account(account)
        self.core.listeners.append(reads.take)
        self.reads = reads


class LoadMaker:
    """Chooses operations against a live floor and writes them down."""

    def __init__(self, operations: int, resting_first: int) -> None:
        self._rng = random.Random(SEED)
        self._floor = Floor()
        self._ids = 0
        self._resting: list[Order] = []
        self.first = [self._apply(self._rest()) for _ in range(resting_first)]
        self.load = []
        for number in range(operations):
            if number % TICK_EVERY == 0:
                tick(self._floor)
            self.load.append(self._apply(self._choose()))
        self.trades = sum(market.traded_e2 > 0 for market in self._floor.markets)

    def _choose(self) -> Create | Cancel:
        draw = self._rng.random()
        if draw < 0.45:
            return self._rest()
        if draw < 0.55:
            return self._take()
        while self._resting:
            place = self._rng.randrange(len(self._resting))
            order, self._resting[place] = self._resting[place], self._resting[-1]
            self._resting.pop()
            if order.is_open:
                account = next(i for i, one in enumerate(self._floor.accounts) if one.account_id == order.account_id)
                return Cancel(account, order.order_id, order.exchange_index)
        return self._rest()

    def _rest(self) -> Create:
        rng, market = self._rng, self._rng.choice(self._floor.markets)
        side = rng.choice(list(Side))
        # Between 1 and 12 cents away from the middle, so that it rests.
        price_e4 = floor_to_grid(market.listing.price_ranges, 5_000 - side.sign * rng.randrange(100, 1_300))
        return self._create(market, side, price_e4, rng.randrange(1, 50) * 100, TimeInForce.GOOD_TILL_CANCELED)

    def _take(self) -> Create:
        rng = self._rng
        while True:
            market, side = rng.choice(self._floor.markets), rng.choice(list(Side))
            book = market.engine.book(side.opposite)
            price_e4 = book.best_price_e4()
            if price_e4 is not None:
                maker = book.front(price_e4)
                return self._create(
                    market,
                    side,
                    price_e4,
                    max(1, maker.remaining_e2 * rng.randrange(1, 5) // 4),
                    TimeInForce.IMMEDIATE_OR_CANCEL,
                    but=maker.account_id,
                )

    def _create(
        self, market: MarketState, side: Side, price_e4: int, count_e2: int, tif: TimeInForce, but: str = ""
    ) -> Create:
        rng, floor = self._rng, self._floor
        number = rng.choice([one for one in range(ACCOUNTS) if floor.accounts[one].account_id != but])
        account = floor.accounts[number]
        rests = tif is TimeInForce.GOOD_TILL_CANCELED
        group = rng.choice(floor.groups[account.account_id, market.exchange_index])
        expiry_s = floor.clock.time_ms // 1000 + rng.randrange(30, 1_200)
        self._ids += 1
        request = NewOrder(
            ticker=market.ticker,
            side=side,
            price_e4=price_e4,
            count_e2=count_e2,
            time_in_force=tif,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            client_order_id=f"bench-{self._ids}",
            post_only=rests and rng.random() < 0.5,
            group_id=group.group_id if rng.random() < 0.5 and not group.is_triggered else None,
            expiration_ts_s=expiry_s if rests and rng.random() < 0.5 else None,
            exchange_index=market.exchange_index,
        )
        return Create(number, request)

    def _apply(self, operation: Create | Cancel) -> Create | Cancel:
        order = apply(self._floor, operation)
        if order.is_open:
            self._resting.append(order)
        return operation


def apply(floor: Floor, operation: Create | Cancel) -> Order:
    account = floor.accounts[operation.account]
    if isinstance(operation, Create):
        return floor.entry.create(account, operation.request)
    return floor.entry.cancel(account, operation.order_id, operation.exchange_index)[0]


def tick(floor: Floor) -> None:
    """Moves the clock a tick and does what the running exchange does then."""
    floor.clock.time_ms += 50
    floor.core.expire_orders(floor.core.now_ms())


def run_load(floor: Floor, load: list[Create | Cancel]) -> EngineRun:
    """Sends the load and times it."""
    create, cancel, accounts = floor.entry.create, floor.entry.cancel, floor.accounts
    heard, events = floor.heard, 0
    cpu, wall = time.process_time(), time.perf_counter()
    for number, operation in enumerate(load):
        if number % TICK_EVERY == 0:
            events += len(heard)
            heard.clear()
            tick(floor)
        account = accounts[operation.account]
        if isinstance(operation, Create):
            create(account, operation.request)
        else:
            cancel(account, operation.order_id, operation.exchange_index)
    return EngineRun(len(load), time.process_time() - cpu, time.perf_counter() - wall, events)


def calibrate():
    c = time.process_time()
    x = 0
    for i in range(2000000):
        x += i & 3
    return (time.process_time() - c) / 2e6 * 1e9


if __name__ == "__main__":
    import sys

    maker = LoadMaker(OPERATIONS, RESTING_FIRST)
    print(
        "trades",
        maker.trades,
        len(maker._resting),
        sum(o.is_open for o in maker._resting),
        [g.is_triggered for gs in maker._floor.groups.values() for g in gs].count(True),
    )
    for way in ("engine",) * 3 + ("everything",):
        floor = Floor(way)
        for operation in maker.first:
            apply(floor, operation)
        gc.collect()
        "nogc" in sys.argv and gc.disable()
        "freeze" in sys.argv and gc.freeze()
        if "profile" in sys.argv:
            import cProfile
            import pstats

            p = cProfile.Profile()
            p.enable()
            run_load(floor, maker.load)
            p.disable()
            pstats.Stats(p).sort_stats("tottime").print_stats(25)
            break
        run = run_load(floor, maker.load)
        print(way, run.operations_per_s, run, calibrate())
        sys.stdout.flush()
