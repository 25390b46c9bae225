"""What is newest is kept, and a bound that is not passed changes nothing."""

from __future__ import annotations

from quant.bounded import keep_newest


def test_the_oldest_entries_beyond_the_bound_are_forgotten() -> None:
    entries = {"a": 1, "b": 2, "c": 3, "d": 4}
    keep_newest(entries, 4)
    assert list(entries) == ["a", "b", "c", "d"]
    keep_newest(entries, 2)
    assert entries == {"c": 3, "d": 4}


def test_an_entry_that_was_changed_in_its_place_stays_as_old_as_it_was() -> None:
    entries = {"a": 1, "b": 2}
    entries["a"] = 9
    keep_newest(entries, 1)
    assert entries == {"b": 2}
