"""The Ledger: the one writer of the database, and the numbering of fills.

Rules:
1. A fill is (order_id, fill_id). It gets the next number of a dense sequence the first time it is seen, and never
another (I4). The number, the fill and its uniqueness are one transaction.
2. The Ledger answers in reply slots and publishes the newest fills as a LATEST tape: it never waits for anyone.
3. Rows of records are for people; losing the newest few in a power cut is accepted (WAL, synchronous=NORMAL).
4. Upkeep is done in slices of a few milliseconds, between two batches of work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import attrs

from actors.messages.lifecycle import Heartbeat
from actors.messages.money import (
    FILL_TAPE_LENGTH,
    FillsComplete,
    FillsRecorded,
    FillTape,
    JoinFills,
    KeepExcursion,
    KeepLossLatch,
    ReadBooks,
    ReadExcursions,
    ReadFillMark,
    ReadLossLatch,
    ReadNumberedFills,
    Record,
    RecordFills,
    RecordVerdicts,
    RetireMarket,
)
from actors.messages.refill import OpenStake, StoreStake
from actors.messages.selection import KeepLearned, ReadLearned
from actors.messages.sessions import ReadOpenSessions, RecordSession
from actors.runtime.ledger_store.fill_mark import MARK_EVERY_MS
from actors.runtime.ledger_store.parameters import LedgerParameters
from actors.runtime.ledger_store.store import LedgerStore
from actors.runtime.supervisor import ChildContext
from kalshi.types import Side
from quant.fills import NumberedFill, NumberedFills

HEARTBEAT_S = 1.0


def _words(numbered: NumberedFill) -> str:
    fill = numbered.fill
    did = "bought" if fill.side is Side.BID else "sold"
    price, fee = fill.price_e4 / 100, fill.fee_e6 / 1_000_000
    return f"fill {numbered.fill_seq}: {did} {fill.count_e2 / 100:g} {fill.ticker} at {price:g}¢, fee ${fee:.4f}"


@attrs.define
class Ledger:
    """The actor; see the module."""

    context: ChildContext
    path: Path
    parameters: LedgerParameters = attrs.field(factory=LedgerParameters)
    _upkeep_at_s: float = attrs.field(default=0.0, init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Serves until cancelled. Raises LedgerBroken when the database fails."""
        offload = self.context.seams.offload
        store = await offload(LedgerStore, self.path, self.parameters)
        try:
            tape = (await offload(store.fills_after, store.last_seq - FILL_TAPE_LENGTH))[-FILL_TAPE_LENGTH:]
            complete_to_ms = kept_to_ms = (await offload(store.fill_mark)).complete_to_ms
            self._publish(tape, store, complete_to_ms)
            started()
            while True:
                batch = await self.context.mailbox.receive(timeout_s=HEARTBEAT_S)
                added = await self._store(store, batch)
                complete_to_ms = max([complete_to_ms, *_completions(batch)])
                if complete_to_ms >= kept_to_ms + MARK_EVERY_MS:
                    await offload(store.keep_fill_mark, complete_to_ms)
                    kept_to_ms = complete_to_ms
                newest = deque(tape, FILL_TAPE_LENGTH)
                for numbered in added:
                    self.context.log.info(_words(numbered))
                    newest.append(numbered)
                tape = tuple(newest)
                self._publish(tape, store, complete_to_ms)
                await self._answer(store, batch, len(added))
                await self._keep_up(store)
        finally:
            store.close()

    async def _store(self, store: LedgerStore, batch: tuple[object, ...]) -> NumberedFills:
        offload = self.context.seams.offload
        added = NumberedFills(after_seq=store.last_seq, fills=())
        fills = tuple((f, m.source) for m in batch if isinstance(m, RecordFills) for f in m.fills)
        records = tuple(m for m in batch if isinstance(m, Record))
        if fills:
            added = await offload(store.record_fills, fills)
        if retired := tuple(m for m in batch if isinstance(m, RetireMarket)):
            await offload(store.retire, retired)
        if joins := tuple(m for m in batch if isinstance(m, JoinFills)):
            await offload(store.join_fills, joins)
        if records:
            await offload(store.record_rows, records)
        if verdicts := tuple(m for m in batch if isinstance(m, RecordVerdicts)):
            await offload(store.record_verdicts, verdicts)
        if learned := tuple(m.learned for m in batch if isinstance(m, KeepLearned)):
            await offload(store.keep_learned, learned)
        if seen := tuple(m.seen for m in batch if isinstance(m, KeepExcursion)):
            await offload(store.keep_excursions, seen)
        for latch in [m.latch for m in batch if isinstance(m, KeepLossLatch)][-1:]:
            await offload(store.keep_loss_latch, latch)
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
                case ReadFillMark(reply=reply):
                    reply.put(await self.context.seams.offload(store.fill_mark))
                case OpenStake(reply=reply):
                    reply.put(await self.context.seams.offload(store.open_stake, message))
                case StoreStake(reply=reply):
                    reply.put(await self.context.seams.offload(store.store_stake, message))
                case ReadBooks(reply=reply):
                    reply.put(await self.context.seams.offload(store.books, self._opened(store)))
                case ReadLossLatch(reply=reply):
                    reply.put(await self.context.seams.offload(store.loss_latch))
                case ReadExcursions(reply=reply):
                    reply.put(await self.context.seams.offload(store.excursions))
                case ReadLearned(reply=reply):
                    reply.put(await self.context.seams.offload(store.learned))
                case ReadOpenSessions(program=program, reply=reply):
                    reply.put(await self.context.seams.offload(store.open_sessions, program))
                case _:
                    pass

    async def _keep_up(self, store: LedgerStore) -> None:
        seams = self.context.seams
        if seams.now() < self._upkeep_at_s:
            return
        self._upkeep_at_s = seams.now() + self.parameters.upkeep_every_s
        await seams.offload(store.upkeep, seams.wall_ms())

    def _opened(self, store: LedgerStore) -> int:
        """How often retired markets have got fills: no two lives of this actor ever say the same number."""
        return (self.context.incarnation << 32) + store.reopened

    def _publish(self, tape: tuple[NumberedFill, ...], store: LedgerStore, complete_to_ms: int) -> None:
        self.context.outbox.publish(
            FillTape(last_seq=store.last_seq, fills=tape, complete_to_ms=complete_to_ms, opened=self._opened(store))
        )
        self.context.outbox.publish(
            Heartbeat(actor="ledger", incarnation=self.context.incarnation, at_s=self.context.seams.now())
        )


def _completions(batch: tuple[object, ...]) -> list[int]:
    return [message.complete_to_ms for message in batch if isinstance(message, FillsComplete)]
