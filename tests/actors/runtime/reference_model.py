"""A reference model of supervision, written from OTP's words and not from our code: plain lists, no windows, no tasks.

`PolicyModel` decides about one exit; `TreeModel` plays a whole supervisor whose children start and stop in no time.
"""

from __future__ import annotations

import attrs

from actors.runtime.supervision import Action, Exit, Restart, Strategy

HEALTHY_S = 30


class PolicyModel:
    """Counts over everything that ever happened, instead of keeping windows."""

    def __init__(self, allowed: int, within_s: float, quarantine: tuple[int, float] | None = None) -> None:
        self.allowed, self.within_s, self.quarantine = allowed, within_s, quarantine
        self.restarts_s: list[float] = []
        self.wanted_s: dict[str, list[float]] = {}
        self.in_a_row: dict[str, int] = {}

    def decide(self, exit_: Exit, now_s: float) -> tuple[Action, float]:
        is_wanted = exit_.restart is Restart.PERMANENT or (
            exit_.restart is Restart.TRANSIENT and exit_.has_crashed and not exit_.has_given_up
        )
        if exit_.is_fatal:
            return Action.ESCALATE, 0.0
        if not is_wanted:
            return Action.LEAVE, 0.0
        wanted_s = self.wanted_s.setdefault(exit_.name, [])
        wanted_s.append(now_s)
        if self.quarantine is not None:
            tolerated, within_s = self.quarantine
            if sum(now_s - one_s <= within_s for one_s in wanted_s) > tolerated:
                return Action.QUARANTINE, 0.0
        self.restarts_s.append(now_s)
        if sum(now_s - one_s <= self.within_s for one_s in self.restarts_s) > self.allowed:
            return Action.ESCALATE, 0.0
        in_a_row = 1 if exit_.ran_s > HEALTHY_S else self.in_a_row.get(exit_.name, 0) + 1
        self.in_a_row[exit_.name] = in_a_row
        return Action.RESTART, 0.0 if in_a_row == 1 else min(30.0, 0.5 * 2 ** (in_a_row - 2))


@attrs.define
class ModelChild:
    """A child with the lives written for it: (seconds, has_crashed) each; after the last it lives for ever."""

    name: str
    restart: Restart
    lives: list[tuple[float, bool]]
    lived: int = 0
    started_s: float | None = None
    is_quarantined: bool = False
    is_gone: bool = False

    @property
    def end_s(self) -> float | None:
        if self.started_s is None or self.lived > len(self.lives):
            return None
        return self.started_s + self.lives[self.lived - 1][0]


class TreeModel:
    """Plays one supervisor to its end and keeps what it told, as (seconds, child, event)."""

    def __init__(self, strategy: Strategy, policy: PolicyModel, children: list[ModelChild]) -> None:
        self.strategy, self.policy, self.children = strategy, policy, children
        self.told: list[tuple[float, str, str]] = []
        self.due: list[tuple[float, list[ModelChild]]] = []
        self.has_escalated = False

    def play(self, until_s: float) -> None:
        self.start(self.children, 0.0)
        while not self.has_escalated:
            ends = [(child.end_s, child) for child in self.children if child.end_s is not None]
            next_end = min(ends, key=lambda entry: entry[0], default=None)
            next_due = min(self.due, key=lambda entry: entry[0], default=None)
            if next_due is not None and next_due[0] < until_s and (next_end is None or next_due[0] < next_end[0]):
                self.due.remove(next_due)
                self.start(next_due[1], next_due[0])
            elif next_end is not None and next_end[0] < until_s:
                self.end(next_end[1], next_end[0])
            else:
                break
        if not self.has_escalated:
            self.stop(self.children, until_s)

    def start(self, children: list[ModelChild], now_s: float) -> None:
        for child in self.children:
            if child in children:
                child.started_s, child.lived = now_s, child.lived + 1
                self.told.append((now_s, child.name, "started"))

    def stop(self, children: list[ModelChild], now_s: float) -> None:
        for child in reversed(self.children):
            if child in children and child.started_s is not None:
                child.started_s = None
                child.is_gone = child.restart is Restart.TEMPORARY
                self.told.append((now_s, child.name, "stopped"))

    def end(self, child: ModelChild, now_s: float) -> None:
        assert child.started_s is not None
        has_crashed = child.lives[child.lived - 1][1]
        exit_ = Exit(name=child.name, restart=child.restart, has_crashed=has_crashed, ran_s=now_s - child.started_s)
        action, delay_s = self.policy.decide(exit_, now_s)
        plain = "crashed" if has_crashed else "normal"
        word = {Action.ESCALATE: "escalated", Action.QUARANTINE: "quarantined"}.get(action, plain)
        self.told.append((now_s, child.name, word))
        child.started_s = None
        child.is_gone = child.restart is Restart.TEMPORARY
        child.is_quarantined = action is Action.QUARANTINE
        if action is Action.ESCALATE:
            self.has_escalated = True
            self.stop(self.children, now_s)
        elif action is Action.RESTART:
            self.restart(child, now_s, delay_s)

    def restart(self, child: ModelChild, now_s: float, delay_s: float) -> None:
        if self.strategy is Strategy.ONE_FOR_ONE:
            concerned = [child]
        else:
            first = self.children.index(child) if self.strategy is Strategy.REST_FOR_ONE else 0
            concerned = self.children[first:] + [each for _, members in self.due for each in members]
            self.due.clear()
        self.stop(concerned, now_s)
        members = [each for each in concerned if not each.is_gone and not each.is_quarantined]
        self.due.append((now_s + delay_s, members))
