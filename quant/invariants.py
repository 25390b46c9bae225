"""Invariants: facts whose breach means that the program itself is wrong, checked always and in production
too.

A breach is no market condition and no fault of the exchange, so nobody restarts after it: the supervisor
takes `InvariantViolation` straight up to the exit guard, which fences and sweeps. Each check cites the id
under which the invariant is kept in `docs/invariants.md`, such as "I7".
"""

from __future__ import annotations


class InvariantViolation(Exception):
    """Something that must never happen did happen; the defect is ours."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(invariant, detail)
        self.invariant = invariant
        self.detail = detail

    def __str__(self) -> str:
        return f"invariant {self.invariant} is violated: {self.detail}"


def check(condition: bool, invariant: str, detail: str) -> None:
    """Raises InvariantViolation, citing `invariant` and `detail`, unless `condition` holds."""
    if not condition:
        raise InvariantViolation(invariant, detail)
