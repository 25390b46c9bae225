"""The exit latch: a one-way flag that main, the Wire and the exit guard hold.

Open at first; once closed it never opens again in this process, and from the instant of closing no create or
amend may leave (I9). Closing is synchronous, so nothing can run between the decision to stop and its effect.
"""

from __future__ import annotations

import trio


class ExitLatch:
    """A flag that closes once and for ever, with the reason of the first who closed it."""

    def __init__(self) -> None:
        self._closed = trio.Event()
        self._reason: str | None = None

    @property
    def is_open(self) -> bool:
        return self._reason is None

    @property
    def reason(self) -> str | None:
        """Why it was closed first; None while it is open."""
        return self._reason

    def close(self, reason: str) -> bool:
        """Closes the latch and returns True; a closed one keeps its first reason, and False is returned."""
        if self._reason is not None:
            return False
        self._reason = reason
        self._closed.set()
        return True

    async def closed(self) -> str:
        """Waits until the latch is closed and returns the reason."""
        await self._closed.wait()
        return self._reason or ""
