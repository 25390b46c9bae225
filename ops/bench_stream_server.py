"""The server process of the stream bench: the real exchange and its socket server, and a task in it that trades."""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections.abc import Sequence
from typing import Final

import trio

from kalshi.signing import generate_key_pair
from kalshi.simulator.accounts import Account
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.listings import Catalogue, EventListing, MarketListing, SeriesListing
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import Order, Reason
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_server import serve_socket
from kalshi.types import SelfTradePrevention, Side, TimeInForce

KEY_ID: Final = "bench"

_SEED: Final = 20_261_125
_ORDERS_PER_MARKET: Final = 40
_DAY_MS: Final = 86_400_000
_PACE_S: Final = 0.001
# Operations before others get their turn, so that a trader who is late does not starve the writer.
_BURST_MAX: Final = 200

Marks = list[tuple[int, int]]  # (deltas so far, monotonic ns)


class Trader:
    """House orders that come and go: every operation is one delta in one of the books."""

    def __init__(self, exchange: SimulatedExchange, rng: random.Random) -> None:
        self._core = exchange.core
        self._rng = rng
        self._house: Account = exchange.core.add_house_account("bench")
        self._markets = list(exchange.core.markets.values())
        self._resting: list[list[Order]] = [[] for _ in self._markets]
        for number in range(len(self._markets)):
            for _ in range(_ORDERS_PER_MARKET):
                self._place(number)

    def operate(self) -> None:
        """Places an order in some market, or cancels one; both in turn on average."""
        number = self._rng.randrange(len(self._markets))
        resting = self._resting[number]
        if len(resting) > _ORDERS_PER_MARKET:
            order = resting.pop(self._rng.randrange(len(resting)))
            self._core.cancel(order, Reason.NONE, self._core.now_ms())
        else:
            self._place(number)

    def _place(self, number: int) -> None:
        market: MarketState = self._markets[number]
        now_ms = self._core.now_ms()
        side = Side.BID if self._rng.random() < 0.5 else Side.ASK
        order = Order(
            order_id=self._core.new_id(),
            account_id=self._house.account_id,
            client_order_id="",
            ticker=market.ticker,
            side=side,
            price_e4=5_000 - side.sign * 100 * self._rng.randint(1, 40),
            initial_e2=(count_e2 := self._rng.randint(1, 50_000)),
            remaining_e2=count_e2,
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            exchange_index=market.exchange_index,
            created_ms=now_ms,
            updated_ms=now_ms,
            is_house=True,
        )
        market.engine.submit(order, now_ms)
        self._core.drain(market, now_ms)
        self._resting[number].append(order)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def bench_tickers(markets: int) -> list[str]:
    """Returns the tickers of the bench's markets."""
    return [f"KXBENCH-26NOV25-T{number:05d}.99" for number in range(markets)]


def catalogue(markets: int, now_ms: int) -> Catalogue:
    """Returns one event with so many cent markets."""
    listings = tuple(
        MarketListing(
            ticker=ticker,
            event_ticker="KXBENCH-26NOV25",
            series_ticker="KXBENCH",
            title="",
            yes_sub_title="",
            created_ms=now_ms - _DAY_MS,
            open_ms=now_ms - _DAY_MS,
            close_ms=now_ms + _DAY_MS,
            structure="linear_cent",
            exchange_index=0,
            fair_e4=5_000,
            half_spread_e4=100,
            trades_per_minute=1.0,
            volume_e2=0,
            volume_24h_e2=0,
            open_interest_e2=0,
        )
        for ticker in bench_tickers(markets)
    )
    event = EventListing(
        ticker="KXBENCH-26NOV25",
        series_ticker="KXBENCH",
        title="",
        sub_title="",
        category="Crypto",
        mutually_exclusive=False,
        strike_ms=now_ms + _DAY_MS,
        exchange_index=0,
        created_ms=now_ms - _DAY_MS,
        markets=listings,
    )
    series = SeriesListing(ticker="KXBENCH", title="", category="Crypto", frequency="daily")
    return Catalogue(series=(series,), events=(event,))


async def _serve(markets: int) -> None:
    private_pem, public_pem = generate_key_pair("ed25519")
    account = AccountSettings(key_id=KEY_ID, public_key_pem=public_pem, cash_by_shard_e6={0: 1_000_000})
    exchange = SimulatedExchange(
        seed=_SEED,
        wall_ms=_wall_ms,
        settings=SimulatorSettings(flow=False),
        accounts=(account,),
        catalogue=catalogue(markets, _wall_ms()),
    )
    trader = Trader(exchange, random.Random(_SEED))
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_socket, exchange, door)
        await nursery.start(exchange.run)
        print(json.dumps({"port": door.getsockname()[1], "private_key_pem": private_pem.decode()}), flush=True)
        async with trio.lowlevel.FdStream(0) as commands:
            while line := await commands.receive_some(4_096):
                wanted = json.loads(line)
                print(json.dumps(await _trade(trader, wanted["rate"], wanted["seconds"])), flush=True)
        nursery.cancel_scope.cancel()


async def _trade(trader: Trader, rate: int, seconds: float) -> dict[str, object]:
    total, done = round(rate * seconds), 0
    marks: Marks = []
    start, start_cpu = time.perf_counter(), time.process_time()
    while done < total:
        due = min(total, int((time.perf_counter() - start) * rate), done + _BURST_MAX)
        at_ns = time.monotonic_ns()
        for _ in range(due - done):
            trader.operate()
        if due > done:
            done = due
            marks.append((done, at_ns))
        await trio.sleep(_PACE_S if done >= int((time.perf_counter() - start) * rate) else 0)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    return {"marks": marks, "wall_s": wall_s, "cpu_s": cpu_s}


def main(arguments: Sequence[str]) -> None:
    trio.run(_serve, int(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
