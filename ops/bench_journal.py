"""What writing an intent costs before its bytes may leave: one line, one `write`, into a real file.

The life of an order as the Wire writes it: intent, answer, end. Each single append is timed, state and all; the file
stands in the working folder, on the disk that the state folder would be on. Nothing is flushed to the medium: the
journal has to survive the process, not the machine (that is what leases are for).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from actors.runtime.journal import (
    CreateAnswered,
    CreateIntended,
    JournalFolder,
    JournalRecord,
    OrderClosed,
)
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import CreateOrder, SelfTradePrevention, Side, TimeInForce

ORDERS: Final = 20_000
OPEN_AT_ONCE: Final = 200
WARM_UP: Final = 300  # records
LIMIT_US: Final = 50.0  # for the 99th percentile


@attrs.frozen(kw_only=True)
class JournalTimes:
    """Times of single appends, in microseconds of the wall."""

    records: int
    median_us: float
    p99_us: float
    p999_us: float
    worst_us: float


def measure_journal(orders: int = ORDERS, folder: Path = Path()) -> JournalTimes:
    """Returns what the appends of `orders` orders cost, each by itself."""
    times_us: list[float] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix="bench-journal-") as made:
        files = JournalFolder(Path(made))
        journal = files.open("bench000", 0)
        try:
            for record in _records(orders):
                began_ns = time.perf_counter_ns()
                journal.write(record)
                times_us.append((time.perf_counter_ns() - began_ns) / 1_000)
        finally:
            files.close()
    counted = sorted(times_us[WARM_UP:] or times_us)
    return JournalTimes(
        records=len(counted),
        median_us=statistics.median(counted),
        p99_us=counted[int(len(counted) * 0.99)],
        p999_us=counted[int(len(counted) * 0.999)],
        worst_us=counted[-1],
    )


def report_journal(times: JournalTimes) -> list[str]:
    """Returns the lines to print."""
    verdict = "below" if times.p99_us < LIMIT_US else "NOT below"
    first = f"median {times.median_us:.1f} us   p99 {times.p99_us:.1f} us ({verdict} {LIMIT_US:.0f} us)"
    tail = f"p99.9 {times.p999_us:.1f} us   worst {times.worst_us:,.0f} us"
    return [f"journal: one append, {times.records:,} of them, into a file here", f"  {first}   {tail}"]


def _records(orders: int) -> Iterator[JournalRecord]:
    for number in range(orders):
        request = CreateOrder(
            ticker="KXHIGHNY-26NOV20-T45.5",
            client_order_id=f"kmm-0123abcd-4567ef89-{number:09d}",
            side=Side.BID,
            price_e4=PriceE4(100 + number % 9_800),
            count_e2=CountE2(1_000),
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            exchange_index=number % 3,
            post_only=True,
            order_group_id="bcd5b3db-2844-4aaf-9d50-3dbb28bb0bff",
            expiration_ts_s=1_790_000_120,
        )
        yield CreateIntended(request=request)
        yield CreateAnswered(
            client_order_id=request.client_order_id,
            kind="accepted",
            order_id=f"bcd5b3db-2844-4aaf-9d50-{number:012d}",
            filled_e2=CountE2(0),
            remaining_e2=CountE2(1_000),
            ts_ms=1_790_000_000_000 + number,
        )
        if number >= OPEN_AT_ONCE:
            ended = f"kmm-0123abcd-4567ef89-{number - OPEN_AT_ONCE:09d}"
            yield OrderClosed(client_order_id=ended, outcome="cancelled")


if __name__ == "__main__":
    print("\n".join(report_journal(measure_journal())))
