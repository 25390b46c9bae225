"""Runs the mutation table: does the named test fail when the mechanism is switched off?

Each row gets a copy of the tree of its own, so that nothing can be left mutated and rows can run side by side.
Only pytest's exit code 1 counts as killed: a test ran and failed. A mutation that cannot be imported or
collected proves nothing, and so does one that hangs, unless the test itself has a limit that fires.
"""

from __future__ import annotations

import enum
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import attrs

from tests.mutations.row import ROOT, Mutation

# The slowest test of the table takes half a minute on a quiet machine.
TIMEOUT_S = 180.0
# All of them one after the other.
UNMUTATED_TIMEOUT_S = 1_800.0
LEFT_OUT = (".venv", ".git", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache", "state", "logs")


class Verdict(enum.StrEnum):
    KILLED = "killed"
    SURVIVED = "SURVIVED"
    BROKEN = "broken"
    HUNG = "hung"


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one mutation; `told` is the end of what pytest printed."""

    mutation: Mutation
    verdict: Verdict
    seconds: float
    told: str


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """Gives a throw-away copy that shares nothing with the checkout but the environment."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder, "tree")
        # Compiled files come along: their times are kept, so only what is mutated is compiled anew.
        shutil.copytree(ROOT, copy, ignore=_left_out, symlinks=True)
        if (ROOT / ".venv").exists():
            (copy / ".venv").symlink_to((ROOT / ".venv").resolve())
        yield copy


def _left_out(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in LEFT_OUT] if Path(folder) == ROOT else []


def run_tests(tree: Path, tests: Iterable[str], timeout_s: float) -> tuple[int | None, str]:
    """Runs tests in a tree; returns pytest's exit code (None after `timeout_s`) and the end of its output."""
    options = ("-m", "", "-p", "no:xdist", "-p", "no:cacheprovider", "-x", "-q")
    command = [sys.executable, "-m", "pytest", *options, *tests]
    process = subprocess.Popen(
        command,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return None, f"no end within {timeout_s:.0f} s"
    return process.returncode, "\n".join(told.splitlines()[-12:])


def judge(code: int | None) -> Verdict:
    """Returns what pytest's exit code says about a mutation."""
    match code:
        case 0:
            return Verdict.SURVIVED
        case 1:
            return Verdict.KILLED
        case None:
            return Verdict.HUNG
        case _:
            return Verdict.BROKEN


def run_mutation(mutation: Mutation) -> Outcome:
    """Applies one mutation to a copy of the tree and runs its tests there."""
    began_s = time.monotonic()
    with copy_of_the_tree() as tree:
        path = tree / mutation.file
        path.write_text(mutation.applied_to(path.read_text(encoding="utf-8")), encoding="utf-8")
        code, told = run_tests(tree, mutation.tests, TIMEOUT_S)
    return Outcome(mutation=mutation, verdict=judge(code), seconds=time.monotonic() - began_s, told=told)


def run_all(mutations: list[Mutation], jobs: int) -> int:
    """Runs the tests as they are, then every mutation; prints one line each. Returns the exit code."""
    whole = sorted({test for mutation in mutations for test in mutation.tests})
    code, told = run_tests(ROOT, whole, UNMUTATED_TIMEOUT_S)
    print(f"without a mutation: {'pass' if code == 0 else 'FAIL'}: {told.splitlines()[-1]}", flush=True)
    if code != 0:
        print(told)
        return 1
    counts = dict.fromkeys(Verdict, 0)
    with ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(run_mutation, mutations):
            counts[outcome.verdict] += 1
            row = outcome.mutation
            print(f"{row.invariant:4}{outcome.verdict:9}{outcome.seconds:6.1f} s  {row.file}: {row.off}", flush=True)
            if outcome.verdict is not Verdict.KILLED:
                print(outcome.told, flush=True)
    others = "".join(f", {count} {verdict}" for verdict, count in counts.items() if count and verdict != "killed")
    print(f"{counts[Verdict.KILLED]} of {len(mutations)} mutations killed{others}")
    return 0 if counts[Verdict.KILLED] == len(mutations) else 1
