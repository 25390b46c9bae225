"""The journal: whatever is cut off, torn or refused, no order that may exist is forgotten (I2, I3)."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages.orders import JournaledState
from actors.runtime.journal import (
    FILES_KEPT,
    AmendAnswered,
    AmendIntended,
    BootStarted,
    CancelIntended,
    ChangeAnswered,
    CreateAnswered,
    CreateIntended,
    DecreaseAnswered,
    DecreaseIntended,
    GroupOpened,
    GroupTriggered,
    GroupVerifiedEmpty,
    Journal,
    JournalBroken,
    JournalFolder,
    JournalRecord,
    JournalState,
    OrderClosed,
    Probed,
    encode,
    replay,
)
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from tests.quant.orders.sentences import create

ROOT = Path(__file__).resolve().parents[3]


def create_answered(kind: str, client_order_id: str = "us-1", code: str = "") -> CreateAnswered:
    order_id = f"o-{client_order_id}" if kind == "accepted" else None
    return CreateAnswered(
        client_order_id=client_order_id,
        kind=kind,
        order_id=order_id,
        filled_e2=CountE2(0),
        remaining_e2=CountE2(100),
        ts_ms=1_000,
        code=code,
    )


def amend_intended(price_e4: int, total_e2: int, expiry_ts_s: int | None = None) -> AmendIntended:
    return AmendIntended(
        client_order_id="us-1",
        order_id="o-us-1",
        price_e4=PriceE4(price_e4),
        total_count_e2=CountE2(total_e2),
        expiration_ts_s=expiry_ts_s,
    )


def amend_answered(kind: str, price_e4: int, total_e2: int, expiry_ts_s: int | None = None) -> AmendAnswered:
    return AmendAnswered(
        client_order_id="us-1",
        kind=kind,
        price_e4=PriceE4(price_e4),
        total_count_e2=CountE2(total_e2),
        expiration_ts_s=expiry_ts_s,
        ts_ms=2_000,
    )


def state_of(*records: JournalRecord) -> JournalState:
    state = JournalState()
    replay([encode(record).rstrip(b"\n") for record in records], state)
    assert state.torn_lines == 0
    return state


INTENDED = CreateIntended(request=create())
RESTING = (INTENDED, create_answered("accepted"))


class TestACreate:
    def test_counts_from_its_intent(self) -> None:
        order = state_of(INTENDED).orders["us-1"]
        assert (order.state, order.order_id, order.request) == (JournaledState.INTENT, None, create())

    def test_rests_after_a_yes(self) -> None:
        order = state_of(*RESTING).orders["us-1"]
        assert (order.state, order.order_id, order.ts_ms) == (JournaledState.RESTING, "o-us-1", 1_000)

    @pytest.mark.parametrize("kind", ["rejected", "never_sent"])
    def test_is_over_after_a_no(self, kind: str) -> None:
        assert state_of(INTENDED, create_answered(kind)).orders == {}

    def test_is_unknown_without_an_answer(self) -> None:
        assert state_of(INTENDED, create_answered("unknown")).orders["us-1"].state is JournaledState.UNKNOWN

    def test_that_the_exchange_already_has_is_unknown(self) -> None:
        state = state_of(INTENDED, create_answered("rejected", code="order_already_exists"))
        assert state.orders["us-1"].state is JournaledState.UNKNOWN

    def test_is_over_when_the_desk_closed_it(self) -> None:
        state = state_of(*RESTING, amend_intended(4_400, 200), OrderClosed(client_order_id="us-1", outcome="done"))
        assert state.orders == {}
        state.apply(amend_answered("accepted", 4_400, 200))
        state.apply(create_answered("accepted"))
        assert state.orders == {}


class TestARepeat:
    @pytest.mark.parametrize(
        ("side", "prices", "worst_e4"), [(Side.BID, (4_400, 4_300), 4_400), (Side.ASK, (5_600, 5_500), 5_500)]
    )
    def test_leaves_the_worst_of_both(self, side: Side, prices: tuple[int, int], worst_e4: int) -> None:
        first = create("us-1", side, prices[0], 100, expiry_ts_s=50)
        second = create("us-1", side, prices[1], 300, expiry_ts_s=70)
        order = state_of(CreateIntended(request=first), CreateIntended(request=second)).orders["us-1"]
        assert (order.state, order.request.price_e4) == (JournaledState.UNKNOWN, worst_e4)
        assert (order.request.count_e2, order.request.expiration_ts_s) == (300, 70)

    @pytest.mark.parametrize("kind", ["rejected", "never_sent", "unknown"])
    def test_that_was_refused_proves_nothing(self, kind: str) -> None:
        state = state_of(INTENDED, INTENDED, create_answered(kind, code="insufficient_balance"))
        assert state.orders["us-1"].state is JournaledState.UNKNOWN

    @pytest.mark.parametrize("kind", ["rejected", "never_sent", "unknown"])
    def test_of_an_order_that_rests_changes_nothing_whatever_its_answer(self, kind: str) -> None:
        """The first answer came to the journal while OrderDesk was away, so it repeated what it did not know."""
        again = CreateIntended(request=create(count_e2=900))
        assert state_of(*RESTING, again, create_answered(kind)).orders == state_of(*RESTING).orders

    def test_that_is_overtaken_by_the_first_answer_cannot_delete_the_order(self) -> None:
        state = state_of(INTENDED, INTENDED, create_answered("accepted"), create_answered("rejected"))
        assert state.orders["us-1"].state is JournaledState.RESTING


class TestAnAmend:
    def test_counts_from_its_intent_as_the_worse_of_both(self) -> None:
        order = state_of(*RESTING, amend_intended(4_500, 250, 77)).orders["us-1"]
        assert (order.state, order.order_id) == (JournaledState.UNKNOWN, "o-us-1")
        assert (order.request.price_e4, order.request.count_e2) == (4_500, 250)

    def test_that_shrinks_counts_at_the_old_size_until_it_is_answered(self) -> None:
        assert state_of(*RESTING, amend_intended(4_300, 50)).orders["us-1"].request == create()

    def test_that_was_done_is_the_order(self) -> None:
        state = state_of(*RESTING, amend_intended(4_300, 50, 77), amend_answered("accepted", 4_300, 50, 77))
        order = state.orders["us-1"]
        assert (order.state, order.ts_ms) == (JournaledState.RESTING, 2_000)
        assert order.request == create(price_e4=4_300, count_e2=50, expiry_ts_s=77)

    def test_without_an_expiry_keeps_the_present_one(self) -> None:
        state = state_of(*RESTING, amend_intended(4_300, 50), amend_answered("accepted", 4_300, 50))
        assert state.orders["us-1"].request.expiration_ts_s == create().expiration_ts_s

    @pytest.mark.parametrize("kind", ["rejected", "never_sent"])
    def test_that_was_not_done_leaves_the_order_as_it_was(self, kind: str) -> None:
        state = state_of(*RESTING, amend_intended(4_500, 250), amend_answered(kind, 4_500, 250))
        assert state.orders == state_of(*RESTING).orders

    def test_of_unknown_fate_leaves_the_order_in_doubt(self) -> None:
        state = state_of(*RESTING, amend_intended(4_500, 250), amend_answered("unknown", 4_500, 250))
        assert state.orders["us-1"].state is JournaledState.UNKNOWN
        state.apply(amend_answered("rejected", 4_500, 250))
        assert state.orders["us-1"].request.count_e2 == 250

    def test_beside_another_one_leaves_a_doubt_that_no_single_answer_ends(self) -> None:
        state = state_of(*RESTING, amend_intended(4_500, 250), amend_intended(4_500, 400))
        state.apply(amend_answered("accepted", 4_500, 250))
        order = state.orders["us-1"]
        assert (order.state, order.request.count_e2) == (JournaledState.UNKNOWN, 400)

    @pytest.mark.parametrize("kind", [None, "unknown", "accepted", "rejected"])
    def test_of_an_order_whose_create_had_no_answer_shows_that_it_landed(self, kind: str | None) -> None:
        """The private channel told the desk; the next desk must not take the late amend for impossible."""
        answers = [amend_answered(kind, 4_500, 900)] if kind else []
        order = state_of(INTENDED, create_answered("unknown"), amend_intended(4_500, 900), *answers).orders["us-1"]
        assert (order.state, order.order_id, order.request.count_e2) == (JournaledState.UNKNOWN, "o-us-1", 900)

    def test_of_an_order_that_the_journal_does_not_know_is_ignored(self) -> None:
        assert state_of(amend_intended(1, 1), amend_answered("accepted", 1, 1)).orders == {}


class TestADecrease:
    @pytest.mark.parametrize("kind", [None, "unknown", "accepted"])
    def test_leaves_the_total_in_doubt(self, kind: str | None) -> None:
        """Even when it was done: the answer does not tell what had filled before."""
        answers = [DecreaseAnswered(client_order_id="us-1", kind=kind)] if kind else []
        order = state_of(*RESTING, DecreaseIntended(client_order_id="us-1", order_id="o-us-1"), *answers).orders["us-1"]
        assert (order.state, order.request.count_e2) == (JournaledState.UNKNOWN, 100)

    @pytest.mark.parametrize("kind", ["rejected", "never_sent"])
    def test_that_was_not_done_leaves_the_order_as_it_was(self, kind: str) -> None:
        records = (
            DecreaseIntended(client_order_id="us-1", order_id="o-us-1"),
            DecreaseAnswered(client_order_id="us-1", kind=kind),
        )
        assert state_of(*RESTING, *records).orders == state_of(*RESTING).orders


class TestGroups:
    OPENED = GroupOpened(group_id="g1", exchange_index=2)

    def test_are_to_be_fenced_until_they_are_verified_empty(self) -> None:
        state = state_of(self.OPENED, GroupTriggered(group_id="g1", at_ms=5))
        assert (state.groups_to_fence(), state.groups["g1"].triggered) == ({"g1": 2}, True)
        state.apply(GroupVerifiedEmpty(group_id="g1"))
        assert state.groups_to_fence() == {}

    def test_are_known_from_their_orders_where_their_opening_was_lost(self) -> None:
        assert state_of(CreateIntended(request=create(group_id="g7", exchange_index=3))).groups_to_fence() == {"g7": 3}

    def test_that_were_never_opened_are_ignored(self) -> None:
        state = state_of(GroupTriggered(group_id="g1", at_ms=5), GroupVerifiedEmpty(group_id="g1"))
        assert state.groups == {}


def test_what_is_only_for_people_changes_nothing() -> None:
    records = (
        BootStarted(boot="b", at_ms=1),
        CancelIntended(client_order_id="us-1"),
        ChangeAnswered(client_order_id="us-1", kind="unknown"),
        Probed(),
    )
    assert state_of(*RESTING, *records).orders == state_of(*RESTING).orders


COUNTS = st.integers(1, 500)
IDS = st.sampled_from(["us-1", "us-2", "us-3"])
KINDS = st.sampled_from(["accepted", "rejected", "unknown", "never_sent"])
CODES = st.sampled_from(["", "insufficient_balance", "order_already_exists"])
RECORDS = st.one_of(
    st.builds(lambda cid, count: CreateIntended(request=create(cid, count_e2=count)), IDS, COUNTS),
    st.builds(lambda cid, kind, code: create_answered(kind, cid, code), IDS, KINDS, CODES),
    st.builds(lambda cid, total: attrs.evolve(amend_intended(4_500, total), client_order_id=cid), IDS, COUNTS),
    st.builds(lambda cid, kind: attrs.evolve(amend_answered(kind, 4_500, 100), client_order_id=cid), IDS, KINDS),
    st.builds(lambda cid: DecreaseIntended(client_order_id=cid, order_id="o"), IDS),
    st.builds(lambda cid: OrderClosed(client_order_id=cid, outcome="done"), IDS),
)


def open_by_the_plainest_reading(records: list[JournalRecord]) -> set[str]:
    """Ids with a complete intent that nothing final was said about: no "yes" and no "no" to a create sent only once."""
    attempts: dict[str, int] = {}
    landed: set[str] = set()
    for record in records:
        match record:
            case CreateIntended(request=request):
                attempts[request.client_order_id] = attempts.get(request.client_order_id, 0) + 1
            case CreateAnswered(client_order_id=cid, kind="accepted") if cid in attempts:
                landed.add(cid)
            case CreateAnswered(client_order_id=cid, kind="unknown") if cid in attempts:
                attempts[cid] += 1  # a "no" to a later one would prove nothing any more
            case CreateAnswered(client_order_id=cid, code="order_already_exists") if cid in attempts:
                attempts[cid] += 1
            case CreateAnswered(client_order_id=cid) if attempts.get(cid) == 1 and cid not in landed:
                del attempts[cid]
            case AmendIntended(client_order_id=cid) | DecreaseIntended(client_order_id=cid) if cid in attempts:
                attempts[cid] += 1  # whoever amends it knows that it landed
            case OrderClosed(client_order_id=cid):
                attempts.pop(cid, None)
                landed.discard(cid)
            case _:
                pass
    return set(attempts)


@given(st.lists(RECORDS, max_size=25), st.integers(0, 10_000))
def test_every_prefix_of_a_journal_cut_anywhere_names_every_order_that_may_exist(
    records: list[JournalRecord], cut: int
) -> None:
    written = b"".join(encode(record) for record in records)
    kept = written[: cut % (len(written) + 1)]
    state = JournalState()
    replay(kept.split(b"\n"), state)
    complete = kept.count(b"\n")
    if complete < len(records) and kept.split(b"\n")[-1] == encode(records[complete])[:-1]:
        complete += 1  # only the end of the line is missing
    assert set(state.orders) == open_by_the_plainest_reading(records[:complete])


@given(st.lists(RECORDS, max_size=25))
def test_the_state_that_lives_on_is_the_one_that_is_read_again(records: list[JournalRecord]) -> None:
    lines: list[bytes] = []
    journal = Journal(lines.append)
    for record in records:
        journal.write(record)
    again = JournalState()
    replay(b"".join(lines).split(b"\n"), again)
    assert (again.orders, again.groups) == (journal.state.orders, journal.state.groups)


@given(st.binary(max_size=60))
def test_garbage_is_counted_and_never_fatal(garbage: bytes) -> None:
    state = JournalState()
    replay([garbage, encode(INTENDED).rstrip(b"\n")], state)
    assert set(state.orders) == {"us-1"}


def test_records_of_kinds_that_this_version_does_not_know_are_counted() -> None:
    state = JournalState()
    replay([b'["Later",{}]', b'["CreateIntended",{"request":1}]', b""], state)
    assert state.torn_lines == 2


class TestWriting:
    def test_a_failed_intent_raises_and_leaves_no_order(self) -> None:
        journal = Journal(self.refuse)
        with pytest.raises(JournalBroken, match="No space left on device") as broken:
            journal.write(INTENDED)
        assert isinstance(broken.value.__cause__, OSError)
        assert (journal.is_healthy, journal.failures, journal.state.orders) == (False, 1, {})

    def test_a_failed_note_is_kept_in_mind(self) -> None:
        journal = Journal(self.refuse)
        journal.note(GroupOpened(group_id="g1", exchange_index=0))
        assert (journal.is_healthy, journal.state.groups_to_fence()) == (False, {"g1": 0})

    def test_it_is_healthy_again_with_the_next_success(self) -> None:
        answers = [OSError(errno.EIO, "Input/output error"), None]
        journal = Journal(lambda line: self.play(answers))
        journal.note(INTENDED)
        journal.write(INTENDED)
        assert (journal.is_healthy, journal.failures) == (True, 1)

    def test_a_broken_one_is_tried_again_although_nothing_is_sent(self) -> None:
        """Without a permit nothing is written, and without health there is no permit."""
        answers = [OSError("no words"), OSError(errno.ENOSPC, "full"), None]
        lines: list[bytes] = []

        def append(line: bytes) -> None:
            self.play(answers)
            lines.append(line)

        journal = Journal(append)
        assert journal.probe()
        assert lines == []
        with pytest.raises(JournalBroken, match="no words"):
            journal.write(INTENDED)
        assert not journal.probe()
        assert journal.probe()
        assert lines == [encode(Probed())]

    @staticmethod
    def refuse(line: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @staticmethod
    def play(answers: list[OSError | None]) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer


class TestAFolder:
    def test_gives_back_what_was_written(self, tmp_path: Path) -> None:
        folder = JournalFolder(tmp_path / "venue")
        journal = folder.open("boot1", 1_000)
        journal.write(GroupOpened(group_id="g1", exchange_index=0))
        journal.write(INTENDED)
        folder.close()
        folder.close()
        state = JournalFolder(tmp_path / "venue").read_all()
        assert (set(state.orders), state.groups_to_fence(), state.torn_lines) == ({"us-1"}, {"g1": 0}, 0)
        (path,) = (tmp_path / "venue").iterdir()
        assert (path.name, path.stat().st_mode & 0o777) == ("journal-00000000001000-boot1.jsonl", 0o600)

    def test_that_does_not_exist_holds_nothing(self, tmp_path: Path) -> None:
        assert JournalFolder(tmp_path / "none").read_all().orders == {}

    def test_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(JournalBroken, match="no journal can be made"):
            JournalFolder(tmp_path / "file" / "venue").open("b", 1)

    def test_that_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "journal-1-b.jsonl").mkdir()
        with pytest.raises(JournalBroken, match=r"journal-1-b\.jsonl cannot be read"):
            JournalFolder(tmp_path).read_all()

    def test_remembers_over_boots_what_was_verified_to_be_gone(self, tmp_path: Path) -> None:
        first = JournalFolder(tmp_path)
        journal = first.open("boot1", 1_000)
        journal.write(GroupOpened(group_id="g1", exchange_index=0))
        journal.write(INTENDED)
        first.close()
        second = JournalFolder(tmp_path)
        second.open("boot2", 2_000)
        second.forget(["g1"], ["us-1"])
        second.close()
        state = JournalFolder(tmp_path).read_all()
        assert (state.groups_to_fence(), state.orders) == ({}, {})

    def test_drops_the_oldest_files_and_never_the_open_one(self, tmp_path: Path) -> None:
        for boot in range(FILES_KEPT + 3):
            folder = JournalFolder(tmp_path)
            folder.open(f"b{boot}", 1_000 + boot)
            folder.close()
        early = JournalFolder(tmp_path)  # the wall clock was set back
        early.open("early", 1)
        early.forget([], ())
        early.close()
        names = sorted(path.name for path in tmp_path.iterdir())
        assert len(names) == FILES_KEPT + 1
        assert names[0] == "journal-00000000000001-early.jsonl"
        assert names[1] == "journal-00000000001003-b3.jsonl"

    def test_a_line_torn_by_a_full_disk_does_not_swallow_the_next_record(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = JournalFolder(tmp_path)
        journal = folder.open("boot1", 1_000)
        whole_write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: whole_write(fd, data[:20]))
        with pytest.raises(JournalBroken, match="only a part"):
            journal.write(CreateIntended(request=create("us-7")))
        monkeypatch.setattr(os, "write", self.full)
        with pytest.raises(JournalBroken, match="full"):
            journal.write(CreateIntended(request=create("us-8")))
        monkeypatch.setattr(os, "write", whole_write)
        journal.write(INTENDED)
        folder.close()
        state = JournalFolder(tmp_path).read_all()
        assert (set(state.orders), state.torn_lines) == ({"us-1"}, 1)

    @staticmethod
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    def test_that_somebody_removed_confirms_nothing_any_more(self, tmp_path: Path) -> None:
        folder = JournalFolder(tmp_path)
        journal = folder.open("boot1", 1_000)
        for path in tmp_path.iterdir():
            path.unlink()
        with pytest.raises(JournalBroken, match="was removed"):
            journal.write(INTENDED)
        folder.close()

    def test_whose_disk_is_full_from_the_start_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "write", self.full)
        folder = JournalFolder(tmp_path)
        with pytest.raises(JournalBroken, match="full"):
            folder.open("boot1", 1_000)
        assert folder._fd is None


@pytest.mark.process
def test_a_file_that_really_may_not_grow_loses_nothing_of_what_was_confirmed(tmp_path: Path) -> None:
    """A child with a limit on file sizes: every create it was allowed to send is in the file, and health comes back."""
    script = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from actors.runtime.journal import CreateIntended, JournalBroken, JournalFolder
        from tests.quant.orders.sentences import create

        journal = JournalFolder(Path(sys.argv[1])).open("boot1", 1_000)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
        refused = 0
        for place in range(20):
            try:
                journal.write(CreateIntended(request=create(f"us-{place}")))
            except JournalBroken:
                refused += 1
            else:
                print("sent", place)
        assert refused and not journal.is_healthy and not journal.probe()
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert journal.probe()
        journal.write(CreateIntended(request=create("us-after")))
        print("sent", "after")
        """
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    confirmed = {f"us-{line.split()[1]}" for line in ended.stdout.splitlines()}
    state = JournalFolder(tmp_path).read_all()
    assert len(confirmed) >= 3
    assert set(state.orders) >= confirmed
    assert len(set(state.orders) - confirmed) <= 1  # a line that was cut just before its end is whole all the same
    assert "us-after" in confirmed
