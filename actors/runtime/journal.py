"""The journal: what we intend, before the bytes leave; what became of it, after.

One append-only file per boot, one JSON line per record, one `write` per line. It answers two questions after a crash:
which
groups of ours may still hold orders, and which orders of this boot are open (I2, I3).

Rules:
1. `intent` is written before the request's first byte. If that write fails the request must not be sent.
2. A torn last line is the mark of a kill, not a defect: it is ignored, because its request never left.
3. The file lives under the venue's folder (mode, account, exchange instance): orders of one venue mean nothing in another.
4. Files of older boots are read at boot, and dropped once their groups are verified empty.

Rejected: one row per intent in SQLite. A commit costs 20-120 microseconds and can block on a reader; a `write` costs 2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import msgspec

from actors.messages.orders import JournaledOrder, JournaledState
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import CreateOrder

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
class ChangeIntended:
    """An amend, decrease or cancel is about to leave; `what` is for people."""

    client_order_id: str
    what: str


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


@attrs.frozen(kw_only=True)
class ChangeAnswered:
    client_order_id: str
    kind: str
    code: str = ""


@attrs.frozen(kw_only=True)
class OrderClosed:
    client_order_id: str
    outcome: str


JournalRecord = (
    BootStarted
    | GroupOpened
    | GroupTriggered
    | GroupVerifiedEmpty
    | CreateIntended
    | ChangeIntended
    | CreateAnswered
    | AmendAnswered
    | ChangeAnswered
    | OrderClosed
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

    def apply(self, record: JournalRecord) -> None:
        """Folds one record in."""
        match record:
            case BootStarted():
                pass
            case GroupOpened():
                self.groups[record.group_id] = GroupRecord(record.group_id, record.exchange_index)
            case GroupTriggered():
                if group := self.groups.get(record.group_id):
                    group.triggered = True
            case GroupVerifiedEmpty():
                if group := self.groups.get(record.group_id):
                    group.verified_empty = True
            case CreateIntended():
                self._intended(record.request)
            case CreateAnswered():
                self._create_answered(record)
            case AmendAnswered():
                self._amend_answered(record)
            case ChangeIntended() | ChangeAnswered():
                pass
            case OrderClosed():
                self.orders.pop(record.client_order_id, None)

    def _intended(self, request: CreateOrder) -> None:
        known = self.orders.get(request.client_order_id)
        if known is None:
            self.orders[request.client_order_id] = JournaledOrder(
                request=request, state=JournaledState.INTENT, order_id=None, filled_e2=CountE2(0), ts_ms=0
            )
            return
        # A repeat of an unknown create: either of the two may rest, so keep the larger size and the later expiry.
        kept = attrs.evolve(
            request,
            count_e2=max(request.count_e2, known.request.count_e2),
            expiration_ts_s=max(request.expiration_ts_s or 0, known.request.expiration_ts_s or 0) or None,
        )
        self.orders[request.client_order_id] = attrs.evolve(known, request=kept, state=JournaledState.UNKNOWN)

    def _create_answered(self, record: CreateAnswered) -> None:
        known = self.orders.get(record.client_order_id)
        if known is None:
            return
        if record.kind == "accepted":
            self.orders[record.client_order_id] = attrs.evolve(
                known,
                state=JournaledState.RESTING,
                order_id=record.order_id,
                filled_e2=record.filled_e2,
                ts_ms=record.ts_ms,
            )
        elif record.kind == "unknown" or known.state is JournaledState.UNKNOWN:
            self.orders[record.client_order_id] = attrs.evolve(known, state=JournaledState.UNKNOWN)
        elif record.code != "order_already_exists":
            del self.orders[record.client_order_id]

    def _amend_answered(self, record: AmendAnswered) -> None:
        known = self.orders.get(record.client_order_id)
        if known is None:
            return
        count = record.total_count_e2
        if record.kind != "accepted":  # unknown: either size may rest
            count = max(count, known.request.count_e2)
        request = attrs.evolve(
            known.request,
            price_e4=record.price_e4,
            count_e2=count,
            expiration_ts_s=record.expiration_ts_s or known.request.expiration_ts_s,
        )
        self.orders[record.client_order_id] = attrs.evolve(known, request=request, ts_ms=max(known.ts_ms, record.ts_ms))

    def groups_to_fence(self) -> dict[str, int]:
        """Returns the groups that are not verified empty, with their shards."""
        return {g.group_id: g.exchange_index for g in self.groups.values() if not g.verified_empty}


def encode(record: JournalRecord) -> bytes:
    """Returns the record as one line."""
    return msgspec.json.encode((type(record).__name__, record)) + b"\n"


def replay(lines: Iterable[bytes], state: JournalState) -> None:
    """Folds the lines of a journal file into `state`; a line that does not parse is counted, not fatal (rule 2)."""
    for line in lines:
        try:
            name, raw = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
            state.apply(msgspec.json.decode(raw, type=_KINDS[name]))
        except (msgspec.MsgspecError, KeyError):
            state.torn_lines += 1


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
            raise JournalBroken(f"the journal cannot be written: {error.strerror}") from error
        self.is_healthy = True
        self.state.apply(record)

    def note(self, record: JournalRecord) -> None:
        """Appends a record that must not stop us: an outcome, or the intent of a cancel. The state is kept in any case."""
        try:
            self.write(record)
        except JournalBroken:
            self.state.apply(record)


class JournalFolder:
    """The journal files of one venue."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fd: int | None = None
        self._journal: Journal | None = None

    def read_all(self) -> JournalState:
        """Returns what the files of all older boots add up to."""
        state = JournalState()
        for path in self._files():
            replay(path.read_bytes().splitlines(), state)
        return state

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("journal-*.jsonl"))

    def open(self, boot: str, at_ms: int) -> Journal:
        """Starts the file of this boot. Raises JournalBroken when the folder cannot be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"journal-{at_ms:014d}-{boot}.jsonl"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise JournalBroken(f"no journal can be made in {self._folder}: {error.strerror}") from error
        journal = self._journal = Journal(self._write)
        journal.write(BootStarted(boot=boot, at_ms=at_ms))
        return journal

    def _write(self, line: bytes) -> None:
        assert self._fd is not None
        written = os.write(self._fd, line)
        if written != len(line):
            # A short write is a full disk: end the torn line, so that the next record starts on its own.
            os.write(self._fd, b"\n")
            raise OSError(28, "short write")

    def forget_groups(self, group_ids: Iterable[str]) -> None:
        """Older groups were verified empty: this boot's file says so, and files too old to matter are dropped (rule 4)."""
        assert self._journal is not None
        for group_id in group_ids:
            self._journal.note(GroupVerifiedEmpty(group_id=group_id))
        self.drop_older()

    def drop_older(self, keep: int = FILES_KEPT) -> None:
        """Forgets all but the newest files; called once older groups are verified empty (rule 4)."""
        for path in self._files()[:-keep]:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
