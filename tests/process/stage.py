"""Real processes for tests: a standalone exchange, and bots that trade on it. Everything started here is ended here, by
pid.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from kalshi.signing import generate_key_pair

ROOT = Path(__file__).resolve().parents[2]
KEY_ID = "11111111-2222-4333-8444-555555555555"
# Starting Python for one `status` takes four seconds when three tests run on two cores: a wait is a handful of looks.
READY_S = 60.0


@attrs.define
class Exchange:
    """A running standalone exchange."""

    process: subprocess.Popen[bytes]
    rest_port: int
    ws_port: int
    truth_port: int
    private_key: Path

    def truth(self, what: str) -> Any:
        """Returns what the exchange itself knows: orders, fills, positions, cash, groups."""
        url = f"http://127.0.0.1:{self.truth_port}/truth/{what}?key_id={KEY_ID}"
        with urllib.request.urlopen(url, timeout=5) as answer:  # loopback only
            return json.load(answer)

    def resting(self) -> list[str]:
        """Returns the client order ids that rest now."""
        return [order["client_order_id"] for order in self.truth("orders")["orders"]]

    def fences(self) -> dict[str, bool]:
        """Returns the order groups there are, and whether they are triggered."""
        return {group["group_id"]: group["is_triggered"] for group in self.truth("groups")["groups"]}

    def environment(self) -> dict[str, str]:
        """Returns what a bot needs to trade here."""
        return {
            "KALSHI_ACCESS_KEY": KEY_ID,
            "KALSHI_PRIVATE_KEY": str(self.private_key),
            "KALSHI_BASE_URL": f"http://127.0.0.1:{self.rest_port}/trade-api/v2",
            "KALSHI_BOT__EXCHANGE__WEBSOCKET_URL": f"ws://127.0.0.1:{self.ws_port}/trade-api/ws/v2",
        }


@contextmanager
def standalone_exchange(folder: Path, seed: int = 3, *, in_place_of: Exchange | None = None) -> Iterator[Exchange]:
    """Runs `python -m kalshi.simulator` on free ports, or where an older one was, with the key that it knew."""
    private_key, public_key = folder / "private.pem", folder / "public.pem"
    ports = ["--port", "0"]
    if in_place_of is None:
        private_pem, public_pem = generate_key_pair("rsa")
        private_key.write_bytes(private_pem)
        public_key.write_bytes(public_pem)
    else:
        ports = ["--port", str(in_place_of.rest_port), "--ws-port", str(in_place_of.ws_port)]
    command = [sys.executable, "-m", "kalshi.simulator", *ports, "--seed", str(seed)]
    command += ["--public-key", str(public_key), "--key-id", KEY_ID]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Exchange(process, ready["rest_port"], ready["ws_port"], ready["truth_port"], private_key)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process by its id, for good."""
    if process.poll() is None:
        process.kill()
    process.wait(timeout=10)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@attrs.define
class Bot:
    """A running bot and the folder that it lives in."""

    process: subprocess.Popen[bytes]
    folder: Path
    environment: Mapping[str, str]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Returns the exit code."""
        return self.process.wait(timeout=timeout_s)

    def errors(self) -> str:
        return (self.folder / "stderr.txt").read_text()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs another command of the program in the bot's folder."""
        return run_command(self.folder, self.environment, *words)

    def exit_report(self) -> dict[str, Any]:
        (path,) = (self.folder / "state").glob("*/exit-report.json")
        report: dict[str, Any] = json.loads(path.read_text())
        return report


def run_command(folder: Path, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Runs `python supervisor.py WORDS` to its end."""
    command = [sys.executable, str(ROOT / "supervisor.py"), *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=_clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    left_out = ("KALSHI", "LIVE_", "NOTIFY_", "WATCHDOG_", "INVOCATION_", "CREDENTIALS_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**inherited, **extra}


@contextmanager
def running_bot(
    folder: Path,
    environment: Mapping[str, str],
    *,
    wrapper: tuple[str, ...] = (),
    program: Path = ROOT / "supervisor.py",
    **settings: str,
) -> Iterator[Bot]:
    """Starts the bot; `settings` are overrides such as ORDERS__LEASE_FLOOR_S="10"."""
    folder.mkdir(exist_ok=True)
    environment = {**environment, **{f"KALSHI_BOT__{name}": value for name, value in settings.items()}}
    with (folder / "stdout.txt").open("ab") as out, (folder / "stderr.txt").open("ab") as errors:
        process = subprocess.Popen(
            [*wrapper, sys.executable, str(program)],
            cwd=folder,
            env=_clean_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
    try:
        yield Bot(process, folder, environment)
    finally:
        end(process)


def wait_until(
    condition: Callable[[], bool], what: str, timeout_s: float = READY_S, seen: Callable[[], str] = str
) -> float:
    """Waits for a condition and returns the seconds it took; fails naming what did not happen, and what was seen
    instead.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"did not happen within {timeout_s} s: {what}\n{seen()}"
        time.sleep(0.05)
    return time.monotonic() - began
