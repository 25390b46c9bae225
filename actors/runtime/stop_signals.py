"""The watcher of stop signals: the first begins the stop, the second shortens its deadline, the third ends
the process.

Rules:

1. One task owns the receiver, and it outlives the drain: start it in the outermost nursery and cancel it
   last. Leaving trio's receiver block while a signal waits raises that signal again with its default action,
   and the process would die in the middle of the sweep (measured: exit status 143; supervision.md S15). So
   the watcher swallows, on its way out, what still waits; by then the stop is over and there is nothing left
   that a signal could hurry.
2. Signals coalesce: three quick SIGTERMs may be seen as one. A level is therefore a signal seen, not a signal
   sent.
3. The three callbacks are synchronous and short; the waiting is done by whoever they wake.

Source: architecture.md §6; trio `_signals.py`.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import trio

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

# Long enough for a signal caught in this very moment to pass trio's entry queue, too short for a person to
# notice.
_LAST_SIGNALS_S: Final = 0.010

SignalAction = Callable[[str], None]


async def watch_stop_signals(
    *,
    begin_stop: SignalAction,
    shorten_deadline: SignalAction,
    exit_now: SignalAction,
    others: Mapping[signal.Signals, SignalAction] | None = None,
    receiver: AsyncIterator[int] | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Calls, with the signal's name, `begin_stop` at the first stop signal, `shorten_deadline` at the second
    and `exit_now` at every later one; `others` are further signals with an action each (SIGUSR1 for the kill
    switch).

    Runs until cancelled. Tests inject a `receiver` of signal numbers; without one the process's own are
    received, which only the main thread may do.
    """
    actions = dict(others or {})
    levels = (begin_stop, shorten_deadline, exit_now)
    if receiver is not None:
        task_status.started()
        await _dispatch(receiver, levels, actions)
        return
    with trio.open_signal_receiver(*STOP_SIGNALS, *actions) as own_receiver:
        task_status.started()
        try:
            await _dispatch(own_receiver, levels, actions)
        finally:
            with trio.move_on_after(_LAST_SIGNALS_S, shield=True):
                async for _ in own_receiver:
                    pass


async def _dispatch(
    receiver: AsyncIterator[int],
    levels: tuple[SignalAction, ...],
    others: Mapping[signal.Signals, SignalAction],
) -> None:
    seen = 0
    async for number in receiver:
        received = signal.Signals(number)
        if received in others:
            others[received](received.name)
            continue
        levels[min(seen, len(levels) - 1)](received.name)
        seen += 1
