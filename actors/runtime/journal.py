"""The journal: what we intend, before the bytes leave; what became of it, after.

One append-only file per boot, one JSON line per record, one `write` per line. It answers two questions after a
crash: which groups of ours may still hold orders, and which orders of this boot are open (I2, I3).

Rules:
1. `intent` is written before the request's first byte. If that write fails the request must not be sent.
2. A torn line is the mark of a kill or of a full disk, not a defect: it is ignored, because its request never
   left. The next record starts on a line of its own, whatever became of the one before.
3. An intent without its answer counts as done in the worst way: a create as unknown; an amend as having either
   its own or the old size and price, whichever is larger or more aggressive; a decrease as not done. Such an
   order is `JournaledState.UNKNOWN`; with an order id it rests for certain, and only its total is in doubt. So
   it is after a decrease that was done, too, because its answer does not tell what had filled before.
4. The file lives under the venue's folder (mode, account, exchange instance): orders of one venue mean nothing
   in another.
5. Files of older boots are read at boot, and dropped once their groups are verified empty.
6. Somebody must try whether a broken journal can be written again: with nothing sent, nothing is written.

Rejected: one row per intent in SQLite. A commit costs 20-120 microseconds and can block on a reader; a `write`
costs 2.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import msgspec

from actors.messages.orders import JournaledOrder, JournaledState
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import CreateOrder, Side

FILES_KEPT = 10


@attrs.frozen(kw_only=True)
class BootStarted:
    boot: str
    at_ms: int


@attrs.frozen(kw_only=True)
class GroupOpened:
    group_id: str
    exchange_index: int


@attrs.frozen(kw_only=True)
class GroupTriggered:
    group_id: str
    at_ms: int


@attrs.frozen(kw_only=True)
class GroupVerifiedEmpty:
    group_id: str


@attrs.frozen(kw_only=True)
class CreateIntended:
    request: CreateOrder


@attrs.frozen(kw_only=True)
class AmendIntended:
    client_order_id: str
    order_id: str
    price_e4: PriceE4
    total_count_e2: CountE2
    expiration_ts_s: int | None


@attrs.frozen(kw_only=True)
class DecreaseIntended:
    client_order_id: str
    order_id: str


@attrs.frozen(kw_only=True)
class CancelIntended:
    client_order_id: str


@attrs.frozen(kw_only=True)
class CreateAnswered:
    client_order_id: str
    kind: str
    order_id: str | None
    filled_e2: CountE2
    remaining_e2: CountE2
    ts_ms: int
    code: str = ""


@attrs.frozen(kw_only=True)
class AmendAnswered:
    client_order_id: str
    kind: str
    price_e4: PriceE4
    total_count_e2: CountE2
    expiration_ts_s: int | None
    ts_ms: int
    code: str = ""


@attrs.frozen(kw_only=True)
class DecreaseAnswered:
    client_order_id: str
    kind: str
    code: str = ""


@attrs.frozen(kw_only=True)
class ChangeAnswered:
    """The answer to anything else: a cancel, or a group that was not opened."""

    client_order_id: str
    kind: str
    code: str = ""


@attrs.frozen(kw_only=True)
class OrderClosed:
    client_order_id: str
    outcome: str


@attrs.frozen(kw_only=True)
class Probed:
    """Written only to learn whether the journal can be written again (rule 6)."""


JournalRecord = (
    BootStarted
    | GroupOpened
    | GroupTriggered
    | GroupVerifiedEmpty
    | CreateIntended
    | AmendIntended
    | DecreaseIntended
    | CancelIntended
    | CreateAnswered
    | AmendAnswered
    | DecreaseAnswered
    | ChangeAnswered
    | OrderClosed
    | Probed
)
_KINDS: dict[str, type[JournalRecord]] = {kind.__name__: kind for kind in JournalRecord.__args__}


class JournalBroken(Exception):
    """The journal cannot be written, so nothing new may be sent. The disk may be full; the cause is chained."""


@attrs.define
class GroupRecord:
    group_id: str
    exchange_index: int
    triggered: bool = False
    verified_empty: bool = False


class JournalState:
    """What the records so far add up to."""

    def __init__(self) -> None:
        self.groups: dict[str, GroupRecord] = {}
        self.orders: dict[str, JournaledOrder] = {}
        self.torn_lines = 0
        # Orders with a change in flight, as they were before it.
        self._before_change: dict[str, JournaledOrder] = {}

    def apply(self, record: JournalRecord) -> None:
        """Folds one record in."""
        match record:
            case GroupOpened():
                self._know_group(record.group_id, record.exchange_index)
            case GroupTriggered():
                if group := self.groups.get(record.group_id):
                    group.triggered = True
            case GroupVerifiedEmpty():
                if group := self.groups.get(record.group_id):
                    group.verified_empty = True
            case CreateIntended():
                self._create_intended(record.request)
            case AmendIntended():
                self._amend_intended(record)
            case DecreaseIntended():
                self._change_intended(record)
            case CreateAnswered():
                self._create_answered(record)
            case AmendAnswered():
                self._amend_answered(record)
            case DecreaseAnswered():
                self._decrease_answered(record)
            case OrderClosed():
                self.orders.pop(record.client_order_id, None)
                self._before_change.pop(record.client_order_id, None)
            case BootStarted() | CancelIntended() | ChangeAnswered() | Probed():
                pass

    def _know_group(self, group_id: str, exchange_index: int) -> None:
        self.groups.setdefault(group_id, GroupRecord(group_id, exchange_index))

    def _create_intended(self, request: CreateOrder) -> None:
        if request.order_group_id is not None:
            # Its opening may have been lost to a full disk; an order in it must not go without its fence.
            self._know_group(request.order_group_id, request.exchange_index)
        known = self.orders.get(request.client_order_id)
        if known is None:
            self.orders[request.client_order_id] = JournaledOrder(
                request=request, state=JournaledState.INTENT, order_id=None, filled_e2=CountE2(0), ts_ms=0
            )
        elif known.order_id is None:
            # A repeat of an unknown create: either of the two may rest. One that is known to have landed has
            # used up its client id, so a repeat of it changes nothing.
            worst = _worse(request, known.request.price_e4, known.request.count_e2, known.request.expiration_ts_s)
            self.orders[request.client_order_id] = attrs.evolve(known, request=worst, state=JournaledState.UNKNOWN)

    def _create_answered(self, record: CreateAnswered) -> None:
        known = self.orders.get(record.client_order_id)
        if known is None or known.order_id is not None:
            return
        if record.kind == "accepted":
            self.orders[record.client_order_id] = attrs.evolve(
                known,
                state=JournaledState.RESTING,
                order_id=record.order_id,
                filled_e2=record.filled_e2,
                ts_ms=record.ts_ms,
            )
        elif record.kind == "unknown" or record.code == "order_already_exists":
            self.orders[record.client_order_id] = attrs.evolve(known, state=JournaledState.UNKNOWN)
        elif known.state is JournaledState.INTENT:
            del self.orders[record.client_order_id]

    def _change_intended(self, record: AmendIntended | DecreaseIntended) -> JournaledOrder | None:
        known = self.orders.get(record.client_order_id)
        if known is None:
            return None
        if known.state is JournaledState.RESTING:
            self._before_change[record.client_order_id] = known
        else:
            self._before_change.pop(record.client_order_id, None)  # a second doubt: no single answer can end both
        # Whoever changes an order knows that it has landed, even where the answer to its create was lost.
        in_doubt = attrs.evolve(known, state=JournaledState.UNKNOWN, order_id=record.order_id)
        self.orders[record.client_order_id] = in_doubt
        return in_doubt

    def _amend_intended(self, record: AmendIntended) -> None:
        known = self._change_intended(record)
        if known is not None:
            worst = _worse(known.request, record.price_e4, record.total_count_e2, record.expiration_ts_s)
            self.orders[record.client_order_id] = attrs.evolve(known, request=worst)

    def _amend_answered(self, record: AmendAnswered) -> None:
        before = self._before_change.pop(record.client_order_id, None)
        if before is None or record.kind == "unknown":
            return  # in doubt from now on
        after = before
        if record.kind == "accepted":
            request = attrs.evolve(
                before.request,
                price_e4=record.price_e4,
                count_e2=record.total_count_e2,
                expiration_ts_s=record.expiration_ts_s or before.request.expiration_ts_s,
            )
            after = attrs.evolve(before, request=request, ts_ms=max(before.ts_ms, record.ts_ms))
        self.orders[record.client_order_id] = after

    def _decrease_answered(self, record: DecreaseAnswered) -> None:
        before = self._before_change.pop(record.client_order_id, None)
        if before is not None and record.kind in ("rejected", "never_sent"):
            self.orders[record.client_order_id] = before

    def groups_to_fence(self) -> dict[str, int]:
        """Returns the groups that are not verified empty, with their shards."""
        return {g.group_id: g.exchange_index for g in self.groups.values() if not g.verified_empty}


def _worse(request: CreateOrder, price_e4: PriceE4, count_e2: CountE2, expiry_ts_s: int | None) -> CreateOrder:
    """Returns the request as the worst of both: larger, more aggressive, expiring later."""
    prices = (request.price_e4, price_e4)
    return attrs.evolve(
        request,
        price_e4=max(prices) if request.side is Side.BID else min(prices),
        count_e2=max(request.count_e2, count_e2),
        expiration_ts_s=max(request.expiration_ts_s or 0, expiry_ts_s or 0) or None,
    )


def encode(record: JournalRecord) -> bytes:
    """Returns the record as one line."""
    return msgspec.json.encode((type(record).__name__, record)) + b"\n"


def replay(lines: Iterable[bytes], state: JournalState) -> None:
    """Folds the lines of a journal file into `state`; a line that does not parse is counted, not fatal (rule 2)."""
    for line in lines:
        if not line:
            continue
        try:
            name, raw = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
            record = msgspec.json.decode(raw, type=_KINDS[name])
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            state.torn_lines += 1
        else:
            state.apply(record)


class Journal:
    """The open journal of this boot: appends, and knows what the records add up to."""

    def __init__(self, append: Callable[[bytes], None]) -> None:
        self._append = append
        self.state = JournalState()
        self.is_healthy = True
        self.failures = 0

    def write(self, record: JournalRecord) -> None:
        """Appends one record. Raises JournalBroken when the operating system refuses; healthy again with the next
        success.
        """
        try:
            self._append(encode(record))
        except OSError as error:
            self.is_healthy = False
            self.failures += 1
            raise JournalBroken(f"the journal cannot be written: {error.strerror or error}") from error
        self.is_healthy = True
        self.state.apply(record)

    def note(self, record: JournalRecord) -> None:
        """Appends a record that must not stop us: an outcome, or the intent of a cancel. The state has it anyway."""
        try:
            self.write(record)
        except JournalBroken:
            self.state.apply(record)

    def probe(self) -> bool:
        """Tries whether a broken journal can be written again, and returns whether it is healthy (rule 6)."""
        if not self.is_healthy:
            self.note(Probed())
        return self.is_healthy


class JournalFolder:
    """The journal files of one venue."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._fd: int | None = None
        self._journal: Journal | None = None
        self._line_is_torn = False

    def read_all(self) -> JournalState:
        """Returns what the files of all older boots add up to. Raises JournalBroken for one that cannot be read."""
        state = JournalState()
        try:
            for path in self._files():
                replay(path.read_bytes().split(b"\n"), state)
        except OSError as error:
            raise JournalBroken(f"the journal {error.filename} cannot be read: {error.strerror}") from error
        return state

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("journal-*.jsonl"))

    def open(self, boot: str, at_ms: int) -> Journal:
        """Starts the file of this boot. Raises JournalBroken when the folder cannot be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path = self._folder / f"journal-{at_ms:014d}-{boot}.jsonl"
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise JournalBroken(f"no journal can be made in {self._folder}: {error.strerror}") from error
        journal = self._journal = Journal(self._write)
        try:
            journal.write(BootStarted(boot=boot, at_ms=at_ms))
        except JournalBroken:
            self.close()
            raise
        return journal

    def _write(self, line: bytes) -> None:
        assert self._fd is not None
        if os.fstat(self._fd).st_nlink == 0:
            # Somebody removed the state folder: what is written now, nobody could read after a crash.
            raise OSError(errno.ENOENT, "the journal's file was removed")
        whole = b"\n" + line if self._line_is_torn else line
        written = os.write(self._fd, whole)
        # A short write is a full disk. What it left must not swallow the next record, so that one begins anew.
        self._line_is_torn = written != len(whole)
        if self._line_is_torn:
            raise OSError(errno.ENOSPC, "only a part of the line could be written")

    def forget(self, group_ids: Iterable[str], client_order_ids: Iterable[str]) -> None:
        """Older boots left nothing, verified: this boot's file says so, and files too old to matter go (rule 5)."""
        assert self._journal is not None
        for client_order_id in client_order_ids:
            self._journal.note(OrderClosed(client_order_id=client_order_id, outcome="swept by the next boot"))
        for group_id in group_ids:
            self._journal.note(GroupVerifiedEmpty(group_id=group_id))
        self.drop_older()

    def drop_older(self, keep: int = FILES_KEPT) -> None:
        """Forgets all but the newest files, and never the open one; called once older groups are verified empty."""
        for path in self._files()[:-keep]:
            if path != self._path:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the writing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
