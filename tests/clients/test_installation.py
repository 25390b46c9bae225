"""Installing a foreign client: an index out of reach is a reason to skip, everything else a failure."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.clients.installation import IndexUnreachable, InstallationFailed, run_installer

PIP = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "download", "--retries", "1"]


def test_an_index_that_nobody_serves_is_out_of_reach(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        index = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"
        with pytest.raises(IndexUnreachable, match="cannot be reached"):
            run_installer([*PIP, "--index-url", index, "pykalshi==2.0.0"], tmp_path)


def test_a_release_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(InstallationFailed, match="No matching distribution"):
        run_installer([*PIP, "--no-index", "pykalshi==2.0.0"], tmp_path)


def test_the_output_of_a_success_comes_back(tmp_path: Path) -> None:
    assert run_installer([sys.executable, "-c", "print('made')"], tmp_path) == "made\n"
