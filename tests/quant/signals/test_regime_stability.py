"""A regime holds after three equal verdicts, a jump at once, and nothing holds once it is stale."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from quant.signals.regime import Regime, RegimeReason, Verdict
from quant.signals.regime_stability import (
    STALE,
    UNKNOWN_YET,
    StabilityParameters,
    StabilityState,
    add,
    current,
    is_stable,
)

PARAMETERS = StabilityParameters()
QUIET = Verdict(regime=Regime.QUIET, reason=RegimeReason.LOW_VOLATILITY)
RETURNING = Verdict(regime=Regime.MEAN_REVERTING, reason=RegimeReason.RETURNS_TO_MEAN)
JUMPED = Verdict(regime=Regime.CHAOTIC, reason=RegimeReason.JUMPED)
THIN = Verdict(regime=Regime.CHAOTIC, reason=RegimeReason.THIN_BOOK)
VERDICTS = (QUIET, RETURNING, JUMPED, THIN)


def after(*verdicts: Verdict) -> StabilityState:
    """One verdict every three seconds from 0 s on."""
    numbered = enumerate(verdicts)
    return reduce(lambda state, one: add(state, 3.0 * one[0], one[1], PARAMETERS), numbered, StabilityState())


def test_before_the_first_verdict_nothing_is_known() -> None:
    assert current(StabilityState(), 5.0, PARAMETERS) == UNKNOWN_YET
    assert current(StabilityState(), 6.0, PARAMETERS, seen_at_s=5.0) == UNKNOWN_YET


def test_two_equal_verdicts_are_not_enough_and_three_are() -> None:
    assert after(QUIET, QUIET).held == UNKNOWN_YET
    state = after(QUIET, QUIET, QUIET)
    assert (state.held, state.held_since_s, is_stable(state, PARAMETERS)) == (QUIET, 6.0, True)


def test_a_value_that_trembles_at_a_limit_changes_nothing() -> None:
    state = after(*[QUIET] * 3, *[RETURNING, QUIET] * 10)
    assert state.held == QUIET
    assert state.held_since_s == 6.0
    assert not is_stable(state, PARAMETERS)


def test_a_jump_holds_at_once_and_leaves_after_three() -> None:
    assert after(*[QUIET] * 3, JUMPED).held == JUMPED
    assert after(*[QUIET] * 3, JUMPED, QUIET, QUIET).held == JUMPED
    assert after(*[QUIET] * 3, JUMPED, QUIET, QUIET, QUIET).held == QUIET


def test_a_thin_book_may_be_a_flicker() -> None:
    assert after(*[QUIET] * 3, THIN, THIN).held == QUIET
    assert after(*[QUIET] * 3, THIN, THIN, THIN).held == THIN


def test_a_regime_is_stale_after_four_seconds_of_silence() -> None:
    state = after(QUIET, QUIET, QUIET)
    assert current(state, 10.0, PARAMETERS) == QUIET
    assert current(state, 10.1, PARAMETERS) == STALE
    assert current(state, 13.0, PARAMETERS, seen_at_s=9.0) == QUIET
    assert current(state, 13.1, PARAMETERS, seen_at_s=9.0).reason is RegimeReason.STALE
    assert current(state, 10.0, PARAMETERS, seen_at_s=1.0) == QUIET


@given(st.lists(st.sampled_from(VERDICTS), min_size=1, max_size=30))
def test_what_holds_was_the_verdict_three_times_in_a_row_or_a_jump(verdicts: list[Verdict]) -> None:
    held = after(*verdicts).held
    runs = [tuple(one.regime for one in verdicts[start : start + 3]) for start in range(len(verdicts) - 2)]
    assert held == UNKNOWN_YET or held.reason is RegimeReason.JUMPED or (held.regime,) * 3 in runs
