"""What `supervisor.py backtest` does: every recording by every strategy, and the report of the traces."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from actors.runtime.exit_guard import ExitCode
from kalshi.simulator.queue_model import QueueModel
from ops.backtest.figures import figures
from ops.backtest.pool import run_jobs, trace_path
from ops.backtest.report import fills_table, report
from ops.backtest.run import Job
from ops.backtest.strategies import NOT_JUDGED, parse_strategies, program_of
from ops.backtest.trace import read_trace
from ops.life import BuildTree
from ops.replay_recording import UNKNOWN_CATEGORY, RecordingError, load_recording
from ops.settings import Settings

FOUND: Final = 1
RECORDINGS_MAX: Final = 1_000
REPORT_FILE: Final = "report.txt"
FILLS_FILE: Final = "fills.csv"


def backtest(
    paths: Sequence[Path],
    *,
    strategies: str,
    queue_model: QueueModel,
    workers: int,
    out: Path | None,
    settings: Settings,
    build_tree: BuildTree,
    category: str = UNKNOWN_CATEGORY,
) -> int:
    """Runs what was asked for, prints the report and returns the exit code: 1 where something was breached."""
    try:
        recordings = find_recordings(paths)
        jobs = [
            Job(
                path=path,
                program=program_of(settings, name),
                queue_model=queue_model,
                settings=settings,
                category=category,
            )
            for path in recordings
            for name in parse_strategies(strategies)
        ]
    except (RecordingError, ValueError) as error:
        print(f"cannot backtest: {error}", file=sys.stderr)
        return ExitCode.USAGE
    with tempfile.TemporaryDirectory(prefix="backtest-") if out is None else nullcontext(str(out)) as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("backtest", total=len(jobs))
            run_jobs(jobs, folder, build_tree, workers=workers, progress=lambda job: bar.advance(task))
        return _conclude(jobs, folder, queue_model, is_kept=out is not None)


def find_recordings(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Returns the recordings that files and folders name, each read once. Raises RecordingError."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")]) if path.is_dir() else [path]
        if not inside:
            raise RecordingError(f"{path} holds no recorded run (.jsonl or .jsonl.gz)")
        found |= dict.fromkeys(inside)
    if len({path.name for path in found}) < len(found) or len(found) > RECORDINGS_MAX:
        raise RecordingError(f"recordings must have names of their own, and at most {RECORDINGS_MAX:,} are run")
    for path in found:
        load_recording(path)  # before anything runs: a bad file is told at once
    return tuple(found)


def _conclude(jobs: Sequence[Job], folder: Path, queue_model: QueueModel, *, is_kept: bool) -> int:
    traces = [read_trace(trace_path(folder, job)) for job in jobs]
    results = [figures(trace) for trace in traces]
    run = {one.strategy for one in results}
    lines = report(results, queue_model.value, {name: why for name, why in NOT_JUDGED.items() if name in run})
    text = "\n".join(lines) + "\n"
    if is_kept:
        (folder / REPORT_FILE).write_text(text)
        (folder / FILLS_FILE).write_text(fills_table(zip(results, traces, strict=True)))
    sys.stdout.write(text)
    return FOUND if any(one.breaches for one in results) else ExitCode.VERIFIED_FLAT
