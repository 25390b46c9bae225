"""The mids of the last minutes: what is kept, and how far a price went in them."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from quant.signals import mid_history
from quant.signals.mid_history import HistoryParameters, Mid

PARAMETERS = HistoryParameters(window_s=300.0, spacing_s=1.0)
PATHS = st.lists(st.integers(100, 9_900).map(float), max_size=30)


def path(*values: float) -> tuple[Mid, ...]:
    return tuple(Mid(float(index), value) for index, value in enumerate(values))


def test_mids_are_kept_a_second_apart_and_for_the_window() -> None:
    mids = mid_history.add((), 10.0, 5_000, PARAMETERS)
    assert mid_history.add(mids, 10.9, 5_100, PARAMETERS) is mids
    assert mid_history.add(mids, 9.0, 5_100, PARAMETERS) is mids
    mids = mid_history.add(mids, 11.0, 5_200, PARAMETERS)
    assert [mid.mid_e4 for mid in mids] == [5_000, 5_200]
    assert [mid.time_s for mid in mid_history.add(mids, 310.0, 5_300, PARAMETERS)] == [10.0, 11.0, 310.0]
    assert [mid.time_s for mid in mid_history.add(mids, 310.5, 5_300, PARAMETERS)] == [11.0, 310.5]


@given(st.lists(st.floats(0, 100), max_size=400))
def test_memory_is_bounded_by_the_window(gaps_s: list[float]) -> None:
    mids: tuple[Mid, ...] = ()
    now_s = 0.0
    for gap_s in gaps_s:
        now_s += gap_s / 50
        mids = mid_history.add(mids, now_s, 5_000, PARAMETERS)
    assert len(mids) <= PARAMETERS.window_s / PARAMETERS.spacing_s + 1


def test_a_price_that_came_back_has_moved() -> None:
    assert mid_history.largest_move_e4(path(5_000, 6_200, 5_000)) == -1_200
    assert mid_history.largest_move_e4(path(5_000, 6_200, 5_100)) == 1_200
    assert mid_history.largest_move_e4(path(6_000, 4_800)) == -1_200
    assert mid_history.net_move_e4(path(5_000, 6_200, 5_100)) == 100
    assert mid_history.largest_move_e4(()) == mid_history.net_move_e4(()) == 0
    assert mid_history.mean_e4(path(5_000, 5_300)) == 5_150
    assert mid_history.mean_e4(()) is None


@given(PATHS)
def test_the_largest_move_is_that_of_all_pairs(values: list[float]) -> None:
    found = mid_history.largest_move_e4(path(*values))
    moves = [later - earlier for earlier, later in combinations(values, 2)]
    assert abs(found) == max(map(abs, moves), default=0)
    assert found == 0 or found in moves


@given(PATHS)
def test_mirrored_mids_give_the_mirrored_move(values: list[float]) -> None:
    mirrored = [10_000 - value for value in values]
    assert mid_history.largest_move_e4(path(*mirrored)) == -mid_history.largest_move_e4(path(*values))
