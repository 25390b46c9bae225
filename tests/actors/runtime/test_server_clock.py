"""The exchange's clock, guessed from whole seconds that arrive late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.server_clock import (
    ANSWERS_KEPT,
    DATE_RESOLUTION_MS,
    FRESH_ANSWERS,
    LATEST_MARGIN_MS,
    OFFSET_MAX_MS,
    STEP_MAX_MS,
    ServerClock,
)

START_MS = 1_800_000_000_000


class Bench:
    """A machine whose wall clock may be wrong, and an exchange whose clock is `true_offset_ms` ahead of it."""

    def __init__(self, true_offset_ms: int = 0) -> None:
        self.true_offset_ms = true_offset_ms
        self.now_s = 0.0
        self.wall_ms = START_MS
        self.clock = ServerClock(now=lambda: self.now_s, wall_ms=lambda: self.wall_ms)

    def pass_time(self, ms: int) -> None:
        self.now_s += ms / 1000
        self.wall_ms += ms

    def hear(self, latency_ms: int = 10) -> None:
        """One answer: its Date is cut to the second, and it comes after `latency_ms`."""
        date_ms = (self.wall_ms + self.true_offset_ms) // 1000 * 1000
        self.pass_time(latency_ms)
        self.clock.observe_date(date_ms, self.wall_ms)

    @property
    def error_ms(self) -> int:
        return self.clock.now_ms() - (self.wall_ms + self.true_offset_ms)


def test_without_any_answer_it_is_our_own_clock() -> None:
    bench = Bench()
    assert (bench.clock.now_ms(), bench.clock.now_s(), bench.clock.offset_ms) == (START_MS, START_MS / 1000, 0)
    assert bench.clock.is_sane()


def test_a_clock_that_agrees_is_not_moved() -> None:
    bench = Bench()
    for _ in range(30):
        bench.hear()
        bench.pass_time(137)
    assert bench.clock.offset_ms == 0


@pytest.mark.parametrize("true_offset_ms", [-2_500, 2_500, 700, -700])
def test_a_wrong_clock_is_corrected_to_within_the_second_that_a_date_leaves_open(true_offset_ms: int) -> None:
    bench = Bench(true_offset_ms)
    for _ in range(30):
        bench.hear()
        bench.pass_time(137)
    assert abs(bench.error_ms) <= DATE_RESOLUTION_MS


def test_one_slow_answer_moves_nothing() -> None:
    bench = Bench()
    bench.hear()
    bench.hear(latency_ms=3_000)
    assert bench.clock.offset_ms == 0


def test_only_slow_answers_move_it_by_no_more_than_the_fastest_of_them_was_late() -> None:
    bench = Bench()
    for _ in range(ANSWERS_KEPT * 2):
        bench.hear(latency_ms=2_000)
        bench.hear(latency_ms=1_400)
    assert -1_400 <= bench.clock.offset_ms <= 0


@given(
    st.integers(-2_900, 2_900),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2_000)), min_size=ANSWERS_KEPT, max_size=30),
)
def test_the_latest_time_is_never_behind_the_exchange(true_offset_ms: int, answers: list[tuple[int, int]]) -> None:
    bench = Bench(true_offset_ms)
    for latency_ms, pause_ms in answers:
        bench.hear(latency_ms)
        bench.pass_time(pause_ms)
    assert bench.clock.latest_ms() == bench.clock.now_ms() + LATEST_MARGIN_MS
    assert bench.clock.latest_ms() >= bench.wall_ms + true_offset_ms
    assert bench.error_ms <= max(DATE_RESOLUTION_MS, -true_offset_ms)


@pytest.mark.parametrize(("offset_ms", "is_sane"), [(OFFSET_MAX_MS, True), (OFFSET_MAX_MS + 1_000, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_too_large_an_offset_is_not_sane(offset_ms: int, is_sane: bool, sign: int) -> None:
    bench = Bench(sign * offset_ms - (1_000 if sign < 0 else 0))
    for _ in range(3):
        bench.hear(latency_ms=0)
    assert bench.clock.is_sane() is is_sane


class TestAStep:
    """The wall clock is set, by a person or by NTP (I21)."""

    @pytest.mark.parametrize("step_ms", [STEP_MAX_MS + 1, -STEP_MAX_MS - 1, 3_600_000])
    def test_is_distrusted_until_the_offset_is_measured_anew(self, step_ms: int) -> None:
        bench = Bench()
        bench.hear()
        bench.wall_ms += step_ms
        bench.true_offset_ms -= step_ms
        assert not bench.clock.is_sane()
        for _ in range(FRESH_ANSWERS - 1):
            bench.hear()
        assert not bench.clock.is_sane()
        bench.hear()
        assert bench.clock.is_sane() is (abs(step_ms) <= OFFSET_MAX_MS)
        assert abs(bench.error_ms) <= DATE_RESOLUTION_MS

    def test_is_seen_at_an_answer_too_and_what_was_measured_before_is_forgotten(self) -> None:
        bench = Bench(true_offset_ms=2_000)
        bench.hear()
        bench.wall_ms += 2_000
        bench.true_offset_ms -= 2_000
        for _ in range(FRESH_ANSWERS):
            bench.hear()
        assert (bench.clock.offset_ms, bench.clock.is_sane()) == (0, True)

    def test_within_the_limit_is_drift(self) -> None:
        bench = Bench()
        bench.wall_ms += STEP_MAX_MS
        assert bench.clock.is_sane()
