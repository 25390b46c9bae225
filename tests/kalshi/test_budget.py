"""The rate budget on a virtual clock: never faster than the bucket, the urgent first, a reserve for the exit."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import MockClock

from kalshi.budget import ARRIVAL_JITTER_S, LATE_S, BudgetError, Priority, RateBudget
from kalshi.types import AccountLimits, BucketLimits

BASIC = BucketLimits(refill_per_s=100, capacity=100)
ROOMY = BucketLimits(refill_per_s=200, capacity=200)
USABLE = 100 - 100 * ARRIVAL_JITTER_S  # rule 4 keeps a part of the bucket for bunching on the way


def budget_of(write: BucketLimits = BASIC) -> RateBudget:
    return RateBudget(trio.current_time, ROOMY, write)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def spend(budget: RateBudget, cost: int, priority: Priority, log: list[tuple[str, float]], name: str) -> None:
    await budget.acquire_write(cost, priority)
    log.append((name, trio.current_time()))


async def test_a_full_bucket_serves_at_once_and_an_empty_one_as_it_refills(autojump_clock: MockClock) -> None:
    budget = budget_of()
    start = trio.current_time()
    for _ in range(9):
        await budget.acquire_write(10, Priority.CREATE)
    assert trio.current_time() == start
    await budget.acquire_write(10, Priority.CREATE)
    assert trio.current_time() - start == pytest.approx(0.1)


async def test_the_urgent_are_served_first_and_equals_in_their_order(autojump_clock: MockClock) -> None:
    budget = budget_of()
    await budget.acquire_write(int(USABLE), Priority.EXIT_GUARD)
    log: list[tuple[str, float]] = []
    async with trio.open_nursery() as nursery:
        for name, priority in (
            ("create 1", Priority.CREATE),
            ("renew", Priority.RENEW),
            ("create 2", Priority.CREATE),
            ("exit", Priority.EXIT),
            ("cancel", Priority.CANCEL),
            ("guard", Priority.EXIT_GUARD),
        ):
            nursery.start_soon(spend, budget, 10, priority, log, name)
            await trio.sleep(0.001)
    assert [name for name, _ in log] == ["guard", "cancel", "exit", "renew", "create 1", "create 2"]


async def test_the_reserve_is_out_of_reach_for_creates_and_open_for_the_exit(autojump_clock: MockClock) -> None:
    budget = budget_of()
    budget.set_reserve(40)
    await budget.acquire_write(50, Priority.CREATE)
    start = trio.current_time()
    await budget.acquire_write(40, Priority.EXIT_GUARD)
    assert trio.current_time() == start
    await budget.acquire_write(10, Priority.RENEW)
    assert trio.current_time() - start == pytest.approx(0.5)


def test_the_reserve_is_at_most_half_the_bucket() -> None:
    async def test() -> None:
        budget = budget_of()
        budget.set_reserve(1_000_000)
        assert budget.snapshot().write.reserve == USABLE / 2
        budget.set_reserve(-5)
        assert budget.snapshot().write.reserve == 0

    run(test)


async def test_lowering_the_reserve_wakes_who_waits_for_it(autojump_clock: MockClock) -> None:
    budget = budget_of(BucketLimits(refill_per_s=1, capacity=100))
    budget.set_reserve(40)
    await budget.acquire_write(59, Priority.CREATE)
    log: list[tuple[str, float]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(spend, budget, 10, Priority.CREATE, log, "create")
        await trio.sleep(1)
        assert not log
        budget.set_reserve(0)
    assert log[0][1] < 1.1


async def test_what_can_never_fit_is_refused_at_once(autojump_clock: MockClock) -> None:
    budget = budget_of()
    with pytest.raises(BudgetError, match="split"):
        await budget.acquire_write(100, Priority.EXIT_GUARD)
    budget.set_reserve(45)
    with pytest.raises(BudgetError, match="45 are reserved"):
        await budget.acquire_write(50, Priority.CREATE)
    assert budget.snapshot().write.waiting == 0


async def test_a_cancelled_waiter_leaves_the_line_and_takes_nothing(autojump_clock: MockClock) -> None:
    budget = budget_of()
    await budget.acquire_write(90, Priority.CREATE)
    with trio.move_on_after(0.05):
        await budget.acquire_write(50, Priority.CREATE)
    status = budget.snapshot().write
    assert (status.waiting, status.spent) == (0, 90)
    assert status.tokens == pytest.approx(5)


async def test_a_cancelled_first_lets_the_next_go_on(autojump_clock: MockClock) -> None:
    budget = budget_of()
    await budget.acquire_write(90, Priority.CREATE)
    log: list[tuple[str, float]] = []
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.05):
            nursery.start_soon(spend, budget, 10, Priority.CREATE, log, "small")
            await budget.acquire_write(90, Priority.CANCEL)
    assert log[0][1] - start == pytest.approx(0.1)


async def test_after_a_429_the_bucket_is_empty(autojump_clock: MockClock) -> None:
    budget = budget_of()
    budget.penalise("write")
    budget.penalise("read")
    status = budget.snapshot()
    assert (status.write.tokens, status.read.tokens) == (0, 0)
    assert (status.write.penalties, status.read.penalties) == (1, 1)
    start = trio.current_time()
    await budget.acquire_write(10, Priority.CANCEL)
    assert trio.current_time() - start == pytest.approx(0.1)


async def test_reads_and_writes_do_not_touch_each_other(autojump_clock: MockClock) -> None:
    budget = budget_of()
    start = trio.current_time()
    for _ in range(18):
        await budget.acquire_read()
    await budget.acquire_write(90, Priority.CREATE)
    assert trio.current_time() == start
    assert budget.snapshot().read.spent == 180


async def test_the_account_s_real_limits_take_over(autojump_clock: MockClock) -> None:
    budget = budget_of()
    await budget.acquire_write(90, Priority.CREATE)
    limits = BucketLimits(refill_per_s=1_000, capacity=3_000)
    budget.update_limits(AccountLimits(usage_tier="expert", read=limits, write=limits))
    assert budget.write_refill_per_s == 1_000
    assert budget.write_capacity == 3_000 - 1_000 * ARRIVAL_JITTER_S
    start = trio.current_time()
    await budget.acquire_write(500, Priority.CREATE)
    assert trio.current_time() - start == pytest.approx(0.5)
    small = BucketLimits(refill_per_s=10, capacity=20)
    budget.update_limits(AccountLimits(usage_tier="basic", read=small, write=small))
    assert budget.snapshot().write.tokens <= 19


@pytest.mark.parametrize("limits", [(0, 100), (100, 0), (-1, 5)])
def test_a_bucket_that_never_refills_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(BudgetError):
        RateBudget(lambda: 0.0, ROOMY, BucketLimits(refill_per_s=limits[0], capacity=limits[1]))


def test_a_clock_that_stands_still_or_goes_back_makes_no_tokens() -> None:
    time = [10.0]
    budget = RateBudget(lambda: time[0], ROOMY, BASIC)
    budget.penalise("write")
    time[0] = 5.0
    assert budget.snapshot().write.tokens == 0


requests = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from([2, 10, 20, 40]), st.sampled_from(Priority)),
    min_size=1,
    max_size=60,
)


@given(requests, st.integers(0, 60), st.integers(0, 2**32))
def test_i19_the_exchange_s_bucket_is_never_overdrawn(
    asked: list[tuple[int, int, Priority]], reserve: int, seed: int
) -> None:
    """The exchange counts on its own, and requests reach it up to ARRIVAL_JITTER_S late, each by another delay."""
    delays = random.Random(seed)
    granted: list[tuple[float, int]] = []

    async def ask(budget: RateBudget, delay_ms: int, cost: int, priority: Priority) -> None:
        await trio.sleep(delay_ms / 1000)
        await budget.acquire_write(cost, priority)
        granted.append((trio.current_time() + delays.uniform(0, ARRIVAL_JITTER_S), cost))

    async def test() -> None:
        budget = budget_of()
        budget.set_reserve(reserve)
        async with trio.open_nursery() as nursery:
            for delay_ms, cost, priority in asked:
                nursery.start_soon(ask, budget, delay_ms, cost, priority)

    run(test)
    assert len(granted) == len(asked)
    tokens, at = 100.0, 0.0
    for arrival, cost in sorted(granted):
        tokens = min(100.0, tokens + (arrival - at) * 100) - cost
        at = arrival
        assert tokens > -1e-3


@example([(0, True, 1)] * 4 + [(1, False, 0)] * 12)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 2)), min_size=20, max_size=80),
)
def test_i19_requests_that_arrive_seconds_late_do_not_overdraw_it_either(asked: list[tuple[int, bool, int]]) -> None:
    """The exchange bills at arrival, and nobody but the answer says when that was; bursts meet late arrivals."""
    arrived: list[tuple[float, int]] = []

    async def ask(budget: RateBudget, slow: trio.CapacityLimiter, at: int, is_slow: bool, late: int) -> None:
        await trio.sleep(at / 2)
        async with slow if is_slow else trio.CapacityLimiter(1):
            await budget.acquire_write(10, Priority.CREATE)
            with budget.in_flight("write", 10) as flight:
                await trio.sleep(late / 2 if is_slow else 0.001)
                arrived.append((trio.current_time(), 10))
                await trio.sleep(0.01)
                flight.landed()

    async def test() -> None:
        budget, slow = budget_of(), trio.CapacityLimiter(4)
        async with trio.open_nursery() as nursery:
            for at, is_slow, late in asked:
                nursery.start_soon(ask, budget, slow, at, is_slow, late)

    run(test)
    tokens, at_s = 100.0, 0.0
    for arrival, cost in sorted(arrived):
        tokens = min(100.0, tokens + (arrival - at_s) * 100) - cost
        at_s = arrival
        assert tokens > -1e-3


async def test_a_request_without_an_answer_is_withheld_until_it_can_land_no_more(autojump_clock: MockClock) -> None:
    budget = budget_of()
    await budget.acquire_write(20, Priority.CREATE)
    with budget.in_flight("write", 20):
        pass
    await trio.sleep(LATE_S - 0.1)
    assert budget.snapshot().write.tokens == USABLE - 20
    await trio.sleep(0.4)
    assert budget.snapshot().write.tokens == pytest.approx(USABLE, abs=1.0)


async def test_lost_answers_withhold_half_the_bucket_at_most(autojump_clock: MockClock) -> None:
    budget = budget_of()
    for _ in range(12):
        await budget.acquire_write(10, Priority.CREATE)
        with budget.in_flight("write", 10):
            pass
    await trio.sleep(2)
    assert budget.snapshot().write.tokens == USABLE / 2


@given(st.integers(1, 60), st.integers(0, 500))
def test_i19_a_cancel_never_waits_for_creates(creates: int, cancel_at_ms: int) -> None:
    waited: list[float] = []

    async def create(budget: RateBudget) -> None:
        await budget.acquire_write(10, Priority.CREATE)

    async def cancel(budget: RateBudget) -> None:
        await trio.sleep(cancel_at_ms / 1000)
        start = trio.current_time()
        await budget.acquire_write(2, Priority.CANCEL)
        waited.append(trio.current_time() - start)

    async def test() -> None:
        budget = budget_of()
        async with trio.open_nursery() as nursery:
            for _ in range(creates):
                nursery.start_soon(create, budget)
            nursery.start_soon(cancel, budget)

    run(test)
    assert waited[0] <= 0.021  # two tokens at 100 a second
