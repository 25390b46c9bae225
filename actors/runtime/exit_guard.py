"""The exit guard: the one way out, for every reason.

A plain function in the outer scope, shielded, bounded by a deadline shorter than systemd's, with its own
control-plane client. No actor, no mailbox, so nothing that crashed can be in its way. Its order:

1. close the latch: from this instruction on no create or amend leaves (I9);
2. send the fence at once, and stop the actors at the same time: an actor that hangs in a shield must not delay
   the fence, and one that crashes while stopping must not end it;
3. sweep until verified, or until the deadline;
4. write the exit report.

A second signal shortens the deadline through `ExitGuard.hurry`. A third, or a wedged thread, ends the process
outright: the expiry of every order and the next boot do the rest.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import trio

from actors.runtime.child import Log
from actors.runtime.journal import GroupTriggered, GroupVerifiedEmpty, Journal, OrderClosed
from actors.runtime.latch import ExitLatch
from actors.runtime.lifecycle import error_text
from actors.runtime.sweep import Sweep, SweepReport


class ExitCode(enum.IntEnum):
    VERIFIED_FLAT = 0
    NOT_VERIFIED = 3
    FENCED_FROM_OUTSIDE = 4
    GAVE_UP_VERIFIED = 5
    INVARIANT_BROKEN = 6
    USAGE = 64
    CREDENTIALS = 77


# These tell a supervisor above us not to start us again, so they win over "not verified".
FINAL_CODES = frozenset({ExitCode.FENCED_FROM_OUTSIDE, ExitCode.INVARIANT_BROKEN, ExitCode.USAGE, ExitCode.CREDENTIALS})


@attrs.frozen(kw_only=True)
class ExitReport:
    """What the program leaves behind, in its own words and in the file `exit-report.json`."""

    boot: str
    venue: str
    reason: str
    wanted_code: int
    exit_code: int
    verdict: str
    sweep: SweepReport
    unresolved_orders: tuple[str, ...]
    at_ms: int


class ExitGuard:
    """Holds the deadline of the way out, so that a second signal can shorten it."""

    def __init__(self, *, latch: ExitLatch, deadline_s: float, now: Callable[[], float]) -> None:
        self._latch = latch
        self._deadline_s = deadline_s
        self._now = now
        self._scope: trio.CancelScope | None = None
        self._hurry_s: float | None = None

    def hurry(self, within_s: float) -> None:
        """Leaves at most `within_s` from now."""
        self._hurry_s = within_s
        if self._scope is not None:
            self._scope.deadline = min(self._scope.deadline, self._now() + within_s)

    async def run(self, *, reason: str, sweep: Sweep, stop_actors: Callable[[], Awaitable[None]]) -> SweepReport:
        """Fences, stops the actors, sweeps; returns how it ended, at the latest at the deadline."""
        self._latch.close(reason)
        limit_s = self._deadline_s if self._hurry_s is None else min(self._hurry_s, self._deadline_s)
        crashes: list[Exception] = []

        async def stop() -> None:
            try:
                await stop_actors()
            except Exception as crash:  # told in the report below; raised here it would end the sweep half-way
                crashes.append(crash)

        try:
            with trio.move_on_after(limit_s, shield=True) as self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(sweep.fence)
                    nursery.start_soon(stop)
                    nursery.start_soon(sweep.verify)
        except* Exception as defect:  # a defect of ours on the way out must still end in a report: not verified
            crashes.append(defect)
        report = sweep.report()
        told = "".join(f"; on the way out: {error_text(crash)}" for crash in crashes)
        return attrs.evolve(report, reason=report.reason + told)


def conclude(
    *,
    journal: Journal,
    sweep: SweepReport,
    boot: str,
    venue: str,
    reason: str,
    wanted: ExitCode,
    at_ms: int,
    older_orders: tuple[str, ...] = (),
) -> ExitReport:
    """Writes the end into the journal and returns the report with its exit code.

    `older_orders` are those of earlier boots that this one has not cleared.
    """
    for group_id in sweep.groups_triggered:
        journal.note(GroupTriggered(group_id=group_id, at_ms=at_ms))
    if sweep.verified:
        for group_id in sweep.groups_triggered:
            journal.note(GroupVerifiedEmpty(group_id=group_id))
        for client_order_id in tuple(journal.state.orders):
            journal.note(OrderClosed(client_order_id=client_order_id, outcome="fenced and swept"))
    code = wanted if sweep.verified or wanted in FINAL_CODES else ExitCode.NOT_VERIFIED
    # Behind a fence and two clean lists nothing can rest any more; without them every open order is named.
    unresolved = () if sweep.verified else (*older_orders, *journal.state.orders)
    return ExitReport(
        boot=boot,
        venue=venue,
        reason=reason,
        wanted_code=wanted,
        exit_code=code,
        verdict="verified flat" if sweep.verified else "NOT verified",
        sweep=sweep,
        unresolved_orders=unresolved,
        at_ms=at_ms,
    )


def write_report(report: ExitReport, path: Path, log: Log) -> None:
    """Keeps the report as a file; a full disk is told and survived."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(attrs.asdict(report), indent=2) + "\n")
    except OSError as error:
        log.error(f"the exit report could not be written to {path}: {error.strerror or error}")
