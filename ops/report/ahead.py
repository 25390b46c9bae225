"""Reads orders and the sums of fills ahead, in a thread of its own, while everything else of a report is counted.

Three quarters of a report are SQLite's work, which needs no Python: with a connection of its own it is done beside the
rest. What is read has one row, the sums of thousands of fills as one text: a thread that came back for each sum would
wait each time until Python lets go of the interpreter.

Rejected: a process. It has to begin, to import and to hand everything over, which is half of what it saves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final

from ops.report.calendar import Calendar
from ops.report.reading import FillSums, LedgerReader, OrderCounts

PIECES_MAX: Final = 64  # pieces that are read or being read, and not counted yet: some thousand sums each


class ReadAhead:
    """The orders of a calendar's time, and the sums of its fills piece by piece; use it in `with`, and go through each
    once.
    """

    def __init__(self, reader: LedgerReader, calendar: Calendar, at_once: int) -> None:
        self._calendar = calendar
        self._numbers = reader.fill_numbers(at_once)
        self._beside = reader.beside()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="report-ahead")
        self._orders = self._thread.submit(self._beside.orders, calendar.start_ms, calendar.end_ms, calendar.bucket_ms)
        self._asked: deque[tuple[range, Future[list[FillSums]]]] = deque()
        for _ in range(PIECES_MAX):
            self._ask()

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)  # what is being read takes a tenth of a second
        self._beside.close()

    def orders(self) -> list[OrderCounts]:
        """Returns the orders. Raises sqlite3.Error as reading does."""
        return self._orders.result()

    def pieces(self) -> Iterator[tuple[range, list[FillSums]]]:
        """Yields the numbers of the fills of a piece and their sums. Raises sqlite3.Error as reading does."""
        while self._asked:
            numbers, sums = self._asked.popleft()
            self._ask()
            yield numbers, sums.result()

    def _ask(self) -> None:
        numbers = next(self._numbers, None)
        if numbers is not None:
            of = self._calendar
            self._asked.append(
                (numbers, self._thread.submit(self._beside.fill_sums, numbers, of.start_ms, of.end_ms, of.bucket_ms))
            )
