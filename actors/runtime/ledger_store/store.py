"""The database as the Ledger uses it: each method is one transaction or one reading; all of them block.

One thread at a time may be in here.
"""

from __future__ import annotations

from pathlib import Path

from actors.messages.money import Books, FillMark, JoinFills, Record, RecordVerdicts, RetireMarket
from actors.messages.refill import OpenStake, StakeOpened, StakeStored, StoreStake
from actors.messages.sessions import SessionRow
from actors.runtime.ledger_store import (
    episodes,
    fill_mark,
    fills,
    learned,
    loss_latch,
    records,
    retired_markets,
    sessions,
    stakes,
)
from actors.runtime.ledger_store.database import Database, LedgerBroken
from actors.runtime.ledger_store.integrity import Checked, check
from actors.runtime.ledger_store.migrations import migrate
from actors.runtime.ledger_store.parameters import LedgerParameters
from actors.runtime.ledger_store.retention import Upkeep
from kalshi.numbers import PriceE4
from quant.fills import NumberedFill, NumberedFills
from quant.loss_latch import LossLatch
from quant.selection.experience import Learned
from quant.stop_loss import SeenExcursion


class LedgerStore:
    """The open database, of the present version. Raises LedgerBroken where it cannot be opened."""

    def __init__(self, path: Path, parameters: LedgerParameters | None = None) -> None:
        self._database = Database(path)
        self._upkeep = Upkeep(self._database, parameters or LedgerParameters())
        self.reopened = 0  # markets that somebody had let go of, and has to count again, since this was opened
        try:
            migrate(self._database)
            with self._database.reading() as connection:
                self.last_seq: int = fills.last_seq(connection)
        except LedgerBroken:
            self._database.close()
            raise

    def record_fills(self, batch: fills.Batch) -> NumberedFills:
        """Numbers and stores the fills that are new, in the given order, in one transaction."""
        with self._database.writing() as connection:
            added = fills.insert(connection, batch, self.last_seq)
            reopened = retired_markets.reopen(connection, {fill.ticker for fill in added.fills})
        self.last_seq += len(added)
        self.reopened += reopened
        return added

    def books(self, opened: int = 0) -> Books:
        """Returns what a consumer of fills begins with, all of one moment; `opened` is the Ledger's word on it."""
        with self._database.reading() as connection:
            settled = connection.execute(
                "SELECT ticker, value_e4 FROM settlements "
                "WHERE ticker NOT IN (SELECT ticker FROM retired_markets) ORDER BY settled_ms"
            ).fetchall()
            return Books(
                fills=fills.of_open_markets(connection),
                settlements=tuple((str(ticker), PriceE4(value_e4)) for ticker, value_e4 in settled),
                retired=retired_markets.totals(connection),
                last_seq=self.last_seq,
                opened=opened,
                episodes=episodes.open_ones(connection),
            )

    def retire(self, asked: tuple[RetireMarket, ...]) -> None:
        """Keeps markets that are over as sums, in one transaction.

        Sums that lack a fill count as a market reopened: whoever made them has let go of it.
        """
        with self._database.writing() as connection:
            kept = [retired_markets.keep(connection, each.ticker, each.totals) for each in asked]
            episodes.forget_excursions(connection, [each.ticker for each in asked])
        self.reopened += kept.count(False)

    def keep_fill_mark(self, complete_to_ms: int) -> None:
        """Stores up to when REST has been worked in; an older time changes nothing."""
        with self._database.writing() as connection:
            fill_mark.keep_mark(connection, complete_to_ms)

    def fill_mark(self) -> FillMark:
        """Returns what a reconciler must know to go on where the last one was."""
        with self._database.reading() as connection:
            return fill_mark.mark(connection)

    def join_fills(self, joins: tuple[JoinFills, ...]) -> None:
        """Gives fills the client ids of their orders, where they came without, in one transaction."""
        with self._database.writing() as connection:
            fill_mark.join(connection, joins)

    def record_rows(self, rows: tuple[Record, ...]) -> None:
        """Stores rows for people, in one transaction. Raises ValueError for a table nobody declared."""
        records.check_tables(rows)
        with self._database.writing() as connection:
            records.insert(connection, rows)

    def record_verdicts(self, batches: tuple[RecordVerdicts, ...]) -> None:
        """Stores what selections said of markets, in one transaction."""
        with self._database.writing() as connection:
            records.insert_verdicts(connection, batches)

    def open_stake(self, asked: OpenStake) -> StakeOpened:
        """Returns a refill stake and its market's fills; begins it where it is new."""
        with self._database.writing() as connection:
            stakes.begin(connection, asked, self.last_seq)
            return stakes.opened(connection, asked, self.last_seq, fills.of_market(connection, asked.ticker))

    def store_stake(self, asked: StoreStake) -> StakeStored:
        """Stores a refill stake's state where its program's caps let it, in one transaction."""
        with self._database.writing() as connection:
            return stakes.store(connection, asked)

    def keep_learned(self, batches: tuple[Learned, ...]) -> None:
        """Stores what own fills taught, in one transaction."""
        with self._database.writing() as connection:
            learned.keep(connection, batches)

    def learned(self) -> Learned:
        """Returns what own fills taught, of each kind the newest, oldest first."""
        with self._database.reading() as connection:
            return learned.read(connection)

    def keep_excursions(self, seen: tuple[SeenExcursion, ...]) -> None:
        """Stores what the stop loss has seen of positions, in one transaction."""
        with self._database.writing() as connection:
            episodes.keep_excursions(connection, seen)

    def excursions(self) -> tuple[SeenExcursion, ...]:
        """Returns what the stop loss had seen of positions when it was last stored."""
        with self._database.reading() as connection:
            return episodes.excursions(connection)

    def keep_loss_latch(self, latch: LossLatch) -> None:
        """Stores what risk counts losses from."""
        with self._database.writing() as connection:
            loss_latch.keep(connection, latch)

    def loss_latch(self) -> LossLatch:
        """Returns what risk counted losses from when it was last stored."""
        with self._database.reading() as connection:
            return loss_latch.kept(connection)

    def record_sessions(self, rows: tuple[SessionRow, ...]) -> None:
        """Stores volatility sessions, each in place of its older row, in one transaction."""
        with self._database.writing() as connection:
            sessions.replace(connection, rows)

    def open_sessions(self, program: str) -> tuple[SessionRow, ...]:
        """Returns the sessions of `program` that have not ended, the newest first."""
        with self._database.reading() as connection:
            return sessions.open_ones(connection, program)

    def fills_after(self, after_seq: int) -> tuple[NumberedFill, ...]:
        """Returns the numbered fills after `after_seq`, oldest first."""
        with self._database.reading() as connection:
            return fills.after(connection, after_seq)

    def upkeep(self, now_ms: int) -> int:
        """Does one slice of upkeep; returns how many old rows went."""
        return self._upkeep.slice(now_ms)

    def close(self) -> None:
        self._database.close()


def prepare(path: Path) -> Checked:
    """Brings the file to the present version and looks whether it is whole; blocks. Raises LedgerBroken."""
    database = Database(path)
    try:
        migrate(database)
        return check(database)
    finally:
        database.close()


def record_last(path: Path, rows: tuple[Record, ...]) -> None:
    """Writes rows when the Ledger itself is gone, in one transaction; blocks. Raises LedgerBroken."""
    store = LedgerStore(path)
    try:
        store.record_rows(rows)
    finally:
        store.close()
