"""Every fill gets exactly one number, in whatever order, however often and by whichever way it comes."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.types import Fill, Side
from quant.fills import (
    HORIZON_STEP_MS,
    FillLedger,
    FillLedgerParameters,
    NumberedFill,
    confirm,
    key_of,
    record,
    restore,
)
from tests.quant.builders import fill

PARAMETERS = FillLedgerParameters(overlap_ms=1_000, remembered_max=100)


def made(name: str, ts_ms: int = 0) -> Fill:
    return fill(Side.BID, 5_000, 100, fill_id=name, order_id="o", ts_ms=ts_ms)


def test_new_fills_are_numbered_densely_from_one() -> None:
    first = record(FillLedger(), [made("a"), made("b")], PARAMETERS)
    second = record(first.ledger, [made("c")], PARAMETERS)
    assert [item.fill_seq for item in first.numbered + second.numbered] == [1, 2, 3]


def test_a_page_that_comes_newest_first_is_numbered_oldest_first() -> None:
    recorded = record(FillLedger(), [made("new", 20), made("old", 10)], PARAMETERS)
    assert [item.fill.fill_id for item in recorded.numbered] == ["old", "new"]


def test_a_known_fill_is_a_duplicate_within_a_delivery_and_across_deliveries() -> None:
    first = record(FillLedger(), [made("a"), made("a")], PARAMETERS)
    second = record(first.ledger, [made("a")], PARAMETERS)
    assert (first.duplicates, second.duplicates) == (1, 1)
    assert second.numbered == ()
    assert second.ledger is first.ledger


def test_two_orders_may_share_a_fill_id() -> None:
    pair = [fill(Side.BID, 5_000, 100, fill_id="t", order_id=order) for order in ("o1", "o2")]
    assert len(record(FillLedger(), pair, PARAMETERS).numbered) == 2


def test_the_horizon_follows_a_confirmation_at_the_overlap_and_forgets_what_is_older() -> None:
    ledger = record(FillLedger(), [made("a", 10), made("b", 200_000)], PARAMETERS).ledger
    ledger = confirm(ledger, 200_000, PARAMETERS)
    assert ledger.horizon_ms == 199_000
    assert set(ledger.seen) == {("o", "b")}


def test_a_fill_before_the_horizon_is_never_numbered_again() -> None:
    ledger = confirm(record(FillLedger(), [made("a", 10)], PARAMETERS).ledger, 200_000, PARAMETERS)
    recorded = record(ledger, [made("a", 10)], PARAMETERS)
    assert (recorded.numbered, recorded.before_horizon) == ((), 1)


def test_a_new_fill_alone_moves_no_horizon_so_an_older_one_hidden_by_a_disconnect_still_counts() -> None:
    ledger = record(FillLedger(), [made("fresh", 10_000_000)], PARAMETERS).ledger
    assert [item.fill.fill_id for item in record(ledger, [made("hidden", 5)], PARAMETERS).numbered] == [
        "hidden"
    ]


def test_the_horizon_moves_in_steps_and_never_back() -> None:
    ledger = FillLedger(horizon_ms=1_000_000)
    just_short = 1_000_000 + HORIZON_STEP_MS + PARAMETERS.overlap_ms - 1
    assert confirm(ledger, just_short, PARAMETERS) is ledger
    assert confirm(ledger, 0, PARAMETERS) is ledger
    assert confirm(ledger, just_short + 1, PARAMETERS).horizon_ms == 1_000_000 + HORIZON_STEP_MS


def test_an_overfull_memory_forgets_the_oldest_but_never_numbers_them_again() -> None:
    parameters = FillLedgerParameters(overlap_ms=1_000, remembered_max=3)
    ledger = record(FillLedger(), [made(str(n), n) for n in range(5)], parameters).ledger
    assert len(ledger.seen) == 3
    assert ledger.forced_horizon_moves == 1
    again = record(ledger, [made(str(n), n) for n in range(5)], parameters)
    assert (again.numbered, again.duplicates, again.before_horizon) == ((), 3, 2)


def test_a_restored_ledger_goes_on_where_the_stored_one_ended() -> None:
    recorded = record(FillLedger(), [made("a", 10), made("b", 20)], PARAMETERS)
    restored = restore(recorded.numbered, 15, PARAMETERS)
    assert (restored.next_seq, set(restored.seen)) == (3, {("o", "b")})
    assert restore((), 15, PARAMETERS) == FillLedger(horizon_ms=15)


@settings(max_examples=200)
@given(
    times=st.lists(st.integers(0, 5_000), min_size=1, max_size=25),
    repeats=st.lists(st.integers(0, 24), max_size=25),
    chunk=st.integers(1, 7),
    confirmed=st.integers(0, 5_000),
    order=st.randoms(use_true_random=False),
)
def test_any_order_and_any_repetition_gives_the_same_set_of_fills_once(
    times: list[int], repeats: list[int], chunk: int, confirmed: int, order: Random
) -> None:
    fills = [made(str(n), ts_ms) for n, ts_ms in enumerate(times)]
    deliveries = fills + [fills[n % len(fills)] for n in repeats]
    order.shuffle(deliveries)
    ledger, numbered = FillLedger(), list[NumberedFill]()
    for start in range(0, len(deliveries), chunk):
        recorded = record(ledger, deliveries[start : start + chunk], PARAMETERS)
        ledger = recorded.ledger
        numbered += recorded.numbered
    assert [item.fill_seq for item in numbered] == list(range(1, len(fills) + 1))
    assert {key_of(item.fill) for item in numbered} == {key_of(item) for item in fills}
    assert record(confirm(ledger, confirmed, PARAMETERS), deliveries, PARAMETERS).numbered == ()


@settings(max_examples=100)
@given(times=st.lists(st.integers(0, 50), max_size=30), repeats=st.lists(st.integers(0, 29), max_size=30))
def test_even_an_overfull_memory_never_numbers_a_fill_twice(times: list[int], repeats: list[int]) -> None:
    parameters = FillLedgerParameters(overlap_ms=5, remembered_max=4)
    fills = [made(str(n), ts_ms) for n, ts_ms in enumerate(times)]
    ledger, keys = FillLedger(), list[tuple[str, str]]()
    for item in fills + [fills[n % len(fills)] for n in repeats if fills]:
        recorded = record(ledger, [item], parameters)
        ledger = recorded.ledger
        keys += [key_of(new.fill) for new in recorded.numbered]
        assert len(ledger.seen) <= parameters.remembered_max
    assert len(keys) == len(set(keys))
