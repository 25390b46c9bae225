"""Long pure calculations (`quant.steps`) on the event loop, with others let in between."""

from __future__ import annotations

from typing import TypeVar

import trio

from quant.steps import Steps

T = TypeVar("T")


async def stepwise(steps: Steps[T]) -> T:
    """Returns the result of a calculation, letting others run after every step."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            await trio.lowlevel.checkpoint()
            return result
        await trio.lowlevel.checkpoint()
