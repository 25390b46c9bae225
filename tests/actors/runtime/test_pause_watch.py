"""A refusal begins a pause, the exchange's status ends it; an unknown status changes nothing."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from actors.runtime.child import SilentLog
from actors.runtime.pause_watch import LOOK_EVERY_S, PAUSES, PauseWatch
from kalshi.errors import ExchangeError, Unavailable
from kalshi.types import ExchangeStatus


def status(*, exchange: bool, trading: bool) -> ExchangeStatus:
    return ExchangeStatus(exchange_active=exchange, trading_active=trading)


async def reasons(*answers: ExchangeStatus | ExchangeError, code: str = "exchange_is_paused") -> tuple[list[str], int]:
    """Returns how the reason changed after a refusal with `code`, and how often the status was read in a minute."""
    left, reads, seen = list(answers), 0, []

    async def read() -> ExchangeStatus:
        nonlocal reads
        reads += 1
        answer = left.pop(0)
        if isinstance(answer, ExchangeError):
            raise answer
        return answer

    watch = PauseWatch(read, lambda: seen.append(watch.reason), SilentLog())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        watch.refused(code)
        await trio.sleep(LOOK_EVERY_S * (len(answers) + 0.5))
        nursery.cancel_scope.cancel()
    return seen, reads


async def test_a_pause_lasts_until_the_status_says_that_it_is_over(autojump_clock: MockClock) -> None:
    seen, reads = await reasons(
        status(exchange=False, trading=False),
        Unavailable("the line is dead"),
        status(exchange=True, trading=False),
        status(exchange=True, trading=True),
    )
    assert seen == [PAUSES["exchange_is_paused"], PAUSES["trading_is_paused"], ""]
    assert reads == 4


async def test_any_other_refusal_is_no_pause_and_costs_no_read(autojump_clock: MockClock) -> None:
    assert await reasons(code="insufficient_balance") == ([], 0)
