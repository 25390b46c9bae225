"""A session begins after the delay, and not while anything speaks against it; each limit at its boundary."""

from __future__ import annotations

from typing import Any

import pytest

from kalshi.numbers import MoneyE6
from quant.sessions.facts import Moment
from quant.sessions.funds import FundsGates, judge
from quant.sessions.parameters import EntryParameters, SessionParameters
from quant.sessions.session import Phase
from quant.sessions.sessions import Opened
from quant.signals.regime import Regime
from tests.quant.sessions.stage import PROGRAM, Stage, T, quoting

SIGMA_MIN = SessionParameters().guardrails.sigma_min


def test_a_session_begins_when_all_conditions_have_held_for_the_delay() -> None:
    stage = Stage()
    assert stage.step() is None
    assert stage.reasons() == "all conditions hold; a session begins once they did for 5 s"
    assert stage.step(4.99) is None
    session = stage.step(0.01)
    assert session is not None
    assert (session.phase, session.session_id, session.event_id) == (Phase.CLAIMING, "life-1", "1-7")
    assert [type(happening) for happening in stage.happenings] == [Opened]
    assert stage.verdicts[T].has_session


def test_a_condition_that_fails_for_a_moment_begins_the_delay_anew() -> None:
    stage = Stage()
    stage.step()
    stage.is_stable = False
    assert stage.step(4.9) is None
    stage.is_stable = True
    assert stage.step(0.1) is None
    assert stage.step(4.99) is None
    assert stage.step(0.01) is not None


# Each row: what is just good enough, what is just not, and what is said of that.
BOUNDARIES: tuple[tuple[dict[str, Any], dict[str, Any], str], ...] = (
    ({"regime": Regime.QUIET}, {"regime": Regime.TRENDING}, "its regime is TRENDING"),
    ({"regime": Regime.MEAN_REVERTING}, {"regime": Regime.UNKNOWN}, "its regime is UNKNOWN"),
    ({}, {"regime": Regime.NOISE}, "its regime is NOISE"),
    ({}, {"regime": Regime.CHAOTIC}, "its regime is CHAOTIC"),
    ({"is_stable": True}, {"is_stable": False}, "is not stable yet"),
    ({"regime_age_s": 4.0}, {"regime_age_s": 4.01}, "older than 4 s"),
    ({}, {"regime_age_s": None}, "its regime is not known"),
    ({"event_age_s": 30.0}, {"event_age_s": 30.01}, "not confirmed for 30 s"),
    ({}, {"over_because": "volatility fell"}, "is over: volatility fell"),
    ({"close_in_s": 185.001}, {"close_in_s": 185.0}, "closes within 180 s"),
    ({"sigma": SIGMA_MIN}, {"sigma": SIGMA_MIN * 0.999}, "moves too little"),
    ({"position_e2": 0}, {"position_e2": 1}, "a position is open in it"),
    ({}, {"position_e2": -1}, "a position is open in it"),
    ({}, {"is_tradable": False}, "not tradable"),
    ({}, {"has_ended": True}, "not tradable"),
    ({}, {"moment": {"is_on": False}}, "the program is off"),
    ({}, {"moment": {"is_killed": True}}, "the kill switch is on"),
    ({"moment": {"paused": frozenset({"KX-B"})}}, {"moment": {"paused": frozenset({T})}}, "paused by a person"),
    ({}, {"moment": {"paused": frozenset({"*"})}}, "paused by a person"),
    ({}, {"moment": {"objection": "risk is silent"}}, "risk is silent"),
    ({"moment": {"balance_e6": 100_000_000}}, {"moment": {"balance_e6": 99_999_999}}, "not clearly above $100"),
    ({}, {"moment": {"balance_e6": None}}, "not clearly above $100"),
    (
        {"moment": {"resting_value_e6": 3_999_999_999}},
        {"moment": {"resting_value_e6": 4_000_000_000}},
        "bind nearly $4000",
    ),
)


@pytest.mark.parametrize(("good", "bad", "said"), BOUNDARIES, ids=lambda value: value if isinstance(value, str) else "")
def test_each_condition_at_its_boundary(good: dict[str, Any], bad: dict[str, Any], said: str) -> None:
    fine = Stage(**good)
    fine.step()
    assert fine.step(5.0) is not None
    stage = Stage(**bad)
    stage.step()
    assert stage.step(5.0) is None
    assert said in stage.reasons()
    assert not stage.verdicts[T].has_session


def test_stability_can_be_left_out() -> None:
    parameters = SessionParameters(entry=EntryParameters(require_stability=False))
    stage = Stage(parameters=parameters, is_stable=False)
    stage.step()
    assert stage.step(5.0) is not None


def test_no_more_sessions_than_allowed_the_strongest_first_and_one_that_unwinds_counts() -> None:
    stage = Stage(tickers=("KX-A", "KX-B", "KX-C", "KX-D"))
    stage.step()
    stage.step(5.0)
    assert sorted(stage.state.sessions) == ["KX-A", "KX-B", "KX-C"]
    assert stage.verdicts["KX-D"].reasons == ("3 sessions run already",)
    stage.step(0.25)
    stage.over_because, stage.position_e2, stage.touch_e4 = "volatility fell", 300, 5_000
    stage.step(0.25)
    assert all(session.end_reason for session in stage.state.sessions.values())
    stage.over_because = ""
    stage.step(5.0)
    stage.step(5.0)
    assert sorted(stage.state.sessions) == ["KX-A", "KX-B", "KX-C"]
    assert "3 sessions run already" in stage.verdicts["KX-D"].reasons


def test_a_market_rests_between_two_sessions() -> None:
    stage, _ = quoting()
    stage.over_because = "volatility fell"
    stage.step(0.25)
    stage.step(1.0)
    ended_at_s = stage.now_s
    assert stage.state.sessions == {}
    stage.over_because = ""
    stage.step(0.25)
    assert "a session of it ended less than 60 s ago" in stage.reasons()
    stage.now_s = ended_at_s + 60.0
    assert stage.step() is None
    assert stage.step(5.0) is not None
    assert stage.state.opened == 2


def test_money_opens_again_only_clearly_on_the_safe_side() -> None:
    parameters = EntryParameters()

    def gates(before: FundsGates, balance_e6: int, resting_e6: int = 0) -> FundsGates:
        moment = Moment(
            now_s=0.0,
            now_ms=0,
            program=PROGRAM,
            balance_e6=MoneyE6(balance_e6),
            resting_value_e6=MoneyE6(resting_e6),
        )
        return judge(before, moment, parameters)

    closed = gates(FundsGates(), 99_999_999, 4_000_000_000)
    assert closed == FundsGates(has_balance=False, has_room=False)
    assert gates(closed, 117_647_058, 3_400_000_000) == closed
    assert gates(closed, 117_647_059, 3_399_999_999) == FundsGates(has_balance=True, has_room=True)
    assert gates(FundsGates(), 100_000_000, 3_999_999_999) == FundsGates(has_balance=True, has_room=True)


def test_unwinding_never_reenters_though_the_event_goes_on() -> None:
    stage, first = quoting()
    stage.position_e2, stage.touch_e4 = 300, 5_000
    stage.step(300.0)
    for _ in range(40):
        session = stage.step(5.0)
        assert session is not None
        assert session.session_id == first.session_id
        assert not session.is_live
    stage.position_e2, stage.touch_e4 = 0, None
    stage.step(0.25)
    stage.step(1.0)
    assert stage.state.sessions == {}
    stage.position_e2 = 100  # somebody holds it again
    stage.step(61.0)
    stage.step(5.0)
    assert stage.state.sessions == {}
