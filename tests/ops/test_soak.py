"""A long life in short: nothing is lost, nothing grows, markets come and go."""

from __future__ import annotations

import attrs
import pytest

from actors.runtime.seams import real_seams
from ops.soak import RATE, Soak, SoakResult


def lived(hours: float, markets: int, rate: float = RATE) -> SoakResult:
    lines: list[str] = []
    result = Soak(markets=markets, seed=2, rate=rate, wall_ms=real_seams().wall_ms).run(hours, lines.append)
    assert len(lines) == len(result.marks)
    return result


def test_a_few_minutes_count_operations_markets_and_money() -> None:
    result = lived(0.03, 60, rate=0.5)
    assert result.marks[-1].operations > 3_000
    assert result.open_markets_min >= 60
    assert result.customer_fills > 0
    assert result.marks[-1].imbalance_e6 == 0


def test_what_is_not_as_it_must_be_is_said() -> None:
    result = lived(0.01, 60)
    sound = attrs.evolve(result.marks[0], hours=2.0, operations=1_000_000)
    grown = attrs.evolve(sound, hours=3.0, memory_mib=sound.memory_mib + 100, imbalance_e6=-1)
    faults = attrs.evolve(result, marks=(sound, grown), simulated_s=10_800.0).faults(markets_min=10_000)
    assert len(faults) == 4, faults
    slow = attrs.evolve(result, marks=(sound,), simulated_s=86_400.0)
    assert slow.faults(0) == ["only 11.6 operations a simulated second"]


@pytest.mark.long
def test_an_hour_of_three_hundred_markets_settles_and_conserves() -> None:
    result = lived(1.0, 300)
    assert result.faults(300) == []
    assert result.marks[-1].settled > 10
    assert result.customer_settlements > 0
    assert result.customer_fills > 300
