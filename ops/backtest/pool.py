"""Runs jobs in parallel processes; each writes its trace to a file and shares nothing with another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from ops.backtest.run import Job, run_job
from ops.backtest.trace import encoded
from ops.life import BuildTree


def trace_path(folder: Path, job: Job) -> Path:
    """Returns where the trace of a job is kept."""
    return folder / f"{job.path.name.removesuffix('.gz').removesuffix('.jsonl')}.{job.strategy}.trace.jsonl"


def run_jobs(
    jobs: Sequence[Job], folder: Path, build_tree: BuildTree, *, workers: int, progress: Callable[[Job], None]
) -> None:
    """Runs all jobs, whose traces are then in `folder`; `progress` hears of each. Raises RecordingError."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, min(workers, len(jobs))), mp_context=context) as pool:
        running = {pool.submit(write_trace, job, folder, build_tree): job for job in jobs}
        try:
            for done in as_completed(running):
                done.result()
                progress(running[done])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def write_trace(job: Job, folder: Path, build_tree: BuildTree) -> None:
    """Runs one job and writes its trace. Raises RecordingError."""
    trace_path(folder, job).write_bytes(encoded(run_job(job, build_tree)))
