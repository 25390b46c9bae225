"""Order flow counts what came and left at the touch, and is unusual only when it is."""

from __future__ import annotations

import math
import random
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.signals.order_flow import OrderFlowParameters, OrderFlowState, Touch, flow_e2, observe, z
from tests.quant.builders import level

PARAMETERS = OrderFlowParameters()


def touch(bid_e2: int = 1_000, ask_e2: int = 1_000, bid_e4: int = 5_000, ask_e4: int = 5_100) -> Touch:
    return Touch(bid=level(bid_e4, bid_e2), ask=level(ask_e4, ask_e2))


def watched(touches: list[tuple[float, Touch]]) -> OrderFlowState:
    return reduce(lambda state, one: observe(state, one[0], one[1], PARAMETERS), touches, OrderFlowState())


def balanced(seconds: int, seed: int = 1) -> list[tuple[float, Touch]]:
    rng = random.Random(seed)
    return [(float(second), touch(rng.randint(500, 5_000), rng.randint(500, 5_000))) for second in range(seconds)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (touch(), 0),
        (touch(bid_e2=1_300), 300),
        (touch(ask_e2=1_300), -300),
        (touch(bid_e2=400), -600),
        (touch(bid_e4=5_050, bid_e2=200), 200),  # a better bid counts whole
        (touch(bid_e4=4_900, bid_e2=9_000), -1_000),  # the old bid is gone
        (touch(ask_e4=5_200, ask_e2=9_000), 1_000),
        (touch(ask_e4=5_050, ask_e2=200), -200),
    ],
)
def test_the_flow_of_one_change(after: Touch, expected: int) -> None:
    assert flow_e2(touch(), after) == expected


@given(st.tuples(*[st.integers(1, 10**6)] * 4), st.integers(1, 9_000), st.integers(1, 9_000))
def test_mirrored_books_give_mirrored_flow(sizes: tuple[int, int, int, int], first: int, second: int) -> None:
    before, after = touch(*sizes[:2], first, first + 100), touch(*sizes[2:], second, second + 100)
    mirrored = [
        touch(t.ask.count_e2, t.bid.count_e2, 10_000 - t.ask.price_e4, 10_000 - t.bid.price_e4) for t in (before, after)
    ]
    assert flow_e2(mirrored[0], mirrored[1]) == -flow_e2(before, after)


def test_there_is_no_z_before_the_warm_up_nor_in_a_still_book() -> None:
    assert z(watched(balanced(60)), 59.0, PARAMETERS) is None
    assert z(watched(balanced(61)), 60.0, PARAMETERS) is not None
    assert z(watched([(float(second), touch()) for second in range(200)]), 199.0, PARAMETERS) is None


def test_buying_for_half_a_minute_stands_out() -> None:
    base = balanced(400)
    calm = z(watched(base), 399.0, PARAMETERS)
    assert calm is not None
    buying = [(400.0 + second, touch(2_000, 1_000, 5_000 + 10 * second, 5_100 + 10 * second)) for second in range(30)]
    found, mirrored = (z(watched([*base, *series]), 429.0, PARAMETERS) for series in (buying, _mirrored(buying)))
    assert found is not None
    assert mirrored is not None
    assert found > 2 > abs(calm)
    assert mirrored < -2


def _mirrored(series: list[tuple[float, Touch]]) -> list[tuple[float, Touch]]:
    return [
        (time_s, touch(one.ask.count_e2, one.bid.count_e2, 10_000 - one.ask.price_e4, 10_000 - one.bid.price_e4))
        for time_s, one in series
    ]


def test_independent_flow_is_seldom_unusual() -> None:
    """Each second's flow is a fair coin: |z| > 2 in about 5 % of the windows."""
    unusual = checked = 0
    for seed in range(4):
        rng, state, bid = random.Random(seed), OrderFlowState(), 10**6
        for second in range(1_500):
            bid += rng.choice((-100, 100))
            state = observe(state, float(second), touch(bid_e2=bid), PARAMETERS)
            found = z(state, float(second), PARAMETERS)
            if found is not None and second % 30 == 0:
                checked, unusual = checked + 1, unusual + (abs(found) > 2)
    assert checked > 150
    assert unusual / checked <= 0.10


def test_the_flow_leaves_with_its_window() -> None:
    base = [*balanced(200), (200.0, touch(10**6, 500))]
    state = watched(base)
    found = [z(state, 200.0 + later, PARAMETERS) for later in (0.0, 30.0, 31.0, 61.0)]
    assert found[0] is not None
    assert found[0] > 2
    assert found[1] is not None
    assert found[1] > 2
    assert found[2] == 0.0
    assert found[3] is None  # older than the gap


def test_a_gap_and_the_past() -> None:
    state = watched(balanced(100))
    assert observe(state, 50.0, touch(), PARAMETERS) is state
    assert observe(state, math.nan, touch(), PARAMETERS) is state
    assert observe(state, 160.0, touch(), PARAMETERS).seconds_seen == 0
    assert observe(state, 159.0, touch(), PARAMETERS).seconds_seen > 100


@given(st.lists(st.floats(0, 500), max_size=60))
def test_memory_is_bounded(times: list[float]) -> None:
    state = watched([(time_s, touch()) for time_s in sorted(times)])
    assert len(state.sums_e2) <= PARAMETERS.window_s
