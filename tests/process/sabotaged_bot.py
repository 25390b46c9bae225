"""The bot as it is, with a saboteur inside who does what the machine would: step the clock, fill the disk.

It reads the file SABOTAGE_FILE again and again, one word a line:
    clock N        the wall clock stands N seconds ahead of the true time from now on
    full PATTERN   no file of this process whose name matches takes a byte any more: the kernel answers ENOSPC
    room           those files take bytes again
"""

from __future__ import annotations

import fnmatch
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import attrs
import trio

import ops.running
from actors.runtime.child import ChildContext, ChildSpec
from actors.runtime.seams import Seams, real_seams
from ops.command_line import run_command_line
from ops.full_disk import FullDisk
from ops.life import TreeParts
from supervisor import build_tree

LOOK_EVERY_S = 0.05


@attrs.define(eq=False)
class Machine:
    """What the process stands on."""

    ahead_ms: int = 0
    disk: FullDisk = attrs.field(factory=FullDisk)

    def seams(self) -> Seams:
        """Returns the seams of production with a wall clock that can be wrong."""
        seams = real_seams()
        return attrs.evolve(seams, wall_ms=lambda: seams.wall_ms() + self.ahead_ms)

    def do(self, line: str) -> None:
        """Does one line of the file."""
        word, _, rest = line.partition(" ")
        match word:
            case "clock":
                self.ahead_ms = round(float(rest) * 1000)
            case "full":
                self.disk.fill(lambda path: fnmatch.fnmatch(path.name, rest))
            case "room":
                self.disk.make_room()
            case _:
                raise ValueError(f"{line!r} is no sabotage")


@attrs.define(eq=False)
class Saboteur:
    """The actor that reads the file."""

    machine: Machine
    file: Path
    _done: int = 0

    async def run(self, started: Callable[[], None]) -> None:
        started()
        while True:  # until cancelled
            lines = self.file.read_text().splitlines() if self.file.exists() else []
            for line in lines[self._done :]:
                self.machine.do(line)
            self._done = len(lines)
            await trio.sleep(LOOK_EVERY_S)


def main() -> None:
    """Runs the bot."""
    machine = Machine()

    def with_saboteur(parts: TreeParts) -> tuple[ChildSpec, ...]:
        def make(context: ChildContext) -> Saboteur:
            return Saboteur(machine, Path(os.environ["SABOTAGE_FILE"]))

        return (*build_tree(parts), ChildSpec("saboteur", make))

    with mock.patch.object(ops.running, "real_seams", machine.seams):
        run_command_line(with_saboteur)


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    main()
