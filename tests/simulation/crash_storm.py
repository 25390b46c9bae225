"""Kills every actor of one bot many times, spaced so that its supervisors bear it, and compares its books with the
exchange's truth in the end.

`python -m tests.simulation.crash_storm --kills 50 --seed 1` is the long one. The windows are set to three restarts in
30 s; kills come one by one in random order and at random moments, so that no window ever holds more than three.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import attrs
import trio

from actors.runtime.exit_guard import ExitCode, ExitReport
from actors.runtime.lifecycle import ActorExited, ActorStarted, ExitKind, LifecycleEvent
from actors.runtime.supervision import RestartWindow
from kalshi.simulator.settings import SimulatorSettings
from ops.campaign.books import books_differ
from ops.campaign.faults import ROOT_ACTORS
from ops.campaign.seed import SERIES
from ops.life import Life
from ops.settings import Settings
from ops.simulation import KEY_ID, World, run_world
from ops.snapshot import why_not_quoting
from supervisor import build_tree

WINDOW: Final = RestartWindow(3, 30.0)
APART_S: Final = (10.5, 14.0)  # never a fourth within 30 s
WARM_UP_S: Final = 15.0
SETTLE_S: Final = 5.0
CALM_S: Final = 60.0
MONEY_S: Final = 30.0


@attrs.frozen(kw_only=True)
class Storm:
    """What a storm did, and how the books stood afterwards: `differences` is empty when they equal the truth."""

    kills: Counter[str]
    restarts: Counter[str]
    fills: int
    simulated_s: float
    differences: tuple[str, ...]
    report: ExitReport
    left: tuple[str, ...]


def _settings() -> Settings:
    settings = Settings()
    return attrs.evolve(
        settings,
        supervision=attrs.evolve(settings.supervision, root=WINDOW, markets=WINDOW, quarantine=WINDOW),
        allocation=attrs.evolve(settings.allocation, max_markets_with_orders=6),
    )


def run_storm(kills: int, seed: int, actors: tuple[str, ...] = (*ROOT_ACTORS, "market")) -> Storm:
    """Kills each of `actors` so often; "market" stands for every market's actor."""
    result = run_world(
        lambda world: _storm(world, kills, seed, actors),
        seed=seed,
        build_tree=build_tree,
        settings=_settings(),
        exchange_settings=SimulatorSettings(listed_series=SERIES, flow_rate=0.3, tick_ms=100),
    )
    assert isinstance(result, Storm)
    return result


async def _storm(world: World, kills: int, seed: int, actors: tuple[str, ...]) -> Storm:
    rng, killed, restarts = random.Random(f"{seed}:storm"), Counter[str](), Counter[str]()

    def hear(event: LifecycleEvent) -> None:
        if isinstance(event, ActorStarted) and event.incarnation > 1:
            restarts[event.name] += 1
        if isinstance(event, ActorExited) and event.kind in (ExitKind.ESCALATED, ExitKind.QUARANTINED):
            restarts[f"{event.kind.value} {event.name}"] += 1

    life = world.life(on_lifecycle=hear)

    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        await trio.sleep(WARM_UP_S)
        victims = _victims(life, actors) * kills
        rng.shuffle(victims)
        for name in victims:
            await trio.sleep(rng.uniform(*APART_S))
            life.kill_actor(name)
            killed[name] += 1
        await trio.sleep(SETTLE_S)  # the picture that is looked at is a second old
        await _until(lambda: not _ails(life), CALM_S)
        await _until(lambda: not _differs(world, life), MONEY_S)
        differences = tuple(filter(None, (_ails(life), _differs(world, life), _fills_differ(world))))
        life.request_stop("the storm is over")
    return Storm(
        kills=killed,
        restarts=restarts,
        fills=len(world.exchange.truth.fills(KEY_ID)),
        simulated_s=trio.current_time() - began_s,
        differences=differences,
        report=life.report,
        left=tuple(world.resting()),
    )


def _victims(life: Life, actors: tuple[str, ...]) -> list[str]:
    assert life.snapshot is not None
    markets = [row.name for row in life.snapshot.actors if row.name.startswith("market:")]
    return [name for actor in actors for name in (markets if actor == "market" else [actor])]


def _ails(life: Life) -> str:
    return why_not_quoting(life.snapshot) if life.snapshot is not None else "it has not booted"


def _differs(world: World, life: Life) -> str:
    assert life.snapshot is not None
    return books_differ(life.snapshot, world)


def _fills_differ(world: World) -> str:
    """Compares the Ledger's fills with the exchange's, one by one."""
    (path,) = Path(world.folder).glob("**/ledger.sqlite")
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT order_id, fill_id, count_e2, price_e4, fee_e6 FROM fills").fetchall()
    true = [
        (fill.order_id, fill.trade_id, fill.count_e2, fill.price_e4, fill.fee_e6)
        for fill in world.exchange.truth.fills(KEY_ID)
    ]
    return "" if sorted(rows) == sorted(true) else f"the Ledger has {len(rows)} fills, the exchange {len(true)}"


async def _until(condition: Callable[[], bool], within_s: float) -> None:
    for _ in range(round(within_s / 0.5)):
        if condition():
            return
        await trio.sleep(0.5)


def main() -> int:
    """Runs one storm and prints what came of it; 0 when the books equal the truth and nothing rests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    storm = run_storm(options.kills, options.seed)
    for name in sorted(storm.kills):
        print(f"{name:<32} killed {storm.kills[name]:>4}  restarted {storm.restarts[name]:>4}")
    print(f"{storm.simulated_s / 60:.0f} simulated minutes, {storm.fills} fills, {storm.report.verdict}")
    print("; ".join(storm.differences) or "positions, cash and every fill equal the exchange's")
    is_well = not storm.differences and not storm.left and storm.report.exit_code is ExitCode.VERIFIED_FLAT
    return 0 if is_well else 1


if __name__ == "__main__":
    raise SystemExit(main())
