"""I21: our own clock is stepped, by a time server or by hand: signatures and leases follow the exchange's, nothing is
quoted while they cannot be trusted, nothing is given up, the way out verifies.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

import attrs
import pytest
import trio

from actors.messages.control import SystemSnapshot
from actors.runtime.exit_guard import ExitReport
from ops.life import Life
from ops.settings import Settings
from ops.simulation import SOCKET_PATH, AnyRequest, Line, World, run_world
from supervisor import build_tree

QUOTING_S = 8.0
STEP_MS = 90_000
# A lease is rounded up to a whole second, and a Date header leaves one second open.
LEASE_SLACK_S = 2.0


@attrs.define(eq=False)
class Stage:
    """A bot that quotes, and what its exchange was sent since its clock was stepped."""

    world: World
    life: Life
    leases_s: list[float] = attrs.field(factory=list)
    refused: int = 0

    def __attrs_post_init__(self) -> None:
        self.world.cable.on_request.append(self._request_leaves)
        self.world.cable.on_answer.append(self._answer_comes)

    def step(self, by_ms: int) -> None:
        self.leases_s.clear()
        self.world.bot_wall.step_ms(by_ms)

    def _request_leaves(self, line: Line, request: AnyRequest) -> None:
        body = json.loads(request.content) if request.method == "POST" and request.content else {}
        if "expiration_time" in body:
            self.leases_s.append(body["expiration_time"] - self.world.exchange.core.now_ms() / 1000)

    def _answer_comes(self, line: Line, request: AnyRequest, status: int) -> None:
        self.refused += status == 401

    @property
    def snapshot(self) -> SystemSnapshot:
        assert self.life.snapshot is not None
        return self.life.snapshot

    def two_sided(self) -> int:
        return sum(row.own_bid is not None and row.own_ask is not None for row in self.snapshot.markets)

    def quotes(self) -> bool:
        return self.snapshot.permit == "given" and len(self.world.resting()) >= 8

    async def until(self, condition: Callable[[], bool], within_s: float) -> None:
        for _ in range(round(within_s / 0.5)):
            if condition():
                return
            await trio.sleep(0.5)
        assert condition()


def _run(scenario: Callable[[Stage], Awaitable[None]]) -> ExitReport:
    async def whole(world: World) -> ExitReport:
        stage = Stage(world, world.life())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.life.run)
            await trio.sleep(QUOTING_S)
            assert stage.quotes()
            await scenario(stage)
            stage.life.request_stop("the test is over")
        assert world.resting() == []
        return stage.life.report

    report = run_world(whole, seed=11, build_tree=build_tree)
    assert isinstance(report, ExitReport)
    return report


@pytest.mark.long
@pytest.mark.parametrize("step_s", [2.9, -2.9])
def test_i21_a_small_step_is_got_over_and_leases_stay_what_they_are(step_s: float) -> None:
    stages: list[Stage] = []

    async def scenario(stage: Stage) -> None:
        stages.append(stage)
        assert stage.two_sided() >= 8
        stage.step(round(step_s * 1000))
        await trio.sleep(12)
        assert stage.two_sided() >= 8

    _run(scenario)
    (stage,) = stages
    assert stage.refused == 0
    floor_s = Settings().orders.lease_floor_s
    assert stage.leases_s
    assert min(stage.leases_s) >= floor_s - LEASE_SLACK_S / 2
    assert max(stage.leases_s) <= floor_s + LEASE_SLACK_S


@pytest.mark.parametrize("step_s", [30.0, pytest.param(-3_600.0, marks=pytest.mark.long)])
def test_i21_after_a_large_step_nothing_is_quoted_and_everything_can_still_be_taken_down(step_s: float) -> None:
    async def scenario(stage: Stage) -> None:
        assert stage.two_sided() >= 8
        stage.step(round(step_s * 1000))
        await trio.sleep(6)
        assert stage.world.resting() == []
        assert any("clock" in reason for reason in stage.snapshot.permit_reasons)

    assert _run(scenario).verdict == "verified flat"


@pytest.mark.long
@pytest.mark.parametrize("step_ms", [STEP_MS, -STEP_MS])
def test_a_step_withdraws_everything_and_quoting_comes_back_with_the_right_time(step_ms: int) -> None:
    async def scenario(stage: Stage) -> None:
        stage.step(step_ms)
        await stage.until(lambda: stage.world.resting() == [], within_s=5)
        await trio.sleep(5)
        assert stage.snapshot.permit == "withheld"
        assert stage.world.resting() == []
        # Requests are signed with the corrected time all the while, so nothing else has come to a stop.
        assert stage.snapshot.permit_reasons == (
            "the clock differs from the exchange's: signatures and leases cannot be trusted",
        )
        stage.step(-step_ms)
        await stage.until(stage.quotes, within_s=15)

    assert _run(scenario).verdict == "verified flat"


@pytest.mark.parametrize("step_ms", [STEP_MS, pytest.param(-STEP_MS, marks=pytest.mark.long)])
def test_a_handshake_signed_in_the_moment_of_a_step_is_tried_again_and_the_key_is_not_blamed(step_ms: int) -> None:
    async def scenario(stage: Stage) -> None:
        sign, stepped = stage.world.signer.headers, [False]

        def step_and_sign(method: str, path: str, at_ms: int) -> Mapping[str, str]:
            if path == SOCKET_PATH and not stepped[0]:
                stepped[0] = True
                stage.step(step_ms)
                at_ms += step_ms
            return sign(method, path, at_ms)

        stage.world.signer.headers = step_and_sign  # type: ignore[method-assign, assignment]
        stage.world.sockets[-1].cut()
        await stage.until(lambda: len(stage.world.sockets) == 2, within_s=10)
        stage.step(-step_ms)
        stage.world.signer.headers = sign  # type: ignore[method-assign]
        await stage.until(stage.quotes, within_s=20)

    report = _run(scenario)
    assert (report.exit_code, report.reason) == (0, "the test is over")


@pytest.mark.parametrize("step_ms", [STEP_MS, pytest.param(-STEP_MS, marks=pytest.mark.long)])
def test_a_step_in_the_moment_of_the_stop_does_not_keep_the_way_out_from_its_proof(step_ms: int) -> None:
    async def scenario(stage: Stage) -> None:
        stage.step(step_ms)
        stage.life.request_stop("the test is over")

    assert _run(scenario).verdict == "verified flat"


def test_a_boot_whose_first_signature_was_too_old_tries_again() -> None:
    """The clock is set right while the request is on its way: the key is not to blame."""

    async def scenario(world: World) -> ExitReport:
        world.bot_wall.step_ms(-STEP_MS)
        stepped: list[str] = []

        def set_right(_: Line, request: AnyRequest) -> None:
            if not stepped:
                stepped.append(request.url.path)
                world.bot_wall.step_ms(STEP_MS)

        world.cable.on_request.append(set_right)
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(10)
            assert world.resting() != []
            life.request_stop("enough was seen")
        return life.report

    report = run_world(scenario, seed=4, build_tree=build_tree)
    assert isinstance(report, ExitReport)
    assert report.verdict == "verified flat"
