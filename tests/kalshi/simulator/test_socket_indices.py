"""Index values that follow from the ladders of markets on the coin."""

from __future__ import annotations

import json

import pytest

from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.socket_indices import implied_value_e8
from tests.kalshi.simulator.customer import PUBLIC_PEM, World, command, frames


@pytest.mark.parametrize(
    ("ladder", "dollars"),
    [
        ([(97_000.0, 6_000), (98_000.0, 4_000)], 97_500),
        ([(98_000.0, 4_000), (97_000.0, 6_000), (99_000.0, 1_000), (96_000.0, 9_000)], 97_500),
        ([(97_000.0, 5_000), (98_000.0, 4_000)], 97_000),
        ([(97_000.0, 9_000), (98_000.0, 8_000)], 99_000),  # beyond the ladder, held within its width
        ([(97_000.0, 4_000), (98_000.0, 3_000)], 96_000),
        ([(97_000.0, 4_000)], 97_000),
        ([], None),
    ],
)
def test_the_value_is_where_the_ladder_crosses_one_half(ladder: list[tuple[float, int]], dollars: int | None) -> None:
    assert implied_value_e8(ladder) == (None if dollars is None else dollars * 10**8)


def coin_world() -> World:
    """Returns a world with the whole catalogue, in which the coins have ladders."""
    world = World(socket_index_channels=True)
    world.exchange = SimulatedExchange(
        seed=1,
        wall_ms=world.clock,
        settings=SimulatorSettings(flow=False, socket_index_channels=True),
        accounts=(AccountSettings(key_id="alice", public_key_pem=PUBLIC_PEM, cash_by_shard_e6={0: 0}),),
    )
    return world


def test_values_come_once_a_second_with_their_averages_for_those_who_asked() -> None:
    world = coin_world()
    session = world.alice.connect()
    opened = command(session, 1, "subscribe", channels=["cfbenchmarks_value", "cfbenchmarks_value_5hz"])
    assert [frame["type"] for frame in opened] == ["subscribed", "subscribed"]
    for _ in range(40):
        world.pass_time(50)
    assert frames(session) == [], "without indices no values flow"
    (held,) = command(session, 2, "update_subscription", sid=1, action="subscribe_indices", index_ids=["BRTI"])
    assert held["msg"] == {"index_ids": ["BRTI"]}
    (listed,) = command(session, 3, "update_subscription", sids=[2], action="indexlist")
    assert (listed["type"], listed["msg"]["index_ids"]) == ("cfbenchmarks_value_5hz_indexlist", ["BRTI", "ETHUSD_RTI"])
    (held,) = command(session, 4, "update_subscription", sid=2, action="subscribe_indices", index_ids=["all", "BRTI"])
    assert held["msg"] == {"index_ids": ["all"]}
    for _ in range(100):
        world.pass_time(50)
    received = frames(session)
    slow = [frame for frame in received if frame["type"] == "cfbenchmarks_value"]
    fast = [frame for frame in received if frame["type"] == "cfbenchmarks_value_5hz"]
    assert {frame["msg"]["index_id"] for frame in slow} == {"BRTI"}
    assert (len(slow), len(fast)) == (5, 50)
    assert [frame["seq"] for frame in slow] == list(range(2, 7))
    raw = json.loads(slow[-1]["msg"]["data"])
    assert 90_000 < float(raw["value"]) < 105_000
    # The feed ticked at once, at each whole second of the two before, and now for the fifth time.
    assert slow[-1]["msg"]["avg_60s_data"]["window_size"] == 3 + 4
    (gone,) = command(session, 5, "update_subscription", sid=1, action="unsubscribe_indices", index_ids=["BRTI"])
    assert gone["msg"] == {"index_ids": []}
    (refused,) = command(session, 6, "update_subscription", sid=1, action="subscribe_indices")
    assert refused["msg"]["code"] == 24


def test_the_last_minute_of_a_quarter_hour_has_an_average_of_its_own() -> None:
    world = coin_world()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["cfbenchmarks_value"], index_ids=["BRTI"])
    world.clock.advance(900_000 - world.clock() % 900_000 - 62_000)
    sizes = []
    for _ in range(65):
        world.pass_time(1_000)
        for frame in frames(session):
            window = frame["msg"].get("last_60s_windowed_average_15min")
            sizes.append(window["window_size"] if window else 0)
    assert sizes == [0, 0, *range(1, 61), 0, 0, 0]
