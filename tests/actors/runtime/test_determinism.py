"""The canary: trio's private scheduling hook is still there and still works."""

from __future__ import annotations

import pytest
import trio
import trio._core._run as trio_scheduler

from actors.runtime.determinism import SchedulerHookMissing, make_scheduler_deterministic


def order_of_tasks(seed: int) -> tuple[int, ...]:
    order: list[int] = []

    async def task(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(task, number)

    make_scheduler_deterministic(seed)
    trio.run(main)
    return tuple(order)


def test_one_seed_gives_one_order_of_tasks() -> None:
    assert order_of_tasks(11) == order_of_tasks(11)


def test_different_seeds_give_different_orders() -> None:
    assert len({order_of_tasks(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("hook", ["_ALLOW_DETERMINISTIC_SCHEDULING", "_r"])
def test_a_trio_without_the_hook_is_refused(hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trio_scheduler, hook)
    with pytest.raises(SchedulerHookMissing, match="pinned trio"):
        make_scheduler_deterministic(1)
