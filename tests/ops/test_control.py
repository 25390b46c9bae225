"""The dispatcher: what each word answers and wants done."""

from __future__ import annotations

import attrs
import pytest

from actors.messages.control import ControlCommand, ControlReply
from kalshi.numbers import CountE2
from ops.control import (
    WORDS,
    AuditRecord,
    BackUpLedger,
    ControlEffect,
    ControlView,
    Flatten,
    FlattenProgram,
    KillActor,
    PauseProgram,
    PauseQuoting,
    ResumeProgram,
    ResumeQuoting,
    SetKillSwitch,
    SetLogLevel,
    SlowActor,
    StallActor,
    StopBot,
    WriteAudit,
    dispatch,
)
from tests.ops.snapshots import market, snapshot

TICKER = market(0).ticker


def asked(
    word: str, view: ControlView | None = None, **arguments: str
) -> tuple[ControlReply, tuple[ControlEffect, ...]]:
    """The reply and the effects after the audit record."""
    command = ControlCommand(word=word, arguments=tuple(arguments.items()), principal="tester")
    reply, effects = dispatch(command, view or ControlView(snapshot=snapshot(), at_ms=7))
    assert isinstance(effects[0], WriteAudit)
    return reply, effects[1:]


def test_status_answers_with_the_snapshot_and_its_exact_profit() -> None:
    reply, effects = asked("status")
    assert reply.ok
    assert reply.snapshot == snapshot()
    assert "PnL +1.234500 = cash -3.200000 + 4.434500 marks (exact)" in reply.text
    assert effects == ()


def test_status_tells_of_volatility_sessions_where_a_program_runs_them() -> None:
    assert "volatility sessions" not in asked("status")[0].text
    view = ControlView(snapshot=snapshot(sessions="1 of 3: KX-A quoting, 12 s old"), at_ms=7)
    assert "volatility sessions: 1 of 3: KX-A quoting, 12 s old" in asked("status", view)[0].text.splitlines()


def test_actors_lists_each_actor_with_state_and_restarts() -> None:
    reply, _ = asked("actors")
    assert len(reply.text.splitlines()) == len(snapshot().actors)
    assert "order_desk" in reply.text


def test_a_backup_goes_to_a_file_with_its_whole_path_and_nowhere_else() -> None:
    assert asked("backup", file="/safe/copy.sqlite")[1] == (BackUpLedger(file="/safe/copy.sqlite"),)
    for file in ("copy.sqlite", ""):
        reply, effects = asked("backup", file=file)
        assert not reply.ok
        assert effects == ()


def test_an_actor_can_be_killed_on_a_simulated_exchange() -> None:
    reply, effects = asked("kill-actor", name="order_desk")
    assert reply.ok
    assert effects == (KillActor(name="order_desk"),)


@pytest.mark.parametrize("force", ["", "no", "YES"])
def test_killing_an_actor_of_a_live_bot_needs_force(force: str) -> None:
    live = ControlView(snapshot=snapshot(mode="live"), at_ms=7)
    reply, effects = asked("kill-actor", live, name="order_desk", force=force)
    assert not reply.ok
    assert "force=yes" in reply.text
    assert effects == ()
    assert asked("kill-actor", live, name="order_desk", force="yes")[1] == (KillActor(name="order_desk"),)


def test_an_actor_can_be_stalled_and_slowed_on_a_simulated_exchange() -> None:
    reply, effects = asked("stall-actor", name="order_desk", seconds="2.5")
    assert reply.ok
    assert effects == (StallActor(name="order_desk", seconds=2.5),)
    reply, effects = asked("slow-actor", name="ledger", each="0.02", seconds="3")
    assert reply.text == "ledger takes 20 ms longer for each message, for 3 s."
    assert effects == (SlowActor(name="ledger", each_s=0.02, seconds=3.0),)


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "nan", "soon"])
def test_a_stall_has_bounds(seconds: str) -> None:
    reply, effects = asked("stall-actor", name="order_desk", seconds=seconds)
    assert not reply.ok
    assert "above 0 and at most 60 s" in reply.text
    assert effects == ()


def test_nobody_is_stalled_or_slowed_where_orders_are_real() -> None:
    live = ControlView(snapshot=snapshot(mode="live"), at_ms=7)
    for reply, effects in (
        asked("stall-actor", live, name="order_desk", seconds="1"),
        asked("slow-actor", live, name="order_desk", each="0.1", seconds="1"),
    ):
        assert not reply.ok
        assert "not for 'live'" in reply.text
        assert effects == ()


def test_a_mistyped_actor_is_answered_with_the_nearest_one() -> None:
    reply, effects = asked("kill-actor", name="orderdesk")
    assert not reply.ok
    assert "did you mean 'order_desk'?" in reply.text
    assert effects == ()


def test_pause_withdraws_one_market_or_all_of_them() -> None:
    assert asked("pause", ticker=TICKER)[1] == (PauseQuoting(ticker=TICKER),)
    assert asked("pause", all="yes")[1] == (PauseQuoting(ticker=None),)


def test_pause_without_saying_what_does_nothing() -> None:
    for reply, effects in (asked("pause"), asked("pause", ticker=TICKER, all="yes"), asked("pause", ticker="KXNONE")):
        assert not reply.ok
        assert effects == ()


PROGRAMS = (("games", True), ("scored", True))


def of_program(name: str, *positions_e2: int) -> ControlView:
    rows = tuple(market(n, program=name, position_e2=CountE2(held)) for n, held in enumerate(positions_e2))
    return ControlView(snapshot=attrs.evolve(snapshot(), markets=rows), at_ms=7, programs=PROGRAMS)


def test_a_program_is_paused_and_resumed_by_its_name() -> None:
    view = of_program("games", 0)
    assert asked("pause", view, program="games")[1] == (PauseProgram(name="games"),)
    reply, effects = asked("resume", view, program="games")
    assert not reply.ok
    assert effects == ()
    paused = attrs.evolve(view, paused_programs=frozenset({"games"}))
    assert asked("resume", paused, program="games")[1] == (ResumeProgram(name="games"),)
    row = paused.snapshot.markets[0]
    assert "paused by a person" in asked("explain", paused, ticker=row.ticker)[0].text


def test_flatten_pauses_and_closes_one_market_those_of_a_program_or_all() -> None:
    view = of_program("games", 300, 0, -200)
    first, second, third = (row.ticker for row in view.snapshot.markets)
    assert asked("flatten", view, ticker=first)[1] == (Flatten(ticker=first),)
    reply, effects = asked("flatten", view, all="yes")
    assert effects == (Flatten(ticker=None),)
    assert reply.text.startswith("2 positions")
    assert asked("flatten", view, program="games")[1] == (FlattenProgram(name="games", tickers=(first, second, third)),)
    assert asked("flatten", view, program="scored")[1] == (FlattenProgram(name="scored", tickers=()),)


@pytest.mark.parametrize("word", ["pause", "resume", "flatten"])
def test_an_unknown_program_or_one_beside_a_market_is_refused(word: str) -> None:
    view = of_program("games", 300)
    for arguments in ({"program": "gmaes"}, {"program": "games", "ticker": view.snapshot.markets[0].ticker}):
        reply, effects = asked(word, view, **arguments)
        assert not reply.ok
        assert effects == ()
    assert "games" in asked(word, view, program="gmaes")[0].text


def test_flatten_without_saying_what_does_nothing() -> None:
    assert not asked("flatten")[0].ok


def test_resume_undoes_a_pause_and_only_a_pause() -> None:
    paused = ControlView(snapshot=snapshot(), at_ms=7, paused=frozenset({TICKER}))
    assert asked("resume", paused, ticker=TICKER)[1] == (ResumeQuoting(ticker=TICKER),)
    assert asked("resume", paused)[1] == (ResumeQuoting(ticker=None),)
    reply, effects = asked("resume", paused, ticker="KXOTHER")
    assert not reply.ok
    assert TICKER in reply.text
    assert effects == ()


def test_resume_says_when_the_kill_switch_still_holds_everything() -> None:
    reply, _ = asked("resume", ControlView(snapshot=snapshot(), at_ms=7, kill_switch=True))
    assert "kill switch is still on" in reply.text


def test_explain_repeats_the_reasons_that_the_decision_itself_carried() -> None:
    reply, effects = asked("explain", ticker=TICKER)
    assert reply.ok
    assert "- spread 2.0¢ from the model" in reply.text
    assert "44¢ / 47¢" in reply.text
    assert effects == ()


def test_explain_names_a_pause_and_a_missing_quote() -> None:
    row = market(0, own_bid=None, own_ask=None, reasons=())
    view = ControlView(
        snapshot=snapshot(markets=0, permit_reasons=("warming up",)), at_ms=7, paused=frozenset({row.ticker})
    )
    with_row = ControlView(snapshot=snapshot(permit_reasons=("warming up",)), at_ms=7, paused=frozenset({row.ticker}))
    assert "paused by a person" in asked("explain", with_row, ticker=row.ticker)[0].text
    assert "(warming up)" in asked("explain", with_row, ticker=row.ticker)[0].text
    assert "there are none" in asked("explain", view, ticker=row.ticker)[0].text


def test_the_kill_switch_goes_on_and_off_and_says_when_it_is_there_already() -> None:
    off = ControlView(snapshot=snapshot(), at_ms=7)
    on = ControlView(snapshot=snapshot(), at_ms=7, kill_switch=True)
    assert asked("kill-switch", off, state="on")[1] == (SetKillSwitch(on=True),)
    assert asked("kill-switch", on, state="off")[1] == (SetKillSwitch(on=False),)
    assert asked("kill-switch", on, state="on")[1] == ()
    assert not asked("kill-switch", off, state="maybe")[0].ok


def test_stop_begins_the_ordered_end() -> None:
    assert asked("stop")[1] == (StopBot(),)


def test_log_levels_change_per_actor() -> None:
    assert asked("log-level", actor="feed", level="debug")[1] == (SetLogLevel(actor="feed", level="DEBUG"),)
    assert not asked("log-level", actor="feed", level="LOUD")[0].ok
    assert not asked("log-level", actor="fed", level="DEBUG")[0].ok
    assert asked("log-level", actor="market", level="DEBUG")[0].ok, "a kind of actors"
    assert asked("log-level", actor="wire", level="DEBUG")[0].ok, "a part of the outer scope"
    assert not asked("log-level", level="DEBUG")[0].ok


def test_an_unknown_word_or_argument_is_answered_with_what_there_is() -> None:
    assert "did you mean 'status'?" in asked("statsu")[0].text
    reply, effects = asked("stop", now="yes")
    assert not reply.ok
    assert "'now'" in reply.text
    assert effects == ()


def test_every_word_leaves_an_audit_record_whether_taken_or_not() -> None:
    for word in (*WORDS, "nonsense"):
        command = ControlCommand(word=word, arguments=(("x", "y"),), principal="somebody")
        reply, effects = dispatch(command, ControlView(snapshot=snapshot(), at_ms=1234))
        expected = AuditRecord(principal="somebody", word=word, arguments=(("x", "y"),), at_ms=1234, accepted=reply.ok)
        assert effects == (WriteAudit(record=expected),)
