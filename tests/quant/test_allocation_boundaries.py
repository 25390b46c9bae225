"""Just below, at and just above each limit of allocation."""

from __future__ import annotations

import pytest

from quant.allocation import AllocationParameters, Assignment, Claim, allocate

PARAMETERS = AllocationParameters()


def claim(program: str, ticker: str, priority: int = 1, score: float = 0.5, expires_at_s: float = 100.0) -> Claim:
    return Claim(program=program, ticker=ticker, priority=priority, score=score, expires_at_s=expires_at_s)


@pytest.mark.parametrize(("claimed", "assigned"), [(19, 19), (20, 20), (21, 20)])
def test_twenty_markets_have_orders(claimed: int, assigned: int) -> None:
    claims = [claim("p" if number % 2 else "q", f"M{number:02}") for number in range(claimed)]
    assert len(allocate(claims, (), 0.0, PARAMETERS).assignments) == assigned


@pytest.mark.parametrize(("ahead", "owner"), [(0.0999, "old"), (0.1, "old"), (0.1001, "new")])
def test_a_challenger_must_be_ahead_by_more_than_the_margin(ahead: float, owner: str) -> None:
    rivals = (claim("old", "M", score=0.0), claim("new", "M", score=ahead))
    (found,) = allocate(rivals, (Assignment(ticker="M", program="old"),), 0.0, PARAMETERS).assignments
    assert found.program == owner


@pytest.mark.parametrize(("priority", "owner"), [(1, "old"), (2, "old"), (3, "new")])
def test_a_greater_priority_takes_a_market_and_an_equal_one_does_not(priority: int, owner: str) -> None:
    rivals = (claim("old", "M", priority=2), claim("new", "M", priority=priority))
    (found,) = allocate(rivals, (Assignment(ticker="M", program="old"),), 0.0, PARAMETERS).assignments
    assert found.program == owner


@pytest.mark.parametrize(("now_s", "counts"), [(99.999, True), (100.0, False), (100.001, False)])
def test_a_claim_counts_until_it_ends(now_s: float, counts: bool) -> None:
    assert bool(allocate((claim("p", "M"),), (), now_s, PARAMETERS).assignments) is counts
