"""A batch is stored a statement of many rows at a time, and nobody can tell."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.ledger_store.fills import ROWS_PER_STATEMENT
from actors.runtime.ledger_store.store import LedgerStore
from quant.fills import NumberedFill, NumberedFills
from tests.actors.runtime.ledger_store.builders import fill

KNOWN_MAX = 4 * ROWS_PER_STATEMENT


@st.composite
def _batch(draw: st.DrawFn) -> list[int]:
    """Runs of fills, some seen before; lengths lie about whole statements."""
    whole = draw(st.integers(0, 2)) * ROWS_PER_STATEMENT
    length = max(0, whole + draw(st.sampled_from([-1, 0, 1, 2])))
    first = draw(st.integers(0, KNOWN_MAX))
    step = draw(st.sampled_from([0, 1, 1, -1, 3]))
    return [(first + step * n) % KNOWN_MAX for n in range(length)]


@settings(max_examples=40, deadline=None)
@given(st.lists(_batch(), min_size=1, max_size=4))
def test_each_fill_is_numbered_where_it_was_first_said(batches: list[list[int]]) -> None:
    numbers: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = LedgerStore(Path(folder) / "ledger.sqlite")
        for batch in batches:
            before = len(numbers)
            for n in batch:
                numbers.setdefault(n, len(numbers) + 1)
            told = store.record_fills(tuple((fill(n), "rest") for n in batch))
            assert tuple(told) == store.fills_after(before)
            assert len(told) == len(numbers) - before
            assert store.last_seq == len(numbers)
        kept = store.fills_after(0)
        store.close()
    assert kept == tuple(NumberedFill(fill_seq=seq, fill=fill(n)) for n, seq in numbers.items())


def test_fills_that_follow_one_another_are_numbered_when_they_are_asked_for() -> None:
    run = NumberedFills(after_seq=7, fills=(fill(1), fill(2)))
    assert [(each.fill_seq, each.fill) for each in run] == [(8, fill(1)), (9, fill(2))]
    assert not NumberedFills(after_seq=7, fills=())
