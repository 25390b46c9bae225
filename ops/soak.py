"""A long life of the simulated exchange on a clock moved by hand: `python -m ops.soak --hours 24 --markets 300`.

Nothing is left out: traders, matching, money, listings, settlement, read model and socket hub all run, with a
customer who trades, listens and settles among them; only the sleeping is. It prints one line per simulated hour
and ends with code 1 when money is missing, when too few markets were open or too few operations done, or when
memory grew.

Operations are creates and cancels that reach a matching engine, of the house and of the customer.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Final

import attrs
import msgspec

from actors.runtime.seams import real_seams
from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import NewOrder
from kalshi.simulator.refusals import Refused
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import SocketSession
from kalshi.types import MarketStatus, SelfTradePrevention, Side, TimeInForce

OPERATIONS_PER_S_MIN: Final = 100.0
# Resident memory at the end against the same after the second hour. Books and tapes have reached their bounds by then;
# minute candles go on to fill their day, at 20 bytes each.
GROWTH_MIB_MAX: Final = 40.0
WARM_UP_HOURS: Final = 2
TICK_MS: Final = 500
_HOUR_MS: Final = 3_600_000
# A Friday morning in New York.
_START_MS: Final = 1_795_182_900_000
_KEPT_MS: Final = 3_600_000
RATE: Final = 0.096
_CUSTOMER_EVERY_MS: Final = 5_000
_CUSTOMER_CASH_E6: Final = 1_000_000_000_000
_ORDER_LIFE_S: Final = 60
_KEY_ID: Final = "soak"
_LOOK_MS: Final = 60_000
# What the light world has open at any time.
_LIGHT_MARKETS: Final = 65


@attrs.frozen(kw_only=True)
class HourMark:
    """The state of the exchange after some simulated hours; times in seconds, memory in MiB."""

    hours: float
    operations: int
    open_markets: int
    listed_markets: int
    settled: int
    resting_orders: int
    trades_kept: int
    memory_mib: float
    imbalance_e6: int
    cpu_s: float
    real_s: float

    def line(self) -> str:
        return (
            f"hour {self.hours:5.1f}  {self.operations:10,d} operations  {self.open_markets:4d} open of "
            f"{self.listed_markets:5d} listed  {self.settled:5d} settled  {self.resting_orders:6,d} resting  "
            f"{self.trades_kept:8,d} trades kept  {self.memory_mib:7.1f} MiB  imbalance {self.imbalance_e6}  "
            f"{self.cpu_s:6.1f} s CPU  {self.real_s:6.1f} s"
        )


@attrs.frozen(kw_only=True)
class SoakResult:
    """What a soak showed."""

    marks: tuple[HourMark, ...]
    simulated_s: float
    open_markets_min: int
    customer_fills: int
    customer_settlements: int

    @property
    def operations_per_s(self) -> float:
        return self.marks[-1].operations / self.simulated_s

    @property
    def growth_mib(self) -> float:
        """Returns how much memory grew after the warm-up; zero for a soak that is not longer."""
        warm = [mark for mark in self.marks if mark.hours >= WARM_UP_HOURS]
        return self.marks[-1].memory_mib - warm[0].memory_mib if warm else 0.0

    def faults(self, markets_min: int) -> list[str]:
        """Returns what was not as it must be."""
        found = []
        if any(mark.imbalance_e6 for mark in self.marks):
            found.append("money is missing")
        if self.open_markets_min < markets_min:
            found.append(f"only {self.open_markets_min} markets were open, wanted were {markets_min}")
        if self.operations_per_s < OPERATIONS_PER_S_MIN:
            found.append(f"only {self.operations_per_s:.1f} operations a simulated second")
        if self.growth_mib > GROWTH_MIB_MAX:
            found.append(f"memory grew by {self.growth_mib:.1f} MiB after hour {WARM_UP_HOURS}")
        return found


@attrs.define
class _Clock:
    time_ms: int = _START_MS

    def __call__(self) -> int:
        return self.time_ms


class _Customer:
    """Somebody who quotes and takes in all markets in turn, on a socket that is read, with an expiry on every order."""

    def __init__(self, exchange: SimulatedExchange, session: SocketSession) -> None:
        self._exchange = exchange
        self._account = exchange.core.accounts_by_key[_KEY_ID]
        self._session = session
        self._turn = 0
        self.operations = 0
        self.refusals: Counter[str] = Counter()
        for number, channel in enumerate(("fill", "user_orders", "market_lifecycle_v2"), start=1):
            command = {"id": number, "cmd": "subscribe", "params": {"channels": [channel]}}
            session.receive_text(msgspec.json.encode(command).decode())

    def act(self, now_ms: int) -> None:
        """Reads what has come, and quotes both sides of the next market, one of them through the touch now and then."""
        self._session.drain_frames()
        markets = [one for one in self._exchange.core.markets.values() if one.is_tradable(now_ms)]
        market = markets[self._turn % len(markets)]
        self._turn += 1
        quote = market.quote()
        takes = self._turn % 3 == 0
        if quote.bid_e2 and quote.ask_e2:
            self._create(market, Side.BID, quote.ask_e4 if takes else quote.bid_e4, now_ms)
            self._create(market, Side.ASK, quote.ask_e4, now_ms)

    def _create(self, market: MarketState, side: Side, price_e4: int, now_ms: int) -> None:
        self.operations += 1
        try:
            self._exchange.services.entry.create(
                self._account,
                NewOrder(
                    ticker=market.ticker,
                    side=side,
                    price_e4=price_e4,
                    count_e2=150 + 100 * (self.operations % 7),
                    time_in_force=TimeInForce.GOOD_TILL_CANCELED,
                    self_trade_prevention=SelfTradePrevention.MAKER,
                    client_order_id=f"soak-{self.operations}",
                    expiration_ts_s=now_ms // 1000 + _ORDER_LIFE_S,
                ),
            )
        except Refused as refusal:
            # Grids differ and books move: a refusal is part of the game, and is counted.
            self.refusals[refusal.code] += 1


class Soak:
    """One exchange, its customer and the clock that drives both; `wall_ms` is the real time, for the marks alone."""

    def __init__(self, *, markets: int, seed: int, rate: float, wall_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._clock = _Clock()
        private_pem, public_pem = generate_key_pair("ed25519")
        self.exchange = SimulatedExchange(
            seed=seed,
            wall_ms=self._clock,
            settings=SimulatorSettings(
                listing_scale=1 if markets <= _LIGHT_MARKETS else 2, flow_rate=rate, settled_markets_kept_ms=_KEPT_MS
            ),
            accounts=(
                AccountSettings(
                    key_id=_KEY_ID,
                    public_key_pem=public_pem,
                    cash_by_shard_e6=dict.fromkeys(range(4), _CUSTOMER_CASH_E6),
                ),
            ),
        )
        headers = Signer(_KEY_ID, private_pem).headers("GET", SOCKET_PATH, self._clock())
        session = self.exchange.open_socket(headers)
        if not isinstance(session, SocketSession):
            raise TypeError("the exchange in this process refused its own customer")
        self._customer = _Customer(self.exchange, session)
        self._settled = 0
        self.exchange.lifecycle.hooks.append(self._take_change)

    def _take_change(self, market: MarketState, kind: str) -> None:
        self._settled += kind == "settled"

    def run(self, hours: float, show: Callable[[str], None]) -> SoakResult:
        """Lives for so many simulated hours; `show` gets a line for each."""
        start_ms, began_ms, began_cpu_s = self._clock.time_ms, self._wall_ms(), process_time()
        end_ms = start_ms + round(hours * _HOUR_MS)
        marks: list[HourMark] = []
        open_min = self._open_markets()
        next_act_ms = start_ms
        while self._clock.time_ms < end_ms:
            self._clock.time_ms += TICK_MS
            self.exchange.tick()
            now_ms = self._clock.time_ms
            if now_ms >= next_act_ms:
                self._customer.act(now_ms)
                next_act_ms += _CUSTOMER_EVERY_MS
            if (now_ms - start_ms) % _LOOK_MS == 0:
                open_min = min(open_min, self._open_markets())
            if (now_ms - start_ms) % _HOUR_MS == 0 or now_ms >= end_ms:
                spent_s = (self._wall_ms() - began_ms) / 1000
                mark = self._mark((now_ms - start_ms) / _HOUR_MS, process_time() - began_cpu_s, spent_s)
                marks.append(mark)
                show(mark.line())
        core = self.exchange.core
        return SoakResult(
            marks=tuple(marks),
            simulated_s=(end_ms - start_ms) / 1000,
            open_markets_min=open_min,
            customer_fills=len(self.exchange.truth.fills(_KEY_ID)),
            customer_settlements=len(self.exchange.services.reads.view(core.accounts_by_key[_KEY_ID]).settlements),
        )

    def _open_markets(self) -> int:
        return sum(market.status is MarketStatus.ACTIVE for market in self.exchange.core.markets.values())

    def _mark(self, hours: float, cpu_s: float, real_s: float) -> HourMark:
        markets = self.exchange.core.markets.values()
        return HourMark(
            hours=hours,
            operations=self.exchange.flow.tally.operations + self._customer.operations,
            open_markets=self._open_markets(),
            listed_markets=len(markets),
            settled=self._settled,
            resting_orders=sum(
                sum(1 for _ in book.orders()) for market in markets for book in (market.engine.bids, market.engine.asks)
            ),
            trades_kept=sum(len(market.history.tape) for market in markets),
            memory_mib=_resident_mib(),
            imbalance_e6=self.exchange.core.imbalance_e6(),
            cpu_s=cpu_s,
            real_s=real_s,
        )


def _resident_mib() -> float:
    """Returns the resident memory of this process now. Raises OSError where the system does not say."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Soaks and says what was found; returns 1 where something was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m ops.soak", description=__doc__.split("\n\n")[0])
    parser.add_argument("--hours", type=float, default=24.0, help="simulated hours")
    parser.add_argument("--markets", type=int, default=300, help="markets that must be open at any time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=RATE, help="how busy the traders are, as a multiple of the usual")
    options = parser.parse_args(arguments)
    life = Soak(markets=options.markets, seed=options.seed, rate=options.rate, wall_ms=real_seams().wall_ms)

    def show(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    result = life.run(options.hours, show)
    faults = result.faults(options.markets)
    last = result.marks[-1]
    show(
        f"{last.operations:,d} operations, {result.operations_per_s:.1f} a simulated second and "
        f"{last.operations / last.real_s:,.0f} a real one; "
        f"at least {result.open_markets_min} markets open, {last.settled} settled; "
        f"the customer had {result.customer_fills} fills and {result.customer_settlements} settlements; "
        f"memory grew by {result.growth_mib:.1f} MiB after hour {WARM_UP_HOURS}; {last.real_s:.0f} s of real time"
    )
    show("as it must be" if not faults else "NOT as it must be: " + "; ".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
