"""An exchange that runs on trio's clock, with the real REST client on it, for tests of faults and scenarios.

With pytest-trio's `autojump_clock` nothing really waits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio

from kalshi.budget import RateBudget
from kalshi.numbers import CountE2, PriceE4
from kalshi.rest import RestClient, make_http
from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.clock import ExchangeClock
from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.faults import AnyFault
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.scenario import Scenario
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import SocketSession
from kalshi.types import BucketLimits, CreateAck, CreateOrder, SelfTradePrevention, Side, TimeInForce
from tests.kalshi.simulator.customer import START_MS, TICKER, frames, small_catalogue

BASE_URL = "http://exchange.test/trade-api/v2"
DEADLINE_S = 3.0
KEY_IDS = ("alice", "bob")
_PRIVATE_PEM, _PUBLIC_PEM = generate_key_pair("ed25519")
_GENEROUS = BucketLimits(refill_per_s=1e6, capacity=1e6)
_CASH_E6 = {0: 10_000_000_000, 2: 10_000_000_000}


class Stage:
    """An exchange and its customers; without traders unless the settings say otherwise."""

    def __init__(
        self,
        faults: tuple[AnyFault, ...] = (),
        *,
        seed: int = 5,
        scenario: Scenario | None = None,
        catalogue: Catalogue | None = None,
        **settings: Any,
    ) -> None:
        chosen = {"flow": False, "read_lag_ms": (0, 0), "public_requests_per_s": None, **settings}
        wanted = scenario or Scenario(settings=SimulatorSettings(**chosen), faults=faults)
        self.dates: list[int] = []
        self.exchange = SimulatedExchange(
            seed=seed,
            wall_ms=ExchangeClock(self.wall_ms, speed=wanted.speed or 1.0, starts_at_ms=wanted.starts_at),
            scenario=wanted,
            accounts=tuple(
                AccountSettings(key_id=name, public_key_pem=_PUBLIC_PEM, cash_by_shard_e6=_CASH_E6, tier="prime")
                for name in KEY_IDS
            ),
            catalogue=catalogue or (None if scenario else small_catalogue()),
        )
        self.alice = self.client("alice")
        self.bob = self.client("bob")
        self._orders = 0

    @staticmethod
    def wall_ms() -> int:
        return START_MS + round(trio.current_time() * 1000)

    def transport(self) -> httpx.ASGITransport:
        return httpx.ASGITransport(app=self.exchange.app)  # type: ignore[arg-type]

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.transport(), base_url=BASE_URL)

    def client(self, key_id: str) -> RestClient:
        return RestClient(
            http=make_http(BASE_URL, 4, transport=self.transport()),
            base_url=BASE_URL,
            signer=Signer(key_id, _PRIVATE_PEM),
            budget=RateBudget(trio.current_time, _GENEROUS, _GENEROUS),
            wall_ms=self.wall_ms,
            connections=4,
            deadline_s=DEADLINE_S,
            on_server_date=lambda date_ms, _: self.dates.append(date_ms),
        )

    def headers(self, method: str, path: str, key_id: str = "alice") -> dict[str, str]:
        return Signer(key_id, _PRIVATE_PEM).headers(method, path, self.wall_ms())

    def session(self, *channels: str, key_id: str = "alice") -> SocketSession:
        """Opens a WebSocket session that hears these channels of the first market, and drops the answers to that."""
        session = self.exchange.open_socket(self.headers("GET", SOCKET_PATH, key_id))
        assert isinstance(session, SocketSession)
        listed = ",".join(f'"{channel}"' for channel in channels)
        session.receive_text(
            f'{{"id":1,"cmd":"subscribe","params":{{"channels":[{listed}],"market_tickers":["{TICKER}"]}}}}'
        )
        frames(session)
        return session

    def order(self, side: Side = Side.BID, cents: int = 40, contracts: int = 10, **changes: Any) -> CreateOrder:
        self._orders += 1
        wanted: dict[str, Any] = {
            "ticker": TICKER,
            "client_order_id": f"order-{self._orders}",
            "side": side,
            "price_e4": PriceE4(cents * 100),
            "count_e2": CountE2(contracts * 100),
            "time_in_force": TimeInForce.GOOD_TILL_CANCELED,
            "self_trade_prevention": SelfTradePrevention.TAKER_AT_CROSS,
            "exchange_index": 0,
            **changes,
        }
        return CreateOrder(**wanted)

    async def place(self, side: Side = Side.BID, cents: int = 40, *, client: RestClient | None = None) -> CreateAck:
        return await (client or self.alice).create_order(self.order(side, cents))

    def resting(self, key_id: str = "alice") -> int:
        return len(self.exchange.truth.resting_orders(key_id))

    def strikes(self) -> list[int]:
        return [ordered.strikes for ordered in self.exchange.faults.orders()]


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[Stage]:
    """Runs the exchange's background work meanwhile."""
    async with trio.open_nursery() as nursery:
        await nursery.start(stage.exchange.run)
        yield stage
        nursery.cancel_scope.cancel()
