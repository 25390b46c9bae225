"""The seams: what a seed fixes, what it must not fix, and how virtual wall time moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing

from actors.runtime.determinism import make_scheduler_deterministic
from actors.runtime.seams import Seams, process_clock_s, real_seams, virtual_seams


def draw(seams: Seams) -> tuple[float, str]:
    return seams.rng.random(), seams.new_id()


def test_one_seed_gives_one_virtual_run() -> None:
    assert draw(virtual_seams(7, 0)) == draw(virtual_seams(7, 0))
    assert draw(virtual_seams(7, 0)) != draw(virtual_seams(8, 0))


def test_an_id_more_does_not_shift_later_random_numbers() -> None:
    plain, with_ids = virtual_seams(7, 0), virtual_seams(7, 0)
    with_ids.new_id()
    assert plain.rng.random() == with_ids.rng.random()


def test_a_seeded_real_run_repeats_its_randomness_but_never_its_ids() -> None:
    first, second = real_seams(7), real_seams(7)
    assert first.rng.random() == second.rng.random()
    assert first.new_id() != second.new_id()


def test_unseeded_real_runs_differ() -> None:
    assert real_seams().rng.random() != real_seams().rng.random()


def test_ids_are_32_hexadecimal_digits() -> None:
    for seams in (real_seams(), virtual_seams(1, 0)):
        identity = seams.new_id()
        assert len(identity) == 32
        assert int(identity, 16) >= 0


def test_seams_cannot_be_changed_by_accident() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        virtual_seams(1, 0).rng = None  # type: ignore[misc,assignment]


def test_the_real_wall_clock_is_of_this_century_and_the_process_clock_moves_forward() -> None:
    assert real_seams().wall_ms() > 1_600_000_000_000
    assert process_clock_s() <= process_clock_s()


async def test_virtual_wall_time_follows_the_virtual_clock(autojump_clock: trio.testing.MockClock) -> None:
    seams = virtual_seams(1, 1_000_000)
    before_ms = seams.wall_ms()
    await trio.sleep(1.001)
    assert seams.wall_ms() - before_ms == 1001


async def test_virtual_wall_clocks_agree_whenever_they_were_made(
    autojump_clock: trio.testing.MockClock,
) -> None:
    early = virtual_seams(1, 1_000_000)
    await trio.sleep(3)
    assert virtual_seams(2, 1_000_000).wall_ms() == early.wall_ms()


async def test_a_step_of_the_wall_clock_leaves_the_monotonic_clock_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    seams = virtual_seams(1, 1_000_000)
    before_s, before_ms = seams.now(), seams.wall_ms()
    seams.wall_ms.step_ms(-30_000)  # type: ignore[attr-defined]
    await trio.lowlevel.checkpoint()
    assert (seams.now(), seams.wall_ms()) == (before_s, before_ms - 30_000)


@pytest.mark.parametrize(("make", "is_inline"), [(lambda: real_seams(1), False), (lambda: virtual_seams(1, 0), True)])
async def test_offloaded_work_returns_its_result_from_a_thread_or_inline(
    make: Callable[[], Seams], is_inline: bool
) -> None:
    with trio.testing.assert_checkpoints():
        thread = await make().offload(threading.get_ident)
    assert (thread == threading.get_ident()) is is_inline
    assert await make().offload(divmod, 7, 2) == (3, 1)


async def test_i24_a_slow_disk_does_not_hold_up_the_loop() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await real_seams().offload(time.sleep, 0.15)
        nursery.cancel_scope.cancel()
    assert turns >= 10


async def test_offloaded_work_raises_where_it_is_awaited() -> None:
    with pytest.raises(ZeroDivisionError):
        await virtual_seams(1, 0).offload(divmod, 1, 0)


def test_two_runs_of_one_seed_see_the_same_world() -> None:
    """I23: three tasks race for the seams; who gets which number is fixed by the seed alone."""

    def run(seed: int) -> list[str]:
        trace: list[str] = []
        seams = virtual_seams(seed, 1_700_000_000_000)

        async def racer(name: str) -> None:
            for _ in range(20):
                await trio.sleep(seams.rng.choice([0, 0.001, 0.01]))
                trace.append(f"{name} {seams.new_id()} {seams.wall_ms()} {seams.rng.random()}")

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for name in "abc":
                    nursery.start_soon(racer, name)

        make_scheduler_deterministic(seed)
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        return trace

    assert run(5) == run(5)
    assert run(5) != run(6)
