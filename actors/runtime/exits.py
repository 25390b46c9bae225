"""What an exit is called and how it is told: from the end of a life and a verdict to the one message."""

from __future__ import annotations

from actors.runtime.child import ChildState, Life
from actors.runtime.lifecycle import ActorExited, ExitKind, error_text, traceback_text
from actors.runtime.supervision import Action, Verdict


def describe_exit(
    supervisor: str, name: str, life: Life, crash: BaseException | None, verdict: Verdict | None, now_s: float
) -> ActorExited:
    """Returns the message about the end of a life; no verdict means that the supervisor wanted it to end."""
    will_restart = verdict is not None and verdict.action is Action.RESTART
    return ActorExited(
        supervisor=supervisor,
        name=name,
        incarnation=life.incarnation,
        kind=exit_kind(life, crash, verdict),
        reason=verdict.reason if verdict else life.stop_reason or "its supervisor is stopping",
        error=error_text(crash),
        traceback=traceback_text(crash),
        has_served=life.has_started,
        ran_s=ran_s(life, now_s),
        restart_in_s=verdict.delay_s if verdict and will_restart else None,
        at_s=now_s,
    )


def exit_kind(life: Life, crash: BaseException | None, verdict: Verdict | None) -> ExitKind:
    """Returns the kind of exit; a crash while stopping stays a crash."""
    if verdict is not None and verdict.action is Action.ESCALATE:
        return ExitKind.ESCALATED
    if verdict is not None and verdict.action is Action.QUARANTINE:
        return ExitKind.QUARANTINED
    if crash is not None:
        return ExitKind.CRASHED
    return ExitKind.STOPPED if life.stop_reason is not None else ExitKind.NORMAL


def state_after(event: ActorExited, verdict: Verdict | None) -> ChildState:
    """Returns the state of a child whose life ended so."""
    if event.will_restart:
        return ChildState.BACKING_OFF
    if event.kind is ExitKind.QUARANTINED:
        return ChildState.QUARANTINED
    return ChildState.STOPPED if verdict is None or event.kind is ExitKind.ESCALATED else ChildState.FINISHED


def ran_s(life: Life, now_s: float) -> float:
    """Returns how long the life served, or tried to start where it never did, in seconds."""
    return now_s - (life.spawned_at_s if life.started_at_s is None else life.started_at_s)
