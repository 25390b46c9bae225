"""The exchange notices its own defects: each invariant is broken by hand once, and named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kalshi.simulator.invariants import InvariantBroken
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.orders import NewOrder
from kalshi.simulator.side_book import SideBook
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from tests.kalshi.simulator.customer import TICKER, World
from tests.kalshi.simulator.test_engine import make_order


async def _busy_world() -> tuple[World, MarketState]:
    world = World()
    await world.alice.place("bid", "0.4000", "3.00")
    await world.alice.place("bid", "0.4000", "5.00")
    await world.alice.place("bid", "0.3900", "5.00")
    await world.bob.place("ask", "0.6000", "3.00")
    await world.bob.place("ask", "0.4000", "1.00")
    world.exchange.invariants.check()
    return world, world.exchange.core.markets[TICKER]


def _lose_cash(world: World, market: MarketState) -> None:
    world.exchange.core.accounts_by_key["alice"].cash_by_shard_e6[0] -= 1


def _lose_a_contract(world: World, market: MarketState) -> None:
    world.exchange.core.accounts_by_key["alice"].positions[TICKER].count_e2 -= 1


def _change_the_queue(world: World, market: MarketState) -> None:
    level = market.engine.bids.level(4_000)
    level.orders = dict(reversed(level.orders.items()))


def _change_a_sum(world: World, market: MarketState) -> None:
    market.engine.bids.level(4_000).total_e2 += 1


def _forget_an_order(world: World, market: MarketState) -> None:
    world.exchange.core.accounts_by_key["alice"].open_orders.popitem()


def _cross(world: World, market: MarketState) -> None:
    order = next(iter(market.engine.asks.orders())).snapshot()
    order.price_e4 = 3_900
    market.engine.asks.add(order)


@pytest.mark.parametrize(
    ("invariant", "break_it"),
    [
        ("cash_conserved", _lose_cash),
        ("collateral", _lose_a_contract),
        ("queue", _change_the_queue),
        ("level_total", _change_a_sum),
        ("open_orders", _forget_an_order),
        ("uncrossed", _cross),
    ],
)
async def test_the_watch_names_what_does_not_hold(
    invariant: str, break_it: Callable[[World, MarketState], None]
) -> None:
    world, market = await _busy_world()
    break_it(world, market)
    with pytest.raises(InvariantBroken) as caught:
        world.exchange.invariants.check()
    assert caught.value.invariant == invariant


async def test_the_running_exchange_looks_by_itself_within_its_round() -> None:
    world, market = await _busy_world()
    _change_a_sum(world, market)

    def live_on() -> None:
        for _ in range(12):
            world.pass_time(1_000)

    with pytest.raises(InvariantBroken):
        live_on()


def _sell(world: World, price_e4: int) -> None:
    request = NewOrder(
        ticker=TICKER,
        side=Side.ASK,
        price_e4=price_e4,
        count_e2=100,
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
    )
    world.exchange.services.entry.create(world.exchange.core.accounts_by_key["bob"], request)


async def test_a_trade_out_of_turn_is_found_at_once() -> None:
    world, market = await _busy_world()
    level = market.engine.bids.level(4_000)
    first = next(iter(level.orders.values()))
    level.traded_number = first.queue_number + 1
    with pytest.raises(InvariantBroken, match="queue"):
        _sell(world, 4_000)


async def test_an_order_that_would_rest_across_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = await _busy_world()
    monkeypatch.setattr("kalshi.simulator.engine.MatchingEngine._match", lambda *_: None)
    with pytest.raises(InvariantBroken, match="uncrossed"):
        _sell(world, 3_900)


async def test_a_trade_that_makes_money_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world, market = await _busy_world()
    clearing = market.clearing
    book = type(clearing)._book

    def generous(self: object, *arguments: object, **how: object) -> object:
        fill, revenue_e6 = book(self, *arguments, **how)  # type: ignore[arg-type]
        return fill, revenue_e6 + 1

    monkeypatch.setattr(type(clearing), "_book", generous)
    with pytest.raises(InvariantBroken, match="cash_conserved"):
        _sell(world, 4_000)


async def test_a_defect_met_by_a_request_stops_the_exchange_at_its_next_tick() -> None:
    """The web framework answers 500 for any exception, so the request alone would hide it."""
    world, market = await _busy_world()
    market.engine.bids.level(4_000).traded_number = 10_000
    assert (await world.bob.create("ask", "0.4000", "1.00")).status_code == 500
    with pytest.raises(InvariantBroken, match="queue"):
        world.pass_time(50)


def test_a_level_that_lost_many_at_its_front_is_closed_up() -> None:
    book = SideBook(Side.BID)
    orders = [make_order(str(number), Side.BID, 5_000, 100) for number in range(300)]
    for order in orders:
        book.add(order)
    level = book.level(5_000)
    kept = level.orders
    for order in orders[:200]:
        book.reduce(order, 100)
    assert book.front(5_000) is orders[200]
    assert level.orders is not kept
    assert (list(level.orders.values()), level.total_e2, level.holes) == (orders[200:], 10_000, 0)
