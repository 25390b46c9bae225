"""Faults of the WebSocket and of the exchange as a whole: what a session hears, and what trading is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from kalshi.errors import Rejected
from kalshi.simulator.exchange import SOCKET_PATH
from kalshi.simulator.fault_plan import FaultPlan
from kalshi.simulator.faults import (
    ChannelError,
    ClockSkew,
    DuplicateFill,
    DuplicateFrame,
    Duration,
    ExchangePause,
    LateAcks,
    LateFill,
    LostSnapshot,
    Milliseconds,
    Positive,
    SequenceGap,
    Share,
    Silence,
    SlowConsumerKick,
    SocketDrop,
    TradingPause,
)
from kalshi.simulator.pauses import in_maintenance
from kalshi.simulator.scenario import InstantMs, Scenario
from kalshi.simulator.settings import SimulatorSettings
from kalshi.simulator.socket_session import SessionClosed, SocketSession
from kalshi.types import CancelOrder, Side
from tests.kalshi.simulator.customer import OTHER_TICKER, TICKER, frames, small_catalogue
from tests.kalshi.simulator.fault_stage import Stage, running

MINUTE_MS = 60_000
# Thursday, 26 November 2026, 03:00 in New York.
MAINTENANCE_MS = 1_795_680_000_000


async def fill_one(stage: Stage) -> None:
    await stage.place(Side.ASK, 60, client=stage.bob)
    await stage.place(Side.BID, 60)


def heard(session: SocketSession) -> list[dict[str, Any]]:
    return [frame for frame in frames(session) if frame["type"] != "ok"]


async def test_a_fill_is_told_once_and_at_once_by_default(autojump_clock: MockClock) -> None:
    async with running(Stage()) as stage:
        session = stage.session("fill")
        await fill_one(stage)
        assert len(heard(session)) == 1


async def test_a_duplicate_fill_is_told_twice_and_happened_once(autojump_clock: MockClock) -> None:
    async with running(Stage((DuplicateFill(key_id="alice"),))) as stage:
        alice, bob = stage.session("fill"), stage.session("fill", key_id="bob")
        await fill_one(stage)
        first, second = heard(alice)
        assert first["msg"] == second["msg"]
        assert len(heard(bob)) == 1
        assert len((await stage.alice.fills_page())[0]) == 1
        assert stage.strikes() == [1]


async def test_a_late_fill_is_told_late_and_reads_know_it_before(autojump_clock: MockClock) -> None:
    async with running(Stage((LateFill(delay_ms=Milliseconds(2_000), key_id="alice"),))) as stage:
        session = stage.session("fill", "user_orders")
        await fill_one(stage)
        assert {frame["type"] for frame in heard(session)} == {"user_order"}
        assert len((await stage.alice.fills_page())[0]) == 1
        await trio.sleep(1.8)
        assert heard(session) == []
        await trio.sleep(0.3)
        assert [frame["type"] for frame in heard(session)] == ["fill"]


async def test_a_fault_of_fills_minds_the_ticker(autojump_clock: MockClock) -> None:
    async with running(Stage((DuplicateFill(ticker=OTHER_TICKER),))) as stage:
        session = stage.session("fill")
        await fill_one(stage)
        assert len(heard(session)) == 1
        assert stage.strikes() == [0]


async def test_a_sequence_gap_misses_one_number(autojump_clock: MockClock) -> None:
    async with running(Stage((SequenceGap(start_s=Duration(1.0), count=Positive(1)),))) as stage:
        session = stage.session("orderbook_delta")
        await stage.place()
        await stage.place(cents=41)
        before = [frame["seq"] for frame in heard(session)]
        assert before == [before[0], before[0] + 1]
        await trio.sleep(1.1)
        for cents in (42, 43, 44):
            await stage.place(cents=cents)
        numbers = [*before, *(frame["seq"] for frame in heard(session))]
        assert [two - one for one, two in pairwise(numbers)].count(2) == 1


async def test_a_frame_comes_twice_with_the_same_number(autojump_clock: MockClock) -> None:
    async with running(Stage((DuplicateFrame(start_s=Duration(1.0), count=Positive(1)),))) as stage:
        session = stage.session("orderbook_delta")
        await trio.sleep(1.1)
        await stage.place()
        await stage.place(cents=41)
        first, second, third = (frame["seq"] for frame in heard(session))
        assert (second, third) == (first, first + 1)


async def test_a_lost_snapshot_leaves_deltas_without_one(autojump_clock: MockClock) -> None:
    async with running(Stage((LostSnapshot(start_s=Duration(1.0), count=Positive(1)),))) as stage:
        await trio.sleep(1.1)
        kinds = []
        for _ in range(2):
            session = stage.exchange.open_socket(stage.headers("GET", SOCKET_PATH))
            assert isinstance(session, SocketSession)
            params = {"channels": ["orderbook_delta"], "market_tickers": [TICKER]}
            session.receive_text(json.dumps({"id": 1, "cmd": "subscribe", "params": params}))
            await stage.place()
            kinds.append([frame["type"] for frame in heard(session)])
        assert kinds == [
            ["subscribed", "orderbook_delta"],
            ["subscribed", "orderbook_snapshot", "orderbook_delta"],
        ]


async def test_a_channel_error_ends_subscriptions_with_error_10(autojump_clock: MockClock) -> None:
    async with running(Stage((ChannelError(start_s=Duration(1.0), count=Positive(1)),))) as stage:
        session = stage.session("orderbook_delta")
        await trio.sleep(1.1)
        (frame,) = heard(session)
        assert (frame["type"], frame["msg"]["code"]) == ("error", 10)


async def test_commands_are_answered_late_as_long_as_the_fault_lasts(autojump_clock: MockClock) -> None:
    faults = (LateAcks(delay_ms=Milliseconds(1_500), start_s=Duration(1.0), end_s=Duration(5.0)),)
    async with running(Stage(faults)) as stage:
        session, waited_s = stage.session("ticker"), []
        for pause_s in (0.5, 1.0, 4.0):
            await trio.sleep(pause_s)
            asked_s = trio.current_time()
            session.receive_text('{"id":7,"cmd":"list_subscriptions"}')
            while not any('"id":7' in text for text in await session.next_frames()):
                pass
            waited_s.append(round(trio.current_time() - asked_s, 1))
        assert waited_s == [0.0, 1.5, 0.0]


async def test_a_socket_drop_closes_every_connection(autojump_clock: MockClock) -> None:
    async with running(Stage((SocketDrop(start_s=Duration(1.0), count=Positive(1)),))) as stage:
        session = stage.session("ticker")
        await trio.sleep(0.9)
        assert not session.is_closed
        await trio.sleep(0.2)
        with pytest.raises(SessionClosed):
            await session.next_frames()
        again = stage.session("orderbook_delta")
        await trio.sleep(2)
        assert not again.is_closed


async def test_in_a_silence_nothing_comes_and_then_all_of_it(autojump_clock: MockClock) -> None:
    faults = (Silence(start_s=Duration(1.0), lasts_s=Duration(4.0), count=Positive(1)),)
    async with running(Stage(faults)) as stage:
        session = stage.session("orderbook_delta")
        await trio.sleep(1.1)
        await stage.place()
        with trio.move_on_after(3.5) as patience:
            await session.next_frames()
        assert patience.cancelled_caught
        with trio.fail_after(1):
            (frame,) = await session.next_frames()
        assert json.loads(frame)["type"] == "orderbook_delta"


async def test_a_slow_consumer_kick_ends_subscriptions_with_error_25(autojump_clock: MockClock) -> None:
    async with running(Stage((SlowConsumerKick(start_s=Duration(1.0), count=Positive(1)),))) as stage:
        session = stage.session("orderbook_delta")
        await trio.sleep(1.1)
        (frame,) = heard(session)
        assert (frame["type"], frame["msg"]["code"]) == ("error", 25)
        await stage.place()
        assert heard(session) == []
        assert not session.is_closed


def test_feed_faults_are_tried_now_and_again_by_a_seeded_die() -> None:
    def strikes(seed: int) -> list[int]:
        now_s = [0.0]
        plan = FaultPlan(seed=seed, elapsed_s=lambda: now_s[0], too_many_requests=dict)
        plan.order(SocketDrop(share=Share(0.3), every_s=Duration(2.0)))
        moments = []
        for tick in range(1_000):
            now_s[0] = tick / 10
            moments += [tick] * len(plan.due_feed_faults())
        return moments

    first = strikes(1)
    assert first == strikes(1)
    assert first != strikes(2)
    assert 5 <= len(first) <= 25
    assert all(tick % 20 == 0 for tick in first)


async def refused_code(stage: Stage) -> str:
    try:
        await stage.place()
    except Rejected as refused:
        return refused.code
    return ""


async def test_a_trading_pause_takes_no_creates_while_cancels_work(autojump_clock: MockClock) -> None:
    async with running(Stage((TradingPause(start_s=Duration(1.0), end_s=Duration(5.0)),))) as stage:
        # An order that wants to be cancelled by a pause, and one that does not.
        await stage.alice.create_order(stage.order(cancel_order_on_pause=True))
        ack = await stage.alice.create_order(stage.order(cancel_order_on_pause=False))
        await trio.sleep(1.1)
        assert stage.resting() == 1
        assert await refused_code(stage) != ""
        status = await stage.alice.exchange_status()
        assert (status.trading_active, status.exchange_active) == (False, True)
        await stage.alice.cancel_order(CancelOrder(order_id=ack.order_id, exchange_index=0, ticker=TICKER))
        await trio.sleep(4)
        assert await refused_code(stage) == ""
        assert stage.strikes() == [1]


async def test_an_exchange_pause_says_so(autojump_clock: MockClock) -> None:
    async with running(Stage((ExchangePause(start_s=Duration(1.0), end_s=Duration(2.0)),))) as stage:
        await trio.sleep(1.1)
        assert not (await stage.alice.exchange_status()).exchange_active
        assert await refused_code(stage) != ""
        await trio.sleep(1)
        assert (await stage.alice.exchange_status()).exchange_active


async def test_an_operators_pause_outlives_that_of_a_fault(autojump_clock: MockClock) -> None:
    async with running(Stage((TradingPause(start_s=Duration(1.0), end_s=Duration(2.0)),))) as stage:
        stage.exchange.pauses.set("operator", trading=True)
        await trio.sleep(3)
        assert not stage.exchange.core.trading_active
        stage.exchange.pauses.set("operator", trading=False)
        assert stage.exchange.core.trading_active


def test_the_maintenance_is_thursday_three_to_five_in_new_york() -> None:
    wanted = {
        MAINTENANCE_MS - 1: False,
        MAINTENANCE_MS: True,
        MAINTENANCE_MS + 120 * MINUTE_MS - 1: True,
        MAINTENANCE_MS + 120 * MINUTE_MS: False,
        MAINTENANCE_MS + 24 * 60 * MINUTE_MS: False,
        MAINTENANCE_MS - 20 * 7 * 24 * 60 * MINUTE_MS - 60 * MINUTE_MS: True,  # in summer an hour earlier in UTC
    }
    assert {moment: in_maintenance(moment) for moment in wanted} == wanted


@pytest.mark.parametrize("is_on", [True, False])
async def test_the_weekly_maintenance_pauses_trading_where_it_is_switched_on(
    autojump_clock: MockClock, is_on: bool
) -> None:
    settings = SimulatorSettings(flow=False, weekly_maintenance=is_on, read_lag_ms=(0, 0))
    scenario = Scenario(settings=settings, starts_at=InstantMs(MAINTENANCE_MS - 2_000))
    async with running(Stage(scenario=scenario, catalogue=small_catalogue())) as stage:
        assert stage.exchange.core.trading_active
        await trio.sleep(3)
        assert stage.exchange.core.trading_active is not is_on


async def test_a_state_that_begins_again_is_counted_again(autojump_clock: MockClock) -> None:
    async with running(Stage()) as stage:
        for _ in range(2):
            now_s = stage.exchange.clock.elapsed_s
            stage.exchange.faults.order(ClockSkew(start_s=Duration(now_s), end_s=Duration(now_s + 1)))
            await trio.sleep(2)
        assert stage.strikes() == [1, 1]
        assert stage.exchange.clock.skew_ms == 0
