"""Incentive programs in the running exchange: announced, scored each second, paid from the pool, listed over REST."""

from __future__ import annotations

from typing import Any

import pytest

from kalshi.simulator.incentives import NEW_TERMS_MS, IncentiveProgram
from tests.kalshi.simulator.customer import OTHER_TICKER, START_MS, TICKER, World


def program(world: World, *, seconds: int = 20, **changes: Any) -> IncentiveProgram:
    """Adds a program on a market without any, which starts now."""
    fields: dict[str, Any] = {
        "program_id": "p",
        "market_ticker": OTHER_TICKER,
        "kind": "liquidity",
        "start_ms": world.clock(),
        "end_ms": world.clock() + seconds * 1_000,
        "period_reward_e4": 1_000_000,
        "discount_bps": 5_000,
        "target_e2": 30_000,
    }
    added = IncentiveProgram(**fields | changes)
    world.exchange.services.incentives.add(added)
    return added


def pass_seconds(world: World, seconds: int) -> None:
    """Lets the exchange work every 50 ms, as it does when it runs."""
    for _ in range(seconds * 20):
        world.pass_time(50)


async def quote(world: World, name: str, bid: str, ask: str, count: str = "300.00") -> None:
    customer = getattr(world, name)
    for side, price in (("bid", bid), ("ask", ask)):
        await customer.place(side, price, count, ticker=OTHER_TICKER)


def cash_e6(world: World, name: str) -> int:
    return world.exchange.truth.cash_e6(name)


async def test_a_second_has_one_snapshot_and_the_only_maker_earns_the_whole_pool() -> None:
    world = World(incentive_payout_delay_ms=5_000)
    added = program(world)
    await quote(world, "alice", "0.4500", "0.5500")
    before_e6 = cash_e6(world, "alice")
    pass_seconds(world, 20)
    assert 19 <= added.snapshots_valid == added.snapshots_taken <= 20
    assert (added.status(world.clock() + 1_000), cash_e6(world, "alice")) == ("closed", before_e6)
    pass_seconds(world, 7)
    assert added.status(world.clock()) == "paid_out"
    assert cash_e6(world, "alice") == before_e6 + 100_000_000
    assert world.exchange.core.imbalance_e6() == 0
    assert world.exchange.core.incentives_paid_e6 == 100_000_000


async def test_makers_share_by_size_and_distance() -> None:
    world = World(incentive_payout_delay_ms=0)
    program(world)
    await quote(world, "alice", "0.4500", "0.5500", "100.00")
    await quote(world, "bob", "0.4400", "0.5600", "200.00")
    before = cash_e6(world, "alice"), cash_e6(world, "bob")
    pass_seconds(world, 23)
    # One tick below: 200 contracts count as 100, so both sides split evenly.
    assert cash_e6(world, "alice") - before[0] == 50_000_000
    assert cash_e6(world, "bob") - before[1] == 50_000_000
    assert world.exchange.core.imbalance_e6() == 0


async def test_thin_books_pay_nothing_and_a_shrinking_pool_pays_less() -> None:
    for shrinks, paid_e6 in ((False, 100_000_000), (True, 50_000_000)):
        world = World(incentive_payout_delay_ms=0, incentive_pool_shrinks=shrinks)
        added = program(world)
        pass_seconds(world, 10)
        assert added.snapshots_valid == 0
        await quote(world, "alice", "0.4500", "0.5500")
        before_e6 = cash_e6(world, "alice")
        pass_seconds(world, 13)
        assert cash_e6(world, "alice") - before_e6 == pytest.approx(paid_e6, rel=0.11)
        assert world.exchange.core.imbalance_e6() == 0


async def test_under_a_dollar_is_paid_by_older_programs_alone() -> None:
    for start_ms, paid_e6 in ((START_MS, 0), (NEW_TERMS_MS - 1, 900_000)):
        world = World(incentive_payout_delay_ms=0)
        program(world, start_ms=start_ms, end_ms=START_MS + 20_000, period_reward_e4=9_000)
        await quote(world, "alice", "0.4500", "0.5500")
        before_e6 = cash_e6(world, "alice")
        pass_seconds(world, 23)
        assert cash_e6(world, "alice") - before_e6 == paid_e6


async def test_the_exchanges_own_traders_compete_and_are_paid_nothing() -> None:
    world = World(incentive_payout_delay_ms=0)
    program(world)
    house = world.exchange.core.add_house_account("maker")
    bob = world.exchange.core.accounts_by_key["bob"]
    await quote(world, "bob", "0.4500", "0.5500", "200.00")
    await quote(world, "alice", "0.4500", "0.5500", "100.00")
    for order in world.exchange.core.open_orders.values():
        if order.account_id == bob.account_id:
            order.is_house, order.account_id = True, house.account_id
    before_e6 = cash_e6(world, "alice")
    pass_seconds(world, 23)
    assert cash_e6(world, "alice") - before_e6 == 33_330_000
    assert house.cash_e6 == 0
    assert world.exchange.core.incentives_paid_e6 == 33_330_000


async def test_programs_are_listed_by_status_and_kind_under_a_next_cursor() -> None:
    world = World()

    async def listed(query: str) -> list[dict[str, Any]]:
        body = await world.alice.get(f"/incentive_programs?{query}")
        rows: list[dict[str, Any]] = body["incentive_programs"]
        return rows

    everything = await listed("")
    assert {row["market_ticker"] for row in everything} == {TICKER}
    by_status = {name: len(await listed(f"status={name}")) for name in ("active", "upcoming", "closed", "paid_out")}
    assert by_status["active"] >= 1
    assert by_status["paid_out"] >= 1
    assert sum(by_status.values()) == len(everything)
    assert {row["incentive_type"] for row in await listed("type=volume")} == {"volume"}
    first = await world.alice.get("/incentive_programs?limit=1")
    second = await world.alice.get(f"/incentive_programs?limit=1&cursor={first['next_cursor']}")
    assert first["incentive_programs"] != second["incentive_programs"]
    assert await listed("incentive_description=none+such") == []
    for query in ("limit=10001", "status=late", "type=other"):
        assert (await world.alice.send("GET", f"/incentive_programs?{query}")).status_code == 400


async def test_tomorrows_programs_appear_and_old_ones_are_paid() -> None:
    world = World()
    core = world.exchange.core
    core.markets[TICKER].close_ms = START_MS + 10 * 86_400_000
    incentives = world.exchange.services.incentives
    known = len(incentives.programs())
    for _ in range(3):
        world.pass_time(86_400_000)
    later = incentives.programs()
    assert len(later) > known
    assert {one.status(world.clock()) for one in later} >= {"active", "paid_out"}
    assert len({one.program_id for one in later}) == len(later)
