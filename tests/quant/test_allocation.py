"""Each market has one owner, the cap holds over all programs, and owners change only for a clear reason."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from quant.allocation import AllocationOutcome, AllocationParameters, Assignment, Claim, allocate

PARAMETERS = AllocationParameters(max_markets_with_orders=2, stability_margin=0.1)


def claim(program: str, ticker: str, priority: int = 1, score: float = 0.5, expires_at_s: float = 100) -> Claim:
    return Claim(program=program, ticker=ticker, priority=priority, score=score, expires_at_s=expires_at_s)


def given_out(*claims: Claim, present: tuple[Assignment, ...] = (), now_s: float = 0) -> AllocationOutcome:
    return allocate(claims, present, now_s, PARAMETERS)


def owners(outcome: AllocationOutcome) -> dict[str, str]:
    return {assignment.ticker: assignment.program for assignment in outcome.assignments}


def held(**owner_of: str) -> tuple[Assignment, ...]:
    return tuple(Assignment(ticker=ticker, program=program) for ticker, program in owner_of.items())


def test_a_claim_gets_its_market() -> None:
    outcome = given_out(claim("p", "A"))
    assert outcome.assignments == outcome.added == held(A="p")


def test_the_greater_priority_owns_the_market_and_the_other_is_told() -> None:
    outcome = given_out(claim("low", "A", 1), claim("high", "A", 2, score=0.0))
    assert owners(outcome) == {"A": "high"}
    assert [(item.claim.program, item.reason) for item in outcome.refusals] == [("low", "the market belongs to high")]


def test_the_cap_counts_markets_over_all_programs_and_takes_the_best() -> None:
    outcome = given_out(claim("p", "A", score=0.1), claim("q", "B", score=0.9), claim("p", "C", score=0.5))
    assert owners(outcome) == {"B": "q", "C": "p"}
    assert outcome.refusals[0].reason == "2 markets have orders already"


def test_a_second_claim_for_a_market_without_a_place_gets_none_either() -> None:
    outcome = given_out(claim("p", "A"), claim("p", "B"), claim("p", "C", score=0.2), claim("q", "C", score=0.1))
    assert owners(outcome) == {"A": "p", "B": "p"}
    assert len(outcome.refusals) == 2


def test_an_owner_keeps_its_market_against_a_slightly_better_score() -> None:
    rivals = (claim("p", "A", score=0.5), claim("a-rival", "A", score=0.6))
    assert owners(given_out(*rivals, present=held(A="p"))) == {"A": "p"}
    assert owners(given_out(*rivals)) == {"A": "a-rival"}


def test_a_clearly_better_score_or_a_greater_priority_takes_the_market_over() -> None:
    for rival in (claim("q", "A", score=0.61), claim("q", "A", priority=2, score=0.0)):
        outcome = given_out(claim("p", "A", score=0.5), rival, present=held(A="p"))
        assert outcome.switched == held(A="q")
        assert (outcome.added, outcome.removed) == ((), ())


def test_a_market_with_an_owner_keeps_its_place_under_the_cap() -> None:
    claims = (claim("p", "A", score=0.5), claim("p", "B", score=0.5), claim("p", "C", score=0.55))
    assert owners(given_out(*claims, present=held(A="p", B="p"))) == {"A": "p", "B": "p"}


def test_an_expired_claim_counts_for_nothing() -> None:
    outcome = given_out(claim("p", "A", expires_at_s=10), present=held(A="p"), now_s=10)
    assert outcome.assignments == ()
    assert outcome.removed == held(A="p")


def test_a_renewed_claim_counts_as_the_one_that_ends_later() -> None:
    renewed = Claim.lasting(program="p", ticker="A", priority=1, now_s=5, ttl_s=60)
    assert renewed.expires_at_s == 65
    for pair in ((renewed, claim("p", "A", expires_at_s=8)), (claim("p", "A", expires_at_s=8), renewed)):
        outcome = given_out(*pair, now_s=9)
        assert (owners(outcome), outcome.refusals) == ({"A": "p"}, ())


@given(
    st.lists(
        st.builds(
            claim,
            st.sampled_from("pqr"),
            st.sampled_from("ABCDE"),
            st.integers(0, 2),
            st.floats(0, 1),
            st.sampled_from([0.0, 50.0]),
        ),
        max_size=15,
    )
)
def test_allocating_again_changes_nothing_and_the_order_of_claims_does_not_matter(
    claims: list[Claim],
) -> None:
    # One claim per program and market: among equals the later-ending one is not defined by order alone.
    claims = list({(item.program, item.ticker): item for item in claims}.values())
    first = allocate(claims, (), 10, PARAMETERS)
    again = allocate(reversed(claims), first.assignments, 10, PARAMETERS)
    assert again.assignments == first.assignments
    assert (again.added, again.removed, again.switched) == ((), (), ())
    assert len(first.assignments) <= PARAMETERS.max_markets_with_orders
    live = {(item.program, item.ticker) for item in claims if item.expires_at_s > 10}
    assert {(item.program, item.ticker) for item in first.assignments} <= live
    assert len(first.assignments) + len(first.refusals) == len(live)
    unlimited = attrs.evolve(PARAMETERS, max_markets_with_orders=99)
    assert {item.ticker for item in allocate(claims, (), 10, unlimited).assignments} == {t for _, t in live}
