"""Program scenarios in processes of their own, with other hash seeds: one scenario, seed and length give one trace.

python -m tests.simulation.playbook daily-games scored     (none named means all six, two simulated hours each)
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from ops.playbook.command import failed
from ops.playbook.play import play
from ops.playbook.scenarios import SCENARIOS
from ops.playbook.summary import Summary
from supervisor import build_tree

TWO_HOURS_S = 7_200.0
HASH_SEEDS = ("1", "2")


def play_named(name: str, seconds: float = TWO_HOURS_S) -> Summary:
    return play(SCENARIOS[name], build_tree, seed=1, seconds=seconds)


def play_elsewhere(name: str, seconds: float, hash_seed: str) -> Summary:
    """Plays it in a process whose sets and dictionaries of strings are in another order."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = hash_seed
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(play_named, name, seconds).result()
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def main(names: list[str]) -> int:
    wrong = 0
    for name in names or SCENARIOS:
        first, second = (play_elsewhere(name, TWO_HOURS_S, hash_seed) for hash_seed in HASH_SEEDS)
        found = [*failed(first), *first.violations]
        if first != second:
            found.append(f"another hash seed gave another run: {first.trace_hash} and {second.trace_hash}")
        wrong += bool(found)
        print(f"{name}: {first.fills} fills, hash {first.trace_hash}, {found or 'as it must be'}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
