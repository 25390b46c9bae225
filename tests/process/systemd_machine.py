"""A machine for the unit files: a real systemd as PID 1, in namespaces of its own, with this checkout installed in it.

What only systemd itself can show: which process gets which credential, what a watchdog's kill is followed by, when a
restart is refused. The host's tree is its lower layer and stays as it is; the network is the host's loopback, so that
an exchange outside can be reached. Ending PID 1 ends everything inside.

Needs root, `unshare` and systemd; `refusal()` says what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from tests.process.stage import ROOT, end

SYSTEMD = Path("/lib/systemd/systemd")
INTERPRETER = "opt/python"  # where the sandbox, which hides homes, lets it be seen
PROGRAM_PARTS = ("actors", "kalshi", "ops", "quant", "supervisor.py", "config.yaml", "docs")
BOOT_S = 30.0
# First into the control group that becomes the machine's root, then into namespaces of its own.
_ENTER = r"""
echo $$ > "$GROUP/cgroup.procs"
exec unshare --pid --mount --uts --ipc --cgroup --fork --kill-child sh -c "$BOOT"
"""
# Runs inside of the namespaces that `unshare` made, and becomes PID 1 of them.
_BOOT = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$STAGE/layer"
mkdir "$STAGE/layer/upper" "$STAGE/layer/work" "$STAGE/layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$STAGE/layer/upper,workdir=$STAGE/layer/work" "$STAGE/layer/root"
cp -a "$STAGE/files/." "$STAGE/layer/root/"
cd "$STAGE/layer/root"
mkdir -p opt/python opt/kalshi-bot/.venv/lib old
mount --bind "$PYTHON" opt/python
mount --bind "$PACKAGES" opt/kalshi-bot/.venv/lib
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
pivot_root . old
cd /
umount -l old
# As on a machine that booted: the folders with credentials are mounted in a namespace and must be seen from the others.
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \
    --unit=machine.target --log-target=console --log-level=info --show-status=no
"""


def refusal() -> str | None:
    """Returns why no such machine can be had here, None where it can."""
    if os.geteuid() != 0:
        return "a systemd of our own needs root"
    if not SYSTEMD.exists():
        return "systemd is not installed here (package systemd)"
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "unshare and nsenter are not installed here (package util-linux)"
    tried = subprocess.run(
        ["unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--fork", "mount", "-t", "tmpfs", "x", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"


class NoMachine(Exception):
    """This host lets no systemd of its own come up (an overlay, a control group that it refuses)."""


@attrs.define
class Machine:
    """A running machine."""

    pid: int  # of its PID 1, as the host sees it
    console: Path

    def run(self, *words: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as root."""
        command = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--uts", "--ipc", "--cgroup", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)

    def shows(self, unit: str, name: str) -> str:
        """Returns a property of a unit, as `systemctl show` tells it."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").stdout.strip()

    def journal(self, unit: str) -> str:
        """Returns what a unit has written."""
        return self.run("journalctl", f"--unit={unit}", "--no-pager", "--output=cat").stdout


@contextmanager
def machine(files: dict[str, str], folder: Path) -> Iterator[Machine]:
    """Boots with `files` (path: text) laid over the host's tree; everything is gone at the end."""
    with tempfile.TemporaryDirectory(dir=folder) as stage_name:
        stage = Path(stage_name)
        _lay_out(stage, files)
        console = folder / "console.txt"
        environment = {
            "PATH": os.environ["PATH"],
            "STAGE": str(stage),
            "PYTHON": sys.base_prefix,
            "PACKAGES": str(Path(sys.prefix) / "lib"),
        }
        with _control_group(stage) as group, console.open("wb") as out:
            process = subprocess.Popen(
                ["sh", "-c", _ENTER],
                env={**environment, "GROUP": str(group), "BOOT": _BOOT},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            try:
                yield _booted(process, console)
            finally:
                end(process)


def _lay_out(stage: Path, files: dict[str, str]) -> None:
    (stage / "layer").mkdir()
    program = stage / "files" / "opt" / "kalshi-bot"
    (program / ".venv" / "bin").mkdir(parents=True)
    for part in PROGRAM_PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, program / part)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (program / ".venv" / "bin" / "python").symlink_to(f"/{INTERPRETER}/bin/{version}")
    (program / ".venv" / "pyvenv.cfg").write_text(f"home = /{INTERPRETER}/bin\ninclude-system-site-packages = false\n")
    for path, text in files.items():
        target = stage / "files" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


@contextmanager
def _control_group(stage: Path) -> Iterator[Path]:
    """Makes a control group of the machine's own, and takes it and all that grew below it away at the end."""
    mounted = stage / "cgroups"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(mounted)], check=True)
    group = mounted / f"machine-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        until_s = time.monotonic() + 5.0
        while group.exists() and time.monotonic() < until_s:
            for below, _, _ in os.walk(group, topdown=False):
                try:
                    os.rmdir(below)
                except OSError:
                    time.sleep(0.05)  # what was killed is still on its way out
        subprocess.run(["umount", str(mounted)], check=True)


def _booted(process: subprocess.Popen[bytes], console: Path) -> Machine:
    until_s = time.monotonic() + BOOT_S
    while time.monotonic() < until_s:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            found = Machine(int(children[0]), console)
            if found.run("systemctl", "is-active", "machine.target").stdout.strip() == "active":
                return found
        time.sleep(0.1)
    raise NoMachine(f"systemd did not come up here: {console.read_text()[-500:]}")
