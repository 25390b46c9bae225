"""One process per state folder: a file lock that the operating system releases however the process ends.

`flock` and not a pid file: nobody has to judge whether a pid of yesterday still means us. And not
`fcntl.lockf`: its lock is lost as soon as any part of the process closes any descriptor of the file. The lock
file stays behind on purpose; removing it would race with the next process, which might lock a file that no
longer has a name.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LOCK_FILE_NAME: Final = "lock"

# A pid has at most ten digits; anything longer was not written by us.
_PID_BYTES_MAX: Final = 32


class StateFolderInUse(Exception):
    """Another process works in this state folder; stop it, or give this one a folder of its own."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(
            f"the state folder {folder} is in use by {holder}; stop it first, or configure another state folder"
        )
        self.folder = folder
        self.pid = pid


class StateFolderUnusable(Exception):
    """The state folder cannot be created or written; the message says what the operating system answered."""


@contextmanager
def hold_state_lock(folder: Path) -> Iterator[Path]:
    """Creates `folder` if needed and holds it for this process alone; yields the path of the lock file.

    Raises StateFolderInUse when another process holds it, StateFolderUnusable when it cannot be created or
    opened.
    """
    path = folder / LOCK_FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StateFolderUnusable(f"the state folder {folder} cannot be used: {error.strerror}") from error
    try:
        _lock(descriptor, folder)
        yield path
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateFolderInUse(folder, _pid_in(descriptor)) from error
    # The pid is a courtesy to whoever meets the lock; a full disk must not keep us from holding it.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, _PID_BYTES_MAX, 0).strip()
    return int(text) if text.isdigit() else None
