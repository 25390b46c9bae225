"""The whole bot against a socket at its worst: it quotes again once a fault is over, whatever the fault was."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio

from kalshi.simulator.settings import SimulatorSettings
from kalshi.simulator.socket_hub import SocketHub
from ops.life import Life
from ops.simulation import World, run_world
from supervisor import build_tree

QUOTING_S = 8.0
MARKETS_QUOTED = 8

Fault = Callable[[SocketHub], object]


def two_sided(life: Life) -> int:
    assert life.snapshot is not None
    return sum(row.own_bid is not None and row.own_ask is not None for row in life.snapshot.markets)


def run(fault: Fault, recovery_s: float, settings: SimulatorSettings) -> None:
    async def scenario(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(QUOTING_S)
            assert two_sided(life) >= MARKETS_QUOTED
            fault(world.exchange.hub)
            await trio.sleep(recovery_s)
            assert two_sided(life) >= MARKETS_QUOTED
            life.request_stop("the test is over")
        assert world.resting() == []

    run_world(scenario, seed=11, build_tree=build_tree, exchange_settings=settings)


def drop_snapshots_of_a_new_start(hub: SocketHub) -> None:
    hub.fault_drop_snapshots(5)
    hub.fault_drop_all()


FAULTS: dict[str, tuple[Fault, float]] = {
    "a lost frame": (lambda hub: hub.fault_gap("orderbook_delta"), 12),
    "a frame twice": (lambda hub: hub.fault_duplicate("orderbook_delta"), 12),
    "silence": (lambda hub: hub.fault_silence(8.0), 30),
    "a broken connection": (lambda hub: hub.fault_drop_all(), 20),
    "missing snapshots": (drop_snapshots_of_a_new_start, 40),
    "a slow reader's end": (lambda hub: hub.fault_kick_slow(), 20),
    "a channel error": (lambda hub: hub.fault_channel_error("orderbook_delta"), 20),
}


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_the_bot_quotes_again_after(name: str) -> None:
    fault, recovery_s = FAULTS[name]
    run(fault, recovery_s, SimulatorSettings())


@pytest.mark.long
def test_the_bot_lives_with_everything_that_the_exchange_may_do() -> None:
    """Late and overtaking answers, keys and types that nobody knows, stamps, timeouts, and crossing bursts."""
    settings = attrs.evolve(
        SimulatorSettings(),
        socket_reorder_ms=250,
        socket_unknown_share=0.05,
        socket_timeout_share=0.2,
        sending_ts_ms=True,
        transient_cross_share=1.0,
    )
    run(lambda hub: hub.fault_gap("orderbook_delta"), 20, settings)
