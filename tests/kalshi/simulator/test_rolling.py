"""The world rolls on: markets open, close, settle and are forgotten, and new ones come."""

from __future__ import annotations

import pytest

from kalshi.simulator.cycles import Every, daily, monthly, weekdays, weekly
from kalshi.simulator.events import Event, EventListed, MarketChanged
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.timestamps import new_york, new_york_ms, rfc3339
from kalshi.types import MarketStatus
from tests.kalshi.simulator.customer import OTHER_TICKER, START_MS, TICKER, Clock, World, command, frames

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS


class RollingWorld:
    """The default world on a hand-moved clock, almost without trade, and what its lifecycle said."""

    def __init__(self, start_ms: int = START_MS, **settings: object) -> None:
        self.clock = Clock(start_ms)
        chosen = {"flow": False, "settled_markets_kept_ms": _HOUR_MS, **settings}
        self.exchange = SimulatedExchange(
            seed=9,
            wall_ms=self.clock,
            settings=SimulatorSettings(**chosen),  # type: ignore[arg-type]
            accounts=(AccountSettings(key_id="me", public_key_pem=b"", cash_by_shard_e6={0: 10**9, 2: 10**9}),),
        )
        self.changes: list[tuple[int, str, str]] = []
        self.exchange.lifecycle.hooks.append(
            lambda market, kind: self.changes.append((self.clock() - start_ms, market.ticker, kind))
        )

    def run(self, ms: int, step_ms: int = 1_000) -> None:
        for _ in range(ms // step_ms):
            self.clock.advance(step_ms)
            self.exchange.tick()

    def of(self, prefix: str, status: MarketStatus) -> list[str]:
        markets = self.exchange.core.markets.values()
        return [one.ticker for one in markets if one.ticker.startswith(prefix) and one.status is status]


def test_a_new_event_is_told_before_its_markets() -> None:
    world = RollingWorld()
    heard: list[tuple[str, str]] = []

    def hear(event: Event) -> None:
        match event:
            case EventListed(event_ticker=ticker):
                heard.append(("event", ticker))
            case MarketChanged(kind="created", ticker=ticker):
                heard.append(("market", ticker.rpartition("-")[0]))
            case _:
                pass

    world.exchange.core.listeners.append(hear, EventListed, MarketChanged)
    world.run(20 * _MINUTE_MS)
    news = [ticker for kind, ticker in heard if kind == "event"]
    assert news
    assert [ticker for kind, ticker in heard if kind == "market"] != []
    for ticker in news:
        assert heard.index(("event", ticker)) < heard.index(("market", ticker))


def test_a_quarter_opens_as_the_one_before_closes_with_the_price_of_that_moment_as_its_strike() -> None:
    world = RollingWorld()
    (now,) = world.of("KXBTC15M", MarketStatus.ACTIVE)
    (following,) = world.of("KXBTC15M", MarketStatus.INITIALIZED)
    markets = world.exchange.core.markets
    assert markets[now].listing.floor_strike is not None
    assert markets[following].listing.floor_strike is None
    left_ms = markets[now].close_ms - world.clock()
    assert markets[following].listing.open_ms == markets[now].close_ms
    world.run(left_ms - 1_000)
    assert world.of("KXBTC15M", MarketStatus.ACTIVE) == [now]
    world.run(1_000)
    assert world.of("KXBTC15M", MarketStatus.ACTIVE) == [following]
    assert markets[following].listing.floor_strike is not None
    (newest,) = world.of("KXBTC15M", MarketStatus.INITIALIZED)
    mine = [(ticker, kind) for at_ms, ticker, kind in world.changes if at_ms == left_ms and "BTC15M" in ticker]
    assert sorted(mine) == sorted(
        [(newest, "created"), (now, "closed"), (following, "metadata_updated"), (following, "opened")]
    )


def test_a_day_of_listings_settles_prunes_and_keeps_as_many_open() -> None:
    world = RollingWorld()
    core = world.exchange.core
    open_at_start = len(world.of("KX", MarketStatus.ACTIVE))
    listed_at_start = len(core.markets)
    world.run(26 * _HOUR_MS, step_ms=10_000)
    assert abs(len(world.of("KX", MarketStatus.ACTIVE)) - open_at_start) <= 12
    assert len(core.markets) < listed_at_start + 40
    assert core.clearings.keys() == core.markets.keys()
    assert {event.ticker for event in {id(one.event): one.event for one in core.markets.values()}.values()} == set(
        core.events
    )
    created = [ticker for _, ticker, kind in world.changes if kind == "created"]
    assert len(created) == len(set(created)), "nothing is listed twice"
    assert sum(ticker.startswith("KXBTC15M") for ticker in created) == 104
    assert any(ticker.startswith("KXNHLGAME") for ticker in created)
    gone = [ticker for _, ticker, kind in world.changes if kind == "delisted"]
    assert len(gone) > 250
    assert not set(gone) & set(core.markets)
    for at_ms, ticker, kind in world.changes:
        if kind == "delisted":
            (settled_ms,) = [when for when, name, what in world.changes if (name, what) == (ticker, "settled")]
            assert _HOUR_MS <= at_ms - settled_ms <= _HOUR_MS + 20_000


def test_the_opening_is_announced_only_where_that_is_switched_on() -> None:
    for announces, expected in ((False, 0), (True, 2)):
        world = RollingWorld(announces_opening=announces)
        world.run(15 * _MINUTE_MS)
        assert sum(kind == "activated" for _, ticker, kind in world.changes if "15M" in ticker) == expected


async def test_a_halt_and_its_end_wipe_the_book_and_traders_come_back() -> None:
    world = RollingWorld(flow=True)
    market = next(one for one in world.exchange.core.markets.values() if one.ticker.startswith("KXFED"))
    world.exchange.lifecycle.deactivate(market.ticker)
    resting = market.engine.bids.levels()
    world.run(5_000, 50)
    assert market.engine.bids.levels() == resting, "a halted book stands still"
    world.exchange.lifecycle.activate(market.ticker)
    assert market.engine.bids.levels() == market.engine.asks.levels() == []
    world.run(20_000, 50)
    assert market.engine.bids.levels()
    assert market.engine.asks.levels()


async def test_orders_on_the_old_grid_survive_a_new_one_and_new_prices_obey_it() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["market_lifecycle_v2"])
    frames(session)
    world.exchange.lifecycle.change_grid(TICKER, "deci_cent")
    (frame,) = frames(session)
    assert (frame["msg"]["event_type"], frame["msg"]["price_level_structure"]) == (
        "price_level_structure_updated",
        "deci_cent",
    )
    await world.alice.place("bid", "0.4050")
    world.exchange.lifecycle.change_grid(TICKER, "linear_cent")
    assert [order.price_e4 for order in world.exchange.truth.resting_orders("alice")] == [4_050]
    assert (await world.alice.create("bid", "0.4060")).status_code == 400
    await world.bob.place("ask", "0.4000", "4.00")
    (fill,) = world.exchange.truth.fills("bob")
    assert fill.price_e4 == 4_050
    with pytest.raises(KeyError):
        world.exchange.lifecycle.change_grid(TICKER, "no such grid")


async def test_a_scalar_settlement_of_a_fraction_rounds_the_total_and_keeps_every_cent() -> None:
    world = World()
    await world.bob.place("ask", "0.4000", "1.37")
    await world.alice.place("bid", "0.4000", "1.37")
    world.exchange.lifecycle.determine(TICKER, "scalar", 3_333)
    assert world.exchange.truth.imbalance_e6() == 0
    world.pass_time(25_000)
    settled = {}
    for customer in (world.alice, world.bob):
        (settled[customer.key_id],) = (await customer.get("/portfolio/settlements"))["settlements"]
    # 1.37 x 0.3333 = 0.456621 and 1.37 x 0.6667 = 0.913379, each to the whole cent.
    assert (settled["alice"]["revenue"], settled["bob"]["revenue"]) == (46, 91)
    assert settled["alice"]["market_result"] == "scalar"
    assert world.exchange.truth.imbalance_e6() == 0


async def test_an_outcome_that_is_determined_early_decides_its_exclusive_event() -> None:
    world = World()
    session = world.alice.connect()
    command(session, 1, "subscribe", channels=["market_lifecycle_v2"])
    frames(session)
    world.exchange.lifecycle.determine(TICKER, "yes")
    kinds = [frame["msg"]["event_type"] for frame in frames(session)]
    assert kinds == ["close_date_updated", "determined"]
    world.pass_time(3_600_000)
    world.pass_time(10_000)
    assert world.exchange.core.markets[OTHER_TICKER].result == "no"


def test_closes_fall_on_new_yorks_clock_in_summer_and_winter() -> None:
    friday_ms = new_york_ms(new_york(START_MS).date(), 8, 55)
    assert friday_ms == START_MS
    assert rfc3339(daily(17).next_close(START_MS)) == "2026-11-20T22:00:00Z"
    assert rfc3339(weekdays(16).next_close(START_MS + 12 * _HOUR_MS)) == "2026-11-23T21:00:00Z"
    assert rfc3339(weekly(6, 23).next_close(START_MS)) == "2026-11-23T04:00:00Z"
    assert rfc3339(monthly(12, 8, (7,)).next_close(START_MS)) == "2027-07-12T12:00:00Z"
    assert Every(period_ms=15 * _MINUTE_MS).next_close(START_MS) == START_MS + 5 * _MINUTE_MS
