"""I5, I6: the bot's books against the exchange's own: positions, drift, settlement, every unit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from actors import fill_reconciler
from actors.messages.control import SystemSnapshot
from actors.runtime.ledger_store.database import reader
from kalshi.simulator.settings import SimulatorSettings
from ops.life import Life
from ops.simulation import CALM, CASH_E6, KEY_ID, ROUGH, Faults, World, run_world
from supervisor import build_tree

TRADED_S = 15.0


def _run(
    scenario: Callable[[World, Life], Awaitable[None]],
    *,
    faults: Faults = CALM,
    exchange_settings: SimulatorSettings | None = None,
) -> None:
    async def whole(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(TRADED_S)
            await scenario(world, life)
            life.request_stop("the test is over")
        assert world.resting() == []

    run_world(whole, seed=21, build_tree=build_tree, faults=faults, exchange_settings=exchange_settings)


def _snapshot(life: Life) -> SystemSnapshot:
    assert life.snapshot is not None
    return life.snapshot


def _positions(life: Life) -> dict[str, int]:
    return {row.ticker: row.position_e2 for row in _snapshot(life).markets if row.position_e2}


def _truth(world: World) -> dict[str, int]:
    return {ticker: count for ticker, count in world.exchange.truth.positions(KEY_ID).items() if count}


async def _quiet(world: World) -> None:
    """Nobody can trade any more; what has traded gets the time to be read."""
    world.exchange.lifecycle.set_pause(trading_active=False)
    await trio.sleep(5)


async def _assert_books_equal(world: World, life: Life) -> None:
    await _quiet(world)
    assert _positions(life) == _truth(world)
    totals = _snapshot(life).totals
    assert totals.fills == len(world.exchange.truth.fills(KEY_ID))
    assert totals.cash_e6 == world.exchange.truth.cash_e6(KEY_ID) - sum(CASH_E6.values())
    assert totals.is_exact


def test_positions_fills_and_cash_equal_the_exchanges_to_the_unit() -> None:
    _run(_assert_books_equal)


@pytest.mark.long
def test_they_do_with_lost_replies_and_late_creates_too() -> None:
    async def scenario(world: World, life: Life) -> None:
        await trio.sleep(20)
        await _assert_books_equal(world, life)

    _run(scenario, faults=ROUGH)


def _give(world: World, ticker: str, count_e2: int) -> None:
    """Lets YES contracts come to us from one of the exchange's traders, without a fill; its books stay balanced."""
    core = world.exchange.core
    clearing = core.markets[ticker].clearing
    giver = next(account for account in core.accounts.values() if account.is_house)
    before_e2 = clearing.open_interest_e2
    core.accounts_by_key[KEY_ID].positions[ticker].count_e2 += count_e2
    giver.position(ticker, core.markets[ticker].exchange_index).count_e2 -= count_e2
    clearing.open_interest_e2 = sum(max(0, account.position_e2(ticker)) for account in core.accounts.values())
    core.deposits_e6 += (clearing.open_interest_e2 - before_e2) * 10_000


@pytest.mark.long
def test_a_position_that_is_not_ours_by_our_fills_is_seen_as_drift_and_its_market_halts() -> None:
    async def scenario(world: World, life: Life) -> None:
        ticker = min(_truth(world))
        _give(world, ticker, 5_000)
        await trio.sleep(25)
        (row,) = [row for row in _snapshot(life).markets if row.ticker == ticker]
        assert (row.own_bid, row.own_ask) == (None, None)
        assert sum(r.own_bid is not None for r in _snapshot(life).markets) >= 8, "other markets go on"

    _run(scenario)


@pytest.mark.long
def test_a_settled_market_is_paid_out_and_leaves_position_and_books_exact() -> None:
    async def scenario(world: World, life: Life) -> None:
        held = sorted(_truth(world))[:3]
        for ticker, result in zip(held, ("yes", "no", "yes"), strict=True):
            world.exchange.lifecycle.determine(ticker, result)
        await trio.sleep(20)
        assert not set(held) & _truth(world).keys(), "the exchange has not paid out yet"
        await _assert_books_equal(world, life)
        (ledger,) = world.folder.glob("*/ledger.sqlite")
        with reader(ledger) as connection:
            rows = connection.execute("SELECT ticker, value_e4 FROM settlements ORDER BY ticker").fetchall()
        assert rows == list(zip(held, (10_000, 0, 10_000), strict=True))

    fast = attrs.evolve(SimulatorSettings(), determination_delay_ms=1_000, settlement_timer_ms=2_000)
    _run(scenario, exchange_settings=fast)


@pytest.mark.long
def test_a_market_that_settles_while_risk_is_away_is_found_and_booked() -> None:
    async def scenario(world: World, life: Life) -> None:
        ticker = min(_truth(world))
        world.exchange.lifecycle.determine(ticker, "yes")
        await trio.sleep(6)
        life.kill_actor("portfolio_risk")  # it rebuilds from fills alone, which know nothing of settlements
        await trio.sleep(30)
        await _assert_books_equal(world, life)

    fast = attrs.evolve(SimulatorSettings(), determination_delay_ms=1_000, settlement_timer_ms=2_000)
    _run(scenario, exchange_settings=fast)


def _run_twice(away: Callable[[World], Awaitable[None]], exchange_settings: SimulatorSettings) -> None:
    """Trades, is away while `away` goes on, and has the exchange's books soon after it is back."""

    async def whole(world: World) -> None:
        for comes_back in (False, True):
            life = world.life()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.run)
                await trio.sleep(TRADED_S)
                if comes_back:
                    await _assert_books_equal(world, life)
                life.request_stop("the test is over")
            if not comes_back:
                await away(world)

    run_world(whole, seed=23, build_tree=build_tree, exchange_settings=exchange_settings)


def test_a_market_that_settled_while_the_bot_was_down_is_booked_at_start() -> None:
    async def away(world: World) -> None:
        for ticker, result in zip(sorted(_truth(world))[:2], ("yes", "no"), strict=True):
            world.exchange.lifecycle.determine(ticker, result)
        await trio.sleep(10)

    _run_twice(away, attrs.evolve(SimulatorSettings(), determination_delay_ms=1_000, settlement_timer_ms=2_000))


@pytest.mark.long
def test_fills_of_an_outage_that_have_left_the_live_list_are_booked_from_the_historical_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Three months pass in a minute here.
    monkeypatch.setattr(fill_reconciler, "OLD_MARK_S", 30.0)

    async def away(world: World) -> None:
        before = len(world.exchange.truth.fills(KEY_ID))
        world.rest_by_hand(min(_truth(world)), price_e4=9_900, count_e2=700)  # a person buys what is offered
        assert len(world.exchange.truth.fills(KEY_ID)) > before
        await trio.sleep(60)

    quiet = attrs.evolve(SimulatorSettings(), trades_live_ms=40_000, cutoff_step_ms=1_000)
    _run_twice(away, quiet)
