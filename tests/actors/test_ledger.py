"""I4: the Ledger numbers every fill exactly once, whatever comes, however often, and over any number of restarts."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages.money import FillMark, JoinFills, MarketVerdict, Record, RecordVerdicts
from actors.messages.sessions import SessionRow
from actors.runtime.ledger_store.database import LedgerBroken
from actors.runtime.ledger_store.reading import latest_verdicts
from actors.runtime.ledger_store.store import LedgerStore
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side
from quant.selection.experience import Learned
from quant.selection.toxicity import Record as ToxicityRecord


def _fill(n: int, order: str = "o") -> Fill:
    return Fill(
        fill_id=f"f{n}",
        order_id=order,
        ticker="T",
        side=Side.BID if n % 2 else Side.ASK,
        price_e4=PriceE4(5_000 + n),
        count_e2=CountE2(100 + n),
        fee_e6=MoneyE6(n),
        is_taker=bool(n % 3),
        ts_ms=1_000 + n,
        exchange_index=n % 2,
        client_order_id=None if n % 4 else f"c{n}",
    )


def test_what_is_read_back_is_what_was_stored(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    stored = tuple(store.record_fills(tuple((_fill(n), "rest") for n in range(8))))

    assert [numbered.fill_seq for numbered in stored] == list(range(1, 9))
    assert store.fills_after(0) == stored
    assert store.fills_after(5) == stored[5:]
    store.close()


def test_a_known_fill_keeps_its_number_and_gets_no_second_one(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    store.record_fills(((_fill(1), "socket"), (_fill(1), "rest")))

    assert tuple(store.record_fills(((_fill(1), "rest"), (_fill(2), "rest")))) == store.fills_after(1)
    assert store.last_seq == 2
    store.close()


def test_two_orders_may_share_a_fill_id(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    assert len(store.record_fills(((_fill(1, "a"), "rest"), (_fill(1, "b"), "rest")))) == 2
    store.close()


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 20),
    repeats=st.lists(st.integers(0, 19), max_size=20),
    chunk=st.integers(1, 6),
    reopen_every=st.integers(1, 4),
    order=st.randoms(use_true_random=False),
)
def test_any_order_any_repetition_and_any_restart_numbers_each_fill_once_and_densely(
    count: int, repeats: list[int], chunk: int, reopen_every: int, order: Random
) -> None:
    fills = [_fill(n) for n in range(count)]
    deliveries = fills + [fills[n % count] for n in repeats]
    order.shuffle(deliveries)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        store = LedgerStore(path)
        for step, start in enumerate(range(0, len(deliveries), chunk)):
            store.record_fills(tuple((fill, "rest") for fill in deliveries[start : start + chunk]))
            if step % reopen_every == 0:
                store.close()
                store = LedgerStore(path)
        kept = store.fills_after(0)
        store.close()
    assert [numbered.fill_seq for numbered in kept] == list(range(1, count + 1))
    assert {numbered.fill for numbered in kept} == set(fills)


def test_rows_for_people_go_into_their_table(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = LedgerStore(path)
    values = (("code", "x"), ("severity", "error"), ("actor", "feed"), ("text", "t"), ("at_ms", 5))
    store.record_rows((Record(table="alerts", values=values),))
    store.close()

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT code, at_ms FROM alerts").fetchall() == [("x", 5)]


def test_a_table_nobody_declared_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    with pytest.raises(ValueError, match="no table"):
        store.record_rows((Record(table="fills; DROP TABLE fills", values=()),))
    store.record_fills(((_fill(1), "rest"),))
    store.close()


def test_a_damaged_file_is_told_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)

    with pytest.raises(LedgerBroken, match=r"ledger\.sqlite"):
        LedgerStore(path)


def test_a_disk_that_is_full_leaves_numbers_and_file_as_they_were(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    store.record_fills(((_fill(1), "rest"),))
    store._database.connection.execute("PRAGMA max_page_count = 1")  # SQLite's own way to run out of room
    many = tuple((_fill(n), "rest") for n in range(2, 3_000))

    with pytest.raises(LedgerBroken, match="cannot be written"):
        store.record_fills(many)

    assert store.last_seq == 1
    assert len(store.fills_after(0)) == 1
    store.close()


def test_of_each_program_the_latest_verdict_of_a_market_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = LedgerStore(path)

    def batch(program: str, at_ms: int, *verdicts: MarketVerdict) -> RecordVerdicts:
        return RecordVerdicts(program=program, verdicts=verdicts, at_ms=at_ms)

    refused = MarketVerdict(ticker="A", is_selected=False, reasons=("volume is too low", "status is closed"))
    store.record_verdicts((batch("scored", 1, attrs.evolve(refused, ticker="B"), refused), batch("named", 1, refused)))
    store.record_verdicts((batch("scored", 2, MarketVerdict(ticker="A", is_selected=True, reasons=())),))
    store.close()
    assert latest_verdicts(path, "A") == (
        "named: not selected: volume is too low; status is closed",
        "scored: selected",
    )
    assert latest_verdicts(path, "C") == ()
    with pytest.raises(LedgerBroken, match="cannot be read"):
        latest_verdicts(tmp_path / "nothing", "A")


def test_what_own_fills_taught_is_read_back_newest_state_and_oldest_first(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    old, new = (
        ToxicityRecord(at_ms=at_ms, contracts=1.5, markout_dollars=-0.25, excluded_until_ms=9, exclusions=1, reason="r")
        for at_ms in (1, 2)
    )
    first = Learned(markets=(("B", new), ("A", old)), series=(("S", old),), realised=(("A", MoneyE6(5)),))
    store.keep_learned((first, Learned(series=(("S", new),), realised=(("B", MoneyE6(-1)), ("A", MoneyE6(7))))))
    store.close()
    store = LedgerStore(tmp_path / "ledger.sqlite")
    assert store.learned() == Learned(
        markets=(("A", old), ("B", new)),
        series=(("S", new),),
        realised=(("B", MoneyE6(-1)), ("A", MoneyE6(7))),
    )
    store.close()


def _session(session_id: str, *, ended_ms: int | None = None, program: str = "volatility") -> SessionRow:
    return SessionRow(
        session_id=session_id,
        program=program,
        ticker=f"T-{session_id}",
        event_id="1-1",
        started_ms=1_000,
        ended_ms=ended_ms,
        close_time_ms=9_000,
        phase="quoting",
        end_reason="" if ended_ms is None else "time to live",
        left="",
        pnl_at_start_e6=MoneyE6(5),
        pnl_e6=MoneyE6(-7),
        position_e2=CountE2(300),
    )


def test_a_session_has_one_row_and_those_that_are_open_are_found_again(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    rows = (_session("a"), _session("b"), _session("c", program="other"))
    store.record_sessions(rows)
    store.record_sessions((_session("a"), _session("b", ended_ms=2_000)))
    store.close()
    store = LedgerStore(tmp_path / "ledger.sqlite")
    assert store.open_sessions("volatility") == (_session("a"),)
    assert store.open_sessions("other") == rows[2:]
    store.close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as database:
        found = database.execute("SELECT session_id, ended_ms, end_reason FROM volatility_sessions ORDER BY 1")
        assert found.fetchall() == [("a", None, ""), ("b", 2_000, "time to live"), ("c", None, "")]


def test_the_mark_of_rest_and_the_newest_keys_outlive_the_ledger_and_the_mark_never_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = LedgerStore(path)
    assert store.fill_mark() == FillMark(complete_to_ms=0, seen=())
    store.record_fills(tuple((_fill(n), "rest") for n in (1, 2)))
    store.keep_fill_mark(5_000)
    store.keep_fill_mark(4_000)
    store.close()

    store = LedgerStore(path)
    assert store.fill_mark() == FillMark(complete_to_ms=5_000, seen=(("o", "f1"), ("o", "f2")))
    store.close()


def test_a_fill_that_came_without_its_orders_client_id_gets_it_and_no_other_does(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    store.record_fills(((_fill(1), "rest"), (_fill(4), "socket"), (_fill(1, "other"), "rest")))
    store.join_fills((JoinFills(ticker="T", order_id="o", client_order_id="c"),))
    assert [numbered.fill.client_order_id for numbered in store.fills_after(0)] == ["c", "c4", None]
    store.close()
