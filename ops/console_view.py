"""Puts snapshots on a terminal or into a pipe, and never waits for either.

A terminal that was stopped with Ctrl+S, or a pipe that nobody reads, would block the write and with it the
whole bot: its leases, its pings, its exit. So each picture is skipped while the other end takes nothing
(`skipped` counts them), and a reader that went away ends the output, not the bot.
"""

from __future__ import annotations

import os
import select
import sys
from typing import TextIO

from rich.console import Console
from rich.live import Live

from actors.messages.control import SystemSnapshot
from ops.console import render, status_line

LINE_EVERY_S = 1.0
COLUMNS_MAX = 160  # wider than this the eye loses the row


class ConsoleView:
    """Shows the newest snapshot: a live table on a terminal, one line a second elsewhere.

    Use it as a context manager, so that the terminal gets its cursor back.
    """

    def __init__(self, stream: TextIO | None = None, *, is_terminal: bool | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self.is_live = _can_redraw(self._stream) if is_terminal is None else is_terminal
        self.skipped = 0
        self._is_gone = False
        self._next_line_s = -1.0
        self._console = Console(file=self._stream, force_terminal=self.is_live or None)
        # No refresh thread: pictures are drawn when they come, by the one thread there is.
        self._live = Live(console=self._console, auto_refresh=False, transient=False) if self.is_live else None

    def __enter__(self) -> ConsoleView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the last picture standing and gives the cursor back. May be called twice."""
        if self._live is not None and not self._is_gone:
            try:
                self._live.stop()
            except OSError:
                self._is_gone = True

    def update(self, snapshot: SystemSnapshot) -> None:
        """Shows `snapshot`, or skips it while nobody takes output."""
        if self._is_gone:
            return
        if not _takes_output(self._stream):
            self.skipped += 1
            return
        try:
            self._show(snapshot)
        except OSError:
            self._is_gone = True

    def _show(self, snapshot: SystemSnapshot) -> None:
        if self._live is not None:
            width, height = self._console.size
            self._live.update(render(snapshot, width=min(width, COLUMNS_MAX), height=height), refresh=True)
        elif snapshot.up_s >= self._next_line_s:
            self._next_line_s = snapshot.up_s + LINE_EVERY_S * 0.9  # snapshots come each second, give or take
            self._stream.write(status_line(snapshot) + "\n")
            self._stream.flush()


def _can_redraw(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def _takes_output(stream: TextIO) -> bool:
    """Whether a write would go through at once. Streams without a file behind them always take it."""
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return True
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return any(event & (select.POLLOUT | select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
