"""Fence and sweep: verified means that nothing of ours rests and nothing can come to rest (I1)."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.runtime.child import SilentLog
from actors.runtime.sweep import CLEAN_LISTS_APART_S, FENCE_SETTLE_MS, LIST_EVERY_S, Sweep, SweepReport
from kalshi.errors import ExchangeError, Malformed, Rejected, Unavailable
from kalshi.types import Order
from tests.actors.runtime.exchange_stub import DOWN, NOT_FOUND, ExchangeStub, server_ms
from tests.actors.runtime.stage import ListLog


def is_ours(order: Order) -> bool:
    return order.client_order_id.startswith("us-")


def sweep_of(exchange: ExchangeStub, groups: dict[str, int] | None = None, log: ListLog | None = None) -> Sweep:
    return Sweep(
        client=exchange.client(),
        is_ours=is_ours,
        groups=groups or {},
        server_ms=server_ms,
        now=trio.current_time,
        log=log or SilentLog(),
    )


async def swept(sweep: Sweep, within_s: float = 20.0) -> SweepReport:
    """Fences and verifies side by side, as the exit guard does, for at most `within_s`."""
    with trio.move_on_after(within_s):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sweep.fence)
            nursery.start_soon(sweep.verify)
    return sweep.report()


async def test_an_empty_account_is_verified_by_two_lists(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub()
    report = await swept(sweep_of(exchange))
    assert (report.verified, report.reason) == (True, "two clean lists behind the fence")
    assert report.lists_read >= 2
    assert report.seconds >= CLEAN_LISTS_APART_S


async def test_what_is_in_a_group_goes_with_the_group(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub()
    exchange.put("o-1")
    exchange.put("o-2", group_id="g2", shard=3)
    report = await swept(sweep_of(exchange, {"g1": 0, "g2": 3}))
    assert (report.verified, exchange.resting, exchange.shut) == (True, {}, {"g1": 0, "g2": 3})
    assert (set(report.groups_triggered), report.groups_not_triggered) == ({"g1", "g2"}, ())


async def test_what_is_in_no_group_is_cancelled(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub()
    exchange.put("o-1", group_id=None)
    report = await swept(sweep_of(exchange))
    assert (report.verified, report.orders_cancelled, exchange.resting) == (True, 1, {})


async def test_a_group_is_learned_from_its_orders_and_fenced_as_well(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub()
    exchange.put("o-1", group_id="g7", shard=2)
    report = await swept(sweep_of(exchange))
    assert (report.verified, report.groups_triggered, exchange.shut) == (True, ("g7",), {"g7": 2})


async def test_orders_of_others_are_never_touched(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub()
    exchange.put("theirs", client_order_id="them", group_id="their group")
    report = await swept(sweep_of(exchange))
    assert (report.verified, set(exchange.resting), exchange.cancels, exchange.triggers) == (True, {"theirs"}, [], [])


async def test_a_group_that_does_not_exist_cannot_hold_anything(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub(always={"trigger g1": NOT_FOUND})
    report = await swept(sweep_of(exchange, {"g1": 0}))
    assert (report.verified, report.groups_triggered, exchange.triggers) == (True, ("g1",), ["g1"])


@pytest.mark.parametrize("failure", [DOWN, Rejected(500, "odd", ""), Rejected(409, "paused", "")])
async def test_a_trigger_is_repeated_until_it_is_answered(autojump_clock: MockClock, failure: ExchangeError) -> None:
    exchange = ExchangeStub(failures={"trigger g1": [failure] * 6})
    log = ListLog()
    report = await swept(sweep_of(exchange, {"g1": 0}, log))
    assert (report.verified, exchange.triggers) == (True, ["g1"] * 7)
    assert log.lines[0] == ("warning", f"sweep: group g1 is not triggered yet: {failure}")


@pytest.mark.parametrize("call", ["as_of", "list"])
@pytest.mark.parametrize("failure", [DOWN, Malformed("not json"), Rejected(401, "key", "")])
async def test_a_list_that_fails_is_read_again(autojump_clock: MockClock, call: str, failure: ExchangeError) -> None:
    exchange = ExchangeStub(failures={call: [failure] * 3})
    report = await swept(sweep_of(exchange, {"g1": 0}))
    assert report.verified


@pytest.mark.parametrize("failure", [DOWN, NOT_FOUND, Rejected(409, "market_inactive", "")])
async def test_a_cancel_that_fails_is_tried_again_while_the_order_is_listed(
    autojump_clock: MockClock, failure: ExchangeError
) -> None:
    exchange = ExchangeStub(failures={"cancel o-1": [failure] * 3})
    exchange.put("o-1", group_id=None)
    report = await swept(sweep_of(exchange))
    assert (report.verified, report.orders_cancelled, exchange.cancels) == (True, 1, ["o-1"] * 4)


async def test_an_order_that_lands_between_two_clean_lists_starts_them_anew(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub()
    sweep = sweep_of(exchange)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweep.verify)
        await trio.sleep(CLEAN_LISTS_APART_S * 0.8)
        exchange.put("late", group_id=None)
        late_s = trio.current_time()
    assert (exchange.resting, sweep.report().verified) == ({}, True)
    assert trio.current_time() - late_s >= CLEAN_LISTS_APART_S


async def test_two_lists_close_together_are_not_enough(autojump_clock: MockClock) -> None:
    sweep = sweep_of(ExchangeStub())
    report = await swept(sweep, within_s=CLEAN_LISTS_APART_S)
    assert (report.verified, report.lists_read > 3, report.reason) == (False, True, "out of time")


async def test_a_list_proves_nothing_before_it_is_past_the_trigger(autojump_clock: MockClock) -> None:
    """A read model five seconds behind shows an empty book that was empty before a late order."""
    exchange = ExchangeStub(lag_ms=5_000)
    sweep = sweep_of(exchange, {"g1": 0})
    report = await swept(sweep)
    assert report.verified
    assert report.seconds >= 5.0 + FENCE_SETTLE_MS / 1000 + CLEAN_LISTS_APART_S


async def test_a_list_proves_nothing_before_it_is_past_the_last_cancel(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub(lag_ms=1_500)
    exchange.put("o-1", group_id=None)
    await trio.sleep(3.0)
    sweep = sweep_of(exchange)
    report = await swept(sweep)
    assert (report.verified, exchange.resting) == (True, {})
    assert report.seconds >= 1.5 + CLEAN_LISTS_APART_S
    assert len(exchange.cancels) > 1  # the old list showed it for a while


async def test_a_list_that_is_older_than_the_last_cancel_proves_nothing_even_if_it_is_clean(
    autojump_clock: MockClock,
) -> None:
    """The next answer comes from a reader that is far behind, from before there was any order."""
    exchange = ExchangeStub(failures={"as_of": [DOWN] * 8})
    sweep = sweep_of(exchange)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweep.verify)
        await trio.sleep(4.0)
        exchange.put("o-1", group_id=None)
        await exchange.has_cancelled.wait()
        cancelled_s = trio.current_time()
        exchange.lag_ms = 5_000
    assert trio.current_time() - cancelled_s >= 5.0


async def test_orders_go_even_while_a_group_cannot_be_triggered(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub(always={"trigger g9": Unavailable("no")})
    sweep = sweep_of(exchange, {"g9": 0})

    async def land_late() -> None:
        for place in range(3):
            exchange.put(f"late-{place}", group_id="g8" if place else "g9")
            await trio.sleep(2.0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(land_late)
        report = await swept(sweep, within_s=8.0)
    assert (exchange.resting, report.verified, report.groups_not_triggered) == ({}, False, ("g9",))
    assert "g8" in exchange.shut
    assert "g9 is not triggered yet" in report.reason


async def test_each_group_is_triggered_by_one_task_only(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub(latency_s=0.4)
    exchange.put("o-1", group_id="g1")
    exchange.put("o-2", group_id=None)
    await swept(sweep_of(exchange, {"g1": 0}))
    assert exchange.triggers == ["g1"]


async def test_a_fence_that_was_cut_off_is_made_by_the_next_call(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub(hangs={"trigger g1"})
    sweep = sweep_of(exchange, {"g1": 0})
    with trio.move_on_after(1.0):
        await sweep.fence()
    exchange.hangs.clear()
    await sweep.fence()
    assert (exchange.shut, exchange.triggers) == ({"g1": 0}, ["g1", "g1"])


async def test_whoever_wants_hears_of_each_trigger(autojump_clock: MockClock) -> None:
    heard: list[tuple[str, int]] = []
    sweep = Sweep(
        client=ExchangeStub().client(),
        is_ours=is_ours,
        groups={"g1": 0},
        server_ms=server_ms,
        now=trio.current_time,
        log=SilentLog(),
        on_triggered=lambda group_id, at_ms: heard.append((group_id, at_ms)),
    )
    await sweep.fence()
    assert heard == [("g1", 1_001_000)]


async def test_a_dead_exchange_leaves_a_report_that_says_so(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub(always={"as_of": DOWN, "trigger g1": DOWN})
    report = await swept(sweep_of(exchange, {"g1": 0}), within_s=4.0)
    assert (report.verified, report.groups_not_triggered, report.lists_read) == (False, ("g1",), 0)
    assert "the line is dead" in report.reason
    assert report.seconds == 4.0


async def test_what_is_left_is_named(autojump_clock: MockClock) -> None:
    exchange = ExchangeStub(always={"cancel o-1": DOWN})
    exchange.put("o-1", group_id=None)
    report = await swept(sweep_of(exchange), within_s=2.0)
    assert (report.verified, report.orders_left) == (False, ("o-1",))


@settings(max_examples=60, deadline=None)
@given(
    lag_ms=st.integers(0, 2_000),
    latency_ms=st.integers(0, 300),
    late=st.lists(st.tuples(st.integers(0, 4_000), st.sampled_from(["g1", "g2"])), max_size=4),
    trigger_failures=st.integers(0, 5),
    cancel_failures=st.integers(0, 3),
)
def test_whatever_lands_late_verified_is_never_said_over_an_order_that_rests_or_can_still_come(
    lag_ms: int,
    latency_ms: int,
    late: list[tuple[int, str]],
    trigger_failures: int,
    cancel_failures: int,
) -> None:
    """Orders land until their group is shut."""
    failures: dict[str, list[ExchangeError]] = {"trigger g1": [DOWN] * trigger_failures}
    for place in range(len(late)):
        failures[f"cancel o-{place}"] = [DOWN] * cancel_failures
    exchange = ExchangeStub(lag_ms=lag_ms, latency_s=latency_ms / 1000, failures=failures)

    async def land(order_id: str, after_ms: int, group_id: str) -> None:
        await trio.sleep(after_ms / 1000)
        if group_id not in exchange.shut:
            exchange.put(order_id, group_id=group_id)

    async def run() -> None:
        sweep = sweep_of(exchange, {"g1": 0, "g2": 1})
        async with trio.open_nursery() as nursery:
            for place, (after_ms, group_id) in enumerate(late):
                nursery.start_soon(land, f"o-{place}", after_ms, group_id)
            await swept(sweep, within_s=60.0)
            report = sweep.report()
            assert report.verified
            assert exchange.resting == {}
            assert set(exchange.shut) >= {"g1", "g2"}
            await trio.sleep(10.0)
        assert exchange.resting == {}

    trio.run(run, clock=MockClock(autojump_threshold=0))


def test_the_pauses_are_shorter_than_what_must_lie_between_two_lists() -> None:
    assert LIST_EVERY_S < CLEAN_LISTS_APART_S


@pytest.mark.parametrize("ahead_ms", [90_000, -90_000])
async def test_the_start_is_taken_in_the_corrected_time_wherever_our_clock_stood_then(
    autojump_clock: MockClock, ahead_ms: int
) -> None:
    """A sweep may begin before the first answer has told how far off our clock is."""
    exchange, offset_ms = ExchangeStub(), ahead_ms
    sweep = Sweep(
        client=exchange.client(),
        is_ours=is_ours,
        groups={},
        server_ms=lambda: server_ms() + offset_ms,
        now=trio.current_time,
        log=SilentLog(),
    )
    offset_ms = 0
    exchange.lag_ms = 2_000
    report = await swept(sweep, within_s=4.0)
    assert report.verified
    assert report.seconds >= 2.0 + CLEAN_LISTS_APART_S
