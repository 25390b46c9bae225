"""Structure-aware nonsense: sound commands with something wrong in them, answered each time, harming nothing."""

from __future__ import annotations

import copy
import json
import random
from typing import Any, Final

import pytest

from kalshi.simulator.socket_channels import CHANNELS
from kalshi.simulator.socket_views import market_id
from tests.kalshi.simulator.customer import OTHER_TICKER, TICKER, World
from tests.kalshi.simulator.frame_schema import findings

_ID: Final = market_id(TICKER)
_SOUND: Final[tuple[dict[str, Any], ...]] = (
    {"cmd": "list_subscriptions"},
    {"cmd": "subscribe", "params": {"channels": ["orderbook_delta", "trade"], "market_tickers": [TICKER, "X"]}},
    {"cmd": "subscribe", "params": {"channels": ["ticker"], "market_ids": [_ID], "send_initial_snapshot": True}},
    {"cmd": "subscribe", "params": {"channels": list(CHANNELS), "market_ticker": OTHER_TICKER}},
    {"cmd": "subscribe", "params": {"channels": ["communications"], "shard_factor": 4, "shard_key": 1}},
    {"cmd": "subscribe", "params": {"channels": ["cfbenchmarks_value"], "index_ids": ["BRTI"]}},
    {"cmd": "unsubscribe", "params": {"sids": [1, 2]}},
    {"cmd": "update_subscription", "params": {"sid": 1, "action": "add_markets", "market_tickers": ["Y", TICKER]}},
    {"cmd": "update_subscription", "params": {"sids": [2], "action": "delete_markets", "market_ticker": TICKER}},
    {"cmd": "update_subscription", "params": {"sid": 1, "action": "get_snapshot", "market_tickers": [TICKER]}},
    {"cmd": "update_subscription", "params": {"sid": 3, "action": "subscribe_indices", "index_ids": ["all"]}},
    {
        "cmd": "update_subscription",
        "params": {"sid": 4, "action": "subscribe_underlyings", "underlying_tickers": ["X"]},
    },
)
_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 7, 2**31, 2**63, -(2**64), 0.5, 1e308, "", " ", "x" * 300, "\x00", "ü€😀", "1",
    [], [[]], {}, [None], [1, "1"], ["all"], [TICKER] * 50, {"a": {"b": []}}, "add_markets", "orderbook_delta", _ID,
)  # fmt: skip


def spoil(rng: random.Random, command: dict[str, Any]) -> str:
    """Returns the text of a command in which up to three things are wrong."""
    spoilt: Any = copy.deepcopy(command) | {"id": rng.randint(1, 1_000)}
    if "sid" in spoilt.get("params", {}):
        spoilt["params"]["sid"] = rng.randint(1, len(CHANNELS))
    for _ in range(rng.randint(0, 3)):
        place = spoilt.get("params") if rng.random() < 0.7 and isinstance(spoilt.get("params"), dict) else spoilt
        key = rng.choice([*place, "sid", "params", "unheard_of"])
        if rng.random() < 0.3:
            place.pop(key, None)
        else:
            place[key] = copy.deepcopy(rng.choice(_ODD))
    text = json.dumps(spoilt, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.1:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(("", "{", '"', "\ud800", "\\ud800", ",", "]")) + text[at + rng.randint(0, 3) :]
    return text


def state(world: World) -> object:
    core = world.exchange.core
    money = {name: dict(account.cash_by_shard_e6) for name, account in core.accounts.items()}
    positions = {name: len(account.positions) for name, account in core.accounts.items()}
    return (
        money,
        positions,
        sorted(order.order_id for order in core.open_orders.values()),
        sorted(core.groups),
        core.imbalance_e6(),
    )


async def hold_out(commands: int) -> set[int]:
    """Sends so many spoilt commands and returns the error codes that came."""
    world = World(socket_index_channels=True, socket_commands_per_s=10**9)
    rng = random.Random(commands)
    await world.alice.place("bid", "0.4000")
    before = state(world)
    session, codes = world.alice.connect(), set()
    for number in range(commands):
        if number % 200 == 0:
            session.close()
            session = world.alice.connect()
        text = spoil(rng, rng.choice(_SOUND))
        session.receive_text(text)
        frames = [json.loads(frame) for frame in session.drain_frames()]
        # Snapshots of markets that nobody knows are the one thing that is passed over in silence.
        assert frames or "get_snapshot" in text, text
        codes |= {frame["msg"]["code"] for frame in frames if frame["type"] == "error"}
        if number % 10 == 0:
            assert [findings(frame) for frame in frames] == [[]] * len(frames), text
    assert state(world) == before
    return codes


async def test_spoilt_commands_are_answered_and_harm_nothing() -> None:
    assert await hold_out(2_000) >= {1, 2, 3, 4, 5, 7, 8, 12, 13, 14}


@pytest.mark.long
async def test_very_many_spoilt_commands_are_answered_and_harm_nothing() -> None:
    assert await hold_out(60_000) >= {1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 14, 15, 19, 20, 21, 22, 24, 28}
