"""Kills the whole bot many times along a simulated day of trading and settlements, and compares its money in the end.

`python -m tests.simulation.money_storm --kills 200 --seed 1` is the long one. A life ends as in a power cut, at some
moment: nothing is said, sent or written after it. Some markets settle meanwhile, seen by a life or by none. The last
life must show the positions and cash of the exchange, and the totals of an accounting of the same fills and settlements
that was never interrupted.
"""

from __future__ import annotations

import argparse
import random
from typing import Final

import attrs
import trio

from actors.messages.control import SystemSnapshot
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.simulator.orders import Fill as ExchangeFill
from kalshi.simulator.settings import SimulatorSettings
from kalshi.types import Fill
from ops.campaign.books import books_differ
from ops.campaign.seed import SERIES
from ops.settings import Settings
from ops.simulation import KEY_ID, Line, World, run_world
from quant.fills import NumberedFill
from quant.positions import Portfolio, apply_fills, settle_market
from quant.retirement import RetirementParameters
from supervisor import build_tree

LIFE_S: Final = (0.05, 12.0)
DOWN_S: Final = (0.0, 4.0)
SETTLE_EVERY: Final = 10  # kills
MONEY_S: Final = 90.0
FINALIZES: Final = SimulatorSettings(
    listed_series=SERIES, flow_rate=2.0, tick_ms=100, determination_delay_ms=500, settlement_timer_ms=1_000
)


@attrs.frozen(kw_only=True)
class MoneyStorm:
    """How much there was to miscount, and what was: `differences` is empty when all the money is right."""

    kills: int
    fills: int
    settled: int
    simulated_s: float
    differences: tuple[str, ...]


def run_storm(kills: int, seed: int) -> MoneyStorm:
    """Kills so many lives of one bot, then lets a last one show its books."""
    result = run_world(
        lambda world: _storm(world, kills, seed),
        seed=seed,
        build_tree=build_tree,
        settings=_settings(),
        exchange_settings=FINALIZES,
    )
    assert isinstance(result, MoneyStorm)
    return result


def _settings() -> Settings:
    """Markets are let go, and looked for, within a life: otherwise no life here would be long enough."""
    settings = Settings()
    retirement = RetirementParameters(after_s=1.0, read_every_s=2.0)
    return attrs.evolve(settings, risk=attrs.evolve(settings.risk, retirement=retirement))


async def _storm(world: World, kills: int, seed: int) -> MoneyStorm:
    rng, settled = random.Random(f"{seed}:money"), dict[str, int]()
    began_s = trio.current_time()
    for number in range(kills):
        await _live_and_die(world, rng.uniform(*LIFE_S))
        if number % SETTLE_EVERY == SETTLE_EVERY - 1:
            _settle_a_held_market(world, rng, settled)
        await trio.sleep(rng.uniform(*DOWN_S))
    differences = await _last_life(world, settled)
    return MoneyStorm(
        kills=kills,
        fills=len(world.exchange.truth.fills(KEY_ID)),
        settled=len(settled),
        simulated_s=trio.current_time() - began_s,
        differences=differences,
    )


async def _live_and_die(world: World, lives_s: float) -> None:
    line = Line()
    life = world.life(line)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        await trio.sleep(lives_s)
        world.cut_power(line)
        nursery.cancel_scope.cancel(reason="the power is cut")


def _settle_a_held_market(world: World, rng: random.Random, settled: dict[str, int]) -> None:
    held = sorted(world.exchange.truth.positions(KEY_ID).keys() - settled.keys())
    if held:
        ticker, is_yes = rng.choice(held), rng.random() < 0.5
        world.exchange.lifecycle.determine(ticker, "yes" if is_yes else "no")
        settled[ticker] = 10_000 if is_yes else 0


async def _last_life(world: World, settled: dict[str, int]) -> tuple[str, ...]:
    line = Line()
    life = world.life(line)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        await trio.sleep(5)
        world.exchange.lifecycle.set_pause(trading_active=False)  # what has traded gets the time to be read
        differences: tuple[str, ...] = ("it has not booted",)
        for _ in range(round(MONEY_S)):
            await trio.sleep(1.0)
            if life.snapshot is not None:
                differences = _differences(world, life.snapshot, settled)
            if not differences:
                break
        life.request_stop("the storm is over")
    return differences


def _differences(world: World, snapshot: SystemSnapshot, settled: dict[str, int]) -> tuple[str, ...]:
    plain = uninterrupted(world.exchange.truth.fills(KEY_ID), settled).totals
    ours = snapshot.totals
    pairs = {
        "cash": (ours.cash_e6, plain.cash_delta_e6),
        "realised": (ours.realised_e6, plain.realised_e6),
        "fees": (ours.fees_e6, plain.fees_e6),
        "fills": (ours.fills, plain.fills),
        "contracts": (ours.contracts_e2, plain.traded_e2),
        "exactness": (ours.is_exact, True),
    }
    told = [f"{name}: the bot {bots}, uninterrupted {other}" for name, (bots, other) in pairs.items() if bots != other]
    return tuple(filter(None, (books_differ(snapshot, world), *told)))


def uninterrupted(fills: list[ExchangeFill], settled: dict[str, int]) -> Portfolio:
    """Returns the books of somebody who saw every fill and settlement and was never away."""
    numbered = tuple(NumberedFill(fill_seq=n, fill=_plain(fill)) for n, fill in enumerate(fills, start=1))
    portfolio = apply_fills(Portfolio(), numbered).portfolio
    for ticker, value_e4 in settled.items():
        portfolio = settle_market(portfolio, ticker, PriceE4(value_e4))
    return portfolio


def _plain(fill: ExchangeFill) -> Fill:
    return Fill(
        fill_id=fill.trade_id,
        order_id=fill.order_id,
        ticker=fill.ticker,
        side=fill.side,
        price_e4=PriceE4(fill.price_e4),
        count_e2=CountE2(fill.count_e2),
        fee_e6=MoneyE6(fill.fee_e6),
        is_taker=fill.is_taker,
        ts_ms=fill.ts_ms,
        exchange_index=fill.exchange_index,
    )


def main() -> int:
    """Runs one storm and prints what came of it; 0 when all the money is right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    storm = run_storm(options.kills, options.seed)
    print(
        f"{storm.kills} kills in {storm.simulated_s / 60:.0f} simulated minutes, "
        f"{storm.fills} fills, {storm.settled} settled"
    )
    print("; ".join(storm.differences) or "positions, cash, profit, fees and totals equal")
    return 1 if storm.differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
