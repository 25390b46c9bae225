"""Fill marks: the mid before a fill and at each horizon, equal to a plain look at the whole history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quant.fill_marks import HORIZONS_MS, PENDING_MAX, FillMarker, FillMarks


def test_the_mid_of_a_fill_is_the_last_before_it_and_that_of_a_horizon_the_last_up_to_it() -> None:
    marker = FillMarker()
    marker.seen(1_000, 100)
    marker.seen(2_000, 110)  # what the fill itself did to the book
    assert marker.filled(7, 2_000) == ()
    marker.seen(3_000, 120)
    marker.seen(3_001, 130)
    assert marker.passed(13_000) == ()
    marker.seen(62_001, 140)
    assert marker.passed(62_001) == (FillMarks(fill_seq=7, mid2_e4=100, later_mid2_e4=(120, 130, 130, 130)),)
    assert marker.rest() == ()


def test_a_later_word_on_the_same_moment_replaces_the_first() -> None:
    marker = FillMarker()
    marker.seen(1_000, 100)
    marker.seen(1_000, 90)
    marker.filled(1, 1_500)
    assert marker.rest() == (FillMarks(fill_seq=1, mid2_e4=90, later_mid2_e4=(None,) * 4),)


def test_a_fill_from_before_the_history_and_a_dead_book_are_not_measured() -> None:
    marker = FillMarker()
    marker.seen(1_000, 100)
    marker.seen(2_500, None)
    marker.filled(1, 900)
    marker.filled(2, 2_000)
    marker.passed(4_000)
    first, second = marker.rest()
    assert first.mid2_e4 is None
    assert second == FillMarks(fill_seq=2, mid2_e4=100, later_mid2_e4=(None,) * 4)


def test_a_horizon_that_has_not_passed_is_not_looked_up() -> None:
    marker = FillMarker()
    marker.seen(1_000, 100)
    marker.filled(1, 1_500)
    marker.passed(2_500)  # the moment itself may still get another mid
    assert marker.rest()[0].later_mid2_e4[0] is None


def test_more_fills_than_fit_push_out_the_oldest() -> None:
    marker = FillMarker()
    marker.seen(0, 100)
    out = [ended.fill_seq for number in range(PENDING_MAX + 3) for ended in marker.filled(number, 10 + number)]
    assert out == [0, 1, 2]


@given(
    mids=st.lists(st.tuples(st.integers(1, 3_000), st.none() | st.integers(1, 5)), min_size=1, max_size=60),
    fills=st.lists(st.integers(0, 50_000), max_size=20),
)
def test_marks_are_those_of_the_whole_history(mids: list[tuple[int, int | None]], fills: list[int]) -> None:
    history: list[tuple[int, int | None]] = []
    at_ms = 0
    for step_ms, mid in mids:
        at_ms += step_ms
        history.append((at_ms, mid))
    marker = FillMarker()
    found: list[FillMarks] = []
    events = sorted([(at, 0, mid) for at, mid in history] + [(at, 1, None) for at in fills], key=lambda e: e[:2])
    number = 0
    for at, is_fill, mid in events:
        if is_fill:
            number += 1
            found += marker.filled(number, at)
        else:
            marker.seen(at, mid)
        found += marker.passed(at)
    found += marker.passed(200_000)

    def mid_at(moment_ms: int, *, includes_now: bool) -> int | None:
        known = [mid for at, mid in history if at < moment_ms or (includes_now and at == moment_ms)]
        return known[-1] if known else None

    expected = [
        FillMarks(
            fill_seq=number,
            mid2_e4=mid_at(at, includes_now=False),
            later_mid2_e4=tuple(mid_at(at + horizon, includes_now=True) for horizon in HORIZONS_MS),
        )
        for number, at in enumerate(sorted(fills), 1)
    ]
    assert found == expected
