"""Killed at any moment, the writer has lost nothing that it acknowledged, and the file is whole."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from actors.runtime.ledger_store.store import LedgerStore, prepare
from tests.actors.runtime.ledger_store.builders import ask

ROOT = Path(__file__).resolve().parents[4]
WRITER = "tests.actors.runtime.ledger_store.killed_writer"


def killed_once(path: Path, rng: Random) -> int:
    """Lets a writer go on where the last one was killed, kills it, and returns the last number it acknowledged."""
    command = (sys.executable, "-m", WRITER, str(path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline()]  # it is at work
        time.sleep(rng.uniform(0, 0.2))
        writer.kill()
        said += writer.stdout.readlines()
    return max(int(line) for line in said if line.endswith("\n"))


def kill_again_and_again(path: Path, times: int, seed: int) -> None:
    rng = Random(seed)
    for _ in range(times):
        acknowledged = killed_once(path, rng)
        assert prepare(path).is_whole
        store = LedgerStore(path)
        assert store.last_seq >= acknowledged
        seqs = [numbered.fill_seq for numbered in store.fills_after(0)]
        store.close()
        assert seqs == list(range(1, len(seqs) + 1))
        assert ask(path, "SELECT COUNT(DISTINCT order_id || fill_id) FROM fills") == [(len(seqs),)]
        assert ask(path, "SELECT MAX(at_ms) FROM alerts")[0][0] >= acknowledged


def test_a_writer_that_is_killed_has_kept_what_it_acknowledged(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path / "ledger.sqlite", times=2, seed=1)


@pytest.mark.long
def test_twenty_times_over_the_same_file(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path / "ledger.sqlite", times=20, seed=2)
