"""A recorded run through the whole bot: what passes, what does not, and how it ends."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from kalshi.book import OrderBook
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.simulator.queue_model import QueueModel
from kalshi.types import Side
from ops.replay import FAILED, BadSpeed, ReplayResult, parse_speed, replay_run
from ops.replay_account import QueueReport, value_e6
from ops.settings import Settings, WebsocketSettings
from supervisor import build_tree
from tests.ops.replay.recordings import TICKERS, deltas_of, run_of_two, text_of, with_trades, write

ROOT = Path(__file__).resolve().parents[2]
USAGE = 64
# Per round of the made-up run: four values of ts_ms, each of which is shown once it is over.
BOOKS = 2 * 4 * 120


@pytest.mark.parametrize("transport", ["trio-websocket", pytest.param("fast", marks=pytest.mark.long)])
def test_a_recorded_run_passes_with_every_book_compared_and_quotes_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    connections = run_of_two()
    path = write(tmp_path / "run.jsonl.gz", connections)
    settings = attrs.evolve(Settings(), websockets=WebsocketSettings(transport=transport))
    code = replay_run(path, "max", build_tree, settings)
    said = capsys.readouterr()
    assert code == 0, said
    frames = sum(len(frames) for frames in connections)
    assert f"run.jsonl.gz: {frames:,} frames ({deltas_of(connections):,} deltas), 2 connections" in said.out
    assert f"every change of ts_ms: {BOOKS:,} of {BOOKS:,}, mismatches 0, gaps 0" in said.out
    assert "account verified flat" in said.out
    assert "quotes decided 0" not in said.out
    assert "orders accepted 0" not in said.out
    assert "time " in said.out
    assert "passed" in said.out
    assert "queue model" not in said.out
    assert all(ticker in said.err for ticker in TICKERS)


@pytest.mark.long
def test_with_a_queue_model_our_orders_meet_the_recorded_trades_and_the_account_adds_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "run.jsonl", [with_trades(frames) for frames in run_of_two()])
    code = replay_run(path, "max", build_tree, models=(QueueModel.RISK_AVERSE,))
    said = capsys.readouterr()
    assert code == 0, said
    assert "mismatches 0, gaps 0" in said.out
    found = re.search(r"queue model risk_averse: (\d+) fills, ([0-9.]+) contracts, of 240 trades", said.out)
    assert found is not None, said.out
    assert int(found.group(1)) > 0
    money = re.search(r"PnL \$?(\S+) = cash (\S+) (\S+) marks; fees (\S+)", said.out)
    assert money is not None, said.out
    pnl, cash, marks = (float(text.replace("$", "")) for text in money.groups()[:3])
    assert pnl == pytest.approx(cash + marks)


@pytest.mark.long
def test_a_delta_with_the_wrong_sign_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connections = run_of_two()
    flipped = next(frame for frame in connections[0][40:] if frame["msg"].get("delta_fp") == "12.34")
    flipped["msg"]["delta_fp"] = "-12.34"
    code = replay_run(write(tmp_path / "run.jsonl", connections), "max", build_tree)
    said = capsys.readouterr().out
    assert code == FAILED
    assert "FAILED" in said
    assert "mismatches 0" not in said
    assert "takes 12.34 from 45.5 cents, where 0 rest" in said


@pytest.mark.long
def test_a_book_that_is_still_crossed_when_its_moment_is_over_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connections = run_of_two()
    removal = next(
        frame
        for frame in connections[1][40:]
        if frame["msg"].get("delta_fp") == "-80.50" and frame["msg"]["side"] == "yes"
    )
    removal["msg"]["delta_fp"] = "-80.40"
    code = replay_run(write(tmp_path / "run.jsonl", connections), "max", build_tree)
    said = capsys.readouterr().out
    assert code == FAILED
    assert "the recorded book is crossed at the end of ts_ms" in said


@pytest.mark.long
def test_a_lost_frame_is_a_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connections = run_of_two()
    del connections[0][100]
    code = replay_run(write(tmp_path / "run.jsonl", connections), "max", build_tree)
    said = capsys.readouterr().out
    assert code == FAILED
    assert "the feed reported 1 gaps" in said


@pytest.mark.long
def test_a_bot_that_applies_one_change_wrongly_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording is sound and nothing is reported: only the comparison can see it."""
    real = OrderBook.apply_delta
    wrong: list[CountE2] = []

    def generous(book: OrderBook, side: Side, price_e4: PriceE4, delta_e2: CountE2) -> None:
        if delta_e2 == 1_234 and not wrong:
            wrong.append(delta_e2)
            delta_e2 = CountE2(delta_e2 + 1)
        real(book, side, price_e4, delta_e2)

    monkeypatch.setattr(OrderBook, "apply_delta", generous)
    code = replay_run(write(tmp_path / "run.jsonl", run_of_two()), "max", build_tree)
    said = capsys.readouterr().out
    assert code == FAILED
    assert "1235 rest at bid 4550, in the recording 1234" in said
    assert "gaps 0" in said


@pytest.mark.process
def test_an_interrupt_ends_a_replay_like_any_other_run(tmp_path: Path) -> None:
    path = write(tmp_path / "run.jsonl", run_of_two())
    command = [sys.executable, "supervisor.py", "replay", str(path), "--speed", "0.1"]
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"connection 1: ")  # it has begun
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=15.0)
    said = output.decode()
    assert process.returncode == FAILED, said
    assert "stopped before the recording was over: SIGINT" in said
    assert "mismatches 0" in said
    assert "account verified flat" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.jsonl.gz", gzip.compress(text_of(run_of_two()).encode())[:-200], "is cut off"),
        ("cut.jsonl", text_of(run_of_two()).encode()[:-20], "or the file is cut off there"),
        ("table.csv", b"time,price\n1,2\n", "line 1 is no recorded frame"),
        ("other.jsonl", b'{"method":"GET","path":"/x"}\n', "line 1 is no recorded frame"),
        ("nothing.jsonl", b"\n", "is empty"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert replay_run(path, "max", build_tree) == USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("cannot replay: ")
    assert reason in said.err
    assert said.err.count("\n") == 1


def test_a_missing_file_and_a_wrong_speed_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay_run(tmp_path / "missing.jsonl", "max", build_tree) == USAGE
    assert "missing.jsonl: no such file" in capsys.readouterr().err
    assert replay_run(tmp_path, "max", build_tree) == USAGE
    assert "is a folder" in capsys.readouterr().err
    assert replay_run(tmp_path / "missing.jsonl", "fast", build_tree) == USAGE
    assert "--speed" in capsys.readouterr().err


def test_a_speed_is_max_or_a_factor() -> None:
    assert parse_speed("max") is None
    assert parse_speed("2.5") == 2.5


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf", "0.01"])
def test_other_speeds_mean_nothing(text: str) -> None:
    with pytest.raises(BadSpeed, match="--speed"):
        parse_speed(text)


PASSED = ReplayResult(
    name="run",
    frames=10,
    deltas=8,
    withheld=0,
    connections=1,
    books_expected=5,
    books_compared=5,
    mismatches=0,
    differences=(),
    gaps=0,
    quotes=3,
    orders_accepted=2,
    seconds=2.0,
    problem=None,
    verdict="verified flat",
    account_code=0,
)


def test_the_exit_code_is_zero_only_where_everything_is_as_it_must_be() -> None:
    assert PASSED.exit_code() == 0
    assert attrs.evolve(PASSED, gaps=1).exit_code() == FAILED
    assert attrs.evolve(PASSED, quotes=0).exit_code() == FAILED
    assert attrs.evolve(PASSED, books_compared=4).exit_code() == FAILED
    assert attrs.evolve(PASSED, mismatches=1, differences=("x",)).exit_code() == FAILED
    assert attrs.evolve(PASSED, problem="the bot hung up").exit_code() == FAILED
    assert attrs.evolve(PASSED, account_code=3).exit_code() == 3


QUEUE = QueueReport(
    model=QueueModel.FRONT,
    fills=2,
    filled_e2=CountE2(1_250),
    fees_e6=MoneyE6(20_000),
    cash_e6=MoneyE6(-1_500_000),
    marks_e6=MoneyE6(2_000_000),
    trades=0,
    prints=7,
    unplaced=1,
    imbalance_e6=0,
)


def test_what_a_queue_model_made_of_a_replay_is_told_and_lost_money_is_a_fault() -> None:
    told = attrs.evolve(PASSED, queue=QUEUE).summary().splitlines()[-2:]
    assert told == [
        "queue model front: 2 fills, 12.5 contracts, of 7 prints (1 not placed)",
        "PnL +0.5000 = cash -1.5000 +2.0000 marks; fees 0.0200",
    ]
    broken = attrs.evolve(PASSED, queue=attrs.evolve(QUEUE, imbalance_e6=5))
    assert broken.faults() == ("money was made or lost by nobody: 5 millionths of a dollar",)


def test_a_position_is_worth_its_own_leg() -> None:
    touch_e4 = (4_000, 4_200)
    assert (value_e6(200, touch_e4), value_e6(-200, touch_e4), value_e6(-200, None)) == (800_000, 1_160_000, 0)


def test_books_on_their_way_when_a_replay_ends_early_are_no_difference() -> None:
    early = attrs.evolve(PASSED, books_compared=4, problem="the bot hung up")
    assert early.faults() == ("the bot hung up",)


def test_every_fault_is_a_sentence() -> None:
    bad = attrs.evolve(PASSED, mismatches=9, differences=("one", "two"), gaps=2, quotes=0)
    assert bad.faults() == (
        "one",
        "two",
        "7 more books differ",
        "the feed reported 2 gaps or unreadable frames",
        "no quote was decided",
    )
