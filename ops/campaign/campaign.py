"""Runs many seeds in parallel processes and a sample of them twice.

Rules:
1. A seed is one job in one process; processes share nothing. The order in which seeds end changes nothing.
2. The second run of a sampled seed happens in a process with another hash seed, so that an iteration over a set or a
   dict of strings that leaks into the trace is found.
3. The first defect does not end the campaign: a report with ten violations tells more than one with the first.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from actors.runtime.seams import process_clock_s
from ops.campaign.faults import wanted_kinds
from ops.campaign.report import Campaign, Outcome
from ops.campaign.seed import SeedOrder, SeedResult, run_seed
from ops.life import BuildTree

RECHECK_EVERY: Final = 20  # each twentieth seed is run twice, and always the first
_HASH_SEEDS: Final = ("1", "2")
_UNKNOWN_COMMIT: Final = "unknown"
_GIT_S: Final = 5.0
# A seed makes little garbage that only the collector finds; at its usual pace the collector takes a tenth of the time.
COLLECT_AFTER: Final = 50_000
SEEDS_MAX: Final = 100_000
_SEEDS: Final = re.compile(r"(?P<first>[0-9]{1,9})(-(?P<last>[0-9]{1,9}))?")

Progress = Callable[[SeedResult], None]


def make_campaign(seeds: Iterable[int], seconds: float, faults: str, wire: str) -> Campaign:
    """Returns what is to be run. Raises ValueError for unknown faults."""
    return Campaign(
        seeds=tuple(seeds),
        seconds=seconds,
        faults=faults,
        kinds=wanted_kinds(faults, with_streams=wire == "full"),
        wire=wire,
        commit=_commit(),
        python=platform.python_version(),
    )


def parse_seeds(words: str) -> tuple[int, ...]:
    """Returns the seeds that "7", "1-200" or "1,5,9-12" names. Raises ValueError."""
    seeds: list[int] = []
    for word in words.split(","):
        named = _SEEDS.fullmatch(word.strip())
        if named is None:
            raise ValueError(f"{word!r} names no seeds: write a number, a range as 1-200, or several with commas")
        span = range(int(named["first"]), int(named["last"] or named["first"]) + 1)
        if not span or len(seeds) + len(span) > SEEDS_MAX:
            raise ValueError(f"{word!r} names no seeds, or more than {SEEDS_MAX}")
        seeds.extend(span)
    return tuple(seeds)


def run_campaign(
    campaign: Campaign, build_tree: BuildTree, *, workers: int, recheck_every: int = RECHECK_EVERY, progress: Progress
) -> Outcome:
    """Runs all seeds; `progress` hears of each first run as it ends."""
    began_s = process_clock_s()
    results = _run_all(campaign, campaign.seeds, build_tree, workers, _HASH_SEEDS[0], progress)
    again = campaign.seeds[::recheck_every] if recheck_every else ()
    second = _run_all(campaign, again, build_tree, workers, _HASH_SEEDS[1], lambda result: None)
    return Outcome(
        results=tuple(results[seed] for seed in campaign.seeds),
        rechecked=again,
        differing=tuple(seed for seed in again if second[seed].trace_hash != results[seed].trace_hash),
        real_s=process_clock_s() - began_s,
    )


def _run_all(
    campaign: Campaign,
    seeds: tuple[int, ...],
    build_tree: BuildTree,
    workers: int,
    hash_seed: str,
    progress: Progress,
) -> dict[int, SeedResult]:
    results: dict[int, SeedResult] = {}
    if not seeds:
        return results
    context = multiprocessing.get_context("spawn")
    with (
        _hash_seed(hash_seed),
        ProcessPoolExecutor(
            min(workers, len(seeds)), mp_context=context, initializer=gc.set_threshold, initargs=(COLLECT_AFTER,)
        ) as pool,
    ):
        jobs = [
            pool.submit(
                run_seed,
                SeedOrder(seed=seed, seconds=campaign.seconds, kinds=campaign.kinds, wire=campaign.wire),
                build_tree,
            )
            for seed in dict.fromkeys(seeds)
        ]
        try:
            for job in as_completed(jobs):
                result = job.result()
                results[result.seed] = result
                progress(result)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


@contextmanager
def _hash_seed(value: str) -> Iterator[None]:
    """Gives processes that are started meanwhile this hash seed."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _commit() -> str:
    """Returns the commit of the program, with a plus where files differ from it."""
    folder = Path(__file__).resolve().parent
    try:
        words = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=12"]
        asked = subprocess.run(words, capture_output=True, text=True, timeout=_GIT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return _UNKNOWN_COMMIT
    return asked.stdout.strip()
