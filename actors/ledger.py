"""The Ledger: the one writer of the database, and the numbering of fills.

Rules:
1. A fill is (order_id, fill_id). It gets the next number of a dense sequence the first time it is seen, and never
another (I4). The number, the fill and its uniqueness are one transaction.
2. The Ledger answers in reply slots and publishes the newest fills as a LATEST tape: it never waits for anyone.
3. Rows of records are for people; losing the newest few in a power cut is accepted (WAL, synchronous=NORMAL).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import attrs

from actors import ledger_market_records, ledger_stakes
from actors.messages.lifecycle import Heartbeat
from actors.messages.money import (
    FILL_TAPE_LENGTH,
    FillsComplete,
    FillsRecorded,
    FillTape,
    ReadNumberedFills,
    Record,
    RecordFills,
    RecordVerdicts,
)
from actors.messages.refill import OpenStake, StakeOpened, StakeStored, StoreStake
from actors.messages.selection import KeepLearned, ReadLearned
from actors.messages.sessions import ReadOpenSessions, RecordSession, SessionRow
from actors.runtime.supervisor import ChildContext
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side
from quant.fills import NumberedFill
from quant.selection.experience import MARKETS_MAX, Learned
from quant.selection.toxicity import SUBJECTS_MAX
from quant.selection.toxicity import Record as ToxicityRecord

HEARTBEAT_S = 1.0
SCHEMA_VERSION = 1
READ_ROWS_MAX = 1_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fills (
    fill_seq INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL, fill_id TEXT NOT NULL, client_order_id TEXT,
    ticker TEXT NOT NULL, side TEXT NOT NULL,
    price_e4 INTEGER NOT NULL, count_e2 INTEGER NOT NULL, fee_e6 INTEGER NOT NULL,
    is_taker INTEGER NOT NULL, ts_ms INTEGER NOT NULL, exchange_index INTEGER NOT NULL, source TEXT NOT NULL,
    UNIQUE (order_id, fill_id));
CREATE TABLE IF NOT EXISTS orders (
    client_order_id TEXT, ticker TEXT, side TEXT, price_e4 INTEGER, count_e2 INTEGER,
    filled_e2 INTEGER, outcome TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS actor_exits (
    actor TEXT, incarnation INTEGER, kind TEXT, reason TEXT, error TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS alerts (code TEXT, severity TEXT, actor TEXT, text TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS discovery_runs (
    program TEXT, scanned INTEGER, eligible INTEGER, selected TEXT, rejected TEXT, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS market_configurations (
    ticker TEXT NOT NULL, program TEXT NOT NULL, strategy TEXT NOT NULL, category TEXT, profile TEXT, regime TEXT,
    numbers TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS market_configurations_by_ticker ON market_configurations (ticker, at_ms);
CREATE TABLE IF NOT EXISTS volatility_events (
    event_id INTEGER, incarnation INTEGER, ticker TEXT, category TEXT, state TEXT, reason TEXT, strength REAL,
    sigma_dollars_per_sqrt_s REAL, jump_e4 INTEGER, direction TEXT, close_time_ms INTEGER, at_ms INTEGER);
"""
_VERDICTS = """
CREATE TABLE IF NOT EXISTS verdicts (
    program TEXT NOT NULL, ticker TEXT NOT NULL, is_selected INTEGER NOT NULL,
    reasons TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS verdicts_by_ticker ON verdicts (ticker, program, at_ms);
"""
_LEARNED = """
CREATE TABLE IF NOT EXISTS toxicity (
    kind TEXT NOT NULL, name TEXT NOT NULL, at_ms INTEGER NOT NULL, contracts REAL NOT NULL,
    markout_dollars REAL NOT NULL, pnl_dollars REAL NOT NULL, excluded_until_ms INTEGER NOT NULL,
    exclusions INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS rewards (
    program_id TEXT, ticker TEXT, shadow_e6 INTEGER, paid_e6 INTEGER, is_over INTEGER, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS realised_seen (ticker TEXT PRIMARY KEY, net_e6 INTEGER NOT NULL);
"""
_RECORD_FIELDS = tuple(field.name for field in attrs.fields(ToxicityRecord))  # the columns' order
_TABLES = frozenset(
    {"orders", "actor_exits", "alerts", "discovery_runs", "market_configurations", "rewards", "volatility_events"}
    | ledger_market_records.RECORD_TABLES
)
_SESSIONS = """
CREATE TABLE IF NOT EXISTS volatility_sessions (
    session_id TEXT PRIMARY KEY, program TEXT NOT NULL, ticker TEXT NOT NULL, event_id TEXT NOT NULL,
    started_ms INTEGER NOT NULL, ended_ms INTEGER, close_time_ms INTEGER NOT NULL,
    phase TEXT NOT NULL, end_reason TEXT NOT NULL, left_because TEXT NOT NULL,
    pnl_at_start_e6 INTEGER NOT NULL, pnl_e6 INTEGER NOT NULL, position_e2 INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS open_sessions ON volatility_sessions (program) WHERE ended_ms IS NULL;
"""
OPEN_SESSIONS_MAX = 1_000  # far more than may ever run at once


class LedgerBroken(Exception):
    """The database cannot be opened or written: the disk may be full or the file damaged. Trading stops safely."""


class LedgerStore:
    """The database itself; every method blocks and runs in one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise LedgerBroken(f"the ledger {path} cannot be opened: {error}") from error
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA + _VERDICTS + _LEARNED + _SESSIONS + ledger_stakes.SCHEMA)
            self._db.executescript(ledger_market_records.SCHEMA)
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            row = self._db.execute("SELECT COALESCE(MAX(fill_seq), 0) FROM fills").fetchone()
        except sqlite3.Error as error:
            self._db.close()
            raise LedgerBroken(f"the ledger {path} cannot be opened: {error}") from error
        self.last_seq: int = row[0]

    def record_fills(self, batch: tuple[tuple[Fill, str], ...]) -> tuple[NumberedFill, ...]:
        """Numbers and stores the fills that are new, in the given order, in one transaction."""
        added = []
        last_seq = self.last_seq
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for fill, source in batch:
                cursor = self._db.execute(
                    "INSERT OR IGNORE INTO fills VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (last_seq + 1, *_fill_row(fill), source),
                )
                if cursor.rowcount == 1:
                    last_seq += 1
                    added.append(NumberedFill(fill_seq=last_seq, fill=fill))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise LedgerBroken(f"the ledger {self._path} cannot be written: {error}") from error
        self.last_seq = last_seq
        return tuple(added)

    def record_rows(self, records: tuple[Record, ...]) -> None:
        """Stores rows for people, in one transaction."""
        for record in records:
            if record.table not in _TABLES:
                raise ValueError(f"no table {record.table!r} in the ledger")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for record in records:
                names = ",".join(name for name, _ in record.values)
                marks = ",".join("?" for _ in record.values)
                values = [value for _, value in record.values]
                self._db.execute(f"INSERT INTO {record.table} ({names}) VALUES ({marks})", values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise LedgerBroken(f"the ledger {self._path} cannot be written: {error}") from error

    def record_verdicts(self, batches: tuple[RecordVerdicts, ...]) -> None:
        """Stores what selections said of markets, in one transaction."""
        rows = [
            (batch.program, verdict.ticker, verdict.is_selected, "; ".join(verdict.reasons), batch.at_ms)
            for batch in batches
            for verdict in batch.verdicts
        ]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO verdicts VALUES (?,?,?,?,?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise LedgerBroken(f"the ledger {self._path} cannot be written: {error}") from error

    def open_stake(self, asked: OpenStake) -> StakeOpened:
        """Returns a refill stake and its market's fills; begins it where it is new."""
        try:
            ledger_stakes.begin(self._db, asked, self.last_seq)
            rows = self._db.execute("SELECT * FROM fills WHERE ticker = ? ORDER BY fill_seq", (asked.ticker,))
            fills = tuple(_numbered(row) for row in rows)
            return ledger_stakes.opened(self._db, asked, self.last_seq, fills)
        except sqlite3.Error as error:
            raise LedgerBroken(f"the ledger {self._path} cannot be written: {error}") from error

    def store_stake(self, asked: StoreStake) -> StakeStored:
        """Stores a refill stake's state where its program's caps let it, in one transaction."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            stored = ledger_stakes.store(self._db, asked)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise LedgerBroken(f"the ledger {self._path} cannot be written: {error}") from error
        return stored

    def keep_learned(self, batches: tuple[Learned, ...]) -> None:
        """Stores what own fills taught, in one transaction."""
        records = [
            (kind, name, *attrs.astuple(record))
            for learned in batches
            for kind, named in (("market", learned.markets), ("series", learned.series))
            for name, record in named
        ]
        sums = [one for learned in batches for one in learned.realised]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO toxicity VALUES (?,?,?,?,?,?,?,?,?)", records)
            self._db.executemany("INSERT OR REPLACE INTO realised_seen VALUES (?,?)", sums)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise LedgerBroken(f"the ledger {self._path} cannot be written: {error}") from error

    def learned(self) -> Learned:
        """Returns what own fills taught, of each kind the newest, oldest first."""
        newest = "SELECT * FROM toxicity WHERE kind = ? ORDER BY at_ms DESC, name LIMIT ?"
        markets, series = (
            tuple(
                (str(row[1]), ToxicityRecord(**dict(zip(_RECORD_FIELDS, row[2:], strict=True))))
                for row in self._db.execute(newest, (kind, SUBJECTS_MAX))
            )
            for kind in ("market", "series")
        )
        sums = self._db.execute("SELECT * FROM realised_seen ORDER BY rowid DESC LIMIT ?", (MARKETS_MAX,)).fetchall()
        return Learned(
            markets=markets[::-1],
            series=series[::-1],
            realised=tuple((str(ticker), MoneyE6(_int(net_e6))) for ticker, net_e6 in reversed(sums)),
        )

    def record_sessions(self, rows: tuple[SessionRow, ...]) -> None:
        """Stores volatility sessions, each in place of its older row, in one transaction."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR REPLACE INTO volatility_sessions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [attrs.astuple(row) for row in rows],
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise LedgerBroken(f"the ledger {self._path} cannot be written: {error}") from error

    def open_sessions(self, program: str) -> tuple[SessionRow, ...]:
        """Returns the sessions of `program` that have not ended, the newest first."""
        rows = self._db.execute(
            "SELECT * FROM volatility_sessions WHERE program = ? AND ended_ms IS NULL ORDER BY started_ms DESC LIMIT ?",
            (program, OPEN_SESSIONS_MAX),
        )
        names = [field.name for field in attrs.fields(SessionRow)]
        return tuple(SessionRow(**dict(zip(names, row, strict=True))) for row in rows)

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def fills_after(self, after_seq: int) -> tuple[NumberedFill, ...]:
        """Returns the numbered fills after `after_seq`, oldest first."""
        rows = self._db.execute(
            "SELECT * FROM fills WHERE fill_seq > ? ORDER BY fill_seq LIMIT ?", (after_seq, READ_ROWS_MAX)
        )
        return tuple(_numbered(row) for row in rows)

    def close(self) -> None:
        self._db.close()


def _words(numbered: NumberedFill) -> str:
    fill = numbered.fill
    did = "bought" if fill.side is Side.BID else "sold"
    price, fee = fill.price_e4 / 100, fill.fee_e6 / 1_000_000
    return f"fill {numbered.fill_seq}: {did} {fill.count_e2 / 100:g} {fill.ticker} at {price:g}¢, fee ${fee:.4f}"


def _fill_row(fill: Fill) -> tuple[str | int | None, ...]:
    return (
        fill.order_id,
        fill.fill_id,
        fill.client_order_id,
        fill.ticker,
        fill.side.value,
        fill.price_e4,
        fill.count_e2,
        fill.fee_e6,
        int(fill.is_taker),
        fill.ts_ms,
        fill.exchange_index,
    )


def _numbered(row: tuple[object, ...]) -> NumberedFill:
    seq, order_id, fill_id, client_id, ticker, side, price, count, fee, is_taker, ts_ms, index, _ = row
    fill = Fill(
        fill_id=str(fill_id),
        order_id=str(order_id),
        client_order_id=None if client_id is None else str(client_id),
        ticker=str(ticker),
        side=Side(str(side)),
        price_e4=PriceE4(_int(price)),
        count_e2=CountE2(_int(count)),
        fee_e6=MoneyE6(_int(fee)),
        is_taker=bool(is_taker),
        ts_ms=_int(ts_ms),
        exchange_index=_int(index),
    )
    return NumberedFill(fill_seq=_int(seq), fill=fill)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def latest_verdicts(path: Path, ticker: str) -> tuple[str, ...]:
    """Returns what each program last said of a market, one line each; blocks. Raises LedgerBroken."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            rows = db.execute(
                "SELECT program, is_selected, reasons, MAX(at_ms) FROM verdicts WHERE ticker = ? GROUP BY program "
                "ORDER BY program",
                (ticker,),
            ).fetchall()
    except sqlite3.Error as error:
        raise LedgerBroken(f"the ledger {path} cannot be read: {error}") from error
    return tuple(
        f"{program}: {'selected' if is_selected else 'not selected'}{f': {reasons}' if reasons else ''}"
        for program, is_selected, reasons, _ in rows
    )


def latest_configuration(path: Path, ticker: str) -> tuple[str, ...]:
    """Returns what a market was last configured with, one line a number; blocks. Raises LedgerBroken."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            row = db.execute(
                "SELECT program, numbers FROM market_configurations WHERE ticker = ? ORDER BY at_ms DESC, rowid DESC "
                "LIMIT 1",
                (ticker,),
            ).fetchone()
    except sqlite3.Error as error:
        raise LedgerBroken(f"the ledger {path} cannot be read: {error}") from error
    return () if row is None else tuple(f"for {row[0]}: {line}" for line in str(row[1]).splitlines())


@attrs.define
class Ledger:
    """The actor; see the module."""

    context: ChildContext
    path: Path

    async def run(self, started: Callable[[], None]) -> None:
        """Serves until cancelled. Raises LedgerBroken when the database fails."""
        offload = self.context.seams.offload
        store = await offload(LedgerStore, self.path)
        try:
            tape = (await offload(store.fills_after, store.last_seq - FILL_TAPE_LENGTH))[-FILL_TAPE_LENGTH:]
            complete_to_ms = 0
            self._publish(tape, store.last_seq, complete_to_ms)
            started()
            while True:
                batch = await self.context.mailbox.receive(timeout_s=HEARTBEAT_S)
                added = await self._store(store, batch)
                complete_to_ms = max([complete_to_ms, *_completions(batch)])
                for numbered in added:
                    self.context.log.info(_words(numbered))
                tape = (*tape, *added)[-FILL_TAPE_LENGTH:]
                self._publish(tape, store.last_seq, complete_to_ms)
                await self._answer(store, batch, len(added))
        finally:
            store.close()

    async def _store(self, store: LedgerStore, batch: tuple[object, ...]) -> tuple[NumberedFill, ...]:
        offload = self.context.seams.offload
        added: tuple[NumberedFill, ...] = ()
        fills = tuple((f, m.source) for m in batch if isinstance(m, RecordFills) for f in m.fills)
        records = tuple(m for m in batch if isinstance(m, Record))
        if fills:
            added = await offload(store.record_fills, fills)
        if records:
            await offload(store.record_rows, records)
        if verdicts := tuple(m for m in batch if isinstance(m, RecordVerdicts)):
            await offload(store.record_verdicts, verdicts)
        if learned := tuple(m.learned for m in batch if isinstance(m, KeepLearned)):
            await offload(store.keep_learned, learned)
        if rows := tuple(m.row for m in batch if isinstance(m, RecordSession)):
            await offload(store.record_sessions, rows)
        return added

    async def _answer(self, store: LedgerStore, batch: tuple[object, ...], new: int) -> None:
        for message in batch:
            match message:
                case RecordFills(reply=reply):
                    reply.put(FillsRecorded(new=new, last_seq=store.last_seq))
                case ReadNumberedFills(after_seq=after_seq, reply=reply):
                    reply.put(await self.context.seams.offload(store.fills_after, after_seq))
                case OpenStake(reply=reply):
                    reply.put(await self.context.seams.offload(store.open_stake, message))
                case StoreStake(reply=reply):
                    reply.put(await self.context.seams.offload(store.store_stake, message))
                case ReadLearned(reply=reply):
                    reply.put(await self.context.seams.offload(store.learned))
                case ReadOpenSessions(program=program, reply=reply):
                    reply.put(await self.context.seams.offload(store.open_sessions, program))
                case _:
                    pass

    def _publish(self, tape: tuple[NumberedFill, ...], last_seq: int, complete_to_ms: int) -> None:
        self.context.outbox.publish(FillTape(last_seq=last_seq, fills=tape, complete_to_ms=complete_to_ms))
        self.context.outbox.publish(
            Heartbeat(actor="ledger", incarnation=self.context.incarnation, at_s=self.context.seams.now())
        )


def _completions(batch: tuple[object, ...]) -> list[int]:
    return [message.complete_to_ms for message in batch if isinstance(message, FillsComplete)]
