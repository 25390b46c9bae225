"""Chaos on a running bot: `python supervisor.py chaos`, or `python ops/chaos.py STATE_FOLDER`.

It strikes through the control socket, as a person could: it kills, stalls or slows one actor at a time, drawn from a
seed, and then watches the bot's own status until it is well again: the actor runs, the permit is given, something is
quoted and the books are exact. A blow that it does not get over in time ends the run with code 1.

Actors of the root are killed at most so often that its restart window holds; beyond it the bot is meant to give up.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    # As a script its own folder is on the path, and the project is not.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import attrs
import trio

from actors.messages.control import ActorRow, ControlCommand, SystemSnapshot
from ops.control_server import ControlSocketError, ask, control_socket_path
from ops.snapshot import why_not_quoting

KINDS: Final = ("kill", "stall", "slow")
RECOVERY_S: Final = 40.0
LOOK_S: Final = 0.5
# The root gives up on more than three restarts in 300 s.
ROOT_KILLS_MAX: Final = 3
ROOT_WINDOW_S: Final = 300.0
_STALL_S: Final = (0.5, 8.0)
_SLOW_FOR_S: Final = (1.0, 6.0)
_SLOW_EACH_S: Final = (0.001, 0.05)

Say = Callable[[str], None]


@attrs.frozen(kw_only=True)
class ChaosPlan:
    """How long, how often (seconds), from which seed, and with which kinds of blows."""

    seconds: float
    every_s: float
    seed: int
    kinds: tuple[str, ...] = KINDS


@attrs.frozen(kw_only=True)
class Blow:
    """One blow: the control word and its arguments, and the actor that it hits."""

    actor: str
    word: str
    arguments: tuple[tuple[str, str], ...]


class Striker:
    """Chooses blows; `now_s` is used for the root's window alone."""

    def __init__(self, plan: ChaosPlan, now_s: Callable[[], float]) -> None:
        self._plan = plan
        self._now_s = now_s
        self._rng = random.Random(plan.seed)
        self._root_kills: deque[float] = deque(maxlen=ROOT_KILLS_MAX)

    def next(self, actors: Sequence[ActorRow]) -> Blow | None:
        """Returns the next blow against one of these actors; None where none may be hit now."""
        names = sorted(row.name for row in actors if row.state == "running")
        kind = self._rng.choice(self._plan.kinds)
        if kind == "kill" and not self._root_may_lose_one():
            names = [name for name in names if name.startswith("market:")]
        if not names:
            return None
        name = self._rng.choice(names)
        if kind == "kill":
            if not name.startswith("market:"):
                self._root_kills.append(self._now_s())
            return Blow(actor=name, word="kill-actor", arguments=(("name", name),))
        if kind == "stall":
            seconds = ("seconds", f"{self._rng.uniform(*_STALL_S):.2f}")
            return Blow(actor=name, word="stall-actor", arguments=(("name", name), seconds))
        each = ("each", f"{self._rng.uniform(*_SLOW_EACH_S):.4f}")
        seconds = ("seconds", f"{self._rng.uniform(*_SLOW_FOR_S):.2f}")
        return Blow(actor=name, word="slow-actor", arguments=(("name", name), each, seconds))

    def _root_may_lose_one(self) -> bool:
        kills = self._root_kills
        return len(kills) < ROOT_KILLS_MAX or self._now_s() - kills[0] > ROOT_WINDOW_S


def what_ails(snapshot: SystemSnapshot) -> str:
    """Returns what is wrong with the bot, empty when it is well: all actors run, and it quotes with exact books."""
    down = [row.name for row in snapshot.actors if row.state != "running"]
    return f"{down[0]} does not run" if down else why_not_quoting(snapshot)


async def run_chaos(path: Path, plan: ChaosPlan, say: Say) -> bool:
    """Strikes for as long as planned; returns whether the bot got over every blow. Raises ControlSocketError."""
    striker, end_s, number, is_well = Striker(plan, trio.current_time), trio.current_time() + plan.seconds, 0, True
    trouble = await _recovered(path)
    if trouble:
        say(f"not struck at all, because it is not well: {trouble}")
        return False
    while is_well and trio.current_time() < end_s:
        snapshot = await _snapshot(path)
        blow = striker.next(snapshot.actors)
        if blow is not None:
            number += 1
            reply = await ask(path, ControlCommand(word=blow.word, arguments=blow.arguments))
            struck_s = trio.current_time()
            await trio.sleep(LOOK_S)
            trouble = await _recovered(path) if reply.ok else reply.text
            after = trouble or f"well again after {trio.current_time() - struck_s:.1f} s"
            say(f"{number}. {reply.text} {after}")
            is_well = not trouble
        await trio.sleep(min(plan.every_s, max(0.0, end_s - trio.current_time())))
    say(f"{number} blows from seed {plan.seed}: {'it got over all of them' if is_well else 'NOT well again'}")
    return is_well


async def _recovered(path: Path) -> str:
    """Waits until the bot is well; returns what still ails it when its time is over."""
    trouble = what_ails(await _snapshot(path))
    for _ in range(round(RECOVERY_S / LOOK_S)):
        if not trouble:
            break
        await trio.sleep(LOOK_S)
        trouble = what_ails(await _snapshot(path))
    return trouble


async def _snapshot(path: Path) -> SystemSnapshot:
    reply = await ask(path, ControlCommand(word="status"))
    if reply.snapshot is None:
        raise ControlSocketError(f"The bot at {path} has no status yet: {reply.text}")
    return reply.snapshot


def parse_kinds(words: str) -> tuple[str, ...]:
    """Returns the kinds named with commas. Raises ValueError."""
    kinds = tuple(word.strip() for word in words.split(","))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"unknown kinds {', '.join(unknown)}: name some of {', '.join(KINDS)}")
    return kinds


def chaos(path: Path, plan: ChaosPlan, say: Say) -> int:
    """Runs it and returns the exit code: 0 where the bot got over everything."""
    try:
        return 0 if trio.run(run_chaos, path, plan, say) else 1
    except ControlSocketError as error:
        say(str(error))
        return 1


def main() -> int:
    """The script's own command line."""
    parser = argparse.ArgumentParser(prog="python ops/chaos.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("state", nargs="?", default="state", help="the bot's state folder")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between a recovery and the next blow")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    options = parser.parse_args()
    try:
        kinds = parse_kinds(options.kinds)
    except ValueError as error:
        parser.error(str(error))
    plan = ChaosPlan(seconds=options.seconds, every_s=options.every, seed=options.seed, kinds=kinds)
    return chaos(control_socket_path(Path(options.state)), plan, print)


if __name__ == "__main__":
    sys.exit(main())
