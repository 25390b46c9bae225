"""The bench measures what it says: valid frames, ways that agree, ratios that can be read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kalshi.feed import BookState, FeedProtocol
from kalshi.types import TimeInForce
from ops.bench import measure_feed, report_feed
from ops.bench_engine import Create, LoadMaker, measure_engine, report_engine
from ops.bench_frames import make_frames, tickers, websocket_bytes
from ops.bench_journal import OPEN_AT_ONCE, WARM_UP, measure_journal, report_journal
from ops.bench_pykalshi import NotInstalled, pykalshi_python


def test_synthetic_frames_are_the_same_for_a_seed_and_leave_every_book_live() -> None:
    frames = make_frames(1, 500)
    assert frames == make_frames(1, 500)
    assert frames != make_frames(2, 500)
    feed = FeedProtocol(lambda: 0.0)
    feed.subscribe("orderbook_delta", tickers())
    feed.receive(frames)
    assert feed.counters.deltas == 500
    assert feed.counters.gaps == feed.counters.malformed == 0
    assert {tracked.state for tracked in feed.books.values()} == {BookState.LIVE}


def test_frames_of_every_length_are_framed_as_a_server_does() -> None:
    assert websocket_bytes(["hi"]) == b"\x81\x02hi"
    assert websocket_bytes(["x" * 300])[:4] == b"\x81\x7e\x01\x2c"
    assert websocket_bytes(["x" * 70_000])[:10] == b"\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70"


def test_the_ways_agree_and_are_reported_as_ratios() -> None:
    lines = report_feed(*measure_feed(rounds=1, deltas=300, with_pykalshi=False))
    assert sum("frames/s" in line for line in lines) == 4
    assert sum(line.startswith("  ratio") for line in lines) == 3
    assert lines[-1] == "  pykalshi is left out: not asked for"


def test_where_pykalshi_cannot_be_installed_the_reason_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    offline = ("-c", "import sys; sys.exit('WARNING: x' + chr(10) + 'ERROR: No matching distribution found')")
    with pytest.raises(NotInstalled, match=r"pykalshi 0\.0\.9 cannot be installed: No matching distribution found"):
        pykalshi_python(tmp_path, "0.0.9", offline)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_the_load_of_the_engine_is_the_stated_mix_and_every_round_does_the_same() -> None:
    load = LoadMaker(2_000, 800).load
    creates = [one.request for one in load if isinstance(one, Create)]
    rests = [one for one in creates if one.time_in_force is TimeInForce.GOOD_TILL_CANCELED]
    assert 0.40 < (len(load) - len(creates)) / len(load) < 0.50
    assert 0.40 < len(rests) / len(load) < 0.50
    runs = measure_engine(rounds=2, operations=2_000, resting_first=800)
    assert len({run.events for way in runs.values() for run in way}) == 1
    assert runs["engine"][0].events > 2_000
    lines = report_engine(runs)
    assert len(lines) == 3
    assert all("ops/s" in line for line in lines[1:])


def test_the_journal_is_timed_append_by_append_in_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    times = measure_journal(orders=300, folder=tmp_path)
    assert times.records == 300 * 2 + (300 - OPEN_AT_ONCE) - WARM_UP
    assert 0 < times.median_us <= times.p99_us <= times.p999_us <= times.worst_us
    assert list(tmp_path.iterdir()) == []
    assert f"p99 {times.p99_us:.1f} us" in report_journal(times)[1]
