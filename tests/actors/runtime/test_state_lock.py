"""One process per state folder, shown with a second real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.runtime.state_lock import StateFolderInUse, StateFolderUnusable, hold_state_lock

HOLDER = """
import sys, time
from pathlib import Path
from actors.runtime.state_lock import hold_state_lock
with hold_state_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_folder_is_made_and_the_lock_file_names_the_holder(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "demo"
    with hold_state_lock(folder) as path:
        assert path.parent == folder
        assert path.read_text().strip() == str(os.getpid())


def test_the_lock_can_be_taken_again_after_it_was_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_state_lock(tmp_path):
            pass


def test_a_second_holder_is_refused_even_in_the_same_process(tmp_path: Path) -> None:
    with hold_state_lock(tmp_path), pytest.raises(StateFolderInUse) as refused, hold_state_lock(tmp_path):
        pass
    assert refused.value.pid == os.getpid()


@pytest.mark.process
def test_another_process_is_named_and_its_death_by_sigkill_frees_the_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(StateFolderInUse, match=f"in use by process {holder.pid}") as refused:
                hold_state_lock(tmp_path).__enter__()
            assert refused.value.folder == tmp_path
        finally:
            holder.send_signal(signal.SIGKILL)
    with hold_state_lock(tmp_path):
        pass


def test_a_lock_file_without_a_pid_still_refuses(tmp_path: Path) -> None:
    with hold_state_lock(tmp_path) as path:
        path.write_text("not a pid")
        with pytest.raises(StateFolderInUse, match="another process") as refused, hold_state_lock(tmp_path):
            pass
    assert refused.value.pid is None


def test_a_folder_that_cannot_be_made_is_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFolderUnusable, match="cannot be used"), hold_state_lock(tmp_path / "file" / "state"):
        pass


def test_a_full_disk_does_not_keep_us_from_holding_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", no_space)
    with hold_state_lock(tmp_path), pytest.raises(StateFolderInUse), hold_state_lock(tmp_path):
        pass
