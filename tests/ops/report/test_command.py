"""The command `report`: finds the Ledger, chooses a run, prints, writes its files, and says what is wrong."""

from __future__ import annotations

import csv
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ops.command_line import run_command_line
from ops.report.command import find_ledger, find_run, report
from ops.report.pnl import By, make_report
from ops.report.reading import LedgerReader, ReportError, Run, ledger_read
from ops.report.tables import dollars
from supervisor import build_tree
from tests.ops.report import ledgers
from tests.ops.report.ledgers import START_MS

RUNS = tuple(Run(name=name, mode="simulated", started_ms=at_ms) for name, at_ms in (("a", 10), ("b", 20)))


def state_folder(folder: Path) -> Path:
    fills, records = ledgers.random_day(seed=5, markets=3, minutes=20)
    (folder / "venue-1").mkdir(parents=True)
    later = ledgers.boot("two", START_MS + 10 * 60_000)
    ledgers.write(folder / "venue-1" / "ledger.sqlite", fills, [*records, later])
    return folder


def test_it_prints_the_figures_and_writes_page_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = state_folder(tmp_path / "state")
    html, tables = tmp_path / "report.html", tmp_path / "csv"
    assert report(state, by=By.DAY, html=html, csv_folder=tables) == 0
    printed = capsys.readouterr().out
    with ledger_read(state / "venue-1" / "ledger.sqlite") as reader:
        made = make_report(reader, By.DAY)
    assert dollars(made.total.pnl_half_e6) in printed
    assert dollars(made.total.pnl_half_e6) in html.read_text()
    with (tables / "by_day.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["pnl_half_e6"]) for row in rows) == made.total.pnl_half_e6
    with (tables / "by_time.csv").open() as file:
        assert sum(int(row["fills"]) for row in csv.DictReader(file)) == made.total.fills


def test_the_words_of_the_command_line_reach_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KALSHI_BOT__FOLDERS__STATE", str(state_folder(tmp_path / "state")))
    for words, code, said in ((("--by", "day", "--run", "two"), 0, "venue venue-1"), (("--since", "a moment"), 64, "")):
        monkeypatch.setattr(sys, "argv", ["supervisor.py", "report", *words])
        with pytest.raises(SystemExit) as ended:
            run_command_line(build_tree)
        assert ended.value.code == code
        assert said in capsys.readouterr().out


def test_the_page_loads_nothing_and_escapes_what_others_chose(tmp_path: Path) -> None:
    state = state_folder(tmp_path / "state")
    html = tmp_path / "report.html"
    assert report(state, by=By.MARKET, html=html) == 0
    own = html.read_text().partition("<script>")[0]
    assert "KX00&lt;b&gt;" in own
    assert "KX00<b>" not in own
    assert "src=" not in own
    assert "href=" not in own


def test_a_run_ends_where_the_next_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = state_folder(tmp_path / "state")
    with ledger_read(state / "venue-1" / "ledger.sqlite") as reader:
        whole = make_report(reader, By.MARKET)
        parts = []
        for name in ("one", "last"):
            run, end_ms = find_run(reader.runs(), name)
            parts.append(make_report(reader, By.MARKET, run.started_ms, end_ms, run))
    assert sum(part.total.pnl_half_e6 for part in parts) == whole.total.pnl_half_e6
    assert 0 < parts[0].total.fills < whole.total.fills
    assert report(state, by=By.MARKET, run="nine") == 1
    assert "no run 'nine'; the last ones: one, two" in capsys.readouterr().err


def test_runs_are_found_by_name_or_as_the_last() -> None:
    assert find_run(RUNS, "a") == (RUNS[0], 20)
    assert find_run(RUNS, "last") == (RUNS[1], None)
    with pytest.raises(ReportError, match="none is recorded"):
        find_run((), "last")


def test_the_ledger_written_last_is_taken_unless_a_venue_is_named(tmp_path: Path) -> None:
    for place, name in enumerate(("new", "old")):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "ledger.sqlite"
        path.touch()
        os.utime(path, (2_000 - place, 2_000 - place))
    assert find_ledger(tmp_path, "").parent.name == "new"
    assert find_ledger(tmp_path, "old").parent.name == "old"
    with pytest.raises(ReportError, match="has not run"):
        find_ledger(tmp_path / "new", "")


def test_it_reads_one_moment_while_the_bot_writes(tmp_path: Path) -> None:
    fills, records = ledgers.random_day(seed=5, markets=1, minutes=10)
    path = ledgers.write(tmp_path / "ledger.sqlite", fills, records)
    with closing(sqlite3.connect(path, isolation_level=None)) as bot:
        bot.execute("BEGIN IMMEDIATE")
        with LedgerReader(path) as reader:
            before = reader.fills_count(2**62)
            bot.execute("DELETE FROM fills WHERE fill_seq = 1")
            bot.execute("COMMIT")
            assert reader.fills_count(2**62) == before == len(fills)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader._db.execute("DELETE FROM fills")
        with LedgerReader(path) as reader:
            assert reader.fills_count(2**62) == before - 1


def test_an_older_ledger_without_the_newer_tables_is_reported(tmp_path: Path) -> None:
    fills, _ = ledgers.random_day(seed=5, markets=1, minutes=10)
    path = ledgers.write(tmp_path / "ledger.sqlite", fills, [])
    with closing(sqlite3.connect(path)) as db, db:
        for table in ("fill_marks", "market_minutes", "settlements"):
            db.execute(f"DROP TABLE {table}")
    with ledger_read(path) as reader:
        assert make_report(reader, By.PROGRAM).total.fills == len(fills)


def test_a_damaged_ledger_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "venue").mkdir()
    (tmp_path / "venue" / "ledger.sqlite").write_bytes(b"no database" * 500)
    assert report(tmp_path, by=By.DAY) == 1
    assert "cannot be read" in capsys.readouterr().err
