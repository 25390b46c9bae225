"""How a session gets to flat: at once, softly or in peace, and when it lets go."""

from __future__ import annotations

from typing import Any

import pytest

from kalshi.numbers import PriceE4
from kalshi.types import Side
from quant.quoting.directive import QuoteMode
from quant.sessions.parameters import KillParameters, SessionParameters
from quant.sessions.session import EndReason, ExitWish, Phase, Session, Wish
from quant.sessions.sessions import Moved, recovered, recovering
from quant.signals.regime import Regime
from tests.quant.sessions.stage import NOW_MS, PARAMETERS, PROGRAM, Stage, T, quoting

WITHOUT_FILLS = SessionParameters(regime_kill=KillParameters(require_adverse_selection=False))


def leaving(position_e2: int, touch_e4: int | None = 5_000, **changes: Any) -> tuple[Stage, Session]:
    """Returns a session that has just ended for its time to live, with a position."""
    stage, session = quoting(**changes)
    stage.position_e2, stage.touch_e4 = position_e2, touch_e4
    now = stage.step(session.opened_at_s + 300.0 - stage.now_s)
    assert now is not None
    assert now.end_reason is EndReason.TIME_TO_LIVE
    return stage, now


def going(stage: Stage, after_s: float = 0.25) -> Session:
    session = stage.step(after_s)
    assert session is not None
    return session


def test_it_is_over_when_nothing_was_held_and_nothing_rested_for_a_second() -> None:
    stage, session = leaving(0, None)
    assert (session.phase, session.wish) == (Phase.WAITING, Wish())
    stage.has_orders = True
    going(stage, 2.0)
    stage.has_orders = False
    going(stage)
    stage.position_e2, stage.touch_e4 = 100, 5_000  # the last fill is heard of a moment later
    assert going(stage).phase is Phase.CLOSING
    stage.position_e2, stage.touch_e4 = 0, None
    going(stage)
    going(stage, 0.99)
    assert stage.step(0.01) is None
    ended = stage.end()
    assert (ended.session.end_reason, ended.given_up_because) == (EndReason.TIME_TO_LIVE, "")


@pytest.mark.parametrize(("position_e2", "phase"), [(199, Phase.CLOSING), (200, Phase.WAITING), (-199, Phase.CLOSING)])
def test_a_small_position_goes_at_the_touch_and_a_large_one_waits(position_e2: int, phase: Phase) -> None:
    _, session = leaving(position_e2)
    assert session.phase is phase
    side = Side.ASK if position_e2 > 0 else Side.BID
    at_touch = ExitWish(side=side, count_e2=abs(position_e2), limit_e4=PriceE4(5_000))  # type: ignore[arg-type]
    assert session.wish == Wish(exit=at_touch if phase is Phase.CLOSING else None)


def test_closing_follows_the_touch_as_far_as_the_slippage_limit() -> None:
    stage, _ = leaving(100)
    stage.touch_e4 = 4_600
    wish = going(stage).wish
    assert wish.exit is not None
    assert wish.exit.limit_e4 == 4_600
    stage.touch_e4 = 4_500
    assert going(stage).wish == Wish()


def test_what_is_not_closed_in_time_is_reduced_passively() -> None:
    stage, _ = leaving(100)
    assert going(stage, 14.99).phase is Phase.CLOSING
    assert going(stage, 0.01).phase is Phase.REDUCING


@pytest.mark.parametrize(("position_e2", "limit_e4"), [(300, 4_600), (-300, 5_400)])
def test_a_large_position_gets_its_reversion_and_is_reduced_within_the_limit(position_e2: int, limit_e4: int) -> None:
    stage, session = leaving(position_e2)
    assert (session.phase, session.wish.mode) == (Phase.WAITING, QuoteMode.FREEZE)
    assert going(stage, 14.99).phase is Phase.WAITING
    stage.touch_e4 = 3_000 if position_e2 > 0 else 7_000
    session = going(stage, 0.01)
    assert session.phase is Phase.REDUCING
    assert session.wish == Wish(mode=QuoteMode.REDUCE_ONLY, exit_limit_e4=PriceE4(limit_e4))
    for _ in range(30):  # never forced, however the price moves
        assert going(stage, 10.0).wish.exit is None


def test_without_a_price_nothing_is_offered_and_the_first_one_is_the_reference() -> None:
    stage, _ = leaving(300, None)
    assert going(stage, 15.0).wish == Wish()
    stage.touch_e4 = 6_000
    assert going(stage).wish.exit_limit_e4 == 5_600
    stage.touch_e4 = 5_000
    assert going(stage).wish.exit_limit_e4 == 5_600


def soft(position_e2: int = 300) -> Stage:
    stage, _ = quoting(parameters=WITHOUT_FILLS)
    stage.regime, stage.position_e2, stage.touch_e4 = Regime.TRENDING, position_e2, 5_000
    assert going(stage).phase is Phase.SOFT_EXIT
    return stage


def test_a_soft_exit_reduces_at_once_and_becomes_hard_after_a_while() -> None:
    stage = soft()
    session = going(stage, 19.99)
    assert (session.phase, session.wish) == (
        Phase.SOFT_EXIT,
        Wish(mode=QuoteMode.REDUCE_ONLY, exit_limit_e4=PriceE4(4_600)),
    )
    session = going(stage, 0.01)
    assert session.phase is Phase.HARD_EXIT
    assert session.end_reason is EndReason.REGIME_TRENDING


def test_a_soft_exit_goes_on_though_the_regime_is_good_again() -> None:
    stage = soft()
    stage.regime = Regime.MEAN_REVERTING
    assert going(stage, 10.0).phase is Phase.SOFT_EXIT
    stage.position_e2, stage.touch_e4 = 0, None
    going(stage)
    assert stage.step(1.0) is None
    assert stage.end().session.end_reason is EndReason.REGIME_TRENDING


def test_a_hard_exit_follows_the_touch_without_end() -> None:
    stage, _ = quoting(parameters=WITHOUT_FILLS)
    stage.regime, stage.position_e2, stage.touch_e4 = Regime.CHAOTIC, -300, 5_000
    for touch_e4, limit_e4 in ((5_000, 5_400), (7_000, 7_400), (9_800, 9_900)):
        stage.touch_e4 = touch_e4
        wish = going(stage).wish
        assert wish.mode is QuoteMode.FREEZE
        assert wish.exit is not None
        assert (wish.exit.side, wish.exit.count_e2, wish.exit.limit_e4) == (Side.BID, 300, limit_e4)
    stage.touch_e4 = None
    assert going(stage).wish == Wish()


def test_a_hard_regime_makes_a_peaceful_exit_hard_and_keeps_the_reason() -> None:
    stage, _ = leaving(300, parameters=WITHOUT_FILLS)
    stage.regime = Regime.TRENDING
    assert going(stage).phase is Phase.WAITING
    stage.regime = Regime.CHAOTIC
    session = going(stage)
    assert (session.phase, session.end_reason) == (Phase.HARD_EXIT, EndReason.TIME_TO_LIVE)


def test_a_stale_regime_forces_nobody_out_of_a_peaceful_exit() -> None:
    stage, _ = leaving(300)
    stage.regime_age_s = 500.0
    assert going(stage, 15.0).phase is Phase.REDUCING
    assert going(stage, 100.0).phase is Phase.REDUCING


def test_after_too_long_it_is_handed_to_a_person() -> None:
    stage, _ = leaving(300)
    going(stage, 599.99)
    assert stage.step(0.01) is None
    ended = stage.end()
    assert ended.given_up_because == "it could not be closed within 600 s"
    assert (ended.session.end_reason, ended.session.position_e2) == (EndReason.TIME_TO_LIVE, 300)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"has_ended": True}, "the market ended"),
        ({"owner": "discovery"}, "belongs to discovery"),
        ({"moment": {"is_on": False}}, "switched off"),
        ({"moment": {"is_killed": True}}, "kill switch"),
    ],
)
def test_it_lets_go_where_it_can_or_may_do_nothing_more(changes: dict[str, Any], said: str) -> None:
    stage, _ = leaving(300)
    for name, value in changes.items():
        setattr(stage, name, value)
    assert stage.step(0.25) is None
    assert said in stage.end().given_up_because


@pytest.mark.parametrize("changes", [{"is_on": False}, {"is_killed": True}])
def test_an_exit_under_way_goes_on_though_a_person_stops_everything_else(changes: dict[str, Any]) -> None:
    stage, _ = leaving(100)
    stage.moment = changes
    assert going(stage).wish.exit is not None


def test_every_change_of_phase_is_told_once() -> None:
    stage, _ = leaving(300)
    for _ in range(80):
        going(stage)
    moves = [(h.before, h.session.phase) for h in stage.happenings if isinstance(h, Moved)]
    assert moves == [
        (Phase.CLAIMING, Phase.QUOTING),
        (Phase.QUOTING, Phase.WAITING),
        (Phase.WAITING, Phase.REDUCING),
    ]


# -- after a restart --


def found(end_reason: EndReason | None = None, *, was_hard: bool = False) -> Stage:
    stage = Stage()
    session = recovering(
        session_id="old-1",
        ticker=T,
        event_id="1-1",
        opened_at_ms=NOW_MS,
        close_time_ms=NOW_MS + 10**9,
        pnl_at_start_e6=2_000_000,  # type: ignore[arg-type]
        end_reason=end_reason,
        was_hard=was_hard,
        now_s=stage.now_s,
        parameters=PARAMETERS,
    )
    stage.state = recovered(stage.state, (session,))
    return stage


def test_it_waits_until_positions_are_known() -> None:
    stage = found()
    stage.moment = {"are_positions_known": False}
    for _ in range(10):
        session = going(stage, 5.0)
        assert (session.phase, session.wish) == (Phase.RECOVERING, Wish())


def test_one_that_holds_nothing_ends_because_of_the_restart() -> None:
    stage = found()
    going(stage)
    assert stage.step(1.0) is None
    ended = stage.end()
    assert (ended.session.end_reason, ended.given_up_because) == (EndReason.RESTART, "")


def test_one_that_holds_something_goes_on_unwinding_and_keeps_its_books() -> None:
    stage = found()
    stage.position_e2, stage.touch_e4, stage.pnl_e6 = 300, 5_000, 1_500_000
    session = going(stage)
    assert (session.phase, session.end_reason, session.pnl_e6) == (Phase.WAITING, EndReason.RESTART, -500_000)
    assert going(stage, 15.0).wish.mode is QuoteMode.REDUCE_ONLY


def test_one_that_was_on_its_way_out_keeps_reason_and_way() -> None:
    stage = found(EndReason.REGIME_CHAOTIC, was_hard=True)
    stage.position_e2, stage.touch_e4 = 300, 5_000
    session = going(stage)
    assert (session.phase, session.end_reason) == (Phase.HARD_EXIT, EndReason.REGIME_CHAOTIC)


def test_one_that_was_recovered_waits_for_its_claim_to_be_heard() -> None:
    stage = found()
    stage.owner, stage.position_e2, stage.touch_e4 = "discovery", 300, 5_000
    assert going(stage).phase is Phase.WAITING
    going(stage, 14.99)
    assert stage.step(0.01) is None
    assert stage.end().given_up_because == "the market belongs to discovery now"
    stage = found()
    stage.owner, stage.position_e2, stage.touch_e4 = "discovery", 300, 5_000
    going(stage)
    stage.owner = PROGRAM
    going(stage)
    stage.owner = "discovery"
    assert stage.step(0.25) is None, "once it had the market, losing it is final"
