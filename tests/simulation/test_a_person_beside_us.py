"""I28: a person trades on our account; nothing that we do touches their orders and groups unless they ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

import ops.outside_sweep
import ops.simulation
from actors.runtime.server_clock import ServerClock
from actors.runtime.sweep import SweepReport
from kalshi.simulator.settings import SimulatorSettings
from ops.credentials import Credentials
from ops.modes import Endpoints
from ops.ports import Ports
from ops.settings import Settings
from ops.simulation import BASE_URL, KEY_ID, Line, World, run_world
from supervisor import build_tree

QUOTING_S = 8.0
QUIET = SimulatorSettings(flow_rate=0.3)  # nobody trades with a person's bid at one cent


def a_person_acts(world: World) -> tuple[set[str], str]:
    """Rests four orders of a person, two of them in a group of theirs; returns their ids and the group."""
    exchange = world.exchange
    account, services = exchange.core.accounts_by_key[KEY_ID], exchange.services
    now_ms = exchange.core.now_ms()
    markets = [m for m in exchange.core.markets.values() if m.exchange_index == 0 and m.is_tradable(now_ms)][:4]
    group = services.groups.create(account, 10_000, 0)
    orders = {
        world.rest_by_hand(
            market.ticker,
            client_order_id=f"by-hand-{number}" if number else None,
            group_id=group.group_id if number % 2 else None,
        ).order_id
        for number, market in enumerate(markets)
    }
    return orders, group.group_id


def is_open(world: World, group_id: str) -> bool:
    return next(not g.is_triggered for g in world.exchange.truth.groups(KEY_ID) if g.group_id == group_id)


def test_i28_a_persons_orders_and_group_outlive_our_boot_our_quoting_and_our_end() -> None:
    async def scenario(world: World) -> None:
        persons, group_id = a_person_acts(world)
        for _ in range(2):  # the second boot clears what the first one left, and only that
            life = world.life()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.run)
                await trio.sleep(QUOTING_S)
                assert persons < set(world.resting()), "ours rest beside theirs"
                life.request_stop("the test is over")
            assert set(world.resting()) == persons
            assert is_open(world, group_id)

    run_world(scenario, seed=11, build_tree=build_tree, exchange_settings=QUIET)


@pytest.mark.parametrize("everything", [False, True])
def test_i28_a_sweep_from_outside_takes_ours_alone_without_everything(
    everything: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def scenario(world: World) -> None:
        persons, group_id = a_person_acts(world)
        line = Line()
        life = world.life(line)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(QUOTING_S)
            nursery.cancel_scope.cancel(reason="killed: nobody leaves in order")
        assert persons < set(world.resting())
        report = await sweep(world)
        assert report.verified
        assert set(world.resting()) == (set() if everything else persons)
        assert is_open(world, group_id) is not everything

    async def sweep(world: World) -> SweepReport:
        async def no_instance(base_url: str) -> str:
            await trio.lowlevel.checkpoint()
            return ""

        def ports(endpoints: Endpoints, settings: object, signer: object, server_ms: object) -> Ports:
            return world._open_ports(Line(), ServerClock(now=world.seams.now, wall_ms=world.seams.wall_ms))

        monkeypatch.setattr(ops.outside_sweep, "network_ports", ports)
        monkeypatch.setattr(ops.outside_sweep, "simulator_instance", no_instance)
        monkeypatch.setattr(ops.outside_sweep, "real_seams", lambda: world.seams)
        monkeypatch.chdir(tmp_path)
        credentials = Credentials(key_id=KEY_ID, private_key_pem=ops.simulation._key_pair()[0])
        endpoints = Endpoints(base_url=BASE_URL, websocket_url=BASE_URL)
        return await ops.outside_sweep._sweep(Settings(), endpoints, credentials, everything)

    run_world(scenario, seed=11, build_tree=build_tree, exchange_settings=QUIET)
