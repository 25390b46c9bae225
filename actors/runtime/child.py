"""What a supervisor supervises: the actor protocol, child specs, and one life (incarnation) of a child.

Rules:

1. `run(started)` calls `started()` once its local state is restored and its mailbox is served, and returns or
   raises when the life is over. Returning before `started()` is a failed start, also for a child that may
   finish.
2. A life runs in a shielded cancel scope of its own. A cancellation from outside therefore reaches the
   supervisor first, which stops its children one after the other, in reverse order, each with its grace.
3. Only here is `except* Exception` used. It splits a group of a crash and a cancellation (which a nursery
   inside the actor makes of them) rightly: the crash is kept as the outcome, the cancellation goes on to the
   scope it belongs to. A plain `except Exception` misses that crash altogether (measured: supervision.md fact
   5). KeyboardInterrupt, SystemExit and trio's internal errors pass through.

Source: architecture.md §7; supervision.md S6, S10, S11, S12.
"""

from __future__ import annotations

import enum
import math
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import attrs
import trio

from actors.runtime.lifecycle import ActorExited
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams
from actors.runtime.supervision import Restart
from actors.runtime.switchboard import Outbox

DEFAULT_GRACE_S: Final = 2.0


class Log(Protocol):
    """What the runtime asks of a logger; loguru's fits. Messages are whole texts, never templates."""

    def debug(self, message: str, /) -> object: ...
    def info(self, message: str, /) -> object: ...
    def warning(self, message: str, /) -> object: ...
    def error(self, message: str, /) -> object: ...


class SilentLog:
    """Takes every line and keeps none."""

    def debug(self, message: str, /) -> None:
        """Drops the line."""

    info = warning = error = debug


def silent_log(name: str) -> Log:
    """Returns a log that keeps nothing, for tests and tools; the default of a supervisor."""
    return SilentLog()


class Actor(Protocol):
    """Something that lives until it returns, raises or is cancelled."""

    async def run(self, started: Callable[[], None]) -> None: ...


@runtime_checkable
class HasChildren(Protocol):
    """An actor that supervises others and shows them in the tree."""

    def children(self) -> tuple[ChildStatus, ...]: ...


class KilledForTest(Exception):
    """Chaos killed this actor; it counts as a crash."""


class StartTimedOut(Exception):
    """The actor did not call started() in time; see what it waits for, or raise `start_timeout_s`."""


class ReturnedBeforeStarted(Exception):
    """The actor's run returned without having called started(): a bug in the actor."""


class Interrupted(Exception):
    """The actor was ended from outside the supervision: by KeyboardInterrupt or SystemExit."""


@attrs.frozen(kw_only=True)
class ChildContext:
    """What one incarnation of an actor is given."""

    name: str
    incarnation: int
    mailbox: Mailbox
    outbox: Outbox
    seams: Seams
    log: Log


@attrs.frozen
class ChildSpec:
    """How to make a child and how to treat it; `factory` is called anew for every incarnation.

    `grace_s` is how long a stop waits for it before going on to the next child; a supervisor as a child needs
    the sum of its children's. `mailbox_keys` restricts keyed channels to one key each.
    """

    name: str
    factory: Callable[[ChildContext], Actor]
    restart: Restart = Restart.PERMANENT
    grace_s: float = attrs.field(default=DEFAULT_GRACE_S, validator=attrs.validators.ge(0))
    mailbox_keys: Mapping[type, str | None] | None = None


class ChildState(enum.StrEnum):
    """Where a child is in its life."""

    WAITING = "waiting"  # not started yet
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKING_OFF = "backing off"
    FINISHED = "finished"  # ended, and its restart type wants no more
    STOPPED = "stopped"
    QUARANTINED = "quarantined"


@attrs.frozen(kw_only=True)
class ChildStatus:
    """One row of the actor tree."""

    name: str
    state: ChildState
    incarnation: int
    restarts: int
    last_exit: ActorExited | None
    started_at_s: float | None
    children: tuple[ChildStatus, ...] = ()


@attrs.define(eq=False)
class Life:
    """One incarnation: its scope, what was asked of it, and how it ended."""

    incarnation: int
    spawned_at_s: float
    scope: trio.CancelScope
    settled: trio.Event = attrs.field(factory=trio.Event)  # set once it has started or is over
    over: trio.Event = attrs.field(factory=trio.Event)
    supervises: HasChildren | None = None  # the actor, where it has children of its own
    task: trio.lowlevel.Task | None = None
    started_at_s: float | None = None
    stop_reason: str | None = None
    kill_reason: str | None = None
    error: BaseException | None = None

    @property
    def has_started(self) -> bool:
        return self.started_at_s is not None

    @property
    def is_over(self) -> bool:
        return self.over.is_set()

    def begin_serving(self, now_s: float) -> bool:
        """Notes that the actor serves now; returns False where that is too late or already known."""
        if self.has_started or self.is_over or self.scope.cancel_called:
            return False
        self.started_at_s = now_s
        self.scope.deadline = math.inf
        self.settled.set()
        return True

    async def live(
        self, factory: Callable[[ChildContext], Actor], context: ChildContext, started: Callable[[], None]
    ) -> None:
        """Runs the actor to its end and keeps the exception of that end; raises only what is no Exception."""
        self.task = trio.lowlevel.current_task()
        await trio.lowlevel.cancel_shielded_checkpoint()
        with self.scope:
            try:
                actor = factory(context)
                self.supervises = actor if isinstance(actor, HasChildren) else None
                await actor.run(started)
            except* Exception as crash:
                self.error = crash

    def crash(self) -> BaseException | None:
        """Returns the exception that the life ended with in the supervisor's eyes; None if it ended well."""
        if self.kill_reason is not None and self.stop_reason is None:
            killed = KilledForTest(self.kill_reason)
            killed.__cause__ = self.error
            return killed
        if self.error is not None or self.stop_reason is not None or self.has_started:
            return self.error
        if self.scope.cancelled_caught:
            return StartTimedOut("it did not call started() within its start timeout")
        return ReturnedBeforeStarted("its run returned before it called started()")

    def whereabouts(self) -> str:
        """Returns where the task waits, as one line of "file:line function" from the outside in."""
        if self.task is None:
            return "not begun yet"
        frames = traceback.StackSummary.extract(self.task.iter_await_frames(), lookup_lines=False)
        return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)


@attrs.define(eq=False)
class Child:
    """A child spec with its present life and its past."""

    spec: ChildSpec
    state: ChildState = ChildState.WAITING
    life: Life | None = None
    starts: int = 0
    last_exit: ActorExited | None = None
    is_being_removed: bool = False

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_alive(self) -> bool:
        return self.life is not None and not self.life.is_over

    def status(self) -> ChildStatus:
        """Returns the child's row of the actor tree."""
        supervises = self.life.supervises if self.is_alive and self.life else None
        return ChildStatus(
            name=self.name,
            state=self.state,
            incarnation=self.life.incarnation if self.life else 0,
            restarts=max(0, self.starts - 1),
            last_exit=self.last_exit,
            started_at_s=self.life.started_at_s if self.life else None,
            children=supervises.children() if supervises is not None else (),
        )
