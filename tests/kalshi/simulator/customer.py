"""A customer of an in-process exchange: signs requests, sends them through the ASGI application, reads the socket."""

from __future__ import annotations

import json
from typing import Any, Final

import attrs
import httpx

from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.listings import Catalogue, EventListing, MarketListing, SeriesListing
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import SocketSession
from tests.kalshi.simulator.contract import check_answer
from tests.kalshi.simulator.frame_schema import check_frame

START_MS: Final = 1_795_182_900_000
PREFIX: Final = "/trade-api/v2"
TICKER: Final = "KXTEST-26NOV20-A"
OTHER_TICKER: Final = "KXTEST-26NOV20-B"
SUB_CENT_TICKER: Final = "KXCOIN-26NOV20-C"

PRIVATE_PEM, PUBLIC_PEM = generate_key_pair("ed25519")


@attrs.define
class Clock:
    """A wall clock that moves only by hand."""

    time_ms: int = START_MS

    def __call__(self) -> int:
        return self.time_ms

    def advance(self, by_ms: int) -> None:
        self.time_ms += by_ms


def market_listing(ticker: str, *, structure: str = "linear_cent", exchange_index: int = 0) -> MarketListing:
    event = ticker.rpartition("-")[0]
    return MarketListing(
        ticker=ticker,
        event_ticker=event,
        series_ticker=event.partition("-")[0],
        title=ticker,
        yes_sub_title=ticker,
        created_ms=START_MS - 48 * 3_600_000,
        open_ms=START_MS - 47 * 3_600_000,
        close_ms=START_MS + 3_600_000,
        structure=structure,
        exchange_index=exchange_index,
        fair_e4=5_000,
        half_spread_e4=150,
        trades_per_minute=60.0,
        volume_e2=1_000_000,
        volume_24h_e2=1_000_000,
        open_interest_e2=0,
    )


def small_catalogue() -> Catalogue:
    """Returns two exclusive cent markets on shard 0 and a sub-cent one on shard 2."""
    events = []
    for event, tickers, structure, shard in (
        ("KXTEST-26NOV20", (TICKER, OTHER_TICKER), "linear_cent", 0),
        ("KXCOIN-26NOV20", (SUB_CENT_TICKER,), "tapered_deci_cent", 2),
    ):
        markets = tuple(market_listing(one, structure=structure, exchange_index=shard) for one in tickers)
        events.append(
            EventListing(
                ticker=event,
                series_ticker=event.partition("-")[0],
                title=event,
                sub_title="",
                category="Sports" if shard == 0 else "Crypto",
                mutually_exclusive=len(markets) > 1,
                strike_ms=markets[0].close_ms,
                exchange_index=shard,
                created_ms=markets[0].created_ms,
                markets=markets,
            )
        )
    series = tuple(
        SeriesListing(
            ticker=event.series_ticker,
            title=event.title,
            category=event.category,
            frequency="daily",
            exchange_index=event.exchange_index,
        )
        for event in events
    )
    return Catalogue(series=series, events=tuple(events))


class World:
    """An exchange without traders, on a hand-moved clock, with the customers "alice" and "bob"."""

    def __init__(
        self,
        *,
        cash: int = 10_000,
        shards: tuple[int, ...] = (0, 2),
        tier: str = "prime",
        catalogue: Catalogue | None = None,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        cash_by_shard_e6 = dict.fromkeys(shards, cash * 1_000_000)
        chosen = {"flow": False, "read_lag_ms": (0, 0), "public_requests_per_s": None, **settings}
        self.exchange = SimulatedExchange(
            seed=5,
            wall_ms=self.clock,
            settings=SimulatorSettings(**chosen),
            accounts=tuple(
                AccountSettings(key_id=name, public_key_pem=PUBLIC_PEM, cash_by_shard_e6=cash_by_shard_e6, tier=tier)
                for name in ("alice", "bob")
            ),
            catalogue=catalogue or small_catalogue(),
        )
        self.alice = Customer(self, "alice")
        self.bob = Customer(self, "bob")

    def pass_time(self, by_ms: int) -> None:
        """Moves the clock and does the background work once."""
        self.clock.advance(by_ms)
        self.exchange.tick()


class Customer:
    """One signing client of the exchange."""

    def __init__(self, world: World, key_id: str) -> None:
        self.world = world
        self.key_id = key_id
        self.signer = Signer(key_id, PRIVATE_PEM)
        self._numbers = 0

    async def send(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Sends one request, signed unless other headers are given."""
        full = PREFIX + path
        signed = self.signer.headers(method, full.partition("?")[0], self.world.clock())
        transport = httpx.ASGITransport(app=self.world.exchange.app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as client:
            content = None if body is None else json.dumps(body).encode()
            answer = await client.request(method, full, content=content, headers=signed if headers is None else headers)
        check_answer(method, full, answer.status_code, answer.content)
        return answer

    def headers(self, method: str, path: str) -> dict[str, str]:
        """Returns the signed headers of a request, or of a handshake."""
        return self.signer.headers(method, path, self.world.clock())

    async def get(self, path: str) -> Any:
        answer = await self.send("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, side: str, price: str, count: str = "10.00", /, **changes: Any) -> dict[str, Any]:
        """Returns a create body with sound defaults."""
        self._numbers += 1
        return {
            "ticker": TICKER,
            "client_order_id": f"{self.key_id}-{self._numbers}",
            "side": side,
            "count": count,
            "price": price,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "exchange_index": 0,
            **changes,
        }

    async def create(self, side: str, price: str, count: str = "10.00", /, **changes: Any) -> httpx.Response:
        return await self.send("POST", "/portfolio/events/orders", self.order(side, price, count, **changes))

    async def place(self, side: str, price: str, count: str = "10.00", /, **changes: Any) -> dict[str, Any]:
        """Creates an order that must be taken, and returns the acknowledgement."""
        answer = await self.create(side, price, count, **changes)
        assert answer.status_code == 201, answer.text
        acknowledgement: dict[str, Any] = answer.json()
        return acknowledgement

    def connect(self) -> SocketSession:
        headers = self.signer.headers("GET", SOCKET_PATH, self.world.clock())
        session = self.world.exchange.open_socket(headers)
        assert isinstance(session, SocketSession)
        return session


def command(session: SocketSession, number: int, name: str, **params: Any) -> list[dict[str, Any]]:
    """Sends a command and returns the frames that it caused."""
    session.receive_text(json.dumps({"id": number, "cmd": name, "params": params}))
    return frames(session)


def frames(session: SocketSession) -> list[dict[str, Any]]:
    """Returns the decoded frames that wait; each must end with a newline and obey the exchange's schema."""
    return [check_frame(text) for text in session.drain_frames()]
