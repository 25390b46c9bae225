"""The exchange in process: background work on a virtual clock, and the same run from the same seed."""

from __future__ import annotations

import json

import httpx
import trio
from trio.testing import MockClock

from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_session import SocketSession
from tests.kalshi.simulator.customer import PREFIX, START_MS


async def listen(seed: int, seconds: float) -> list[str]:
    """Runs an exchange for some virtual seconds with a listening and an asking customer; returns all that they got."""
    private_pem, public_pem = generate_key_pair("ed25519")
    signer = Signer("me", private_pem)

    def wall_ms() -> int:
        return START_MS + round(trio.current_time() * 1000)

    account = AccountSettings(key_id="me", public_key_pem=public_pem, cash_by_shard_e6={0: 10_000_000_000})
    exchange = SimulatedExchange(seed=seed, wall_ms=wall_ms, settings=SimulatorSettings(), accounts=(account,))
    received: list[str] = []

    async def read(session: SocketSession) -> None:
        while True:
            received.extend(await session.next_frames())

    async def ask() -> None:
        transport = httpx.ASGITransport(app=exchange.app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as client:
            while True:
                await trio.sleep(0.7)
                path = PREFIX + "/exchange/user_data_timestamp"
                received.append((await client.get(path, headers=signer.headers("GET", path, wall_ms()))).text)

    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        session = exchange.open_socket(signer.headers("GET", SOCKET_PATH, wall_ms()))
        assert isinstance(session, SocketSession)
        channels = ["orderbook_delta", "ticker", "trade"]
        tickers = list(exchange.core.markets)
        text = json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": channels, "market_tickers": tickers}})
        session.receive_text(text)
        nursery.start_soon(read, session)
        nursery.start_soon(ask)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()
    return received


def test_one_seed_gives_one_run_on_a_virtual_clock() -> None:
    runs = [
        trio.run(listen, seed, 20.0, clock=MockClock(autojump_threshold=0), strict_exception_groups=True)
        for seed in (7, 7, 8)
    ]
    assert len(runs[0]) > 500
    assert runs[0] == runs[1] != runs[2]


def test_every_sequence_is_complete_and_a_snapshot_comes_before_the_first_delta() -> None:
    received = trio.run(listen, 9, 20.0, clock=MockClock(autojump_threshold=0), strict_exception_groups=True)
    heard = [json.loads(text) for text in received]
    by_sid: dict[int, list[int]] = {}
    for frame in heard:
        if "seq" in frame:
            by_sid.setdefault(frame["sid"], []).append(frame["seq"])
    assert len(by_sid) == 2
    for numbers in by_sid.values():
        assert numbers == list(range(1, len(numbers) + 1))
    known: set[str] = set()
    for frame in heard:
        if frame.get("type") == "orderbook_snapshot":
            known.add(frame["msg"]["market_ticker"])
        elif frame.get("type") == "orderbook_delta":
            assert frame["msg"]["market_ticker"] in known
