"""Refill in a running bot: caps of stakes and of an N-way event hold over killed actors, power cuts and restarts."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

import attrs
import pytest
import trio

from kalshi.numbers import CountE2, PriceE4
from kalshi.simulator.settings import SimulatorSettings
from ops.life import Life
from ops.settings import Settings
from ops.simulation import CALM, KEY_ID, ROUGH, Faults, Line, World, run_world
from quant.programs import Program, SelectionKind
from quant.quoting.refill import EventParameters
from quant.quoting.refill_state import RepostBase, StakeParameters, StakeSides
from quant.quoting.strategies import StrategyName
from supervisor import build_tree

CUT, HOLD, HIKE = (f"KXFEDDECISION-26NOV-{outcome}" for outcome in ("C25", "H0", "H25"))
STAKE_MAX_E2 = 14_000
EVENT_MAX_E2 = 30_000
ROUND_E2 = 1_000


def _stake(ticker: str, sides: StakeSides, yes_e4: int | None, no_e4: int | None = None) -> StakeParameters:
    return StakeParameters(
        ticker=ticker,
        count_e2=CountE2(ROUND_E2),
        sides=sides,
        yes_price_e4=None if yes_e4 is None else PriceE4(yes_e4),
        no_price_e4=None if no_e4 is None else PriceE4(no_e4),
        repost_base=RepostBase.MARKET_BEST_OFFER,
        off_e4=100,
        max_count_e2=CountE2(STAKE_MAX_E2),
        cooldown_s=0.5,
    )


EVENT = EventParameters(
    stakes=(
        _stake(CUT, StakeSides.YES, 3_600),
        _stake(HOLD, StakeSides.BOTH, 5_800, 4_100),
        _stake(HIKE, StakeSides.YES, 500),
    ),
    is_exclusive=False,
    max_count_e2=CountE2(EVENT_MAX_E2),
)
PROGRAMS = {"stakes": Program(selection=SelectionKind.TICKERS, strategy=StrategyName.REFILL, refill=EVENT)}


@attrs.frozen(kw_only=True)
class Seen:
    filled_e2: dict[str, int]  # by ticker, at the exchange
    alerts: tuple[str, ...]
    restored: tuple[str, ...]
    resting_after_all: int


def _filled(world: World) -> Counter[str]:
    counts: Counter[str] = Counter()
    for fill in world.exchange.truth.fills(KEY_ID):
        counts[fill.ticker] += fill.count_e2
    return counts


def _check_caps(world: World) -> None:
    """Everything filled or resting, at the exchange, is within the caps at every look."""
    counts = _filled(world)
    for order in world.exchange.truth.resting_orders(KEY_ID):
        counts[order.ticker] += order.remaining_e2
    assert all(count <= STAKE_MAX_E2 for count in counts.values()), counts
    assert sum(counts.values()) <= EVENT_MAX_E2, counts


async def _watched(world: World, seconds: float) -> None:
    end_s = trio.current_time() + seconds
    while trio.current_time() < end_s:
        await trio.sleep(0.1)
        _check_caps(world)


def _kill(life: Life) -> None:
    for name in (f"market:{CUT}", f"market:{HOLD}"):
        if life.snapshot is not None and any(row.name == name for row in life.snapshot.actors):
            life.kill_actor(name)


async def _lives(world: World) -> Seen:
    first = Line()
    with trio.CancelScope() as power:
        async with trio.open_nursery() as nursery:
            life = world.life(first)
            nursery.start_soon(life.run)
            await _watched(world, 14)
            _kill(life)
            await _watched(world, 8)
            world.cut_power(first)
            power.cancel()
    before = _filled(world)
    assert 0 < sum(before.values()) < EVENT_MAX_E2 - ROUND_E2, "the power was cut before anything or after everything"
    await trio.sleep(5)
    resting = -1
    for seconds in (100, 10):
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await _watched(world, seconds)
            resting = len(world.resting())
            life.request_stop("the scenario says so")
    with closing(sqlite3.connect(next(world.folder.rglob("ledger.sqlite")))) as db:
        alerts = tuple(row[0] for row in db.execute("SELECT text FROM alerts WHERE code = 'refill_stopped'"))
        states = tuple(row[0] for row in db.execute("SELECT state FROM refill_stakes"))
    return Seen(filled_e2=dict(_filled(world)), alerts=alerts, restored=states, resting_after_all=resting)


@pytest.mark.parametrize(("seed", "faults"), [(5, CALM), pytest.param(5, ROUGH, marks=pytest.mark.long)])
def test_caps_hold_over_kills_power_cuts_and_restarts(seed: int, faults: Faults) -> None:
    settings = attrs.evolve(Settings(), programs=PROGRAMS)
    seen = run_world(
        _lives,
        seed=seed,
        build_tree=build_tree,
        settings=settings,
        faults=faults,
        exchange_settings=SimulatorSettings(flow_rate=2.0, listed_series=("KXFEDDECISION",)),
    )
    assert isinstance(seen, Seen)
    assert sum(seen.filled_e2.values()) > EVENT_MAX_E2 - 4 * ROUND_E2, seen.filled_e2
    assert len(seen.filled_e2) == 3
    assert len(seen.restored) == 3
    assert any("of the event reached" in text for text in seen.alerts), seen.alerts
    assert len(set(seen.alerts)) == len(seen.alerts), "a person is told once"
