"""The shadow accrual counts the time that our snapshots cover, and no more of it."""

from __future__ import annotations

import msgspec
import pytest

from quant.rewards.accrual import Accrual, accrued_e6, observe
from tests.quant.rewards.builders import HOUR_MS, START_MS, TERMS, snapshot, with_

EMPTY = Accrual(program_id="P")
FULL = snapshot(1.0, 1.0)


def after(*steps: tuple[int, float, bool]) -> Accrual:
    """The accrual after snapshots at these seconds of the period, with this share of each side, valid or not."""
    accrual = EMPTY
    for second, share, is_valid in steps:
        score = snapshot(share, share, is_valid=is_valid)
        accrual = observe(accrual, score, START_MS + second * 1000, TERMS)
    return accrual


def test_the_whole_of_both_sides_all_the_time_earns_the_whole_reward() -> None:
    accrual = EMPTY
    for second in range(3_600):
        accrual = observe(accrual, FULL, START_MS + second * 1000, TERMS)
    assert accrued_e6(accrual, TERMS) == pytest.approx(100_000_000)
    assert TERMS.payout_e6(accrued_e6(accrual, TERMS) + 0.5) == 100_000_000


def test_half_of_one_side_for_a_tenth_of_the_period_earns_a_fortieth() -> None:
    accrual = EMPTY
    for second in range(360):
        accrual = observe(accrual, snapshot(0.5, 0.0), START_MS + second * 1000, TERMS)
    assert accrued_e6(accrual, TERMS) == pytest.approx(100_000_000 / 40)


def test_a_snapshot_stands_for_the_time_since_the_last_one_up_to_a_bound() -> None:
    assert after((0, 1.0, True)).share_s == 2.0
    assert after((0, 1.0, True), (4, 1.0, True)).share_s == 10.0
    assert after((0, 1.0, True), (5, 1.0, True)).share_s == 12.0
    assert after((0, 1.0, True), (600, 1.0, True)).share_s == 12.0


def test_a_dropped_snapshot_earns_nothing_and_shrinks_the_pool_only_by_the_switch() -> None:
    accrual = after((0, 1.0, True), (1, 1.0, False))
    assert (accrual.seen_s, accrual.valid_s, accrual.presence) == (2.0, 1.0, 2.0)
    shrunk = accrued_e6(accrual, TERMS)
    assert shrunk == pytest.approx(100_000_000 / 3_600)
    assert accrued_e6(accrual, with_(dropped_snapshots_shrink_pool=False)) == pytest.approx(2 * shrunk)


def test_nothing_seen_is_nothing_earned() -> None:
    assert accrued_e6(EMPTY, TERMS) == 0.0
    assert accrued_e6(after((0, 1.0, False)), with_(dropped_snapshots_shrink_pool=False)) == 0.0
    assert after((0, 1.0, False)).presence == 0.0


@pytest.mark.parametrize("now_ms", [START_MS - 1, START_MS + HOUR_MS])
def test_outside_of_the_period_nothing_counts(now_ms: int) -> None:
    assert observe(EMPTY, FULL, now_ms, TERMS) == EMPTY


def test_a_snapshot_told_twice_or_late_counts_once() -> None:
    accrual = after((10, 1.0, True))
    assert observe(accrual, FULL, START_MS + 10_000, TERMS) == accrual
    assert observe(accrual, FULL, START_MS + 9_000, TERMS) == accrual


def test_terms_of_another_program_are_refused() -> None:
    with pytest.raises(ValueError, match="Q"):
        observe(EMPTY, FULL, START_MS, with_(program_id="Q"))


def test_an_accrual_survives_being_stored() -> None:
    accrual = after((0, 0.3, True), (3, 0.2, False))
    stored = msgspec.json.encode(accrual)
    restored = msgspec.json.decode(stored, type=Accrual)
    assert restored == accrual
    assert observe(restored, FULL, START_MS + 4_000, TERMS) == observe(accrual, FULL, START_MS + 4_000, TERMS)
