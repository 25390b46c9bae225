"""A stage for supervisors under test: virtual seams, a switchboard, scripted actors and every event they cause."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.runtime.lifecycle import ActorExited, ActorStarted, ExitKind, LifecycleEvent
from actors.runtime.seams import virtual_seams
from actors.runtime.supervision import BackOff, Restart, RestartWindow
from actors.runtime.supervisor import ChildContext, ChildSpec, ChildState, ChildStatus, Supervisor
from actors.runtime.switchboard import ChannelSpec, Switchboard

Script = Callable[[ChildContext, Callable[[], None]], Awaitable[None]]

STEADY = BackOff(jitter=0.0)


class Scripted:
    """An actor whose life is one function of its context and `started`."""

    def __init__(self, script: Script, context: ChildContext) -> None:
        self._script = script
        self._context = context

    async def run(self, started: Callable[[], None]) -> None:
        await self._script(self._context, started)


def child(name: str, script: Script, restart: Restart = Restart.PERMANENT, *, grace_s: float = 2.0) -> ChildSpec:
    """Returns the spec of a child that lives as `script` says."""
    return ChildSpec(name, lambda context: Scripted(script, context), restart, grace_s)


async def live_on(_: ChildContext, started: Callable[[], None]) -> None:
    """Starts at once and lives until it is cancelled."""
    started()
    await trio.sleep_forever()


def crashing_after(*runs_s: float) -> Script:
    """Returns a script: life number n crashes after the n-th time given; later lives live on."""

    async def script(context: ChildContext, started: Callable[[], None]) -> None:
        started()
        if context.incarnation <= len(runs_s):
            await trio.sleep(runs_s[context.incarnation - 1])
            raise ValueError(f"crash {context.incarnation} of {context.name}")
        await trio.sleep_forever()

    return script


async def crash_at_once(context: ChildContext, started: Callable[[], None]) -> None:
    """Starts and crashes, every time."""
    started()
    await trio.lowlevel.checkpoint()
    raise ValueError(f"crash {context.incarnation} of {context.name}")


async def return_at_once(_: ChildContext, started: Callable[[], None]) -> None:
    """Starts and returns."""
    started()
    await trio.lowlevel.checkpoint()


class ListLog:
    """Keeps every line with its level."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def debug(self, message: str, /) -> None:
        self.lines.append(("debug", message))

    def info(self, message: str, /) -> None:
        self.lines.append(("info", message))

    def warning(self, message: str, /) -> None:
        self.lines.append(("warning", message))

    def error(self, message: str, /) -> None:
        self.lines.append(("error", message))

    def errors(self) -> str:
        return "\n".join(message for level, message in self.lines if level == "error")


class Stage:
    """Everything a supervisor needs, and everything it told."""

    def __init__(self, table: tuple[ChannelSpec, ...] = (), seed: int = 1) -> None:
        self.seams = virtual_seams(seed, 1_700_000_000_000)
        self.switchboard = Switchboard(table, trio.current_time)
        self.log = ListLog()
        self.events: list[LifecycleEvent] = []

    def supervisor(self, *specs: ChildSpec, name: str = "root", **settings: Any) -> Supervisor:
        settings.setdefault("window", RestartWindow(3, 300.0))
        settings.setdefault("back_off", STEADY)
        settings.setdefault("switchboard", self.switchboard)
        settings.setdefault("on_lifecycle", self.events.append)
        return Supervisor(name, specs, seams=self.seams, log_for=lambda _: self.log, **settings)

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[Supervisor]:
        """Runs the supervisor while the body runs, then stops it."""
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            yield supervisor
            nursery.cancel_scope.cancel()

    def exits(self, name: str | None = None) -> list[ActorExited]:
        return [event for event in self.events if isinstance(event, ActorExited) and name in (None, event.name)]

    def starts(self, name: str | None = None) -> list[ActorStarted]:
        return [event for event in self.events if isinstance(event, ActorStarted) and name in (None, event.name)]

    def kinds(self, name: str | None = None) -> list[ExitKind]:
        return [event.kind for event in self.exits(name)]

    def told(self) -> list[str]:
        """Returns the events as short words, in order: "a started", "a crashed"."""
        return [
            f"{event.name} {event.kind.value if isinstance(event, ActorExited) else 'started'}" for event in self.events
        ]


def status_of(supervisor: Supervisor, name: str) -> ChildStatus:
    """Returns the child's row of the tree."""
    return next(status for status in supervisor.children() if status.name == name)


def state_of(supervisor: Supervisor, name: str) -> ChildState:
    """Returns the child's present state."""
    return status_of(supervisor, name).state
