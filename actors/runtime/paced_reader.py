"""Reads of the Wire at a pace, one at a time, each tried again where it fails: how to read much without being noticed.

The pause before a read is the caller's, so that it can listen to its mailbox meanwhile. While an answer is under way
nothing else is read; the Wire's own time limits bound that.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeVar

import attrs

from actors.runtime.asking import ask_wire
from actors.runtime.supervisor import ChildContext

TRIES: Final = 3
AGAIN_S: Final = 1.0  # before the second try; twice as long before the third

T = TypeVar("T")


def longest_unread(names: Iterable[str], read_ms: Mapping[str, int], fresh_ms: float) -> list[str]:
    """Returns those that were last read at `fresh_ms` or before, or never: the longest unread first, then by name."""
    ages = {name: read_ms.get(name, 0) for name in names}
    return [name for name in sorted(ages, key=lambda one: (ages[one], one)) if ages[name] <= fresh_ms]


@attrs.define(eq=False)
class PacedReader:
    """Sends one read every `every_s` seconds at most; `pause` waits so long, or returns at once for nothing."""

    context: ChildContext
    every_s: float
    pause: Callable[[float], Awaitable[None]]
    _next_s: float = attrs.field(default=-math.inf, init=False)

    async def read(self, request: object, answer: type[T]) -> T | None:
        """Returns the answer of class `answer`, or None where every try failed; the log says why."""
        failure: object = None
        for attempt in range(TRIES):
            if attempt:
                await self.pause(AGAIN_S * attempt)
            now = self.context.seams.now
            await self.pause(max(0.0, self._next_s - now()))
            self._next_s = now() + self.every_s
            found = await ask_wire(self.context, request)
            if isinstance(found, answer):
                return found
            failure = found
        self.context.log.warning(f"{request} failed: {failure}")
        return None
