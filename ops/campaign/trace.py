"""The trace of one run: what passed between bot and exchange, as lines whose hash two runs of a seed must share (I23).

It holds decoded facts and never bytes: signatures and frame masks are salted by the operating system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

# A line is a moment and words; the digest is what a report shows.
_DIGEST_BYTES = 16


class Trace:
    """Hashes lines as they come, and shows them where somebody wants to read."""

    def __init__(self, now_s: Callable[[], float], show: Callable[[str], None] | None = None) -> None:
        self._now_s = now_s
        self._show = show
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self.lines = 0

    def note(self, *words: object) -> None:
        """Adds one line."""
        line = f"{self._now_s():.6f} {' '.join(map(str, words))}\n"
        self._hash.update(line.encode())
        self.lines += 1
        if self._show is not None:
            self._show(line)

    def digest(self) -> str:
        """Returns the hash of all lines so far."""
        return self._hash.hexdigest()
