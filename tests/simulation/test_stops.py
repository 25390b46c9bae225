"""I1, I9, I17: however and whenever the bot is stopped, no order of ours rests at exit, nor 30 s later."""

from __future__ import annotations

import pytest
import trio

from ops.simulation import CALM, ROUGH, StopResult, World, run_world, stop_at_a_random_moment
from supervisor import build_tree

# The drain has 4 s; half a second more is for the actors to end and the report to be written.
OUT_WITHIN_S = 4.5


def _stop(seed: int, *, rough: bool) -> StopResult:
    async def scenario(world: World) -> StopResult:
        return await stop_at_a_random_moment(world, seed)

    faults = ROUGH if rough else CALM
    result = run_world(scenario, seed=seed, build_tree=build_tree, faults=faults)
    assert isinstance(result, StopResult)
    return result


def _assert_nothing_left(result: StopResult) -> None:
    assert result.left_at_exit == (), f"seed {result.seed}: orders rest at exit"
    assert result.left_later == (), f"seed {result.seed}: orders rest 30 s after the exit"
    assert result.took_s <= OUT_WITHIN_S, f"seed {result.seed}: took {result.took_s:.2f} s"


@pytest.mark.parametrize("seed", range(3))
def test_a_stop_at_a_random_moment_with_lost_replies_and_late_creates_leaves_nothing(seed: int) -> None:
    _assert_nothing_left(_stop(seed, rough=True))


@pytest.mark.parametrize("seed", range(100, 102))
def test_a_stop_on_calm_cables_is_verified_flat(seed: int) -> None:
    result = _stop(seed, rough=False)

    _assert_nothing_left(result)
    assert (result.report.exit_code, result.report.verdict) == (0, "verified flat")


@pytest.mark.parametrize("is_person", [False, True])
def test_only_a_person_shortens_the_way_out(is_person: bool) -> None:
    """A second trouble on the way out is no reason to verify less."""

    async def scenario(world: World) -> float:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(8.0)
            world.cable.gateway_is_down = True  # nothing can be verified: it tries until its time is over
            began_s = trio.current_time()
            life.request_stop("the first")
            await trio.sleep(1.0)
            if is_person:
                life.hurry("SIGINT")
            else:
                life.request_stop("the second")
        assert life.report.reason == "the first"
        return trio.current_time() - began_s

    took_s = run_world(scenario, seed=5, build_tree=build_tree)
    assert isinstance(took_s, float)
    assert (took_s < 3.5) is is_person, took_s


@pytest.mark.parametrize(
    "seed",
    [
        *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1_000, 1_060)),
        *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1_060, 1_200)),
    ],
)
def test_two_hundred_stops_leave_nothing(seed: int) -> None:
    _assert_nothing_left(_stop(seed, rough=True))
