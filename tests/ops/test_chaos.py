"""Chaos: which blows are struck, and when the bot counts as well again."""

from __future__ import annotations

import attrs
import pytest

from ops.chaos import KINDS, ROOT_KILLS_MAX, ROOT_WINDOW_S, Blow, ChaosPlan, Striker, parse_kinds, what_ails
from tests.ops.snapshots import snapshot

ACTORS = snapshot().actors


def blows(seed: int, count: int, *kinds: str, apart_s: float = 5.0) -> list[Blow | None]:
    time_s = [0.0]
    striker = Striker(ChaosPlan(seconds=60, every_s=5, seed=seed, kinds=kinds or KINDS), lambda: time_s[0])
    struck = []
    for _ in range(count):
        struck.append(striker.next(ACTORS))
        time_s[0] += apart_s
    return struck


def test_a_seed_gives_its_blows_and_all_kinds_come() -> None:
    assert blows(1, 20) == blows(1, 20) != blows(2, 20)
    assert {blow.word for blow in blows(1, 30) if blow is not None} == {"kill-actor", "stall-actor", "slow-actor"}


def test_the_root_loses_no_more_actors_than_its_window_bears() -> None:
    struck = blows(3, 100, "kill")
    of_root = [
        number for number, blow in enumerate(struck) if blow is not None and not blow.actor.startswith("market:")
    ]
    for first, fourth in zip(of_root, of_root[ROOT_KILLS_MAX:], strict=False):
        assert (fourth - first) * 5.0 > ROOT_WINDOW_S
    assert len(of_root) > ROOT_KILLS_MAX


def test_who_does_not_run_is_not_hit() -> None:
    down = tuple(attrs.evolve(row, state="restarting") for row in ACTORS)
    assert Striker(ChaosPlan(seconds=1, every_s=1, seed=1), lambda: 0.0).next(down) is None


def test_the_bot_is_well_when_all_run_the_permit_is_given_something_is_quoted_and_the_books_are_exact() -> None:
    well = attrs.evolve(
        snapshot(),
        permit="given",
        permit_reasons=(),
        actors=tuple(attrs.evolve(row, state="running") for row in ACTORS),
    )
    assert what_ails(well) == ""
    first = attrs.evolve(well.actors[0], state="backing off")
    assert what_ails(attrs.evolve(well, actors=(first, *well.actors[1:]))) == f"{first.name} does not run"
    assert "permit withheld: why" in what_ails(attrs.evolve(well, permit="withheld", permit_reasons=("why",)))
    assert what_ails(attrs.evolve(well, markets=())) == "nothing is quoted"
    wrong = attrs.evolve(well.totals, is_exact=False)
    assert what_ails(attrs.evolve(well, totals=wrong)) == "the books are not exact"


def test_unknown_kinds_are_refused() -> None:
    assert parse_kinds("kill, slow") == ("kill", "slow")
    with pytest.raises(ValueError, match="unknown kinds flood"):
        parse_kinds("kill,flood")
