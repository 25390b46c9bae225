"""What the Ledger's database costs with a million fills in it: `python -m ops.bench_ledger`.

Insertion goes through `LedgerStore.record_fills`, in batches as a catch-up after an outage hands them over, each
batch one transaction: numbers, uniqueness and the index included. Start-up is what the bot waits for: versions,
the bounded look whether the file is whole, opening, the tape of the newest fills, and the books: the fills of the
markets that are not over, booked one by one. Of a thousand markets of a thousand fills the newest twenty are open.
Twenty markets at a time trade in turns. In turns with it the same rows go into a bare table: no index, no numbers,
values made before. What SQLite itself takes here is the measure of the rest. Times are of the wall; the processor's own
time stands beside them, because this machine may be busy with other things.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import attrs

from actors.messages.money import FILL_TAPE_LENGTH, RetireMarket
from actors.runtime.ledger_store.backup import back_up
from actors.runtime.ledger_store.database import Database
from actors.runtime.ledger_store.fills import row
from actors.runtime.ledger_store.store import LedgerStore, prepare
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side
from ops.collector import spare_what_is_there
from quant.episodes import begun_again
from quant.positions import Totals, opened
from quant.steps import finished

FILLS: Final = 1_000_000
BATCH: Final = 50_000
ROWS_PER_S_MIN: Final = 100_000
START_S_MAX: Final = 2.0
FILLS_PER_MARKET: Final = 1_000
OPEN_MARKETS: Final = 20
_COLUMNS: Final = 12


@attrs.frozen(kw_only=True)
class Cost:
    """Seconds of wall and of this process's processor time."""

    wall_s: float
    cpu_s: float

    def and_(self, other: Cost) -> Cost:
        """Returns both together."""
        return Cost(wall_s=self.wall_s + other.wall_s, cpu_s=self.cpu_s + other.cpu_s)


@attrs.frozen(kw_only=True)
class LedgerTimes:
    fills: int
    insert: Cost
    bare: Cost
    start: Cost
    read_all: Cost
    copy: Cost
    megabytes: float


def measure_ledger(fills: int = FILLS, batch: int = BATCH) -> LedgerTimes:
    """Returns what inserting, starting, reading all and copying take with so many fills."""
    rng = Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        store = LedgerStore(path)
        plain = _BareTable(Path(folder) / "bare.sqlite")
        insert = bare = Cost(wall_s=0.0, cpu_s=0.0)
        for first in range(0, fills, batch):
            rows = tuple((_fill(n, rng), "rest") for n in range(first, min(fills, first + batch)))
            insert = insert.and_(_cost(lambda rows=rows: store.record_fills(rows)))  # type: ignore[misc]
            values = [row(fill, source) for fill, source in rows]
            bare = bare.and_(_cost(lambda values=values: plain.insert(values)))  # type: ignore[misc]
        plain.close()
        _retire(store, fills)
        store.close()
        start = _cost(lambda: _start(path, fills))
        store = LedgerStore(path)
        read_all = _cost(lambda: store.fills_after(0))
        store.close()
        copy = _cost(lambda: back_up(path, Path(folder) / "copy.sqlite"))
        return LedgerTimes(
            fills=fills,
            insert=insert,
            bare=bare,
            start=start,
            read_all=read_all,
            copy=copy,
            megabytes=path.stat().st_size / 1e6,
        )


def report_ledger(times: LedgerTimes) -> list[str]:
    """Returns the lines to print."""
    bare_rate, bare_cpu_rate = times.fills / times.bare.wall_s, times.fills / times.bare.cpu_s
    rate, cpu_rate = times.fills / times.insert.wall_s, times.fills / times.insert.cpu_s
    fast = "at least" if rate >= ROWS_PER_S_MIN else "NOT"
    quick = "below" if times.start.wall_s < START_S_MAX else "NOT below"
    return [
        f"ledger: {times.fills:,} fills, {times.megabytes:.0f} MB",
        f"  insert {rate:,.0f} rows/s ({fast} {ROWS_PER_S_MIN:,}); by processor time {cpu_rate:,.0f} rows/s",
        f"  into a bare table {bare_rate:,.0f} rows/s; by processor time {bare_cpu_rate:,.0f} rows/s",
        f"  start-up {times.start.wall_s:.2f} s ({quick} {START_S_MAX:g} s), processor {times.start.cpu_s:.2f} s",
        f"  all fills read as values {times.read_all.wall_s:.2f} s, processor {times.read_all.cpu_s:.2f} s",
        f"  backup {times.copy.wall_s:.2f} s, processor {times.copy.cpu_s:.2f} s",
    ]


class _BareTable:
    """The columns of fills and nothing else, in a file with the ledger's pragmas."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        columns = ", ".join(f"c{number}" for number in range(_COLUMNS))
        self._database.connection.execute(f"CREATE TABLE fills (fill_seq INTEGER PRIMARY KEY, {columns})")
        self._insert = f"INSERT INTO fills VALUES (NULL{',?' * _COLUMNS})"

    def insert(self, rows: Sequence[tuple[str | int | None, ...]]) -> None:
        """Inserts rows in one transaction."""
        with self._database.writing() as connection:
            connection.executemany(self._insert, rows)

    def close(self) -> None:
        self._database.close()


def _retire(store: LedgerStore, fills: int) -> None:
    """Lets go of all markets but the newest, as risk does over the year."""
    sums = Totals(fills=FILLS_PER_MARKET)
    over = range(fills // FILLS_PER_MARKET - OPEN_MARKETS)
    store.retire(tuple(RetireMarket(ticker=_ticker(market), totals=sums) for market in over))


def _start(path: Path, fills: int) -> None:
    prepare(path)
    store = LedgerStore(path)
    tape = store.fills_after(store.last_seq - FILL_TAPE_LENGTH)
    stored = store.books()
    books = finished(opened(stored.retired, stored.fills, stored.settlements, store.last_seq))
    finished(begun_again(stored.fills, dict(stored.settlements)))
    assert store.last_seq == fills == books.totals.fills
    assert len(tape) == min(fills, FILL_TAPE_LENGTH)
    store.close()


def _cost(work: Callable[[], object]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)


def _fill(n: int, rng: Random) -> Fill:
    """The ids are as random as the exchange's."""
    return Fill(
        fill_id=str(UUID(int=rng.getrandbits(128))),
        order_id=str(UUID(int=rng.getrandbits(128))),
        client_order_id=f"kmm-0123abcd-4567ef89-{n:09d}",
        ticker=_ticker(n // (FILLS_PER_MARKET * OPEN_MARKETS) * OPEN_MARKETS + n % OPEN_MARKETS),
        side=Side.BID if n // OPEN_MARKETS % 2 else Side.ASK,
        price_e4=PriceE4(100 + n % 9_800),
        count_e2=CountE2(1_000),
        fee_e6=MoneyE6(n % 20_000),
        is_taker=False,
        ts_ms=1_790_000_000_000 + n,
        exchange_index=n % 3,
    )


def _ticker(market: int) -> str:
    return f"KXHIGHNY-26NOV20-T{market:05d}"


if __name__ == "__main__":
    spare_what_is_there()  # as the bot does
    print("\n".join(report_ledger(measure_ledger())))
