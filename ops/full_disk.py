"""A full disk for files that this process has open: they lead to `/dev/full`, where the kernel answers ENOSPC.

For chaos. One object serves a process: a second would take the duplicates that the first keeps for files to fill, and
neither could make room again. Where there is no `/proc` nothing is found and nothing is filled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_OPEN_FILES: Final = Path("/proc/self/fd")
_FULL_DEVICE: Final = Path("/dev/full")


class FullDisk:
    """Fills up and makes room again, as often as it is asked."""

    def __init__(self) -> None:
        self._kept: dict[int, int] = {}  # by descriptor: a duplicate of the file that it led to

    def fill(self, matches: Callable[[Path], bool]) -> None:
        """No open file whose path `matches` takes a byte any more."""
        full = os.open(_FULL_DEVICE, os.O_WRONLY)
        for descriptor in _open_descriptors():
            target = _leads_to(descriptor)
            if target is not None and matches(target) and descriptor not in self._kept.values():
                if descriptor in self._kept:  # its owner closed it, and the number is another file's now
                    os.close(self._kept[descriptor])
                self._kept[descriptor] = os.dup(descriptor)
                os.dup2(full, descriptor)
        os.close(full)

    def make_room(self) -> None:
        """Those files take bytes again."""
        for descriptor, kept in self._kept.items():
            # Its owner may have closed it meanwhile, and the number may lead elsewhere by now.
            if _leads_to(descriptor) == _FULL_DEVICE:
                os.dup2(kept, descriptor)
            os.close(kept)
        self._kept.clear()


def _open_descriptors() -> list[int]:
    return [int(link.name) for link in _OPEN_FILES.iterdir()] if _OPEN_FILES.exists() else []


def _leads_to(descriptor: int) -> Path | None:
    try:
        return (_OPEN_FILES / str(descriptor)).readlink()
    except OSError:
        return None
