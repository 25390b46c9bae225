"""The documents' numbers drive the whole bot: degenerate ones quote little, and nothing breaks."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

from kalshi.simulator.settings import SimulatorSettings
from ops.settings_load import load_settings
from ops.simulation import KEY_ID, World, run_world
from supervisor import build_tree

PROFILE = Path(__file__).resolve().parents[2] / "profiles" / "documents.yaml"
QUOTING_S = 15.0


@attrs.frozen(kw_only=True)
class Seen:
    programs: set[str]
    spreads_e4: set[int]  # between our own two orders of a market
    held_e2: int  # the most contracts that rested on one side of a market


async def watch(world: World) -> Seen:
    life = world.life()
    spreads: set[int] = set()
    held_e2 = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        while trio.current_time() < QUOTING_S:
            await trio.sleep(0.5)
            own: dict[str, dict[str, int]] = {}
            for order in world.exchange.truth.resting_orders(KEY_ID):
                own.setdefault(order.ticker, {})[order.side.value] = order.price_e4
                held_e2 = max(held_e2, order.remaining_e2)
            spreads |= {sides["ask"] - sides["bid"] for sides in own.values() if len(sides) == 2}
        assert life.snapshot is not None
        programs = {row.program for row in life.snapshot.markets if row.program}
        life.request_stop("the scenario says so")
    assert life.report.verdict == "verified flat"
    return Seen(programs=programs, spreads_e4=spreads, held_e2=held_e2)


def test_a_while_with_the_documents_numbers_quotes_and_ends_flat() -> None:
    seen = run_world(
        watch,
        seed=5,
        build_tree=build_tree,
        settings=load_settings(PROFILE, {}),
        exchange_settings=SimulatorSettings(flow_rate=0.3),
    )
    assert isinstance(seen, Seen)
    assert "discovery" in seen.programs
    assert "reactive" not in seen.programs
    assert seen.spreads_e4  # both sides of a market rested at once
    assert min(seen.spreads_e4) >= 100
    assert 0 < seen.held_e2 <= 1_000
