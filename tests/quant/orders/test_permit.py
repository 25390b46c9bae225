"""The permit: what only stops new quotes, what takes the resting ones down, and that each says so."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.orders.parameters import DeskParameters, FeedLimits
from quant.orders.permit import Permit, PermitFacts, decide_permit

PARAMETERS, FEED = DeskParameters(), FeedLimits()
WELL = PermitFacts(
    risk_lease_left_s=3.0,
    risk_halted=False,
    risk_reasons=(),
    heartbeat_ages_s=(("ledger", 1.0), ("fill_reconciler", 1.0), ("stop_loss", 1.0)),
    since_start_s=60.0,
    feed_proof_age_s=1.0,
    is_reconciled=True,
    journal_healthy=True,
    clock_sane=True,
    is_killed=False,
    is_paused=False,
    is_stopping=False,
    fence_tripped=False,
)


def permit(**changes: Any) -> Permit:
    return decide_permit(attrs.evolve(WELL, **changes), PARAMETERS, FEED)


def test_when_all_is_well_quoting_is_permitted_without_a_word() -> None:
    assert permit() == Permit(may_quote=True, must_withdraw=False, reasons=())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_stopping": True}, "stopping"),
        ({"is_killed": True}, "kill switch"),
        ({"is_paused": True}, "paused by a person"),
        ({"fence_tripped": True}, "order group tripped"),
        ({"clock_sane": False}, "clock differs"),
        ({"risk_halted": True, "risk_reasons": ("daily loss",)}, "risk halted: daily loss"),
        ({"risk_lease_left_s": -5.1}, "risk lease ran out 5.1 s ago"),
        ({"risk_lease_left_s": None}, "risk lease"),
        ({"heartbeat_ages_s": (("ledger", 10.1),)}, "ledger silent for 10.1 s"),
        ({"heartbeat_ages_s": (("ledger", None),)}, "ledger silent for 60.0 s"),
        ({"feed_proof_age_s": 15.1}, "without proof of life for 15.1 s"),
        ({"feed_proof_age_s": None}, "without proof of life for 60.0 s"),
    ],
)
def test_what_is_grave_withdraws(changes: dict[str, Any], reason: str) -> None:
    found = permit(**changes)
    assert (found.may_quote, found.must_withdraw) == (False, True)
    assert any(reason in said for said in found.reasons), found.reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"risk_lease_left_s": 0.0}, "risk lease ran out"),
        ({"risk_lease_left_s": -5.0}, "risk lease ran out"),
        ({"heartbeat_ages_s": (("stop_loss", 5.1),)}, "stop_loss silent for over 5 s"),
        ({"feed_proof_age_s": 5.1}, "proof of life for over 5 s"),
        ({"is_reconciled": False}, "not reconciled"),
        ({"journal_healthy": False}, "journal cannot be written"),
        ({"exchange_pause": "trading is paused"}, "trading is paused"),
        ({"since_start_s": 1.0, "risk_lease_left_s": None}, "no risk lease yet"),
        ({"since_start_s": 1.0, "heartbeat_ages_s": (("ledger", None),)}, "ledger not heard yet"),
        ({"since_start_s": 1.0, "feed_proof_age_s": None}, "not connected yet"),
    ],
)
def test_what_is_only_late_leaves_what_rests_alone(changes: dict[str, Any], reason: str) -> None:
    found = permit(**changes)
    assert (found.may_quote, found.must_withdraw) == (False, False)
    assert any(reason in said for said in found.reasons), found.reasons


@pytest.mark.parametrize(
    "changes",
    [
        {"heartbeat_ages_s": (("ledger", 5.0),)},
        {"feed_proof_age_s": 5.0},
        {"risk_lease_left_s": 0.01},
    ],
)
def test_what_is_just_in_time_is_well(changes: dict[str, Any]) -> None:
    assert permit(**changes).may_quote


ages = st.none() | st.floats(0, 30)
facts = st.builds(
    PermitFacts,
    risk_lease_left_s=st.none() | st.floats(-20, 5),
    risk_halted=st.booleans(),
    risk_reasons=st.just(("why",)),
    heartbeat_ages_s=st.tuples(st.tuples(st.just("ledger"), ages), st.tuples(st.just("stop_loss"), ages)),
    since_start_s=st.floats(0, 100),
    feed_proof_age_s=ages,
    is_reconciled=st.booleans(),
    journal_healthy=st.booleans(),
    clock_sane=st.booleans(),
    is_killed=st.booleans(),
    is_paused=st.booleans(),
    is_stopping=st.booleans(),
    fence_tripped=st.booleans(),
    exchange_pause=st.sampled_from(["", "trading is paused"]),
)


@given(facts)
def test_whoever_withholds_says_why_and_whoever_withdraws_withholds(given_facts: PermitFacts) -> None:
    found = decide_permit(given_facts, PARAMETERS, FEED)
    assert found.may_quote == (not found.reasons)
    assert not (found.may_quote and found.must_withdraw)


@given(facts)
def test_it_fails_closed(given_facts: PermitFacts) -> None:
    found = decide_permit(given_facts, PARAMETERS, FEED)
    late = [age for _, age in given_facts.heartbeat_ages_s if age is None or age > PARAMETERS.heartbeat_max_age_s]
    lease = given_facts.risk_lease_left_s
    feed_age = given_facts.feed_proof_age_s
    missing = [
        lease is None or lease <= 0,
        feed_age is None or feed_age > FEED.freeze_s,
        given_facts.risk_halted,
        not given_facts.is_reconciled,
        not given_facts.journal_healthy,
        not given_facts.clock_sane,
        given_facts.is_killed,
        given_facts.is_paused,
        given_facts.is_stopping,
        given_facts.fence_tripped,
        given_facts.exchange_pause,
    ]
    assert found.may_quote == (not late and not any(missing))
