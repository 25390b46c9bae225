"""What is read from a recorded run, and what is made up where it says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.replay_recording import Recording, RecordingError, load_recording
from tests.ops.replay.recordings import (
    BOOK_SID,
    START_MS,
    TICKERS,
    Frame,
    delta,
    last_seq,
    run_of_two,
    snapshot,
    subscribed,
    write,
)

QUARTER_MS = 900_000
A, B, C = "KXE-1-A", "KXE-1-B", "KXE-1-C"


def read(tmp_path: Path, *connections: list[Frame], name: str = "run.jsonl") -> Recording:
    return load_recording(write(tmp_path / name, list(connections)))


def raw(tmp_path: Path, frames: list[Frame]) -> Recording:
    """A run in the other form: a raw frame a line."""
    path = tmp_path / "raw.jsonl"
    path.write_text("\n".join(map(json.dumps, frames)))
    return load_recording(path)


def market(ticker: str, ts_ms: int, price: str = "0.4500") -> list[Frame]:
    return [snapshot(ticker, 1, {"0.4000": "1.00"}, {}), delta(ticker, 2, "yes", price, "5.00", ts_ms)]


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
def test_each_conn_is_a_connection_of_its_own(tmp_path: Path, name: str) -> None:
    run = run_of_two()
    recording = read(tmp_path, *run, name=name)
    assert recording.name == name
    assert [connection.tickers for connection in recording.connections] == [(TICKERS[0],), (TICKERS[1],)]
    assert [frame for _, frame in recording.connections[0].frames()] == run[0]
    times = [at_ns for at_ns, _ in recording.connections[1].frames()]
    assert times == sorted(times)
    assert recording.first_ms == START_MS
    assert recording.connections[1].first_ns == (START_MS + 600_000) * 1_000_000


def test_a_raw_frame_a_line_is_one_connection_on_the_time_of_its_frames(tmp_path: Path) -> None:
    recording = raw(tmp_path, [subscribed("orderbook_delta", BOOK_SID), *market(A, START_MS)])
    (connection,) = recording.connections
    assert [at_ns for at_ns, _ in connection.frames()] == [0, 0, START_MS * 1_000_000]
    assert connection.first_ns == START_MS * 1_000_000


@pytest.mark.parametrize(
    ("last_delta_ms", "close_ms"),
    [
        (START_MS + 300_000, START_MS - 120_000 + QUARTER_MS),
        (START_MS - 120_000 + QUARTER_MS + 700, START_MS - 120_000 + QUARTER_MS),  # they go on for a second after it
    ],
)
def test_a_market_closes_at_the_quarter_of_an_hour_after_its_last_delta(
    tmp_path: Path, last_delta_ms: int, close_ms: int
) -> None:
    recording = read(tmp_path, market(A, last_delta_ms))
    assert recording.connections[0].close_ms == {A: close_ms}
    assert recording.last_close_ms == close_ms


@pytest.mark.parametrize(
    ("price", "structure"),
    [
        ("0.4500", "linear_cent"),
        ("0.0550", "tapered_deci_cent"),
        ("0.4550", "deci_cent"),
        ("0.4555", "center_centi_edge_centi_cent"),
    ],
)
def test_the_coarsest_grid_that_holds_every_price_is_the_markets(tmp_path: Path, price: str, structure: str) -> None:
    assert read(tmp_path, market(A, START_MS, price)).structures == {A: structure}


def test_without_an_ok_all_markets_are_subscribed_at_once(tmp_path: Path) -> None:
    recording = read(tmp_path, [*market(A, START_MS), *market(B, START_MS)])
    assert recording.connections[0].steps == ((A, B),)


def ok(seq: int, *tickers: str) -> Frame:
    return {"type": "ok", "id": 7, "sid": BOOK_SID, "seq": seq, "msg": {"market_tickers": list(tickers)}}


def test_each_ok_of_the_book_channel_is_a_step_of_its_growth(tmp_path: Path) -> None:
    frames = [
        subscribed("orderbook_delta", BOOK_SID),
        ok(1, A, B),
        *market(B, START_MS),
        ok(4, A, B, C),
        *market(A, START_MS),
        *market(C, START_MS),
    ]
    assert raw(tmp_path, frames).connections[0].steps == ((A,), (A, B), (A, B, C))


def test_an_ok_that_does_not_say_what_is_held_changes_nothing_and_every_market_is_subscribed_in_time(
    tmp_path: Path,
) -> None:
    silent = {"type": "ok", "id": 7, "sid": BOOK_SID, "seq": 1}
    other = {"type": "ok", "id": 8, "sid": BOOK_SID + 1, "msg": {"market_tickers": [B]}}
    frames = [subscribed("orderbook_delta", BOOK_SID), silent, other, *market(A, START_MS)]
    assert raw(tmp_path, frames).connections[0].steps == ((A,), (A,))


def test_a_connection_without_a_moving_book_is_left_out(tmp_path: Path) -> None:
    recording = read(tmp_path, [subscribed("orderbook_delta", BOOK_SID)], market(A, START_MS))
    assert len(recording.connections) == 1


@pytest.mark.parametrize(
    "frame",
    [
        {**delta(A, 2, "yes", "0.45x", "5.00", START_MS)},
        {**delta(A, 2, "maybe", "0.4500", "5.00", START_MS)},
        {**delta(A, 2, "yes", "0.4500", "5.001", START_MS)},
        {"type": "orderbook_delta", "sid": 2, "seq": 2, "msg": {}},
        {"type": "orderbook_delta", "msg": delta(A, 2, "yes", "0.4500", "5.00", START_MS)["msg"]},
        {"type": "orderbook_snapshot", "sid": 2, "seq": 2},
        {"type": 5, "msg": {}},
    ],
)
def test_a_frame_of_a_book_that_cannot_be_read_is_named_by_its_line(tmp_path: Path, frame: Frame) -> None:
    path = tmp_path / "run.jsonl"
    lines = [*market(A, START_MS), frame]
    path.write_text("\n".join(json.dumps({"recv_ns": 1, "conn": 0, "frame": line}) for line in lines))
    with pytest.raises(RecordingError, match="line 3"):
        load_recording(path)


def test_a_price_outside_the_dollar_lies_on_no_grid(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="between 0 and 1"):
        read(tmp_path, market(A, START_MS, "1.0000"))


def test_a_file_without_books_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no order book in it"):
        read(tmp_path, [subscribed("ticker", 1)])


def test_damaged_compression_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "run.jsonl.gz", run_of_two())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(RecordingError, match=r"damaged|cut off"):
        load_recording(path)


def test_the_made_up_run_is_in_sequence() -> None:
    for frames in run_of_two():
        assert [frame["seq"] for frame in frames if "seq" in frame] == list(range(1, last_seq(frames) + 1))
