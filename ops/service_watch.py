"""The bot under a service manager: when it is ready, whether it is well, and that it leaves.

The manager's watchdog ends a bot that only seems to live. A task that exists proves nothing, so it is fed only while
every critical actor makes progress, and only by a task on the bot's own loop: a loop that does not turn feeds nobody.

    booting    the exchange may be away for hours: the start is extended for as long as the loop turns
    starting   the tree runs; READY once every critical actor has been heard, within START_MAX_S
    serving    WATCHDOG on every look while nobody is late; who is late is named in STATUS and once in the log
    leaving    STOPPING with the first word of a stop; fed until the way out should be over

Rules:

1. `decide` is pure: state and clock in, what to tell and why out. `ServiceWatch` only listens and sends.
2. Progress is a heartbeat: an actor publishes it after a turn of its own work. FillReconciler's says more, that fills
   were read; an exchange that is away would look like a stall, and a restart mends no exchange. Its turns at its
   mailbox count as well.
3. Mail that nobody takes is a stall as well, whatever beats: the feed's heartbeat has a task of its own, and would go
   on beside an owner task that hangs in a send.
4. LATE_S is above all that the bot does about silence by itself: withhold the permit (5 s), trigger the groups (5 s),
   withdraw the quotes (10 s). The watchdog is the last of these hands, not the first.
5. A defect here ends the feeding, and never the bot in disorder: the manager then does what it does to a stalled one.

Source: supervision by heartbeat as in architecture.md §7; sd_notify(3).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import attrs
import trio

from actors.messages.control import SystemSnapshot
from actors.messages.lifecycle import Heartbeat
from actors.runtime.child import Log
from actors.runtime.lifecycle import error_text, traceback_text
from actors.runtime.mailbox import Mailbox, MailboxStatistics
from ops.money_text import signed_dollars
from ops.service_notifier import Notifier, extend_line, status_line

CRITICAL = ("ledger", "fill_reconciler", "portfolio_risk", "order_desk", "stop_loss", "feed")
# Whose turns at the mailbox count as progress too (rule 2).
TURNS_COUNT = ("fill_reconciler",)
LATE_S = 15.0
# Above the supervisor's own patience with an actor that does not start.
START_MAX_S = 60.0
# One asked extension covers so much, and is asked again long before.
EXTEND_S = 30.0
EXTEND_EVERY_S = 5.0
LOOK_EVERY_S = 1.0
LOOKS_PER_WATCHDOG = 3  # one may get lost, and the next is still in time
LOOK_EVERY_MIN_S = 0.02
# What the way out may take beyond its deadline: the embedded exchange ends, the report is written.
LEAVE_MARGIN_S = 6.0


class Phase(enum.StrEnum):
    """Where the bot is in its life."""

    BOOTING = "booting"
    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"


class Action(enum.StrEnum):
    """What the service manager is told."""

    EXTEND = "extend"  # still starting, give me time
    READY = "ready"
    FEED = "feed"
    WITHHOLD = "withhold"  # nothing: its own deadline is to pass


@attrs.frozen(kw_only=True)
class Limits:
    """How much silence and delay is healthy."""

    late_s: float = LATE_S
    start_max_s: float = START_MAX_S
    leave_max_s: float


@attrs.frozen(kw_only=True)
class WatchState:
    """What is known at one look: the phase, since when, each critical actor's last progress, if there was any, and
    since when its mail waits without a turn at the mailbox, if it does.
    """

    phase: Phase
    since_s: float
    progress_s: Mapping[str, float]
    unread_since_s: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Decision:
    """What to tell, the reason in words, and the critical actors that are missing or late."""

    action: Action
    reason: str
    late: tuple[str, ...] = ()


def decide(state: WatchState, now_s: float, limits: Limits) -> Decision:
    """Returns what the service manager is to be told at `now_s`."""
    in_phase_s = now_s - state.since_s
    match state.phase:
        case Phase.BOOTING:
            return Decision(action=Action.EXTEND, reason="booting: reaching the exchange, clearing older orders")
        case Phase.STARTING:
            return _starting(state, in_phase_s, limits)
        case Phase.SERVING:
            return _serving(state, now_s, limits)
        case Phase.LEAVING:
            if in_phase_s <= limits.leave_max_s:
                return Decision(action=Action.FEED, reason="leaving")
            return Decision(action=Action.WITHHOLD, reason=f"leaving has taken {in_phase_s:.0f} s")


def _starting(state: WatchState, in_phase_s: float, limits: Limits) -> Decision:
    missing = tuple(name for name in CRITICAL if name not in state.progress_s)
    if not missing:
        return Decision(action=Action.READY, reason="every critical actor serves")
    waiting = f"starting: waiting for {', '.join(missing)}"
    action = Action.EXTEND if in_phase_s <= limits.start_max_s else Action.WITHHOLD
    return Decision(action=action, reason=waiting, late=missing)


def _serving(state: WatchState, now_s: float, limits: Limits) -> Decision:
    ages_s = {
        name: now_s - min(state.progress_s.get(name, state.since_s), state.unread_since_s.get(name, now_s))
        for name in CRITICAL
    }
    late = tuple(name for name, age_s in ages_s.items() if age_s > limits.late_s)
    if not late:
        return Decision(action=Action.FEED, reason="every critical actor makes progress")
    named = ", ".join(f"{name} for {ages_s[name]:.0f} s" for name in late)
    return Decision(action=Action.WITHHOLD, reason=f"no progress of {named}: the watchdog is not fed", late=late)


def status_text(snapshot: SystemSnapshot | None) -> str:
    """Returns the serving bot in one sentence."""
    if snapshot is None:
        return "serving, the first picture is being drawn"
    quoted = sum(row.own_bid is not None or row.own_ask is not None for row in snapshot.markets)
    reason = f": {snapshot.permit_reasons[0]}" if snapshot.permit_reasons else ""
    pnl = signed_dollars(snapshot.totals.pnl_e6)
    exact = "" if snapshot.totals.is_exact else " (NOT EXACT)"
    markets = f"{quoted} of {len(snapshot.markets)} markets quoted"
    return f"{snapshot.mode}: {markets}, permit {snapshot.permit}{reason}, PnL {pnl}{exact}"


def look_every_s(watchdog_s: float | None) -> float:
    """Returns the time between two looks: well under half of what the watchdog allows, and at most a second."""
    if watchdog_s is None:
        return LOOK_EVERY_S
    return max(LOOK_EVERY_MIN_S, min(LOOK_EVERY_S, watchdog_s / LOOKS_PER_WATCHDOG))


@attrs.frozen(kw_only=True)
class _Unread:
    """Mail was first seen waiting at `since_s`, after the turn at `last_turn_s`; another turn makes it another wait."""

    since_s: float
    last_turn_s: float | None


@attrs.define(eq=False, kw_only=True)
class ServiceWatch:
    """The shell: listens to heartbeats, asks `decide` on every look, and tells the manager."""

    notifier: Notifier
    watchdog_s: float | None
    limits: Limits
    mailbox: Mailbox
    statistics: Callable[[], Mapping[str, MailboxStatistics]]
    has_tree: Callable[[], bool]
    snapshot: Callable[[], SystemSnapshot | None]
    now: Callable[[], float]
    log: Log
    _phase: Phase = attrs.field(default=Phase.BOOTING, init=False)
    _since_s: float = attrs.field(init=False)
    _progress_s: dict[str, float] = attrs.field(factory=dict, init=False)
    _unread: dict[str, _Unread] = attrs.field(factory=dict, init=False)
    _late: tuple[str, ...] = attrs.field(default=(), init=False)
    _status: str = attrs.field(default="", init=False)
    _status_at_s: float | None = attrs.field(default=None, init=False)
    _extended_at_s: float | None = attrs.field(default=None, init=False)
    _leaving_told: bool = attrs.field(default=False, init=False)
    _leaving_reason: str = attrs.field(default="", init=False)
    _failure_said: str = attrs.field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        self._since_s = self.now()

    async def run(self) -> None:
        """Watches until cancelled."""
        try:
            while True:
                # Emptied right before each decision: what is late is late now, and a heartbeat wakes nobody.
                for message in await self.mailbox.receive(timeout_s=0.0):
                    if isinstance(message, Heartbeat) and message.actor in CRITICAL:
                        self._heard(message.actor, message.at_s)
                self.look()
                await trio.sleep(look_every_s(self.watchdog_s))
        except Exception as defect:  # rule 5
            self.log.error(f"the watch for the service manager crashed: {error_text(defect)}\n{traceback_text(defect)}")

    def stopping(self, reason: str) -> None:
        """Says, before anything else of the way out, that the bot leaves."""
        self._enter(Phase.LEAVING)
        self._leaving_reason = reason
        self._tell_leaving()

    def ended(self, text: str) -> None:
        """Says how it ended, as the last word."""
        self._send(status_line(text))
        if self.notifier.failures:
            self.log.warning(f"{self.notifier.failures} messages to the service manager were lost")

    def look(self) -> None:
        """Decides once and tells the manager."""
        if self._phase is Phase.BOOTING and self.has_tree():
            self._enter(Phase.STARTING)
        self._note_turns()
        state = WatchState(
            phase=self._phase,
            since_s=self._since_s,
            progress_s=self._progress_s,
            unread_since_s={name: unread.since_s for name, unread in self._unread.items()},
        )
        decision = decide(state, self.now(), self.limits)
        self._say_late(decision)
        if self._phase is Phase.LEAVING:
            self._tell_leaving()
        self._tell(decision)

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since_s = phase, self.now()

    def _heard(self, actor: str, at_s: float) -> None:
        self._progress_s[actor] = max(at_s, self._progress_s.get(actor, at_s))

    def _note_turns(self) -> None:
        statistics = self.statistics()
        for actor in CRITICAL:
            seen = statistics.get(actor)
            if seen is None:
                continue
            if actor in TURNS_COUNT and seen.last_receive_s is not None:
                self._heard(actor, seen.last_receive_s)
            unread = self._unread.get(actor)
            if not seen.depth:
                self._unread.pop(actor, None)
            elif unread is None or unread.last_turn_s != seen.last_receive_s:
                self._unread[actor] = _Unread(since_s=self.now(), last_turn_s=seen.last_receive_s)

    def _tell(self, decision: Decision) -> None:
        lines: list[str] = []
        match decision.action:
            case Action.READY:
                lines.append("READY=1")
            case Action.FEED if self.watchdog_s is not None:
                lines.append("WATCHDOG=1")
            case Action.EXTEND if self._is_due(self._extended_at_s, EXTEND_EVERY_S):
                lines.append(extend_line(EXTEND_S))
                self._extended_at_s = self.now()
            case _:
                pass
        status = self._status_of(decision)
        if status != self._status and self._is_due(self._status_at_s, LOOK_EVERY_S):
            lines.append(status_line(status))
            self._status, self._status_at_s = status, self.now()
        # A READY that got lost is said again at the next look: without it the manager would end the bot.
        if lines and self._send(*lines) and decision.action is Action.READY:
            self.log.info("the service manager knows that the bot is ready")
            self._enter(Phase.SERVING)

    def _status_of(self, decision: Decision) -> str:
        match self._phase:
            case Phase.SERVING if decision.action is Action.FEED:
                return status_text(self.snapshot())
            case Phase.LEAVING:
                return f"leaving: {self._leaving_reason}"
            case _:
                return decision.reason

    def _is_due(self, last_s: float | None, every_s: float) -> bool:
        return last_s is None or self.now() - last_s >= every_s

    def _tell_leaving(self) -> None:
        """Repeated until it is heard: from then on the manager counts its stop timeout, lengthened to our deadline."""
        if not self._leaving_told:
            left_s = self.limits.leave_max_s - (self.now() - self._since_s)
            self._status, self._status_at_s = f"leaving: {self._leaving_reason}", self.now()
            self._leaving_told = self._send("STOPPING=1", extend_line(max(1.0, left_s)), status_line(self._status))

    def _say_late(self, decision: Decision) -> None:
        late = decision.late if self._phase is Phase.SERVING else ()
        if late == self._late:
            return
        if late:
            self.log.error(decision.reason)
        else:
            self.log.info(f"progress again of {', '.join(self._late)}: the watchdog is fed")
        self._late = late

    def _send(self, *lines: str) -> bool:
        is_sent = self.notifier.send(*lines)
        if not is_sent and self.notifier.last_failure != self._failure_said:
            self._failure_said = self.notifier.last_failure
            self.log.warning(f"{self._failure_said}; the count of such failures is told at the end")
        return is_sent
