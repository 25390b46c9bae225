"""Fee changes: announced, in force at their time, charged by what is in force, an override before its series."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from kalshi.simulator.events import Event, EventFeesChanged
from kalshi.simulator.listings import Catalogue
from kalshi.simulator.scenario import Scenario
from kalshi.simulator.settings import SimulatorSettings
from kalshi.simulator.timestamps import rfc3339
from tests.kalshi.simulator.customer import OTHER_TICKER, START_MS, TICKER, World, small_catalogue
from tests.kalshi.simulator.fault_stage import Stage, running

_EVENT = "KXTEST-26NOV20"


async def fee_of(world: World, ticker: str = TICKER) -> tuple[str, str]:
    """Trades 100 contracts at 50 cents and returns what maker and taker paid."""
    await world.bob.place("ask", "0.5000", "100.00", ticker=ticker)
    await world.alice.place("bid", "0.5000", "100.00", ticker=ticker)
    fees = [(await one.get("/portfolio/fills"))["fills"][0]["fee_cost"] for one in (world.bob, world.alice)]
    return fees[0], fees[1]


async def test_a_series_change_is_announced_first_and_charged_from_its_time_on() -> None:
    world = World()
    changes = world.exchange.services.fee_changes
    changes.schedule_series("KXTEST", "quadratic_with_maker_fees", 20_000, world.clock() + 5_000)
    announced = (await world.alice.get("/series/fee_changes"))["series_fee_change_arr"]
    assert [(row["series_ticker"], row["fee_type"], row["fee_multiplier"]) for row in announced] == [
        ("KXTEST", "quadratic_with_maker_fees", 2.0)
    ]
    assert (await world.alice.get("/series/fee_changes?series_ticker=KXCOIN"))["series_fee_change_arr"] == []
    world.pass_time(4_999)
    assert await fee_of(world) == ("0.000000", "1.750000")
    world.pass_time(1)
    assert await fee_of(world) == ("0.875000", "3.500000")
    series = (await world.alice.get("/series/KXTEST"))["series"]
    assert (series["fee_type"], series["fee_multiplier"]) == ("quadratic_with_maker_fees", 2.0)
    assert (await world.alice.get("/series/fee_changes"))["series_fee_change_arr"] == []
    past = (await world.alice.get("/series/fee_changes?show_historical=true"))["series_fee_change_arr"]
    assert len(past) == 1


async def test_an_event_override_goes_before_the_series_and_is_cleared_with_null() -> None:
    world = World()
    changes = world.exchange.services.fee_changes
    changes.schedule_event(_EVENT, None, 5_000, world.clock())
    changes.schedule_event(_EVENT, None, None, world.clock() + 1_000)
    world.pass_time(0)
    event = (await world.alice.get(f"/events/{_EVENT}"))["event"]
    assert (event["fee_type_override"], event["fee_multiplier_override"]) == (None, 0.5)
    assert await fee_of(world) == ("0.000000", "0.875000")
    world.pass_time(1_000)
    assert "fee_multiplier_override" not in (await world.alice.get(f"/events/{_EVENT}"))["event"]
    assert await fee_of(world, OTHER_TICKER) == ("0.000000", "1.750000")
    rows = (await world.alice.get(f"/events/fee_changes?event_ticker={_EVENT}"))["event_fee_changes"]
    assert [row["fee_multiplier_override"] for row in rows] == [None, 0.5]
    page: dict[str, Any] = await world.alice.get("/events/fee_changes?limit=1")
    rest = await world.alice.get(f"/events/fee_changes?limit=1&cursor={page['cursor']}")
    assert [one["fee_multiplier_override"] for one in page["event_fee_changes"] + rest["event_fee_changes"]] == [
        None,
        0.5,
    ]
    assert (await world.alice.get("/events/fee_changes?event_ticker=NONE"))["event_fee_changes"] == []


async def test_the_override_that_an_event_is_listed_with_is_shown_charged_and_outlives_changes_elsewhere() -> None:
    world = World()
    core, changes = world.exchange.core, world.exchange.services.fee_changes
    core.events[_EVENT] = attrs.evolve(core.events[_EVENT], fee_multiplier_override_e4=5_000)
    event = (await world.alice.get(f"/events/{_EVENT}"))["event"]
    assert (event["fee_type_override"], event["fee_multiplier_override"]) == (None, 0.5)
    changes.schedule_series("KXCOIN", "quadratic", 10_000, world.clock())
    world.pass_time(0)
    assert await fee_of(world) == ("0.000000", "0.875000")
    changes.schedule_event(_EVENT, None, None, world.clock())
    world.pass_time(0)
    assert "fee_multiplier_override" not in (await world.alice.get(f"/events/{_EVENT}"))["event"]
    assert await fee_of(world) == ("0.000000", "1.750000")


def test_an_override_is_told_when_it_comes_into_force() -> None:
    world = World()
    heard: list[Event] = []
    world.exchange.core.listeners.append(heard.append, EventFeesChanged)
    world.exchange.services.fee_changes.schedule_event(_EVENT, "flat", 5_000, world.clock() + 1_000)
    world.pass_time(999)
    assert heard == []
    world.pass_time(1)
    assert heard == [
        EventFeesChanged(event_ticker=_EVENT, fee_type="flat", fee_multiplier_e4=5_000, ts_ms=world.clock())
    ]


async def test_a_market_that_is_listed_later_is_charged_by_what_is_in_force() -> None:
    world = World()
    market = world.exchange.core.markets.pop(OTHER_TICKER)
    world.exchange.services.fee_changes.schedule_series("KXTEST", "quadratic", 0, world.clock())
    world.pass_time(0)
    world.exchange.core.markets[OTHER_TICKER] = market
    world.pass_time(50)
    assert await fee_of(world, OTHER_TICKER) == ("0.000000", "0.000000")


def waived_catalogue(until_ms: int) -> Catalogue:
    """Returns the small catalogue, where TICKER takes no fee until then."""
    catalogue = small_catalogue()
    first, *others = catalogue.events
    markets = tuple(
        attrs.evolve(one, fee_waiver_until_ms=until_ms) if one.ticker == TICKER else one for one in first.markets
    )
    return attrs.evolve(catalogue, events=(attrs.evolve(first, markets=markets), *others))


async def test_a_waived_market_takes_no_fee_until_its_time_and_says_when() -> None:
    world = World(catalogue=waived_catalogue(START_MS + 5_000))
    market = (await world.alice.get(f"/markets/{TICKER}"))["market"]
    assert market["fee_waiver_expiration_time"] == rfc3339(START_MS + 5_000)
    assert "fee_waiver_expiration_time" not in (await world.alice.get(f"/markets/{OTHER_TICKER}"))["market"]
    # A fee change under the waiver is kept for the time after it.
    world.exchange.services.fee_changes.schedule_series("KXTEST", "quadratic_with_maker_fees", 10_000, world.clock())
    world.pass_time(4_999)
    assert await fee_of(world) == ("0.000000", "0.000000")
    assert await fee_of(world, OTHER_TICKER) == ("0.437500", "1.750000")
    world.pass_time(1)
    assert await fee_of(world) == ("0.437500", "1.750000")
    assert world.exchange.truth.imbalance_e6() == 0


async def test_the_default_world_waives_some_markets_and_the_client_reads_it(autojump_clock: MockClock) -> None:
    async with running(Stage(scenario=Scenario(settings=SimulatorSettings(flow=False)))) as stage:
        markets = stage.exchange.core.markets
        waived = {ticker for ticker, one in markets.items() if one.clearing.waives_fees}
        assert 0 < len(waived) < len(markets) // 10
        for ticker in waived:
            until_ms = (await stage.alice.market(ticker)).fee_waiver_until_ms
            assert until_ms is not None
            assert until_ms > stage.exchange.core.now_ms()


def test_a_waiver_frees_the_funds_check_of_its_fee() -> None:
    core = World(catalogue=waived_catalogue(START_MS + 5_000)).exchange.core
    bounds = [core.markets[ticker].clearing.fee_bound_e6 for ticker in (TICKER, OTHER_TICKER)]
    assert bounds[0] < bounds[1]


def test_unknown_series_and_events_cannot_change() -> None:
    changes = World().exchange.services.fee_changes
    with pytest.raises(KeyError):
        changes.schedule_series("NONE", "quadratic", 10_000, 0)
    with pytest.raises(KeyError):
        changes.schedule_event("NONE", "quadratic", 10_000, 0)
