"""What freezes a living session and what ends it, each rule at its boundary, and which of two wins."""

from __future__ import annotations

from typing import Any

import pytest

from kalshi.types import Side
from quant.quoting.directive import QuoteMode
from quant.sessions.parameters import KillMode, KillParameters, SessionParameters
from quant.sessions.session import EndReason, Phase
from quant.signals.regime import Regime
from tests.quant.sessions.stage import PROGRAM, Stage, T, fills, quoting

SIGMA_MIN = SessionParameters().guardrails.sigma_min
WITHOUT_FILLS = SessionParameters(regime_kill=KillParameters(require_adverse_selection=False))


def test_a_session_quotes_once_it_has_its_market() -> None:
    stage, session = quoting(owner=None)
    assert (session.phase, session.wish.mode) == (Phase.CLAIMING, QuoteMode.FREEZE)
    stage.owner = PROGRAM
    session_now = stage.step(0.25)
    assert session_now is not None
    assert (session_now.phase, session_now.wish.mode) == (Phase.QUOTING, QuoteMode.QUOTE)


FREEZES: tuple[tuple[dict[str, Any], dict[str, Any], str], ...] = (
    ({"regime_age_s": 4.0}, {"regime_age_s": 4.01}, "regime is older than 4 s"),
    ({"regime": Regime.QUIET}, {"regime": Regime.NOISE}, "its regime is NOISE"),
    ({}, {"regime": Regime.UNKNOWN}, "its regime is UNKNOWN"),
    ({}, {"regime": Regime.TRENDING}, "its regime is TRENDING"),
    ({"trade_age_s": 14.99}, {"trade_age_s": 15.0}, "no trade for 15 s"),
    ({}, {"trade_age_s": None}, "no trade for 15 s"),
    ({}, {"is_tradable": False}, "not tradable"),
    ({"moment": {"paused": frozenset({"KX-B"})}}, {"moment": {"paused": frozenset({T})}}, "paused by a person"),
    ({}, {"moment": {"objection": "risk is silent"}}, "risk is silent"),
)


@pytest.mark.parametrize(("good", "bad", "said"), FREEZES, ids=lambda value: value if isinstance(value, str) else "")
def test_each_freeze_at_its_boundary_and_back(good: dict[str, Any], bad: dict[str, Any], said: str) -> None:
    stage, session = quoting()
    before = {name: getattr(stage, name) for name in {*good, *bad}}
    for name, value in good.items():
        setattr(stage, name, value)
    now = stage.step(0.25)
    assert now is not None
    assert now.phase is Phase.QUOTING
    for name, value in bad.items():
        setattr(stage, name, value)
    now = stage.step(0.25)
    assert now is not None
    assert (now.phase, now.wish.mode, now.wish.exit, now.end_reason) == (Phase.FROZEN, QuoteMode.FREEZE, None, None)
    assert said in stage.reasons()
    for name, value in before.items():
        setattr(stage, name, value)
    now = stage.step(0.25)
    assert now is not None
    assert (now.phase, now.session_id) == (Phase.QUOTING, session.session_id)


def ends(stage: Stage, after_s: float = 0.0) -> EndReason | None:
    """Steps once and returns the reason for which the session ends, if it does."""
    session = stage.step(after_s)
    return stage.end().session.end_reason if session is None else session.end_reason


def test_it_lives_as_long_as_it_may() -> None:
    stage, session = quoting()
    stage.now_s = session.opened_at_s
    assert ends(stage, 299.99) is None
    assert ends(stage, 0.01) is EndReason.TIME_TO_LIVE


def test_it_ends_three_minutes_before_the_close() -> None:
    stage, _ = quoting(close_in_s=300.0)
    stage.now_s += stage.close_in_s - 180.001
    stage.close_in_s = 180.001
    assert ends(stage) is None
    assert ends(stage, 0.001) is EndReason.EXPIRY_WINDOW


def test_it_ends_when_the_market_hardly_moves() -> None:
    stage, _ = quoting(sigma=SIGMA_MIN)
    assert ends(stage) is None
    stage.sigma = SIGMA_MIN * 0.999
    assert ends(stage) is EndReason.LOW_VOLATILITY


def test_it_ends_with_its_event() -> None:
    stage, _ = quoting()
    stage.over_because = "volatility fell"
    assert ends(stage) is EndReason.VOLATILITY_ENDED


def test_it_is_out_at_once_when_the_regime_is_not_heard_of_for_too_long() -> None:
    stage, _ = quoting(position_e2=0)
    stage.position_e2, stage.touch_e4 = 300, 4_900
    stage.regime_age_s = 15.0
    assert ends(stage) is None
    stage.regime_age_s = 15.01
    assert ends(stage) is EndReason.REGIME_STALE
    session = stage.state.sessions[T]
    assert session.phase is Phase.HARD_EXIT
    assert session.wish.exit is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"moment": {"is_killed": True}}, EndReason.KILLED),
        ({"moment": {"is_on": False}}, EndReason.SWITCHED_OFF),
        ({"has_ended": True}, EndReason.MARKET_ENDED),
        ({"owner": "discovery"}, EndReason.LOST_MARKET),
    ],
)
@pytest.mark.parametrize("position_e2", [0, 200])
def test_it_gives_up_its_market_as_it_is(changes: dict[str, Any], reason: EndReason, position_e2: int) -> None:
    stage, _ = quoting()
    stage.position_e2 = position_e2
    for name, value in changes.items():
        setattr(stage, name, value)
    assert stage.step(0.25) is None
    ended = stage.end()
    assert ended.session.end_reason is reason
    assert bool(ended.given_up_because) is bool(position_e2)


def test_it_ends_when_the_market_is_not_given_to_it() -> None:
    stage, session = quoting(owner=None)
    stage.now_s = session.phase_since_s
    assert ends(stage, 14.99) is None
    assert ends(stage, 0.01) is EndReason.NOT_ASSIGNED


def test_what_the_owner_of_a_market_that_it_never_had_holds_is_not_left_by_it() -> None:
    stage, session = quoting(owner=None)
    stage.now_s = session.phase_since_s
    stage.owner, stage.position_e2 = "rival", 300
    assert ends(stage, 14.99) is None
    assert stage.step(0.01) is None
    ended = stage.end()
    assert (ended.session.end_reason, ended.given_up_because) == (EndReason.NOT_ASSIGNED, "")


def test_a_market_that_is_lost_to_nobody_may_come_back_in_time() -> None:
    stage, _ = quoting()
    stage.owner = None
    now = stage.step(0.25)
    assert now is not None
    assert (now.phase, now.wish.mode) == (Phase.CLAIMING, QuoteMode.FREEZE)
    stage.owner = PROGRAM
    now = stage.step(14.0)
    assert now is not None
    assert now.phase is Phase.QUOTING
    stage.owner = None
    stage.step(0.25)
    assert ends(stage, 15.0) is EndReason.LOST_MARKET


# -- regimes that kill --


@pytest.mark.parametrize(
    ("regime", "reason", "phase"),
    [
        (Regime.TRENDING, EndReason.REGIME_TRENDING, Phase.SOFT_EXIT),
        (Regime.CHAOTIC, EndReason.REGIME_CHAOTIC, Phase.HARD_EXIT),
    ],
)
def test_a_bad_regime_ends_it_softly_or_hard(regime: Regime, reason: EndReason, phase: Phase) -> None:
    stage, _ = quoting(parameters=WITHOUT_FILLS)
    stage.regime, stage.position_e2, stage.touch_e4 = regime, 300, 4_900
    assert ends(stage) is reason
    assert stage.state.sessions[T].phase is phase


@pytest.mark.parametrize("regime", [Regime.NOISE, Regime.UNKNOWN, Regime.QUIET, Regime.MEAN_REVERTING])
def test_other_regimes_kill_nothing(regime: Regime) -> None:
    stage, _ = quoting(parameters=WITHOUT_FILLS)
    stage.regime = regime
    assert ends(stage) is None


def test_kills_can_be_switched_off_and_a_regime_may_be_given_another_mode() -> None:
    off = SessionParameters(regime_kill=KillParameters(is_enabled=False, require_adverse_selection=False))
    stage, _ = quoting(parameters=off)
    stage.regime = Regime.CHAOTIC
    assert ends(stage) is None
    other = KillParameters(modes={"NOISE": KillMode.HARD}, require_adverse_selection=False)
    stage, _ = quoting(parameters=SessionParameters(regime_kill=other))
    stage.regime, stage.position_e2, stage.touch_e4 = Regime.NOISE, 300, 4_900
    assert ends(stage) is EndReason.REGIME_OTHER
    assert stage.state.sessions[T].phase is Phase.HARD_EXIT


@pytest.mark.parametrize(("losing", "count", "kills"), [(3, 3, True), (2, 2, False), (7, 10, True), (6, 9, False)])
def test_a_bad_regime_kills_only_where_fills_lose(losing: int, count: int, kills: bool) -> None:
    """At least three fills, of which 70 % have lost after five seconds: 7 of 10 do, 6 of 9 do not, 2 are too few."""
    stage, _ = quoting()
    stage.fills = fills([5_100] * losing + [4_800] * (count - losing), Side.BID, stage.now_s)
    stage.step(0.25)
    stage.step(3.0)
    stage.regime, stage.position_e2, stage.touch_e4 = Regime.CHAOTIC, 300, 4_900
    assert ends(stage, 1.0) is None, "five seconds have not passed"
    assert stage.state.sessions[T].phase is Phase.FROZEN
    assert ends(stage, 1.0) is (EndReason.REGIME_CHAOTIC if kills else None)


def test_losses_that_are_long_ago_kill_nothing() -> None:
    stage, _ = quoting()
    stage.fills = fills([5_100] * 3, Side.BID, stage.now_s)
    filled_at_s = stage.now_s
    stage.step(5.0)
    stage.step(1.0)
    stage.parameters = SessionParameters(regime_kill=KillParameters(adverse_window_s=10.0))
    stage.regime, stage.position_e2, stage.touch_e4 = Regime.CHAOTIC, 300, 4_900
    stage.now_s = filled_at_s + 10.01
    assert ends(stage) is None
    stage.now_s = filled_at_s + 10.0
    assert ends(stage) is EndReason.REGIME_CHAOTIC


def test_danger_goes_before_peace() -> None:
    """A kill and the end of the time to live at once: it is the kill that decides how it gets out."""
    stage, _ = quoting(parameters=WITHOUT_FILLS)
    stage.regime, stage.position_e2, stage.touch_e4 = Regime.CHAOTIC, 300, 4_900
    assert ends(stage, 400.0) is EndReason.REGIME_CHAOTIC
    assert stage.state.sessions[T].phase is Phase.HARD_EXIT


def test_a_stale_bad_regime_kills_not_by_itself() -> None:
    stage, _ = quoting(parameters=WITHOUT_FILLS)
    stage.regime, stage.regime_age_s = Regime.CHAOTIC, 4.01
    assert ends(stage) is None
    assert stage.state.sessions[T].phase is Phase.FROZEN
