"""The mutation table: for every invariant, mechanisms that hold it, switched off by one changed line.

A row is worth what its test is: choose the test that states the promise, not one that happens to break. Old
lines are short, so that they stay where they are when the code around them moves.
"""

from __future__ import annotations

from typing import Final

from tests.mutations import rows_endings, rows_feed, rows_limits, rows_orders, rows_outside, rows_runtime
from tests.mutations.row import Later, Mutation

_MODULES: Final = (rows_endings, rows_orders, rows_limits, rows_feed, rows_runtime, rows_outside)


def _number(mutation: Mutation) -> int:
    return int(mutation.invariant.removeprefix("I"))


MUTATIONS: Final[tuple[Mutation, ...]] = tuple(sorted((row for m in _MODULES for row in m.ROWS), key=_number))

LATER: Final[tuple[Later, ...]] = (
    Later(invariant="I6", clause="settlement, rewards and transfers over the histories of a whole bot", issue="Money"),
    Later(invariant="I22", clause="the page and the HTTP interface", issue="the issue of the console"),
)
