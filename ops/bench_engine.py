"""What the matching engine of the simulated exchange does in a second: `python -m ops.bench_engine`.

The load is 45 % creates that rest, 45 % cancels and 10 % orders that trade, sent through `OrderEntry`, the same door
that REST uses: customers with cash that is checked, fees with their accumulators, half of the orders in groups with a
contract limit, half with an expiry that is swept, client order ids that are never used twice, the exchange's own
invariants, and a listener that takes every delta, trade and fill. The way "with reads" adds what the running exchange
has besides: the read model, which hears every change of an order, a position and a balance. Parsing and text for the
wire are no part of it.

A first run, not timed, chooses the operations by looking at the book as it goes; ids come from the seed, so the timed
runs repeat exactly those operations on a fresh exchange. The requests are made anew just before each slice of the load,
outside the timing, because a real request is read from the wire just before it is used.

The figure is operations per second of processor time, so that a busy machine does not count as a slow engine; the same
by the wall is printed beside it.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from typing import Final, Literal

import attrs

from kalshi.simulator.catalogue import build_catalogue
from kalshi.simulator.events import BookDelta, Event, FillHappened, TradeHappened
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.group_desk import GroupDesk
from kalshi.simulator.invariants import InvariantWatch
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.order_entry import OrderEntry
from kalshi.simulator.orders import NewOrder, Order
from kalshi.simulator.price_grid import floor_to_grid
from kalshi.simulator.read_model import PRIVATE_KINDS, ReadModel
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.types import SelfTradePrevention, Side, TimeInForce

SEED: Final = 20_261_125
TICK_MS: Final = 50
OPERATIONS: Final = 60_000
RESTING_FIRST: Final = 10_000
MARKETS_MAX: Final = 100
ACCOUNTS: Final = 8
GROUPS_PER_SHARD: Final = 8
ROUNDS: Final = 5
SLICE: Final = 250  # operations whose requests are made together, then timed
TICK_EVERY: Final = 250  # operations between two ticks of the exchange: 5,000 a second of its own time
START_MS: Final = 1_795_182_900_000
SECONDS_MAX: Final = 40.0
_CASH_E6: Final = 2_000_000_000_000
_LIFE_MS: Final = 600_000  # the markets that are used stay open longer than the load lasts

Way = Literal["engine", "with reads"]
WAYS: Final[tuple[Way, ...]] = ("engine", "with reads")


@attrs.frozen
class Create:
    """One create request of one account."""

    account: int
    request: NewOrder


@attrs.frozen
class Cancel:
    """One cancel request of one account."""

    account: int
    order_id: str
    exchange_index: int


@attrs.frozen
class EngineRun:
    """One timed run: seconds of this process's own processor time, and by the wall."""

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
        self._rng = random.Random(SEED)
        catalogue = build_catalogue(SEED, START_MS)
        self.core = ExchangeCore(seed=SEED, wall_ms=self.clock, settings=SimulatorSettings(), catalogue=catalogue)
        self.entry = OrderEntry(self.core)
        self.desk = GroupDesk(self.core)
        self.watch = InvariantWatch(self.core)
        self.events = 0
        self.heard: list[Event] = []
        self.core.listeners.append(self.heard.append, BookDelta, TradeHappened, FillHappened)
        lasting = [market for market in self.core.markets.values() if market.is_tradable(START_MS + _LIFE_MS)]
        self.markets = lasting[:MARKETS_MAX]
        shards = sorted({market.exchange_index for market in self.markets})
        self.accounts = [
            self.core.add_account(
                AccountSettings(
                    key_id=f"customer-{number}", public_key_pem=b"", cash_by_shard_e6=dict.fromkeys(shards, _CASH_E6)
                )
            )
            for number in range(ACCOUNTS)
        ]
        self.reads = self._read_model() if way == "with reads" else None
        self.groups = {
            (account.account_id, shard): [self.desk.create(account, 4_000_00, shard) for _ in range(GROUPS_PER_SHARD)]
            for account in self.accounts
            for shard in shards
        }

    def tick(self) -> None:
        """Moves the clock, and does what the running exchange does at each tick."""
        self.clock.time_ms += TICK_MS
        now_ms = self.core.now_ms()
        self.core.expire_orders(now_ms)
        self.watch.tick(now_ms)
        if self.reads is not None:
            self.reads.advance()
        self.events += len(self.heard)
        self.heard.clear()

    def apply(self, operation: Create | Cancel) -> Order:
        """Does one operation and returns the order as it stands then."""
        account = self.accounts[operation.account]
        if isinstance(operation, Create):
            return self.entry.create(account, operation.request)
        return self.entry.cancel(account, operation.order_id, operation.exchange_index)[0]

    def send(self, operations: list[Create | Cancel]) -> None:
        """Does the operations with as little around them as there can be."""
        create, cancel, accounts = self.entry.create, self.entry.cancel, self.accounts
        for number, operation in enumerate(operations):
            if number % TICK_EVERY == 0:
                self.tick()
            if isinstance(operation, Create):
                create(accounts[operation.account], operation.request)
            else:
                cancel(accounts[operation.account], operation.order_id, operation.exchange_index)

    def _read_model(self) -> ReadModel:
        reads = ReadModel(now_ms=self.core.now_ms, lag_ms=(50, 500), rng=self._rng)
        for account in self.accounts:
            reads.open_account(account)
        self.core.listeners.append(reads.take, *PRIVATE_KINDS)
        return reads


class LoadMaker:
    """Chooses operations against a live floor and writes them down."""

    def __init__(self, operations: int, resting_first: int) -> None:
        self._rng = random.Random(SEED)
        self._floor = Floor()
        self._ids = 0
        self._resting: list[Order] = []
        self.first = [self._apply(self._rest()) for _ in range(resting_first)]
        self.load: list[Create | Cancel] = []
        for number in range(operations):
            if number % TICK_EVERY == 0:
                self._floor.tick()
            self.load.append(self._apply(self._choose()))

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
                owners = [account.account_id for account in self._floor.accounts]
                return Cancel(owners.index(order.account_id), order.order_id, order.exchange_index)
        return self._rest()

    def _rest(self) -> Create:
        """Returns an order 1 to 13 cents away from the middle, so that it rests."""
        rng, market = self._rng, self._rng.choice(self._floor.markets)
        side = rng.choice(list(Side))
        price_e4 = floor_to_grid(market.listing.price_ranges, 5_000 - side.sign * rng.randrange(100, 1_300))
        return self._create(market, side, price_e4, rng.randrange(1, 50) * 100, TimeInForce.GOOD_TILL_CANCELED)

    def _take(self) -> Create:
        """Returns an order that takes a quarter to the whole of the one in front."""
        rng = self._rng
        for _ in range(1_000):
            market, side = rng.choice(self._floor.markets), rng.choice(list(Side))
            book = market.engine.book(side.opposite)
            price_e4 = book.best_price_e4()
            if price_e4 is not None:
                maker = book.front(price_e4)
                count_e2 = max(1, maker.remaining_e2 * rng.randrange(1, 5) // 4)
                tif = TimeInForce.IMMEDIATE_OR_CANCEL
                return self._create(market, side, price_e4, count_e2, tif, but=maker.account_id)
        return self._rest()

    def _create(
        self, market: MarketState, side: Side, price_e4: int, count_e2: int, tif: TimeInForce, but: str = ""
    ) -> Create:
        rng, floor = self._rng, self._floor
        number = rng.choice([one for one in range(ACCOUNTS) if floor.accounts[one].account_id != but])
        group = rng.choice(floor.groups[floor.accounts[number].account_id, market.exchange_index])
        rests = tif is TimeInForce.GOOD_TILL_CANCELED
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
            expiration_ts_s=floor.clock.time_ms // 1000 + rng.randrange(2, 90) if rests and number % 2 else None,
            exchange_index=market.exchange_index,
        )
        return Create(number, request)

    def _apply(self, operation: Create | Cancel) -> Create | Cancel:
        order = self._floor.apply(operation)
        if order.is_open:
            self._resting.append(order)
        return operation


def _fresh(operation: Create | Cancel) -> Create | Cancel:
    if isinstance(operation, Cancel):
        return attrs.evolve(operation)
    return Create(operation.account, attrs.evolve(operation.request))


def run_load(floor: Floor, load: list[Create | Cancel]) -> EngineRun:
    """Sends the load and times it, slice by slice."""
    cpu_s = wall_s = 0.0
    for start in range(0, len(load), SLICE):
        fresh = [_fresh(operation) for operation in load[start : start + SLICE]]
        cpu, wall = time.process_time(), time.perf_counter()
        floor.send(fresh)
        cpu_s += time.process_time() - cpu
        wall_s += time.perf_counter() - wall
    return EngineRun(len(load), cpu_s, wall_s, floor.events)


def measure_engine(
    rounds: int = ROUNDS, operations: int = OPERATIONS, resting_first: int = RESTING_FIRST
) -> dict[Way, list[EngineRun]]:
    """Returns the runs of both ways, one per round, the ways in turn."""
    maker = LoadMaker(operations, resting_first)
    runs: dict[Way, list[EngineRun]] = {way: [] for way in WAYS}
    started = time.perf_counter()
    for _ in range(rounds):
        for way in WAYS:
            floor = Floor(way)
            for operation in maker.first:
                floor.apply(operation)
            gc.collect()
            runs[way].append(run_load(floor, maker.load))
            floor.watch.check()
        if time.perf_counter() - started > SECONDS_MAX:
            break
    return runs


def report_engine(runs: dict[Way, list[EngineRun]]) -> list[str]:
    """Returns the lines to print about the engine."""
    scale = f"{runs['engine'][0].operations:,} operations, median of {len(runs['engine'])} alternating rounds"
    lines = [f"engine: 45 % create, 45 % cancel, 10 % match through OrderEntry, one core, {scale}"]
    names: tuple[tuple[Way, str], ...] = (
        ("engine", "cash, fees, expiry, groups, invariants, deltas out"),
        ("with reads", "the same with the read model of the running exchange"),
    )
    for way, name in names:
        per_s = statistics.median(run.operations_per_s for run in runs[way])
        by_wall = statistics.median(run.operations / run.wall_s for run in runs[way])
        lines.append(f"  {name:<55} {per_s:>9,.0f} ops/s  {1e6 / per_s:>6.1f} us each ({by_wall:,.0f} by the wall)")
    return lines


if __name__ == "__main__":
    print("\n".join(report_engine(measure_engine())))
