"""I21: our own clock is stepped in mid-run: nothing is quoted meanwhile, nothing is given up, the way out verifies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
import pytest
import trio

from actors.runtime.exit_guard import ExitReport
from ops.life import Life
from ops.simulation import SOCKET_PATH, World, run_world
from supervisor import build_tree

QUOTING_S = 8.0
STEP_MS = 90_000


@attrs.define(eq=False)
class OwnClock:
    """The bot's wall clock; the exchange's goes on as it was."""

    true_ms: Callable[[], int]
    ahead_ms: int = 0

    def __call__(self) -> int:
        return self.true_ms() + self.ahead_ms


@attrs.define(eq=False)
class Stage:
    world: World
    life: Life
    clock: OwnClock

    @property
    def permit(self) -> str:
        assert self.life.snapshot is not None
        return self.life.snapshot.permit

    def quotes(self) -> bool:
        return self.permit == "given" and len(self.world.resting()) >= 8

    async def until(self, condition: Callable[[], bool], within_s: float) -> None:
        for _ in range(round(within_s / 0.5)):
            if condition():
                return
            await trio.sleep(0.5)
        assert condition()


def _run(scenario: Callable[[Stage], Awaitable[None]]) -> ExitReport:
    async def whole(world: World) -> ExitReport:
        clock = OwnClock(world.seams.wall_ms)
        world.seams = attrs.evolve(world.seams, wall_ms=clock)
        life = world.life()
        reports: list[ExitReport] = []

        async def live() -> None:
            reports.append(await life.run())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(live)
            await trio.sleep(QUOTING_S)
            stage = Stage(world, life, clock)
            assert stage.quotes()
            await scenario(stage)
            life.request_stop("the test is over")
        assert world.resting() == []
        return reports[0]

    report = run_world(whole, seed=11, build_tree=build_tree)
    assert isinstance(report, ExitReport)
    return report


@pytest.mark.long
@pytest.mark.parametrize("step_ms", [STEP_MS, -STEP_MS])
def test_a_step_withdraws_everything_and_quoting_comes_back_with_the_right_time(step_ms: int) -> None:
    async def scenario(stage: Stage) -> None:
        stage.clock.ahead_ms = step_ms
        await stage.until(lambda: stage.world.resting() == [], within_s=5)
        await trio.sleep(5)
        assert stage.permit == "withheld"
        assert stage.world.resting() == []
        # Requests are signed with the corrected time all the while, so nothing else has come to a stop.
        assert stage.life.snapshot is not None
        assert stage.life.snapshot.permit_reasons == (
            "the clock differs from the exchange's: signatures and leases cannot be trusted",
        )
        stage.clock.ahead_ms = 0
        await stage.until(stage.quotes, within_s=15)

    assert _run(scenario).verdict == "verified flat"


@pytest.mark.parametrize("step_ms", [STEP_MS, pytest.param(-STEP_MS, marks=pytest.mark.long)])
def test_a_handshake_signed_in_the_moment_of_a_step_is_tried_again_and_the_key_is_not_blamed(step_ms: int) -> None:
    async def scenario(stage: Stage) -> None:
        sign = stage.world.signer.headers

        def step_and_sign(method: str, path: str, at_ms: int) -> Mapping[str, str]:
            if path == SOCKET_PATH and not stage.clock.ahead_ms:
                stage.clock.ahead_ms = step_ms
                at_ms += step_ms
            return sign(method, path, at_ms)

        stage.world.signer.headers = step_and_sign  # type: ignore[method-assign, assignment]
        stage.world.sockets[-1].cut()
        await stage.until(lambda: len(stage.world.sockets) == 2, within_s=10)
        stage.clock.ahead_ms = 0
        stage.world.signer.headers = sign  # type: ignore[method-assign]
        await stage.until(stage.quotes, within_s=20)

    report = _run(scenario)
    assert (report.exit_code, report.reason) == (0, "the test is over")


@pytest.mark.parametrize("step_ms", [STEP_MS, pytest.param(-STEP_MS, marks=pytest.mark.long)])
def test_a_step_in_the_moment_of_the_stop_does_not_keep_the_way_out_from_its_proof(step_ms: int) -> None:
    async def scenario(stage: Stage) -> None:
        stage.clock.ahead_ms = step_ms
        stage.life.request_stop("the test is over")

    assert _run(scenario).verdict == "verified flat"
