"""I21: a time server steps this machine's clock while the bot trades; signatures and leases follow the exchange's."""

from __future__ import annotations

import json

import attrs
import pytest
import trio

from actors.messages.control import SystemSnapshot
from ops.life import Life
from ops.settings import Settings
from ops.simulation import AnyRequest, Line, World, run_world
from supervisor import build_tree

QUOTING_S = 8.0
# A lease is rounded up to a whole second, and a Date header leaves one second open.
LEASE_SLACK_S = 2.0


class Clocks:
    """This machine's clock with its step, and the leases that left since it."""

    def __init__(self, world: World) -> None:
        self.off_ms = 0
        self.leases_s: list[float] = []
        self.refused = 0
        true_ms = world.seams.wall_ms
        self._true_ms = true_ms
        world.seams = attrs.evolve(world.seams, wall_ms=lambda: true_ms() + self.off_ms)
        world.cable.on_request.append(self._request_leaves)
        world.cable.on_answer.append(self._answer_comes)

    def _request_leaves(self, line: Line, request: AnyRequest) -> None:
        body = json.loads(request.content) if request.method == "POST" and request.content else {}
        if self.off_ms and "expiration_time" in body:
            self.leases_s.append(body["expiration_time"] - self._true_ms() / 1000)

    def _answer_comes(self, line: Line, request: AnyRequest, status: int) -> None:
        self.refused += status == 401


def _snapshot(life: Life) -> SystemSnapshot:
    assert life.snapshot is not None
    return life.snapshot


def _two_sided(life: Life) -> int:
    return sum(row.own_bid is not None and row.own_ask is not None for row in _snapshot(life).markets)


@pytest.mark.long
@pytest.mark.parametrize("step_s", [2.9, -2.9])
def test_i21_a_small_step_is_got_over_and_leases_stay_what_they_are(step_s: float) -> None:
    async def scenario(world: World) -> None:
        clocks = Clocks(world)
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(QUOTING_S)
            assert _two_sided(life) >= 8
            clocks.off_ms = round(step_s * 1000)
            await trio.sleep(12)
            assert _two_sided(life) >= 8
            life.request_stop("the test is over")
        assert clocks.refused == 0
        floor_s = Settings().orders.lease_floor_s
        assert clocks.leases_s
        assert min(clocks.leases_s) >= floor_s - LEASE_SLACK_S / 2
        assert max(clocks.leases_s) <= floor_s + LEASE_SLACK_S
        assert world.resting() == []

    run_world(scenario, seed=11, build_tree=build_tree)


@pytest.mark.parametrize("step_s", [30.0, pytest.param(-3_600.0, marks=pytest.mark.long)])
def test_i21_after_a_large_step_nothing_is_quoted_and_everything_can_still_be_taken_down(step_s: float) -> None:
    async def scenario(world: World) -> None:
        clocks = Clocks(world)
        life = world.life()
        reports = []

        async def live() -> None:
            reports.append(await life.run())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(live)
            await trio.sleep(QUOTING_S)
            assert _two_sided(life) >= 8
            clocks.off_ms = round(step_s * 1000)
            await trio.sleep(6)
            assert world.resting() == []
            assert any("clock" in reason for reason in _snapshot(life).permit_reasons)
            life.request_stop("the test is over")
        assert reports[0].verdict == "verified flat"

    run_world(scenario, seed=11, build_tree=build_tree)
