"""Signs of life between actors. The exits themselves are `actors.runtime.lifecycle.LifecycleEvent`."""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Heartbeat:
    """An actor did some of its own work at `at_s`. `is_ready` once its state is restored and it serves."""

    actor: str
    incarnation: int
    at_s: float
    is_ready: bool = True


@attrs.frozen(kw_only=True)
class StopWanted:
    """An actor asks the whole program to end: exit code and reason."""

    exit_code: int
    reason: str


@attrs.frozen(kw_only=True)
class ReleaseLossLatch:
    """A person's word: quote again after a loss limit has tripped, and count losses anew from now on."""


@attrs.frozen(kw_only=True)
class KillMarket:
    """Crash this market's actor on purpose (chaos)."""

    name: str


ALL_MARKETS: Final = "*"


@attrs.frozen(kw_only=True)
class Switches:
    """What people have switched: the kill switch, what is paused ("*" means all markets), whose positions are to be
    closed ("*" as well), and programs by name.
    """

    killed: bool = False
    paused: frozenset[str] = frozenset()
    paused_programs: frozenset[str] = frozenset()  # their markets stay theirs, and are not quoted
    flattening: frozenset[str] = frozenset()
    programs: tuple[tuple[str, bool], ...] = ()  # only those that were switched; the others are as configured

    def is_enabled(self, program: str, configured: bool) -> bool:
        """Says whether a program runs that is `configured` so."""
        return dict(self.programs).get(program, configured)

    def is_flattening(self, ticker: str) -> bool:
        """Says whether what is held there is to be closed."""
        return ticker in self.flattening or ALL_MARKETS in self.flattening


@attrs.frozen(kw_only=True)
class Alert:
    """Something a person should know. `code` is stable, for filters."""

    code: str
    severity: str
    actor: str
    text: str
    at_ms: int
