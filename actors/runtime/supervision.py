"""The policy of supervision: what to do when a child has ended. Pure: no trio, no clock, no randomness of its
own.

The meaning is OTP's, with two additions that OTP does not have: back-off between restarts, and quarantine of
one child.

Rules, in the order in which they decide about an exit:

1. A fatal error (configuration, credentials, a broken invariant) is never restarted: escalate.
2. A child that fails at its first start, while its supervisor boots, makes the boot fail: escalate.
3. The restart type decides whether a restart is wanted at all: PERMANENT always; TRANSIENT only after a
   crash, and not when the child is a supervisor that gave up (OTP: its exit reason is `shutdown`, which
   counts as normal); TEMPORARY never.
4. Quarantine: a child that would be restarted more than N times within T seconds stays down alone. This
   restart is not made, so it does not count in rule 5.
5. The window: more than N restarts within T seconds, over all children of the supervisor, and it gives up:
   escalate. Exactly N do not (I14). A restart exactly T seconds old still counts.
6. Otherwise restart: at once the first time, then after 0.5 s, 1 s, 2 s and so on up to 30 s, each ±20 %; a
   run longer than the ceiling makes the next restart a first one again.

Source: `supervisor.erl` (OTP), architecture.md §7 and §13, supervision.md §1, S6 to S9.
"""

from __future__ import annotations

import enum
from collections import deque

import attrs


class Restart(enum.Enum):
    """When a child is restarted after it ended by itself."""

    PERMANENT = "permanent"  # always: it is meant to live as long as its supervisor
    TRANSIENT = "transient"  # only after a crash: it may finish its work
    TEMPORARY = "temporary"  # never; its spec goes with it


class Strategy(enum.Enum):
    """Whom a restart concerns besides the child that ended."""

    ONE_FOR_ONE = "one_for_one"  # nobody
    ONE_FOR_ALL = "one_for_all"  # everybody
    REST_FOR_ONE = "rest_for_one"  # those after it in start order


class Action(enum.Enum):
    """What the supervisor does about an exit."""

    RESTART = "restart"
    LEAVE = "leave"  # the child stays down, and that is fine
    QUARANTINE = "quarantine"  # the child stays down, and that is an alert
    ESCALATE = "escalate"  # the supervisor gives up


@attrs.frozen
class RestartWindow:
    """At most `max_restarts` within `within_s` seconds; one more is too many."""

    max_restarts: int = attrs.field(validator=attrs.validators.ge(0))
    within_s: float = attrs.field(validator=attrs.validators.gt(0))


@attrs.frozen(kw_only=True)
class BackOff:
    """How long to wait before a restart, in seconds."""

    first_s: float = 0.0
    base_s: float = 0.5
    factor: float = 2.0
    ceiling_s: float = 30.0
    jitter: float = 0.2
    healthy_after_s: float | None = None  # None: a run longer than the ceiling was healthy

    def delay_s(self, attempt: int, chance: float) -> float:
        """Returns the wait before restart `attempt` (1 is the first); `chance` in [0, 1) gives the jitter."""
        if attempt <= 1:
            return self.first_s
        # Doubled step by step up to the ceiling: a power of the attempt would overflow after a thousand of
        # them.
        delay_s = self.base_s
        for _ in range(attempt - 2):
            if delay_s >= self.ceiling_s:
                break
            delay_s *= self.factor
        return min(delay_s, self.ceiling_s) * (1 + self.jitter * (2 * chance - 1))

    def was_healthy(self, ran_s: float) -> bool:
        """Whether a run of that length lets the back-off begin anew."""
        return ran_s > (self.ceiling_s if self.healthy_after_s is None else self.healthy_after_s)


class RestartHistory:
    """The restarts within one window; holds at most one more than the window allows."""

    def __init__(self, window: RestartWindow) -> None:
        self._window = window
        self._restarts_s: deque[float] = deque(maxlen=window.max_restarts + 1)

    def add(self, now_s: float) -> bool:
        """Records one more restart and returns whether there are too many now."""
        self._restarts_s.append(now_s)
        return self.count(now_s) > self._window.max_restarts

    def count(self, now_s: float) -> int:
        """Returns how many restarts, of those remembered, lie within the window that ends now."""
        while self._restarts_s and now_s - self._restarts_s[0] > self._window.within_s:
            self._restarts_s.popleft()
        return len(self._restarts_s)


@attrs.frozen(kw_only=True)
class Exit:
    """What the policy needs to know about one exit."""

    name: str
    restart: Restart
    has_crashed: bool  # False: its run returned
    is_fatal: bool = False  # of a kind that is never restarted
    has_given_up: bool = False  # it was a supervisor whose own window was exceeded
    is_boot_failure: bool = False  # its first start, while the supervisor boots
    ran_s: float


@attrs.frozen(kw_only=True)
class Verdict:
    """The decision about one exit, and its reason in words."""

    action: Action
    reason: str
    delay_s: float = 0.0


@attrs.define
class _Record:
    attempts: int = 0
    history: RestartHistory | None = None


class RestartPolicy:
    """Decides about the exits of one supervisor's children; its memory is bounded by windows and children."""

    def __init__(self, *, window: RestartWindow, back_off: BackOff, quarantine: RestartWindow | None = None) -> None:
        self._window = window
        self._back_off = back_off
        self._quarantine = quarantine
        self._history = RestartHistory(window)
        self._records: dict[str, _Record] = {}
        self._departed: set[str] = set()

    def decide(self, exit_: Exit, *, now_s: float, chance: float) -> Verdict:
        """Returns what to do about an exit of now, and counts it; `chance` in [0, 1) is for the jitter."""
        if exit_.is_fatal:
            return Verdict(action=Action.ESCALATE, reason="an error of this kind is never restarted")
        if exit_.is_boot_failure:
            return Verdict(action=Action.ESCALATE, reason="it failed at its first start")
        unwanted = _why_no_restart(exit_)
        if unwanted is not None:
            return Verdict(action=Action.LEAVE, reason=unwanted)
        record = self._record(exit_.name)
        if self._quarantine is not None and record.history is not None and record.history.add(now_s):
            return Verdict(
                action=Action.QUARANTINE,
                reason=f"it ended {_more_often_than(self._quarantine)}; it stays down",
            )
        if self._history.add(now_s):
            return Verdict(action=Action.ESCALATE, reason=f"children restarted {_more_often_than(self._window)}")
        record.attempts = 1 if self._back_off.was_healthy(exit_.ran_s) else record.attempts + 1
        delay_s = self._back_off.delay_s(record.attempts, chance)
        reason = f"restart {record.attempts} in a row"
        if not exit_.has_crashed:
            reason = f"a permanent child returned, which is a bug; {reason}"
        return Verdict(action=Action.RESTART, reason=reason, delay_s=delay_s)

    def depart(self, name: str, now_s: float) -> None:
        """Notes that the child was removed: its back-off is forgotten, its crashes stay known while the
        quarantine lasts.

        So a market that is unassigned and assigned again does not get a clean slate.
        """
        self._departed.add(name)
        for departed in sorted(self._departed):
            record = self._records.get(departed)
            if record is None or record.history is None or not record.history.count(now_s):
                self._records.pop(departed, None)
                self._departed.discard(departed)
            else:
                record.attempts = 0

    def arrive(self, name: str) -> None:
        """Notes that a child of that name is there again."""
        self._departed.discard(name)

    def _record(self, name: str) -> _Record:
        if name not in self._records:
            quarantine = self._quarantine
            self._records[name] = _Record(history=None if quarantine is None else RestartHistory(quarantine))
        return self._records[name]


def _why_no_restart(exit_: Exit) -> str | None:
    if exit_.restart is Restart.TEMPORARY:
        return "a temporary child is never restarted"
    if exit_.restart is Restart.TRANSIENT and not exit_.has_crashed:
        return "its work is done"
    if exit_.restart is Restart.TRANSIENT and exit_.has_given_up:
        return "a transient supervisor that gave up is not restarted"
    return None


def _more_often_than(window: RestartWindow) -> str:
    return f"more than {window.max_restarts} times in {window.within_s:g} s"
