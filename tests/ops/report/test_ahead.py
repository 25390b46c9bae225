"""Fills that are read ahead in a thread: the report is still one moment of the Ledger, and a damaged one is told."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from unittest import mock

import pytest

from actors.runtime.ledger_store.store import LedgerStore
from kalshi.types import Fill, Side
from ops.report import ahead, tally
from ops.report.pnl import By, make_report
from ops.report.reading import ReportError, ledger_read
from tests.ops.report import ledgers
from tests.ops.report.ledgers import START_MS, made_fill


def fills(first: int, last: int) -> list[Fill]:
    return [made_fill(n, "A", Side.BID, 5_000, 100, 7, START_MS + n) for n in range(first, last + 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ledgers.write(tmp_path / "ledger.sqlite", fills(1, 50), [])


@pytest.mark.parametrize(("at_once", "pieces_max"), [(1, 1), (7, 2), (7, 64), (20_000, 64)])
def test_what_is_written_meanwhile_does_not_count(path: Path, at_once: int, pieces_max: int) -> None:
    with (
        mock.patch.object(tally, "AT_ONCE", at_once),
        mock.patch.object(ahead, "PIECES_MAX", pieces_max),
        ledger_read(path) as reader,
    ):
        assert reader.time_span() == (START_MS + 1, START_MS + 50)  # its moment
        store = LedgerStore(path)
        store.record_fills(tuple((fill, "test") for fill in fills(51, 60)))
        counted: list[int] = []
        made = make_report(reader, By.MARKET, advance=counted.append)
        assert (made.total.fills, made.total.fees_e6, sum(counted)) == (50, 350, 50)
        store.close()


def test_the_thread_ends_with_the_report_and_what_it_meets_is_told(path: Path) -> None:
    broken = sqlite3.DatabaseError("malformed")
    before = threading.active_count()
    with (
        pytest.raises(ReportError, match="cannot be read: malformed"),
        mock.patch("ops.report.reading.LedgerReader.fill_sums", side_effect=broken),
        ledger_read(path) as reader,
    ):
        make_report(reader, By.MARKET)
    assert threading.active_count() == before
