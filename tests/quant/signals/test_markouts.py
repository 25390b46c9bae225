"""Each fill is measured once per horizon, at the mid known at that time, in its own direction."""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from quant.signals.markouts import (
    MarkedFill,
    MarkoutParameters,
    MarkoutState,
    filled,
    initial,
    observed,
    passed,
    wrong_share,
)

PARAMETERS = MarkoutParameters()


def fill(time_s: float, side: Side = Side.BID, price_e4: int = 5_000, count_e2: int = 100) -> MarkedFill:
    return MarkedFill(time_s=time_s, side=side, price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


def with_mids(state: MarkoutState, mids: list[tuple[float, float]]) -> MarkoutState:
    for time_s, mid in mids:
        state = observed(state, time_s, mid, PARAMETERS)
    return state


def means(state: MarkoutState) -> list[float | None]:
    return [one.mean for one in state.horizons]


PATH = [(99.0, 0.505), (100.5, 0.500), (101.5, 0.490), (105.0, 0.480), (108.0, 0.470), (155.0, 0.52), (161.0, 0.9)]


def test_each_horizon_takes_the_mid_known_at_its_time() -> None:
    state = with_mids(filled(initial(PARAMETERS), fill(100.0), PARAMETERS), PATH)
    # At 101 s the mid of 100.5 s held; at 105 s exactly the one of 105 s; at 160 s that of 155 s.
    assert means(state) == pytest.approx([0.0, -0.02, -0.03, 0.02])
    assert all(one.pending == () for one in state.horizons)


def test_a_sale_is_seen_from_the_other_side() -> None:
    bought = with_mids(filled(initial(PARAMETERS), fill(100.0), PARAMETERS), PATH)
    sold = with_mids(filled(initial(PARAMETERS), fill(100.0, Side.ASK), PARAMETERS), PATH)
    assert means(sold) == pytest.approx([-mean for mean in means(bought) if mean is not None])


def test_contracts_weigh() -> None:
    state = filled(initial(PARAMETERS), fill(100.0, price_e4=5_000, count_e2=300), PARAMETERS)
    state = filled(state, fill(100.0, price_e4=5_400, count_e2=100), PARAMETERS)
    found = with_mids(state, [(100.5, 0.50), (101.5, 0.50)]).horizons[0].mean
    assert found == pytest.approx(-0.01, rel=0.02)


def test_a_horizon_without_a_fresh_mid_is_missed_and_counted() -> None:
    state = with_mids(filled(initial(PARAMETERS), fill(100.0), PARAMETERS), [(100.0, 0.5), (300.0, 0.9)])
    assert [one.measured for one in state.horizons] == [1, 1, 1, 0]
    assert state.horizons[3].missed == 1
    never = passed(filled(initial(PARAMETERS), fill(100.0), PARAMETERS), 200.0, PARAMETERS)
    assert [(one.measured, one.missed) for one in never.horizons] == [(0, 1)] * 4


def test_the_clock_settles_where_the_mid_stands_still() -> None:
    state = with_mids(filled(initial(PARAMETERS), fill(100.0), PARAMETERS), [(100.0, 0.49)])
    assert passed(state, 101.0, PARAMETERS).horizons[0].measured == 0  # a mid of this very moment may still come
    assert passed(state, 101.1, PARAMETERS).horizons[0].mean == pytest.approx(-0.01)


def test_old_fills_count_less() -> None:
    state = initial(PARAMETERS)
    for number in range(500):
        at = 10.0 * number
        state = filled(state, fill(at), PARAMETERS)
        state = with_mids(state, [(at + 0.5, 0.51 if number < 300 else 0.48), (at + 1.5, 0.5)])
    assert state.horizons[0].mean == pytest.approx(-0.02, abs=0.003)


def test_waiting_fills_are_bounded_and_what_is_dropped_is_counted() -> None:
    tight = attrs.evolve(PARAMETERS, pending_max=3)
    state = initial(tight)
    for number in range(5):
        state = filled(state, fill(100.0 + number / 10), tight)
    assert [(len(one.pending), one.missed) for one in state.horizons] == [(3, 2)] * 4


def test_the_share_on_the_wrong_side() -> None:
    state = initial(PARAMETERS)
    for number in range(10):
        at = 100.0 + 10 * number
        state = filled(state, fill(at), PARAMETERS)
        state = with_mids(state, [(at + 1, 0.49 if number < 7 else 0.51), (at + 6, 0.5)])
    assert wrong_share(state, 200.0, PARAMETERS) == pytest.approx(0.7)
    assert wrong_share(state, 450.0, PARAMETERS) == pytest.approx(2 / 5)  # those from 150 s on
    assert wrong_share(state, 450.1, PARAMETERS) is None  # four are too few to say


@pytest.mark.parametrize(("time_s", "mid"), [(98.0, 0.1), (math.nan, 0.1), (101.0, math.nan)])
def test_the_past_and_what_is_no_number_change_nothing(time_s: float, mid: float) -> None:
    state = with_mids(initial(PARAMETERS), [(99.0, 0.5)])
    assert observed(state, time_s, mid, PARAMETERS) is state


@given(
    st.lists(st.tuples(st.floats(0, 300), st.sampled_from(Side)), max_size=20),
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 1)), max_size=40),
)
def test_every_fill_is_measured_or_missed_once(
    fills: list[tuple[float, Side]], mids: list[tuple[float, float]]
) -> None:
    events = sorted(
        [(at, 0, fill(at, side), 0.0) for at, side in fills] + [(at, 1, None, mid) for at, mid in mids],
        key=lambda event: event[:2],
    )
    state = initial(PARAMETERS)
    for at, _, one, mid in events:
        state = observed(state, at, mid, PARAMETERS) if one is None else filled(state, one, PARAMETERS)
    state = passed(state, 1_000.0, PARAMETERS)
    assert [one.measured + one.missed for one in state.horizons] == [len(fills)] * 4
