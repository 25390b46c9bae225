"""The supervisor: starts its children in order, restarts them as OTP would, stops them in reverse.

How it works. Every life of a child is a task of one nursery, in a shielded scope of its own (see `child`).
When a life ends, its task itself runs `_on_exit`: synchronously, so no other exit can come between, it
classifies the exit, asks the pure policy (see `supervision`), publishes the one message, and only then lets
anything happen: a recovery, which is a task that stops whoever else the strategy concerns, sleeps the
back-off and starts them again in order; or the escalation.

Rules:

1. Start in order, each child waiting for `started()` of the one before; stop in reverse, each with its grace.
   A child that overruns its grace is not waited for any longer (what it is doing is logged), but trio cannot
   abandon a task, so `run` returns only after the last child is over. Whoever needs an earlier end keeps a
   deadline outside (the exit guard does).
2. A failed first start while `run` boots aborts the boot: everything started so far is stopped, and
   `BootFailed` raised. Every later failed start is a crash like any other: it counts, waits and is tried
   again.
3. An exit that the supervisor asked for is never counted and never restarted by itself. A child that crashes
   when it is already marked to be stopped, because a sibling's restart concerns it, is absorbed by that
   recovery, as in OTP.
4. Giving up: all children are stopped first, then `Escalated` is raised, with the offender and its exception.
   A parent supervisor sees that as a crash; one with a fatal cause stays fatal on the way up.
5. At most one life per name (I18): a successor is made only after its predecessor is over, however long that
   takes.
6. one_for_one restarts run side by side, so a slow one delays nobody. Under the other two strategies there is
   at most one recovery: a crash during a recovery takes over what that one had not yet started. That differs
   from OTP, which would finish the first one and then stop again what it had just started; the outcome is the
   same.
7. A finished, quarantined or removed child loses its mailbox, so that nobody waits for room in it; a child in
   back-off keeps it with all that waits there.

Source: `supervisor.erl` (OTP); architecture.md §7; supervision.md §1, §2. Rejected: one nursery without
shields (cancelled, it stops everybody at once), a supervising task that handles exits one by one (a slow
start delays the news of a crash).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import attrs
import trio

from actors.runtime.child import (
    Actor,
    Child,
    ChildContext,
    ChildSpec,
    ChildState,
    ChildStatus,
    Interrupted,
    KilledForTest,
    Life,
    Log,
    ReturnedBeforeStarted,
    StartTimedOut,
    silent_log,
)
from actors.runtime.escalation import BootFailed, Escalated, NotRunning, UnknownChild, has_given_up, is_fatal
from actors.runtime.exits import describe_exit, ran_s, state_after
from actors.runtime.lifecycle import ActorExited, ActorStarted, ExitKind, LifecycleEvent, unwrap
from actors.runtime.seams import Seams
from actors.runtime.supervision import (
    Action,
    BackOff,
    Exit,
    Restart,
    RestartPolicy,
    RestartWindow,
    Strategy,
    Verdict,
)
from actors.runtime.switchboard import Switchboard
from quant.invariants import check

__all__ = [
    "Actor",
    "BackOff",
    "BootFailed",
    "ChildContext",
    "ChildSpec",
    "ChildState",
    "ChildStatus",
    "Escalated",
    "KilledForTest",
    "Log",
    "NotRunning",
    "Restart",
    "RestartWindow",
    "ReturnedBeforeStarted",
    "StartTimedOut",
    "Strategy",
    "Supervisor",
    "UnknownChild",
    "silent_log",
]

# One bot quotes at most some hundred markets; more children than this is a supervisor that never removes any.
CHILDREN_MAX: Final = 512

# Stops are bounded one by one; this margin lets the last of them end before the shield around all of them
# opens.
_STOP_MARGIN_S: Final = 1.0

_ALERTS: Final = (ExitKind.CRASHED, ExitKind.QUARANTINED, ExitKind.ESCALATED)


@attrs.define(eq=False)
class _Recovery:
    """One restart under way: whom to stop, whom to start again (shrinks as they start), and when."""

    reason: str
    delay_s: float
    stops: set[str]
    members: set[str]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


class Supervisor:
    """Supervises the children given by `specs` and those added later; usable as an actor itself.

    `fatal` are exception types that are never restarted; `children_max` bounds the children it may have at
    once.
    """

    def __init__(
        self,
        name: str,
        specs: Iterable[ChildSpec] = (),
        *,
        window: RestartWindow,
        switchboard: Switchboard,
        seams: Seams,
        on_lifecycle: Callable[[LifecycleEvent], None],
        back_off: BackOff | None = None,
        quarantine: RestartWindow | None = None,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        start_timeout_s: float = 30.0,
        log_for: Callable[[str], Log] = silent_log,
        fatal: tuple[type[BaseException], ...] = (),
        children_max: int = CHILDREN_MAX,
    ) -> None:
        self.name = name
        self._policy = RestartPolicy(window=window, back_off=back_off or BackOff(), quarantine=quarantine)
        self._strategy = strategy
        self._switchboard = switchboard
        self._seams = seams
        self._on_lifecycle = on_lifecycle
        self._start_timeout_s = start_timeout_s
        self._log_for = log_for
        self._log = log_for(name)
        self._fatal = fatal
        self._children_max = children_max
        self._children: dict[str, Child] = {}
        for spec in specs:
            self._adopt(spec)
        self._nursery: trio.Nursery | None = None
        self._body = trio.CancelScope()
        self._is_booting = False
        self._is_stopping = False
        self._escalation: Escalated | None = None
        self._recoveries: list[_Recovery] = []
        self._crashes_during_boot: list[tuple[Child, Verdict]] = []

    # The public face.

    async def run(
        self,
        started: Callable[[], None] | None = None,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Starts the children in order, reports started, and supervises until cancelled.

        Raises BootFailed when a child fails at its first start, Escalated when it gives up later; in both
        cases, and when cancelled, after the children were stopped in reverse order.
        """
        if self._nursery is not None:
            raise NotRunning(f"supervisor {self.name} has run already; make a new one")
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                try:
                    with self._body:
                        await self._boot()
                        task_status.started()
                        if started is not None:
                            started()
                        await trio.sleep_forever()
                finally:
                    with trio.move_on_after(self._stop_total_s(), shield=True):
                        await self._stop_all()
        finally:
            # Also when a cancellation came during the stops: the error says more than the cancellation does.
            if self._escalation is not None:
                raise self._escalation from self._escalation.cause

    async def add_child(self, spec: ChildSpec) -> bool:
        """Adds and starts a child; returns True once it has started, False if its first start failed.

        A failed start is a crash (rule 2), so the child is tried again after its back-off. Raises NotRunning,
        or ValueError for a name that is taken or one child too many.
        """
        if self._nursery is None or self._is_stopping:
            raise NotRunning(f"supervisor {self.name} does not run; {spec.name} cannot be added")
        # The mailbox first: a spec with impossible keys is refused before it is adopted.
        self._switchboard.mailbox(spec.name, keys=spec.mailbox_keys)
        child = self._adopt(spec)
        return await self._start(child)

    async def remove_child(self, name: str, reason: str = "removed") -> bool:
        """Stops the child and forgets it, with its mailbox; returns False when it overran its grace.

        In that case it is forgotten once it is over, and until then its name is taken. Raises UnknownChild.
        """
        child = self._child(name)
        child.is_being_removed = True
        self._leave_recoveries(name)
        if child.is_alive:
            return await self._stop(child, reason)
        self._drop(child)
        await trio.lowlevel.checkpoint()
        return True

    def kill(self, name: str, reason: str = "killed for test") -> bool:
        """Crashes the child deliberately (chaos); returns False when it is not alive or is being stopped.

        Raises UnknownChild.
        """
        life = self._child(name).life
        if life is None or life.is_over or life.stop_reason is not None:
            return False
        life.kill_reason = reason
        life.scope.cancel(reason=reason)
        return True

    def stall(self, name: str, seconds: float) -> None:
        """Makes the child's mailbox deliver nothing for `seconds` (chaos). Raises UnknownChild."""
        self._switchboard.mailbox(self._child(name).name).stall(seconds)

    def children(self) -> tuple[ChildStatus, ...]:
        """Returns the children in start order, each with its own children where it supervises some."""
        return tuple(child.status() for child in self._children.values())

    # Starting.

    def _adopt(self, spec: ChildSpec) -> Child:
        if spec.name in self._children:
            raise ValueError(f"supervisor {self.name} already has a child {spec.name}")
        if len(self._children) >= self._children_max:
            raise ValueError(f"supervisor {self.name} has {self._children_max} children, its bound; remove some")
        child = Child(spec)
        self._children[spec.name] = child
        self._policy.arrive(spec.name)
        return child

    async def _boot(self) -> None:
        self._is_booting = True
        # All mailboxes first: a child may send to one that starts after it.
        for child in self._children.values():
            self._switchboard.mailbox(child.name, keys=child.spec.mailbox_keys)
        for child in tuple(self._children.values()):
            if child.name in self._children:
                await self._start(child)
        await trio.lowlevel.checkpoint()
        self._is_booting = False
        for child, verdict in self._crashes_during_boot:
            self._begin_recovery(child, verdict)
        self._crashes_during_boot.clear()

    async def _start(self, child: Child) -> bool:
        if self._is_stopping:
            # Decided an instant ago, and the cancellation is still on its way to this task: start nobody.
            await trio.lowlevel.checkpoint()
            return False
        life = self._spawn(child)
        await life.settled.wait()
        return life.has_started

    def _spawn(self, child: Child) -> Life:
        assert self._nursery is not None
        check(not child.is_alive, "I18", f"{child.name} would live twice")
        mailbox = self._switchboard.mailbox(child.name, keys=child.spec.mailbox_keys)
        incarnation = mailbox.incarnation + 1
        self._switchboard.reincarnate(child.name, incarnation)
        now_s = self._seams.now()
        scope = trio.CancelScope(deadline=trio.current_time() + self._start_timeout_s, shield=True)
        child.life = Life(incarnation=incarnation, spawned_at_s=now_s, scope=scope)
        child.state = ChildState.STARTING
        child.starts += 1
        context = ChildContext(
            name=child.name,
            incarnation=incarnation,
            mailbox=mailbox,
            outbox=self._switchboard.outbox(child.name),
            seams=self._seams,
            log=self._log_for(child.name),
        )
        self._nursery.start_soon(self._live, child, child.life, context, name=child.name)
        return child.life

    async def _live(self, child: Child, life: Life, context: ChildContext) -> None:
        is_whole = False
        try:
            await life.live(child.spec.factory, context, lambda: self._on_started(child, life))
            is_whole = True
        finally:
            if not is_whole:
                # KeyboardInterrupt or SystemExit passes through, and with it the supervisor ends.
                self._is_stopping = True
                life.error = life.error or Interrupted("the process was interrupted while this actor ran")
            self._on_exit(child, life)

    def _on_started(self, child: Child, life: Life) -> None:
        if not life.begin_serving(self._seams.now()):
            return
        child.state = ChildState.RUNNING
        self._log.info(f"{child.name} started, incarnation {life.incarnation}")
        self._log_for(child.name).info(f"started, incarnation {life.incarnation}")
        self._on_lifecycle(
            ActorStarted(
                supervisor=self.name,
                name=child.name,
                incarnation=life.incarnation,
                at_s=self._seams.now(),
            )
        )

    # Exits.

    def _on_exit(self, child: Child, life: Life) -> None:
        now_s = self._seams.now()
        crash = life.crash()
        verdict = self._judge(child, life, crash, now_s)
        event = describe_exit(self.name, child.name, life, crash, verdict, now_s)
        child.last_exit = event
        child.state = state_after(event, verdict)
        life.over.set()
        life.settled.set()
        self._log_exit(event)
        self._on_lifecycle(event)
        self._act(child, life, verdict, crash)

    def _judge(self, child: Child, life: Life, crash: BaseException | None, now_s: float) -> Verdict | None:
        # None: nothing to decide, the supervisor wanted this exit or is stopping anyway (rule 3).
        if life.stop_reason is not None or child.is_being_removed or self._is_stopping:
            return None
        exit_ = Exit(
            name=child.name,
            restart=child.spec.restart,
            has_crashed=crash is not None,
            is_fatal=is_fatal(crash, self._fatal),
            has_given_up=has_given_up(crash),
            is_boot_failure=self._is_first_start(child, life),
            ran_s=ran_s(life, now_s),
        )
        return self._policy.decide(exit_, now_s=now_s, chance=self._seams.rng.random())

    def _is_first_start(self, child: Child, life: Life) -> bool:
        return self._is_booting and child.starts == 1 and not life.has_started

    def _log_exit(self, event: ActorExited) -> None:
        line = f"{event.name} {event.kind.value}, incarnation {event.incarnation}: {event.reason}"
        if event.error:
            line += f"; {event.error}"
        is_bug = event.kind is ExitKind.NORMAL and event.will_restart
        write = self._log.error if event.kind in _ALERTS or is_bug else self._log.info
        write(line)
        if event.traceback:
            self._log_for(event.name).error(event.traceback)
            self._report_last_messages(event.name)

    def _report_last_messages(self, name: str) -> None:
        mailbox = self._switchboard.existing_mailbox(name)
        if mailbox is not None and (messages := mailbox.last_messages()):
            self._log_for(name).error("\n".join(("the last messages before, newest last:", *messages)))

    def _act(self, child: Child, life: Life, verdict: Verdict | None, crash: BaseException | None) -> None:
        if child.is_being_removed or (child.spec.restart is Restart.TEMPORARY and not self._is_stopping):
            self._drop(child)
        if verdict is None:
            return
        match verdict.action:
            case Action.RESTART if self._is_booting and self._strategy is not Strategy.ONE_FOR_ONE:
                self._crashes_during_boot.append((child, verdict))
            case Action.RESTART:
                self._begin_recovery(child, verdict)
            case Action.ESCALATE:
                self._escalate(child, life, verdict, crash)
            case Action.LEAVE | Action.QUARANTINE:
                self._switchboard.remove(child.name)

    def _escalate(self, child: Child, life: Life, verdict: Verdict, crash: BaseException | None) -> None:
        self._is_stopping = True
        raised = BootFailed if self._is_first_start(child, life) else Escalated
        self._escalation = raised(
            self.name,
            child.name,
            verdict.reason,
            cause=unwrap(crash) if crash is not None else None,
            is_fatal=is_fatal(crash, self._fatal),
        )
        self._body.cancel(reason=str(self._escalation))

    # Restarting.

    def _begin_recovery(self, child: Child, verdict: Verdict) -> None:
        assert self._nursery is not None
        concerned = self._concerned(child)
        recovery = _Recovery(
            reason=f"{child.name} is restarted, which concerns it ({self._strategy.value})",
            delay_s=verdict.delay_s,
            stops={each.name for each in concerned},
            members={each.name for each in concerned if each.spec.restart is not Restart.TEMPORARY},
        )
        if self._strategy is not Strategy.ONE_FOR_ONE:
            self._take_over_recoveries(recovery)
        for each in concerned:
            # Marked at once, so that a crash of theirs from now on is absorbed (rule 3).
            if each.life is not None and not each.life.is_over:
                each.life.stop_reason = each.life.stop_reason or recovery.reason
        self._recoveries.append(recovery)
        self._nursery.start_soon(self._recover, recovery, name=f"{self.name}: restart {child.name}")

    def _concerned(self, child: Child) -> list[Child]:
        if self._strategy is Strategy.ONE_FOR_ONE:
            return [child]
        everybody = list(self._children.values())
        first = everybody.index(child) if self._strategy is Strategy.REST_FOR_ONE else 0
        return [each for each in everybody[first:] if each.state is not ChildState.QUARANTINED]

    def _take_over_recoveries(self, recovery: _Recovery) -> None:
        for earlier in self._recoveries:
            recovery.stops |= earlier.stops
            recovery.members |= earlier.members
            earlier.scope.cancel(reason="a later crash takes this restart over")
        self._recoveries.clear()

    async def _recover(self, recovery: _Recovery) -> None:
        with recovery.scope:
            for child in reversed(tuple(self._children.values())):
                # Whoever is alive without the mark was started again by a recovery that this one took over.
                life = child.life
                if child.name in recovery.stops and life and not life.is_over and life.stop_reason:
                    await self._stop(child, recovery.reason)
            await trio.sleep(recovery.delay_s)
            for child in tuple(self._children.values()):
                if child.name in recovery.members:
                    await self._start_again(child, recovery)
        if recovery in self._recoveries:
            self._recoveries.remove(recovery)

    async def _start_again(self, child: Child, recovery: _Recovery) -> None:
        life = child.life
        if life is not None and not life.is_over and life.stop_reason is None:
            # A recovery that this one took over was just starting it.
            await life.settled.wait()
        else:
            if life is not None:
                await life.over.wait()
            # Somebody may have removed it while it was overrunning its grace.
            if child.name in recovery.members:
                await self._start(child)
        recovery.members.discard(child.name)
        await trio.lowlevel.checkpoint()

    def _leave_recoveries(self, name: str) -> None:
        for recovery in self._recoveries:
            recovery.members.discard(name)
            if not recovery.members:
                recovery.scope.cancel(reason=f"{name} was removed")

    # Stopping.

    async def _stop(self, child: Child, reason: str) -> bool:
        """Asks the child to end and waits for it within its grace; returns whether it ended."""
        life = child.life
        assert life is not None
        life.stop_reason = life.stop_reason or reason
        child.state = ChildState.STOPPING
        life.scope.cancel(reason=reason)
        with trio.move_on_after(child.spec.grace_s):
            await life.over.wait()
        if not life.is_over:
            self._log.error(f"{child.name} overran its stop of {child.spec.grace_s:g} s: {life.whereabouts()}")
        return life.is_over

    async def _stop_all(self) -> None:
        self._is_stopping = True
        reason = str(self._escalation or f"supervisor {self.name} is stopping")
        for recovery in self._recoveries:
            recovery.scope.cancel(reason=reason)
        self._recoveries.clear()
        await trio.lowlevel.checkpoint()
        for child in reversed(tuple(self._children.values())):
            if child.is_alive:
                await self._stop(child, reason)

    def _stop_total_s(self) -> float:
        return math.fsum(child.spec.grace_s for child in self._children.values()) + _STOP_MARGIN_S

    def _drop(self, child: Child) -> None:
        del self._children[child.name]
        self._switchboard.remove(child.name)
        self._policy.depart(child.name, self._seams.now())

    def _child(self, name: str) -> Child:
        try:
            return self._children[name]
        except KeyError:
            raise UnknownChild(f"supervisor {self.name} has no child {name}") from None
