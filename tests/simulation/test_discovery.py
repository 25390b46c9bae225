"""Selection on the whole exchange: incentives by their programs, and toxic markets left alone and taken up again."""

from __future__ import annotations

import re

import attrs
import pytest
import trio

from actors.messages.control import ControlCommand
from actors.runtime.selection_facts import FactsParameters
from kalshi.numbers import CountE2
from kalshi.simulator.settings import SimulatorSettings
from ops.settings import DiscoverySettings, Settings
from ops.simulation import KEY_ID, World, run_world
from quant.programs import Program, SelectionKind
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
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
            await trio.sleep(10)
            shadow = re.search(r"rewards: \$0.00 booked, \$(\d+\.\d\d) by our own count", life.snapshot.discovery)
            assert shadow is not None, life.snapshot.discovery
            assert float(shadow[1]) > 0
            life.request_stop("the scenario says so")

    run_world(
        scenario,
        seed=5,
        build_tree=build_tree,
        settings=attrs.evolve(Settings(), programs=REWARDS),
        exchange_settings=SimulatorSettings(flow_rate=0.3),
    )


@pytest.mark.long
def test_a_market_that_lost_is_left_alone_over_a_crash_of_discovery_and_taken_up_again() -> None:
    named = {"named": Program(selection=SelectionKind.TICKERS, tickers=(NAMED,), order_size_e2=CountE2(1_000))}
    toxicity = ToxicityParameters(contracts_min=5.0, pnl_loss_max=1.0, exclusion_s=90.0)

    async def scenario(world: World) -> None:
        life = world.life()
        ask = ControlCommand(word="explain", arguments=(("ticker", NAMED),))

        def is_owned() -> bool:
            assert life.snapshot is not None
            return any(row.ticker == NAMED and row.program for row in life.snapshot.markets)

        async def wait_until_owned(wanted: bool, within_s: float) -> float:
            began_s = trio.current_time()
            while is_owned() is not wanted:
                await trio.sleep(0.5)
                assert trio.current_time() < began_s + within_s
            return trio.current_time()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(10)
            await wait_until_owned(True, 10)
            held = 0
            for _ in range(600):
                if held := world.exchange.truth.positions(KEY_ID).get(NAMED, 0):
                    break
                await trio.sleep(0.1)
            assert held, "nobody traded with us"
            world.exchange.flow.news(NAMED, -4_000.0 if held > 0 else 4_000.0)
            excluded_s = await wait_until_owned(False, 60)
            said = (await life.answer(ask)).text
            assert "selection by named: not selected: its market is toxic: " in said
            life.kill_actor("discovery")
            await trio.sleep(40)
            assert not is_owned()
            status = next(row for row in life.snapshot.actors if row.name == "discovery")  # type: ignore[union-attr]
            assert status.restarts == 1
            assert await wait_until_owned(True, 90) >= excluded_s + 60
            assert "selection by named: selected" in (await life.answer(ask)).text
            life.request_stop("the scenario says so")

    facts = FactsParameters(toxicity=toxicity)
    run_world(
        scenario,
        seed=5,
        build_tree=build_tree,
        settings=attrs.evolve(
            Settings(),
            programs=named,
            discovery=DiscoverySettings(facts=facts),
            # Makers pay in this series, and quotes that earn it back trade too seldom for this.
            quoting=AvellanedaStoikovParameters(is_fee_floor=False),
        ),
        exchange_settings=SimulatorSettings(flow_rate=1.0),
    )
