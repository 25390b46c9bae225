"""A difference from the exchange's positions is believed only when exactly the same one is seen again and
again.
"""

from __future__ import annotations

from functools import reduce

from quant.drift import DriftParameters, DriftState, compare

PARAMETERS = DriftParameters(confirmations=3)


def seen(*reads: tuple[dict[str, int], dict[str, int]]) -> DriftState:
    return reduce(lambda state, read: compare(state, *read), reads, DriftState())


def test_equal_positions_are_no_difference_and_a_missing_ticker_means_flat() -> None:
    assert seen(({"A": 100, "B": 0}, {"A": 100})).differences == {}


def test_the_same_difference_three_times_in_a_row_is_drift() -> None:
    read = ({"A": 100}, {"A": 200, "B": 5})
    assert seen(read, read).drifted(PARAMETERS) == frozenset()
    assert seen(read, read, read).drifted(PARAMETERS) == {"A", "B"}


def test_a_difference_that_changes_counts_from_one_again() -> None:
    state = seen(({"A": 100}, {}), ({"A": 100}, {}), ({"A": 200}, {"A": 50}))
    assert state.differences["A"].times == 1


def test_drift_ends_when_the_numbers_agree_again() -> None:
    read: tuple[dict[str, int], dict[str, int]] = ({"A": 100}, {})
    assert seen(read, read, read, ({"A": 100}, {"A": 100})).drifted(PARAMETERS) == frozenset()
