"""Who tripped an order group: our own fills, or somebody else (I30)."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2
from quant.orders.fence import GROUP_WINDOW_MS, TripVerdict, judge_trip
from tests.quant.orders.sentences import filled

TRIPPED_MS = 100_000
LIMIT_E2 = CountE2(300)


def judge(*fills: tuple[int, int], tripped_ms: int = TRIPPED_MS, complete_to_ms: int = TRIPPED_MS + 1) -> TripVerdict:
    """Judges fills given as (milliseconds before the trip, count)."""
    group_fills = [filled(count, at_ms=TRIPPED_MS - before_ms) for before_ms, count in fills]
    return judge_trip(tripped_ms, complete_to_ms, LIMIT_E2, group_fills)


def test_nothing_is_said_before_the_fills_are_complete_past_the_trip() -> None:
    assert judge((0, 300), complete_to_ms=TRIPPED_MS) is TripVerdict.WAIT


def test_fills_that_reach_the_limit_explain_it() -> None:
    assert judge((15_000, 100), (10, 100), (0, 100)) is TripVerdict.OUR_FILLS


def test_fills_below_the_limit_do_not() -> None:
    assert judge((10, 299)) is TripVerdict.FENCED_FROM_OUTSIDE
    assert judge() is TripVerdict.FENCED_FROM_OUTSIDE


def test_fills_farther_apart_than_the_window_do_not() -> None:
    assert judge((GROUP_WINDOW_MS + 1, 100), (10, 100), (0, 100)) is TripVerdict.FENCED_FROM_OUTSIDE


def test_fills_after_the_trip_do_not() -> None:
    assert judge((-1, 300), complete_to_ms=TRIPPED_MS + 9) is TripVerdict.FENCED_FROM_OUTSIDE


def test_a_trip_of_which_only_a_late_refusal_told_is_explained_by_the_window_that_caused_it() -> None:
    late_ms = TRIPPED_MS + 60_000
    assert judge((0, 300), tripped_ms=late_ms, complete_to_ms=late_ms + 1) is TripVerdict.OUR_FILLS


@given(st.lists(st.tuples(st.integers(-5_000, 60_000), st.integers(1, 200)), max_size=12), st.randoms())
def test_the_verdict_is_that_of_the_exchanges_own_window_in_whatever_order_fills_are_told(
    told: list[tuple[int, int]], rng: random.Random
) -> None:
    fills = [filled(count, at_ms=TRIPPED_MS - before_ms) for before_ms, count in told]
    before = [fill for fill in fills if fill.ts_ms <= TRIPPED_MS]
    windows = [
        sum(f.count_e2 for f in before if last.ts_ms - GROUP_WINDOW_MS <= f.ts_ms <= last.ts_ms) for last in before
    ]
    expected = TripVerdict.OUR_FILLS if max(windows, default=0) >= LIMIT_E2 else TripVerdict.FENCED_FROM_OUTSIDE
    rng.shuffle(fills)
    assert judge_trip(TRIPPED_MS, TRIPPED_MS + 1, LIMIT_E2, fills) is expected
