"""Old rows go in small slices, the books' rows never; free pages are given back; the writer is never held for long."""

from __future__ import annotations

import time
from pathlib import Path

from actors.messages.money import Record
from actors.runtime.ledger_store.parameters import LedgerParameters
from actors.runtime.ledger_store.retention import DAY_MS, SLICE_PAGES, SLICE_ROWS
from actors.runtime.ledger_store.store import LedgerStore
from tests.actors.runtime.ledger_store.builders import alert, ask, fill, row

NOW_MS = 1_000 * DAY_MS
TABLES = 14  # slices of one round, pages included
KEPT = LedgerParameters(records_kept_days=10, samples_kept_days=2, samples_max=1_000)
STALL_MAX_S = 0.05


def snapshot(at_ms: int) -> Record:
    return row("market_snapshots", ticker="T", at_ms=at_ms, condition="fresh", position_e2=0, pnl_e6=0)


def test_what_is_older_than_its_time_goes_and_the_rest_stays(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite", KEPT)
    store.record_fills(((fill(1), "rest"),))  # older than anything that is kept
    store.record_rows(tuple(alert(NOW_MS - 11 * DAY_MS) for _ in range(3 * SLICE_ROWS + 7)))
    store.record_rows((alert(NOW_MS - 9 * DAY_MS), alert(NOW_MS)))
    deleted = [store.upkeep(NOW_MS) for _ in range(2 * TABLES)]
    assert sum(deleted) == 3 * SLICE_ROWS + 7
    assert max(deleted) == SLICE_ROWS
    assert sum(store.upkeep(NOW_MS) for _ in range(2 * TABLES)) == 0
    store.close()
    assert ask(tmp_path / "ledger.sqlite", "SELECT at_ms FROM alerts ORDER BY 1") == [(NOW_MS - 9 * DAY_MS,), (NOW_MS,)]
    assert ask(tmp_path / "ledger.sqlite", "SELECT COUNT(*) FROM fills") == [(1,)]


def test_samples_have_a_greatest_number_whatever_their_age(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite", KEPT)
    store.record_rows(tuple(snapshot(NOW_MS + n) for n in range(1_700)))
    for _ in range(2 * TABLES):
        store.upkeep(NOW_MS)
    store.close()
    assert ask(tmp_path / "ledger.sqlite", "SELECT COUNT(*), MIN(at_ms) FROM market_snapshots") == [
        (1_000, NOW_MS + 700)
    ]


def test_an_open_session_and_a_run_of_today_stay(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite", LedgerParameters(runs_kept_days=1))
    for run, ended_ms in (("old", NOW_MS - 2 * DAY_MS), ("new", None)):
        store.record_rows(
            (
                row(
                    "strategy_runs",
                    run_id=run,
                    boot="b",
                    program="p",
                    strategy="s",
                    ticker="T",
                    started_ms=NOW_MS if ended_ms is None else ended_ms,
                    ended_ms=ended_ms,
                    end_reason="",
                    pnl_at_start_e6=0,
                    pnl_e6=0,
                ),
            )
        )
    for _ in range(TABLES):
        store.upkeep(NOW_MS)
    store.close()
    assert ask(tmp_path / "ledger.sqlite", "SELECT run_id FROM strategy_runs") == [("new",)]


def test_the_file_shrinks_and_no_slice_holds_the_writer_for_long(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = LedgerStore(path, KEPT)
    for _ in range(20):
        store.record_rows(tuple(alert(0, "x" * 400) for _ in range(500)))
    (pages_before,), took_s = ask(path, "PRAGMA page_count")[0], []
    for _ in range(40 + 6 * TABLES):
        began = time.thread_time()  # of this thread: other programs of this machine take time as well
        store.upkeep(NOW_MS)
        took_s.append(time.thread_time() - began)
    store.close()
    (pages,) = ask(path, "PRAGMA page_count")[0]
    assert pages_before > 4 * SLICE_PAGES
    assert pages < pages_before - 3 * SLICE_PAGES
    assert max(took_s) < STALL_MAX_S
