"""The default world: discovery finds work at once, books live, customers get filled, and a seed repeats it."""

from __future__ import annotations

from functools import cache

from kalshi.simulator.catalogue import build_catalogue
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import NewOrder
from kalshi.simulator.price_grid import is_on_grid
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.types import MarketStatus, SelfTradePrevention, Side, TimeInForce
from tests.kalshi.simulator.customer import START_MS, Clock

_DAY_MS = 86_400_000


class LivingWorld:
    """The default exchange on a hand-moved clock, with one customer."""

    def __init__(self, seed: int = 3) -> None:
        self.clock = Clock()
        account = AccountSettings(
            key_id="me", public_key_pem=b"", cash_by_shard_e6={0: 6_000_000_000, 2: 4_000_000_000}
        )
        self.exchange = SimulatedExchange(
            seed=seed, wall_ms=self.clock, settings=SimulatorSettings(), accounts=(account,)
        )

    def active(self) -> list[MarketState]:
        return [one for one in self.exchange.core.markets.values() if one.status is MarketStatus.ACTIVE]

    def run(self, seconds: int) -> None:
        for _ in range(seconds * 20):
            self.clock.advance(50)
            self.exchange.tick()


@cache
def after_a_minute() -> LivingWorld:
    world = LivingWorld()
    world.run(60)
    return world


def test_the_catalogue_spans_categories_events_grids_and_shards() -> None:
    catalogue = build_catalogue(1, START_MS)
    assert len(catalogue.markets) >= 24
    assert len(catalogue.events) >= 10
    assert len({event.category for event in catalogue.events}) >= 6
    assert len({market.structure for market in catalogue.markets}) >= 3
    assert {market.exchange_index for market in catalogue.markets if market.ticker.startswith("KXBTC")} == {2}
    assert len({market.ticker for market in catalogue.markets}) == len(catalogue.markets)
    assert any(event.mutually_exclusive and len(event.markets) >= 3 for event in catalogue.events)
    assert any("26NOV20" in event.ticker for event in catalogue.events if event.category == "Sports")


def test_at_boot_most_markets_pass_the_filters_of_a_discovery() -> None:
    world = LivingWorld()
    now_ms = world.clock()
    good = []
    for market in world.exchange.core.markets.values():
        quote = market.quote()
        middle_e4 = (quote.bid_e4 + quote.ask_e4) // 2
        days = (market.close_ms - now_ms) / _DAY_MS
        in_window = 1 / 24 <= days <= 7 if market.event.category == "Sports" else 1 <= days <= 60
        is_busy = market.volume_24h_e2 * middle_e4 > 5_000 * 1_000_000
        recent = [trade for trade in market.history.tape if trade.ts_ms > now_ms - 600_000]
        is_old = now_ms - market.listing.created_ms > 60_000
        if in_window and is_busy and is_old and len(recent) >= 10 and 1_500 <= middle_e4 <= 8_500:
            good.append(market)
    assert len(good) >= 16
    assert len({market.event.category for market in good}) >= 6


def test_books_stay_two_sided_uncrossed_on_the_grid_with_realistic_spreads() -> None:
    world = after_a_minute()
    spreads = []
    for market in world.active():
        quote = market.quote()
        if not 600 < world.exchange.flow.fair_e4(market.ticker) < 9_400:
            continue  # at the ends of the scale a book may have one side
        assert 0 < quote.bid_e4 < quote.ask_e4 < 10_000
        spreads.append(quote.ask_e4 - quote.bid_e4)
        for price_e4, _ in (*market.engine.bids.levels(), *market.engine.asks.levels()):
            assert is_on_grid(market.listing.price_ranges, price_e4)
        assert len(market.engine.bids.levels()) >= 2
    assert sum(100 <= spread <= 700 for spread in spreads) >= len(spreads) * 0.8


def test_every_busy_market_trades_about_as_often_as_it_is_said_to() -> None:
    world = after_a_minute()
    for market in world.active():
        if market.listing.trades_per_minute >= 30:
            assert market.traded_e2 > 0
    live = sum(
        trade.ts_ms > START_MS for market in world.exchange.core.markets.values() for trade in market.history.tape
    )
    assert live > 300
    assert world.exchange.truth.imbalance_e6() == 0


def test_a_customer_who_joins_the_touch_is_filled_on_both_sides() -> None:
    world = LivingWorld()
    core, entry = world.exchange.core, world.exchange.services.entry
    account = core.accounts_by_key["me"]
    for _ in range(20):
        for market in [one for one in world.active() if one.event.category != "Crypto"][:12]:
            quote = market.quote()
            for side, price_e4 in ((Side.BID, quote.bid_e4), (Side.ASK, quote.ask_e4)):
                entry.create(
                    account,
                    NewOrder(
                        ticker=market.ticker,
                        side=side,
                        price_e4=price_e4,
                        count_e2=500,
                        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
                        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
                        expiration_ts_s=world.clock() // 1000 + 4,
                    ),
                )
        world.run(5)
    fills = world.exchange.truth.fills("me")
    assert {fill.side for fill in fills} == {Side.BID, Side.ASK}
    assert len({fill.ticker for fill in fills}) >= 6
    assert world.exchange.truth.imbalance_e6() == 0


def test_a_seed_repeats_the_world_and_another_does_not() -> None:
    tapes = []
    for seed in (3, 3, 4):
        world = LivingWorld(seed)
        world.run(10)
        tapes.append([tuple(market.history.tape) for market in world.exchange.core.markets.values()])
    assert tapes[0] == tapes[1] != tapes[2]
