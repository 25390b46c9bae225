"""Single seeds: nothing is violated, a run repeats to the last line, and each check sees its defect."""

from __future__ import annotations

import pytest

from ops.campaign.faults import wanted_kinds
from ops.campaign.seed import SeedOrder, SeedResult, run_seed
from supervisor import build_tree

SECONDS = 75.0


def one(seed: int, faults: str = "all", wire: str = "ports", seconds: float = SECONDS) -> SeedResult:
    kinds = wanted_kinds(faults, with_streams=wire == "full")
    return run_seed(SeedOrder(seed=seed, seconds=seconds, kinds=kinds, wire=wire), build_tree)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_a_seed_with_every_fault_violates_nothing(seed: int) -> None:
    result = one(seed, wire="full" if seed == 5 else "ports")
    assert result.violations == ()
    assert result.fills > 0
    assert result.commands > 50
    assert result.lives >= 3
    assert len(result.strikes) >= 10


@pytest.mark.parametrize("wire", ["ports", pytest.param("full", marks=pytest.mark.long)])
def test_one_seed_gives_one_trace(wire: str) -> None:
    first = one(6, wire=wire, seconds=60)
    assert one(6, wire=wire, seconds=60) == first
    assert first.trace_lines > 300


@pytest.mark.long
def test_another_seed_gives_another_trace() -> None:
    assert one(6, seconds=60, faults="none").trace_hash != one(7, seconds=60, faults="none").trace_hash
