"""Incentive quoting in a running bot: it quotes where a program runs, as that program pays, and ends with it."""

from __future__ import annotations

import attrs
import trio

from actors.messages.market import ProgramTerms
from kalshi.numbers import CountE2, MoneyE6
from kalshi.simulator.settings import SimulatorSettings
from ops.settings import Settings
from ops.simulation import KEY_ID, WALL_START_MS, World, run_world
from quant.programs import Program, SelectionKind
from quant.quoting.strategies import StrategyName
from quant.rewards.terms import LiquidityTerms
from supervisor import build_tree

WITH_PROGRAM, WITHOUT = "KXFEDDECISION-26NOV-H0", "KXFEDDECISION-26NOV-C25"
ENDS_S = 45.0
TERMS = LiquidityTerms(
    program_id="P",
    ticker=WITH_PROGRAM,
    start_ms=WALL_START_MS - 3_600_000,
    end_ms=WALL_START_MS + int(ENDS_S * 1000),
    period_reward_e6=MoneyE6(20_000_000_000),
    target_e2=CountE2(30_000),
)
PROGRAMS = {
    "rewards": Program(
        selection=SelectionKind.EVENTS,
        events=("KXFEDDECISION-26NOV",),
        strategy=StrategyName.INCENTIVE,
        order_size_e2=CountE2(5_000),
        max_position_e2=CountE2(20_000),
    )
}


@attrs.frozen(kw_only=True)
class Seen:
    quoted: set[str]  # tickers with orders on both sides while the program ran
    largest_e2: int
    requests: int  # writes while it ran
    after: int  # orders after its end
    reasons: tuple[str, ...]


async def _watch(world: World) -> Seen:
    life = world.life()
    sides: dict[str, set[str]] = {}
    largest_e2 = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        await trio.sleep(3)
        life.switchboard.outbox("discovery").publish(
            ProgramTerms(ticker=WITH_PROGRAM, programs=(TERMS,), heard_at_s=trio.current_time())
        )
        while trio.current_time() < ENDS_S - 1:
            await trio.sleep(0.5)
            for order in world.exchange.truth.resting_orders(KEY_ID):
                sides.setdefault(order.ticker, set()).add(order.side.value)
                largest_e2 = max(largest_e2, order.remaining_e2)
        requests = world.exchange.truth.write_requests(KEY_ID)
        await trio.sleep(3)
        held = world.exchange.truth.positions(KEY_ID).get(WITH_PROGRAM, 0)
        after = len([o for o in world.exchange.truth.resting_orders(KEY_ID) if held == 0 or o.ticker == WITHOUT])
        assert life.snapshot is not None
        reasons = next(row.reasons for row in life.snapshot.markets if row.ticker == WITHOUT)
        life.request_stop("the scenario says so")
    quoted = {ticker for ticker, seen in sides.items() if seen == {"bid", "ask"}}
    return Seen(quoted=quoted, largest_e2=largest_e2, requests=requests, after=after, reasons=reasons)


def test_a_running_program_is_quoted_by_its_terms_and_no_longer_than_it_runs() -> None:
    settings = attrs.evolve(Settings(), programs=PROGRAMS)
    seen = run_world(
        _watch,
        seed=5,
        build_tree=build_tree,
        settings=settings,
        exchange_settings=SimulatorSettings(flow_rate=0.3, listed_series=("KXFEDDECISION",)),
    )
    assert isinstance(seen, Seen)
    assert seen.quoted == {WITH_PROGRAM}
    assert 1_000 < seen.largest_e2 <= 5_000
    assert "no liquidity program is running" in seen.reasons
    assert seen.after == 0
    assert seen.requests < 2 * 2 * ENDS_S, "at most one change a side each half second"
