"""Every program scenario at two simulated hours, twice in processes with other hash seeds: for `make nightly`.

python -m tests.simulation.playbook
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from ops.playbook.command import defects
from ops.playbook.play import play
from ops.playbook.scenarios import SCENARIOS
from ops.playbook.summary import Summary
from supervisor import build_tree
from tests.simulation.playbook_checks import CHECKS

SECONDS = 7_200.0
HASH_SEEDS = ("1", "2")


def play_named(name: str, seconds: float = SECONDS) -> Summary:
    return play(SCENARIOS[name], build_tree, seed=1, seconds=seconds)


def main() -> int:
    runs: list[dict[str, Summary]] = []
    for hash_seed in HASH_SEEDS:
        os.environ["PYTHONHASHSEED"] = hash_seed
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            runs.append(dict(zip(SCENARIOS, pool.map(play_named, SCENARIOS), strict=True)))
    wrong = 0
    for name, summary in runs[0].items():
        found = list(defects(summary))
        if summary.trace_hash != runs[1][name].trace_hash:
            found.append("another hash seed gave another trace")
        try:
            CHECKS[name](summary)
        except AssertionError as failed:
            found.append(f"it does not show its kind: {failed}")
        wrong += bool(found)
        print(f"{name}: {summary.fills} fills, hash {summary.trace_hash}, {found or 'as it must be'}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
