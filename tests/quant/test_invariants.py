"""An invariant that does not hold says which one and why; one that holds says nothing."""

from __future__ import annotations

import pytest

from quant.invariants import InvariantViolation, check


def test_what_holds_passes_silently() -> None:
    check(True, "I7", "the book is live")


def test_a_breach_names_the_invariant_and_the_detail() -> None:
    with pytest.raises(InvariantViolation, match="invariant I7 is violated: the book is stale") as caught:
        check(False, "I7", "the book is stale")
    assert (caught.value.invariant, caught.value.detail) == ("I7", "the book is stale")
