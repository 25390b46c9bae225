"""Every frame of a busy day, all channels, held against the exchange's own schema; and the check itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kalshi.simulator.events import EventFeesChanged, EventListed, MarketChanged
from kalshi.simulator.socket_channels import CHANNELS, ERROR_TEXTS
from kalshi.simulator.socket_session import SocketSession
from tests.kalshi.simulator.customer import OTHER_TICKER, SUB_CENT_TICKER, TICKER, World, command, frames
from tests.kalshi.simulator.frame_schema import REFERENCE, Frame, findings, needs_schema, server_types

# What the simulator never says: nobody asks for quotes here, no combos are listed, and pyth_value is silent.
SILENT = re.compile(r"rfq_|quote_|batch_quote_|multivariate_|pyth_value$")

pytestmark = needs_schema


class Listener:
    """A session on every channel, and all that it has heard; each frame is checked as it is read."""

    def __init__(self, session: SocketSession) -> None:
        self.session = session
        self.heard: list[Frame] = []
        self._commands = 0

    def say(self, name: str, **params: Any) -> list[Frame]:
        self._commands += 1
        answers = command(self.session, self._commands, name, **params)
        self.heard += answers
        return answers

    def listen(self) -> None:
        self.heard += frames(self.session)

    def kinds(self) -> set[str]:
        return {frame["type"] for frame in self.heard}


def everything(session: SocketSession, **params: Any) -> Listener:
    listener = Listener(session)
    tickers = [TICKER, OTHER_TICKER, SUB_CENT_TICKER]
    others = [name for name in CHANNELS if name != "orderbook_delta"]
    listener.say("subscribe", channels=["orderbook_delta"], market_tickers=tickers, **params)
    listener.say(
        "subscribe", channels=others, send_initial_snapshot=True, index_ids=["all"], underlying_tickers=["all"]
    )
    return listener


async def test_every_frame_of_a_busy_day_obeys_the_schema() -> None:
    world = World(flow=True, flow_rate=10.0, sending_ts_ms=True, socket_index_channels=True, cash=100_000)
    mine, theirs = everything(world.alice.connect(), use_yes_price=True), everything(world.bob.connect())
    for _ in range(15):
        world.pass_time(500)
        mine.listen()
        theirs.listen()
    await _use_orders_and_groups(world)
    mine.listen()
    _move_markets(world)
    for _ in range(60):
        world.pass_time(1_000)
        mine.listen()
    theirs.listen()
    _say_everything_wrong(mine)
    mine.say("list_subscriptions")
    mine.say("update_subscription", sid=1, action="get_snapshot", market_tickers=[TICKER])
    mine.say("unsubscribe", sids=[1, 2, 3, 4, 5, 6])
    missing = {kind for kind in server_types() - mine.kinds() if not SILENT.match(kind)}
    # Of the ladders that the index feed reads there is none in this small catalogue; its own test has one.
    assert missing == {"cfbenchmarks_value", "cfbenchmarks_value_5hz"}
    happened = {frame["msg"]["event_type"] for frame in mine.heard if frame["type"] == "market_lifecycle_v2"}
    assert happened >= {"created", "activated", "deactivated", "close_date_updated", "determined", "settled"}
    assert happened >= {"price_level_structure_updated", "metadata_updated"}
    assert len(mine.heard) > 500


async def _use_orders_and_groups(world: World) -> None:
    alice = world.alice
    group = (await alice.send("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})).json()
    group_id = group["order_group_id"]
    resting = await alice.place("bid", "0.0500", "9.50", client_order_id='quoted "€" name', order_group_id=group_id)
    later = world.clock() // 1000 + 3_600
    expiring = await alice.place("ask", "0.9500", "3.00", expiration_time=later)
    await alice.place("bid", "0.9000", "50.00", time_in_force="immediate_or_cancel")
    await alice.place("ask", "0.1000", "80.25", time_in_force="immediate_or_cancel")
    for path in (f"/portfolio/events/orders/{expiring['order_id']}", f"/portfolio/events/orders/{resting['order_id']}"):
        assert (await alice.send("DELETE", f"{path}?exchange_index=0")).status_code == 200
    for method, action, body in (
        ("PUT", "limit", {"contracts_limit": 7}),
        ("PUT", "trigger", {}),
        ("PUT", "reset", {}),
        ("DELETE", "", None),
    ):
        path = f"/portfolio/order_groups/{group_id}/{action}".rstrip("/")
        assert (await alice.send(method, path, body)).status_code in (200, 201, 204)


def _move_markets(world: World) -> None:
    core, lifecycle = world.exchange.core, world.exchange.lifecycle
    lifecycle.deactivate(OTHER_TICKER)
    lifecycle.activate(OTHER_TICKER)
    lifecycle.schedule_close(TICKER, world.clock() + 2_000)
    lifecycle.determine(SUB_CENT_TICKER, "scalar", 5_000)
    event, now_ms = "KXTEST-26NOV20", world.clock()
    core.publish(EventListed(event_ticker=event, ts_ms=now_ms))
    core.publish(EventFeesChanged(event_ticker=event, fee_type="flat", fee_multiplier_e4=5_000, ts_ms=now_ms))
    core.publish(EventFeesChanged(event_ticker=event, fee_type=None, fee_multiplier_e4=None, ts_ms=now_ms))
    for kind in ("created", "price_level_structure_updated", "metadata_updated"):
        core.publish(MarketChanged(ticker=OTHER_TICKER, kind=kind, ts_ms=now_ms))


def _say_everything_wrong(listener: Listener) -> None:
    listener.say("dance")
    listener.say("subscribe")
    listener.say("subscribe", channels=["nothing", "communications"], shard_factor=0)
    listener.say("unsubscribe")
    listener.say("unsubscribe", sids=[99])
    listener.say("update_subscription", sid=1)
    for action in ("jump", "add_markets", "indexlist", "subscribe_indices", "unsubscribe_indices", "underlying_list"):
        for sid in range(1, 14):
            listener.say("update_subscription", sid=sid, action=action, market_tickers=[TICKER], index_ids=["BRTI"])
    listener.say("update_subscription", sid=13, action="subscribe_underlyings", underlying_tickers=["Metal.XAU/USD"])


def delta(**changes: Any) -> Frame:
    msg = {
        "market_ticker": TICKER,
        "market_id": "9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1",
        "clock": 1,
        "price_dollars": "0.9600",
        "delta_fp": "-54.00",
        "side": "yes",
        "ts": "2022-11-22T20:44:01Z",
        "ts_ms": 1,
    }
    return {"type": "orderbook_delta", "sid": 1, "seq": 1, "msg": {**msg, **changes}}


def test_the_check_lets_a_sound_frame_pass() -> None:
    assert findings(delta()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"clock": "1"},
        {"clock": 0},
        {"side": "bid"},
        {"market_id": "no uuid"},
        {"ts": "yesterday"},
        {"surprise": 1},
        {"delta_fp": -54},
    ],
)
def test_the_check_finds_what_the_schema_does_not_allow(changes: dict[str, Any]) -> None:
    assert findings(delta(**changes))


def test_the_check_finds_a_missing_key_an_unknown_top_level_key_and_an_unknown_type() -> None:
    frame = delta()
    del frame["msg"]["side"]
    assert findings(frame)
    assert findings(delta() | {"surprise": 1})
    assert findings({"type": "surprise"})


def test_error_texts_are_those_of_the_exchange() -> None:
    rows = re.findall(r"^ *\| (\d+) \| ([^|]+?) \|", REFERENCE.read_text(), re.MULTILINE)
    documented = {int(code): text for code, text in rows if text != "Retired" and int(code) < 100}
    del documented[23]  # belongs to a channel that is not documented
    assert documented == ERROR_TEXTS
