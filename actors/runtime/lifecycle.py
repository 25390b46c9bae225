"""What is told about the lives of actors: one message when an incarnation serves, one when it ends.

Every exit is exactly one `ActorExited`, whatever caused it (I16), published before any back-off sleep, so
that others can act (pull quotes, close the permit) while the actor is still down. Tracebacks carry source
lines, never values of variables.

Source: architecture.md §7; supervision.md S6, S18.
"""

from __future__ import annotations

import enum
import traceback
from collections.abc import Iterator
from typing import Final

import attrs

# A crash report must fit a log line and a database row; the end of a traceback is the part that tells.
TRACEBACK_CHARACTERS_MAX: Final = 8_000
ERROR_CHARACTERS_MAX: Final = 500


class ExitKind(enum.StrEnum):
    """How one incarnation of an actor ended."""

    NORMAL = "normal"  # its run returned
    CRASHED = "crashed"  # it raised, failed to start, or was killed by chaos
    STOPPED = "stopped"  # its supervisor asked it to stop, and it did
    QUARANTINED = "quarantined"  # it crashed once too often and stays down
    ESCALATED = "escalated"  # it crashed, and its supervisor gives up because of it


@attrs.frozen(kw_only=True)
class ActorStarted:
    """An incarnation has restored its local state and serves its mailbox."""

    supervisor: str
    name: str
    incarnation: int
    at_s: float


@attrs.frozen(kw_only=True)
class ActorExited:
    """An incarnation has ended; `restart_in_s` is the wait for the next one, None when there will be none."""

    supervisor: str
    name: str
    incarnation: int
    kind: ExitKind
    reason: str  # one sentence: why it ended, or what the supervisor does about it
    error: str  # the exception as text, empty where there was none
    traceback: str
    has_served: bool  # whether it had called started()
    ran_s: float
    restart_in_s: float | None
    at_s: float

    @property
    def will_restart(self) -> bool:
        return self.restart_in_s is not None


LifecycleEvent = ActorStarted | ActorExited


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yields every exception inside nested groups, in order; the error itself when it is no group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def unwrap(error: BaseException) -> BaseException:
    """Returns the exception inside groups of one (trio adds one per nursery), or the group of several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def error_text(error: BaseException | None) -> str:
    """Returns the exception as one short line of types and messages; empty for None."""
    if error is None:
        return ""
    lines = (f"{type(leaf).__name__}: {leaf}".removesuffix(": ") for leaf in leaves(error))
    return "; ".join(lines)[:ERROR_CHARACTERS_MAX]


def traceback_text(error: BaseException | None) -> str:
    """Returns the traceback as text without values of variables, at most its tail; empty for None."""
    if error is None:
        return ""
    return "".join(traceback.format_exception(unwrap(error)))[-TRACEBACK_CHARACTERS_MAX:]
