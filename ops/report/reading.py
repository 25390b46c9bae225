"""Reads a Ledger for the report: read-only, as one moment of it, in streams; works while the bot runs.

Every number is an integer in the units of the columns, and SQLite forms the sums, by market and bucket of the clock: a
row costs it a tenth of what it costs Python. What it sums is what a table holds, in the order in which it holds it
(`NOT INDEXED`): by an index on the ticker each row would be looked for at another place of the file. And it sorts by
the number of the bucket first, which costs less to compare than a text and is nearly the order of the rows. A table
which an older Ledger does not have is an empty one.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import attrs
import msgspec

MINUTE_MS: Final = 60_000
# What the report reads; made empty beside a Ledger that lacks one.
_EXPECTED: Final = {
    "fills": "fill_seq INTEGER PRIMARY KEY, ticker, side, price_e4, count_e2, fee_e6, is_taker, ts_ms",
    "fill_marks": "fill_seq INTEGER PRIMARY KEY, mid2_e4, mid2_1s_e4, mid2_5s_e4, mid2_10s_e4, mid2_60s_e4",
    "boots": "boot, mode, started_ms",
    "episodes": "ticker, began_ms, ended_ms, held_e2_ms, adverse_e4, favourable_e4",
    "market_minutes": "ticker, program, minute_ms, live_ms, bid_ms, ask_ms, both_ms, bid_touch_ms, ask_touch_ms, "
    "bid_e4, ask_e4",
    "market_configurations": "ticker, program, strategy, category, at_ms",
    "orders": "client_order_id, ticker, count_e2, filled_e2, at_ms",
    "rewards": "program_id, ticker, paid_e6, at_ms",
    "settlements": "ticker, value_e4, settled_ms",
    "volatility_sessions": "program, started_ms, ended_ms, end_reason, left_because, pnl_e6",
}


class ReportError(Exception):
    """The report cannot be made: no Ledger, a damaged one, an unknown run or a time that is none."""


@attrs.frozen(kw_only=True)
class Run:
    """A run of the bot, by its boot id, and when it began, in wall milliseconds."""

    name: str
    mode: str
    started_ms: int


@attrs.frozen(kw_only=True)
class Configured:
    """Since when a market belonged to a program, and what it was quoted by."""

    ticker: str
    at_ms: int
    program: str
    strategy: str
    category: str


class QuoteTime(NamedTuple):
    """Sums over the minutes of one market in one bucket, in milliseconds, and the last prices in it."""

    ticker: str
    last_minute_ms: int
    live_ms: int
    bid_ms: int
    ask_ms: int
    both_ms: int
    bid_touch_ms: int
    ask_touch_ms: int
    bid_e4: int | None
    ask_e4: int | None


class OrderCounts(NamedTuple):
    """Orders of one market that ended in one bucket."""

    ticker: str
    at_ms: int
    orders: int
    orders_filled: int
    placed_e2: int
    filled_e2: int


class EpisodeSums(NamedTuple):
    """Sums over the position episodes of one market that ended in one bucket; excursions are by contract."""

    ticker: str
    ended_ms: int
    episodes: int
    open_ms: int
    held_e2_ms: int
    adverse_e4: int
    favourable_e4: int


@attrs.frozen(kw_only=True)
class Reward:
    """A market's rewards that were seen to be paid at a time."""

    ticker: str
    at_ms: int
    money_e6: int


@attrs.frozen(kw_only=True)
class SessionOutcome:
    """How many sessions of a program ended for one reason, and what they earned."""

    program: str
    end_reason: str
    sessions: int
    left_behind: int
    pnl_e6: int


class FillSums(NamedTuple):
    """Sums over fills of one market in one bucket of which the same mids are known.

    `mids` are signed counts (bought is positive) times twice the mid, at the fill and after each horizon; `against` are
    the fills that the mid moved against from the fill until a horizon. Both are 0 where a mid is not known.
    """

    ticker: str
    first_ms: int
    last_ms: int
    unknown: int  # which mids are not: bit 0 is the one at the fill, bits 1 to 4 those after the horizons
    fills: int
    takers: int
    net_e2: int
    contracts_e2: int
    paid_e6: int
    fees_e6: int
    mids: int
    mids_1s: int
    mids_5s: int
    mids_10s: int
    mids_60s: int
    against_1s: int
    against_5s: int
    against_10s: int
    against_60s: int


NOT_SUMS: Final = 4  # columns of FillSums that say whose sums the others are
_SIGNED_E2: Final = "CASE side WHEN 'bid' THEN count_e2 ELSE -count_e2 END"
_LATER: Final = ("mid2_1s_e4", "mid2_5s_e4", "mid2_10s_e4", "mid2_60s_e4")
_MIDS: Final = ("mid2_e4", *_LATER)
# A sum is NULL where one of its parts is: nearly all fills have all their mids, and need one look.
_UNKNOWN: Final = (
    f"CASE WHEN {' + '.join(_MIDS)} IS NULL "
    f"THEN {' + '.join(f'{2**place} * ({mid} IS NULL)' for place, mid in enumerate(_MIDS))} ELSE 0 END"
)
_FILL_SUMS: Final = f"""
SELECT ticker, MIN(ts_ms), MAX(ts_ms), unknown, COUNT(*), SUM(is_taker != 0), SUM(signed_e2), SUM(count_e2),
    SUM(signed_e2 * price_e4), SUM(fee_e6),
    {", ".join(f"COALESCE(SUM(signed_e2 * {mid}), 0)" for mid in _MIDS)},
    {", ".join(f"COALESCE(SUM(signed_e2 * ({mid} - mid2_e4) < 0), 0)" for mid in _LATER)}
FROM (SELECT *, {_SIGNED_E2} AS signed_e2, {_UNKNOWN} AS unknown FROM fills LEFT JOIN fill_marks USING (fill_seq))
WHERE fill_seq >= ? AND fill_seq < ? AND ts_ms >= ? AND ts_ms < ? {{also}}
GROUP BY ts_ms / ?, ticker, unknown
"""


def _as_one_text(question: str, columns: tuple[str, ...]) -> str:
    """All rows as one: whoever reads in a thread gets the interpreter back once, and not once a row."""
    names = ", ".join(columns)
    return f"WITH found ({names}) AS ({question}) SELECT json_group_array(json_array({names})) FROM found"


_FILL_SUMS_OF_ALL: Final = _as_one_text(_FILL_SUMS.format(also=""), FillSums._fields)
_ORDERS: Final = _as_one_text(
    "SELECT ticker, MAX(at_ms), COUNT(*), SUM(filled_e2 > 0), SUM(count_e2), SUM(filled_e2) FROM orders "
    "NOT INDEXED WHERE at_ms >= ? AND at_ms < ? GROUP BY at_ms / ?, ticker",
    OrderCounts._fields,
)
_FILL_SUMS_OF_ONE: Final = _FILL_SUMS.format(also="AND ticker = ? AND unknown = ?")


_SUMS_DECODER: Final = msgspec.json.Decoder(list[FillSums])
_ORDERS_DECODER: Final = msgspec.json.Decoder(list[OrderCounts])


class LedgerReader:
    """One moment of a Ledger; use it in `with`. Raises ReportError where it cannot be read."""

    def __init__(self, path: Path, *, is_threads_own: bool = False) -> None:
        self._path = path
        if not path.is_file():
            raise ReportError(f"there is no ledger {path}: the bot has not run with this state folder yet")
        try:
            self._db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=not is_threads_own,
            )
            tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in _EXPECTED.keys() - tables:
                self._db.execute(f"CREATE TEMP TABLE {table} ({_EXPECTED[table]})")
            self._db.execute("BEGIN")
        except sqlite3.Error as error:
            raise ReportError(f"the ledger {path} cannot be read: {error}") from error

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def beside(self) -> LedgerReader:
        """Returns another reader for one thread to use; its moment may be a later one, in which the same numbers still
        name the same fills. Raises ReportError.
        """
        return LedgerReader(self._path, is_threads_own=True)

    def runs(self) -> tuple[Run, ...]:
        """Returns every run, the oldest first."""
        rows = self._db.execute("SELECT boot, mode, started_ms FROM boots ORDER BY started_ms, boot")
        return tuple(Run(name=boot, mode=mode, started_ms=started_ms) for boot, mode, started_ms in rows)

    def time_span(self) -> tuple[int, int] | None:
        """Returns the first and the last moment that anything is recorded of, None for an empty Ledger."""
        first = last = None
        for table, column, length in (
            ("fills", "ts_ms", 0),
            ("market_minutes", "minute_ms", MINUTE_MS - 1),
            ("orders", "at_ms", 0),
            ("rewards", "at_ms", 0),
        ):
            low, high = self._db.execute(f"SELECT MIN({column}), MAX({column}) FROM {table}").fetchone()
            if low is not None:
                first = low if first is None else min(first, low)
                last = high + length if last is None else max(last, high + length)
        return None if first is None or last is None else (first, last)

    def configurations(self) -> Iterator[Configured]:
        """Yields what markets were configured with, by ticker and time."""
        rows = self._db.execute(
            "SELECT ticker, at_ms, program, strategy, COALESCE(category, '') FROM market_configurations "
            "ORDER BY ticker, at_ms, rowid"
        )
        for ticker, at_ms, program, strategy, category in rows:
            yield Configured(ticker=ticker, at_ms=at_ms, program=program, strategy=strategy, category=category)

    def fills_count(self, end_ms: int) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM fills WHERE ts_ms < ?", (end_ms,)).fetchone()[0])

    def positions_before(self, start_ms: int) -> dict[str, int]:
        """Returns the positions of the fills before a time, in 1/100 YES contract."""
        rows = self._db.execute(
            f"SELECT ticker, SUM({_SIGNED_E2}) FROM fills NOT INDEXED WHERE ts_ms < ? GROUP BY ticker", (start_ms,)
        )
        return {ticker: position_e2 for ticker, position_e2 in rows if position_e2}

    def fill_numbers(self, at_once: int) -> Iterator[range]:
        """Yields the numbers of the fills, in their order, in pieces of `at_once`."""
        first, last = self._db.execute("SELECT MIN(fill_seq), MAX(fill_seq) FROM fills").fetchone()
        if first is not None:
            for number in range(first, last + 1, at_once):
                yield range(number, min(number + at_once, last + 1))

    def fill_sums(self, numbers: range, start_ms: int, end_ms: int, bucket_ms: int) -> list[FillSums]:
        """Returns the sums of the fills of these numbers and a time, by market and bucket."""
        terms = (numbers.start, numbers.stop, start_ms, end_ms, bucket_ms)
        return _SUMS_DECODER.decode(self._db.execute(_FILL_SUMS_OF_ALL, terms).fetchone()[0])

    def moments_of(self, sums: FillSums, numbers: range) -> Iterator[FillSums]:
        """Yields the fills that were summed up, those of one millisecond together."""
        terms = (numbers.start, numbers.stop, sums.first_ms, sums.last_ms + 1, sums.ticker, sums.unknown, 1)
        return map(FillSums._make, self._db.execute(_FILL_SUMS_OF_ONE, terms))

    def quote_times(self, start_ms: int, end_ms: int, bucket_ms: int) -> Iterator[QuoteTime]:
        """Yields the quoting of a time by market and bucket; a minute belongs to where it begins.

        The prices are those of the row that MAX found, which SQLite promises for a query with one MAX.
        """
        rows = self._db.execute(
            "SELECT ticker, MAX(CASE WHEN live_ms > 0 THEN minute_ms END), SUM(live_ms), SUM(bid_ms), SUM(ask_ms), "
            "SUM(both_ms), SUM(bid_touch_ms), SUM(ask_touch_ms), bid_e4, ask_e4 "
            "FROM market_minutes NOT INDEXED WHERE minute_ms >= ? AND minute_ms < ? "
            "GROUP BY minute_ms / ?, ticker, program HAVING SUM(live_ms) > 0",
            (start_ms // MINUTE_MS * MINUTE_MS, end_ms, bucket_ms),
        )
        return map(QuoteTime._make, rows)

    def prices_at(self, ticker: str, at_ms: int) -> tuple[int | None, int | None]:
        """Returns a market's best prices by the last minute that was over at a time; None where none is known."""
        row = self._db.execute(
            "SELECT bid_e4, ask_e4 FROM market_minutes WHERE ticker = ? AND minute_ms <= ? AND live_ms > 0 "
            "ORDER BY minute_ms DESC, rowid DESC LIMIT 1",
            (ticker, at_ms - MINUTE_MS),
        ).fetchone()
        return (None, None) if row is None else (row[0], row[1])

    def settlements(self) -> dict[str, tuple[int, int]]:
        """Returns when markets settled, and at what value of a YES contract in 1/10,000 dollar."""
        rows = self._db.execute("SELECT ticker, settled_ms, value_e4 FROM settlements")
        return {ticker: (settled_ms, value_e4) for ticker, settled_ms, value_e4 in rows}

    def orders(self, start_ms: int, end_ms: int, bucket_ms: int) -> list[OrderCounts]:
        """Returns the orders that ended in a time, by market and bucket."""
        found = self._db.execute(_ORDERS, (start_ms, end_ms, bucket_ms)).fetchone()
        return _ORDERS_DECODER.decode(found[0])

    def episodes(self, start_ms: int, end_ms: int, bucket_ms: int) -> Iterator[EpisodeSums]:
        """Yields the position episodes that ended in a time, by market and bucket."""
        rows = self._db.execute(
            "SELECT ticker, MAX(ended_ms), COUNT(*), SUM(ended_ms - began_ms), SUM(held_e2_ms), SUM(adverse_e4), "
            "SUM(favourable_e4) FROM episodes NOT INDEXED WHERE ended_ms >= ? AND ended_ms < ? "
            "GROUP BY ended_ms / ?, ticker",
            (start_ms, end_ms, bucket_ms),
        )
        return map(EpisodeSums._make, rows)

    def rewards(self) -> Iterator[Reward]:
        """Yields what was paid, as it was seen: the rows hold running totals, a total that falls back pays nothing."""
        paid_e6: dict[str, int] = {}
        rows = self._db.execute("SELECT program_id, ticker, paid_e6, at_ms FROM rewards ORDER BY at_ms, rowid")
        for program_id, ticker, total_e6, at_ms in rows:
            more_e6 = (total_e6 or 0) - paid_e6.get(program_id, 0)
            if more_e6 > 0:
                paid_e6[program_id] = total_e6
                yield Reward(ticker=ticker, at_ms=at_ms, money_e6=more_e6)

    def sessions(self, start_ms: int, end_ms: int) -> tuple[SessionOutcome, ...]:
        """Returns the outcomes of the sessions that began in a time, by program and reason."""
        rows = self._db.execute(
            "SELECT program, CASE WHEN ended_ms IS NULL THEN 'still open' ELSE end_reason END AS reason, COUNT(*), "
            "SUM(left_because != ''), SUM(pnl_e6) FROM volatility_sessions WHERE started_ms >= ? AND started_ms < ? "
            "GROUP BY program, reason ORDER BY program, reason",
            (start_ms, end_ms),
        )
        names = [field.name for field in attrs.fields(SessionOutcome)]
        return tuple(SessionOutcome(**dict(zip(names, row, strict=True))) for row in rows)


@contextlib.contextmanager
def ledger_read(path: Path) -> Iterator[LedgerReader]:
    """Opens a Ledger to read; what goes wrong while it is read is a ReportError too."""
    try:
        with LedgerReader(path) as reader:
            yield reader
    except sqlite3.Error as error:
        raise ReportError(f"the ledger {path} cannot be read: {error}") from error
