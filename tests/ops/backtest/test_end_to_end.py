"""Small recordings through the whole bot on a virtual clock: fills, the same trace twice, the command's report."""

from __future__ import annotations

from pathlib import Path

import pytest

from kalshi.simulator.queue_model import QueueModel
from ops.backtest.command import backtest
from ops.backtest.figures import figures
from ops.backtest.run import Job, run_job
from ops.backtest.strategies import program_of
from ops.backtest.trace import Began, Ended, Filled, OrderSeen, Touched, digest
from ops.settings import Settings
from quant.quoting.strategies import StrategyName
from supervisor import build_tree
from tests.ops.replay.recordings import TICKERS, run_of_two, with_trades, write

USAGE = 64


def make_job(path: Path, strategy: StrategyName, queue_model: QueueModel = QueueModel.RISK_AVERSE) -> Job:
    settings = Settings()
    return Job(path=path, program=program_of(settings, strategy), queue_model=queue_model, settings=settings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "run.jsonl", [with_trades(run_of_two()[0])])


@pytest.mark.parametrize(
    "strategy",
    [StrategyName.TOUCH, pytest.param(StrategyName.HYBRID, marks=pytest.mark.long)],
    ids=lambda name: name.value,
)
def test_a_recording_is_quoted_filled_and_left_flat_without_a_breach_and_twice_the_same(
    path: Path, strategy: StrategyName
) -> None:
    trace = run_job(make_job(path, strategy), build_tree)
    found = figures(trace)
    assert found.breaches == ()
    assert found.fills > 0
    assert found.identity_half_e6 == 0
    assert isinstance(trace[0], Began)
    assert isinstance(trace[-1], Ended)
    assert trace[-1].verdict.startswith("verified flat")
    assert [line.at_ms for line in trace] == sorted(line.at_ms for line in trace)
    assert {line.ticker for line in trace if isinstance(line, Touched)} == {TICKERS[0]}
    assert {line.ticker for line in trace if isinstance(line, OrderSeen)} == {TICKERS[0]}
    assert digest(run_job(make_job(path, strategy), build_tree)) == digest(trace)


def test_nobody_fills_us_where_nobody_trades(tmp_path: Path) -> None:
    quiet = write(tmp_path / "quiet.jsonl", run_of_two()[:1])
    trace = run_job(make_job(quiet, StrategyName.TOUCH), build_tree)
    assert any(isinstance(line, OrderSeen) for line in trace)
    assert not any(isinstance(line, Filled) for line in trace)
    assert figures(trace).breaches == ()


def test_a_gap_of_the_recording_is_told_as_a_breach(tmp_path: Path) -> None:
    frames = run_of_two()[:1]
    frames[0][150]["seq"] += 7  # a gap, for which the bot asks for new books
    trace = run_job(make_job(write(tmp_path / "gap.jsonl", frames), StrategyName.TOUCH), build_tree)
    assert any("gaps" in text for text in figures(trace).breaches)


@pytest.mark.long
def test_the_command_writes_traces_fills_and_report(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code = backtest(
        [path.parent],
        strategies="touch",
        queue_model=QueueModel.FRONT,
        workers=1,
        out=out,
        settings=Settings(),
        build_tree=build_tree,
    )
    said = capsys.readouterr().out
    assert code == 0, said
    assert "backtest of 1 recordings, queue model front" in said
    assert "breaches of limits and invariants: 0" in said
    assert (out / "report.txt").read_text() == said
    rows = (out / "fills.csv").read_text().splitlines()
    assert len(rows) > 1
    assert {row.split(",")[:2] == ["touch", "run.jsonl"] for row in rows[1:]} == {True}
    assert len(list(out.glob("*.trace.jsonl"))) == 1


@pytest.mark.parametrize(
    ("strategies", "name", "reason"),
    [
        ("martingale", "run.jsonl", "unknown strategies martingale"),
        ("", "run.jsonl", "unknown strategies"),
        ("touch", "missing.jsonl", "no such file"),
        ("touch", "empty", "holds no recorded run"),
    ],
)
def test_what_cannot_be_run_is_refused_with_one_line(
    path: Path, capsys: pytest.CaptureFixture[str], strategies: str, name: str, reason: str
) -> None:
    (path.parent / "empty").mkdir()
    code = backtest(
        [path.parent / name],
        strategies=strategies,
        queue_model=QueueModel.FRONT,
        workers=1,
        out=None,
        settings=Settings(),
        build_tree=build_tree,
    )
    said = capsys.readouterr()
    assert code == USAGE
    assert reason in said.err
    assert said.err.count("\n") == 1
