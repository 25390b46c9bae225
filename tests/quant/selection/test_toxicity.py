"""Where our own fills lost is left alone for a while, longer when it happens again, and then forgiven."""

from __future__ import annotations

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import quant.selection.toxicity
from quant.selection.toxicity import (
    Experience,
    ToxicityMemory,
    ToxicityParameters,
    adverse_selection_per_contract,
    block_reason,
    remember,
)

PARAMETERS = ToxicityParameters()
NOW = 1_800_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
TOXIC = Experience(ticker="T", series_ticker="S", at_ms=NOW, contracts=60.0, markout_dollars=-3.0)


def remembered(*experiences: Experience) -> ToxicityMemory:
    memory = ToxicityMemory()
    for experience in experiences:
        memory = remember(memory, experience, PARAMETERS)
    return memory


def blocked(memory: ToxicityMemory, at_ms: int = NOW, ticker: str = "T") -> str | None:
    return block_reason(memory, ticker, "S", at_ms)


@pytest.mark.parametrize(
    ("contracts", "markout", "is_blocked"),
    [(50.0, -1.01, True), (50.0, -1.0, False), (49.9, -10.0, False), (60.0, 3.0, False)],
)
def test_enough_contracts_with_bad_markouts_exclude_the_market(
    contracts: float, markout: float, is_blocked: bool
) -> None:
    memory = remembered(attrs.evolve(TOXIC, contracts=contracts, markout_dollars=markout))
    assert (blocked(memory) is not None) is is_blocked


@pytest.mark.parametrize(("pnl", "is_blocked"), [(-25.01, True), (-25.0, False)])
def test_a_loss_excludes_without_any_markouts(pnl: float, is_blocked: bool) -> None:
    memory = remembered(attrs.evolve(TOXIC, contracts=0.0, markout_dollars=0.0, pnl_dollars=pnl))
    assert (blocked(memory) is not None) is is_blocked


def test_the_reason_names_what_was_lost() -> None:
    assert blocked(remembered(TOXIC)) == "its market is toxic: fills marked out by -5.0 cents a contract"


def test_small_experiences_add_up() -> None:
    pieces = [attrs.evolve(TOXIC, contracts=20.0, markout_dollars=-1.0, at_ms=NOW + n) for n in range(3)]
    assert blocked(remembered(*pieces[:2]), NOW + 2) is None
    assert blocked(remembered(*pieces), NOW + 2) is not None


def test_old_losses_fade() -> None:
    early = attrs.evolve(TOXIC, contracts=0.0, markout_dollars=0.0, pnl_dollars=-20.0)
    late = attrs.evolve(early, pnl_dollars=-10.0, at_ms=NOW + DAY_MS)
    assert blocked(remembered(early, late), NOW + DAY_MS) is None
    at_once = attrs.evolve(late, at_ms=NOW + 1_000)
    assert blocked(remembered(early, at_once), NOW + 1_000) is not None


def test_one_bad_market_does_not_condemn_its_series_but_three_do() -> None:
    assert blocked(remembered(TOXIC), ticker="U") is None
    three = remembered(*(attrs.evolve(TOXIC, ticker=f"T{n}") for n in range(3)))
    assert blocked(three, ticker="U") == "its series is toxic: fills marked out by -5.0 cents a contract"
    assert block_reason(three, "U", "another series", NOW) is None


def test_an_exclusion_ends_and_everything_is_forgiven() -> None:
    memory = remembered(TOXIC)
    end_ms = NOW + 6 * HOUR_MS
    assert blocked(memory, end_ms - 1) is not None
    assert blocked(memory, end_ms) is None
    mild = attrs.evolve(TOXIC, contracts=49.0, at_ms=end_ms)
    assert blocked(remember(memory, mild, PARAMETERS), end_ms) is None


def test_losses_while_excluded_do_not_prolong_the_exclusion() -> None:
    memory = remember(remembered(TOXIC), attrs.evolve(TOXIC, at_ms=NOW + HOUR_MS), PARAMETERS)
    assert blocked(memory, NOW + 6 * HOUR_MS) is None


def test_each_further_exclusion_lasts_twice_as_long_up_to_the_longest() -> None:
    memory, now_ms = ToxicityMemory(), NOW
    lengths = []
    for _ in range(8):
        memory = remember(memory, attrs.evolve(TOXIC, at_ms=now_ms), PARAMETERS)
        until_ms = memory.markets["T"].excluded_until_ms
        lengths.append((until_ms - now_ms) // HOUR_MS)
        now_ms = until_ms
    assert lengths == [6, 12, 24, 48, 96, 168, 168, 168]


@pytest.mark.parametrize(("peace_ms", "hours"), [(7 * DAY_MS - 1, 12), (7 * DAY_MS, 6)])
def test_after_a_week_of_peace_the_count_begins_anew(peace_ms: int, hours: int) -> None:
    memory = remembered(TOXIC)
    again_ms = NOW + 6 * HOUR_MS + peace_ms
    memory = remember(memory, attrs.evolve(TOXIC, at_ms=again_ms), PARAMETERS)
    assert memory.markets["T"].excluded_until_ms == again_ms + hours * HOUR_MS


def test_what_fills_lost_is_told_per_contract_once_there_are_enough() -> None:
    memory = remembered(TOXIC)
    assert adverse_selection_per_contract(memory, "T", NOW, PARAMETERS) == pytest.approx(0.05)
    assert adverse_selection_per_contract(memory, "U", NOW, PARAMETERS) is None
    assert adverse_selection_per_contract(memory, "T", NOW + DAY_MS, PARAMETERS) is None


def test_the_memory_survives_being_stored() -> None:
    memory = remembered(TOXIC)
    restored = msgspec.json.decode(msgspec.json.encode(memory), type=ToxicityMemory)
    assert restored == memory
    assert blocked(restored) == blocked(memory)


def test_the_memory_is_bounded_and_forgets_who_is_not_excluded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quant.selection.toxicity, "SUBJECTS_MAX", 2)
    mild = attrs.evolve(TOXIC, contracts=1.0, markout_dollars=0.0)
    memory = remembered(TOXIC, attrs.evolve(mild, ticker="U"), attrs.evolve(mild, ticker="V"))
    assert list(memory.markets) == ["T", "V"]


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3 * DAY_MS), st.floats(0, 200), st.floats(-20, 20), st.floats(-60, 60)), max_size=30
    )
)
def test_no_exclusion_is_longer_than_the_longest_and_none_lasts_for_ever(
    steps: list[tuple[int, float, float, float]],
) -> None:
    memory, now_ms = ToxicityMemory(), NOW
    longest_ms = int(PARAMETERS.exclusion_max_s * 1000)
    for later_ms, contracts, markout, pnl in steps:
        now_ms += later_ms
        memory = remember(
            memory,
            attrs.evolve(TOXIC, at_ms=now_ms, contracts=contracts, markout_dollars=markout, pnl_dollars=pnl),
            PARAMETERS,
        )
        assert memory.markets["T"].excluded_until_ms <= now_ms + longest_ms
        assert memory.markets["T"].contracts >= 0
    assert blocked(memory, now_ms + longest_ms) is None
