"""Selection on the whole exchange: incentives by their programs, and toxic markets left alone and taken up again."""

from __future__ import annotations

import attrs
import trio

from actors.messages.control import ControlCommand
from actors.runtime.selection_facts import FactsParameters
from kalshi.numbers import CountE2
from kalshi.simulator.settings import SimulatorSettings
from ops.settings import DiscoverySettings, Settings
from ops.simulation import KEY_ID, World, run_world
from quant.programs import Program, SelectionKind
from quant.quoting.strategies import StrategyName
from quant.selection.toxicity import ToxicityParameters
from supervisor import build_tree

REWARDS = {"rewards": Program(selection=SelectionKind.INCENTIVES, strategy=StrategyName.TOUCH)}
NAMED = "KXNFLGAME-26SEP27CINGB-CIN"


def test_a_market_with_a_running_program_is_quoted_and_one_without_is_told_why_not() -> None:
    async def scenario(world: World) -> None:
        life = world.life()
        with_program = {
            one.market_ticker
            for one in world.exchange.services.incentives.programs()
            if one.kind == "liquidity" and one.status(world.exchange.core.now_ms()) == "active"
        }
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(25)
            assert life.snapshot is not None
            owned = {row.ticker for row in life.snapshot.markets if row.program == "rewards"}
            resting = {order.ticker for order in world.exchange.truth.resting_orders(KEY_ID)}
            assert len(owned) >= 10
            assert owned <= with_program
            assert resting <= owned
            assert len(resting) >= 10
            without = min(world.exchange.core.markets.keys() - with_program)
            said = (await life.answer(ControlCommand(word="explain", arguments=(("ticker", without),)))).text
            assert said.startswith(f"{without} is not quoted: no program has it")
            assert "selection by rewards: not selected: " in said
            assert "no liquidity program is running" in said
            life.request_stop("the scenario says so")

    run_world(
        scenario,
        seed=5,
        build_tree=build_tree,
        settings=attrs.evolve(Settings(), programs=REWARDS),
        exchange_settings=SimulatorSettings(flow_rate=0.3),
    )
