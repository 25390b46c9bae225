"""The unit files under a real systemd: start, status, kill -9, watchdog, stop, and the last hand with its keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.process.stage import KEY_ID, ROOT, Exchange, standalone_exchange, wait_until
from tests.process.systemd_machine import Machine, NoMachine, machine, refusal

pytestmark = [pytest.mark.process, pytest.mark.long]

UNITS = ROOT / "ops" / "systemd"
BOT, SWEEP = "kalshi-bot.service", "kalshi-bot-sweep.service"
TARGET = """
[Unit]
Description=Where the machine stops booting
Requires=systemd-journald.service
After=systemd-journald.service
DefaultDependencies=no
"""
# The interpreter stands where the sandbox lets it be seen, with its libraries. There is no network to wait for.
DROP_IN = """
[Unit]
Wants=
After=
DefaultDependencies=no
[Service]
Environment=LD_LIBRARY_PATH=/opt/python/lib
"""
STOP_S = 40.0  # TimeoutStopSec and what a busy machine adds


def _files(exchange: Exchange, key_id: str) -> dict[str, str]:
    environment = exchange.environment()
    return {
        "/etc/systemd/system/machine.target": TARGET,
        f"/etc/systemd/system/{BOT}": (UNITS / BOT).read_text(),
        f"/etc/systemd/system/{SWEEP}": (UNITS / SWEEP).read_text(),
        f"/etc/systemd/system/{BOT}.d/here.conf": DROP_IN,
        f"/etc/systemd/system/{SWEEP}.d/here.conf": DROP_IN,
        "/etc/kalshi-bot/config.yaml": (ROOT / "config.yaml").read_text(),
        "/etc/kalshi-bot/access-key": key_id + "\n",
        "/etc/kalshi-bot/private-key.pem": exchange.private_key.read_text(),
        "/etc/kalshi-bot/environment": "".join(
            f"{name}={environment[name]}\n" for name in ("KALSHI_BASE_URL", "KALSHI_BOT__EXCHANGE__WEBSOCKET_URL")
        ),
    }


@contextmanager
def _installed(folder: Path, *, key_id: str = KEY_ID) -> Iterator[tuple[Machine, Exchange]]:
    if (missing := refusal()) is not None:
        pytest.skip(missing)
    with standalone_exchange(folder) as exchange, ExitStack() as stack:
        try:
            running = stack.enter_context(machine(_files(exchange, key_id), folder))
        except NoMachine as trouble:
            pytest.skip(str(trouble))
        yield running, exchange


def _state(running: Machine) -> str:
    return running.shows(BOT, "ActiveState") + " " + running.shows(BOT, "SubState")


def _wait_for_state(running: Machine, state: str, timeout_s: float = 60.0) -> None:
    wait_until(lambda: _state(running) == state, state, timeout_s, lambda: _told(running))


def _wait_for_orders(running: Machine, exchange: Exchange) -> None:
    wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest", 60.0, lambda: _told(running))


def _told(running: Machine) -> str:
    return "\n".join((_state(running), running.journal(BOT), running.journal(SWEEP)))


def _sweeps(running: Machine) -> list[str]:
    """Returns the verdicts of all sweeps so far."""
    lines = running.journal(SWEEP).splitlines()
    return [line for line in lines if line.startswith(("verified flat", "NOT verified", "cannot sweep"))]


def test_a_service_that_is_killed_is_swept_with_its_keys_started_again_and_stopped_verified(tmp_path: Path) -> None:
    with _installed(tmp_path) as (running, exchange):
        assert running.run("systemctl", "start", BOT).returncode == 0, _told(running)
        _wait_for_orders(running, exchange)
        assert _state(running) == "active running"
        wait_until(lambda: "markets quoted" in running.shows(BOT, "StatusText"), "its status is told")

        old = set(exchange.resting())
        killed = running.run("systemctl", "kill", "--signal=SIGKILL", BOT)
        assert killed.returncode == 0, killed.stderr
        wait_until(lambda: len(_sweeps(running)) == 1, "the last hand has swept", 40.0, lambda: _told(running))
        assert _sweeps(running)[0].startswith("verified flat"), _told(running)
        assert not old & set(exchange.resting()), "nothing of the killed one rests"
        _wait_for_state(running, "active running")
        _wait_for_orders(running, exchange)
        assert running.shows(BOT, "NRestarts") == "1"

        began_s = time.monotonic()
        assert running.run("systemctl", "stop", BOT).returncode == 0
        assert time.monotonic() - began_s < STOP_S
        assert _state(running) == "inactive dead", _told(running)
        assert running.shows(BOT, "Result") == "success"
        assert [verdict.partition(":")[0] for verdict in _sweeps(running)] == ["verified flat"] * 2
        assert exchange.resting() == []


def test_a_service_that_hangs_is_ended_by_the_watchdog_swept_and_started_again(tmp_path: Path) -> None:
    with _installed(tmp_path) as (running, exchange):
        assert running.run("systemctl", "start", BOT).returncode == 0, _told(running)
        _wait_for_orders(running, exchange)
        old = set(exchange.resting())
        hanging = int(running.shows(BOT, "MainPID"))
        assert running.run("kill", "-STOP", str(hanging)).returncode == 0
        # The watchdog's SIGABRT does not reach a stopped process; SIGKILL does, after TimeoutStopSec.
        wait_until(lambda: len(_sweeps(running)) == 1, "the last hand has swept", 75.0, lambda: _told(running))
        assert _sweeps(running)[0].startswith("verified flat"), _told(running)
        assert not old & set(exchange.resting())
        _wait_for_state(running, "active running")
        assert int(running.shows(BOT, "MainPID")) != hanging
        assert "watchdog" in running.run("journalctl", "--no-pager", "--output=cat").stdout.lower()


def test_a_key_that_the_exchange_does_not_know_is_not_tried_again(tmp_path: Path) -> None:
    with _installed(tmp_path, key_id="99999999-2222-4333-8444-555555555555") as (running, _):
        assert running.run("systemctl", "start", BOT).returncode != 0
        _wait_for_state(running, "failed failed")
        assert running.shows(BOT, "ExecMainStatus") == "77", _told(running)
        assert running.shows(BOT, "NRestarts") == "0"


def test_a_sweep_by_hand_stops_the_service_for_good(tmp_path: Path) -> None:
    with _installed(tmp_path) as (running, exchange):
        assert running.run("systemctl", "start", BOT).returncode == 0, _told(running)
        _wait_for_orders(running, exchange)
        assert running.run("systemctl", "start", SWEEP).returncode == 0, _told(running)
        _wait_for_state(running, "failed failed")
        assert running.shows(BOT, "ExecMainStatus") == "4", _told(running)
        assert running.shows(BOT, "NRestarts") == "0"
        assert exchange.resting() == []
