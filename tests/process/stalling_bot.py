"""The bot as it is, with a saboteur among its actors: once the file STALL_FILE exists, the actor in it stalls.

Its task goes on to exist and its messages wait, as with an actor that hangs. The variable LATE_S shortens what the
watch bears, so that no test waits long.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import attrs
import trio

import ops.running
from actors.runtime.child import ChildContext, ChildSpec
from ops.command_line import run_command_line
from ops.life import TreeParts
from ops.service_watch import Limits
from supervisor import build_tree

FOR_S = 3_600.0


@attrs.define(eq=False)
class Saboteur:
    """Waits for the file and stalls whom it names."""

    parts: TreeParts
    file: Path

    async def run(self, started: Callable[[], None]) -> None:
        started()
        while not (name := self._named()):  # noqa: ASYNC110 - another process makes it
            await trio.sleep(0.05)
        self.parts.switchboard.mailbox(name).stall(FOR_S)
        await trio.sleep_forever()

    def _named(self) -> str:
        """Returns the name in the file; empty while another process has not made it, or not written it yet."""
        return self.file.read_text().strip() if self.file.exists() else ""


def _with_saboteur(parts: TreeParts) -> tuple[ChildSpec, ...]:
    def make(context: ChildContext) -> Saboteur:
        return Saboteur(parts, Path(os.environ["STALL_FILE"]))

    return (*build_tree(parts), ChildSpec("saboteur", make))


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    impatient = partial(Limits, late_s=float(os.environ["LATE_S"]))
    with mock.patch.object(ops.running, "Limits", impatient):
        run_command_line(_with_saboteur)
