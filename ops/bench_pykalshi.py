"""pykalshi's own feed and book, for comparison: installed for the bench only, run in a process of its own.

The environment is made once, in a folder that version control ignores. Where the package index cannot be reached the
comparison is left out, with a line that says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import attrs

VERSION: Final = "2.0.0"
ENVIRONMENT: Final = Path(__file__).resolve().parent.parent / ".venv-pykalshi"
INSTALL_S_MAX: Final = 240.0
PASS_S_MAX: Final = 60.0
_CHILD: Final = Path(__file__).with_name("bench_pykalshi_child.py")
_PIP: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")

Views = Literal["each", "last"]


class NotInstalled(Exception):
    """pykalshi is not there and cannot be had; the text says why."""


def pykalshi_python(folder: Path = ENVIRONMENT, version: str = VERSION, pip: Sequence[str] = _PIP) -> Path:
    """Returns the Python of an environment with pykalshi, made where it is missing. Raises NotInstalled."""
    python, ready = folder / "bin" / "python", folder / f"pykalshi-{version}.installed"
    if ready.exists():
        return python
    commands = [[str(python), *pip, f"pykalshi=={version}"]]
    if not python.exists():
        commands.insert(0, [sys.executable, "-m", "venv", str(folder)])
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotInstalled(f"pykalshi {version} cannot be installed: {error}") from error
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
            raise NotInstalled(f"pykalshi {version} cannot be installed: {said[-1].removeprefix('ERROR: ')}")
    ready.touch()
    return python


@attrs.frozen
class Pykalshi:
    """A running child; each pass is one connection."""

    process: subprocess.Popen[str]

    def run(self) -> dict[str, Any]:
        """Returns wall_s, cpu_s and views of one pass."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def pykalshi(python: Path, url: str, frames: int, views: Views) -> Iterator[Pykalshi]:
    """Runs the child, which serves passes until the context ends."""
    command = [str(python), str(_CHILD), url, str(frames), views]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Pykalshi(process)
        finally:
            process.kill()
