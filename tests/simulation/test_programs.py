"""Several programs side by side: each with its selection and strategy, one owner a market, and all of them quote."""

from __future__ import annotations

import attrs
import pytest
import trio

from actors.messages.control import ControlCommand
from kalshi.numbers import CountE2
from kalshi.simulator.settings import SimulatorSettings
from ops.settings import Settings
from ops.simulation import KEY_ID, World, run_world
from quant.allocation import AllocationParameters
from quant.programs import Program, SelectionKind
from quant.quoting.strategies import StrategyName
from supervisor import build_tree

QUOTING_S = 40.0
NAMED = "KXNFLGAME-26SEP27CINGB-CIN"
UNLISTED = "KXNOBODY-LISTS-THIS"
EVENT = "KXFEDDECISION-26NOV"
PROGRAMS = {
    "scored": Program(),
    "named": Program(
        selection=SelectionKind.TICKERS,
        tickers=(NAMED, UNLISTED),
        strategy=StrategyName.TOUCH,
        order_size_e2=CountE2(300),
        max_position_e2=CountE2(3_000),
        priority=30,
    ),
    "event": Program(
        selection=SelectionKind.EVENTS,
        events=(EVENT,),
        strategy=StrategyName.GLFT,
        order_size_e2=CountE2(200),
        priority=20,
    ),
    "rival": Program(
        selection=SelectionKind.TICKERS,
        tickers=(NAMED,),
        strategy=StrategyName.HYBRID,
        order_size_e2=CountE2(700),
        priority=20,
    ),
    "off": Program(selection=SelectionKind.TICKERS, tickers=(NAMED,), priority=99, is_enabled=False),
}


@attrs.frozen(kw_only=True)
class Seen:
    owners: dict[str, tuple[str, str]]  # by ticker: program and strategy
    explained: dict[str, str]
    counts_e2: dict[str, set[int]]  # sizes at which orders rested, by ticker


async def watch(world: World) -> Seen:
    life = world.life()
    counts_e2: dict[str, set[int]] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        while trio.current_time() < QUOTING_S:
            await trio.sleep(0.5)
            for order in world.exchange.truth.resting_orders(KEY_ID):
                counts_e2.setdefault(order.ticker, set()).add(order.remaining_e2)
        assert life.snapshot is not None
        owners = {row.ticker: (row.program, row.strategy) for row in life.snapshot.markets if row.program}
        asked = {
            t: ControlCommand(word="explain", arguments=(("ticker", t),)) for t in (NAMED, UNLISTED, "KXUNHEARD-OF")
        }
        explained = {ticker: (await life.answer(command)).text for ticker, command in asked.items()}
        life.request_stop("the scenario says so")
    assert life.report.verdict == "verified flat"
    return Seen(owners=owners, explained=explained, counts_e2=counts_e2)


def test_each_program_gets_what_it_selects_and_quotes_it_its_own_way() -> None:
    settings = attrs.evolve(Settings(), programs=PROGRAMS, allocation=AllocationParameters(max_markets_with_orders=10))
    seen = run_world(
        watch, seed=5, build_tree=build_tree, settings=settings, exchange_settings=SimulatorSettings(flow_rate=0.3)
    )
    assert isinstance(seen, Seen)
    assert seen.owners[NAMED] == ("named", "touch")
    of_event = {owner for ticker, owner in seen.owners.items() if ticker.startswith(EVENT)}
    assert of_event == {("event", "glft")}
    assert {program for program, _ in seen.owners.values()} == {"named", "event", "scored"}
    assert len(seen.owners) == 10
    assert max(seen.counts_e2[NAMED]) == 300
    assert max(max(sizes) for ticker, sizes in seen.counts_e2.items() if ticker.startswith(EVENT)) == 200
    assert "owner: program named, strategy touch" in seen.explained[NAMED]
    assert "selection by named: selected" in seen.explained[NAMED]
    assert "selection by rival: selected" in seen.explained[NAMED]
    assert "configured for named: max_position_contracts 30: the program's limit" in seen.explained[NAMED]
    assert "configured for named: order_size_contracts 3: the program's size" in seen.explained[NAMED]
    assert seen.explained[UNLISTED].splitlines() == [
        f"{UNLISTED} is not quoted: no program has it",
        "selection by named: not selected: the exchange does not list it",
    ]
    assert "is not among the bot's markets" in seen.explained["KXUNHEARD-OF"]


@pytest.mark.long
def test_a_program_is_stopped_and_started_by_a_person() -> None:
    async def scenario(world: World) -> list[set[str]]:
        life = world.life()
        seen: list[set[str]] = []

        async def ask(*arguments: tuple[str, str]) -> str:
            return (await life.answer(ControlCommand(word="program", arguments=arguments))).text

        async def look() -> None:
            await trio.sleep(15)
            assert life.snapshot is not None
            seen.append({row.program for row in life.snapshot.markets if row.ticker == NAMED})

        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await look()
            assert "rival: on" in await ask()
            assert "is withdrawn" in await ask(("name", "named"), ("state", "off"))
            assert "off already" in await ask(("name", "named"), ("state", "off"))
            await look()
            assert "selects again" in await ask(("name", "named"), ("state", "on"))
            await look()
            assert "no program 'nobody'" in await ask(("name", "nobody"), ("state", "on"))
            life.request_stop("the scenario says so")
        return seen

    settings = attrs.evolve(Settings(), programs=PROGRAMS)
    seen = run_world(scenario, seed=5, build_tree=build_tree, settings=settings)
    assert seen == [{"named"}, {"rival"}, {"named"}]
