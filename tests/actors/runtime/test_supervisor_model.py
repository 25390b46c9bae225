"""Whole supervisors, with random children and random crashes, against the reference model (I14, I15)."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import trio
from hypothesis import given, settings
from trio.testing import MockClock

from actors.runtime.lifecycle import ActorExited
from actors.runtime.supervision import Restart, RestartWindow, Strategy
from actors.runtime.supervisor import ChildContext, Escalated
from tests.actors.runtime.reference_model import ModelChild, PolicyModel, TreeModel
from tests.actors.runtime.stage import Script, Stage, child

UNTIL_S = 200.0
WINDOW_S = 60.0
QUARANTINE_S = 40.0

Lives = list[tuple[float, bool]]


def living(lives: Lives) -> Script:
    """Returns a script that lives as written: so many seconds, then a crash or a return."""

    async def script(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        if context.incarnation > len(lives):
            await trio.sleep_forever()
        seconds, has_crashed = lives[context.incarnation - 1]
        await trio.sleep(seconds)
        if has_crashed:
            raise ValueError("as written")

    return script


def told_by_supervisor(
    strategy: Strategy, allowed: int, tolerated: int, family: list[tuple[Restart, Lives]]
) -> tuple[list[tuple[float, str, str]], bool]:
    stage = Stage()
    specs = [child(f"c{number}", living(lives), restart) for number, (restart, lives) in enumerate(family)]
    supervisor = stage.supervisor(
        *specs,
        strategy=strategy,
        window=RestartWindow(allowed, WINDOW_S),
        quarantine=RestartWindow(tolerated, QUARANTINE_S),
    )

    async def main() -> bool:
        try:
            with trio.move_on_at(UNTIL_S):
                await supervisor.run()
        except Escalated:
            has_escalated = True
        else:
            has_escalated = False
        await trio.lowlevel.checkpoint()
        return has_escalated

    has_escalated = trio.run(main, clock=MockClock(autojump_threshold=0))
    told = [
        (event.at_s, event.name, event.kind.value if isinstance(event, ActorExited) else "started")
        for event in stage.events
    ]
    return told, has_escalated


def distinct(family: list[tuple[Restart, Lives]]) -> list[tuple[Restart, Lives]]:
    """Adds to each life a share of a second of its own (exact in binary), so that no two children end at once."""
    return [
        (
            restart,
            [
                (seconds + 2.0 ** -(4 * number + order + 2), has_crashed)
                for order, (seconds, has_crashed) in enumerate(lives)
            ],
        )
        for number, (restart, lives) in enumerate(family)
    ]


life = st.tuples(st.integers(0, 40).map(float), st.integers(0, 3).map(bool))
families = st.lists(
    st.tuples(
        st.sampled_from([Restart.PERMANENT, Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY]),
        st.lists(life, max_size=4),
    ),
    min_size=1,
    max_size=4,
).map(distinct)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(Strategy)), st.integers(0, 8), st.integers(1, 4), families)
def test_a_supervisor_tells_what_the_reference_model_tells(
    strategy: Strategy, allowed: int, tolerated: int, family: list[tuple[Restart, Lives]]
) -> None:
    model = TreeModel(
        strategy,
        PolicyModel(allowed, WINDOW_S, (tolerated, QUARANTINE_S)),
        [ModelChild(f"c{number}", restart, lives) for number, (restart, lives) in enumerate(family)],
    )
    model.play(UNTIL_S)
    told, has_escalated = told_by_supervisor(strategy, allowed, tolerated, family)
    assert told == model.told
    assert has_escalated is model.has_escalated
