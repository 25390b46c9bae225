"""Dictionaries that keep what is newest, in the order in which it came."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def keep_newest(entries: dict[K, V], bound: int) -> None:
    """Forgets the oldest entries beyond `bound`; an entry is as old as its key's place in the dictionary."""
    while len(entries) > bound:
        del entries[next(iter(entries))]


def put_newest(entries: dict[K, V], key: K, value: V, bound: int) -> None:
    """Puts `value` in as the newest entry, whatever was there before, and forgets the oldest beyond `bound`."""
    entries.pop(key, None)
    entries[key] = value
    keep_newest(entries, bound)
