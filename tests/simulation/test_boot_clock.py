"""I21: our clock is set right while the first request of a boot is on its way: the key is not to blame, it is asked
again.
"""

from __future__ import annotations

import trio

from actors.runtime.exit_guard import ExitReport
from ops.simulation import AnyRequest, Line, World, run_world
from supervisor import build_tree

STEP_MS = 90_000


def test_a_boot_whose_first_signature_was_too_old_tries_again() -> None:
    reports: list[ExitReport] = []

    async def scenario(world: World) -> int:
        world.bot_wall.step_ms(-STEP_MS)
        stepped: list[str] = []

        def set_right(_: Line, request: AnyRequest) -> None:
            if not stepped:
                stepped.append(request.url.path)
                world.bot_wall.step_ms(STEP_MS)

        world.cable.on_request.append(set_right)
        life = world.life()

        async def live() -> None:
            reports.append(await life.run())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(live)
            await trio.sleep(10)
            resting = len(world.resting())
            life.request_stop("enough was seen")
        return resting

    assert run_world(scenario, seed=4, build_tree=build_tree) != 0
    assert reports[0].verdict == "verified flat"
