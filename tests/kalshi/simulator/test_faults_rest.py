"""Faults of REST requests, from outside: what the real client sees, and what the exchange did."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from kalshi.errors import AuthenticationFailed, ExchangeError, Malformed, OutcomeUnknown, RateLimited, Unavailable
from kalshi.simulator.clock import ExchangeClock
from kalshi.simulator.fault_app import FaultyApp
from kalshi.simulator.fault_plan import FAULTS_MAX, FaultPlan, RequestFacts, TooManyFaults
from kalshi.simulator.faults import (
    AnyFault,
    ClockSkew,
    Duration,
    FillBeforeAnswer,
    HtmlError,
    Latency,
    LateWrite,
    LostReply,
    Milliseconds,
    Positive,
    ServerError,
    Share,
    StaleReads,
    TooManyRequestsStorm,
    TruncatedJson,
)
from kalshi.types import Side
from tests.kalshi.simulator.customer import OTHER_TICKER, START_MS, TICKER, frames
from tests.kalshi.simulator.fault_stage import DEADLINE_S, Stage, running


async def test_without_a_fault_a_request_passes_through_untouched(autojump_clock: MockClock) -> None:
    seen: list[tuple[Any, Any, Any]] = []

    async def app(*call: Any) -> None:
        seen.append(call)

    clock = ExchangeClock(lambda: START_MS)
    plan = FaultPlan(seed=1, elapsed_s=lambda: 0.0, too_many_requests=dict)
    faulty = FaultyApp(app, plan, prefix="", clock=clock, nursery=lambda: None)
    scope, receive, send = {"type": "http"}, object(), object()
    await faulty(scope, receive, send)
    assert [tuple(map(id, call)) for call in seen] == [(id(scope), id(receive), id(send))]
    assert plan.is_idle


async def test_by_default_nothing_is_ordered_and_nothing_is_late(autojump_clock: MockClock) -> None:
    async with running(Stage()) as stage:
        began_s = trio.current_time()
        await stage.place()
        await stage.alice.balance()
        assert trio.current_time() == began_s
        assert (stage.resting(), stage.exchange.faults.orders()) == (1, ())


async def test_latency_delays_what_is_done_and_its_answer(autojump_clock: MockClock) -> None:
    async with running(Stage((Latency(delay_ms=Milliseconds(250), methods=("POST",)),))) as stage:
        began_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.place)
            await trio.sleep(0.2)
            assert stage.resting() == 0
        assert trio.current_time() - began_s == pytest.approx(0.25)
        assert stage.resting() == 1
        await stage.alice.balance()
        assert trio.current_time() - began_s == pytest.approx(0.25)


async def test_a_delayed_write_lands_though_its_sender_has_given_up(autojump_clock: MockClock) -> None:
    async with running(Stage((Latency(delay_ms=Milliseconds(5_000), count=Positive(1)),))) as stage:
        with pytest.raises(OutcomeUnknown):
            await stage.place()
        assert stage.resting() == 0
        await trio.sleep(5 - DEADLINE_S + 0.1)
        assert stage.resting() == 1


def _delays(seed: int) -> list[float]:
    plan = FaultPlan(seed=seed, elapsed_s=lambda: 0.0, too_many_requests=dict)
    plan.order(Latency(delay_ms=Milliseconds(10), tail_ms=Milliseconds(40), delay_ms_max=Milliseconds(900)))
    return [plan.request(RequestFacts(method="GET", path="/markets")).delay_s for _ in range(500)]


def test_the_heavy_tail_is_seeded_long_and_cut() -> None:
    delays = _delays(3)
    assert delays == _delays(3)
    assert delays != _delays(4)
    middle = sorted(delays)[len(delays) // 2]
    assert min(delays) >= 0.01
    assert max(delays) > 10 * middle
    assert max(delays) <= 0.9


async def test_a_lost_reply_leaves_an_order_that_its_sender_does_not_know(autojump_clock: MockClock) -> None:
    async with running(Stage((LostReply(count=Positive(1)),))) as stage:
        with pytest.raises(OutcomeUnknown):
            await stage.place()
        assert stage.resting() == 1
        await stage.place()
        assert (stage.resting(), stage.strikes()) == (2, [1])


async def test_a_late_write_lands_after_its_sender_has_given_up(autojump_clock: MockClock) -> None:
    async with running(Stage((LateWrite(delay_ms=Milliseconds(8_000), count=Positive(1)),))) as stage:
        with pytest.raises(OutcomeUnknown):
            await stage.place()
        await trio.sleep(4.9)
        assert stage.resting() == 0
        await trio.sleep(0.2)
        assert stage.resting() == 1


async def test_any_write_may_land_late_also_a_cancel(autojump_clock: MockClock) -> None:
    async with running(Stage()) as stage:
        ack = await stage.place()
        stage.exchange.faults.order(LateWrite(delay_ms=Milliseconds(4_000), methods=("DELETE",)))
        session = stage.session("user_orders")
        async with stage.http() as http:
            path = f"/portfolio/events/orders/{ack.order_id}?exchange_index=0"
            with trio.move_on_after(2):
                await http.delete(path, headers=stage.headers("DELETE", f"/trade-api/v2{path.partition('?')[0]}"))
        assert (stage.resting(), frames(session)) == (1, [])
        await trio.sleep(2.1)
        assert (stage.resting(), len(frames(session))) == (0, 1)


async def test_a_storm_of_429_refuses_and_does_nothing(autojump_clock: MockClock) -> None:
    async with running(Stage((TooManyRequestsStorm(end_s=Duration(10.0)),))) as stage:
        async with stage.http() as http:
            answer = await http.get("/exchange/status")
        assert (answer.status_code, answer.json(), "retry-after" in answer.headers) == (
            429,
            {"error": "too many requests"},
            False,
        )
        with pytest.raises(RateLimited):
            await stage.place()
        assert stage.resting() == 0
        await trio.sleep(11)
        await stage.place()
        assert stage.resting() == 1


@pytest.mark.parametrize(("when", "landed"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("kind", [ServerError, HtmlError])
async def test_a_5xx_comes_before_the_write_is_done_or_after(
    kind: type[ServerError | HtmlError], when: Any, landed: int, autojump_clock: MockClock
) -> None:
    async with running(Stage((kind(when=when, methods=("POST",)),))) as stage:
        with pytest.raises(OutcomeUnknown):
            await stage.place()
        assert stage.resting() == landed
        await stage.alice.balance()


async def test_the_bodies_of_errors_are_json_or_a_page(autojump_clock: MockClock) -> None:
    faults = (ServerError(status=503, count=Positive(1)), HtmlError(status=502, count=Positive(1)))
    async with running(Stage(faults)) as stage, stage.http() as http:
        # Both dice are thrown for a request that both match; the first ordered decides.
        first = await http.get("/exchange/status")
        assert (first.status_code, first.json()["error"]["code"]) == (503, "service_unavailable")
        assert stage.strikes() == [1, 1]
        stage.exchange.faults.order(HtmlError(status=504))
        page = await http.get("/exchange/status")
        assert (page.status_code, page.headers["content-type"]) == (504, "text/html")
        assert "<h1>504</h1>" in page.text
        assert "date" in page.headers
        with pytest.raises(Unavailable):
            await stage.alice.balance()


async def test_truncated_json_is_sound_http_and_no_json(autojump_clock: MockClock) -> None:
    async with running(Stage((TruncatedJson(keep=Share(0.5)),))) as stage:
        async with stage.http() as http:
            answer = await http.get("/exchange/status")
        assert (answer.status_code, len(answer.content)) == (200, int(answer.headers["content-length"]))
        with pytest.raises(json.JSONDecodeError):
            answer.json()
        with pytest.raises(Malformed):
            await stage.alice.balance()
        with pytest.raises(OutcomeUnknown):
            await stage.place()
        assert stage.resting() == 1


async def test_fills_come_before_the_answer_of_the_create_that_made_them(autojump_clock: MockClock) -> None:
    async with running(Stage((FillBeforeAnswer(delay_ms=Milliseconds(400), key_id="alice"),))) as stage:
        await stage.place(Side.ASK, 60, client=stage.bob)
        session = stage.session("fill")
        heard_s: list[float] = []

        async def listen() -> None:
            await session.next_frames()
            heard_s.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            ack = await stage.place(Side.BID, 60)
            answered_s = trio.current_time()
        assert ack.filled_e2 == 1_000
        assert answered_s - heard_s[0] == pytest.approx(0.4)


async def test_stale_reads_lag_and_say_so(autojump_clock: MockClock) -> None:
    faults = (StaleReads(lag_ms=Milliseconds(4_000), start_s=Duration(1.0), end_s=Duration(20.0)),)
    async with running(Stage(faults)) as stage:
        await trio.sleep(2)
        await stage.place()
        orders, _ = await stage.alice.orders_page()
        as_of_ms = await stage.alice.user_data_timestamp()
        assert orders == ()
        assert as_of_ms < stage.wall_ms() - 900
        await trio.sleep(4.2)
        assert len((await stage.alice.orders_page())[0]) == 1
        assert stage.wall_ms() - await stage.alice.user_data_timestamp() >= 4_000
        await trio.sleep(15)
        await stage.place()
        await trio.sleep(0.1)
        assert len((await stage.alice.orders_page())[0]) == 2


@pytest.mark.parametrize("offset_ms", [60_000, -60_000])
async def test_a_skewed_clock_shows_in_the_date_and_refuses_signatures(
    offset_ms: int, autojump_clock: MockClock
) -> None:
    async with running(Stage((ClockSkew(offset_ms=offset_ms, start_s=Duration(5.0), end_s=Duration(10.0)),))) as stage:
        await stage.alice.balance()
        await trio.sleep(6)
        with pytest.raises(AuthenticationFailed) as refused:
            await stage.alice.balance()
        assert refused.value.code == "header_timestamp_expired"
        assert abs(stage.dates[-1] - stage.wall_ms() - offset_ms) <= 1_000
        await trio.sleep(5)
        await stage.alice.balance()


async def test_a_small_skew_moves_the_times_in_frames_and_never_back(autojump_clock: MockClock) -> None:
    faults = (ClockSkew(offset_ms=5_000, start_s=Duration(2.0), end_s=Duration(4.0)),)
    async with running(Stage(faults)) as stage:
        session, times = stage.session("user_orders"), []
        for _ in range(4):
            await stage.place()
            (frame,) = frames(session)
            times.append(frame["msg"]["last_updated_ts_ms"] - START_MS)
            await trio.sleep(1.6)
        early_s, second_s, skewed_s, after_s = (round(time_ms / 1000) for time_ms in times)
        assert (early_s, second_s, skewed_s) == (0, 2, 8)
        # The fault has ended, and the exchange's own time waits until the clock has caught up.
        assert after_s >= skewed_s


@pytest.mark.parametrize(
    ("changes", "struck"),
    [
        ({}, True),
        ({"methods": ("POST",)}, True),
        ({"methods": ("GET", "DELETE")}, False),
        ({"path": "/portfolio/events/*"}, True),
        ({"path": "/markets*"}, False),
        ({"ticker": "KXTEST-*-A"}, True),
        ({"ticker": OTHER_TICKER}, False),
        ({"key_id": "al*"}, True),
        ({"key_id": "bob"}, False),
        ({"share": Share(0.0)}, False),
        ({"start_s": Duration(1.0)}, False),
        ({"end_s": Duration(0.5)}, True),
    ],
)
async def test_a_fault_strikes_only_what_its_filter_matches(
    changes: dict[str, Any], struck: bool, autojump_clock: MockClock
) -> None:
    async with running(Stage((TooManyRequestsStorm(**changes),))) as stage:
        try:
            await stage.place()
        except RateLimited:
            assert struck
        else:
            assert not struck
        assert stage.strikes() == [int(struck)]


async def test_the_ticker_of_a_request_is_found_in_path_and_query_too(autojump_clock: MockClock) -> None:
    async with running(Stage((TooManyRequestsStorm(ticker=TICKER),))) as stage, stage.http() as http:
        statuses = [
            (await http.get(path)).status_code
            for path in (
                f"/markets/{TICKER}",
                f"/markets/{OTHER_TICKER}",
                f"/markets/trades?ticker={TICKER}",
                "/markets/trades",
            )
        ]
        assert statuses == [429, 200, 429, 200]


async def _outcomes(seed: int, *more: AnyFault) -> list[str]:
    outcomes = []
    async with running(Stage((LostReply(share=Share(0.3)), *more), seed=seed)) as stage:
        for _ in range(30):
            try:
                await stage.place()
                outcomes.append("done")
            except ExchangeError as error:
                outcomes.append(type(error).__name__)
    return outcomes


async def test_one_seed_strikes_the_same_requests_whatever_else_is_ordered(autojump_clock: MockClock) -> None:
    first = await _outcomes(3)
    assert 3 <= first.count("OutcomeUnknown") <= 20
    assert await _outcomes(3) == first
    assert await _outcomes(3, Latency(share=Share(0.5), delay_ms=Milliseconds(5))) == first
    assert await _outcomes(4) != first


def test_the_number_of_faults_is_bounded() -> None:
    plan = FaultPlan(seed=1, elapsed_s=lambda: 0.0, too_many_requests=dict)
    for _ in range(FAULTS_MAX):
        plan.order(LostReply())
    with pytest.raises(TooManyFaults):
        plan.order(LostReply())
    plan.clear()
    assert plan.is_idle
