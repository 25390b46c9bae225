"""Which connection carries which market: nobody moves, nobody is crowded out."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kalshi.feed_placement import lowered_limit, place

tickers = st.lists(st.sampled_from([f"M{n}" for n in range(40)]), unique=True)


def test_markets_fill_one_connection_after_the_other() -> None:
    assert place({}, ["A", "B", "C", "D", "E"], 2) == {"A": 0, "B": 0, "C": 1, "D": 1, "E": 2}


def test_a_gap_is_filled_before_another_connection_is_opened() -> None:
    placed = place({"A": 0, "B": 0, "C": 1, "D": 1}, ["B", "C", "D", "E", "F"], 2)
    assert placed == {"B": 0, "C": 1, "D": 1, "E": 0, "F": 2}


@given(st.lists(tickers, min_size=1, max_size=8), st.integers(1, 7))
def test_whatever_comes_and_goes_no_market_moves_and_no_connection_is_overfull(
    wishes: list[list[str]], markets_max: int
) -> None:
    placed: dict[str, int] = {}
    for wanted in wishes:
        before, placed = placed, place(placed, wanted, markets_max)
        assert set(placed) == set(wanted)
        assert all(placed[ticker] == before[ticker] for ticker in placed if ticker in before)
        assert max(Counter(placed.values()).values(), default=0) <= markets_max


def test_a_refusal_lowers_the_limit_to_what_the_connection_bears() -> None:
    assert lowered_limit(held=40, refused=10, markets_max=100) == 40
    assert lowered_limit(held=0, refused=100, markets_max=100) == 50
    assert lowered_limit(held=0, refused=1, markets_max=100) == 1
    assert lowered_limit(held=80, refused=1, markets_max=20) == 20
