"""C6: in the simulated exchange a market that swings gets an event; the scanner is killed; the market calms down.

The event of the killed scanner is over by the word of the next one, which finds the market again once its windows are
full, and ends its own event when the price rests. All that is in the ledger, and `explain` and status tell it.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3

import attrs
import pytest
import trio

from actors.messages.control import ControlCommand
from actors.volatility_scanner import STARTED_ANEW
from kalshi.simulator.settings import SimulatorSettings
from ops.settings import Settings, VolatilityScannerSettings
from ops.simulation import World, run_world
from quant.programs import Program, SelectionKind
from quant.selection.volatility_events import FELL, EventParameters
from quant.selection.volatility_tracking import TrackingParameters
from supervisor import build_tree

SERIES = "KXRAINSEA"
MARKET = "KXRAINSEA-26OCT-T5"
HALF_LIFE_S = 8.0
STATIONARY_SD_E4 = 500.0
STEP_S = 1.0
LATEST_S = 3_000.0  # each thing that is waited for has come by then, or the test fails
SETTINGS = attrs.evolve(
    Settings(),
    programs={"nothing": Program(selection=SelectionKind.TICKERS, tickers=("KXNOBODY-LISTS-THIS",))},
    volatility_scanner=VolatilityScannerSettings(
        is_enabled=True,
        tracking=TrackingParameters(volume_24h_min_e2=0, time_to_close_max_s=100 * 86_400.0),
        # So that the estimate, which forgets half in five minutes, falls below it within ten minutes of rest.
        events=EventParameters(sigma_min_per_minute=0.05),
    ),
)


@attrs.define
class Swing:
    """Moves the market's hidden value up and down around its home while `is_on`."""

    world: World
    is_on: bool = True

    async def run(self) -> None:
        flow, rng = self.world.exchange.flow, random.Random(1)
        flow.set_regime(MARKET, "quiet")
        home_e4, distance_e4, kept = flow.fair_e4(MARKET), 0.0, 0.5 ** (STEP_S / HALF_LIFE_S)
        while True:
            distance_e4 = kept * distance_e4 + rng.gauss(0.0, STATIONARY_SD_E4 * (1 - kept**2) ** 0.5)
            target_e4 = home_e4 + (distance_e4 if self.is_on else 0.0)
            flow.news(MARKET, target_e4 - flow.fair_e4(MARKET))
            await trio.sleep(STEP_S)


Row = tuple[int, int, str, str]


def rows(world: World) -> list[Row]:
    """Returns incarnation, number, state and reason of what was recorded of the market's events, in order."""
    with contextlib.closing(sqlite3.connect(next(world.folder.rglob("ledger.sqlite")))) as db:
        query = "SELECT incarnation, event_id, state, reason FROM volatility_events WHERE ticker = ? ORDER BY rowid"
        return db.execute(query, (MARKET,)).fetchall()


async def wait_for(world: World, state: str, incarnation: int) -> Row:
    while trio.current_time() < LATEST_S:
        await trio.sleep(3)
        found = [row for row in rows(world) if (row[0], row[2]) == (incarnation, state)]
        if found:
            return found[0]
    raise AssertionError(f"no event of incarnation {incarnation} was {state}: {rows(world)}")


@attrs.frozen(kw_only=True)
class Seen:
    rows: list[Row]
    status: str
    explained: str
    verdict: str


async def scenario(world: World) -> Seen:
    life, swing = world.life(), Swing(world)
    async with trio.open_nursery() as outer:
        outer.start_soon(swing.run)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await wait_for(world, "begun", 1)
            await trio.sleep(70)  # verdicts are recorded once a minute
            status = (await life.answer(ControlCommand(word="status"))).text
            explained = (await life.answer(ControlCommand(word="explain", arguments=(("ticker", MARKET),)))).text
            life.kill_actor("volatility_scanner")
            await wait_for(world, "over", 1)
            await wait_for(world, "begun", 2)
            swing.is_on = False
            await wait_for(world, "over", 2)
            life.request_stop("the scenario says so")
        outer.cancel_scope.cancel()
    return Seen(rows=rows(world), status=status, explained=explained, verdict=life.report.verdict)


def check(seen: Seen) -> None:
    first, second = ([row for row in seen.rows if row[0] == incarnation] for incarnation in (1, 2))
    for life in (first, second):
        assert [row[2] for row in life] == ["begun", "over"]
        assert life[0][1] == life[1][1], "the same event"
        assert life[0][3].endswith("and comes back")
    assert first[1][3] == STARTED_ANEW
    assert second[1][3] == FELL
    told = next(line for line in seen.status.splitlines() if line.startswith("volatility: "))
    assert told.startswith("volatility: 4 of 4 markets watched, 4 heard; ")
    assert MARKET in told.partition("events: ")[2]
    assert f"selection by volatility_scanner: selected: {first[0][3]}" in seen.explained.splitlines()
    assert seen.verdict == "verified flat"


@pytest.mark.long
def test_an_event_begins_outlives_no_scanner_begins_anew_and_ends_when_the_market_calms_down() -> None:
    exchange = SimulatorSettings(flow_rate=3.0, listed_series=(SERIES,), rolling=False)
    seen = run_world(scenario, seed=5, build_tree=build_tree, settings=SETTINGS, exchange_settings=exchange)
    assert isinstance(seen, Seen)
    check(seen)
