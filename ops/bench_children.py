"""The processes of a bench, and how they are spoken to: one JSON object a line, both ways."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Final

_WAIT_S: Final = 30.0

Child = subprocess.Popen[str]


def start(module: str, *arguments: str, core: int | None = None) -> Child:
    """Starts a module as a process, on one core of ours alone where `core` names its place among them."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if core is not None and hasattr(os, "sched_setaffinity"):
        ours = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(child.pid, {ours[core % len(ours)]})
    return child


def say(child: Child, message: object) -> None:
    """Sends one object."""
    assert child.stdin is not None
    child.stdin.write(json.dumps(message) + "\n")
    child.stdin.flush()


def heard(child: Child) -> dict[str, Any]:
    """Returns the next object that it says. Raises RuntimeError if it has ended."""
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the bench ended with {child.wait(_WAIT_S)}: its last words are above")
    answer: dict[str, Any] = json.loads(line)
    return answer


def tell(child: Child, message: object) -> dict[str, Any]:
    """Sends one object and returns the answer."""
    say(child, message)
    return heard(child)


def end(child: Child) -> None:
    """Ends the process and waits for that."""
    child.terminate()
    child.wait(_WAIT_S)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
